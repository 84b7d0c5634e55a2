"""One journal entry in, one step out: settings by number, forwards, redo, when a decision is worth a record."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from support.builders import NOW, firm_settings, graph_item, meeting, seen, span

from schemas.changes import Side
from schemas.commands import Verdict
from schemas.journal import JournalEntry, Position, SettingsChanged
from schemas.settings import Settings
from schemas.state import PairState, Tally
from streams.reasons import REASONS, reason
from streams.stage import Partition, Step, fold_partition, newer_settings, step, under_way

SETTINGS = firm_settings()
EMPTY = PairState("m:uid-G")


def stepped(state: PairState, entry: JournalEntry, offset: int = 5, settings: Settings = SETTINGS) -> Step:
    """One step in partition 3."""
    return step(state, entry, settings, partition=3, offset=offset, tally=Tally())


def test_step_decides_under_the_settings_given_and_the_time_observed() -> None:
    """ "Now" is the entry's, not the clock's: the same entry a year later decides by its own time."""
    done = stepped(EMPTY, seen(graph_item(), at=NOW + timedelta(hours=1)))
    assert done.decision is not None
    assert (done.decision.partition, done.decision.offset, done.decision.settings_number) == (3, 5, 1)
    assert done.decision.decided_at == done.commands[0].decided_at == NOW + timedelta(hours=1)
    assert done.state.offset == 5


def test_step_is_a_function() -> None:
    """Same state, entry and settings: the same step, ids included."""
    entry = seen(graph_item(meeting("Review")))
    assert stepped(EMPTY, entry) == stepped(EMPTY, entry)


def test_entry_at_or_below_the_last_one_is_redone() -> None:
    """The same state again, the commands under way again, nothing decided, nothing forwarded."""
    done = stepped(EMPTY, seen(graph_item()))
    for offset in (5, 4, 0):
        again = stepped(done.state, seen(graph_item(meeting("Other")), offset=9), offset)
        assert again == Step(done.state, commands=done.commands)
    assert under_way(done.state) == done.commands
    assert under_way(EMPTY) == ()


def test_decision_is_recorded_when_something_is_done_or_the_standing_changes() -> None:
    """Not for each reading that confirms what is known."""
    past = graph_item(meeting(span=span(-999)))
    first = stepped(EMPTY, seen(past))
    assert first.decision is not None
    assert (first.decision.verdict, first.decision.reason) == (Verdict.NOTHING, "out_of_range")
    again = stepped(first.state, seen(replace(past, modified_at=NOW + timedelta(1)), offset=1), 6)
    assert again.decision is None


def test_forward_names_its_own_key_and_has_its_own_lane() -> None:
    """The stray's entry comes from the journal, at the offset of the entry that showed it."""
    held = stepped(EMPTY, seen(graph_item()))
    copy = graph_item(id="COPY", sync_key="m:uid-G")
    done = stepped(held.state, seen(copy, offset=1), 6)
    (forward,) = done.forwards
    assert (forward.pair_key, forward.source) == ("m:uid-COPY", Position("sync.journal", 3, 6))
    assert done.decision is not None
    assert (done.decision.verdict, done.decision.reason) == (Verdict.FORWARD, "not_this_pairs")


def test_partition_keeps_the_newest_settings() -> None:
    """Settings come to every partition, perhaps twice and late: a lower number changes nothing."""
    old, new = firm_settings(number=2), firm_settings(number=3, sync_private_events=False)
    assert newer_settings(old, new) is newer_settings(new, old) is new
    assert newer_settings(new, replace(new, changed_by="eve")) is new
    entries = [
        JournalEntry("!settings", NOW, Position("settings.changes", 0, n), SettingsChanged(s))
        for n, s in enumerate((old, new, old))
    ]
    partition = fold_partition(0, enumerate(entries))
    assert (partition.settings, partition.pairs) == (new, {})


def test_settings_entry_is_no_pairs_step() -> None:
    """It leads to nothing by itself: events are decided at their next entry."""
    partition = Partition(0)
    entry = JournalEntry("!settings", NOW, Position("settings.changes", 0, 0), SettingsChanged(SETTINGS))
    assert partition.fold(entry, 0) is None
    done = partition.fold(seen(graph_item()), 1)
    assert done is not None
    assert [command.side for command in done.commands] == [Side.SALESFORCE]
    assert list(partition.pairs) == ["m:uid-G"]


def test_a_services_own_word_is_its_own_reason() -> None:
    """A code that is not ours is shown as the service gave it."""
    assert reason("direction") is REASONS["direction"]
    assert reason("INVALID_CROSS_REFERENCE_KEY").text.endswith("INVALID_CROSS_REFERENCE_KEY.")
    assert reason("INVALID_CROSS_REFERENCE_KEY").rule == "8"
