"""A firm's day as facts of one lane, and ways to keep them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Engine
from support.history import History, tell_private, whole_day

from concord.read_models.keeper import Fact, Keeper
from concord.read_models.rebuilding import digest_of
from projections.read_models.catalogue import MODELS
from schemas.topics import SYNC_DECISIONS, SYNC_JOURNAL


def a_day() -> tuple[History, list[Fact]]:
    """A day's facts, each decision behind its entry."""
    history = whole_day()
    tell_private(history)
    return history, facts_of(history)


def facts_of(history: History) -> list[Fact]:
    """What a history has told, each decision behind its entry."""
    facts: list[tuple[int, int, Fact]] = [
        (offset, 0, Fact(SYNC_JOURNAL, offset, placed)) for offset, placed in enumerate(history.entries)
    ]
    facts += [
        (decision.offset, 1, Fact(SYNC_DECISIONS, number, decision))
        for number, decision in enumerate(history.decisions)
    ]
    return [fact for _, _, fact in sorted(facts, key=lambda row: row[:2])]


def kept(engine: Engine, facts: Sequence[Fact], *, batch: int = 1000, lane: int = 0) -> Keeper:
    """The facts folded, so many in a transaction."""
    keeper = Keeper(engine)
    keeper.prepare()
    for start in range(0, len(facts), batch):
        keeper.apply(lane, facts[start : start + batch])
    return keeper


def digests(engine: Engine) -> dict[str, str]:
    """What every model holds."""
    builds = Keeper(engine).active()
    with engine.begin() as transaction:
        return {model.name: digest_of(transaction, model, builds[model.name]) for model in MODELS}
