"""The removals of one run: told last, all or marked, and never lost or unmarked by a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from support.builders import NOW, firm_settings, graph_item
from support.table_rows import TableRows

from concord.roles.known import Owners
from concord.roles.removals import Run
from schemas.changes import Change, Side
from schemas.codec import encode

MAILBOX = "mailbox-ann"


class Crash(Exception):
    """The process ends here."""


@dataclass
class Desk(TableRows):
    """A table, and a log of changes. `crash_at` ends the process after so many changes."""

    log: list[Change] = field(default_factory=list)
    crash_at: int = 10**9

    async def send(self, changes: Iterable[Change]) -> None:
        """Put changes on the log."""
        for change in changes:
            if len(self.log) >= self.crash_at:
                raise Crash
            self.log.append(change)

    async def known(self) -> dict[str, str]:
        """What the log holds alive."""
        owners = Owners(MAILBOX)
        owners.take(encode(change) for change in self.log)
        return owners.alive

    @property
    def run(self) -> Run:
        """A new run."""
        return Run(MAILBOX, self, self.send, self.known)

    @property
    def told(self) -> dict[str, bool]:
        """Which removals were told last, and whether marked."""
        return {change.id: change.in_burst for change in self.log if change.item is None}


def alive(*ids: str) -> list[Change]:
    """Items as read."""
    return [Change(Side.GRAPH, one, NOW, graph_item(id=one), MAILBOX) for one in ids]


def gone(*ids: str) -> list[Change]:
    """Confirmed removals."""
    return [Change(Side.GRAPH, one, NOW, None, MAILBOX) for one in ids]


IDS = tuple(f"G{n}" for n in range(30))


def read(desk: Desk, *pages: list[Change], **settings: Any) -> None:
    """One run over these pages; the cursor says how many were read."""

    async def scenario() -> None:
        run = desk.run
        for number, page in enumerate(pages, 1):
            await run.tell(page)
            run.save(b"cursor", b"%d" % number)
        await run.end(firm_settings(**settings))

    asyncio.run(scenario())


@pytest.mark.parametrize(("count", "is_marked"), [(20, False), (21, True)])
def test_removals_of_a_burst_are_marked_whatever_the_page(count: int, is_marked: bool) -> None:
    """Their number is known only when the run has been read whole."""
    desk = Desk(log=alive(*IDS))
    read(desk, gone(*IDS[:5]), alive("new"), gone(*IDS[5:count]))
    assert desk.told == dict.fromkeys(IDS[:count], is_marked)
    assert desk.rows[b"cursor"] == b"3"


def test_item_that_is_read_alive_later_in_the_run_was_not_removed() -> None:
    """It moved away and back."""
    desk = Desk(log=alive(*IDS))
    read(desk, gone("G1", "G2"), alive("G1"))
    assert desk.told == {"G2": False}


def test_run_that_breaks_off_tells_no_removal_and_stays_where_it_was() -> None:
    """It is read again from the page before the first removal: none is lost, none is told without its fellows."""
    desk = Desk(log=alive(*IDS))

    async def scenario() -> None:
        run = desk.run
        await run.tell(alive("new"))
        run.save(b"cursor", b"1")
        await run.tell(gone(*IDS))
        run.save(b"cursor", b"2")
        assert run.get(b"cursor") == b"2"

    asyncio.run(scenario())
    assert (desk.told, desk.rows) == ({}, {b"cursor": b"1"})


@pytest.mark.parametrize("told", [1, 15, 29])
def test_rest_of_a_burst_is_marked_after_a_crash(told: int) -> None:
    """However few are left: of those told already the log says nothing any more."""
    desk = Desk(log=alive(*IDS), crash_at=30 + told)
    with pytest.raises(Crash):
        read(desk, gone(*IDS))
    assert b"cursor" not in desk.rows
    desk.crash_at = 10**9
    read(desk, gone(*IDS[told:]))
    assert desk.told == dict.fromkeys(IDS, True)
    desk.log += alive("late")
    read(desk, gone("late"))
    assert desk.told["late"] is False


def test_dates_of_a_series_count_once() -> None:
    """They are told unmarked when their series ended, beside a few others."""
    desk = Desk(log=alive(*IDS))

    async def scenario() -> None:
        run = desk.run
        await run.tell(gone(*IDS))
        run.count_once("master", IDS[:20])
        await run.end(firm_settings())

    asyncio.run(scenario())
    assert desk.told == dict.fromkeys(IDS, False)


def test_empty_run_deletes_nothing() -> None:
    """Nothing read, nothing told; where the source stands is saved all the same."""
    desk = Desk(log=alive(*IDS))
    read(desk, [], [])
    assert (len(desk.log), desk.rows) == (30, {b"cursor": b"2"})


def test_without_a_limit_nothing_is_marked() -> None:
    """Zero switches the brake off."""
    desk = Desk(log=alive(*IDS))
    read(desk, gone(*IDS), deletion_limit_events=0)
    assert set(desk.told.values()) == {False}
