"""One mailbox: its calendars, its events and the numbered log of changes that delta reads."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from simulators.graph import ids
from simulators.graph.errors import id_malformed, item_not_found, resource_not_found
from simulators.graph.zones import utc_of, wall_of

DEFAULT_FOLDER = 0


def span_of(props: dict[str, Any]) -> tuple[datetime, datetime]:
    """Start and end as instants, as the server matches them to a window: an all-day event counts as UTC midnights."""
    if props["isAllDay"]:
        return wall_of(props["start"]).replace(tzinfo=UTC), wall_of(props["end"]).replace(tzinfo=UTC)
    return utc_of(props["start"]), utc_of(props["end"])


@dataclass
class StoredEvent:
    """A single event or a series master as one mailbox holds it. `props` are canonical JSON members.

    `exceptions` maps the original day of an occurrence (ISO date) to the members in which it differs from its series;
    `cancelled` lists the original days of deleted occurrences.
    """

    key: str
    folder: int
    ical_uid: str
    is_organizer: bool
    props: dict[str, Any]
    created: datetime
    modified: datetime
    change_key: str = ""
    extended: dict[str, str] = field(default_factory=dict)
    multi_extended: dict[str, list[str]] = field(default_factory=dict)
    extensions: dict[str, dict[str, Any]] = field(default_factory=dict)
    transaction: dict[str, str] | None = None
    exceptions: dict[str, dict[str, Any]] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    _span: tuple[datetime, datetime] | None = None

    @property
    def is_series(self) -> bool:
        """Whether this is a series master."""
        return self.props.get("recurrence") is not None

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Start and end as instants; of the first occurrence for a series."""
        if self._span is None:
            self._span = span_of(self.props)
        return self._span

    @property
    def organizer_address(self) -> str:
        """The organizer's address in lower case."""
        return str(self.props["organizer"]["emailAddress"]["address"]).lower()

    def change(self, changes: dict[str, Any]) -> None:
        """Replace these members."""
        self.props = {**self.props, **changes}
        self._span = None

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        plain = {name: value for name, value in self.__dict__.items() if name not in ("created", "modified", "_span")}
        return {**plain, "created": self.created.isoformat(), "modified": self.modified.isoformat()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> StoredEvent:
        """The inverse of `to_json`."""
        times = {name: datetime.fromisoformat(value[name]) for name in ("created", "modified")}
        return cls(**{**value, **times})


class ChangeLog:
    """The order in which the items of one calendar last changed. Only an item's newest entry counts."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._keys: list[str] = []
        self._visible: list[float] = []
        self._newest: dict[str, int] = {}

    def append(self, number: int, key: str, visible_at: float) -> None:
        """Note that `key` changed. `number` must exceed all before; `visible_at` is a POSIX time in seconds."""
        if self._visible and visible_at < self._visible[-1]:
            visible_at = self._visible[-1]
        self._numbers.append(number)
        self._keys.append(key)
        self._visible.append(visible_at)
        self._newest[key] = number
        if len(self._numbers) > 2 * len(self._newest) + 64:
            self._compact()

    def _compact(self) -> None:
        kept = [i for i, key in enumerate(self._keys) if self._newest[key] == self._numbers[i]]
        self._numbers = [self._numbers[i] for i in kept]
        self._keys = [self._keys[i] for i in kept]
        self._visible = [self._visible[i] for i in kept]

    @property
    def last(self) -> int:
        """Number of the newest entry; 0 when there is none."""
        return self._numbers[-1] if self._numbers else 0

    def after(self, number: int, now: float) -> Iterator[tuple[int, str]]:
        """The newest entries of items that changed after `number` and are visible by `now`, oldest first."""
        for i in range(bisect_right(self._numbers, number), len(self._numbers)):
            if self._visible[i] > now:
                return
            if self._newest[self._keys[i]] == self._numbers[i]:
                yield self._numbers[i], self._keys[i]

    def before(self, number: int, count: int) -> int:
        """The entry number from which a replay of about `count` entries up to `number` starts."""
        position = max(0, bisect_right(self._numbers, number) - count)
        return self._numbers[position] - 1 if position < len(self._numbers) else number

    def to_json(self) -> list[list[Any]]:
        """The entries as JSON values."""
        return [list(entry) for entry in zip(self._numbers, self._keys, self._visible, strict=True)]

    @classmethod
    def from_json(cls, value: list[list[Any]]) -> ChangeLog:
        """The inverse of `to_json`."""
        log = cls()
        for number, key, visible_at in value:
            log.append(number, key, visible_at)
        return log


@dataclass
class Calendar:
    """One calendar of a mailbox. Number 0 is the default calendar."""

    number: int
    name: str
    color: str = "auto"
    change_key: str = ""


@dataclass(frozen=True)
class _Ordered:
    """One calendar's events by start, kept until something changes; `longest` is the longest single event."""

    starts: list[datetime]
    singles: list[StoredEvent]
    longest: timedelta
    series: list[StoredEvent]


class MailboxStore:
    """The calendars and events of one mailbox."""

    def __init__(self, mailbox_id: str) -> None:
        self.id = mailbox_id
        self.tag = ids.mailbox_tag(mailbox_id)
        self.events: dict[str, StoredEvent] = {}
        self.calendars: dict[int, Calendar] = {DEFAULT_FOLDER: Calendar(DEFAULT_FOLDER, "Calendar")}
        self.logs: dict[int, ChangeLog] = {DEFAULT_FOLDER: ChangeLog()}
        self.sequence = 0
        self.gone_series: dict[str, StoredEvent] = {}
        self._by_ical: dict[str, str] = {}
        self._by_transaction: dict[str, str] = {}
        self._ordered: dict[int, _Ordered] = {}

    def put(self, event: StoredEvent) -> None:
        """Add an event, or note that its members changed."""
        self.events[event.key] = event
        self._by_ical[event.ical_uid] = event.key
        if event.transaction is not None:
            self._by_transaction[event.transaction["id"]] = event.key
        self._ordered.pop(event.folder, None)

    def remove(self, event: StoredEvent) -> None:
        """Take an event out for good."""
        self.events.pop(event.key, None)
        if event.is_series:
            self.gone_series[event.key] = event
        if self._by_ical.get(event.ical_uid) == event.key:
            del self._by_ical[event.ical_uid]
        if event.transaction is not None:
            self._by_transaction.pop(event.transaction["id"], None)
        self._ordered.pop(event.folder, None)

    def log_change(self, event: StoredEvent, visible_at: float) -> None:
        """Write the event's newest entry into its calendar's change log."""
        self.sequence += 1
        self.logs[event.folder].append(self.sequence, event.key, visible_at)

    def by_ical_uid(self, uid: str) -> StoredEvent | None:
        """The copy of a meeting in this mailbox."""
        key = self._by_ical.get(uid)
        return self.events.get(key) if key is not None else None

    def by_transaction(self, transaction_id: str) -> StoredEvent | None:
        """The event created with this transactionId, while it exists."""
        key = self._by_transaction.get(transaction_id)
        return self.events.get(key) if key is not None else None

    def in_folder(self, folder: int) -> list[StoredEvent]:
        """Single events and masters of one calendar, in the order of their creation."""
        return [event for event in self.events.values() if event.folder == folder]

    def series(self, folder: int) -> list[StoredEvent]:
        """The series masters of one calendar."""
        return self._order(folder).series

    def singles_between(self, folder: int, start: datetime, end: datetime) -> list[StoredEvent]:
        """Single events that overlap the window, by start."""
        order = self._order(folder)
        first = bisect_left(order.starts, start - order.longest)
        last = bisect_left(order.starts, end)
        return [event for event in order.singles[first:last] if overlaps(event.span, start, end)]

    def _order(self, folder: int) -> _Ordered:
        cached = self._ordered.get(folder)
        if cached is None:
            events = sorted(self.in_folder(folder), key=lambda event: (event.span[0], event.key))
            singles = [event for event in events if not event.is_series]
            cached = _Ordered(
                [event.span[0] for event in singles],
                singles,
                max((event.span[1] - event.span[0] for event in singles), default=timedelta()),
                [event for event in events if event.is_series],
            )
            self._ordered[folder] = cached
        return cached

    # --- ids --------------------------------------------------------------------------------------------------

    def event_id(self, event: StoredEvent, immutable: bool = False) -> str:
        """The id of an event in the wanted form."""
        return self.item_id(event.key, event.folder, immutable)

    def item_id(self, key: str, folder: int, immutable: bool = False) -> str:
        """The id of an item that may be gone already."""
        if immutable:
            return ids.immutable_id(self.tag, key)
        return ids.rest_id(self.tag, ids.folder_tag(folder), key)

    def find(self, item_id: str) -> tuple[StoredEvent, ids.ItemId]:
        """The event that an id names. Raises GraphError: malformed id, or no such item."""
        parsed = ids.read_item_id(item_id, self.tag)
        event = self.events.get(parsed.key)
        if event is None or parsed.folder not in (None, ids.folder_tag(event.folder)):
            raise item_not_found()
        return event, parsed

    def calendar_id(self, number: int) -> str:
        """The id of a calendar."""
        return ids.calendar_id(self.tag, ids.folder_tag(number))

    def find_calendar(self, calendar_id: str) -> Calendar:
        """The calendar with this id. Raises GraphError ErrorItemNotFound or ErrorInvalidIdMalformed."""
        for calendar in self.calendars.values():
            if self.calendar_id(calendar.number) == calendar_id:
                return calendar
        if not calendar_id:
            raise resource_not_found("Resource not found for the segment 'calendars'.")
        if len(calendar_id) == len(self.calendar_id(0)) and calendar_id[8:20] == self.tag:
            raise item_not_found()
        raise id_malformed()

    def add_calendar(self, name: str, change_key: str) -> Calendar:
        """A new secondary calendar."""
        number = max((*self.logs, *self.calendars)) + 1
        self.calendars[number] = Calendar(number, name, change_key=change_key)
        self.logs[number] = ChangeLog()
        return self.calendars[number]

    # --- saving -----------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Everything, as JSON values."""
        return {
            "events": [event.to_json() for event in self.events.values()],
            "calendars": [vars(calendar) for calendar in self.calendars.values()],
            "logs": {str(number): log.to_json() for number, log in self.logs.items()},
            "sequence": self.sequence,
            "gone_series": [event.to_json() for event in self.gone_series.values()],
        }

    @classmethod
    def from_json(cls, mailbox_id: str, value: dict[str, Any]) -> MailboxStore:
        """The inverse of `to_json`."""
        store = cls(mailbox_id)
        store.calendars = {item["number"]: Calendar(**item) for item in value["calendars"]}
        store.logs = {int(number): ChangeLog.from_json(log) for number, log in value["logs"].items()}
        store.sequence = value["sequence"]
        store.gone_series = {item["key"]: StoredEvent.from_json(item) for item in value["gone_series"]}
        for item in value["events"]:
            store.put(StoredEvent.from_json(item))
        return store


def overlaps(span: tuple[datetime, datetime], start: datetime, end: datetime) -> bool:
    """Whether a span touches a window. An event that ends when the window starts lies outside."""
    return span[0] < end and span[1] > start
