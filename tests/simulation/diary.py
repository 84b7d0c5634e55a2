"""What people did, as the invariants need it, and the texts they write."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

SECRET: Final = "Topsecret"


@dataclass(frozen=True)
class Conflict:
    """One group edited on both sides at once, both values being new."""

    number: int
    group: str
    mailbox: str
    graph_id: str
    salesforce_id: str
    microsoft: Any
    practifi: Any


@dataclass
class Diary:
    """What people did, as the invariants need it. `touched` maps (side, id, group) to the number of the last act."""

    number: int = 0
    touched: dict[tuple[str, str, str], int] = field(default_factory=dict)
    deleted: dict[tuple[str, str], int] = field(default_factory=dict)
    restored: set[str] = field(default_factory=set)
    deletions: Counter[tuple[str, str]] = field(default_factory=Counter)
    made: dict[tuple[str, str], int] = field(default_factory=dict)
    conflicts: list[Conflict] = field(default_factory=list)
    secrets: set[str] = field(default_factory=set)
    origin: str = "ui"
    """How records are saved in Practifi now: by hand (ui), or by other software."""
    by_hand: set[str] = field(default_factory=set)
    """Records that somebody saved by hand."""
    unsettled: Callable[[], set[str]] = set
    """Items that Concord made whose sink has not noted the outcome down. A sink that crashes then asks again, and where
    a person deleted the item meanwhile neither service can tell that it was made before: nobody here is that quick."""

    def delete(self, side: str, native: str) -> None:
        """An item was deleted by a person."""
        self.deleted[side, native] = self.number
        self.deletions[side, native] += 1
        self.restored.discard(native)

    def touch(self, side: str, native: str, *groups: str) -> None:
        """These groups of an item were edited by a person."""
        for group in groups:
            self.touched[side, native, group] = self.number
        if side == "salesforce" and self.origin == "ui":
            self.by_hand.add(native)


@dataclass
class Texts:
    """Values that never occur twice, so that nothing is equal by chance."""

    rng: random.Random
    diary: Diary
    number: int = 0

    def make(self, stem: str, is_private: bool = False) -> str:
        """A new text; a private one can be found again wherever it should not be."""
        self.number += 1
        text = f"{SECRET}{self.number} {stem}" if is_private else f"{stem} {self.number}"
        if is_private:
            self.diary.secrets.add(f"{SECRET}{self.number}")
        return text

    def next_number(self) -> int:
        """A number that was not given before."""
        self.number += 1
        return self.number

    def moment(self, now: datetime) -> datetime:
        """A start, mostly in the next two months, on a quarter of an hour that differs each time."""
        self.number += 1
        days = self.rng.choice((-20, -3, 1, 2, 3, 5, 8, 13, 21, 34, 55))
        day = (now + timedelta(days=days)).replace(hour=0, minute=0, second=0, microsecond=0)
        return day + timedelta(hours=7) + timedelta(minutes=5 * (self.number % 130))
