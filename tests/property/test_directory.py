"""The directory is a fold: what it answers depends on the facts that stand, not on how they came to stand."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from projections.directory import Directory
from schemas.directory import AddressClass, DirectoryEntry, EntryKind

ADDRESSES = st.sampled_from(["a@x.example", "A@x.example ", "b@x.example", "c@x.example"])
IDS = st.sampled_from(["1", "2", "3"])
ENTRIES = st.builds(
    DirectoryEntry,
    kind=st.sampled_from([EntryKind.ADDRESS, EntryKind.MAILBOX]),
    id=IDS,
    address=ADDRESSES,
    name=st.sampled_from(["", "N"]),
    aliases=st.lists(ADDRESSES, max_size=2).map(tuple),
    address_class=st.sampled_from(AddressClass),
    is_active=st.booleans(),
)


def answers(directory: Directory) -> list[object]:
    """Everything that may be asked about the few addresses and ids of this test."""
    texts = ("a@x.example", "b@x.example", "c@x.example")
    people = [ask(text) for ask in (directory.record_for, directory.mailbox_for) for text in texts]
    return [*people, *(directory.address_of(record_id) for record_id in "123")]


@given(history=st.lists(st.tuples(ENTRIES, st.booleans()), max_size=12))
def test_answers_depend_on_the_standing_facts_only(history: list[tuple[DirectoryEntry, bool]]) -> None:
    """Any history of facts and tombstones answers like the facts that are left, told in any order."""
    directory, left = Directory(), dict[str, DirectoryEntry]()
    for entry, is_removed in history:
        if is_removed:
            directory.remove(entry.key)
            left.pop(entry.key, None)
        else:
            directory.put(entry.key, entry)
            left[entry.key] = entry
    assert directory.entries == left
    for order in (sorted(left), sorted(left, reverse=True)):
        fresh = Directory()
        for key in order:
            fresh.put(key, left[key])
        assert answers(fresh) == answers(directory)


@given(entry=ENTRIES)
def test_telling_a_fact_twice_is_telling_it_once(entry: DirectoryEntry) -> None:
    """The topic is read from its beginning by every worker: repeats change nothing."""
    once, twice = Directory(), Directory()
    once.put(entry.key, entry)
    for _ in range(2):
        twice.put(entry.key, entry)
    assert answers(once) == answers(twice)
    twice.remove(entry.key)
    assert answers(twice) == answers(Directory())
