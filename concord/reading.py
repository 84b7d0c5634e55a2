"""Reading whole topics with a plain consumer: no group, nothing committed, up to the ends found when reading began."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from schemas.codec import decode
from schemas.errors import ConcordError, UnreadableRecord
from schemas.journal import JournalEntry
from schemas.settings import Settings
from schemas.topics import SETTINGS_CHANGES, SYNC_JOURNAL
from streams.stage import Partition

# Longest wait for a broker that does not answer, in milliseconds.
BOOTSTRAP_MS: Final = 10_000


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


@contextlib.contextmanager
def consumer_of(broker: str) -> Iterator[Any]:
    """A kafka-python consumer. Raises ConcordError in one sentence when the broker cannot be reached."""
    try:
        consumer = KafkaConsumer(
            bootstrap_servers=broker.split(","), group_id=None, enable_auto_commit=False,
            bootstrap_timeout_ms=BOOTSTRAP_MS, max_partition_fetch_bytes=16 << 20, fetch_max_bytes=64 << 20,
        )  # fmt: skip
    except KafkaError as error:
        raise ConcordError(
            f"The Kafka broker at {broker} cannot be reached.", "Check CONCORD_BROKER, or start one with `make up`."
        ) from error
    try:
        yield consumer
    finally:
        consumer.close()


def read_topic(broker: str, topic: str, partition: int | None = None) -> Iterator[Read]:
    """Every record of a topic (or of one partition), partition by partition in offset order."""
    with consumer_of(broker) as consumer:
        numbers = consumer.partitions_for_topic(topic) or set()
        if not numbers:
            raise ConcordError(f"The topic {topic} does not exist.", "Create it with `concord topics create`.")
        for number in sorted(numbers):
            if partition in (None, number):
                yield from _read_partition(consumer, TopicPartition(topic, number))


def _read_partition(consumer: Any, part: Any) -> Iterator[Read]:
    consumer.assign([part])
    end = consumer.end_offsets([part])[part]
    consumer.seek_to_beginning(part)
    while consumer.position(part) < end:
        for records in consumer.poll(timeout_ms=500).values():
            for record in records:
                if record.offset < end:
                    yield Read(
                        part.topic, part.partition, record.offset, record.timestamp, record.key, record.value,
                        tuple(record.headers or ()),
                    )  # fmt: skip


def read_settings(broker: str) -> list[Settings]:
    """Every settings document that took effect, oldest first: those whose number continues the one before."""
    documents: list[Settings] = []
    for record in read_topic(broker, SETTINGS_CHANGES):
        with contextlib.suppress(UnreadableRecord):
            document = decode(Settings, record.value)
            if document.number == (documents[-1].number if documents else 0) + 1:
                documents.append(document)
    return documents


def read_journal(broker: str) -> Iterator[tuple[int, int, JournalEntry]]:
    """Every readable journal entry: (partition, offset, entry), partition by partition."""
    for record in read_topic(broker, SYNC_JOURNAL):
        with contextlib.suppress(UnreadableRecord):
            yield record.partition, record.offset, decode(JournalEntry, record.value)


def fold_journal(broker: str) -> dict[int, Partition]:
    """The whole journal folded: the state of every pair, by partition."""
    partitions: dict[int, Partition] = {}
    for number, offset, entry in read_journal(broker):
        partitions.setdefault(number, Partition(number)).fold(entry, offset)
    return partitions
