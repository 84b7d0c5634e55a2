"""Replay: a stage goes over its input again, from an offset, a time or the beginning.

The guard's position and the group's offset are set back; the workers do the rest from their next start. What they did
before they know: an entry at or below the last one folded gives the same state and no decision, an input that stands in
the journal already changes nothing, a command that was answered is not carried out again (I4).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from kafka import TopicPartition

from concord.connecting import admin_of, consumer_of, plainly, producer_of
from concord.groups import asked_again, require_stopped, set_offsets, silent
from concord.guard.partition import position_key
from concord.replay_stages import Stage
from concord.roles.reconcile import APP_NAME, INTAKE_TABLES, STATE_TABLE
from concord.table_versions import FIRST, changelog_of, version_in_use
from schemas.errors import ConcordError
from schemas.topics import SYNC_JOURNAL

# How often progress is looked at, in seconds.
LOOK_EVERY_S: Final = 0.5
# Longest wait for the broker to take a position, in seconds.
SEND_S: Final = 30.0


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


def tables_of(stage: Stage, version: int) -> dict[str, str]:
    """The changelog that keeps the position of each input topic of a stage."""
    if stage is Stage.RECONCILE:
        return {SYNC_JOURNAL: changelog_of(APP_NAME, STATE_TABLE, version)}
    return {topic: changelog_of(APP_NAME, table, FIRST) for topic, table in INTAKE_TABLES.items()}


def first_offset(wanted: Start, earliest: int, at_moment: int | None, taken: int) -> int:
    """Where a partition begins again, never ahead of what the stage has taken: that would leave records out. Pure.

    `at_moment` is the offset of the first record at or after the moment, None when there is none.
    """
    if wanted.is_earliest:
        return min(earliest, taken)
    if wanted.offset is not None:
        return min(max(wanted.offset, earliest), taken)
    return min(taken if at_moment is None else at_moment, taken)


def plan(
    broker: str, stage: Stage, wanted: Start, *, topic: str = "", partitions: Iterable[int] = (), key: str = ""
) -> list[Range]:
    """What would be gone over again; with `key`, only partitions with such a record, from the first of them on. Raises
    ConcordError."""
    topics = sorted(tables_of(stage, FIRST))
    if topic and topic not in topics:
        raise ConcordError(f"The stage {stage} does not read {topic}.", f"It reads {', '.join(topics)}.")
    chosen = frozenset(partitions)
    with admin_of(broker) as admin, consumer_of(broker) as consumer, plainly(broker):
        taken = _taken(admin)
        parts = sorted(
            part for part in taken
            if part.topic in ([topic] if topic else topics) and (not chosen or part.partition in chosen)
        )  # fmt: skip
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


def _taken(admin: Any) -> dict[Any, int]:
    """The next offset that the group would take, by partition."""
    found = asked_again(lambda: admin.list_group_offsets({APP_NAME: None})).get(APP_NAME, {})
    return {part: told.offset for part, told in found.items() if told.offset >= 0}


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


def execute(broker: str, stage: Stage, ranges: list[Range], say: Callable[[str], None] = silent) -> None:
    """Set the stage back. Raises ConcordError when its workers run."""
    changelogs = tables_of(stage, version_in_use(broker, STATE_TABLE))
    with admin_of(broker) as admin, producer_of(broker) as producer, plainly(broker):
        require_stopped(admin, APP_NAME, say)
        taken = _taken(admin)
        if any(taken.get(TopicPartition(one.topic, one.partition)) != one.until for one in ranges):
            raise ConcordError("A worker ran since this was planned: nothing was changed.", "Stop it, and try again.")
        sent = [
            producer.send(
                changelogs[one.topic], key=position_key(one.topic), partition=one.partition,
                value=b"%d" % (one.first - 1) if one.first > 0 else None,
            )
            for one in ranges
        ]  # fmt: skip
        for future in sent:
            future.get(timeout=SEND_S)
        set_offsets(admin, APP_NAME, {(one.topic, one.partition): one.first for one in ranges})


def follow(broker: str, ranges: list[Range], progress: Callable[[int, int], None]) -> float:
    """Wait until the workers have gone over everything, telling (records done, in all); seconds since the first."""
    total = sum(one.records for one in ranges)
    started: float | None = None
    with admin_of(broker) as admin, plainly(broker):
        while True:
            taken = _taken(admin)
            done = sum(_done(one, taken) for one in ranges)
            progress(done, total)
            if done and started is None:
                started = time.monotonic()
            if done >= total:
                return time.monotonic() - (started or time.monotonic())
            time.sleep(LOOK_EVERY_S)


def _done(one: Range, taken: dict[Any, int]) -> int:
    at = taken.get(TopicPartition(one.topic, one.partition), one.first)
    return min(max(0, at - one.first), one.records)
