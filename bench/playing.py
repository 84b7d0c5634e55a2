"""The firm's people at work: each act of the plan made through a service's own API, at its time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import httpx

from bench.plan import Act, Kind
from bench.watching import Expected, Meeting, Observer
from concord.demo_players import Outlook, Practifi, graph_time, practifi_time
from schemas.changes import Side
from schemas.settings import UserSetting

# How long an event is left alone after a change of it showed, in seconds: until then its pair may be under way.
REST_S: Final = 3.0
LENGTH: Final = timedelta(minutes=30)
# A meeting of the measurement and one moved by it lie this many days ahead.
AHEAD_DAYS: Final = 10


class Pool:
    """Events that both sides hold, the longest untouched first; `rest_s` is how long each is left alone."""

    def __init__(self, rest_s: float = REST_S) -> None:
        self._rest_s = rest_s
        self._meetings: deque[tuple[float, Meeting]] = deque()
        self._lock = threading.Lock()

    def put(self, meeting: Meeting) -> None:
        """An event that is at rest from now on."""
        with self._lock:
            self._meetings.append((time.monotonic(), meeting))

    def take(self) -> Meeting | None:
        """The event that rested longest, None while none has rested long enough."""
        with self._lock:
            if not self._meetings or time.monotonic() - self._meetings[0][0] < self._rest_s:
                return None
            return self._meetings.popleft()[1]

    def seed(self, meetings: Iterable[Meeting]) -> None:
        """Events that have been at rest for long."""
        with self._lock:
            self._meetings.extend((float("-inf"), meeting) for meeting in meetings)


@dataclass
class Players:
    """Both services as users see them, and who they are. `contacts` are (name, address)."""

    outlook: Outlook
    practifi: Practifi
    users: Sequence[UserSetting] = ()
    contacts: Sequence[tuple[str, str]] = ()
    pool: Pool = field(default_factory=Pool)
    late_s: float = 0.0
    """By how much the latest act missed its time, in seconds."""

    def practifi_contacts(self) -> list[tuple[str, str]]:
        """Some clients with an address, as (name, address)."""
        rows = self.practifi.query("SELECT Name, Email FROM Contact WHERE Email != null ORDER BY Email LIMIT 20")
        return [(row["Name"], row["Email"]) for row in rows]

    def expect(self, act: Act, prefix: str) -> Expected:
        """What must show once the act is done. A kind that needs an event becomes a create while none is at rest."""
        towards = Side.SALESFORCE if act.side is Side.GRAPH else Side.GRAPH
        held = None if act.kind is Kind.CREATE else self.pool.take()
        if held is None:
            subject, start = f"{prefix} {act.number:05d}", _start(act.number)
            mailbox = self.users[act.number // 2 % len(self.users)].mailbox
            return Expected(Kind.CREATE, towards, Meeting(subject, start, LENGTH, mailbox), subject, start)
        subject, start = held.subject, held.start
        if act.kind is Kind.EDIT:
            subject = f"{prefix} {act.number:05d} (edited)"
        elif act.kind is Kind.MOVE:
            start = _start(act.number) + timedelta(days=1)
        return Expected(act.kind, towards, held, subject, start)

    def perform(self, expected: Expected, observer: Observer) -> None:
        """Make the change and note when the service had accepted it. A refused one is marked and not waited for."""
        observer.expect(expected)
        act = self._in_practifi if expected.towards is Side.GRAPH else self._in_outlook
        try:
            act(expected)
        except (RuntimeError, httpx.HTTPError):
            expected.is_refused = True
            observer.forget(expected)
            if expected.kind is not Kind.CREATE:
                self.pool.put(expected.meeting)
            return
        expected.accepted, expected.accepted_at = time.perf_counter(), time.time()
        if expected.kind is not Kind.DELETE:
            expected.meeting.subject, expected.meeting.start = expected.subject, expected.start

    def _in_outlook(self, expected: Expected) -> None:
        meeting = expected.meeting
        span = {
            "start": graph_time(expected.start),
            "end": graph_time(expected.start + meeting.length),
        }
        match expected.kind:
            case Kind.CREATE:
                made = self.outlook.create(
                    meeting.mailbox, {"subject": expected.subject, **span, "attendees": self._attendees(expected)}
                )
                meeting.graph_id, meeting.ical_uid = made["id"], made["iCalUId"]
            case Kind.EDIT:
                self.outlook.edit(meeting.mailbox, meeting.graph_id, {"subject": expected.subject})
            case Kind.MOVE:
                self.outlook.edit(meeting.mailbox, meeting.graph_id, span)
            case Kind.DELETE:
                self.outlook.delete(meeting.mailbox, meeting.graph_id)

    def _attendees(self, expected: Expected) -> list[dict[str, Any]]:
        """One client for every second meeting made in Outlook."""
        number = int(expected.subject.split()[-1])
        if number % 4 != 1:
            return []
        name, address = self.contacts[number // 4 % len(self.contacts)]
        return [{"type": "required", "emailAddress": {"name": name, "address": address}}]

    def _in_practifi(self, expected: Expected) -> None:
        meeting = expected.meeting
        span = {
            "StartDateTime": practifi_time(expected.start),
            "EndDateTime": practifi_time(expected.start + meeting.length),
        }
        match expected.kind:
            case Kind.CREATE:
                owner = next(user.salesforce_id for user in self.users if user.mailbox == meeting.mailbox)
                meeting.record_id = self.practifi.create({"Subject": expected.subject, "OwnerId": owner, **span})
            case Kind.EDIT:
                self.practifi.edit(meeting.record_id, {"Subject": expected.subject})
            case Kind.MOVE:
                self.practifi.edit(meeting.record_id, span)
            case Kind.DELETE:
                self.practifi.delete(meeting.record_id)

    def play(self, acts: Sequence[Act], prefix: str, observer: Observer) -> list[Expected]:
        """Make all changes at their times, each side's one after another, and return what was expected of each."""
        done: list[Expected] = []
        started = time.monotonic()

        def side(which: Side) -> None:
            for act in acts:
                if act.side is not which:
                    continue
                left = started + act.at_s - time.monotonic()
                if left > 0:
                    time.sleep(left)
                self.late_s = max(self.late_s, -left)
                expected = self.expect(act, prefix)
                self.perform(expected, observer)
                done.append(expected)

        threads = [threading.Thread(target=side, args=(which,), name=f"people in {which}") for which in Side]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return done


def _start(number: int) -> datetime:
    """A time of its own for each event, on the quarter hours of the weeks ahead."""
    day = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=AHEAD_DAYS)
    return day + timedelta(minutes=15 * number)
