"""What stands in `sync.quarantine` and what an operator does about it: retry or drop, each a record of its own.

The topic is never rewritten. An action appends a note that names the record it settles; what is open is the fold of
both, so two people who act at once, or one who presses twice, act once. A retried record goes back to the partition it
came from with its key, bytes, time and headers; if it fails again it comes back, and its headers count the retries.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from kafka import TopicPartition

from concord.connecting import consumer_of, plainly, producer_of
from concord.guard.quarantine import AT, OMITTED, PREFIX
from concord.reading import Read, TopicFold, read_topics
from schemas.errors import ConcordError, ConfigError
from schemas.topics import BY_NAME, SYNC_QUARANTINE

ERRORS: Final = PREFIX
# Headers of a note: which record it settles, how, and who did it.
SETTLES: Final = "concord.quarantine.settles"
VERB: Final = "concord.quarantine.verb"
BY: Final = "concord.operator"
# Headers of a record that was written back: where in quarantine it stood, and how often it was written back.
FROM: Final = "concord.quarantine.offset"
RETRIES: Final = "concord.quarantine.retries"

RETRY: Final = "retry"
DROP: Final = "drop"

# How long writing a record may take, and looking one up where it came from, in seconds.
WRITE_S: Final = 30.0
FETCH_S: Final = 10.0
# Records written back before their notes are written: what is written back twice when the command is killed.
BATCH: Final = 200


@dataclass(frozen=True)
class Quarantined:
    """One record: where it stands, where it came from, why it could not be processed, and how often it was retried.

    `at` is when it was quarantined; `read` is the record itself.
    """

    where: str
    at: datetime
    topic: str
    partition: str
    offset: str
    stage: str
    error: str
    message: str
    read: Read
    retries: int = 0
    is_omitted: bool = False
    """Its bytes were too many for quarantine: they stand where it came from, as long as that topic keeps them."""

    @property
    def reason(self) -> str:
        """The kind of error, one word: the class of what was raised, without its module."""
        return self.error.rpartition(".")[2]

    @property
    def can_retry(self) -> bool:
        """Whether it came from a topic it can be written back to; an item that a source could not read did not."""
        return self.topic in BY_NAME


@dataclass(frozen=True)
class Settled:
    """A record that somebody retried or dropped: which verb, who, when."""

    row: Quarantined
    verb: str
    by: str
    at: datetime


@dataclass
class Shelf:
    """The records of the topic, folded one by one: the open ones, and if wanted those that are settled. Pure."""

    keeps_settled: bool = False
    settled: list[Settled] = field(default_factory=list)
    _found: dict[str, Quarantined] = field(default_factory=dict)
    _early: set[str] = field(default_factory=set)

    def take(self, read: Read) -> None:
        """One record of the topic: something quarantined, or a note about it. A note may come before its record, as it
        may stand in another partition."""
        headers = {name: value.decode("utf-8", "replace") for name, value in read.headers}
        where = headers.get(SETTLES)
        if where is None:
            row = _quarantined(read, headers)
            if row.where not in self._early:
                self._found[row.where] = row
            return
        known = self._found.pop(where, None)
        if known is None:
            self._early.add(where)
        elif self.keeps_settled:
            self.settled.append(Settled(known, headers.get(VERB, ""), headers.get(BY, ""), _moment(read)))

    @property
    def open(self) -> list[Quarantined]:
        """What is open now, in the order in which it was taken."""
        return list(self._found.values())


def _moment(read: Read) -> datetime:
    return datetime.fromtimestamp(read.timestamp_ms / 1000, UTC)


class ShelfFold(TopicFold):
    """What stands in quarantine, without the bytes of the records."""

    def __init__(self, broker: str) -> None:
        super().__init__(broker, SYNC_QUARANTINE)
        self._shelf = Shelf()

    def advance(self) -> None:
        """Take what was added up to now."""
        for read in self._tail.more():
            self._shelf.take(replace(read, value=None))

    @property
    def open(self) -> list[Quarantined]:
        """What is open now."""
        return self._shelf.open


def _quarantined(read: Read, headers: dict[str, str]) -> Quarantined:
    at = _moment(read)
    with contextlib.suppress(KeyError, ValueError, TypeError):
        at = datetime.fromisoformat(headers[AT]).astimezone(UTC)
    retries = headers.get(RETRIES, "")
    return Quarantined(
        where=f"{read.partition}/{read.offset}",
        at=at,
        topic=headers.get(ERRORS + "topic", ""),
        partition=headers.get(ERRORS + "partition", ""),
        offset=headers.get(ERRORS + "offset", ""),
        stage=headers.get(ERRORS + "connector.name", ""),
        error=headers.get(ERRORS + "exception.class.name", headers.get(ERRORS + "stage", "")),
        message=headers.get(ERRORS + "exception.message", ""),
        read=read,
        retries=int(retries) if retries.isdecimal() else 0,
        is_omitted=OMITTED in headers,
    )


def fold(reads: Iterable[Read]) -> list[Quarantined]:
    """The records that no note settles, in the order in which they were quarantined. Pure."""
    return shelve(reads).open


def shelve(reads: Iterable[Read], *, keeps_settled: bool = False) -> Shelf:
    """All records of the topic folded. Pure."""
    shelf = Shelf(keeps_settled)
    for read in reads:
        shelf.take(read)
    return shelf


def open_records(broker: str) -> list[Quarantined]:
    """What stands in quarantine now."""
    return fold(read_topics(broker, SYNC_QUARANTINE))


@dataclass(frozen=True)
class Wanted:
    """Which records are meant: those that fit all of what is given. `reason` is the kind of error, in any case; `since`
    (inclusive) and `until` are when they were quarantined."""

    topic: str = ""
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None

    def fits(self, row: Quarantined) -> bool:
        """Whether a record is meant."""
        return (
            self.topic in ("", row.topic)
            and self.reason.casefold() in ("", row.reason.casefold())
            and (self.since is None or row.at >= self.since)
            and (self.until is None or row.at < self.until)
        )


def choose(rows: list[Quarantined], places: list[str]) -> list[Quarantined]:
    """The records at these places (`partition/offset`), each once.

    Raises ConfigError that lists every place where nothing open stands.
    """
    by_place = {row.where: row for row in rows}
    unknown = [place for place in places if place not in by_place]
    if unknown:
        raise ConfigError([f"{place}: no open record" for place in unknown], "See `concord quarantine list`.")
    return [by_place[place] for place in dict.fromkeys(places)]


def settle(broker: str, rows: list[Quarantined], verb: str, *, by: str) -> int:
    """Retry (write the same bytes back to where they came from) or drop these records. Returns how many.

    Raises ConcordError when one cannot be retried; nothing is written then. Killed on the way, it leaves records open
    that were written back already; writing them back again changes nothing.
    """
    if verb == RETRY:
        rows = _with_bytes(broker, rows)
    with producer_of(broker) as producer, plainly(broker):
        for first in range(0, len(rows), BATCH):
            batch = rows[first : first + BATCH]
            if verb == RETRY:
                _sent(producer.send(**_written_back(row, by)) for row in batch)
            _sent(producer.send(**_note(row, verb, by)) for row in batch)
    return len(rows)


def _sent(sends: Iterator[Any]) -> None:
    """Wait until the broker has all of them. Raises what kafka-python raises."""
    for future in list(sends):
        future.get(timeout=WRITE_S)


def _written_back(row: Quarantined, by: str) -> dict[str, Any]:
    ours = (BY, FROM, RETRIES, AT, OMITTED)
    kept = [(name, value) for name, value in row.read.headers if not name.startswith(ERRORS) and name not in ours]
    added = {BY: by, FROM: row.where, RETRIES: str(row.retries + 1)}
    return {
        "topic": row.topic, "key": row.read.key, "value": row.read.value, "partition": int(row.partition),
        "timestamp_ms": row.read.timestamp_ms,
        "headers": kept + [(name, text.encode()) for name, text in added.items()],
    }  # fmt: skip


def _note(row: Quarantined, verb: str, by: str) -> dict[str, Any]:
    headers = {SETTLES: row.where, VERB: verb, BY: by}
    return {
        # Beside the record, so that it is read after it. A record has a key or a value.
        "topic": SYNC_QUARANTINE, "key": row.read.key, "value": None if row.read.key is not None else b"",
        "partition": row.read.partition, "headers": [(name, text.encode()) for name, text in headers.items()],
    }  # fmt: skip


def _with_bytes(broker: str, rows: list[Quarantined]) -> list[Quarantined]:
    """The records with the bytes that quarantine had no room for. Raises ConcordError for those that have none."""
    problems = [f"{row.where}: an item that a source could not read; it came from no topic" for row in rows
                if not row.can_retry]  # fmt: skip
    found = []
    for row in rows:
        if not row.is_omitted or not row.can_retry:
            found.append(row)
        elif (read := _fetch(broker, row)) is not None:
            found.append(replace(row, read=replace(row.read, value=read)))
        else:
            problems.append(f"{row.where}: its bytes are not in {row.topic} any more")
    if problems:
        raise ConfigError(problems, "Drop them; what changes in its service is read anew. Nothing was written.")
    return found


def _fetch(broker: str, row: Quarantined) -> bytes | None:
    """The bytes of a record where it came from, None when they are gone."""
    part, offset = TopicPartition(row.topic, int(row.partition)), int(row.offset)
    with consumer_of(broker) as consumer, plainly(broker):
        if not consumer.beginning_offsets([part])[part] <= offset < consumer.end_offsets([part])[part]:
            return None
        consumer.assign([part])
        consumer.seek(part, offset)
        for records in consumer.poll(timeout_ms=int(FETCH_S * 1000), max_records=1).values():
            for record in records:
                return bytes(record.value or b"") if record.offset == offset else None
    raise ConcordError(f"The record at {row.topic}/{row.partition} offset {row.offset} did not come.", "Try again.")
