"""Identity and people: which pair an input concerns, and who its people are."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from support.builders import ANN, NOW, ROOM, command, graph_item, meeting, salesforce_item

from projections.directory import Directory
from projections.sync_state import own_key
from schemas.calendar import Attendee, AttendeeKind
from schemas.changes import WRITE, Change, Item, Kind, Side
from schemas.commands import Action, Outcome, Result
from schemas.directory import AddressClass, DirectoryEntry, EntryKind
from schemas.journal import (
    JournalEntry,
    OperatorActed,
    OperatorAction,
    OperatorVerb,
    OutcomeKnown,
    Position,
    Seen,
    SettingsChanged,
)
from schemas.settings import Settings
from streams.intake import (
    REMOVED,
    SETTINGS_KEY,
    entry_of_action,
    entry_of_change,
    entry_of_outcome,
    entry_of_settings,
    filed_under,
    identified,
)

SOURCE = Position("graph.changes", 2, 41)
START = datetime(2026, 6, 1, 8, 30, tzinfo=UTC)


def the_firm() -> Directory:
    """Ann and Bob with mailboxes, Ann a Salesforce user, Bob not; one client; a room."""
    directory = Directory()
    for entry in (
        DirectoryEntry(EntryKind.MAILBOX, ANN.mailbox, "ann@firm.example", "Ann", ("ann.old@firm.example",)),
        DirectoryEntry(EntryKind.MAILBOX, "mailbox-bob", "bob@firm.example", "Bob"),
        DirectoryEntry(EntryKind.ADDRESS, "005ANN", "ann@firm.example", "Ann Agent", (), AddressClass.USER),
        DirectoryEntry(EntryKind.ADDRESS, "003CLIENT", "client@out.example", "Client", (), AddressClass.EMAIL),
        DirectoryEntry(EntryKind.ADDRESS, "003CLIENT", "private@out.example", "Client", (), AddressClass.ALTERNATIVE),
    ):
        directory.put(entry.key, entry)
    return directory


def change(item: Item | None, side: Side = Side.GRAPH, **members: str) -> Change:
    """A change as a source writes it."""
    return Change(side, "G" if item is None else item.id, NOW, item, ANN.mailbox, **members)


def journaled(told: Change, known: str | None = None) -> JournalEntry:
    """The entry of a change that is somebody's."""
    entry = entry_of_change(told, known, the_firm(), SOURCE)
    assert entry is not None
    return entry


@pytest.mark.parametrize(
    ("item", "key"),
    [
        (graph_item(), "m:uid-G"),
        (graph_item(sync_key="s:S"), "s:S"),
        (graph_item(kind=Kind.OCCURRENCE, i_cal_uid="uid", original_start=START), "m:uid@20260601T083000Z"),
        (graph_item(kind=Kind.EXCEPTION, i_cal_uid="uid", original_start=START), "m:uid@20260601T083000Z"),
        (graph_item(i_cal_uid=""), "m:id:G"),
        (salesforce_item(), "s:S"),
        (salesforce_item(sync_key="m:uid-G"), "m:uid-G"),
    ],
)
def test_pair_key_of_an_item_never_seen(item: Item, key: str) -> None:
    """The mark if there is one, else iCalUId (with the original start) or record id (design §3)."""
    assert filed_under(change(item, item.side), None) == key
    assert journaled(change(item, item.side)).pair_key == key


def test_copies_in_two_mailboxes_have_one_key() -> None:
    """One meeting is one pair, whichever mailbox shows it first."""
    ann, bob = graph_item(), graph_item(id="G2", i_cal_uid="uid-G", mailbox="mailbox-bob", is_organizer=False)
    assert own_key(ann) == own_key(bob)


@pytest.mark.parametrize("sync_key", ["", "s:OTHER", "m:uid-OTHER"])
def test_known_id_keeps_its_key(sync_key: str) -> None:
    """People remove and copy marks: what an id was filed under stands."""
    assert filed_under(change(graph_item(sync_key=sync_key)), "s:S") == "s:S"


def test_removal_names_only_an_id_and_finds_its_pair() -> None:
    """A known id's removal goes to its pair with nothing but the id and the mailbox."""
    entry = journaled(change(None, cause="delta"), "s:S")
    assert (entry.pair_key, entry.what) == ("s:S", Seen(Side.GRAPH, "G", ANN.mailbox, None, "", "delta"))


def test_removal_of_an_unknown_id_is_nobodys() -> None:
    """Nothing is journaled, but the id is remembered as removed."""
    assert filed_under(change(None), None) == REMOVED
    assert entry_of_change(change(None), None, the_firm(), SOURCE) is None
    assert filed_under(change(None), REMOVED) == REMOVED


def test_id_that_was_removed_and_comes_back_is_filed_anew() -> None:
    """A restored item is read like a new one."""
    assert filed_under(change(graph_item()), REMOVED) == "m:uid-G"
    assert journaled(change(graph_item(), cause="delta"), REMOVED).what.item is not None  # type: ignore[union-attr]


def test_own_write_told_after_its_removal_is_journaled_as_the_removal() -> None:
    """The deletion of what we made was read first: it must not be lost."""
    entry = journaled(change(graph_item(sync_key="s:S"), cause=WRITE), REMOVED)
    assert isinstance(entry.what, Seen)
    assert (entry.pair_key, entry.what.item, entry.what.cause == WRITE) == ("s:S", None, False)


def test_entry_says_where_its_input_stood_and_what_is_now() -> None:
    """The lane and offset for repeats, the time of observation as "now", origin and cause as told."""
    entry = journaled(replace(change(graph_item(), cause="delta"), origin="ui", observed_at=NOW + timedelta(hours=1)))
    assert (entry.source, entry.observed_at) == (SOURCE, NOW + timedelta(hours=1))
    assert isinstance(entry.what, Seen)
    assert (entry.what.origin, entry.what.cause, entry.source.lane) == ("ui", "delta", "graph.changes/2")


# ---- people ---------------------------------------------------------------------------------------------------------


def people(*attendees: Attendee, organizer: Attendee | None = None, **members: object) -> Item:
    """A Graph item with these people, identified."""
    item = graph_item(**members)
    content = replace(item.content, attendees=attendees, organizer=organizer)
    return identified(replace(item, content=content), the_firm())


@pytest.mark.rule("7.8")
def test_addresses_are_matched_to_records() -> None:
    """User, client by Email, client by Alternative Email in another case; strangers stay strangers."""
    item = people(
        Attendee("ann.AGENT@firm.example"), Attendee(" ANN@firm.example"), Attendee("Private@Out.Example"),
        Attendee("stranger@out.example"),
    )  # fmt: skip
    assert [(a.record_id, a.is_user) for a in item.content.attendees] == [
        ("", False), ("005ANN", True), ("003CLIENT", False), ("", False),
    ]  # fmt: skip


def test_colleague_without_a_salesforce_user_is_still_internal() -> None:
    """A mailbox of the tenant is one of the firm's own (rule 2a, internal events); a stranger is not."""
    item = people(Attendee("bob@firm.example"), Attendee("stranger@out.example"), Attendee(""))
    assert [(a.record_id, a.is_user) for a in item.content.attendees] == [("", True), ("", False), ("", False)]


def test_what_was_read_stays_as_read() -> None:
    """Matching adds a record; address, name, kind and answer are Microsoft's."""
    told = Attendee("client@out.example", "Mr. C", AttendeeKind.OPTIONAL)
    (found,) = people(told).content.attendees
    assert replace(found, record_id="") == told
    assert people(ROOM).content.attendees == (ROOM,)


def test_records_are_given_their_address() -> None:
    """Salesforce names records: the address they are invited under is filled in, Email first."""
    read = meeting(attendees=(Attendee("", record_id="003CLIENT"), Attendee("", "Ann A.", record_id="005ANN")))
    item = identified(salesforce_item(read), the_firm())
    assert [(a.address, a.name, a.is_user) for a in item.content.attendees] == [
        ("client@out.example", "Client", False), ("ann@firm.example", "Ann A.", True),
    ]  # fmt: skip
    assert item.organizer_mailbox == ""


def test_record_that_the_directory_does_not_know_stays_without_address() -> None:
    """It cannot be invited, but it is not lost either; what the side said of it stands."""
    unknown = Attendee("", "New", record_id="003NEW", is_user=True)
    item = identified(salesforce_item(meeting(attendees=(unknown,))), the_firm())
    assert item.content.attendees == (unknown,)


@pytest.mark.parametrize(
    ("address", "is_organizer", "mailbox"),
    [
        ("ann@firm.example", True, "mailbox-ann"),
        ("bob@firm.example", False, "mailbox-bob"),
        ("ann.old@firm.example", False, "mailbox-ann"),
        ("organizer@out.example", False, ""),
        ("alias-unknown@firm.example", True, "mailbox-ann"),
    ],
)
def test_organizers_mailbox(address: str, is_organizer: bool, mailbox: str) -> None:
    """The own copy says it itself, else the directory; an outside organizer has none."""
    item = people(organizer=Attendee(address), is_organizer=is_organizer, organizer_mailbox="")
    assert item.organizer_mailbox == mailbox
    assert item.content.organizer is not None


# ---- the other inputs -----------------------------------------------------------------------------------------------


def test_outcome_goes_to_the_pair_it_names_with_its_people_matched() -> None:
    """What a sink read back is identified like what a source read."""
    made = command(Side.GRAPH, Action.CREATE, pair_key="s:S")
    item = graph_item(meeting(attendees=(Attendee("client@out.example"),)))
    outcome = Outcome(made.command_id, "s:S", Side.GRAPH, Action.CREATE, Result.APPLIED, NOW, item)
    entry = entry_of_outcome(outcome, the_firm(), SOURCE)
    assert (entry.pair_key, entry.observed_at, entry.source) == ("s:S", NOW, SOURCE)
    assert isinstance(entry.what, OutcomeKnown)
    assert entry.what.outcome.item is not None
    assert entry.what.outcome.item.content.attendees[0].record_id == "003CLIENT"
    nothing = entry_of_outcome(replace(outcome, item=None), the_firm(), SOURCE)
    assert nothing.what == OutcomeKnown(replace(outcome, item=None))


def test_settings_and_actions_are_entries_too() -> None:
    """Settings stand under a key that no pair has; an action under the pair it names."""
    settings = Settings(number=3, changed_at=NOW)
    assert entry_of_settings(settings, SOURCE, 4) == JournalEntry(
        SETTINGS_KEY, NOW, SOURCE, SettingsChanged(settings, 4)
    )
    acted = OperatorActed(OperatorVerb.RETRY, "eve")
    assert entry_of_action(OperatorAction("s:S", NOW, acted), SOURCE) == JournalEntry("s:S", NOW, SOURCE, acted)
    assert not SETTINGS_KEY.startswith(("m:", "s:"))
    assert not REMOVED.startswith(("m:", "s:"))
