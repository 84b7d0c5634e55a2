"""Seeds that every change must pass. `make sim SEEDS=200` runs many more, `make sim SEED=n` tells one of them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace
from functools import cache

import pytest

from schemas.settings import READERS
from simulation import faults
from simulation.firm import DESK, before_preflight, draw_people, draw_settings, with_desk
from simulation.run import SETTINGS, Report, run

# Runs of every test run; one takes less than a second.
SEEDS = range(1, 31)


@cache
def report_of(seed: int) -> Report:
    """What a seed's run showed; two tests look at it."""
    return run(seed)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_promise_holds(seed: int) -> None:
    """I1 to I9 hold after 200 steps of people, faults and restarts."""
    assert report_of(seed).problems == []


def test_same_seed_gives_the_same_run() -> None:
    """A failing seed can be repeated exactly: the story and every count are the same."""
    one, two = run(7, 80), run(7, 80)
    assert one.trace == two.trace
    assert (one.tally, one.counts) == (two.tally, two.counts)


def test_firms_differ_in_every_setting() -> None:
    """Each setting that an administrator can change is drawn, and so is each that the runs do not change on the way."""
    values: dict[str, set[object]] = {name: set() for name in READERS}
    for seed in range(1, 201):
        rng = random.Random(seed)
        settings = draw_settings(rng, [replace(one, salesforce_id=one.name) for one in draw_people(rng)])
        for name, seen in values.items():
            seen.add(getattr(settings, name))
    assert [name for name, seen in values.items() if len(seen) < 2 and name not in SETTINGS] == []


def test_some_firms_have_not_confirmed_a_preflight() -> None:
    """Nothing may leave Practifi in them, in some by the direction, in others by shadow mode."""
    firms = []
    for seed in range(1, 201):
        rng = random.Random(seed)
        settings = draw_settings(rng, [replace(one, salesforce_id=one.name) for one in draw_people(rng)])
        firms.append(before_preflight(settings, rng))
    closed = [one for one in firms if one.preflight_at is None]
    assert 0 < len(closed) < len(firms)
    assert not any(one.writes_outbound for one in closed)
    assert {one.shadow for one in closed} == {True, False}


def test_user_with_a_shared_mailbox_has_one_primary_mailbox() -> None:
    """It is the user's own or the shared one, and the shared one does not always take part."""
    kinds = set()
    for seed in range(1, 101):
        rng = random.Random(seed)
        people = [replace(one, salesforce_id=one.name) for one in draw_people(rng)]
        desk = replace(DESK, salesforce_id=people[0].salesforce_id)
        settings = with_desk(draw_settings(rng, people), desk, rng)
        assert not settings.lacks_primary(desk.salesforce_id)
        shared = settings.user_of_mailbox(DESK.mailbox)
        assert shared is not None
        kinds.add((shared.is_primary, shared.is_enabled))
    assert kinds == {(is_primary, is_enabled) for is_primary in (True, False) for is_enabled in (True, False)}


def test_faults_are_many_and_of_every_sort() -> None:
    """A few runs meet most kinds of fault; over 200 seeds `make sim` demands every kind."""
    tally: Counter[str] = Counter()
    for seed in range(1, 13):
        tally += report_of(seed).tally
    common = [kind for kind in faults.KINDS if not kind.startswith(faults.CRASH)]
    assert [kind for kind in common if not tally[kind]] == []
    assert sum(count for kind, count in tally.items() if kind.startswith(faults.CRASH)) > 50
