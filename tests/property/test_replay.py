"""A pair's state is a fold of its journal: the same from zero, from any point on, with any repeats (I4, I8)."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.pair_acts import DELETIONS, FIRSTS, Act, edit_acts, histories, lived
from support.pair_world import World

from schemas.changes import Side
from schemas.codec import decode, encode
from schemas.journal import JournalEntry
from schemas.state import PairState
from streams.stage import Partition, Step, fold_partition, under_way

HISTORIES = histories(edit_acts(people=True), DELETIONS)


def states(partition: Partition) -> dict[str, bytes]:
    """Every pair's state as it stands in the table."""
    return {key: encode(state) for key, state in partition.pairs.items()}


def told(world: World) -> list[tuple[int, JournalEntry]]:
    """The journal as a rebuild reads it: through the codec."""
    return [(offset, decode(JournalEntry, encode(entry))) for offset, entry in enumerate(world.entries)]


@given(acts=HISTORIES, first=FIRSTS)
def test_fold_from_zero_is_what_the_live_worker_holds(acts: list[Act], first: Side) -> None:
    """Byte for byte, with the settings that stood at each point."""
    world, _, _ = lived(acts, first=first)
    rebuilt = fold_partition(0, told(world))
    assert states(rebuilt) == states(world.partition)
    assert rebuilt.settings == world.settings


@given(acts=HISTORIES, data=st.data())
def test_fold_of_a_prefix_then_the_rest_is_the_fold_of_all(acts: list[Act], data: st.DataObject) -> None:
    """A worker may stop anywhere: its states are written, read back and folded on."""
    world, _, _ = lived(acts)
    entries = told(world)
    cut = data.draw(st.integers(0, len(entries)))
    partition = fold_partition(0, entries[:cut])
    partition.pairs = {key: decode(PairState, raw) for key, raw in states(partition).items()}
    for offset, entry in entries[cut:]:
        partition.fold(entry, offset)
    assert states(partition) == states(world.partition)


@given(acts=HISTORIES, data=st.data())
def test_redo_changes_nothing_and_sends_what_is_under_way(acts: list[Act], data: st.DataObject) -> None:
    """An entry at or below the last one folded: the same state, the pending commands with their ids, no decision."""
    world, _, _ = lived(acts)
    before = states(world.partition)
    offset = data.draw(st.integers(1, len(world.entries) - 1))
    entry = world.entries[offset]
    step = world.partition.fold(entry, offset)
    pair = world.pairs[entry.pair_key]
    assert step == Step(pair, commands=under_way(pair), tally=world.partition.tally)
    assert states(world.partition) == before


@given(acts=HISTORIES, data=st.data())
def test_inputs_that_come_again_in_later_entries_change_nothing(acts: list[Act], data: st.DataObject) -> None:
    """Intake crashed: a stretch of the journal is written once more under new offsets. Nothing is decided or sent."""
    world, _, _ = lived(acts)
    known = {key: (s.graph, s.salesforce, s.strays) for key, s in world.pairs.items()}
    length = len(world.entries)
    stretch = sorted(data.draw(st.lists(st.integers(1, length - 1), min_size=1, max_size=5)))
    for number, offset in enumerate(stretch):
        step = world.partition.fold(world.entries[offset], length + number)
        assert step is not None
        assert (step.commands, step.forwards) == ((), ())
    assert {key: (s.graph, s.salesforce, s.strays) for key, s in world.pairs.items()} == known


@given(acts=HISTORIES, first=FIRSTS)
def test_command_ids_are_never_used_twice(acts: list[Act], first: Side) -> None:
    """One id, one effect; the id names its pair and its number."""
    world, key, _ = lived(acts, first=first)
    world.settle()
    ids = [command.command_id for command in world.commands]
    assert len(ids) == len(set(ids))
    assert all(command.command_id == f"{command.pair_key}#{command.revision}" for command in world.commands)
    assert world.pairs[key].revision == max(c.revision for c in world.commands if c.pair_key == key)
