"""What an arriving offset means, and up to where everything is finished: the guard's decisions, pure.

Faust repeats, rewinds and jumps. These classes turn such arrivals into work that loses nothing: every offset is started
once in order, holes are named so that they can be read from the topic, and the position never passes unfinished work.
The live guard and the seeded simulation run on the same code; `Rules` is where a test plants a fault.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from schemas.errors import AuthRejected, SyncHalted, Throttled, Unavailable

# The position of a partition of which nothing has been finished yet.
NOTHING: Final = -1


@dataclass(frozen=True, slots=True)
class Next:
    """The offset that follows what was handed on: start it."""

    offset: int


@dataclass(frozen=True, slots=True)
class Redo:
    """An offset that was handed on before: run it again, its effects are the same."""

    offset: int


@dataclass(frozen=True, slots=True)
class Skip:
    """An offset that was handed on before and is not to run again."""

    offset: int


@dataclass(frozen=True, slots=True)
class Hole:
    """Offsets `first` to `last` (both included) are missing: read them from the topic and start them first."""

    first: int
    last: int


@dataclass(frozen=True, slots=True)
class Lost:
    """Offsets `first` to `last` are gone from the topic: retention removed them, or they never held a record."""

    first: int
    last: int

    @property
    def count(self) -> int:
        """How many offsets that is."""
        return self.last - self.first + 1


Arrival = Next | Redo | Skip | Hole


class Escape(Enum):
    """What to do about an exception that left a step."""

    QUARANTINE = auto()
    RETRY = auto()
    ACKNOWLEDGE = auto()
    """As if it had worked. Never chosen by the true rules; it is what Faust does, and what a mutant plants."""


# Conditions that pass: the same record will work later, so it is never poison.
PASSING: Final = (Throttled, Unavailable, AuthRejected, SyncHalted)


class Watermark:
    """Records are started in offset order and finished in any order; `position` is the finished prefix."""

    def __init__(self, position: int = NOTHING) -> None:
        self.position = position
        """Last offset up to which everything is finished, -1 for none."""
        self.started = position
        """Last offset that was started or passed over."""
        self._finished: set[int] = set()
        self._passed: deque[tuple[int, int]] = deque()

    @property
    def unfinished(self) -> int:
        """How many records are started and not finished."""
        passed = sum(last - first + 1 for first, last in self._passed)
        return self.started - self.position - len(self._finished) - passed

    def start(self, offset: int) -> None:
        """A record is started. Offsets between the last started one and this one count as passed over."""
        if offset <= self.started:
            raise ValueError(f"Offset {offset} was started before; the last one started is {self.started}.")
        if offset > self.started + 1:
            self.pass_over(offset - 1)
        self.started = offset

    def pass_over(self, last: int) -> None:
        """Offsets up to `last` that were not started hold nothing to do."""
        if last > self.started:
            self._passed.append((self.started + 1, last))
            self.started = last
            self._advance()

    def finish(self, offset: int) -> None:
        """A started record is finished."""
        if offset <= self.position or offset > self.started:
            raise ValueError(f"Offset {offset} is not in hand ({self.position} finished, {self.started} started).")
        self._finished.add(offset)
        self._advance()

    def _advance(self) -> None:
        while True:
            following = self.position + 1
            if following in self._finished:
                self._finished.remove(following)
                self.position = following
            elif self._passed and self._passed[0][0] == following:
                self.position = self._passed.popleft()[1]
            else:
                return


class Rules:
    """The guard's decisions. A test that wants to know whether a suite notices a fault overrides one of them."""

    def __init__(self, *, redo: bool = True) -> None:
        self.redo = redo
        """Whether an offset that was handed on before runs again (True) or is passed over (False)."""

    def arrival(self, handed_on: int, offset: int) -> Arrival:
        """What an arriving offset means when `handed_on` is the last offset that was handed on."""
        if offset <= handed_on:
            return Redo(offset) if self.redo else Skip(offset)
        if offset == handed_on + 1:
            return Next(offset)
        return Hole(handed_on + 1, offset - 1)

    def finished(self, stepped: bool, unacknowledged: int) -> bool:
        """A record is finished when its step ended and the broker has acknowledged everything the step caused."""
        return stepped and unacknowledged == 0

    def position(self, watermark: Watermark) -> int:
        """The position that may be written down."""
        return watermark.position

    def escape(self, error: BaseException) -> Escape:
        """What to do about an exception that left a step: passing conditions are waited out, the rest is poison."""
        return Escape.RETRY if isinstance(error, PASSING) else Escape.QUARANTINE


class Work:
    """One record in hand: its step, and what the step caused that the broker has not acknowledged yet."""

    __slots__ = ("_on_finished", "_rules", "_stepped", "_unacknowledged", "is_finished")

    def __init__(self, rules: Rules, on_finished: Callable[[], None]) -> None:
        self._rules = rules
        self._on_finished = on_finished
        self._stepped = False
        self._unacknowledged = 0
        self.is_finished = False

    @property
    def unacknowledged(self) -> int:
        """How many records are on their way."""
        return self._unacknowledged

    def expect(self, count: int = 1) -> None:
        """`count` more records are on their way to the broker. Raises RuntimeError after the step has ended."""
        if self._stepped:
            raise RuntimeError("The step has ended: nothing would wait for what it sends now.")
        self._unacknowledged += count

    def acknowledged(self, count: int = 1) -> None:
        """The broker has `count` of them."""
        if count > self._unacknowledged:
            raise ValueError("More was acknowledged than was sent.")
        self._unacknowledged -= count
        self._settle()

    def stepped(self) -> None:
        """The step ended; it will cause nothing more."""
        self._stepped = True
        self._settle()

    def _settle(self) -> None:
        if not self.is_finished and self._rules.finished(self._stepped, self._unacknowledged):
            self.is_finished = True
            self._on_finished()


class Progress:
    """One partition between two crashes: where arrivals stand, what is in hand, and the position."""

    def __init__(self, position: int = NOTHING, rules: Rules | None = None) -> None:
        self._rules = rules or Rules()
        self._watermark = Watermark(position)
        self._redoing = 0

    @property
    def handed_on(self) -> int:
        """Last offset that was started or passed over; before anything arrived, the position."""
        return self._watermark.started

    @property
    def position(self) -> int:
        """Last offset up to which everything is finished: what may be written down. -1 for none."""
        return self._rules.position(self._watermark)

    @property
    def unfinished(self) -> int:
        """Records in hand, repeated ones included."""
        return self._watermark.unfinished + self._redoing

    def arrive(self, offset: int) -> Arrival:
        """What an arriving offset means. Changes nothing; `start` does."""
        return self._rules.arrival(self.handed_on, offset)

    def start(self, offset: int) -> Work:
        """Take a record in hand. A repeated one does not move the position."""
        if offset <= self.handed_on:
            self._redoing += 1
            return Work(self._rules, self._redone)
        self._watermark.start(offset)
        return Work(self._rules, lambda: self._watermark.finish(offset))

    def pass_over(self, last: int) -> Lost | None:
        """Offsets up to `last` that were not started do not exist. Returns which, or None when there are none."""
        lost = Lost(self.handed_on + 1, last) if last > self.handed_on else None
        self._watermark.pass_over(last)
        return lost

    def log_starts_at(self, earliest: int) -> Lost | None:
        """Nothing before `earliest` is left in the topic. Returns the range that was not processed, if any.

        A partition of which nothing was ever finished begins at `earliest`: what was removed before is not lost work.
        """
        is_new = self.handed_on == NOTHING
        lost = self.pass_over(earliest - 1)
        return None if is_new else lost

    def _redone(self) -> None:
        self._redoing -= 1
