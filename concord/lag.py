"""Consumer lag as the broker sees it: from outside the workers, because a stuck worker's own numbers freeze."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Final

from kafka import TopicPartition

from concord.reading import consumer_of
from concord.topics import admin_client

# Every consumer group of Concord begins so.
GROUP_PREFIX: Final = "concord-"


@dataclass(frozen=True)
class Lag:
    """One partition of one group. `committed` is the next offset to be read; `seconds_behind` is the age of the
    record there (0 when nothing is behind)."""

    group: str
    topic: str
    partition: int
    committed: int
    end: int
    records_behind: int
    seconds_behind: float


def read_lag(broker: str) -> list[Lag]:
    """The lag of every group of ours, by group, topic and partition."""
    admin = admin_client(broker)
    try:
        groups = sorted(row["group_id"] for row in admin.list_groups() if row["group_id"].startswith(GROUP_PREFIX))
        offsets = {group: admin.list_group_offsets({group: None})[group] for group in groups}
    finally:
        admin.close()
    rows = []
    with consumer_of(broker) as consumer:
        for group, partitions in offsets.items():
            for part, found in sorted(partitions.items(), key=lambda item: (item[0].topic, item[0].partition)):
                rows.append(_lag(consumer, group, part, found["offset"]))
    return rows


def _lag(consumer: Any, group: str, part: Any, committed: int) -> Lag:
    part = TopicPartition(part.topic, part.partition)
    end = consumer.end_offsets([part])[part]
    behind = max(0, end - max(committed, 0))
    seconds = max(0.0, time.time() - _timestamp_at(consumer, part, committed) / 1000) if behind else 0.0
    return Lag(group, part.topic, part.partition, committed, end, behind, round(seconds, 1))


def _timestamp_at(consumer: Any, part: Any, offset: int) -> float:
    """The record time at an offset, in milliseconds; now when the record is gone."""
    consumer.assign([part])
    consumer.seek(part, offset)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=500, max_records=1).values():
            if records:
                return float(records[0].timestamp)
    return time.time() * 1000
