"""One poll of Salesforce's events: what changed goes on the log, then the cursor is saved."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from concord.roles.removals import Known, Run, Tell
from concord.roles.told_marks import Table, kept_marks, mark_row
from connectors.exchange import Exchange
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.fresh import Unreadable
from connectors.salesforce.source import Page, Told, poll_page, verify_missing
from schemas.changes import Change
from schemas.codec import encode
from schemas.cursors import SalesforceCursor
from schemas.errors import ResyncNeeded
from schemas.settings import Settings

# Ids asked for at a time when the deletion log has a gap.
VERIFY_AT_ONCE: Final = 200


def wanted_of(settings: Settings) -> str:
    """Names what is read under these settings: when shadow mode begins or ends, everything is read anew."""
    return "shadow" if settings.shadow else ""


@dataclass(frozen=True)
class PollMeans:
    """What a poll needs of its role. `ask` drives an exchange with Salesforce, `tell` sends changes, `put_aside` sends
    what cannot be read to quarantine, `known` says what the log holds alive, `settings` are those in force, `now` is
    the clock, `told` says up to when change events told everything, where there are any."""

    ask: Callable[[Exchange[Any]], Awaitable[Any]]
    tell: Tell
    put_aside: Callable[[Unreadable], None]
    known: Known
    settings: Callable[[], Awaitable[Settings]]
    now: Callable[[], datetime]
    told: Told | None = None


@dataclass(frozen=True)
class EventPoll:
    """One poll, from the cursor saved last to the present. `cursor_row` is where the cursor is saved."""

    cursor_row: bytes
    names: FieldNames
    overlap_s: float
    rows: Table
    means: PollMeans

    async def read(self, cursor: SalesforceCursor) -> None:
        """Read every page; raises what the exchanges raise, after which the next poll goes on from the last page."""
        run = Run(cursor.name, self.rows, self.means.tell, self.means.known)
        kept: Mapping[str, str] = kept_marks(self.rows)
        held = frozenset(kept)
        cursor = replace(cursor, recent={**cursor.recent, **kept})
        wanted = wanted_of(await self.means.settings())
        position, is_last, needs_full_read = "", False, False
        while not is_last:
            exchange = poll_page(
                cursor, self.names, now=self.means.now(), overlap_s=self.overlap_s, wanted=wanted, position=position,
                told=self.means.told,
            )  # fmt: skip
            try:
                page: Page = await self.means.ask(exchange)
            except ResyncNeeded:
                position = ""  # the query's locator died: ask again from the cursor
                continue
            await run.tell(page.changes)
            for broken in page.unreadable:
                self.means.put_aside(broken)
            await self.rows.acknowledged()
            cursor, position, is_last = page.cursor, page.position, page.is_last
            needs_full_read = needs_full_read or page.needs_full_read
            if not needs_full_read:
                kept = self._save(run, cursor, kept)
        if needs_full_read:
            await self._verify(run)
            self._save(run, cursor, kept)
        await run.end(await self.means.settings())
        for record_id in held - cursor.recent.keys():
            self.rows.delete(mark_row(record_id))  # nothing will meet it again

    def _save(self, run: Run, cursor: SalesforceCursor, kept: Mapping[str, str]) -> Mapping[str, str]:
        """Write where the poll stands, behind the marks that changed; returns the marks as they are now."""
        marks = cursor.recent
        for record_id, mark in marks.items():
            if kept.get(record_id) != mark:
                run.save(mark_row(record_id), mark.encode())
        run.save(self.cursor_row, encode(replace(cursor, recent={})))
        return marks

    async def _verify(self, run: Run) -> None:
        """The deletion log has a gap: every id known from the log is asked for."""
        ids = sorted(await self.means.known())
        for start in range(0, len(ids), VERIFY_AT_ONCE):
            exchange = verify_missing(ids[start : start + VERIFY_AT_ONCE], now=self.means.now())
            changes: Iterable[Change] = await self.means.ask(exchange)
            await run.tell(changes)
            await self.rows.acknowledged()
