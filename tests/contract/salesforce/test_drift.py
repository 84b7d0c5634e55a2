"""The nightly check: what neither change events nor polls saw is found, and nothing else is told."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import pytest
from support.salesforce_client import SalesforceClient
from support.salesforce_driver import NAMES, Poller, build_lasting, calls_to, told
from support.table_rows import TableRows

from concord.roles.drift import NEVER, DriftCheck, take
from concord.roles.poll import PollMeans
from connectors.exchange import Call, Reply, run
from schemas.changes import Change
from schemas.codec import encode
from schemas.settings import Settings
from simulators.salesforce.behaviour import Behaviour

ROUGH = Behaviour().rough()
AT = "02:00"


@dataclass
class Desk(TableRows):
    """A source's table and log, polls as they go, and the check beside them. `calls` are what the check asked."""

    org: SalesforceClient
    log: list[Change] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    settings: Settings = field(default_factory=Settings)

    def __post_init__(self) -> None:
        self.poller = Poller(self.org)
        self.check = self.made()
        self.poll()

    def made(self) -> DriftCheck:
        """The check of a process that has just started."""
        return DriftCheck(AT, self.fold, now=self.org.clock.now)

    async def fold(self) -> dict[str, bytes]:
        """What the log holds, read back from its bytes."""
        held: dict[str, bytes] = {}
        for change in self.log:
            take(held, encode(change))
        return held

    def poll(self) -> None:
        """One poll."""
        self.log += self.poller.poll()

    async def _tell(self, changes: Iterable[Change]) -> None:
        self.log += changes

    async def _known(self) -> Mapping[str, str]:
        return {change.id: change.item.content.owner_id for change in self.log if change.item is not None}

    async def _settings(self) -> Settings:
        return self.settings

    async def _ask(self, exchange: Any) -> Any:
        send = calls_to(self.org)

        def counted(call: Call) -> Reply:
            self.calls.append(call)
            return send(call)

        return run(exchange, counted)

    def step(self) -> bool:
        """One wake-up, when one is due; whether there was."""
        if not self.check.is_due(self):
            return False
        means = PollMeans(self._ask, self._tell, lambda broken: None, self._known, self._settings, self.org.clock.now)
        asyncio.run(self.check.step(self, NAMES, means))
        return True

    def night(self) -> list[Change]:
        """What the next night's check tells."""
        before = len(self.log)
        self.org.clock.advance(86_400)
        while self.step():
            pass
        return self.log[before:]


@pytest.fixture
def desk() -> Desk:
    """An org with some events, all of them told."""
    org = build_lasting()
    for number in range(5):
        org.event(Subject=f"e{number}")
    org.create("EventRelation", {"EventId": org.event(Subject="attended"), "RelationId": org.ids["contact"]})
    org.clock.advance(3_600)
    return Desk(org)


def unseen(desk: Desk) -> None:
    """As if neither stream nor poll had seen what happened so far."""
    cursor = desk.poller.cursor
    desk.org.clock.advance(3_600)
    desk.poller.poll()
    assert cursor != desk.poller.cursor


def test_where_nothing_drifted_nothing_is_told(desk: Desk) -> None:
    """Two requests: the events, and who attends them. Once a night."""
    assert desk.night() == []
    assert len(desk.calls) == 2
    assert not desk.step()
    assert desk.night() == []
    assert len(desk.calls) == 4


def test_what_nobody_saw_is_told_once(desk: Desk) -> None:
    """A change, a new event, an attendee: read anew, of unknown origin."""
    changed = next(change.id for change in desk.log)
    desk.org.patch(f"/sobjects/Event/{changed}", {"Subject": "changed"})
    desk.org.event(Subject="new")
    alone = next(change.id for change in desk.log if change.item is not None and change.item.content.subject == "e4")
    desk.org.create("EventRelation", {"EventId": alone, "RelationId": desk.org.ids["contact"]})
    unseen(desk)
    found = desk.night()
    assert sorted(subject for _, subject in told(found)) == ["changed", "e4", "new"]
    assert {(change.cause, change.origin) for change in found} == {("drift", "")}
    assert desk.night() == []


def test_what_vanished_without_a_word_is_a_removal(desk: Desk) -> None:
    """Only after two direct reads; others stay."""
    gone = desk.log[0].id
    desk.org.delete(f"/sobjects/Event/{gone}")
    unseen(desk)
    (removal,) = desk.night()
    assert (removal.id, removal.item) == (gone, None)
    assert not removal.in_burst
    assert desk.night() == []


def test_many_that_vanished_are_a_burst_whatever_the_page() -> None:
    """As in any other run of the source."""
    org = build_lasting(behaviour=ROUGH)
    ids = [org.event(Subject=f"e{number}") for number in range(30)]
    org.clock.advance(3_600)
    desk = Desk(org, settings=Settings(deletion_limit_events=5, deletion_limit_percent=10))
    for record_id in ids[:20]:
        org.delete(f"/sobjects/Event/{record_id}")
    unseen(desk)
    removals = desk.night()
    assert sorted(change.id for change in removals) == sorted(ids[:20])
    assert all(change.in_burst for change in removals)


def test_archived_events_are_neither_told_nor_removed(desk: Desk) -> None:
    """Queries no longer show them, which says nothing."""
    desk.org.clock.advance(500 * 86_400)
    assert desk.org.simulator.archive()
    assert desk.night() == []
    assert desk.night() == []


def test_what_was_saved_just_now_is_left_to_others() -> None:
    """The stream, or the next poll, is about to tell it."""
    org = build_lasting()
    org.event(Subject="old")
    org.clock.advance(3_600)
    desk = Desk(org)
    desk.org.clock.advance(86_400)
    org.event(Subject="young")
    while desk.step():
        pass
    assert [subject for _, subject in told(desk.log)] == ["old"]
    assert [subject for _, subject in told(desk.night())] == ["young"], "nobody told it meanwhile"


def test_a_check_of_many_pages_that_breaks_off_begins_again() -> None:
    """A page each wake-up; the process ends after the third, its successor finds the rest and what was deleted."""
    org = build_lasting(behaviour=ROUGH)
    ids = [org.event(Subject=f"e{number:02}") for number in range(28)]
    org.clock.advance(3_600)
    desk = Desk(org)
    for record_id in ids[20:27]:
        org.patch(f"/sobjects/Event/{record_id}", {"Subject": "drifted"})
    org.delete(f"/sobjects/Event/{ids[27]}")
    unseen(desk)
    before = len(desk.log)
    org.clock.advance(86_400)
    assert [desk.step() for _ in range(3)] == [True] * 3
    desk.check = desk.made()
    desk.check._since -= timedelta(days=1)
    while desk.step():
        pass
    found = desk.log[before:]
    assert {change.id for change in found} == set(ids[20:])
    assert [change.id for change in found if change.item is None] == [ids[27]]


def test_a_dead_locator_begins_the_check_again(desk: Desk) -> None:
    """The service forgets where a query stood."""
    org = build_lasting(behaviour=ROUGH)
    for number in range(28):
        org.event(Subject=f"e{number:02}")
    org.clock.advance(3_600)
    desk = Desk(org)
    org.clock.advance(86_400)
    assert desk.step()
    assert desk.check._check is not None
    desk.check._check.position = "/services/data/v66.0/query/01gDEAD-7"
    assert desk.step()
    assert desk.check._check is None
    assert desk.night() == []


@pytest.mark.parametrize(
    ("started", "ended", "now", "is_due"),
    [
        ("01:59", None, "2026-05-20T01:59:30", False),
        ("01:59", None, "2026-05-20T02:00:00", True),
        ("02:01", None, "2026-05-20T23:59:00", False),
        ("02:01", None, "2026-05-21T02:00:00", True),
        ("02:01", "2026-05-19T02:00:00", "2026-05-20T01:00:00", False),
        ("02:01", "2026-05-18T02:00:00", "2026-05-20T01:00:00", True),
    ],
)
def test_a_check_is_due_once_a_day(started: str, ended: str | None, now: str, is_due: bool) -> None:
    """At its time, or as soon as somebody is there again; a source that has just begun has read everything."""
    clock = [datetime.fromisoformat(f"2026-05-20T{started}:00+00:00")]

    async def nothing() -> dict[str, bytes]:
        return {}

    check = DriftCheck(AT, nothing, now=lambda: clock[0])
    desk: Any = {b"drift/": f"{ended}+00:00".encode()} if ended else {}
    clock[0] = datetime.fromisoformat(f"{now}+00:00")
    assert check.is_due(desk) is is_due
    assert not check.is_due(desk), "one wake-up at a time"
    assert not DriftCheck(NEVER, nothing, now=lambda: clock[0]).is_due(desk)
