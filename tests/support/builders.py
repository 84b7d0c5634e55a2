"""Builders of values for tests: say what matters, the rest is a plain meeting of Ann's, five days ahead of NOW."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from schemas.calendar import Attendee, AttendeeKind, CalendarEvent, TimeSpan
from schemas.changes import Item, Side
from schemas.commands import Action, Command, Outcome, Result
from schemas.journal import JournalEntry, OutcomeKnown, Position, Seen
from schemas.settings import Direction, Settings, UserSetting

NOW: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
ANN: Final = UserSetting("mailbox-ann", "ann@firm.example", "005ANN", "Ann", True, NOW - timedelta(days=1))
BOB: Final = UserSetting("mailbox-bob", "bob@firm.example", "005BOB", "Bob", True, NOW - timedelta(days=1))
CLIENT: Final = Attendee("client@out.example", "Client", record_id="003CLIENT")
STRANGER: Final = Attendee("stranger@out.example", "Stranger")
COLLEAGUE: Final = Attendee("bob@firm.example", "Bob", record_id="005BOB", is_user=True)
ROOM: Final = Attendee("room1@firm.example", "Room 1", AttendeeKind.RESOURCE)
ORGANIZER: Final = Attendee("ann@firm.example", "Ann", record_id="005ANN", is_user=True)


def firm_settings(**members: Any) -> Settings:
    """Two-way, everything allowed, Ann enabled and Bob known."""
    usual: dict[str, Any] = {
        "number": 1,
        "preflight_at": NOW,
        "direction": Direction.TWO_WAY,
        "sync_internal_events": True,
        "sync_private_events": True,
        "sync_unmatched_events": True,
        "delete_from_microsoft": True,
        "delete_from_practifi": True,
        "commencement_date": NOW.date() - timedelta(days=180),
        "users": (ANN, replace(BOB, is_enabled=False, outbound_since=None)),
    }
    return Settings(**(usual | members))


def span(days: float = 5, hours: float = 1, *, all_day: bool = False) -> TimeSpan:
    """A span that starts so many days after NOW; all-day: whole days from that date's midnight."""
    start = NOW + timedelta(days=days)
    if all_day:
        start = datetime(start.year, start.month, start.day, tzinfo=UTC)
        return TimeSpan(start, start + timedelta(days=max(1, round(hours / 24))), is_all_day=True)
    return TimeSpan(start, start + timedelta(hours=hours))


def meeting(subject: str = "Review", **members: Any) -> CalendarEvent:
    """Content in either side's fidelity."""
    return CalendarEvent(**({"span": span(), "subject": subject} | members))


def graph_item(content: CalendarEvent | None = None, **members: Any) -> Item:
    """Ann's own event G in her mailbox, read at NOW."""
    content = replace(content or meeting(), organizer=(content and content.organizer) or ORGANIZER)
    usual: dict[str, Any] = {
        "id": "G",
        "version": "etag-1",
        "modified_at": NOW,
        "created_at": NOW,
        "content": content,
        "mailbox": ANN.mailbox,
        "organizer_mailbox": ANN.mailbox,
    }
    usual["i_cal_uid"] = f"uid-{members.get('id', 'G')}"
    return Item(side=Side.GRAPH, **(usual | members))


def salesforce_item(content: CalendarEvent | None = None, **members: Any) -> Item:
    """Ann's Practifi event S, saved at NOW."""
    content = content or meeting()
    usual: dict[str, Any] = {
        "id": "S",
        "version": "stamp-1",
        "modified_at": NOW,
        "created_at": NOW,
        "content": replace(content, owner_id=content.owner_id or ANN.salesforce_id),
        "origin": "ui",
    }
    return Item(side=Side.SALESFORCE, **(usual | members))


def seen(item: Item, *, offset: int = 0, pair_key: str = "m:uid-G", at: datetime = NOW, **members: Any) -> JournalEntry:
    """The journal entry of a reading."""
    topic = f"{item.side}.changes"
    return JournalEntry(
        pair_key, at, Position(topic, 0, offset), Seen(item.side, item.id, item.mailbox, item, **members)
    )


def removed(
    side: Side, item_id: str, *, offset: int = 0, pair_key: str = "m:uid-G", mailbox: str = "", at: datetime = NOW
) -> JournalEntry:
    """The journal entry of a confirmed removal."""
    return JournalEntry(pair_key, at, Position(f"{side}.changes", 0, offset), Seen(side, item_id, mailbox))


def answered(
    command: Command, result: Result = Result.APPLIED, item: Item | None = None, *, offset: int = 0, code: str = "",
    at: datetime = NOW,
) -> JournalEntry:  # fmt: skip
    """The journal entry of a sink's outcome."""
    outcome = Outcome(command.command_id, command.pair_key, command.side, command.action, result, at, item, code)
    return JournalEntry(command.pair_key, at, Position("sync.outcomes", 0, offset), OutcomeKnown(outcome))


def command(side: Side = Side.SALESFORCE, action: Action = Action.CREATE, **members: Any) -> Command:
    """A command of the pair m:uid-G."""
    usual: dict[str, Any] = {"command_id": "m:uid-G#1", "pair_key": "m:uid-G", "decided_at": NOW, "revision": 1}
    return Command(side=side, action=action, **(usual | members))
