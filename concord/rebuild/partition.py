"""One partition of a table, made anew in a process of its own: read, fold, write, read back, compare."""

from __future__ import annotations

import asyncio
import resource
import shutil
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterable
from contextlib import ExitStack, aclosing, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from concord.broker_access import current_access
from concord.guard import Record
from concord.guard.log_reader import LogReader
from concord.guard.outbox import MAX_REQUEST_BYTES
from concord.guard.partition import position_key
from concord.rebuild.fold import BulkFold
from concord.rebuild.rows import Differences, Digest, Rows, differences
from concord.roles.reconcile import UNDER_WAY_ROW
from schemas.topics import SYNC_JOURNAL

# Changelog records taken into the database at once, and bytes per batch sent.
GATHERED: Final = 2_000
BATCH_BYTES: Final = 512 * 1024
# Batches that may be on their way at once.
UNDER_WAY_MAX: Final = 8
# Entries between two reports of progress.
REPORT_EVERY: Final = 500

POSITION: Final = position_key(SYNC_JOURNAL)


@dataclass(frozen=True)
class Job:
    """What one process does: fold a partition of the journal into the changelog `target`.

    It goes as far as the version in use has finished, which its changelog `in_use` says, and compares with it; without
    one ("") as far as the group committed, offset `committed` left out. `goes_on`: from what `target` holds and its
    position, instead of from nothing.
    """

    servers: tuple[str, ...]
    number: int
    committed: int
    target: str
    in_use: str
    folder: Path
    goes_on: bool = False


@dataclass(frozen=True)
class Made:
    """What one process did. `folded` is the digest of what was folded, `table` of what the topic holds afterwards;
    `in_use` tells where the version in use differs, `new_commands` how many pairs would have a command under way that
    have none there. Seconds are the process's own; `memory_mb` is its largest resident size."""

    number: int
    entries: int
    unreadable: int
    failed: int
    folded: Digest
    table: Digest
    in_use: Differences
    new_commands: int
    fold_s: float
    cpu_s: float
    memory_mb: float


def make_partition(job: Job, report: Callable[[int, int], None]) -> Made:
    """Do the job. `report` is told (partition, entries folded so far) now and then."""
    folder = job.folder / str(job.number)
    folder.mkdir(parents=True)
    try:
        return asyncio.run(_make(job, folder, report))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


async def _make(job: Job, folder: Path, report: Callable[[int, int], None]) -> Made:
    reader = LogReader(_client(job))
    with ExitStack() as stack:
        rows, in_use, table = (
            stack.enter_context(closing(Rows(folder / name))) for name in ("folded", "in-use", "table")
        )
        try:
            if job.in_use:
                await load(reader, job.in_use, job.number, in_use)
            if job.goes_on:
                await load(reader, job.target, job.number, rows)
            last = position_in(in_use) if job.in_use else job.committed - 1
            started, cpu = time.monotonic(), time.process_time()
            fold = await _fold(job, reader, rows, last, report)
            fold_s, cpu_s = time.monotonic() - started, time.process_time() - cpu
            await _write(job, rows, last)
            await load(reader, job.target, job.number, table)
        finally:
            await reader.stop()
        memory_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        return Made(
            number=job.number, entries=fold.entries, unreadable=fold.unreadable, failed=fold.failed,
            folded=rows.digest(), table=table.digest(),
            in_use=differences(rows, in_use) if job.in_use else Differences(),
            new_commands=_new_commands(rows, in_use) if job.in_use else 0,
            fold_s=round(fold_s, 3), cpu_s=round(cpu_s, 3), memory_mb=round(memory_mb, 1),
        )  # fmt: skip


def position_in(rows: Rows) -> int:
    """The last journal offset that a table has finished, -1 for none."""
    return int(rows.get(POSITION) or -1)


def _new_commands(rows: Rows, in_use: Rows) -> int:
    keys = (key for key, _ in rows.items() if key.startswith(UNDER_WAY_ROW))
    return sum(in_use.get(key) is None for key in keys)


async def _fold(job: Job, reader: LogReader, rows: Rows, last: int, report: Callable[[int, int], None]) -> BulkFold:
    fold = BulkFold(job.number, rows)
    async with aclosing(records(reader, SYNC_JOURNAL, job.number, position_in(rows) + 1, last)) as found:
        async for record in found:
            fold.fold(record)
            if fold.entries % REPORT_EVERY == 0:
                report(job.number, fold.entries)
    fold.finish()
    report(job.number, fold.entries)
    return fold


async def load(reader: LogReader, changelog: str, number: int, rows: Rows) -> None:
    """Take a partition of a changelog into `rows`: the newest value of each key."""
    gathered: list[tuple[bytes, bytes | None]] = []
    async with aclosing(records(reader, changelog, number)) as found:
        async for record in found:
            gathered.append((record.key or b"", record.value))
            if len(gathered) >= GATHERED:
                rows.write(gathered)
                gathered.clear()
    rows.write(gathered)


async def records(
    reader: LogReader, topic: str, number: int, first: int = 0, last: int | None = None
) -> AsyncGenerator[Record, None]:
    """Records `first` to `last` of a partition as far as they are there, to its present end without `last`."""
    earliest, end = await reader.earliest_and_end(topic, number)
    first, last = max(first, earliest), end - 1 if last is None else min(last, end - 1)
    if first <= last:
        async with aclosing(reader.read(topic, number, first, last)) as found:
            async for record in found:
                yield record


async def _write(job: Job, rows: Rows, last: int) -> None:
    """Send every row to the changelog, then the position: the workers go on after it."""
    async with _producer(job) as producer:
        await _send(producer, job, rows.items())
        await _send(producer, job, [(POSITION, b"%d" % last)] if last >= 0 else [])


def _client(job: Job) -> dict[str, Any]:
    """How clients reach the broker; the way in stands in the environment, which processes inherit."""
    return {
        "bootstrap_servers": list(job.servers), "client_id": "concord-rebuild", **current_access().settings()
    }  # fmt: skip


@asynccontextmanager
async def _producer(job: Job) -> AsyncIterator[Any]:
    producer = AIOKafkaProducer(
        acks="all", enable_idempotence=True, max_batch_size=BATCH_BYTES, max_request_size=MAX_REQUEST_BYTES,
        **_client(job),
    )  # fmt: skip
    try:
        await producer.start()
        yield producer
    finally:
        await producer.stop()


async def _send(producer: Any, job: Job, rows: Iterable[tuple[bytes, bytes]]) -> None:
    sent: list[Any] = []
    batch = producer.create_batch()

    async def send() -> None:
        sent.append(await producer.send_batch(batch, job.target, partition=job.number))
        if len(sent) >= UNDER_WAY_MAX:
            await sent.pop(0)

    for key, value in rows:
        if batch.append(key=key, value=value, timestamp=None) is None:
            await send()
            batch = producer.create_batch()
            batch.append(key=key, value=value, timestamp=None)
    if batch.record_count():
        await send()
    for one in sent:
        await one
