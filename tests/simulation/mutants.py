"""Faults planted in Concord itself, to see whether the suite notices them. Never on outside of tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final
from unittest.mock import patch

from concord.guard.positions import Arrival, Escape, Next, Redo, Rules, Skip, Watermark
from connectors.exchange import Call
from connectors.graph import sink as graph_sink
from connectors.graph import wire as graph_wire
from projections import sync_state
from schemas.journal import JournalEntry
from schemas.state import PairState


def _true_rules(redo: bool) -> Rules:
    return Rules(redo=redo)


@dataclass(frozen=True)
class Mutant:
    """One planted fault: rules for the guard, or something patched while it is in force.

    `often` names the acts that bring about what the fault fails at.
    """

    name: str
    rules: Callable[[bool], Rules] = _true_rules
    planted: Callable[[], AbstractContextManager[Any]] = nullcontext
    often: tuple[str, ...] = ()


class _SkipInstead(Rules):
    """Writes down what was started, and passes over it after a restart instead of doing it again."""

    def position(self, watermark: Watermark) -> int:
        return watermark.started

    def arrival(self, handed_on: int, offset: int) -> Arrival:
        found = super().arrival(handed_on, offset)
        return Skip(offset) if isinstance(found, Redo) else found


class _NewerOffset(Rules):
    """Takes whatever is newer than the last offset, and nothing else: the plain guard."""

    def arrival(self, handed_on: int, offset: int) -> Arrival:
        return Next(offset) if offset > handed_on else Skip(offset)


class _CommitBeforeFlush(Rules):
    """Counts a record as finished when its step ended, whatever the broker has of it."""

    def finished(self, stepped: bool, unacknowledged: int) -> bool:
        del unacknowledged
        return stepped


class _AcknowledgeErrors(Rules):
    """Lets whatever escapes a step count as done, as Faust does."""

    def escape(self, error: BaseException) -> Escape:
        del error
        return Escape.ACKNOWLEDGE


@contextmanager
def _without_lanes() -> Iterator[None]:
    """Every input is folded, however often it comes."""
    true = sync_state.evolve

    def evolve(state: PairState, entry: JournalEntry, offset: int) -> Any:
        return true(replace(state, lanes={}), entry, offset)

    with patch("streams.stage.evolve", evolve):
        yield


@contextmanager
def _without_keys() -> Iterator[None]:
    """Creates are sent without what lets a service know them again."""

    def create_event(mailbox: str, body: Any) -> Call:
        bare = {name: value for name, value in body.items() if name != "transactionId"}
        return true(mailbox, {**bare, "transactionId": f"fresh-{next(numbers)}"})

    true, numbers = graph_wire.create_event, iter(range(1_000_000))
    with patch.object(graph_sink.wire, "create_event", create_event):
        yield


@contextmanager
def _without_holds() -> Iterator[None]:
    """Nothing waits for an operator."""
    with patch("streams.reconcile.judge", lambda *_: None):
        yield


@contextmanager
def _without_bursts() -> Iterator[None]:
    """However many events are deleted at once, nothing is marked."""
    with patch("concord.roles.removals.owners_in_burst", lambda *_: frozenset()):
        yield


NONE: Final = Mutant("none")
MUTANTS: Final = (
    Mutant("no dedupe", planted=_without_lanes, often=("corrected in Practifi",)),
    Mutant("skip instead of re-do", lambda redo: _SkipInstead(redo=redo)),
    Mutant("plain newer-offset guard", lambda redo: _NewerOffset(redo=redo)),
    Mutant("commit before flush", lambda redo: _CommitBeforeFlush(redo=redo), often=("crash", "kill")),
    Mutant("acknowledge on exception", lambda redo: _AcknowledgeErrors(redo=redo)),
    Mutant("nothing held", planted=_without_holds, often=("cleared in Outlook", "cleared in Practifi")),
    Mutant("bursts not marked", planted=_without_bursts, often=("cleared in Outlook", "cleared in Practifi")),
    Mutant("create retried without its key", planted=_without_keys, often=("made in Practifi",)),
)
