"""Event and its relations: fields in describe order."""

from __future__ import annotations

from typing import Final

from simulators.salesforce.objects.system import audit, record_id
from simulators.salesforce.schema import Field, SObject, checkbox, column, lookup, picklist

SHOW_AS: Final = (("Busy", "Busy"), ("OutOfOffice", "Out of Office"), ("Free", "Free"))
GROUP_TYPES: Final = (
    ("0", "Non-group Event"),
    ("1", "Group Event"),
    ("2", "Proposed Event"),
    ("3", "IsRecurrence2 Series Pattern"),
)
RECURRENCE_TYPES: Final = (
    ("RecursDaily", "Recurs Daily"),
    ("RecursEveryWeekday", "Recurs Every Weekday"),
    ("RecursMonthly", "Recurs Monthly"),
    ("RecursMonthlyNth", "Recurs Monthly Nth"),
    ("RecursWeekly", "Recurs Weekly"),
    ("RecursYearly", "Recurs Yearly"),
    ("RecursYearlyNth", "Recurs Yearly Nth"),
)
MONTHS: Final = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
STATUSES: Final = ("New", "Declined", "Accepted", "Uninvited", "Maybe")
RELATION_TARGETS: Final = ("Calendar", "Contact", "Lead", "User")

_MAIN: Final = (
    record_id("Activity ID"),
    lookup("WhoId", "Name ID", "NCU", ["Contact", "Lead"], "Who", children="Events"),
    lookup("WhatId", "Related To ID", "NCU", ["Account"], "What", children="Events"),
    column(
        "Subject",
        "combobox",
        "Subject",
        "NCU",
        length=255,
        picklist=tuple((text, text) for text in ("Call", "Email", "Meeting", "Send Letter/Quote", "Other")),
    ),
    column("Location", "string", "Location", "NCU", length=255),
    checkbox("IsAllDayEvent", "All-Day Event", "CU"),
    column("ActivityDateTime", "datetime", "Due Date Time", "NCU", index="sorted"),
    column("ActivityDate", "date", "Due Date Only", "NCU", index="sorted"),
    column("DurationInMinutes", "int", "Duration", "NCU"),
    column("StartDateTime", "datetime", "Start Date Time", "NCU", index="sorted"),
    column("EndDateTime", "datetime", "End Date Time", "NCU", index="sorted"),
    column("EndDate", "date", "End Date", "N"),
    column("Description", "textarea", "Description", "NCUX", length=32000),
    lookup("AccountId", "Account ID", "N", ["Account"], "Account"),
    lookup("OwnerId", "Assigned To ID", "CU", ["Calendar", "User"], "Owner"),
    checkbox("IsPrivate", "Private", "CU"),
    picklist("ShowAs", "Show Time As", "NCU", SHOW_AS, default="Busy"),
    checkbox("IsDeleted", "Deleted", ""),
    checkbox("IsChild", "Is Child", ""),
    checkbox("IsGroupEvent", "Is Group Event", ""),
    picklist("GroupEventType", "Group Event Type", "N", GROUP_TYPES, default="0"),
    *audit(deletable=False),
    checkbox("IsArchived", "Archived", ""),
)
_CLASSIC_SERIES: Final = (
    lookup("RecurrenceActivityId", "Recurrence Activity ID", "N", ["Event"], None, children="RecurringEvents"),
    checkbox("IsRecurrence", "Create Recurring Series of Events", "C"),
    column("RecurrenceStartDateTime", "datetime", "Recurrence Start", "NCU"),
    column("RecurrenceEndDateOnly", "date", "Recurrence End", "NCU"),
    picklist("RecurrenceTimeZoneSidKey", "Recurrence Time Zone", "NCU", (), restricted=False),
    picklist("RecurrenceType", "Recurrence Type", "NCU", RECURRENCE_TYPES),
    column("RecurrenceInterval", "int", "Recurrence Interval", "NCU"),
    column("RecurrenceDayOfWeekMask", "int", "Recurrence Day of Week Mask", "NCU"),
    column("RecurrenceDayOfMonth", "int", "Recurrence Day of Month", "NCU"),
    picklist("RecurrenceInstance", "Recurrence Instance", "NCU", ("First", "Second", "Third", "Fourth", "Last")),
    picklist("RecurrenceMonthOfYear", "Recurrence Month of Year", "NCU", MONTHS),
)
_LIGHTNING_SERIES: Final = (
    checkbox("IsRecurrence2Exclusion", "Historical Event - Not Following Recurrence", ""),
    column("Recurrence2PatternText", "textarea", "Recurrence Pattern", "NCX", length=512),
    picklist("Recurrence2PatternVersion", "Pattern Version", "N", ("1", "2")),
    checkbox("IsRecurrence2", "Repeat", ""),
    checkbox("IsRecurrence2Exception", "Is Exception", ""),
    column("Recurrence2PatternStartDate", "datetime", "Recurrence Pattern Start Date", "N"),
    column("Recurrence2PatternTimeZone", "string", "Recurrence Pattern Time Zone Reference", "N", length=255),
)
_REMINDER: Final = (
    column("ReminderDateTime", "datetime", "Reminder Date/Time", "NCU", index="sorted"),
    checkbox("IsReminderSet", "Reminder Set", "CU"),
    picklist("EventSubtype", "Event Subtype", "NC", ("Event",), default="Event"),
)
EVENT: Final = SObject("Event", "Event", "Events", "00U", (*_MAIN, *_CLASSIC_SERIES, *_REMINDER, *_LIGHTNING_SERIES))

_RELATION_CALLS: Final = frozenset({"create", "update", "delete", "query", "retrieve", "replicate"})
_VIEW_CALLS: Final = frozenset({"query", "retrieve"})


def event_relation(*, shared_activities: bool) -> SObject:
    """EventRelation. IsWhat, IsParent, IsInvitee and AccountId exist under Shared Activities only."""
    targets = (*RELATION_TARGETS, "Account") if shared_activities else RELATION_TARGETS
    shared: tuple[Field, ...] = ()
    if shared_activities:
        shared = (
            checkbox("IsWhat", "Is What", "C"),
            checkbox("IsParent", "Is Parent", "CU"),
            checkbox("IsInvitee", "Is Invitee", "CU"),
            lookup("AccountId", "Account ID", "N", ["Account"], "Account"),
        )
    fields = (
        record_id("Event Relation ID"),
        lookup("RelationId", "Relation ID", "C", targets, "Relation", children="EventRelations"),
        lookup("EventId", "Event ID", "C", ["Event"], "Event", children="EventRelations"),
        *shared,
        picklist("Status", "Status", "NCU", STATUSES, default="New"),
        column("RespondedDate", "datetime", "Response Date", "NCU"),
        column("Response", "string", "Response", "NCU", length=255),
        *audit(),
    )
    return SObject("EventRelation", "Event Relation", "Event Relations", "0RE", fields, _RELATION_CALLS)


def relation_views(*, shared_activities: bool) -> tuple[SObject, ...]:
    """The read-only views on EventRelation: one per status, and EventWhoRelation under Shared Activities."""
    views = [_status_view(status) for status in ("Accepted", "Declined", "New")]
    if shared_activities:
        views.append(_who_view())
    return tuple(views)


def _status_view(status: str) -> SObject:
    word = "Undecided" if status == "New" else status
    fields = (
        record_id("Event Relation ID"),
        lookup("RelationId", "Relation ID", "", RELATION_TARGETS, "Relation", children=f"{word}EventRelations"),
        lookup("EventId", "Event ID", "", ["Event"], "Event", children=f"{word}EventRelations"),
        column("RespondedDate", "datetime", "Response Date", "N"),
        column("Response", "string", "Response", "N", length=255),
        *audit(),
        column("Type", "string", "Relation Type", "N", length=50),
    )
    name = f"{word}EventRelation"
    label = f"{word} Event Relation"
    return SObject(
        name, label, f"{label}s", "", fields, _VIEW_CALLS, view_of="EventRelation", view_where=(("Status", status),)
    )


def _who_view() -> SObject:
    fields = (
        record_id("Event Who Relation ID"),
        lookup("RelationId", "Relation ID", "", ["Contact", "Lead"], "Relation", children="EventWhoRelations"),
        lookup("EventId", "Event ID", "", ["Event"], "Event", children="EventWhoRelations"),
        column("Type", "string", "Relation Type", "N", length=50),
        lookup("AccountId", "Account ID", "N", ["Account"], "Account"),
        *audit(),
    )
    return SObject(
        "EventWhoRelation",
        "Event Who Relation",
        "Event Who Relations",
        "",
        fields,
        _VIEW_CALLS,
        view_of="EventRelation",
        view_where=(("IsParent", True), ("IsWhat", False)),
    )


def junction_lists() -> tuple[Field, ...]:
    """The counts that Event shows under Shared Activities."""
    return (
        column("WhoCount", "int", "Relation Count", "N"),
        column("WhatCount", "int", "Related To Count", "N"),
    )
