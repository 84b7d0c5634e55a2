"""What stands in `sync.quarantine` and what an operator does about it: retry or drop, each a record of its own.

The topic is never rewritten. An action appends a note that names the record it settles; what is open is the fold of
both, so two people who act at once, or one who presses twice, act once.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from concord.connecting import plainly, producer_of
from concord.reading import Read, read_topics
from schemas.errors import ConcordError, ConfigError
from schemas.topics import BY_NAME, SYNC_QUARANTINE

ERRORS: Final = "__connect.errors."
# Headers of a note: which record it settles, how, and who did it.
SETTLES: Final = "concord.quarantine.settles"
VERB: Final = "concord.quarantine.verb"
BY: Final = "concord.operator"
# Header of a record that was written back: where in quarantine it stood.
FROM: Final = "concord.quarantine.offset"

RETRY: Final = "retry"
DROP: Final = "drop"

# How long writing a record may take, in seconds.
WRITE_S: Final = 30.0


@dataclass(frozen=True)
class Quarantined:
    """One open record: where it stands, where it came from, and why it could not be processed."""

    where: str
    at: datetime
    topic: str
    partition: str
    offset: str
    stage: str
    error: str
    message: str
    read: Read

    @property
    def reason(self) -> str:
        """The kind of error, one word: the class of what was raised, without its module."""
        return self.error.rpartition(".")[2]

    @property
    def can_retry(self) -> bool:
        """Whether it came from a topic it can be written back to; an item that a source could not read did not."""
        return self.topic in BY_NAME


class Shelf:
    """The records that no note settles, folded one by one. Pure."""

    def __init__(self) -> None:
        self._found: dict[str, Quarantined] = {}
        self._settled: set[str] = set()

    def take(self, read: Read) -> None:
        """One record of the topic: something quarantined, or a note about it."""
        headers = {name: value.decode("utf-8", "replace") for name, value in read.headers}
        if SETTLES in headers:
            self._settled.add(headers[SETTLES])
            self._found.pop(headers[SETTLES], None)
            return
        row = _quarantined(read, headers)
        if row.where not in self._settled:
            self._found[row.where] = row

    @property
    def open(self) -> list[Quarantined]:
        """What is open now, in the order in which it was taken."""
        return list(self._found.values())


def _quarantined(read: Read, headers: dict[str, str]) -> Quarantined:
    return Quarantined(
        where=f"{read.partition}/{read.offset}",
        at=datetime.fromtimestamp(read.timestamp_ms / 1000, UTC),
        topic=headers.get(ERRORS + "topic", ""),
        partition=headers.get(ERRORS + "partition", ""),
        offset=headers.get(ERRORS + "offset", ""),
        stage=headers.get(ERRORS + "connector.name", ""),
        error=headers.get(ERRORS + "exception.class.name", headers.get(ERRORS + "stage", "")),
        message=headers.get(ERRORS + "exception.message", ""),
        read=read,
    )


def fold(reads: Iterable[Read]) -> list[Quarantined]:
    """The records that no note settles, in the order in which they were quarantined. Pure."""
    shelf = Shelf()
    for read in reads:
        shelf.take(read)
    return shelf.open


def open_records(broker: str) -> list[Quarantined]:
    """What stands in quarantine now."""
    return fold(read_topics(broker, SYNC_QUARANTINE))


def choose(rows: list[Quarantined], places: list[str], *, every: bool, topic: str) -> list[Quarantined]:
    """The records meant: by place (`partition/offset`), or all, or all from one topic.

    Raises ConfigError that lists every place where nothing open stands.
    """
    by_place = {row.where: row for row in rows}
    unknown = [place for place in places if place not in by_place]
    if unknown:
        raise ConfigError([f"{place}: no open record" for place in unknown], "See `concord quarantine list`.")
    chosen = [by_place[place] for place in places]
    if every or topic:
        chosen = [row for row in rows if topic in ("", row.topic)]
    return chosen


def settle(broker: str, rows: list[Quarantined], verb: str, *, by: str) -> int:
    """Retry (write the same bytes back to where they came from) or drop these records. Returns how many.

    Raises ConcordError when one cannot be retried; nothing is written then.
    """
    stuck = [row.where for row in rows if verb == RETRY and not row.can_retry]
    if stuck:
        raise ConcordError(
            f"{', '.join(stuck)}: these are items that a source could not read; they came from no topic.",
            "They are read again when they change in their service; drop them here.",
        )
    with producer_of(broker) as producer, plainly(broker):
        for row in rows:
            read = row.read
            if verb == RETRY:
                kept = [(name, value) for name, value in read.headers if not name.startswith(ERRORS)]
                back = [*kept, (BY, by.encode()), (FROM, row.where.encode())]
                producer.send(
                    row.topic, key=read.key, value=read.value, headers=back, partition=int(row.partition),
                    timestamp_ms=read.timestamp_ms,
                ).get(timeout=WRITE_S)  # fmt: skip
            note = [(SETTLES, row.where.encode()), (VERB, verb.encode()), (BY, by.encode())]
            producer.send(SYNC_QUARANTINE, key=read.key, value=None, headers=note).get(timeout=WRITE_S)
    return len(rows)
