"""Consumer lag as the broker sees it: from outside the workers, because a stuck worker's own numbers freeze."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final

from kafka import TopicPartition
from kafka.errors import RetriableError

from concord.connecting import admin_of, consumer_of, plainly
from schemas.topics import DIRECTORY_CHANGES, SCHEMA_IDS, SYNC_DECISIONS, SYNC_QUARANTINE, TABLE_VERSIONS, TOPICS

# Every consumer group of Concord begins so.
GROUP_PREFIX: Final = "concord-"
# Tables' own topics: read when a worker starts, never committed.
CHANGELOG_SUFFIX: Final = "-changelog"
# Read whole by those who need them, without a group.
WITHOUT_GROUP: Final = frozenset({DIRECTORY_CHANGES, SYNC_DECISIONS, SYNC_QUARANTINE, TABLE_VERSIONS, SCHEMA_IDS})
# How long, and how often, a broker is asked again that says it is not ready, in seconds.
ASK_AGAIN_S: Final = 10.0
ASK_EVERY_S: Final = 0.2
# Longest wait for the record that tells the age of a backlog, in seconds.
FETCH_S: Final = 5.0


@dataclass(frozen=True)
class Lag:
    """One partition of one group.

    `committed` is the next offset to be read, None before the first commit. `seconds_behind` is the age of the record
    there: 0 when nothing is behind, None when it was not asked for or the record is gone. `group` is "" for a
    partition that holds records although no group of ours ever read it. `start` is the oldest offset left.
    """

    group: str
    topic: str
    partition: int
    committed: int | None
    end: int
    records_behind: int
    seconds_behind: float | None
    start: int = 0


class LagReader:
    """Reads lag again and again over the same connections. A context manager; for one thread.

    `members` is how many workers each group had at the last reading.
    """

    def __init__(self, broker: str) -> None:
        self._broker = broker
        self.members: dict[str, int] = {}
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> LagReader:
        with contextlib.ExitStack() as stack:
            self._admin = stack.enter_context(admin_of(self._broker))
            self._consumer = stack.enter_context(consumer_of(self._broker))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def read(self, *, with_seconds: bool = True) -> list[Lag]:
        """The lag of every group of ours, by group, topic and partition; then what no group reads.

        A broker that has just started, or lost a leader, is asked again for a while.
        """
        deadline = time.monotonic() + ASK_AGAIN_S
        with plainly(self._broker):
            while True:
                try:
                    return self._read(with_seconds)
                except RetriableError:
                    if time.monotonic() > deadline:
                        raise
                    time.sleep(ASK_EVERY_S)

    def _read(self, with_seconds: bool) -> list[Lag]:
        committed = self._committed()
        unread = self._unread({part for parts in committed.values() for part in parts})
        parts = sorted({part for known in committed.values() for part in known} | set(unread))
        starts = self._consumer.beginning_offsets(parts) if parts else {}
        ends = self._consumer.end_offsets(parts) if parts else {}
        rows = [(group, part, known[part]) for group, known in sorted(committed.items()) for part in sorted(known)] + [
            ("", part, None) for part in unread if ends[part] > starts[part]
        ]
        return [self._lag(group, part, at, starts[part], ends[part], with_seconds) for group, part, at in rows]

    def _committed(self) -> dict[str, dict[Any, int | None]]:
        """What each group of ours committed, and None for partitions that a member holds without a commit yet."""
        groups = [row["group_id"] for row in self._admin.list_groups() if row["group_id"].startswith(GROUP_PREFIX)]
        if not groups:
            self.members = {}
            return {}
        known: dict[str, dict[Any, int | None]] = {group: {} for group in groups}
        described = self._admin.describe_groups(groups)
        self.members = {group: len(one["members"]) for group, one in described.items()}
        for group, one in described.items():
            known[group] |= dict.fromkeys(_ours(_assigned(one)))
        for group, offsets in self._admin.list_group_offsets(dict.fromkeys(groups)).items():
            known[group] |= {part: offsets[part].offset for part in _ours(offsets) if offsets[part].offset >= 0}
        return known

    def _unread(self, read: set[Any]) -> list[Any]:
        names = [spec.name for spec in TOPICS if spec.name not in WITHOUT_GROUP]
        described = self._admin.describe_topics(names)
        parts = [
            TopicPartition(topic["name"], number) for topic in described for number in range(len(topic["partitions"]))
        ]
        return sorted(set(parts) - read)

    def _lag(self, group: str, part: Any, at: int | None, start: int, end: int, with_seconds: bool) -> Lag:
        begin = max(start, at if at is not None else start)
        behind = max(0, end - begin)
        seconds: float | None = 0.0
        if behind:
            seconds = self._age(part, begin) if with_seconds else None
        return Lag(group, part.topic, part.partition, at, end, behind, seconds, start)

    def _age(self, part: Any, offset: int) -> float | None:
        """How long ago the record at an offset was written, in seconds; None when it cannot be read."""
        self._consumer.assign([part])
        self._consumer.seek(part, offset)
        deadline = time.monotonic() + FETCH_S
        while time.monotonic() < deadline:
            for records in self._consumer.poll(timeout_ms=500, max_records=1).values():
                if records:
                    return round(max(0.0, time.time() - float(records[0].timestamp) / 1000), 1)
        return None


def _ours(parts: Iterable[Any]) -> list[Any]:
    return [TopicPartition(p.topic, p.partition) for p in parts if not p.topic.endswith(CHANGELOG_SUFFIX)]


def _assigned(described: Any) -> list[Any]:
    """The partitions that the members of a group hold."""
    held = []
    for member in described["members"]:
        assignment = member["member_assignment"]
        for topic in assignment["assigned_partitions"] if assignment else ():
            held += [TopicPartition(topic["topic"], number) for number in topic["partitions"]]
    return held


def read_lag(broker: str) -> list[Lag]:
    """The lag of every group of ours, by group, topic and partition. Raises ConcordError."""
    with LagReader(broker) as reader:
        return reader.read()
