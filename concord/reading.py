"""Reading topics with a plain consumer: no group, nothing committed, each time up to the ends found then."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import Any, Final, Self

from kafka import TopicPartition

from concord.connecting import consumer_of, plainly
from schemas.codec import decode
from schemas.errors import ConcordError, UnreadableRecord
from schemas.journal import JournalEntry
from schemas.settings import Settings
from schemas.state import PairState
from schemas.topics import SETTINGS_CHANGES, SYNC_JOURNAL
from streams.stage import Partition

# How long a broker may bring nothing while records are known to be there, in seconds.
PATIENCE_S: Final = 30.0


@dataclass(frozen=True)
class Read:
    """One record as it stands on a topic; `headers` as stored."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


class Tail:
    """Topics read from their beginning, and later only what was added. A context manager; for one thread.

    With `look_back`, reading begins at most so many records before the end of each partition. Raises ConcordError when
    the broker cannot be reached, stops answering, or a topic does not exist.
    """

    def __init__(self, broker: str, *topics: str, look_back: int | None = None) -> None:
        self._broker = broker
        self._look_back = look_back
        self._topics = topics
        self._parts: list[Any] = []
        self._stack = contextlib.ExitStack()

    def __enter__(self) -> Tail:
        self._consumer = self._stack.enter_context(consumer_of(self._broker))
        with self._stack.pop_all() as closing, plainly(self._broker):
            for topic in self._topics:
                numbers = self._consumer.partitions_for_topic(topic)
                if not numbers:
                    raise ConcordError(f"The topic {topic} does not exist.", "Create it with `concord topics create`.")
                self._parts += [TopicPartition(topic, number) for number in sorted(numbers)]
            self._consumer.assign(self._parts)
            self._seek()
            self._stack = closing.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def _seek(self) -> None:
        starts = self._consumer.beginning_offsets(self._parts)
        ends = self._consumer.end_offsets(self._parts) if self._look_back is not None else {}
        for part, start in starts.items():
            self._consumer.seek(part, max(start, ends[part] - (self._look_back or 0)) if ends else start)

    @property
    def length(self) -> int:
        """How many records the topics hold now."""
        with plainly(self._broker):
            starts, ends = (ask(self._parts) for ask in (self._consumer.beginning_offsets, self._consumer.end_offsets))
            return sum(ends[part] - starts[part] for part in self._parts)

    def more(self) -> Iterator[Read]:
        """What was added since the last call, up to the ends as they are now; in offset order within a partition."""
        with plainly(self._broker):
            ends = self._consumer.end_offsets(self._parts)
            last_progress = time.monotonic()
            while any(self._consumer.position(part) < end for part, end in ends.items()):
                batches = self._consumer.poll(timeout_ms=500)
                if batches:
                    last_progress = time.monotonic()
                elif time.monotonic() - last_progress > PATIENCE_S:
                    raise ConcordError(f"The Kafka broker at {self._broker} stopped answering.")
                for part, records in batches.items():
                    for record in records:
                        yield Read(
                            part.topic, part.partition, record.offset, record.timestamp, record.key, record.value,
                            tuple(record.headers or ()),
                        )  # fmt: skip


def read_topics(broker: str, *topics: str) -> Iterator[Read]:
    """Every record of these topics; in offset order within a partition."""
    with Tail(broker, *topics) as tail:
        yield from tail.more()


def latest_by_key(broker: str, topic: str, look_back: int) -> dict[str, Read]:
    """The newest record of each key among the last `look_back` records of every partition."""
    newest: dict[str, Read] = {}
    with Tail(broker, topic, look_back=look_back) as tail:
        for record in tail.more():
            newest[(record.key or b"").decode("utf-8", "replace")] = record
    return newest


class TopicFold:
    """What follows from a topic, kept open: `advance`, which each has, takes what was added since the last time.

    A context manager; for one thread.
    """

    def __init__(self, broker: str, topic: str) -> None:
        self._tail = Tail(broker, topic)

    def __enter__(self) -> Self:
        self._tail.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tail.__exit__(kind, error, trace)


class SettingsFold(TopicFold):
    """The settings documents that took effect, oldest first: those whose number continues the one before."""

    def __init__(self, broker: str) -> None:
        super().__init__(broker, SETTINGS_CHANGES)
        self.documents: list[Settings] = []

    def advance(self) -> None:
        """Take what was added up to now."""
        for record in self._tail.more():
            with contextlib.suppress(UnreadableRecord):
                document = decode(Settings, record.value)
                if document.number == (self.documents[-1].number if self.documents else 0) + 1:
                    self.documents.append(document)


def read_settings(broker: str) -> list[Settings]:
    """Every settings document that took effect, oldest first."""
    with SettingsFold(broker) as fold:
        fold.advance()
        return fold.documents


class JournalFold(TopicFold):
    """The journal folded as far as it goes: `advance` folds what was added. A context manager; for one thread.

    `partitions` holds settings and pairs by journal partition, `observed` when each pair was last told of, by pair
    key; `unreadable` counts entries that no schema reads, `taken` all that were read.
    """

    def __init__(self, broker: str) -> None:
        super().__init__(broker, SYNC_JOURNAL)
        self.partitions: dict[int, Partition] = {}
        self.observed: dict[str, datetime] = {}
        self.unreadable = 0
        self.taken = 0

    @property
    def pairs(self) -> list[PairState]:
        """The state of every pair."""
        return [state for partition in self.partitions.values() for state in partition.pairs.values()]

    def advance(self) -> int:
        """Fold up to the ends of the journal as they are now; the number of entries that were new."""
        count = 0
        for record in self._tail.more():
            count += 1
            try:
                entry = decode(JournalEntry, record.value)
            except UnreadableRecord:
                self.unreadable += 1
                continue
            self.partitions.setdefault(record.partition, Partition(record.partition)).fold(entry, record.offset)
            self.observed[entry.pair_key] = entry.observed_at
        self.taken += count
        return count


def fold_journal(broker: str) -> dict[int, Partition]:
    """The whole journal folded: settings and the state of every pair, by partition."""
    with JournalFold(broker) as fold:
        fold.advance()
        return fold.partitions
