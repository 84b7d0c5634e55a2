"""A part of a read model folded again: what differs is shown, put right once, and nothing else is touched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from sqlalchemy import Engine, delete, insert, select, update
from support.history import REFUSED
from support.read_model_facts import a_day, digests, kept
from support.simulation_pairs import content

from concord.config import Config
from concord.read_models import replaying
from concord.read_models.keeper import Fact, Keeper, WentOn
from concord.read_models.replaying import Replayed, positions_in, replay, replay_models
from concord.replay_ranges import Range, Start
from projections.read_models.catalogue import MODELS
from projections.read_models.model import ReadModel
from projections.read_models.tables import MOMENTS, NOTES, RUN_RECORDS, RUNS
from schemas.errors import ConcordError
from schemas.topics import SYNC_DECISIONS, SYNC_JOURNAL

BY_NAME = {model.name: model for model in MODELS}
TIMELINE, RUN_LOG = BY_NAME["timeline"], BY_NAME["run-log"]


@pytest.fixture
def facts(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> list[Fact]:
    """A day that the read models hold, and that stands on the log, the journal first, with one record that is newer."""
    history, facts = a_day()
    kept(engine, facts)

    def on_the_log(*_: object) -> Iterator[tuple[int, list[Fact]]]:
        newer = Fact(SYNC_JOURNAL, len(history.entries), history.entries[0])
        for topic in (SYNC_JOURNAL, SYNC_DECISIONS):
            yield 0, [fact for fact in [*facts, newer] if fact.topic == topic]

    monkeypatch.setattr(replaying, "read_lanes", on_the_log)
    return facts


def everything(engine: Engine, model: ReadModel) -> list[Range]:
    """All that the model took."""
    at = positions_in(engine, model)[0]
    return [Range(topic, 0, 0, until) for topic, until in at.items()]


def replayed(engine: Engine, model: ReadModel, ranges: Sequence[Range], *, executes: bool) -> Replayed:
    """A replay from where the model stands."""
    return replay(engine, "no broker", model, positions_in(engine, model), ranges, executes=executes)


def test_what_stands_as_it_should_differs_in_nothing(engine: Engine, facts: list[Fact]) -> None:
    """Every model, every record it took; what came on the log since is left to whoever keeps the models."""
    before = digests(engine)
    for model in MODELS:
        done = replayed(engine, model, everything(engine, model), executes=True)
        assert (done.differing, done.records) == ((), len(facts))
    assert digests(engine) == before


def test_rows_that_are_wrong_missing_or_too_many_are_shown_and_put_right_once(
    engine: Engine, facts: list[Fact]
) -> None:
    """Without being told to, nothing is changed; afterwards there is nothing left to do, and the models go on."""
    sound = digests(engine)
    with engine.begin() as transaction:
        offsets = sorted(transaction.execute(select(MOMENTS.c.offset)).scalars())
        transaction.execute(update(MOMENTS).where(MOMENTS.c.offset == offsets[0]).values(moment="{}"))
        transaction.execute(delete(MOMENTS).where(MOMENTS.c.offset == offsets[1]))
        transaction.execute(update(NOTES).where(NOTES.c.model == "run-log").values(note="{}"))
        transaction.execute(update(RUNS).values(processed=RUNS.c.processed + 7))
        extra = {"build": 1, "started_ms": 1, "direction": "inbound", "owner": "nobody"}
        transaction.execute(insert(RUNS).values(**extra))
    broken = digests(engine)

    shown = replayed(engine, TIMELINE, everything(engine, TIMELINE), executes=False)
    assert [(one.table, one.key["offset"], one.how, one.columns) for one in shown.differing] == [
        ("moments", offsets[0], "changed", ("moment",)), ("moments", offsets[1], "added", ()),
    ]  # fmt: skip
    assert digests(engine) == broken
    for model in (TIMELINE, RUN_LOG):
        assert replayed(engine, model, everything(engine, model), executes=True).differing
        assert replayed(engine, model, everything(engine, model), executes=True).differing == ()
    with engine.begin() as transaction:
        assert transaction.execute(delete(RUNS).where(RUNS.c.owner == "nobody")).rowcount == 1  # no record wrote it
    assert digests(engine) == sound

    history, again = a_day()
    step = history.graph("m:uid-next", "N", content("Next"), at=2000)
    history.answer(step.commands[0], at=2001)
    more = [Fact(SYNC_JOURNAL, number, placed) for number, placed in enumerate(history.entries)][-2:]
    Keeper(engine).apply(0, [*again, *more])
    other = [row for row in _run_records(engine) if row[1] >= more[0].offset]
    assert len(other) == 1


def _run_records(engine: Engine) -> list[tuple[int, int]]:
    with engine.begin() as transaction:
        return [tuple(row) for row in transaction.execute(select(RUN_RECORDS.c.partition, RUN_RECORDS.c.offset))]


def test_only_what_the_range_wrote_is_put_right(engine: Engine, facts: list[Fact]) -> None:
    """Of two moments that are wrong the one in the range is healed, and the run that its record counted in."""
    refused = [fact.offset for fact in facts if fact.topic == SYNC_JOURNAL and fact.pair_key == REFUSED]
    with engine.begin() as transaction:
        transaction.execute(update(MOMENTS).values(moment="{}"))
    done = replayed(engine, TIMELINE, [Range(SYNC_JOURNAL, 0, refused[0], refused[0] + 1)], executes=True)
    assert (done.records, [one.key["offset"] for one in done.differing]) == (1, [refused[0]])
    with engine.begin() as transaction:
        healed = transaction.execute(select(MOMENTS.c.offset).where(MOMENTS.c.moment != "{}")).scalars().all()
    assert healed == [refused[0]]


def test_nothing_is_changed_when_the_model_went_on_meanwhile(engine: Engine, facts: list[Fact]) -> None:
    """The rows of the fold and those in force would be of different moments."""
    positions = positions_in(engine, TIMELINE)
    history, _ = a_day()
    Keeper(engine).apply(0, [Fact(SYNC_JOURNAL, len(history.entries), history.entries[0])])
    before = digests(engine)
    with pytest.raises(ConcordError, match="went on with timeline meanwhile"):
        replay(engine, "no broker", TIMELINE, positions, everything(engine, TIMELINE), executes=True)
    assert digests(engine) == before


@pytest.mark.parametrize(("went_on", "is_found"), [(2, True), (3, False)])
def test_a_model_that_went_on_is_folded_anew_a_few_times(
    went_on: int, is_found: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`concord project` may take a record or two meanwhile; where it takes ever more, that is said."""
    found = Replayed("timeline", 0, 0, (), is_executed=False)
    answers = iter([*[WentOn("It went on.")] * went_on, found])

    def replay_once(*_: object, **__: object) -> Replayed:
        answer = next(answers)
        if isinstance(answer, WentOn):
            raise answer
        return answer

    monkeypatch.setattr(replaying, "replay", replay_once)
    monkeypatch.setattr(replaying, "ranges_of", lambda *_, **__: [])
    config = Config(data_dir=tmp_path)
    if is_found:
        assert replay_models(config, ["timeline"], Start(is_earliest=True)) == [found]
    else:
        with pytest.raises(WentOn):
            replay_models(config, ["timeline"], Start(is_earliest=True))
