"""Where a replay begins: offsets from a time, an offset or the beginning, never ahead of what was taken."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from kafka import TopicPartition

from concord.connecting import consumer_of, plainly


@dataclass(frozen=True)
class Start:
    """From where: exactly one is given."""

    offset: int | None = None
    moment: datetime | None = None
    is_earliest: bool = False


@dataclass(frozen=True)
class Range:
    """One partition of a replay: offsets `first` up to `until`, which is the next one the stage would take."""

    topic: str
    partition: int
    first: int
    until: int

    @property
    def records(self) -> int:
        """How many offsets are gone over again."""
        return self.until - self.first


def first_offset(wanted: Start, earliest: int, at_moment: int | None, taken: int) -> int:
    """Where a partition begins again, never ahead of what the stage has taken: that would leave records out. Pure.

    `at_moment` is the offset of the first record at or after the moment, None when there is none.
    """
    if wanted.is_earliest:
        return min(earliest, taken)
    if wanted.offset is not None:
        return min(max(wanted.offset, earliest), taken)
    return min(taken if at_moment is None else at_moment, taken)


def ranges_of(
    broker: str, taken: Mapping[TopicPartition, int], wanted: Start, *, partitions: Iterable[int] = (), key: str = ""
) -> list[Range]:
    """What would be gone over again of what was taken: the next offset by partition. With `key`, only partitions with
    such a record, from the first of them on. Raises ConcordError."""
    chosen = frozenset(partitions)
    with consumer_of(broker) as consumer, plainly(broker):
        parts = sorted(part for part in taken if not chosen or part.partition in chosen)
        starts = consumer.beginning_offsets(parts) if parts else {}
        moments: dict[Any, Any] = {}
        if wanted.moment is not None and parts:
            moments = consumer.offsets_for_times(dict.fromkeys(parts, int(wanted.moment.timestamp() * 1000)))
        found = []
        for part in parts:
            told = moments.get(part)
            first = first_offset(wanted, starts[part], None if told is None else told.offset, taken[part])
            found.append(Range(part.topic, part.partition, first, taken[part]))
        ranges = [one for one in found if one.records > 0]
        return ranges if not key else [held for one in ranges if (held := _from_key(consumer, one, key.encode()))]


def _from_key(consumer: Any, wanted: Range, key: bytes) -> Range | None:
    """The range from the first record with this key on."""
    part = TopicPartition(wanted.topic, wanted.partition)
    consumer.assign([part])
    consumer.seek(part, wanted.first)
    while consumer.position(part) < wanted.until:
        for records in consumer.poll(timeout_ms=500).values():
            for record in records:
                if record.key == key and record.offset < wanted.until:
                    return replace(wanted, first=record.offset)
    return None
