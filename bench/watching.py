"""When a change shows on the other side: seen in the simulators' own data, without a request that would load them.

Microsoft 365's simulator calls us at each change, on its own thread. Salesforce's keeps a log of its changes, which is
looked at every few milliseconds.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Final, Self

from bench.plan import Kind
from schemas.changes import Side
from simulators.graph.store import MailboxStore, StoredEvent
from simulators.launch import Simulators

# Time between two looks at Salesforce's log of changes, in seconds. Latencies towards Salesforce are this exact.
LOOK_EVERY_S: Final = 0.01

# How an event is found again: by mailbox and iCalUId in Microsoft 365, by record id in Salesforce.
Place = tuple[str, str]


@dataclass
class Meeting:
    """One event on both sides; ids of a side where it is not yet are empty."""

    subject: str
    start: datetime
    length: timedelta
    mailbox: str
    ical_uid: str = ""
    graph_id: str = ""
    record_id: str = ""

    def place(self, side: Side) -> Place:
        """Where it is found on a side."""
        return (self.mailbox.lower(), self.ical_uid) if side is Side.GRAPH else ("", self.record_id)


@dataclass
class Expected:
    """One change and what must show on `towards`. Readings of `time.perf_counter`; `accepted_at` is POSIX time."""

    kind: Kind
    towards: Side
    meeting: Meeting
    subject: str
    start: datetime
    accepted: float | None = None
    accepted_at: float = 0.0
    seen: float | None = None
    is_refused: bool = False

    @property
    def latency_s(self) -> float | None:
        """Seconds from the answer to the change until it showed; 0 when it showed before the answer was read."""
        return None if self.accepted is None or self.seen is None else max(0.0, self.seen - self.accepted)


@dataclass
class _Waiting:
    """What is expected on one side: creates by their subject, all else by place."""

    by_subject: dict[str, Expected] = field(default_factory=dict)
    by_place: dict[Place, Expected] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.by_subject) + len(self.by_place)


class Observer:
    """Notes the moment at which each expected change shows. A context manager.

    `on_seen` is called with each expectation once it is met, on a thread of the observer's.
    """

    def __init__(self, simulators: Simulators, on_seen: Callable[[Expected], None]) -> None:
        self._simulators = simulators
        self._on_seen = on_seen
        self._waiting = {side: _Waiting() for side in Side}
        self._lock = threading.Lock()
        self._ending = threading.Event()
        self._looked_at = 0
        self._stack = ExitStack()
        self.salesforce_creates = 0
        """Events that came to be in Salesforce since the start, invitees' copies left out."""
        self.last_create = 0.0
        """When the latest of them was seen, a reading of `time.monotonic`."""

    def __enter__(self) -> Self:
        simulators = self._simulators
        observers = simulators.graph.world.observers
        self._looked_at = simulators.on_salesforce(lambda: len(simulators.salesforce.changes))
        simulators.on_graph(observers.append, self._graph_changed)
        self._stack.callback(simulators.on_graph, observers.remove, self._graph_changed)
        thread = threading.Thread(target=self._watch_salesforce, name="salesforce observer", daemon=True)
        thread.start()
        self._stack.callback(thread.join, 5.0)
        self._stack.callback(self._ending.set)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def expect(self, expected: Expected) -> None:
        """Wait for this change from now on. Call it before the change is made: it may show at once."""
        with self._lock:
            waiting = self._waiting[expected.towards]
            if expected.kind is Kind.CREATE:
                waiting.by_subject[expected.subject] = expected
            else:
                waiting.by_place[expected.meeting.place(expected.towards)] = expected

    def forget(self, expected: Expected) -> None:
        """Do not wait for it any longer."""
        with self._lock:
            waiting = self._waiting[expected.towards]
            waiting.by_subject.pop(expected.subject, None)
            waiting.by_place.pop(expected.meeting.place(expected.towards), None)

    @property
    def open(self) -> int:
        """How many changes have not shown yet."""
        with self._lock:
            return sum(len(waiting) for waiting in self._waiting.values())

    def wait(self, limit_s: float) -> bool:
        """Wait until everything has shown; whether it did within the limit."""
        deadline = time.monotonic() + limit_s
        while self.open and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY_S)
        return not self.open

    # --- Microsoft 365 ----------------------------------------------------------------------------------------

    def _graph_changed(self, store: MailboxStore, stored: StoredEvent, change: str) -> None:
        """Called on the simulator's thread while it makes a change."""
        now = time.perf_counter()
        place = (store.id.lower(), stored.ical_uid)
        is_gone = change == "deleted"
        met = self._take(Side.GRAPH, place, stored.props["subject"], None if is_gone else stored.span[0])
        if met is None:
            return
        if met.kind is Kind.CREATE:
            met.meeting.ical_uid = stored.ical_uid
            met.meeting.graph_id = store.event_id(stored)
        met.seen = now
        self._on_seen(met)

    # --- Salesforce -------------------------------------------------------------------------------------------

    def _watch_salesforce(self) -> None:
        while not self._ending.wait(LOOK_EVERY_S):
            changes = self._simulators.on_salesforce(self._new_changes)
            now = time.perf_counter()
            for change in changes:
                if change.entity == "Event" and not change.row.get("IsChild"):
                    if change.change_type == "CREATE":
                        self.salesforce_creates, self.last_create = self.salesforce_creates + 1, time.monotonic()
                    self._salesforce_changed(change, now)

    def _new_changes(self) -> Iterable[Any]:
        changes = self._simulators.salesforce.changes
        new = changes[self._looked_at :]
        self._looked_at = len(changes)
        return new

    def _salesforce_changed(self, change: Any, now: float) -> None:
        row = change.row
        is_gone = change.change_type == "DELETE"
        start = None if is_gone else datetime.fromisoformat(row["StartDateTime"]).astimezone(UTC)
        met = self._take(Side.SALESFORCE, ("", change.record_id), row["Subject"] or "", start)
        if met is None:
            return
        if met.kind is Kind.CREATE:
            met.meeting.record_id = change.record_id
        met.seen = now
        self._on_seen(met)

    def _take(self, side: Side, place: Place, subject: str, start: datetime | None) -> Expected | None:
        """The expectation that this state of an event meets, which is then no longer waited for."""
        with self._lock:
            waiting = self._waiting[side]
            created = waiting.by_subject.get(subject)
            if created is not None and start == created.start:
                return waiting.by_subject.pop(subject)
            expected = waiting.by_place.get(place)
            if expected is None:
                return None
            is_met = (
                start is None
                if expected.kind is Kind.DELETE
                else (subject, start) == (expected.subject, expected.start)
            )
            return waiting.by_place.pop(place) if is_met else None
