"""What the Practifi package and this project add to an org. Every name is configuration: none could be confirmed."""

from __future__ import annotations

from typing import Final

from simulators.salesforce.objects.system import audit, record_id
from simulators.salesforce.schema import Field, SObject, checkbox, column, lookup, picklist

ORIGIN: Final = "Concord_Origin__c"
SYNC_STATUSES: Final = ("Not Synced", "Pending", "Synced", "Error")
SHOW_TIME_AS: Final = ("Free", "Tentative", "Busy", "Out of Office", "Working Elsewhere")


def sync_key() -> Field:
    """The field that joins an event with its Microsoft 365 counterpart."""
    return column(
        "Concord_Sync_Key__c",
        "string",
        "Concord Sync Key",
        "NCU",
        length=255,
        external_id=True,
        unique=True,
        case_sensitive=True,
        custom=True,
    )


def origin() -> Field:
    """The field in which a trigger of the org keeps how an event was last saved by somebody: ui, api or bulk."""
    return column(ORIGIN, "string", "Concord Origin", "NCU", length=80, custom=True)


def event_fields(namespace: str) -> tuple[Field, ...]:
    """The package's fields on Event. An empty namespace leaves the prefix off."""
    ns = f"{namespace}__" if namespace else ""
    return (
        column(f"{ns}External_ID__c", "string", "External ID", "NCU", length=255, custom=True, index="hash"),
        picklist(
            f"{ns}Microsoft_365_Sync_Status__c", "Microsoft 365 Sync Status", "NCU", SYNC_STATUSES, **_STATUS_OPTIONS
        ),
        picklist(f"{ns}Show_Time_As__c", "Show Time As", "NCU", SHOW_TIME_AS, default="Busy", length=255, custom=True),
        checkbox(f"{ns}Send_Invitations_to_Attendees__c", "Send Invitations to Attendees", "CU", custom=True),
        checkbox(f"{ns}Teams_Meeting__c", "Teams Meeting", "CU", custom=True),
        column(f"{ns}Teams_Meeting_URL__c", "url", "Teams Meeting URL", "NCU", length=255, custom=True),
        column(
            f"{ns}Recurring_in_Microsoft_365__c", "string", "Recurring in Microsoft 365", "NCU", length=255, custom=True
        ),
    )


_STATUS_OPTIONS: Final = {"length": 255, "custom": True}


def contact_fields(namespace: str) -> tuple[Field, ...]:
    """The package's fields on Contact."""
    ns = f"{namespace}__" if namespace else ""
    return (
        column(f"{ns}Alternative_Email__c", "email", "Alternative Email", "NCU", length=80, custom=True, index="hash"),
    )


def integration_log(namespace: str) -> SObject:
    """The object in which an integration reports what it did and what failed."""
    ns = f"{namespace}__" if namespace else ""
    name = f"{ns}Integration_Log__c"
    fields = (
        record_id("Record ID"),
        lookup("OwnerId", "Owner ID", "CU", ["User"], "Owner"),
        checkbox("IsDeleted", "Deleted", ""),
        column("Name", "string", "Integration Log Name", "", length=80, is_name=True),
        *audit(deletable=False),
        column(f"{ns}Error_Message__c", "textarea", "Error Message", "NCUX", length=32768, custom=True),
        column(f"{ns}External_System__c", "string", "External System", "NCU", length=255, custom=True),
        column(f"{ns}Date_Time__c", "datetime", "Date/Time", "NCU", custom=True, index="sorted"),
        checkbox(f"{ns}Is_Error__c", "Is Error", "CU", custom=True),
    )
    return SObject(name, "Integration Log", "Integration Logs", "a0I", fields, custom=True)
