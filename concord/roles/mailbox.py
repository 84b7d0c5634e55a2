"""One look at one mailbox: what changed goes on the log, then the cursor is saved.

The delta says nothing of a deleted or re-timed instance of a series, and nothing of instances that come within the
horizon as time passes. So the table keeps which instances are known, and up to where the horizon was read.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from concord.roles.removals import Known, Rows, Run, Tell
from connectors.exchange import Exchange
from connectors.graph.listing import Listed
from connectors.graph.source import (
    Page,
    Reach,
    Readings,
    Unreadable,
    finish_resync,
    look_ahead,
    read_instances,
    read_page,
    restart,
    verify_missing,
)
from schemas.changes import Change, Kind
from schemas.codec import decode, encode
from schemas.cursors import DeltaWindow, GraphCursor, SeriesInstances
from schemas.errors import ResyncNeeded
from schemas.settings import Settings

HORIZON_ROW: Final = b"horizon/"

# Ids asked for at a time when a cursor died.
VERIFY_AT_ONCE: Final = 200


@dataclass(frozen=True)
class Means:
    """What a look needs of its role. `ask` drives an exchange with Graph, `tell` sends changes, `put_aside` sends what
    cannot be read to quarantine, `known` says what of a mailbox the log holds alive, `settings` are those in force,
    `now` is the clock."""

    ask: Callable[[Exchange[Any]], Awaitable[Any]]
    tell: Tell
    put_aside: Callable[[Unreadable], None]
    known: Known
    settings: Callable[[], Awaitable[Settings]]
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
    own: frozenset[str] = frozenset()
    """The versions that writes of ours left, as `connectors.graph.echoes` words them."""

    async def read(self, cursor: GraphCursor) -> None:
        """Read every page; raises what the exchanges raise, after which the next look goes on from what was saved."""
        run = Run(cursor.mailbox, self.rows, self.means.tell, self.means.known)
        seen: set[str] = set()  # in windows that were read to their end
        seen_here: set[str] = set()  # in the window that is being read
        here: set[str] = set()
        elsewhere: set[str] = set()
        position, is_last, started = 0, False, self.means.now()
        listed: Listed = {}
        ahead = await self.means.ask(look_ahead(cursor, self.reach))
        while not is_last:
            try:
                page: Page = await self.means.ask(
                    read_page(
                        cursor, self.reach, now=started, position=position, ahead=ahead, own=self.own,
                        elsewhere=elsewhere, listed=listed,
                    )
                )  # fmt: skip
            except ResyncNeeded:
                cursor, position = restart(cursor), 0
                seen, seen_here, here, elsewhere = set(), set(), set(), set()
                continue
            await self._remember(run, page.changes)
            await run.tell(page.changes)
            for broken in page.unreadable:
                self.means.put_aside(broken)
            await self.rows.acknowledged()
            await self._follow_series(run, page)
            if page.begins:
                seen_here, here = set(), set()
            seen_here |= page.seen_ids
            here = (here - page.seen_ids) | page.alive_ids
            if page.is_last or page.position != position:
                seen, seen_here = seen | seen_here, set()
                here, elsewhere = set(), elsewhere | here
            cursor, position, is_last, listed = page.cursor, page.position, page.is_last, page.listed
            run.save(self.cursor_row, encode(cursor))
        if cursor.is_resync:
            # Ids known from the log that a full read did not bring are asked for, one by one.
            await self._ask_for(run, sorted((await self.means.known()).keys() - seen))
            run.save(self.cursor_row, encode(finish_resync(cursor)))
        await self._reach_further(run)
        await run.end(await self.means.settings())

    async def _follow_series(self, run: Run, page: Page) -> None:
        """Instances of a re-sent series that were not sent again are asked for, and so are those of a series that is
        gone, has become a single event or has nothing left in the window: the delta is silent about them."""
        whole = {change.id for change in page.changes if change.item is None or change.item.kind is Kind.SINGLE}
        emptied = {change.id for change in page.changes if change.item and change.item.kind is Kind.SERIES_MASTER}
        for master_id in [*sorted(whole), *sorted((emptied | page.series.keys()) - whole)]:
            present, known = page.series.get(master_id, {}), self._known(run, master_id)
            run.count_once(master_id, known)
            window = None if master_id in whole else page.window
            missing = [
                instance
                for instance, start in known.items()
                if instance not in present and (window is None or _lies_in(start, window))
            ]
            gone = await self._ask_for(run, missing)
            left = {instance: start for instance, start in known.items() if instance not in gone} | dict(present)
            if left != known:
                self._keep(run, SeriesInstances(master_id, left))

    async def _reach_further(self, run: Run) -> None:
        """Once a day the horizon of endless series moves on: what it has reached is read."""
        row = HORIZON_ROW + run.name.encode()
        horizon = self.reach.series_until_utc
        assert horizon is not None
        raw = run.get(row)
        before = datetime.fromisoformat(raw.decode()) if raw is not None else horizon
        if before < horizon:
            readings = await self.means.ask(read_instances(run.name, before, horizon, now=self.means.now()))
            await self._remember(run, readings.changes)
            await run.tell(readings.changes)
            await self.rows.acknowledged()
        if raw is None or before < horizon:
            run.save(row, horizon.isoformat().encode())

    async def _remember(self, run: Run, changes: Iterable[Change]) -> None:
        """Dates are known before they are told, whether or not their series was sent along: one that vanishes before a
        crash is over would never be asked for otherwise."""
        read: dict[str, dict[str, str]] = {}
        is_new = False
        for change in changes:
            item = change.item
            if item is not None and item.series_master_id:
                start = f"{item.content.span.start_utc:%Y-%m-%dT%H:%M:%S}"
                read.setdefault(item.series_master_id, {})[item.id] = start
        for master_id, starts in read.items():
            known = self._known(run, master_id)
            if known | starts == known:
                continue
            is_new = True
            row = series_row(run.name, master_id)
            raw = self.rows.get(row)
            held = decode(SeriesInstances, raw).starts if raw is not None else {}
            self.rows.set(row, encode(SeriesInstances(master_id, {**held, **starts})))
            if known != held:
                self._keep(run, SeriesInstances(master_id, {**known, **starts}))
        if is_new:
            await self.rows.acknowledged()

    def _known(self, run: Run, master_id: str) -> dict[str, str]:
        raw = run.get(series_row(run.name, master_id))
        return decode(SeriesInstances, raw).starts if raw is not None else {}

    def _keep(self, run: Run, instances: SeriesInstances) -> None:
        run.save(series_row(run.name, instances.master_id), encode(instances))

    async def _ask_for(self, run: Run, ids: list[str]) -> set[str]:
        """Read these events directly and tell what they are now; returns those that do not exist."""
        gone: set[str] = set()
        for start in range(0, len(ids), VERIFY_AT_ONCE):
            exchange = verify_missing(run.name, ids[start : start + VERIFY_AT_ONCE], now=self.means.now())
            readings: Readings = await self.means.ask(exchange)
            await run.tell(readings.changes)
            gone |= {change.id for change in readings.changes if change.item is None}
            await self.rows.acknowledged()
        return gone
