"""How fast the pure core is: a real journal folded again and again, without Kafka and without RocksDB."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from concord.guard import Lane, Record
from concord.guard.outbox import Headers
from concord.guard.positions import Rules, Work
from concord.roles.reconcile import reconcile_step
from schemas.codec import decode, encode
from schemas.journal import JournalEntry
from streams.stage import Partition


@dataclass(frozen=True)
class FoldRates:
    """Journal entries per second of one core, over `entries` entries of a journal of `journal` entries.

    `live`: what the reconcile worker does for an entry between reading it and writing its outputs: decode it and the
    pair's state, step, encode the state, the decision and the commands. `rebuild`: decode and step, as a rebuild and
    the read models do. `decode` and `step` alone, and `encode` the resulting states.
    """

    journal: int
    entries: int
    live: float
    rebuild: float
    decode: float
    step: float
    encode: float


class MemoryPartition:
    """A partition of `sync-state` in a dict; what is sent is counted and dropped."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.rows: dict[bytes, bytes] = {}
        self.sent = 0

    def read(self, key: bytes) -> bytes | None:
        """A value of the table."""
        return self.rows.get(key)

    def put(self, work: Work, key: bytes, value: bytes | None) -> None:
        """Write to the table; None deletes."""
        if value is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = value

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of the table."""
        return ((key, value) for key, value in sorted(self.rows.items()) if key.startswith(prefix))

    def post(
        self, work: Work, topic: str, content: tuple[bytes | None, bytes | None, Headers], partition: int | None,
        timestamp_ms: int | None,
    ) -> None:  # fmt: skip
        """Count a record."""
        self.sent += 1

    async def idle(self, seconds: float) -> None:
        """Nothing to wait for."""

    async def until(self, reached: Callable[[], bool], limit_s: float | None) -> bool:
        """Nothing to wait for."""
        return True


def live_lap(journal: Sequence[Record], tables: dict[int, MemoryPartition] | None = None) -> int:
    """The journal through the reconcile worker's step; the number of records it sent. Begins with empty tables unless
    `tables` has some, one for each partition."""
    partitions = tables or {record.partition: MemoryPartition(record.partition) for record in journal}
    lanes = {number: Lane(partition, Work(Rules(), lambda: None)) for number, partition in partitions.items()}
    for record in journal:
        reconcile_step(record, lanes[record.partition])
    return sum(partition.sent for partition in partitions.values())


def rebuild_lap(journal: Sequence[Record]) -> dict[int, Partition]:
    """The journal decoded and folded, from nothing."""
    partitions = {record.partition: Partition(record.partition) for record in journal}
    for record in journal:
        partitions[record.partition].fold(decode(JournalEntry, record.value), record.offset)
    return partitions


def fold_rates(journal: Sequence[Record], entries: int) -> FoldRates:
    """Measure over whole laps of the journal, as near to `entries` entries as they come. Raises ValueError for an empty
    journal."""
    if not journal:
        raise ValueError("the journal is empty")
    laps = max(1, round(entries / len(journal)))
    decoded = [(record.partition, record.offset, decode(JournalEntry, record.value)) for record in journal]
    states = [state for partition in rebuild_lap(journal).values() for state in partition.pairs.values()]

    def step_lap() -> None:
        partitions = {number: Partition(number) for number, _, _ in decoded}
        for number, offset, entry in decoded:
            partitions[number].fold(entry, offset)

    def decode_lap() -> None:
        for record in journal:
            decode(JournalEntry, record.value)

    def encode_lap() -> None:
        for state in states:
            encode(state)

    return FoldRates(
        journal=len(journal),
        entries=laps * len(journal),
        live=_rate(lambda: live_lap(journal), len(journal), laps),
        rebuild=_rate(lambda: rebuild_lap(journal), len(journal), laps),
        decode=_rate(decode_lap, len(journal), laps),
        step=_rate(step_lap, len(journal), laps),
        encode=_rate(encode_lap, len(states), laps),
    )


def _rate(lap: Callable[[], object], entries: int, laps: int) -> float:
    """Entries per second of this process's own time: what others do on the machine meanwhile counts less."""
    started = time.process_time()
    for _ in range(laps):
        lap()
    return entries * laps / (time.process_time() - started)
