"""One journal partition driven by hand: say what was seen, what a sink answered, and look at what was decided."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from schemas.calendar import Attendee, CalendarEvent, TimeSpan
from schemas.changes import Item, Side
from schemas.commands import Action, Command, Outcome, Result
from schemas.journal import JournalEntry, OutcomeKnown, Position, Seen, SettingsChanged
from schemas.settings import Direction, Settings, UserSetting
from schemas.state import PairState
from streams.stage import Partition, Step

START: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MAILBOX: Final = "mailbox-ann"
OWNER: Final = "005ANN"
TWO_WAY: Final = Settings(
    number=1,
    direction=Direction.TWO_WAY,
    sync_internal_events=True,
    sync_unmatched_events=True,
    delete_from_microsoft=True,
    delete_from_practifi=True,
    commencement_date=START.date() - timedelta(days=30),
    users=(UserSetting(MAILBOX, "ann@firm.example", OWNER, "Ann", True, START - timedelta(days=1)),),
)


def content(subject: str = "Review", **members: Any) -> CalendarEvent:
    """An hour, five days ahead."""
    start = START + timedelta(days=5)
    return CalendarEvent(TimeSpan(start, start + timedelta(hours=1)), subject, owner_id=OWNER, **members)


@dataclass
class Journal:
    """One partition. Every call is one entry; `at` seconds after START is when the item was modified."""

    settings: Settings = TWO_WAY
    partition: Partition = field(default_factory=lambda: Partition(0))
    offset: int = 0
    sent: list[Command] = field(default_factory=list)
    forwards: list[JournalEntry] = field(default_factory=list)
    lanes: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.enter("!settings", "settings.changes", SettingsChanged(self.settings))

    def enter(self, key: str, topic: str, what: Any, at: float = 0.0) -> Step | None:
        """Fold one entry under the next offset of its lane."""
        self.lanes[topic] = self.lanes.get(topic, -1) + 1
        entry = JournalEntry(key, START + timedelta(seconds=at), Position(topic, 0, self.lanes[topic]), what)
        return self.fold(entry)

    def fold(self, entry: JournalEntry) -> Step | None:
        """Fold an entry as it is."""
        done = self.partition.fold(entry, self.offset)
        self.offset += 1
        if done is not None:
            self.sent += done.commands
            self.forwards += done.forwards
        return done

    def graph(self, key: str, item_id: str, held: CalendarEvent | None, at: float = 0.0, **members: Any) -> Step:
        """Microsoft 365 was read; `held` None for a removal."""
        cause = members.pop("cause", "delta")
        organizer = Attendee("ann@firm.example", "Ann", record_id=OWNER, is_user=True)
        item = None
        if held is not None:
            item = Item(
                Side.GRAPH, item_id, f"etag-{at}", START + timedelta(seconds=at), START,
                replace(held, organizer=organizer, owner_id=""),
                **{"mailbox": MAILBOX, "i_cal_uid": f"uid-{item_id}", "organizer_mailbox": MAILBOX, **members},
            )  # fmt: skip
        done = self.enter(key, "graph.changes", Seen(Side.GRAPH, item_id, MAILBOX, item, "", cause), at)
        assert done is not None
        return done

    def salesforce(self, key: str, item_id: str, held: CalendarEvent | None, at: float = 0.0, **members: Any) -> Step:
        """Salesforce was read; `held` None for a removal."""
        cause = members.pop("cause", "poll")
        item = None if held is None else self.record(item_id, held, at, **members)
        done = self.enter(key, "salesforce.changes", Seen(Side.SALESFORCE, item_id, "", item, "", cause), at)
        assert done is not None
        return done

    def record(self, item_id: str, held: CalendarEvent, at: float, **members: Any) -> Item:
        """A Salesforce item."""
        moment = START + timedelta(seconds=at)
        return Item(Side.SALESFORCE, item_id, moment.isoformat(), moment, START, held, **{"origin": "ui", **members})

    def answer(self, command: Command, item_id: str = "", at: float = 0.0, **members: Any) -> Step:
        """The sink applied a command; `result`, `code` and `held` say otherwise."""
        result = members.pop("result", Result.APPLIED)
        code = members.pop("code", "")
        held = members.pop("held", command.content)
        item = None
        if held is not None and command.action is not Action.DELETE and result in {Result.APPLIED, Result.STALE}:
            moment = START + timedelta(seconds=at)
            native = item_id or command.id
            places = {"mailbox": command.mailbox, "i_cal_uid": f"uid-{native}", "organizer_mailbox": command.mailbox}
            item = Item(
                command.side, native, f"v{at}", moment, START, held, sync_key=command.pair_key,
                **{**(places if command.side is Side.GRAPH else {}), **members},
            )  # fmt: skip
        outcome = Outcome(
            command.command_id, command.pair_key, command.side, command.action, result,
            START + timedelta(seconds=at), item, code,
        )  # fmt: skip
        done = self.enter(command.pair_key, "sync.outcomes", OutcomeKnown(outcome), at)
        assert done is not None
        return done

    def pair(self, key: str) -> PairState:
        """A pair's state."""
        return self.partition.pairs[key]


def agreed_pair(journal: Journal, subject: str = "Review", **members: Any) -> str:
    """A pair that came from Microsoft 365 (event G) and stands in Salesforce as S. Returns its key."""
    key = "m:uid-G"
    step = journal.graph(key, "G", content(subject, **members))
    journal.answer(step.commands[0], "S", at=1)
    return key
