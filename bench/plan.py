"""What the firm's people do while latency is measured: who acts when, and how. Pure; the same seed, the same plan."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from schemas.changes import Side


class Kind(StrEnum):
    """What is done to an event. An edit changes the subject, a move the time."""

    CREATE = "create"
    EDIT = "edit"
    MOVE = "move"
    DELETE = "delete"


# Shares of the kinds, per cent.
MIX: Final = {Kind.CREATE: 30, Kind.EDIT: 35, Kind.MOVE: 25, Kind.DELETE: 10}


@dataclass(frozen=True)
class Act:
    """One change: `at_s` seconds after the start, made on `side`. `number` counts from 1."""

    number: int
    at_s: float
    side: Side
    kind: Kind


def plan_acts(seconds: float, rate: float, seed: int = 1, mix: Mapping[Kind, int] = MIX) -> tuple[Act, ...]:
    """`rate` changes a second in all, evenly spaced, the sides in turn; each side has its own mixture of kinds."""
    kinds = {side: _kinds(random.Random(f"{seed}/{side}"), mix) for side in Side}
    sides = list(Side)
    acts = []
    for number in range(int(seconds * rate)):
        side = sides[number % len(sides)]
        acts.append(Act(number + 1, number / rate, side, next(kinds[side])))
    return tuple(acts)


def _kinds(rng: random.Random, mix: Mapping[Kind, int]) -> Iterator[Kind]:
    while True:
        yield rng.choices(list(mix), weights=list(mix.values()))[0]
