"""The removals of one run of a source, kept back until the run has been read whole: only then is their number known.

Where the source stands is saved after them, so a run that breaks off is read again and loses none. A burst is written
down before its first removal is told: what is left of it after a crash is the rest of a burst, however few.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from schemas.changes import Change
from schemas.settings import Settings
from streams.bursts import owners_in_burst

BURST_ROW: Final = b"burst/"


class Rows(Protocol):
    """What is used of a lane: rows of its table, and the wait until what was sent is on the log."""

    def get(self, row: bytes) -> bytes | None:
        """The row's value, None when there is none."""

    def set(self, row: bytes, value: bytes) -> None:
        """Write a row."""

    async def acknowledged(self) -> None:
        """Wait until everything sent so far is on the log."""


Tell = Callable[[Iterable[Change]], Awaitable[None]]
"""Puts changes on the log."""
Known = Callable[[], Awaitable[Mapping[str, str]]]
"""What the log holds alive: the id of each item, and whose it is."""


@dataclass
class Run:
    """One run. `tell` what was read, `save` where the source stands, `end` with the removals.

    `name` is the mailbox or object that is read. While removals are kept back nothing is saved but in memory.
    """

    name: str
    rows: Rows
    send: Tell
    known: Known
    _removals: dict[str, Change] = field(default_factory=dict)
    _unsaved: dict[bytes, bytes] = field(default_factory=dict)
    _series: dict[str, str] = field(default_factory=dict)

    async def tell(self, changes: Iterable[Change]) -> None:
        """Put what was read on the log, and keep removals back. An item that is read alive later was not removed."""
        alive = []
        for change in changes:
            self._removals.pop(change.id, None)
            if change.item is None:
                self._removals[change.id] = change
            else:
                alive.append(change)
        await self.send(alive)

    def count_once(self, series: str, instances: Iterable[str]) -> None:
        """However many of these instances of a series were removed, they count as one removal."""
        self._series |= dict.fromkeys(instances, series)

    def get(self, row: bytes) -> bytes | None:
        """A row, as it will stand."""
        return self._unsaved.get(row) or self.rows.get(row)

    def save(self, row: bytes, value: bytes) -> None:
        """Write a row: at once while nothing is kept back, else at the end."""
        if self._removals or self._unsaved:
            self._unsaved[row] = value
        else:
            self.rows.set(row, value)

    async def end(self, settings: Settings) -> None:
        """Put the removals on the log, those of a burst marked, then write what is not saved yet."""
        row = BURST_ROW + self.name.encode()
        raw = self.rows.get(row)
        bursts = frozenset(json.loads(raw)) if raw is not None else frozenset[str]()
        limit = settings.deletion_limit_events
        owners: Mapping[str, str] = {}
        if bursts or (limit and len(self._removals) > limit):
            owners = await self.known()
            found = bursts | owners_in_burst(self._removals, owners, settings, self._series)
            if found != bursts:
                self.rows.set(row, json.dumps(sorted(found)).encode())
                await self.rows.acknowledged()
            bursts = found
        if self._removals:
            changes = self._removals.values()
            await self.send([replace(change, in_burst=owners.get(change.id) in bursts) for change in changes])
            await self.rows.acknowledged()
        for key, value in self._unsaved.items():
            self.rows.set(key, value)
        if bursts:
            self.rows.set(row, b"[]")
        self._removals, self._unsaved = {}, {}
