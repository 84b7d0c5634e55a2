"""The records that events point to: User, Calendar, Contact, Lead, Account, and the org's own rows."""

from __future__ import annotations

from typing import Final

from simulators.salesforce.objects.system import audit, record_id
from simulators.salesforce.schema import READ_CALLS, SObject, checkbox, column, lookup, picklist

USER_TYPES: Final = ("Standard", "PowerPartner", "CspLitePortal", "CustomerSuccess", "PowerCustomerSuccess", "Guest")
CALENDAR_TYPES: Final = (
    ("User", "User Calendar"),
    ("Public", "Public Calendar"),
    ("Resource", "Resource Calendar"),
    ("Holiday", "Holiday Calendar"),
)

USER: Final = SObject(
    "User",
    "User",
    "Users",
    "005",
    (
        record_id("User ID"),
        column("Username", "string", "Username", "CU", length=80, unique=True),
        column("LastName", "string", "Last Name", "CU", length=80),
        column("FirstName", "string", "First Name", "NCU", length=40),
        column("Name", "string", "Full Name", "", length=121, is_name=True),
        column("Email", "email", "Email", "CU", length=128, index="hash"),
        column("Alias", "string", "Alias", "CU", length=8),
        column("CommunityNickname", "string", "Nickname", "CU", length=40),
        column("Title", "string", "Title", "NCU", length=80),
        column("Phone", "phone", "Phone", "NCU", length=40),
        checkbox("IsActive", "Active", "CU", default=True),
        picklist("TimeZoneSidKey", "Time Zone", "CU", (), restricted=False, default="America/New_York"),
        picklist("LocaleSidKey", "Locale", "CU", (), restricted=False, default="en_US"),
        picklist("LanguageLocaleKey", "Language", "CU", (), restricted=False, default="en_US"),
        picklist("EmailEncodingKey", "Email Encoding", "CU", (), restricted=False, default="UTF-8"),
        lookup("ProfileId", "Profile ID", "CU", ["Profile"], "Profile"),
        picklist("UserType", "User Type", "N", USER_TYPES, default="Standard"),
        lookup("ManagerId", "Manager ID", "NCU", ["User"], "Manager"),
        column("FederationIdentifier", "string", "SAML Federation ID", "NCU", length=512),
        column("LastLoginDate", "datetime", "Last Login", "N"),
        *audit(deletable=False),
    ),
    frozenset({"create", "update", "query", "retrieve", "search", "replicate"}),
)

PROFILE: Final = SObject(
    "Profile",
    "Profile",
    "Profiles",
    "00e",
    (record_id("Profile ID"), column("Name", "string", "Name", "", length=255, is_name=True), *audit(deletable=False)),
    READ_CALLS,
)

ORGANIZATION: Final = SObject(
    "Organization",
    "Organization",
    "Organizations",
    "00D",
    (
        record_id("Organization ID"),
        column("Name", "string", "Name", "", length=80, is_name=True),
        column("OrganizationType", "picklist", "Edition", "N", length=40),
        column("InstanceName", "string", "Instance Name", "N", length=5),
        checkbox("IsSandbox", "Is Sandbox", ""),
        column("NamespacePrefix", "string", "Namespace Prefix", "N", length=15),
        column("TimeZoneSidKey", "picklist", "Time Zone", "", length=40),
        *audit(deletable=False),
    ),
    READ_CALLS,
)

CALENDAR: Final = SObject(
    "Calendar",
    "Calendar",
    "Calendars",
    "023",
    (
        record_id("Calendar ID"),
        column("Name", "string", "Name", "", length=80, is_name=True),
        lookup("UserId", "User ID", "N", ["User"], "User"),
        picklist("Type", "Calendar Type", "", CALENDAR_TYPES),
        checkbox("IsActive", "Active", "", default=True),
        *audit(deletable=False),
    ),
    READ_CALLS,
)

CONTACT: Final = SObject(
    "Contact",
    "Contact",
    "Contacts",
    "003",
    (
        record_id("Contact ID"),
        checkbox("IsDeleted", "Deleted", ""),
        lookup("MasterRecordId", "Master Record ID", "N", ["Contact"], "MasterRecord"),
        lookup("AccountId", "Account ID", "NCU", ["Account"], "Account", children="Contacts"),
        column("LastName", "string", "Last Name", "CU", length=80),
        column("FirstName", "string", "First Name", "NCU", length=40),
        column("Name", "string", "Full Name", "", length=121, is_name=True),
        column("Title", "string", "Title", "NCU", length=128),
        column("Phone", "phone", "Business Phone", "NCU", length=40),
        column("Email", "email", "Email", "NCU", length=80, index="hash"),
        column("Description", "textarea", "Contact Description", "NCUX", length=32000),
        lookup("OwnerId", "Owner ID", "CU", ["User"], "Owner"),
        *audit(deletable=False),
    ),
)

LEAD: Final = SObject(
    "Lead",
    "Lead",
    "Leads",
    "00Q",
    (
        record_id("Lead ID"),
        checkbox("IsDeleted", "Deleted", ""),
        column("LastName", "string", "Last Name", "CU", length=80),
        column("FirstName", "string", "First Name", "NCU", length=40),
        column("Name", "string", "Full Name", "", length=121, is_name=True),
        column("Company", "string", "Company", "CU", length=255),
        column("Email", "email", "Email", "NCU", length=80, index="hash"),
        column("Phone", "phone", "Phone", "NCU", length=40),
        lookup("OwnerId", "Owner ID", "CU", ["User"], "Owner"),
        *audit(deletable=False),
    ),
)

ACCOUNT: Final = SObject(
    "Account",
    "Account",
    "Accounts",
    "001",
    (
        record_id("Account ID"),
        checkbox("IsDeleted", "Deleted", ""),
        column("Name", "string", "Account Name", "CU", length=255, is_name=True),
        picklist("Type", "Account Type", "NCU", ("Prospect", "Customer", "Other"), restricted=False),
        lookup("ParentId", "Parent Account ID", "NCU", ["Account"], "Parent", children="ChildAccounts"),
        column("Phone", "phone", "Account Phone", "NCU", length=40),
        column("Website", "url", "Website", "NCU", length=255),
        column("Industry", "picklist", "Industry", "NCU", length=255),
        column("NumberOfEmployees", "int", "Employees", "NCU"),
        column("Description", "textarea", "Account Description", "NCUX", length=32000),
        lookup("OwnerId", "Owner ID", "CU", ["User"], "Owner"),
        *audit(deletable=False),
    ),
)
