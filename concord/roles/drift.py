"""Once a day every event of the org is compared with what the log holds: the check behind change events and polls.

It goes page by page, one wake-up each, so that what people save meanwhile is not kept waiting. A check that breaks off,
by a restart or because requests run short, begins again; telling something twice changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from datetime import time as time_of_day
from typing import Final

import structlog

from concord.guard import GuardedApp
from concord.roles.poll import VERIFY_AT_ONCE, PollMeans
from concord.roles.removals import Rows, Run
from concord.roles.wakeups import FORGOTTEN_S
from connectors.salesforce.drift import DriftPage, compare_page, fingerprint
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.source import verify_missing
from schemas.changes import Change
from schemas.codec import decode
from schemas.errors import ResyncNeeded, UnreadableRecord
from schemas.topics import SALESFORCE_CHANGES

# The reason of a wake-up that asks for the next page.
DRIFT: Final = "drift"
ROW: Final = b"drift/"
NEVER: Final = "never"
# What was saved this short a while before the check began is left to change events and polls.
YOUNG: Final = timedelta(minutes=15)

log: Final = structlog.get_logger(__name__)

Told = Callable[[], Awaitable[dict[str, bytes]]]
"""What the log holds alive: the fingerprint of each event by its id."""


@dataclass
class _Check:
    """One check under way. `unseen` are ids that the log holds and no page has brought yet."""

    began: datetime
    told: dict[str, bytes]
    unseen: set[str] = field(default_factory=set)
    position: str = ""
    compared: int = 0
    found: int = 0


class DriftCheck:
    """Says when the next page is due, and does it. `at` is HH:MM (UTC) or NEVER; `told` folds the log."""

    def __init__(self, at: str, told: Told, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._at = None if at == NEVER else time_of_day.fromisoformat(at)
        self._told = told
        self._now = now
        self._since = now()
        self._check: _Check | None = None
        self._asked: float | None = None

    def is_due(self, rows: Rows) -> bool:
        """Whether a wake-up is to be sent now: the day's check is not done, and none was sent a short while ago."""
        if self._at is None or not self._is_outstanding(rows):
            return False
        if self._asked is not None and time.monotonic() - self._asked < FORGOTTEN_S:
            return False
        self._asked = time.monotonic()
        return True

    def _is_outstanding(self, rows: Rows) -> bool:
        assert self._at is not None
        now = self._now()
        due = datetime.combine(now.date(), self._at, UTC)
        raw = rows.get(ROW)
        last = datetime.fromisoformat(raw.decode()) if raw is not None else self._since
        return last < (due if due <= now else due - timedelta(days=1))

    async def step(self, rows: Rows, names: FieldNames, means: PollMeans) -> None:
        """The next page; behind the last one, what the log holds and no page brought. Raises what the exchanges do."""
        if self._at is None or not self._is_outstanding(rows):
            return  # a wake-up that came twice
        if self._check is None:
            log.info("every event is compared with the log")
            began = self._now()  # before the log is read: what comes on it meanwhile is younger
            told = await self._told()
            self._check = _Check(began, told, set(told))
        check = self._check
        exchange = compare_page(check.told, names, now=self._now(), before=check.began - YOUNG, position=check.position)
        try:
            page: DriftPage = await means.ask(exchange)
        except ResyncNeeded:  # the query's locator died
            self._check = self._asked = None
            return
        run = Run(ROW.decode(), rows, means.tell, means.known)
        await run.tell(page.changes)
        for broken in page.unreadable:
            means.put_aside(broken)
        await rows.acknowledged()
        check.unseen -= page.seen
        check.compared += len(page.seen)
        check.found += len(page.changes)
        check.position = page.position
        if not page.position:
            await self._end(check, run, rows, means)
        self._asked = None

    async def _end(self, check: _Check, run: Run, rows: Rows, means: PollMeans) -> None:
        """Ask for each event that no page brought; what two direct reads say is gone is a removal, or a burst of them.

        An event that was told alive after the check began is not on the list: it was not known then.
        """
        removed = 0
        ids = sorted(check.unseen)
        for start in range(0, len(ids), VERIFY_AT_ONCE):
            changes: Iterable[Change] = await means.ask(
                verify_missing(ids[start : start + VERIFY_AT_ONCE], now=self._now())
            )
            changes = tuple(changes)
            removed += len(changes)
            await run.tell(changes)
        run.save(ROW, check.began.isoformat().encode())
        await run.end(await means.settings())
        self._check = None
        say = log.warning if check.found or removed else log.info
        say("every event was compared with the log", events=check.compared, drifted=check.found, removed=removed)


async def told_by_the_log(app: GuardedApp) -> dict[str, bytes]:
    """The fingerprint of each event whose last change on `salesforce.changes` was no removal."""
    told: dict[str, bytes] = {}
    for number in range(app.partitions):
        earliest, end = await app.reader.earliest_and_end(SALESFORCE_CHANGES, number)
        if earliest >= end:
            continue
        async for record in app.reader.read(SALESFORCE_CHANGES, number, earliest, end - 1):
            take(told, record.value)
    return told


def take(told: dict[str, bytes], value: bytes | None) -> None:
    """Fold one record of the log into what is told."""
    try:
        change = decode(Change, value)
    except UnreadableRecord:
        return
    if change.item is None:
        told.pop(change.id, None)
    else:
        told[change.id] = fingerprint(change.item)
