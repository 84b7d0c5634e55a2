"""A topic made anew with some records changed and every offset as it was. Nobody may write to it meanwhile.

Kafka changes no record in place. So the topic is copied to one beside it, checked, deleted, made again and filled from
the copy: offsets, keys, times, headers and what groups committed are those of before. Killed on the way, `resume` goes
on: as long as the original is whole the copy is thrown away; once it is not, the original is filled from it again.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog
from kafka import TopicPartition
from kafka.admin import ConfigResource, ConfigResourceType

from concord.access import REWRITTEN
from concord.connecting import admin_of, consumer_of, plainly, producer_of
from concord.groups import asked_again, set_offsets
from concord.reading import PATIENCE_S, Read
from schemas.errors import ConcordError
from schemas.topics import MAX_RECORD_BYTES

# Longest wait for the broker to make or delete a topic, or to take records, in seconds.
TOPIC_S: Final = 60.0
# Records sent before it is waited for them.
BATCH: Final = 2_000
# What stands in the place of records that retention had removed, until it is removed again.
PADDING: Final = b"\x00"

log: Final = structlog.get_logger(__name__)


class NotWhole(ConcordError):
    """Topics are being rewritten, or were when that was killed."""

    def __init__(self) -> None:
        super().__init__(
            "An erasure is under way or was interrupted: not every topic is whole.",
            "End it with the `concord erase ... --execute` that began it, then start everything again.",
        )


def require_whole(broker: str) -> None:
    """Raises NotWhole, and ConcordError when the broker does not say."""
    with admin_of(broker) as admin, plainly(broker):
        if any(topic.startswith(REWRITTEN) for topic in admin.list_topics()):
            raise NotWhole


def require_whole_to_start(broker: str) -> None:
    """For a process that starts, and would go on from a topic half filled: raises NotWhole alone. Whatever else the
    broker says, or that it does not answer, the process meets and waits for by itself."""
    try:
        require_whole(broker)
    except NotWhole:
        raise
    except ConcordError as error:
        log.debug("whether an erasure is unfinished is not known", problem=error.what)


Change = Callable[[Read], Read]
"""What a record becomes: the same, or with another value or other headers."""


@dataclass(frozen=True)
class Shape:
    """A topic as it was: where each partition begins and ends, what each group committed, how it was made."""

    starts: dict[int, int]
    ends: dict[int, int]
    committed: dict[str, dict[int, int]]
    replication: int
    configs: dict[str, str]

    def to_json(self) -> bytes:
        """For the head of a copy."""
        return json.dumps(self.__dict__).encode()


def shape_from(text: bytes) -> Shape:
    """The reverse; JSON has texts for keys."""
    told = json.loads(text)
    numbered = {name: {int(number): at for number, at in told[name].items()} for name in ("starts", "ends")}
    committed = {group: {int(number): at for number, at in known.items()} for group, known in told["committed"].items()}
    return Shape(**{**told, **numbered, "committed": committed})


class Rewriter:
    """Rewrites topics of one broker. A context manager; for one thread. Raises ConcordError."""

    def __init__(self, broker: str, groups: list[str]) -> None:
        self._broker = broker
        self._groups = groups

    def rewrite(self, topic: str, change: Change) -> None:
        """Make the topic anew with what each record becomes."""
        copy = REWRITTEN + topic
        with plainly(self._broker):
            shape = self._shape(topic)
            wanted = {"cleanup.policy": "delete", "retention.ms": "-1", "max.message.bytes": str(MAX_RECORD_BYTES)}
            self._make(copy, len(shape.ends), shape.replication, wanted)
            for number in sorted(shape.ends):
                head = Read(topic, number, -1, 0, b"head", shape.to_json())
                body = (change(read) for read in self._records(topic, number, shape.starts[number], shape.ends[number]))
                told = self._send(copy, number, _with_head(head, body))
                if told != self._digest(copy, number, 0, 1 + shape.ends[number] - shape.starts[number]):
                    raise ConcordError(f"The copy of {topic} is not what was written.", "Nothing was changed.")
            self._put_back(topic, shape)

    def resume(self, topic: str) -> bool:
        """End what was killed half-way. Returns whether there was something."""
        copy = REWRITTEN + topic
        with plainly(self._broker):
            known = self._topics()
            if copy not in known:
                return False
            if topic in known and not self._has_head(copy):
                self._delete(copy)
                return True
            shape = self._head(copy)
            if topic in known and all(self._end(topic, number) >= end for number, end in shape.ends.items()):
                self._finish(topic, shape)  # not begun, or done but for what stands around it
            else:
                self._put_back(topic, shape)
        return True

    def _put_back(self, topic: str, shape: Shape) -> None:
        self._delete(topic)
        self._make(topic, len(shape.ends), shape.replication, shape.configs)
        for number, end in sorted(shape.ends.items()):
            start = shape.starts[number]
            self._send(topic, number, (Read(topic, number, at, 0, None, PADDING) for at in range(start)))
            count = end - start
            told = self._send(topic, number, self._records(REWRITTEN + topic, number, 1, 1 + count))
            if told != self._digest(topic, number, start, end):
                raise ConcordError(f"{topic} is not what its copy holds.", "Start nothing; run the same command again.")
        self._finish(topic, shape)

    def _finish(self, topic: str, shape: Shape) -> None:
        """What retention had removed is removed, groups stand where they stood, and the copy goes."""
        gone = {TopicPartition(topic, number): start for number, start in shape.starts.items() if start > 0}
        with admin_of(self._broker) as admin:
            if gone:
                admin.delete_records(gone)
            for group, known in shape.committed.items():
                if known:
                    set_offsets(admin, group, {(topic, number): at for number, at in known.items()})
        self._delete(REWRITTEN + topic)

    def _shape(self, topic: str) -> Shape:
        with admin_of(self._broker) as admin, consumer_of(self._broker) as consumer:
            (described,) = admin.describe_topics([topic])
            numbers = [row["partition_index"] for row in described["partitions"]]
            parts = [TopicPartition(topic, number) for number in sorted(numbers)]
            starts, ends = consumer.beginning_offsets(parts), consumer.end_offsets(parts)
            resource = ConfigResource(ConfigResourceType.TOPIC, topic)
            told_configs = admin.describe_configs([resource])
            configs = {name: row["value"] for name, row in _configs_of(told_configs, topic).items()}
            committed = {}
            for group in self._groups:
                known = asked_again(partial(admin.list_group_offsets, {group: None})).get(group, {})
                committed[group] = {
                    part.partition: told.offset
                    for part, told in known.items()
                    if part.topic == topic and told.offset >= 0
                }
            return Shape(
                {part.partition: starts[part] for part in parts}, {part.partition: ends[part] for part in parts},
                committed, len(described["partitions"][0]["replica_nodes"]), configs,
            )  # fmt: skip

    def _topics(self) -> set[str]:
        with admin_of(self._broker) as admin:
            return set(admin.list_topics())

    def _make(self, topic: str, partitions: int, replication: int, configs: Mapping[str, str]) -> None:
        if topic in self._topics():
            self._delete(topic)
        wanted = {"num_partitions": partitions, "replication_factor": replication, "configs": dict(configs)}
        with admin_of(self._broker) as admin:
            admin.create_topics({topic: wanted})
        with consumer_of(self._broker) as consumer:
            _until(lambda: len(consumer.partitions_for_topic(topic) or ()) == partitions, f"{topic} was not made")

    def _delete(self, topic: str) -> None:
        if topic in self._topics():
            with admin_of(self._broker) as admin:
                admin.delete_topics([topic])
        _until(lambda: topic not in self._topics(), f"{topic} was not deleted")

    def _end(self, topic: str, number: int) -> int:
        with consumer_of(self._broker) as consumer:
            part = TopicPartition(topic, number)
            return int(consumer.end_offsets([part])[part])

    def _has_head(self, copy: str) -> bool:
        return self._end(copy, 0) > 0

    def _head(self, copy: str) -> Shape:
        (head,) = self._records(copy, 0, 0, 1)
        return shape_from(head.value or b"{}")

    def _records(self, topic: str, number: int, first: int, until: int) -> Iterator[Read]:
        """The records of one partition from `first` up to, without, `until`."""
        if first >= until:
            return
        part = TopicPartition(topic, number)
        with consumer_of(self._broker) as consumer:
            consumer.assign([part])
            consumer.seek(part, first)
            last_progress = time.monotonic()
            while consumer.position(part) < until:
                records = consumer.poll(timeout_ms=500).get(part, [])
                if records:
                    last_progress = time.monotonic()
                elif time.monotonic() - last_progress > PATIENCE_S:
                    raise ConcordError(f"The Kafka broker at {self._broker} stopped answering.")
                for one in records:
                    if one.offset < until:
                        headers = tuple(one.headers or ())
                        yield Read(topic, number, one.offset, one.timestamp, one.key, one.value, headers)

    def _send(self, topic: str, number: int, records: Iterator[Read]) -> str:
        """Append records to a partition; the digest of what was sent."""
        told = hashlib.sha256()
        with producer_of(self._broker) as producer:
            waiting = []
            for read in records:
                _add(told, read)
                waiting.append(
                    producer.send(
                        topic, key=read.key, value=read.value, headers=list(read.headers), partition=number,
                        timestamp_ms=read.timestamp_ms,
                    )
                )  # fmt: skip
                if len(waiting) >= BATCH:
                    _acknowledged(waiting)
            _acknowledged(waiting)
        return told.hexdigest()

    def _digest(self, topic: str, number: int, first: int, until: int) -> str:
        told = hashlib.sha256()
        for read in self._records(topic, number, first, until):
            _add(told, read)
        return told.hexdigest()


def _with_head(head: Read, body: Iterator[Read]) -> Iterator[Read]:
    yield head
    yield from body


def _add(told: Any, read: Read) -> None:
    told.update(repr((read.timestamp_ms, read.key, read.value, read.headers)).encode())


def _acknowledged(waiting: list[Any]) -> None:
    for future in waiting:
        future.get(timeout=TOPIC_S)
    waiting.clear()


def _configs_of(told: Mapping[Any, Any], topic: str) -> dict[str, Any]:
    """The settings of one topic that are not the broker's own."""
    for by_name in told.values():
        if topic in by_name:
            return dict(by_name[topic])
    return {}


def _until(is_so: Callable[[], bool], problem: str) -> None:
    deadline = time.monotonic() + TOPIC_S
    while not is_so():
        if time.monotonic() > deadline:
            raise ConcordError(f"{problem} within {TOPIC_S:.0f} s.", "Run the same command again.")
        time.sleep(0.2)
