"""Replay: a stage goes over its input again, from an offset, a time or the beginning.

The guard's position and the group's offset are set back; the workers do the rest from their next start. What they did
before they know: an entry at or below the last one folded gives the same state and no decision, an input that stands in
the journal already changes nothing, a command that was answered is not carried out again (I4).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from kafka import TopicPartition

from concord.connecting import admin_of, plainly, producer_of
from concord.groups import asked_again, require_stopped, set_offsets, silent
from concord.guard.partition import position_key
from concord.replay_ranges import Range, Start, ranges_of
from concord.replay_stages import Stage
from concord.roles.reconcile import APP_NAME, INTAKE_TABLES, STATE_TABLE
from concord.table_versions import FIRST, changelog_of, version_in_use
from schemas.errors import ConcordError
from schemas.topics import SYNC_JOURNAL

# How often progress is looked at, in seconds.
LOOK_EVERY_S: Final = 0.5
# Longest wait for the broker to take a position, in seconds.
SEND_S: Final = 30.0


def tables_of(stage: Stage, version: int) -> dict[str, str]:
    """The changelog that keeps the position of each input topic of a stage that workers go over again."""
    assert stage is not Stage.PROJECTIONS, "the read models keep their positions in their database"
    if stage is Stage.RECONCILE:
        return {SYNC_JOURNAL: changelog_of(APP_NAME, STATE_TABLE, version)}
    return {topic: changelog_of(APP_NAME, table, FIRST) for topic, table in INTAKE_TABLES.items()}


def plan(
    broker: str, stage: Stage, wanted: Start, *, topic: str = "", partitions: Iterable[int] = (), key: str = ""
) -> list[Range]:
    """What would be gone over again; with `key`, only partitions with such a record, from the first of them on. Raises
    ConcordError."""
    topics = sorted(tables_of(stage, FIRST))
    if topic and topic not in topics:
        raise ConcordError(f"The stage {stage} does not read {topic}.", f"It reads {', '.join(topics)}.")
    with admin_of(broker) as admin, plainly(broker):
        taken = {part: at for part, at in _taken(admin).items() if part.topic in ([topic] if topic else topics)}
    return ranges_of(broker, taken, wanted, partitions=partitions, key=key)


def _taken(admin: Any) -> dict[Any, int]:
    """The next offset that the group would take, by partition."""
    found = asked_again(lambda: admin.list_group_offsets({APP_NAME: None})).get(APP_NAME, {})
    return {part: told.offset for part, told in found.items() if told.offset >= 0}


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
