"""Commands without an outcome are sent again, each time after twice as long."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from itertools import pairwise
from typing import Any

from support.builders import NOW

from concord.roles.reconcile import SWEPT_MAX, UNDER_WAY_ROW, Sweep
from schemas.changes import Side
from schemas.codec import decode, encode
from schemas.commands import Action, Command
from schemas.state import PairState, SideState
from schemas.topics import SALESFORCE_COMMANDS

OVERDUE_S = 60.0


class Table:
    """Pairs with a command under way, and what was sent."""

    def __init__(self, *pairs: str) -> None:
        self.rows: dict[bytes, bytes] = {}
        self.sent: list[str] = []
        for pair in pairs:
            self.begin(pair, 1)

    def begin(self, pair: str, revision: int) -> None:
        """A command of a pair is under way, decided at NOW."""
        command = Command(f"{pair}#{revision}", pair, Side.SALESFORCE, Action.DELETE, NOW, revision, id="r")
        row = pair.encode()
        self.rows[row] = encode(PairState(pair, salesforce=SideState(pending=command)))
        self.rows[UNDER_WAY_ROW + row] = b"\x01"

    def end(self, pair: str) -> None:
        """Its outcome is known."""
        del self.rows[UNDER_WAY_ROW + pair.encode()]

    def get(self, row: bytes) -> bytes | None:
        """A row."""
        return self.rows.get(row)

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Rows that begin with a prefix."""
        return iter([pair for pair in self.rows.items() if pair[0].startswith(prefix)])

    def send(self, topic: str, _: bytes, value: bytes, **__: Any) -> None:
        """A command."""
        assert topic == SALESFORCE_COMMANDS
        self.sent.append(decode(Command, value).command_id)


class Clock:
    """Seconds after NOW."""

    seconds = 0.0

    def __call__(self) -> Any:
        """The time."""
        return NOW + timedelta(seconds=self.seconds)


def swept(table: Table, sweep: Sweep, clock: Clock, until_s: int, partition: int = 0) -> list[int]:
    """Look once a minute; the minutes at which something was sent."""
    minutes = []
    for minute in range(1, until_s // 60 + 1):
        clock.seconds, before = minute * 60.0 + 1, len(table.sent)
        sweep(partition, table)  # type: ignore[arg-type]
        minutes += [minute] * (len(table.sent) - before)
    return minutes


def test_each_time_after_twice_as_long() -> None:
    """So that commands behind a long queue do not make it longer."""
    clock, table = Clock(), Table("a")
    assert swept(table, Sweep(OVERDUE_S, clock), clock, 2_000) == [1, 3, 7, 15, 31]


def test_at_least_once_an_hour() -> None:
    """However long it takes."""
    clock, table = Clock(), Table("a")
    minutes = swept(table, Sweep(OVERDUE_S, clock), clock, 24 * 3_600)
    assert max(later - before for before, later in pairwise(minutes)) * 60 == SWEPT_MAX.seconds


def test_a_new_command_of_the_pair_begins_anew() -> None:
    """And so does one whose outcome came in between, or that another worker kept until now."""
    clock, table = Clock(), Table("a", "b")
    sweep = Sweep(OVERDUE_S, clock)
    swept(table, sweep, clock, 480)
    assert table.sent == ["a#1", "b#1"] * 3
    table.begin("a", 2)
    table.sent.clear()
    sweep(0, table)  # type: ignore[arg-type]
    assert table.sent == ["a#2"]
    table.end("b")
    sweep(0, table)  # type: ignore[arg-type]
    table.begin("b", 1)
    table.sent.clear()
    sweep(0, table)  # type: ignore[arg-type]
    assert table.sent == ["b#1"]


def test_partitions_are_kept_apart() -> None:
    """A look at one forgets nothing of the other."""
    clock = Clock()
    sweep = Sweep(OVERDUE_S, clock)
    one, other = Table("a"), Table("b")
    swept(one, sweep, clock, 60)
    swept(other, sweep, clock, 60, partition=1)
    one.sent.clear()
    sweep(0, one)  # type: ignore[arg-type]
    assert one.sent == []
