"""The reconcile step on its table: wherever a crash comes between two of its writes, it ends as the fold says."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from support.builders import CLIENT, firm_settings, meeting
from support.pair_world import World

from concord.guard import Record
from concord.roles.reconcile import TALLY_ROW, reconcile_step, rows_of
from schemas.changes import Side
from schemas.codec import decode, encode
from schemas.journal import OperatorVerb
from schemas.state import Tally
from schemas.topics import SYNC_JOURNAL
from streams.stage import fold_partition


class Crash(Exception):
    """The process ends here."""


@dataclass
class Table:
    """The hands of a step: rows, and what is sent. `writes_left` writes are taken before the process ends."""

    rows: dict[bytes, bytes] = field(default_factory=dict)
    writes_left: int = 10**9

    def get(self, row: bytes) -> bytes | None:
        """A row."""
        return self.rows.get(row)

    def set(self, row: bytes, value: bytes) -> None:
        """Write a row, or end."""
        self._write()
        self.rows[row] = value

    def delete(self, row: bytes) -> None:
        """Remove a row, or end."""
        self._write()
        self.rows.pop(row, None)

    def send(self, *_: Any, **__: Any) -> None:
        """What is sent is of no interest here."""

    def _write(self) -> None:
        if not self.writes_left:
            raise Crash
        self.writes_left -= 1


def a_busy_hour() -> World:
    """Invitations that fill an hour, one that waits for it and is released, an edit of another."""
    world = World(settings=firm_settings(invitation_limit_per_hour=3))
    for n in range(5):
        world.make(Side.SALESFORCE, meeting(attendees=(CLIENT,), send_invitations=True), f"S{n}")
        world.settle()
    world.act("s:S4", OperatorVerb.RELEASE)
    world.edit(Side.SALESFORCE, "S0", subject="Renamed")
    world.settle()
    return world


def test_table_is_the_fold_wherever_a_step_breaks_off() -> None:
    """I8: each entry is begun, broken off after each of its writes in turn, and done again."""
    world = a_busy_hour()
    table = Table()
    for offset, entry in enumerate(world.entries):
        record = Record(SYNC_JOURNAL, 0, offset, 0, entry.pair_key.encode(), encode(entry))
        for writes in range(4):
            table.writes_left = writes
            try:
                reconcile_step(record, table)  # type: ignore[arg-type]
            except Crash:
                continue
        table.writes_left = 10**9
        reconcile_step(record, table)  # type: ignore[arg-type]
    expected = rows_of(fold_partition(0, enumerate(world.entries)))
    assert table.rows == expected
    assert sum(decode(Tally, table.rows[TALLY_ROW]).minutes.values()) == 3
