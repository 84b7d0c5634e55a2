"""A record as a step sees it: the same whether Faust delivered it or it was read back from the topic."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from schemas.topics import SYNC_JOURNAL, TOPICS

# Topics whose key is a pair key.
PAIR_TOPICS: Final = frozenset(spec.name for spec in TOPICS if spec.key == "pair key")
# Header of a command: the decision that it comes from, as partition/offset of its journal entry.
DECISION: Final = "concord.decision"


@dataclass(frozen=True, slots=True)
class Record:
    """One record of an input topic. `timestamp_ms` is the broker's or producer's time in Unix milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


def whose(record: Record) -> dict[str, str]:
    """What a line of the log says of a record beside where it stands: its pair, and the decision that it leads to or
    comes from, by the name that `concord explain` gives it."""
    found = {}
    if record.topic in PAIR_TOPICS and record.key:
        found["pair_key"] = record.key.decode("utf-8", "replace")
    if record.topic == SYNC_JOURNAL:
        found["decision"] = f"{record.partition}/{record.offset}"
    for name, value in record.headers:
        if name == DECISION:
            found["decision"] = value.decode("utf-8", "replace")
    return found


def from_faust(message: Any) -> Record:
    """A record out of a `faust.types.Message`, whose timestamp is in seconds."""
    return Record(
        message.topic,
        message.partition,
        message.offset,
        round((message.timestamp or 0) * 1000),
        message.key,
        message.value,
        _pairs(message.headers),
    )


def from_kafka(read: Any) -> Record:
    """A record out of an `aiokafka.ConsumerRecord`."""
    return Record(
        read.topic, read.partition, read.offset, read.timestamp or 0, read.key, read.value, _pairs(read.headers)
    )


def _pairs(headers: Any) -> tuple[tuple[str, bytes], ...]:
    if not headers:
        return ()
    items = headers.items() if isinstance(headers, Mapping) else headers
    return tuple((str(name), bytes(value or b"")) for name, value in items)
