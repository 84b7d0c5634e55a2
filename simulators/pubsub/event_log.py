"""The stream itself: events in commit order under opaque replay ids, and how long both are kept."""

from __future__ import annotations

import random
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from simulators.pubsub.errors import corrupted

REPLAY_ID_BYTES: Final = 10
"""An eight-byte number and two zero bytes."""
GAP_MAX: Final = 40
"""Largest step between two replay ids: other objects' events take numbers too."""
MARK_EVERY_MS: Final = 60_000
"""How long the newest position serves quiet streams before they get a fresh one."""


@dataclass(frozen=True)
class StoredEvent:
    """One change event: `header` is the ChangeEventHeader, `body` the fields with a value. `event_id` is a UUID.

    `payload` is the datum under the schema `schema_id`.
    """

    event_id: str
    entity: str
    schema_id: str
    header: Mapping[str, Any]
    body: Mapping[str, Any]
    payload: bytes

    def to_json(self) -> dict[str, Any]:
        """All members as JSON values."""
        return {**asdict(self), "header": dict(self.header), "body": dict(self.body), "payload": self.payload.hex()}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> StoredEvent:
        """The inverse of `to_json`."""
        return cls(**{**value, "payload": bytes.fromhex(value["payload"])})

    @property
    def is_gap(self) -> bool:
        """Whether it only says that something is missing: a gap or an overflow."""
        return str(self.header["changeType"]).startswith("GAP_")

    def with_records(self, record_ids: list[str]) -> StoredEvent:
        """The same header for other records; the payload must be encoded anew."""
        return replace(self, header={**self.header, "recordIds": record_ids})


@dataclass(frozen=True)
class Position:
    """A place in the stream. `event` is None where a replay id was given out between events."""

    number: int
    at_ms: int
    event: StoredEvent | None = None

    @property
    def replay_id(self) -> bytes:
        """The place as clients see it."""
        return replay_id(self.number)


def replay_id(number: int) -> bytes:
    """Ten opaque bytes."""
    return number.to_bytes(REPLAY_ID_BYTES - 2, "big") + b"\0\0"


def milliseconds(moment: datetime) -> int:
    """Epoch milliseconds."""
    return int(moment.timestamp() * 1000)


class EventLog:
    """Positions, oldest first."""

    def __init__(self, rng: random.Random, retention_s: float) -> None:
        self._rng = rng
        self.retention_s = retention_s
        self._positions: list[Position] = []
        self.refused = 0
        """How often a replay id was given that is not known, or not any more."""
        self._number = rng.randrange(10**6, 10**8)
        self.lost_until = self._number
        """The newest position of which an event may have been forgotten: nothing can be read from before it."""

    def append(self, event: StoredEvent, now: datetime) -> Position:
        """Put an event at the end."""
        return self._add(event, now)

    def mark(self, now: datetime) -> bytes:
        """A replay id for the end of the stream, young enough to be kept by a client that hears nothing."""
        last = self._positions[-1] if self._positions else None
        if last is None or milliseconds(now) - last.at_ms > MARK_EVERY_MS:
            last = self._add(None, now)
        return last.replay_id

    @property
    def tip(self) -> int:
        """The number of the newest position."""
        return self._positions[-1].number if self._positions else self._number

    def number_of(self, given: bytes, now: datetime) -> int:
        """The position of a replay id. Raises PubSubError for one that was not given out or is not kept any more.

        Clients of the time when ids had eight bytes send only these.
        """
        self.purge(now)
        if len(given) not in {REPLAY_ID_BYTES, REPLAY_ID_BYTES - 2} or given[REPLAY_ID_BYTES - 2 :].strip(b"\0"):
            raise corrupted()
        number = int.from_bytes(given[: REPLAY_ID_BYTES - 2], "big")
        place = bisect_left(self._positions, number, key=_number)
        if place == len(self._positions) or self._positions[place].number != number:
            self.refused += 1
            raise corrupted()
        return number

    def after(self, number: int) -> Iterator[Position]:
        """The positions with events behind a place, oldest first."""
        for place in range(bisect_right(self._positions, number, key=_number), len(self._positions)):
            if self._positions[place].event is not None:
                yield self._positions[place]

    def last_events(self, count: int) -> list[StoredEvent]:
        """The newest events, oldest first."""
        return [position.event for position in self._positions if position.event is not None][-count:] if count else []

    def purge(self, now: datetime) -> None:
        """Forget what is older than the retention."""
        edge = milliseconds(now) - int(self.retention_s * 1000)
        keep = 0
        while keep < len(self._positions) and self._positions[keep].at_ms <= edge:
            keep += 1
        self._forget(keep)

    def expire(self) -> int:
        """Forget every event and replay id so far, as if the retention had passed. Answers how many events."""
        count = sum(1 for position in self._positions if position.event is not None)
        self._forget(len(self._positions))
        return count

    def restart(self) -> None:
        """Begin a new stream elsewhere, as an org does that moves: no replay id of the old one is known."""
        self._positions = []
        self._number += self._rng.randrange(10**8, 10**9)
        self.lost_until = self._number

    @property
    def count(self) -> int:
        """How many events are kept."""
        return sum(1 for position in self._positions if position.event is not None)

    def dump(self) -> dict[str, Any]:
        """The log as JSON values."""
        entries = [
            [place.number, place.at_ms, None if place.event is None else place.event.to_json()]
            for place in self._positions
        ]
        return {"number": self._number, "lost_until": self.lost_until, "positions": entries}

    def load(self, state: Mapping[str, Any]) -> None:
        """Replace the log by what `dump` gave."""
        self._number, self.lost_until = state["number"], state["lost_until"]
        self._positions = [
            Position(number, at_ms, None if event is None else StoredEvent.from_json(event))
            for number, at_ms, event in state["positions"]
        ]

    def _add(self, event: StoredEvent | None, now: datetime) -> Position:
        self._number += self._rng.randrange(1, GAP_MAX)
        position = Position(self._number, milliseconds(now), event)
        self._positions.append(position)
        return position

    def _forget(self, count: int) -> None:
        lost = [position.number for position in self._positions[:count] if position.event is not None]
        if lost:
            self.lost_until = lost[-1]
        del self._positions[:count]


def _number(position: Position) -> int:
    return position.number
