"""Rows for the org's integration log: gathered, bounded, and never the cause of anything.

Its own agent over the outcomes, so that nothing else waits for it. Whatever fails here is logged and dropped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from concord.config import Config
from concord.guard import AgentOptions, Lane, Record
from concord.roles.salesforce_connection import Salesforce
from connectors.exchange import run_async
from connectors.salesforce.integration_log import ROWS_MAX, SYSTEMS_MAX, LogRow, row_of, write_rows
from schemas.codec import decode
from schemas.commands import Outcome
from schemas.errors import ServiceError, Throttled, Unavailable, UnreadableRecord

# How long rows wait for company, in seconds: they are for people, who look later.
GATHER_S: Final = 0.5
# Tries of one round of rows, and the longest wait between two, in seconds.
ATTEMPTS: Final = 3
PAUSE_MAX_S: Final = 30.0
# Rows an hour that one worker writes; beyond it they are only counted, and one row says how many.
ROWS_PER_HOUR: Final = 500
# Outcomes older than this were told before, or by nobody: a rebuild floods no log.
AGE_MAX: Final = timedelta(hours=24)

log: Final = structlog.get_logger(__name__)

OPTIONS: Final = AgentOptions(lanes=ROWS_MAX, redo_finished=False)


def systems_of(config: Config) -> tuple[str, ...]:
    """The external systems under which errors are logged; () switches the log off."""
    names = tuple(name.strip() for name in config.integration_log_systems.split(","))
    return tuple(name for name in names if name)[:SYSTEMS_MAX]


class IntegrationLog:
    """Takes outcomes and writes what an administrator should find."""

    def __init__(self, salesforce: Salesforce, systems: Sequence[str]) -> None:
        self._salesforce = salesforce
        self._systems = tuple(systems)
        self._waiting: list[tuple[LogRow, asyncio.Future[None]]] = []
        self._flush: asyncio.Task[None] | None = None
        self._hour: datetime | None = None
        self._written = 0
        self._left_out = 0

    async def step(self, record: Record, _: Lane) -> None:
        """One outcome."""
        try:
            outcome = decode(Outcome, record.value)
        except UnreadableRecord:
            return  # intake puts it into quarantine
        row = row_of(outcome)
        if row is None or not self._systems or datetime.now(UTC) - outcome.at > AGE_MAX:
            return
        if self._has_room():
            await self.tell(row)

    async def tell(self, row: LogRow) -> None:
        """Write a row together with those that come at the same time. Returns when it is written or given up."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((row, done))
        if self._flush is None or self._flush.done():
            self._flush = asyncio.create_task(self._run(), name="integration log")
        await done

    def _has_room(self) -> bool:
        """Whether this hour takes another row."""
        hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        if hour != self._hour:
            if self._left_out:
                log.warning("integration log rows left out in an hour", count=self._left_out)
            self._hour, self._written, self._left_out = hour, 0, 0
        self._written += 1
        if self._written <= ROWS_PER_HOUR:
            return True
        self._left_out += 1
        return False

    async def _run(self) -> None:
        await asyncio.sleep(GATHER_S)
        while self._waiting:
            some, self._waiting = self._waiting[:ROWS_MAX], self._waiting[ROWS_MAX:]
            try:
                await self._write([row for row, _ in some])
            except Exception as error:  # noqa: BLE001  # no sync fails for a log: the decision that it tells of is kept
                log.warning("integration log not written", count=len(some), error=type(error).__name__)
            finally:
                for _, done in some:
                    if not done.done():
                        done.set_result(None)

    async def _write(self, rows: list[LogRow]) -> None:
        for attempt in range(ATTEMPTS):
            try:
                exchange = write_rows(rows, self._systems, await self._salesforce.names())
                await run_async(exchange, self._salesforce.client.send_async)
                return
            except (Throttled, Unavailable) as error:
                if attempt == ATTEMPTS - 1:
                    raise
                await asyncio.sleep(min(error.wait_s if isinstance(error, Throttled) else 1.0, PAUSE_MAX_S))
            except ServiceError as error:
                log.warning("integration log refused", code=error.code, count=len(rows))
                return
