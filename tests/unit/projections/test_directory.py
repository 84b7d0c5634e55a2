"""Who is who: preference among records that share an address, aliases, tombstones (rules 7.8 to 7.10)."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations

import pytest

from projections.directory import Directory, normal
from schemas.directory import AddressClass, DirectoryEntry, EntryKind

SHARED = "Shared@Firm.Example"


def address(record_id: str, kind: AddressClass, text: str = SHARED, *, is_active: bool = True) -> DirectoryEntry:
    """One address of one record."""
    return DirectoryEntry(EntryKind.ADDRESS, record_id, text, f"Name {record_id}", (), kind, is_active)


def mailbox(user_id: str, main: str, *aliases: str) -> DirectoryEntry:
    """One mailbox of the tenant."""
    return DirectoryEntry(EntryKind.MAILBOX, user_id, main, "", aliases)


def directory(*entries: DirectoryEntry) -> Directory:
    """A directory that was told these facts in this order."""
    built = Directory()
    for entry in entries:
        built.put(entry.key, entry)
    return built


RANKED = [
    address("005B", AddressClass.USER),
    address("003A", AddressClass.EMAIL),
    address("003C", AddressClass.EMAIL),
    address("0031", AddressClass.ALTERNATIVE),
    address("0030", AddressClass.CUSTOM),
]


@pytest.mark.parametrize("first", range(len(RANKED)))
@pytest.mark.rule("7.10")
def test_preference_among_records_that_share_an_address(first: int) -> None:
    """User before Email before Alternative Email before custom fields; within a class the oldest record id (7.10)."""
    found = directory(*reversed(RANKED[first:])).record_for(SHARED)
    assert found is not None
    assert found.id == RANKED[first].id


def test_order_of_arrival_does_not_matter() -> None:
    """The same facts in any order name the same record."""
    for order in permutations(RANKED, 4):
        expected = min(order, key=RANKED.index)
        assert directory(*order).record_for(SHARED) == expected


@pytest.mark.parametrize("text", ["shared@firm.example", " SHARED@FIRM.EXAMPLE\t", "Shared@Firm.Example"])
@pytest.mark.rule("7.10")
def test_addresses_compare_folded_and_trimmed(text: str) -> None:
    """Neither case nor white space around it makes another address; nor does the sharp s."""
    found = directory(RANKED[0]).record_for(text)
    assert found == RANKED[0]
    assert normal("STRASSE@x.example") == normal(" straße@X.example ")


def test_unknown_and_outside_addresses_mean_nobody() -> None:
    """No record, no mailbox, no guess."""
    built = directory(*RANKED, mailbox("m1", "ann@firm.example"))
    assert built.record_for("nobody@out.example") is None
    assert built.mailbox_for("organizer@out.example") == ""
    assert built.address_of("005XX") is None


def test_inactive_record_gives_way() -> None:
    """A user who left is not matched; the next in line is, and the user again when back."""
    built = directory(*RANKED)
    built.put(RANKED[0].key, replace(RANKED[0], is_active=False))
    assert built.record_for(SHARED) == RANKED[1]
    built.put(RANKED[0].key, RANKED[0])
    assert built.record_for(SHARED) == RANKED[0]


def test_tombstone_forgets_one_fact_only() -> None:
    """The next in line takes its place; a tombstone for what is not known is nothing."""
    built = directory(*RANKED)
    built.remove(RANKED[0].key)
    built.remove("address/none/none/none")
    assert built.record_for(SHARED) == RANKED[1]
    assert built.address_of("005B") is None


@pytest.mark.rule("7.17")
def test_record_is_invited_under_its_best_address() -> None:
    """Its Email before its Alternative Email before custom fields; within a class the first by alphabet."""
    built = directory(
        address("003A", AddressClass.CUSTOM, "a@x.example"),
        address("003A", AddressClass.ALTERNATIVE, "b@x.example"),
        address("003A", AddressClass.EMAIL, "z@x.example"),
    )
    assert [best_of(built)] == ["z@x.example"]
    built.remove(address("003A", AddressClass.EMAIL, "z@x.example").key)
    assert [best_of(built)] == ["b@x.example"]


def best_of(built: Directory) -> str:
    """The address that the contact 003A is invited under."""
    found = built.address_of("003A")
    assert found is not None
    return found.address


def test_mailbox_is_found_by_its_address_and_its_aliases() -> None:
    """Aliases are the same mailbox, in whatever case."""
    built = directory(mailbox("m1", "Ann@Firm.Example", "ann.old@firm.example"))
    assert {built.mailbox_for(text) for text in ("ann@firm.example", " ANN.OLD@firm.example")} == {"m1"}


def test_alias_that_moved_belongs_to_its_new_mailbox() -> None:
    """In whichever order the two facts arrive, and when the old mailbox goes."""
    old, new = mailbox("m1", "ann@firm.example", "team@firm.example"), mailbox("m1", "ann@firm.example")
    taker = mailbox("m2", "bob@firm.example", "team@firm.example")
    for built in (directory(old, new, taker), directory(old, taker, new)):
        assert built.mailbox_for("team@firm.example") == "m2"
    built = directory(old, taker)
    built.remove(old.key)
    assert built.mailbox_for("team@firm.example") == "m2"


def test_alias_of_two_mailboxes_survives_the_removal_of_either() -> None:
    """A shared alias is the smaller mailbox's, whichever was told first, and the other's when that one goes."""
    one, two = (mailbox(name, f"{name}@firm.example", "team@firm.example") for name in ("m1", "m2"))
    for order in ((one, two), (two, one)):
        built = directory(*order)
        assert built.mailbox_for("team@firm.example") == "m1"
        built.remove(one.key)
        assert built.mailbox_for("team@firm.example") == "m2"


def test_facts_of_a_kind_come_by_key() -> None:
    """Rooms and mailboxes are listed in a stable order; sides whose directory was read whole are known."""
    rooms = [DirectoryEntry(EntryKind.ROOM, name, name=name) for name in ("r2", "r1")]
    built = directory(*rooms, DirectoryEntry(EntryKind.COMPLETE, "graph"), *RANKED)
    assert [room.id for room in built.of_kind(EntryKind.ROOM)] == ["r1", "r2"]
    assert built.complete_sides == {"graph"}


def test_keys_tell_facts_apart() -> None:
    """One record, two addresses, two classes: each is a fact of its own."""
    entries = [address("003A", kind, text) for kind in AddressClass for text in ("a@x.example", "b@x.example")]
    entries += [mailbox("003A", "a@x.example"), DirectoryEntry(EntryKind.ROOM, "003A")]
    assert len({entry.key for entry in entries}) == len(entries)
