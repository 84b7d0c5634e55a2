"""One look at one mailbox: what changed goes on the log, then the cursor is saved.

The delta says nothing of a deleted or re-timed instance of a series, and nothing of instances that come within the
horizon as time passes. So the table keeps which instances are known, and up to where the horizon was read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol

from connectors.exchange import Exchange
from connectors.graph.source import (
    Page,
    Reach,
    Readings,
    Unreadable,
    finish_resync,
    read_instances,
    read_page,
    restart,
    verify_missing,
)
from schemas.changes import Change, Kind
from schemas.codec import decode, encode
from schemas.cursors import DeltaWindow, GraphCursor, SeriesInstances
from schemas.errors import ResyncNeeded

HORIZON_ROW: Final = b"horizon/"

# Ids asked for at a time when a cursor died.
VERIFY_AT_ONCE: Final = 200


class Rows(Protocol):
    """What is used of a lane: rows of its table, and the wait until what was sent is on the log."""

    def get(self, row: bytes) -> bytes | None:
        """The row's value, None when there is none."""

    def set(self, row: bytes, value: bytes) -> None:
        """Write a row."""

    async def acknowledged(self) -> None:
        """Wait until everything sent so far is on the log."""


@dataclass(frozen=True)
class Means:
    """What a look needs of its role. `ask` drives an exchange with Graph, `tell` sends changes, `put_aside` sends what
    cannot be read to quarantine, `known` says which ids of a mailbox the log holds alive, `now` is the clock."""

    ask: Callable[[Exchange[Any]], Awaitable[Any]]
    tell: Callable[[Iterable[Change]], Awaitable[None]]
    put_aside: Callable[[Unreadable], None]
    known: Callable[[], Awaitable[set[str]]]
    now: Callable[[], datetime]


def series_row(mailbox: str, master_id: str) -> bytes:
    """Where the table keeps which instances of a series are known."""
    return f"series/{mailbox}/{master_id}".encode()


def _lies_in(start: str, window: DeltaWindow) -> bool:
    return f"{window.start_utc:%Y-%m-%dT%H:%M:%S}" <= start < f"{window.end_utc:%Y-%m-%dT%H:%M:%S}"


@dataclass(frozen=True)
class MailboxLook:
    """One look, from the cursor saved last to the present. `cursor_row` is where the cursor is saved."""

    cursor_row: bytes
    reach: Reach
    rows: Rows
    means: Means

    async def read(self, cursor: GraphCursor) -> None:
        """Read every page; raises what the exchanges raise, after which the next look goes on from the last page."""
        seen: set[str] = set()
        position, is_last, started = 0, False, self.means.now()
        while not is_last:
            try:
                page: Page = await self.means.ask(read_page(cursor, self.reach, now=started, position=position))
            except ResyncNeeded:
                cursor, position = restart(cursor), 0
                continue
            await self.means.tell(page.changes)
            for broken in page.unreadable:
                self.means.put_aside(broken)
            await self.rows.acknowledged()
            await self._follow_series(cursor.mailbox, page)
            cursor, position, is_last = page.cursor, page.position, page.is_last
            seen |= page.seen_ids
            self.rows.set(self.cursor_row, encode(cursor))
        if cursor.is_resync:
            # Ids known from the log that a full read did not bring are asked for, one by one.
            await self._ask_for(cursor.mailbox, sorted(await self.means.known() - seen))
            self.rows.set(self.cursor_row, encode(finish_resync(cursor)))
        await self._reach_further(cursor.mailbox)

    async def _follow_series(self, mailbox: str, page: Page) -> None:
        """Instances of a re-sent series that were not sent again are asked for, and so are those of a series that is
        gone, has become a single event or has nothing left in the window: the delta is silent about them."""
        whole = {change.id for change in page.changes if change.item is None or change.item.kind is Kind.SINGLE}
        emptied = {change.id for change in page.changes if change.item and change.item.kind is Kind.SERIES_MASTER}
        for master_id in [*sorted(whole), *sorted((emptied | page.series.keys()) - whole)]:
            present, known = page.series.get(master_id, {}), self._known(mailbox, master_id)
            window = None if master_id in whole else page.window
            missing = [
                instance
                for instance, start in known.items()
                if instance not in present and (window is None or _lies_in(start, window))
            ]
            gone = await self._ask_for(mailbox, missing)
            left = {instance: start for instance, start in known.items() if instance not in gone} | dict(present)
            if left != known:
                self._keep(mailbox, SeriesInstances(master_id, left))
        self._remember(mailbox, page.changes)

    async def _reach_further(self, mailbox: str) -> None:
        """Once a day the horizon of endless series moves on: what it has reached is read."""
        row = HORIZON_ROW + mailbox.encode()
        horizon = self.reach.series_until_utc
        assert horizon is not None
        raw = self.rows.get(row)
        before = datetime.fromisoformat(raw.decode()) if raw is not None else horizon
        if before < horizon:
            readings = await self.means.ask(read_instances(mailbox, before, horizon, now=self.means.now()))
            await self.means.tell(readings.changes)
            self._remember(mailbox, readings.changes)
            await self.rows.acknowledged()
        if raw is None or before < horizon:
            self.rows.set(row, horizon.isoformat().encode())

    def _remember(self, mailbox: str, changes: Iterable[Change]) -> None:
        """Instances that were read are known, whether or not their series was sent along with them."""
        for change in changes:
            item = change.item
            if item is None or not item.series_master_id:
                continue
            known = self._known(mailbox, item.series_master_id)
            start = f"{item.content.span.start_utc:%Y-%m-%dT%H:%M:%S}"
            if known.get(item.id) != start:
                self._keep(mailbox, SeriesInstances(item.series_master_id, {**known, item.id: start}))

    def _known(self, mailbox: str, master_id: str) -> dict[str, str]:
        raw = self.rows.get(series_row(mailbox, master_id))
        return decode(SeriesInstances, raw).starts if raw is not None else {}

    def _keep(self, mailbox: str, instances: SeriesInstances) -> None:
        self.rows.set(series_row(mailbox, instances.master_id), encode(instances))

    async def _ask_for(self, mailbox: str, ids: list[str]) -> set[str]:
        """Read these events directly and tell what they are now; returns those that do not exist."""
        gone: set[str] = set()
        for start in range(0, len(ids), VERIFY_AT_ONCE):
            exchange = verify_missing(mailbox, ids[start : start + VERIFY_AT_ONCE], now=self.means.now())
            readings: Readings = await self.means.ask(exchange)
            await self.means.tell(readings.changes)
            gone |= {change.id for change in readings.changes if change.item is None}
            await self.rows.acknowledged()
        return gone
