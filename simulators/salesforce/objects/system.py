"""The fields that every record has."""

from __future__ import annotations

from typing import Final

from simulators.salesforce.schema import Field, checkbox, column, lookup

NAMED: Final = ("Contact", "Lead", "User", "Calendar", "Account")


def record_id(label: str) -> Field:
    """The Id field."""
    return column("Id", "id", label, "", length=18)


def audit(*, deletable: bool = True) -> tuple[Field, ...]:
    """IsDeleted and the who-and-when fields. Times come in whole seconds."""
    fields = (
        column("CreatedDate", "datetime", "Created Date", "", index="sorted"),
        lookup("CreatedById", "Created By ID", "", ["User"], "CreatedBy"),
        column("LastModifiedDate", "datetime", "Last Modified Date", "", index="sorted"),
        lookup("LastModifiedById", "Last Modified By ID", "", ["User"], "LastModifiedBy"),
        column("SystemModstamp", "datetime", "System Modstamp", "", index="sorted"),
    )
    return (checkbox("IsDeleted", "Deleted", ""), *fields) if deletable else fields


NAME_FIELDS: Final = (
    column("Id", "id", "Name ID", "", length=18),
    column("Name", "string", "Name", "N", length=255, is_name=True),
    column("LastName", "string", "Last Name", "N", length=80),
    column("FirstName", "string", "First Name", "N", length=40),
    column("Type", "string", "Type", "N", length=40),
    column("Alias", "string", "Alias", "N", length=8),
    column("IsActive", "boolean", "Active", "N"),
    column("Title", "string", "Title", "N", length=128),
    column("Email", "email", "Email", "N", length=128),
    column("Phone", "phone", "Phone", "N", length=40),
    column("Username", "string", "Username", "N", length=80),
    column("ProfileId", "reference", "Profile ID", "N", length=18),
)
"""What can be selected through a polymorphic relationship (Who, What, Owner, Relation)."""
