"""The journal: one ordered history per pair. Everything that decisions are made from is one of these entries."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schemas.changes import Item, Side
from schemas.commands import Outcome
from schemas.settings import Settings
from schemas.state import PairState
from schemas.undo import Undo


@dataclass(frozen=True)
class Position:
    """Where an input stood."""

    topic: str
    partition: int
    offset: int

    @property
    def lane(self) -> str:
        """Topic and partition: offsets grow within one lane."""
        return f"{self.topic}/{self.partition}"


@dataclass(frozen=True)
class Seen:
    """An item as read on one side, or None for its confirmed removal, in which case `id` and `mailbox` name it.

    `in_burst`: one of so many removals in one run of its source that an operator is to look first (rule 7.20).
    """

    side: Side
    id: str
    mailbox: str = ""
    item: Item | None = None
    origin: str = ""
    cause: str = ""
    in_burst: bool = False


@dataclass(frozen=True)
class OutcomeKnown:
    """A sink said what became of a command."""

    outcome: Outcome


@dataclass(frozen=True)
class SettingsChanged:
    """The firm's settings from here on; written to every partition, of which there are `partitions`."""

    settings: Settings
    partitions: int = 1


class OperatorVerb(StrEnum):
    """What an operator asked for."""

    RETRY = "retry"
    RELEASE = "release"
    DROP = "drop"
    UNDO = "undo"
    ADOPT = "adopt"
    ERASE = "erase"


@dataclass(frozen=True)
class Erased:
    """What stood here was erased for a person's sake, and when.

    `mailed` is how many people outside the firm its writes mailed, which counts on. The last entry of a pair's erased
    history holds the `state` that it had led to; the entries before it hold none.
    """

    at: datetime
    mailed: int = 0
    state: PairState | None = None


@dataclass(frozen=True)
class OperatorActed:
    """An operator's action on one pair. A release or a drop is of one hold, by its digest, and of no other; an undo
    carries what is to be given back; an adoption names the pair `into` which the pair's Practifi event goes; an erasure
    says what is `erased`: it stands in the place of what it erased."""

    verb: OperatorVerb
    by: str
    note: str = ""
    hold: str = ""
    undo: Undo | None = None
    into: str = ""
    erased: Erased | None = None


@dataclass(frozen=True)
class OperatorAction:
    """One record of `operator.actions`: the action and the pair it is about."""

    pair_key: str
    at: datetime
    action: OperatorActed


@dataclass(frozen=True)
class JournalEntry:
    """One fact about one pair. `observed_at` is "now" for the decision; `source` is where the input stood."""

    pair_key: str
    observed_at: datetime
    source: Position
    what: Seen | OutcomeKnown | SettingsChanged | OperatorActed

    @property
    def erased(self) -> Erased | None:
        """What stands in the place of an erased entry, None for any other."""
        return self.what.erased if isinstance(self.what, OperatorActed) else None
