"""One look at a mailbox keeps track of the dates of series, of which the delta says nothing when they vanish."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.builders import NOW, firm_settings, graph_item, meeting
from support.table_rows import TableRows

from concord.roles import mailbox as role
from concord.roles.mailbox import MailboxLook, Means, series_row
from connectors.graph.source import Page, Reach, Readings
from schemas.changes import Change, Kind, Side
from schemas.codec import decode, encode
from schemas.cursors import DeltaWindow, GraphCursor, SeriesInstances
from schemas.errors import ResyncNeeded

MAILBOX = "mailbox-ann"
WINDOW = DeltaWindow(NOW - timedelta(days=30), NOW + timedelta(days=300), "link")
REACH = Reach(WINDOW.start_utc, WINDOW.end_utc, "w", series_until_utc=NOW + timedelta(days=200))
START = f"{meeting().span.start_utc:%Y-%m-%dT%H:%M:%S}"


def date(number: int) -> Change:
    """One date of the series M, as read."""
    item = graph_item(id=f"d{number}", kind=Kind.OCCURRENCE, series_master_id="M",
                      original_start=datetime(2026, 3, number, tzinfo=UTC))  # fmt: skip
    return Change(Side.GRAPH, item.id, NOW, item, MAILBOX)


def master(kind: Kind = Kind.SERIES_MASTER) -> Change:
    """The series itself, or what has become of it."""
    return Change(Side.GRAPH, "M", NOW, graph_item(id="M", kind=kind), MAILBOX)


def page(*changes: Change, series: dict[str, dict[str, str]] | None = None, is_last: bool = True) -> Page:
    """A page of a round."""
    cursor = GraphCursor(MAILBOX, (WINDOW,), "w", NOW)
    seen = frozenset(change.id for change in changes)
    return Page(changes, (), 0, cursor, 0, is_last, seen, window=WINDOW, series=series or {})


class Crash(Exception):
    """The process ends here."""


@dataclass
class Desk(TableRows):
    """A table, a log, and what Graph answers: pages in turn, and which events exist. The process ends when so many
    changes were told."""

    pages: list[Page | ResyncNeeded]
    existing: set[str] = field(default_factory=set)
    log: list[Change] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    breaks_after: int = 10**9

    def next_page(self, *_: Any, **__: Any) -> Page:
        """Stands for `read_page`."""
        found = self.pages.pop(0)
        if isinstance(found, ResyncNeeded):
            raise found
        return found

    def verify(self, _: str, ids: Sequence[str], **__: Any) -> Readings:
        """Stands for `verify_missing`: what exists is read, the rest is gone."""
        self.asked += ids
        gone = tuple(Change(Side.GRAPH, one, NOW, None, MAILBOX) for one in ids if one not in self.existing)
        return Readings((*gone, *(date(int(one[1:])) for one in ids if one in self.existing)))

    def look(self, monkeypatch: pytest.MonkeyPatch) -> set[str]:
        """One look; the dates of M that are known after it."""
        monkeypatch.setattr(role, "read_page", self.next_page)
        monkeypatch.setattr(role, "verify_missing", self.verify)

        async def told(changes: Iterable[Change]) -> None:
            self.log += changes
            if len(self.log) >= self.breaks_after:
                raise Crash

        async def answered(value: Any) -> Any:
            return value

        async def known() -> dict[str, str]:
            return {change.id: "" for change in self.log if change.item is not None}

        async def settings() -> Any:
            return firm_settings()

        means = Means(answered, told, lambda _: None, known, settings, lambda: NOW)  # type: ignore[arg-type]
        asyncio.run(MailboxLook(b"cursor", REACH, self, means).read(GraphCursor(MAILBOX, (WINDOW,), "w", NOW)))
        raw = self.rows.get(series_row(MAILBOX, "M"))
        return set(decode(SeriesInstances, raw).starts) if raw is not None else set()

    @property
    def removed(self) -> set[str]:
        """What was told to be gone."""
        return {change.id for change in self.log if change.item is None}


def knowing(*numbers: int, pages: list[Page | ResyncNeeded], existing: set[str] | None = None) -> Desk:
    """A desk that knows these dates of M."""
    desk = Desk(pages, existing or set())
    starts = {f"d{number}": START for number in numbers}
    desk.rows[series_row(MAILBOX, "M")] = encode(SeriesInstances("M", starts))
    return desk


def test_date_that_was_not_sent_again_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cancelled date is missing among those that come with its series."""
    desk = knowing(1, 2, pages=[page(master(), date(1), series={"M": {"d1": START}})])
    assert desk.look(monkeypatch) == {"d1"}
    assert (desk.asked, desk.removed) == (["d2"], {"d2"})


def test_dates_on_another_page_than_their_series_are_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """Graph may cut a page anywhere: what comes later, or turns out to exist when asked for, stays known."""
    pages = [page(master(), date(1), series={"M": {"d1": START}}, is_last=False), page(date(2))]
    desk = knowing(1, 2, 3, pages=pages, existing={"d2", "d3"})
    assert desk.look(monkeypatch) == {"d1", "d2", "d3"}
    assert desk.removed == set()


@pytest.mark.parametrize(
    "change",
    [master(Kind.SINGLE), Change(Side.GRAPH, "M", NOW, None, MAILBOX), master()],
    ids=["has become a single event", "is gone", "has nothing left in the window"],
)
def test_dates_of_a_series_that_came_without_them_are_asked_for(
    change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The delta names the series alone; each of its dates is looked at directly, and only what is gone is told so."""
    desk = knowing(1, 2, pages=[page(change)], existing={"d2"})
    assert desk.look(monkeypatch) == {"d2"}
    assert desk.removed - {"M"} == {"d1"}


def test_date_told_before_a_crash_is_asked_for_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was told is known, even if the look breaks off right after and the date is gone by the next one."""
    first = page(master(), date(1), date(2), series={"M": {"d1": START, "d2": START}})
    desk = Desk([first], breaks_after=3)
    with pytest.raises(Crash):
        desk.look(monkeypatch)
    desk.pages, desk.breaks_after = [page(master(), date(1), series={"M": {"d1": START}})], 10**9
    assert desk.look(monkeypatch) == {"d1"}
    assert desk.removed == {"d2"}


def single(name: str) -> Change:
    """A single event, as read."""
    return Change(Side.GRAPH, name, NOW, graph_item(id=name), MAILBOX)


def anew(*changes: Change, begins: bool = True, is_last: bool = True) -> Page:
    """A page of a window whose place was lost."""
    read = page(*changes, is_last=is_last)
    return replace(read, begins=begins, cursor=replace(read.cursor, is_resync=True))


@pytest.mark.parametrize(
    "pages",
    [
        [page(single("A"), is_last=False), anew(single("B"))],
        [page(single("A"), is_last=False), anew(single("B"), is_last=False), anew(begins=False)],
        [page(single("A"), is_last=False), ResyncNeeded("The token is dead."), anew(single("B"))],
    ],
    ids=["at a page behind", "and more pages follow", "twice over"],
)
def test_event_deleted_while_a_window_is_begun_anew_is_asked_for(
    pages: list[Page | ResyncNeeded], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The window showed it, then lost its place; from its start on it does not show it any more."""
    desk = Desk(pages)
    desk.look(monkeypatch)
    assert (desk.asked, desk.removed) == (["A"], {"A"})
