"""The contenders do the same work, and the comparison says when they did not."""

from __future__ import annotations

import pytest

pytest.importorskip("bench", reason="the benchmark is not part of the wheel")

from bench.contenders.__main__ import problems, ratios
from bench.contenders.lanes import Rows, SmallLane
from bench.contenders.running import Ran
from bench.folding import MemoryPartition
from bench.journal import SETTINGS, one_life
from concord.guard import Lane, Record
from concord.guard.positions import Rules, Work
from concord.roles.reconcile import SETTINGS_ROW, reconcile_step
from schemas.codec import encode
from schemas.journal import JournalEntry, Position, SettingsChanged
from schemas.topics import SYNC_JOURNAL
from streams.intake import SETTINGS_KEY


def test_a_small_lane_ends_where_the_guards_lane_does() -> None:
    """The same rows and the same records, for a whole life of an event."""
    told = JournalEntry(SETTINGS_KEY, one_life()[0].observed_at, Position("s", 0, 0), SettingsChanged(SETTINGS, 1))
    entries = [told, *one_life()]
    common, pairs, sent = Rows(), Rows(), []
    small = SmallLane(0, common, pairs, lambda *what: sent.append(what))
    partition = MemoryPartition(0)
    guarded = Lane(partition, Work(Rules(), lambda: None))
    for offset, entry in enumerate(entries):
        record = Record(SYNC_JOURNAL, 0, offset, 0, entry.pair_key.encode(), encode(entry))
        reconcile_step(record, small)  # type: ignore[arg-type]
        reconcile_step(record, guarded)
    key = entries[-1].pair_key.encode()
    assert pairs.get(key) == partition.rows[key]
    assert common.get(SETTINGS_ROW) == partition.rows[SETTINGS_ROW]
    assert len(sent) == partition.sent > len(entries) // 2


def ran(name: str, cpu_s: float, sent: int = 7) -> Ran:
    """A contender that took so long for 100 entries."""
    return Ran(name, 100, sent, 9.0, cpu_s, 50.0)


def test_ratios_are_of_processor_time() -> None:
    """Twice as fast is 2; what did not run is not compared."""
    assert ratios({"rebuild": ran("r", 1.0), "quix": ran("q", 2.0)}) == [("rebuild / quix", 2.0, 2.0)]
    assert ratios({"rebuild": ran("r", 1.0)}) == []


def test_whoever_sends_less_did_less() -> None:
    """Bare Faust decides nothing and a rebuild sends nothing: they do not count."""
    same = {"live": ran("l", 1.0), "quix": ran("q", 1.0), "bare_faust": ran("f", 1.0, 100), "rebuild": ran("r", 1.0, 0)}
    assert problems(same) == []
    assert "same number" in problems({**same, "bare_loop": ran("b", 1.0, 6)})[0]
