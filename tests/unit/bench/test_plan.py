"""What the people of the measurement do."""

from __future__ import annotations

import pytest

pytest.importorskip("bench", reason="the benchmark is not part of the wheel")

from collections import Counter
from itertools import pairwise

from bench.plan import MIX, plan_acts
from schemas.changes import Side


def test_a_plan_keeps_its_rate_and_takes_the_sides_in_turn() -> None:
    """Ten a second for a minute are 600 acts, 0.1 s apart, half of them on each side, numbered from 1."""
    acts = plan_acts(60, 10)
    assert [act.number for act in acts] == list(range(1, 601))
    assert [act.at_s for act in acts] == pytest.approx([number / 10 for number in range(600)])
    assert Counter(act.side for act in acts) == {Side.GRAPH: 300, Side.SALESFORCE: 300}
    assert {(one.side, other.side) for one, other in pairwise(acts)} == {
        (Side.GRAPH, Side.SALESFORCE),
        (Side.SALESFORCE, Side.GRAPH),
    }


def test_every_kind_comes_from_both_sides_about_as_often_as_the_mix_says() -> None:
    """The shares add up to 100, and a long plan holds each within five points, on each side by itself."""
    assert sum(MIX.values()) == 100
    acts = plan_acts(1000, 10)
    for side in Side:
        kinds = Counter(act.kind for act in acts if act.side is side)
        assert {kind: kinds[kind] / kinds.total() * 100 for kind in MIX} == pytest.approx(MIX, abs=5)


def test_a_plan_can_be_repeated() -> None:
    """Equal seeds give equal plans, another seed another plan."""
    assert plan_acts(20, 10, seed=3) == plan_acts(20, 10, seed=3)
    assert plan_acts(20, 10, seed=3) != plan_acts(20, 10, seed=4)
