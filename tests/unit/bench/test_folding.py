"""What is measured of the pure core is the real thing."""

from __future__ import annotations

import pytest

pytest.importorskip("bench", reason="the benchmark is not part of the wheel")

from support.builders import NOW, firm_settings, graph_item, meeting, removed, seen

from bench.folding import MemoryPartition, fold_rates, live_lap, rebuild_lap
from concord.guard import Record
from schemas.changes import Side
from schemas.codec import encode
from schemas.journal import JournalEntry, Position, SettingsChanged
from schemas.topics import SYNC_JOURNAL
from streams.intake import SETTINGS_KEY


def _journal() -> list[Record]:
    settings = JournalEntry(SETTINGS_KEY, NOW, Position("settings.changes", 0, 0), SettingsChanged(firm_settings()))
    entries = [
        settings,
        seen(graph_item(), offset=1),
        seen(graph_item(meeting("Later")), offset=2),
        removed(Side.GRAPH, "G", offset=3, mailbox="mailbox-ann"),
    ]
    return [
        Record(SYNC_JOURNAL, 0, offset, 0, entry.pair_key.encode(), encode(entry))
        for offset, entry in enumerate(entries)
    ]


def test_the_live_lap_decides_and_sends() -> None:
    """A create in Outlook under two-way settings gives a command and a decision at least."""
    assert live_lap(_journal()) >= 2


def test_both_ways_of_folding_end_in_the_same_state() -> None:
    """The rows of the worker's table are the states of a rebuild, byte for byte, or one of the two measures nothing."""
    journal = _journal()
    partition = MemoryPartition(0)
    live_lap(journal, {0: partition})
    state = rebuild_lap(journal)[0].pairs["m:uid-G"]
    assert partition.rows[b"m:uid-G"] == encode(state)


def test_rates_say_over_how_many_entries() -> None:
    """The journal is folded whole, as often as comes nearest to the entries asked for; every rate is positive."""
    rates = fold_rates(_journal(), 11)
    assert (rates.journal, rates.entries) == (4, 12)
    assert fold_rates(_journal(), 1).entries == 4
    assert min(rates.live, rates.rebuild, rates.decode, rates.step, rates.encode) > 0


def test_an_empty_journal_has_no_rate() -> None:
    """Nothing was folded, so nothing can be said."""
    with pytest.raises(ValueError, match="empty"):
        fold_rates([], 10)
