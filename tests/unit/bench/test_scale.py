"""What the scale bench calls lost, contradicting and repeated."""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytest.importorskip("bench", reason="the benchmark is not part of the wheel")

from bench.contenders.lanes import Rows, SmallLane
from bench.journal import NOW, SETTINGS, one_life
from bench.scale import judge
from concord.guard import Record
from concord.reading import Read
from concord.roles.reconcile import reconcile_step
from schemas.codec import decode, encode
from schemas.commands import Decision
from schemas.journal import JournalEntry, Position, SettingsChanged
from schemas.topics import SALESFORCE_COMMANDS, SYNC_DECISIONS, SYNC_JOURNAL
from schemas.values import replace
from streams.intake import SETTINGS_KEY

JOURNAL = [
    Read(SYNC_JOURNAL, 0, offset, 0, entry.pair_key.encode(), encode(entry))
    for offset, entry in enumerate(
        [JournalEntry(SETTINGS_KEY, NOW, Position("s", 0, 0), SettingsChanged(SETTINGS, 1)), *one_life()]
    )
]


def worked_off() -> list[Read]:
    """What one worker writes for the journal."""
    written: list[Read] = []
    lane = SmallLane(0, Rows(), Rows(), lambda *what: written.append(Read(what[0], 0, len(written), 0, *what[1:])))
    for one in JOURNAL:
        reconcile_step(Record(one.topic, 0, one.offset, 0, one.key, one.value), lane)  # type: ignore[arg-type]
    return written


def first_of(topic: str, written: list[Read]) -> int:
    """Where the first record of a topic stands."""
    return next(at for at, one in enumerate(written) if one.topic == topic)


def test_what_a_worker_writes_is_sound() -> None:
    """Every decision and command once."""
    verdict = judge(JOURNAL, worked_off())
    assert verdict.is_sound
    assert verdict.repeated == 0
    assert verdict.decisions > verdict.commands > 1


def without(topic: str) -> Callable[[list[Read]], list[Read]]:
    """Loses one record."""
    return lambda written: [one for at, one in enumerate(written) if at != first_of(topic, written)]


def again(written: list[Read]) -> list[Read]:
    """Sends one decision twice."""
    return [*written, written[first_of(SYNC_DECISIONS, written)]]


def otherwise(written: list[Read]) -> list[Read]:
    """Decides once more, something else."""
    one = written[first_of(SYNC_DECISIONS, written)]
    return [*written, replace(one, value=encode(replace(decode(Decision, one.value), reason="other")))]


@pytest.mark.parametrize(
    ("spoil", "wrong"),
    [(without(SYNC_DECISIONS), "lost"), (without(SALESFORCE_COMMANDS), "missing"), (otherwise, "different")],
    ids=["a decision lost", "a command lost", "two decisions for one entry"],
)
def test_what_went_wrong_is_seen(spoil: Callable[[list[Read]], list[Read]], wrong: str) -> None:
    """One of each."""
    verdict = judge(JOURNAL, spoil(worked_off()))
    assert not verdict.is_sound
    assert getattr(verdict, wrong) == 1


def test_the_same_decision_again_is_no_harm() -> None:
    """At least once: it is counted, and known by its place."""
    verdict = judge(JOURNAL, again(worked_off()))
    assert verdict.is_sound
    assert verdict.repeated == 1


def test_a_command_of_nobody_is_strange() -> None:
    """An effect that no decision asked for."""
    written = worked_off()
    assert judge(JOURNAL[:1], written).strange > 0
