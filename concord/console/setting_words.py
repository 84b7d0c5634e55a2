"""The firm's settings as the pages name them: label, how each is chosen, and its effect in one sentence. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from schemas.settings import READERS, Settings


@dataclass(frozen=True)
class Field:
    """One setting. `choices` are (value, label) pairs; without any it is a `date`, a `number` or `text`."""

    name: str
    label: str
    effect: str
    choices: tuple[tuple[str, str], ...] = ()
    kind: str = "choice"
    group: str = ""

    def value(self, settings: Settings) -> str:
        """The value in force as a form holds it."""
        return as_text(getattr(settings, self.name))

    def word(self, text: str) -> str:
        """A value as the page calls it."""
        return dict(self.choices).get(text, text) or "not set"


ON_OFF: Final = (("on", "On"), ("off", "Off"))
YES_NO: Final = (("on", "Yes"), ("off", "No"))

# The tab Sync Settings, section Event Settings.
SYNC: Final = (
    Field(
        "direction", "Sync Direction",
        "One-way: changes on the other side never flow back. Two-way: if both sides changed between syncs, "
        "Microsoft 365 wins; every change written to Microsoft 365 mails the attendees.",
        (
            ("microsoft_to_practifi", "Microsoft to Practifi"), ("practifi_to_microsoft", "Practifi to Microsoft"),
            ("two_way", "Two-way"),
        ),
    ),
    Field(
        "sync_internal_events", "Sync Internal Events",
        "On: events that only Practifi users attend are synced too. Off: they are left alone.", ON_OFF,
    ),
    Field(
        "delete_from_microsoft", "Delete Synced Events, from Microsoft 365",
        "Yes: deleting a synced event in Microsoft 365 deletes the Practifi event. No: the Practifi event is kept.",
        YES_NO,
    ),
    Field(
        "delete_from_practifi", "Delete Synced Events, from Practifi",
        "Yes: deleting a synced event in Practifi deletes it in Microsoft 365, which mails cancellations. No: it is "
        "kept.", YES_NO,
    ),
    Field(
        "sync_private_events", "Sync Private Events",
        "On: events marked private are synced, always without attendees. Off: they are left alone.", ON_OFF,
    ),
    Field(
        "sync_unmatched_events", "Sync Unmatched Events",
        "On: events of synced calendars appear in Practifi even if no attendee matches a record. Off: only events with "
        "somebody on record.", ON_OFF,
    ),
    Field(
        "send_invitations", "Send Invitations to Attendees",
        "How the checkbox of this name stands on a new Practifi event. Off: it is created in Microsoft 365 without "
        "attendees, so nobody is mailed.", ON_OFF,
    ),
)  # fmt: skip

RANGE: Final = "Microsoft Integration Settings"
BRAKES: Final = "Brakes: writes that wait for a person (0: no limit)"
REST: Final = "Concord"

# The custom settings record of the product, then what only Concord has.
INTEGRATION: Final = (
    Field(
        "commencement_date", "Commencement Date",
        "The past from this day on is synced from Microsoft 365 into Practifi; history never goes the other way.", (),
        "date", RANGE,
    ),
    Field(
        "inbound_years", "Future Inbound Event Sync Range in Years",
        "Microsoft 365 events up to that many years ahead are synced into Practifi.", (), "number", RANGE,
    ),
    Field(
        "outbound_months", "Future Outbound Event Sync in Months",
        "Practifi events up to that many months ahead are synced to Microsoft 365.", (), "number", RANGE,
    ),
    Field(
        "invitation_limit_per_write", "People mailed by one write",
        "A write that would mail more people outside the firm than this waits until somebody releases it.", (),
        "number", BRAKES,
    ),
    Field(
        "invitation_limit_per_hour", "People mailed in an hour",
        "Once the writes of an hour have mailed this many people outside the firm, further ones wait.", (),
        "number", BRAKES,
    ),
    Field(
        "deletion_limit_events", "Deletions of a user at once",
        "If more of a user's events than this are found deleted at once, the deletions wait.", (), "number", BRAKES,
    ),
    Field(
        "deletion_limit_percent", "Deletions of a user at once, in percent",
        "The same, as a part of the user's events; the larger of the two counts.", (), "number", BRAKES,
    ),
    Field(
        "licences", "Licences", "How many users may take part, as your contract says; 0: no limit.", (), "number", REST,
    ),
    Field(
        "conflict_scope", "What Microsoft 365 wins in a conflict",
        "The field that both sides changed, or the whole event.",
        (("field", "The field that both changed"), ("record", "The whole event")), "choice", REST,
    ),
    Field(
        "show_as_list", "Show Time As values in Practifi",
        "Whether your Practifi has all five values or only those of standard Salesforce.",
        (("extended", "Five (Practifi)"), ("standard", "Three (standard Salesforce)")), "choice", REST,
    ),
    Field(
        "series_months", "Series ahead in months", "How far ahead the dates of a recurring event are synced.", (),
        "number", REST,
    ),
    Field(
        "outbound_origins", "Whose saves go out",
        "ui: saves made in Practifi's own pages; unknown: saves of which nobody says how they came about; or names "
        "that Salesforce gives, with commas between.", (), "text", REST,
    ),
    Field(
        "shadow", "Shadow mode", "On: everything is decided and recorded, nothing is written to either side.", ON_OFF,
        "choice", REST,
    ),
)  # fmt: skip

FIELDS: Final = {field.name: field for field in (*SYNC, *INTEGRATION)}


@dataclass(frozen=True)
class Change:
    """One setting that would change, in words."""

    field: Field
    before: str
    after: str


def as_text(value: object) -> str:
    """A value as the reader of its setting takes it."""
    if isinstance(value, bool):
        return "on" if value else "off"
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    if isinstance(value, date):
        return value.isoformat()
    return "" if value is None else str(value)


def changes(before: Settings, after: Settings) -> list[Change]:
    """What differs between two documents, the users aside."""
    rows = ((FIELDS[name], as_text(getattr(before, name)), as_text(getattr(after, name))) for name in READERS)
    return [Change(one, one.word(old), one.word(new)) for one, old, new in rows if old != new]


def user_changes(before: Settings, after: Settings) -> list[str]:
    """What differs about users, one sentence each."""
    lines = []
    for user in after.users:
        known = before.user_of_mailbox(user.mailbox)
        if user.is_enabled != (known is not None and known.is_enabled):
            lines.append(f"{user.address}: Sync Events turned {'on' if user.is_enabled else 'off'}.")
        if user.is_primary and not (known is not None and known.is_primary):
            lines.append(f"{user.address} became its user's Primary Mailbox.")
        if known is not None and known.salesforce_id and user.salesforce_id != known.salesforce_id:
            lines.append(f"{user.address} was given to another user.")
    if after.preflight_at != before.preflight_at:
        lines.append("Preflight confirmed.")
    return lines
