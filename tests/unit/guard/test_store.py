"""One partition of a table: unacknowledged changes over the database, which only ever holds what the broker has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from unit.guard.fakes import MemoryDatabase

from concord.guard.outbox import MAX_CONTENT_BYTES, RecordTooLarge, check_size
from concord.guard.store import CHANGELOG_OFFSET_KEY, PartitionStore, ReservedKey, check_key
from schemas.topics import MAX_RECORD_BYTES


def test_a_change_is_seen_at_once_and_stored_when_acknowledged() -> None:
    """Readers see the newest value; the database waits for the broker."""
    database = MemoryDatabase()
    store = PartitionStore(lambda: database)
    first = store.write(b"a", b"1")
    second = store.write(b"a", b"2")
    assert store.get(b"a") == b"2"
    assert database.held == {}
    store.acknowledged(first, 7)
    assert (store.get(b"a"), database.held) == (b"2", {b"a": b"1"})
    store.acknowledged(second, 8)
    assert (store.get(b"a"), database.held) == (b"2", {b"a": b"2"})


def test_a_removal_hides_the_value_at_once() -> None:
    """A deletion under way is a deletion for readers."""
    database = MemoryDatabase()
    database.put(b"a", b"1")
    store = PartitionStore(lambda: database)
    gone = store.write(b"a", None)
    assert store.get(b"a") is None
    assert list(store.items()) == []
    store.acknowledged(gone, 3)
    assert database.held == {}


def test_the_changelog_offset_follows_the_acknowledgements() -> None:
    """Recovery starts where the database stands; without news nothing is written."""
    database = MemoryDatabase()
    store = PartitionStore(lambda: database)
    store.save_changelog_offset()
    assert database.held == {}
    store.acknowledged(store.write(b"a", b"1"), 41)
    store.acknowledged(store.write(b"b", b"1"), 42)
    store.save_changelog_offset()
    assert database.held[CHANGELOG_OFFSET_KEY] == b"42"


@pytest.mark.parametrize("key", [b"\x00", b"\x00position/x", CHANGELOG_OFFSET_KEY])
def test_reserved_keys_are_refused(key: bytes) -> None:
    """A step can overwrite neither the position nor Faust's offset."""
    with pytest.raises(ReservedKey):
        check_key(key)


def test_ordinary_keys_are_taken() -> None:
    """Anything else is the step's own, the empty key included."""
    for key in (b"", b"m:AAMk", b"_", b"a\x00b"):
        check_key(key)


def test_a_record_too_large_for_a_topic_is_refused_before_it_is_sent() -> None:
    """The limit counts key, value and headers, and leaves room for the batch around them."""
    assert MAX_CONTENT_BYTES < MAX_RECORD_BYTES
    check_size("t", b"k", b"v" * (MAX_CONTENT_BYTES - 1))
    with pytest.raises(RecordTooLarge, match="for t is larger"):
        check_size("t", b"k", b"v" * (MAX_CONTENT_BYTES - 3), [("h", b"12")])
    check_size("t", None, None)


keys = st.sampled_from([b"\x00position/x", b"a", b"aa", b"ab", b"b", b"ba"])
values = st.one_of(st.none(), st.binary(min_size=1, max_size=3))
actions = st.one_of(st.tuples(keys, values), st.just("acknowledge"))


@given(st.lists(actions, max_size=40), st.sampled_from([b"", b"a", b"b", b"c"]))
def test_reading_is_the_fold_of_all_writes(script: list[tuple[bytes, bytes | None] | str], prefix: bytes) -> None:
    """At any moment `get` and `items` show every write, and the database is the fold of the acknowledged ones."""
    database = MemoryDatabase()
    store = PartitionStore(lambda: database)
    newest: dict[bytes, bytes] = {}
    acknowledged: dict[bytes, bytes] = {}
    under_way = []
    for action in script:
        if isinstance(action, str):
            if under_way:
                write = under_way.pop(0)
                store.acknowledged(write, 0)
                fold(acknowledged, write.key, write.value)
        else:
            under_way.append(store.write(*action))
            fold(newest, *action)
        assert database.held == acknowledged
        for key in (b"a", b"ba"):
            assert store.get(key) == newest.get(key)
    wanted = sorted((k, v) for k, v in newest.items() if k.startswith(prefix) and not k.startswith(b"\x00"))
    assert list(store.items(prefix)) == wanted


def fold(table: dict[bytes, bytes], key: bytes, value: bytes | None) -> None:
    """One write on a table."""
    if value is None:
        table.pop(key, None)
    else:
        table[key] = value
