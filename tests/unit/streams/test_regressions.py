"""Histories that once went wrong, each found by the seeded simulation or while it was being built."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from support.simulation_pairs import START, TWO_WAY, Journal, agreed_pair, content

from projections.directory import Directory
from schemas import groups
from schemas.calendar import Attendee, Sensitivity
from schemas.changes import WRITE, Change, Item, Side
from schemas.commands import Action, Result
from schemas.journal import Position, SettingsChanged
from schemas.state import Status
from streams.intake import REMOVED, entry_of_change, filed_under


def test_reading_older_than_what_is_held_changes_nothing() -> None:
    """A reading that arrives after a newer one must not take the newer one's edit away."""
    journal = Journal()
    key = agreed_pair(journal)
    journal.graph(key, "G", content("Newer"), at=20)
    journal.graph(key, "G", content("Review"), at=10)
    assert journal.pair(key).graph.item is not None
    assert journal.pair(key).graph.item.content.subject == "Newer"


def test_outcome_of_an_earlier_write_does_not_hide_a_later_edit() -> None:
    """A stale or applied outcome read before a user's edit, but told after it, leaves the edit standing."""
    journal = Journal()
    key = agreed_pair(journal)
    step = journal.salesforce(key, "S", content("From Salesforce", external_id="G", sync_status="Synced"), at=10)
    journal.graph(key, "G", content("User, later"), at=30)
    journal.answer(step.commands[0], at=20, result=Result.STALE, held=content("User, earlier"))
    assert journal.pair(key).graph.item.content.subject == "User, later"  # type: ignore[union-attr]


def test_same_second_reading_of_salesforce_survives_the_answer_to_our_write() -> None:
    """Stamps are whole seconds: an edit right after our write has our write's stamp, and no poll repeats it."""
    journal = Journal()
    key = agreed_pair(journal)
    step = journal.graph(key, "G", content("Ours"), at=10)
    edited = content("Theirs", external_id="G", sync_status="Synced")
    journal.salesforce(key, "S", edited, at=11, sync_key=key)
    journal.answer(step.commands[0], at=11)
    assert journal.pair(key).salesforce.item.content.subject == "Theirs"  # type: ignore[union-attr]


def test_removal_read_before_the_outcome_of_an_update_stands() -> None:
    """We wrote, a user deleted, the deletion was told first: the outcome must not bring the item back."""
    journal = Journal()
    key = agreed_pair(journal)
    step = journal.salesforce(key, "S", content("Edited", external_id="G", sync_status="Synced"), at=10, sync_key=key)
    assert step.commands[0].action is Action.UPDATE
    deletion = journal.graph(key, "G", None, at=30)
    journal.answer(step.commands[0], at=20)
    assert journal.pair(key).graph.is_deleted
    assert [(c.side, c.action) for c in deletion.commands] == [(Side.SALESFORCE, Action.DELETE)]


def test_removal_read_before_the_outcome_of_a_create_stands() -> None:
    """An event that we created and a user deleted at once is deleted, in whichever order the two are told."""
    journal = Journal()
    step = journal.salesforce("s:S", "S", content("New"), at=1)
    created = step.commands[0]
    journal.graph("s:S", "G", content("New"), at=2, sync_key="s:S", cause=WRITE)
    journal.graph("s:S", "G", None, at=3)
    done = journal.answer(created, "G", at=2)
    assert journal.pair("s:S").graph.is_deleted
    assert [command.action for command in done.commands] == [Action.DELETE]


def test_copy_seen_before_the_outcome_of_its_original_is_an_event_of_its_own() -> None:
    """A tagged copy made in Outlook and read before the outcome that names the original must not take its place."""
    journal = Journal()
    step = journal.salesforce("s:S", "S", content("New"), at=1)
    journal.graph("s:S", "COPY", content("New"), at=5, sync_key="s:S")
    journal.graph("s:S", "G", content("New"), at=2, sync_key="s:S")
    done = journal.answer(step.commands[0], "G", at=2)
    assert journal.pair("s:S").graph.item.id == "G"  # type: ignore[union-attr]
    assert [forward.pair_key for forward in done.forwards] == ["m:uid-COPY"]


def test_edit_made_while_a_create_is_under_way_is_carried() -> None:
    """Until the create is answered nothing is known to be agreed: the new item must not overrule the edit."""
    journal = Journal()
    step = journal.salesforce("s:S", "S", content("First"), at=1)
    journal.salesforce("s:S", "S", content("Second"), at=3)
    journal.graph("s:S", "G", content("First"), at=2, sync_key="s:S")
    done = journal.answer(step.commands[0], "G", at=2)
    update = next(command for command in done.commands if command.side is Side.GRAPH)
    assert update.content is not None
    assert (update.fields, update.content.subject) == (("subject",), "Second")


def test_own_write_read_before_its_outcome_is_no_microsoft_edit() -> None:
    """The echo of our write may come before its outcome; a Salesforce edit made since then is not in conflict."""
    journal = Journal()
    key = agreed_pair(journal)
    marks = {"external_id": "G", "sync_status": "Synced"}
    step = journal.salesforce(key, "S", content("Second", **marks), at=10, sync_key=key)
    journal.graph(key, "G", content("Second"), at=11)
    journal.salesforce(key, "S", content("Third", **marks), at=12, sync_key=key)
    done = journal.answer(step.commands[0], at=11)
    assert done.decision is not None
    assert done.decision.lost == ()
    assert [(c.side, c.content.subject) for c in done.commands if c.content] == [(Side.GRAPH, "Third")]


def test_microsoft_edit_undone_while_it_is_being_carried_is_undone_in_salesforce() -> None:
    """A to B and back to A: the echo of B in Salesforce must not be taken for an edit and written to Microsoft 365."""
    journal = Journal()
    key = agreed_pair(journal, "A")
    marks = {"external_id": "G", "sync_status": "Synced"}
    step = journal.graph(key, "G", content("B"), at=10)
    journal.salesforce(key, "S", content("B", **marks), at=11, sync_key=key)
    journal.graph(key, "G", content("A"), at=12)
    done = journal.answer(step.commands[0], at=11)
    assert [(c.side, c.content.subject) for c in done.commands if c.content] == [(Side.SALESFORCE, "A")]


def test_write_told_after_the_removal_does_not_restore_the_item() -> None:
    """A sink's own report arriving after the item's removal is no restored item."""
    journal = Journal()
    key = agreed_pair(journal)
    journal.graph(key, "G", None, at=30)
    journal.graph(key, "G", content("Review"), at=20, cause=WRITE)
    assert journal.pair(key).graph.is_deleted


def test_restored_salesforce_record_goes_out_again() -> None:
    """A record restored from the bin still carries our marks; they are not those of an event that was not read yet."""
    journal = Journal()
    marks = {"external_id": "G", "sync_status": "Synced"}
    step = journal.salesforce("s:S", "S", content("New"), at=1)
    journal.answer(step.commands[0], "G", at=2)
    deletion = journal.salesforce("s:S", "S", None, at=10)
    journal.answer(deletion.commands[0], at=11)
    done = journal.salesforce("s:S", "S", content("New", **marks), at=20, sync_key="s:S")
    assert [(c.side, c.action, c.generation) for c in done.commands] == [(Side.GRAPH, Action.CREATE, 3)]


def test_refused_write_is_not_repeated_because_its_mark_was_written() -> None:
    """Writing the status Error must not make the refusal forgotten: the two would alternate for ever."""
    journal = Journal()
    key = agreed_pair(journal)
    commands = list(journal.graph(key, "G", content("Refused"), at=10).commands)
    seen = 0
    while commands:
        command = commands.pop(0)
        seen += 1
        assert seen < 10, "the pair never settles"
        if "subject" in command.fields:
            commands += journal.answer(
                command, result=Result.REFUSED, code="FIELD_CUSTOM_VALIDATION_EXCEPTION"
            ).commands
        else:
            commands += journal.answer(command, at=10 + seen).commands
    assert (journal.pair(key).status, journal.pair(key).reason) == (Status.ERROR, "FIELD_CUSTOM_VALIDATION_EXCEPTION")


def test_record_that_refuses_its_mark_too_settles() -> None:
    """A record that takes no write at all is tried with each write once."""
    journal = Journal()
    key = agreed_pair(journal)
    commands = list(journal.graph(key, "G", content("Refused"), at=10).commands)
    seen = 0
    while commands:
        seen += 1
        assert seen < 10, "the pair never settles"
        commands += journal.answer(commands.pop(0), result=Result.REFUSED, code="INSUFFICIENT_ACCESS").commands
    assert journal.pair(key).status is Status.ERROR


def test_forwarded_entry_has_a_lane_of_its_own() -> None:
    """A later input of the same topic may reach the other pair before the forwarded one does."""
    journal = Journal()
    key = agreed_pair(journal)
    journal.graph(key, "COPY", content("Copied"), at=10, sync_key=key)
    forward = journal.forwards[0]
    attendee = {"mailbox": "mailbox-bob", "i_cal_uid": "uid-COPY", "is_organizer": False}
    journal.graph("m:uid-COPY", "COPY-BOB", content("Copied"), at=11, **attendee)
    journal.fold(forward)
    assert journal.pair("m:uid-COPY").graph.item.id == "COPY"  # type: ignore[union-attr]


def test_stray_is_not_taken_back_when_its_place_is_free() -> None:
    """An id that went to a pair of its own stays there, also while this pair's side is empty."""
    journal = Journal()
    key = agreed_pair(journal)
    journal.salesforce(key, "CLONE", content("Clone"), at=10, sync_key=key)
    journal.salesforce(key, "S", None, at=20)
    journal.graph(key, "G", content("Edited"), at=21)
    journal.salesforce(key, "CLONE", content("Clone, edited"), at=30, sync_key=key)
    assert journal.pair(key).salesforce.item is None
    assert journal.forwards[-1].pair_key == "s:CLONE"


def test_removal_read_before_our_write_is_told_is_filed() -> None:
    """A removal of an id that intake never met is kept: when the id turns out to be our own write, it is deleted."""
    source, directory = Position("graph.changes", 0, 4), Directory()
    removal = Change(Side.GRAPH, "G", START, None, "mailbox-ann", cause="delta")
    assert filed_under(removal, None) == REMOVED
    assert entry_of_change(removal, None, directory, source) is None
    item = Item(Side.GRAPH, "G", "e1", START, START, content(), mailbox="mailbox-ann", i_cal_uid="u", sync_key="s:S")
    told = Change(Side.GRAPH, "G", START + timedelta(seconds=1), item, "mailbox-ann", cause=WRITE)
    assert filed_under(told, REMOVED) == "s:S"
    entry = entry_of_change(told, REMOVED, directory, source)
    assert entry is not None
    assert (entry.pair_key, entry.what.item) == ("s:S", None)  # type: ignore[union-attr]
    back = entry_of_change(replace(told, cause="delta"), REMOVED, directory, source)
    assert back is not None
    assert back.what.item is not None  # type: ignore[union-attr]


def test_created_item_that_was_deleted_before_the_outcome_is_a_deletion() -> None:
    """The service knows the create's key but holds no such item any more: asking for it again would never end."""
    journal = Journal()
    step = journal.salesforce("s:S", "S", content("New"), at=1)
    done = journal.answer(step.commands[0], result=Result.GONE)
    assert [(c.side, c.action) for c in done.commands] == [(Side.SALESFORCE, Action.DELETE)]


def test_created_item_that_was_edited_before_the_outcome_keeps_the_edit() -> None:
    """What differs from what we wrote is somebody's edit, not something that both sides agreed on."""
    journal = Journal()
    step = journal.graph("m:uid-G", "G", content("Made"))
    done = journal.answer(step.commands[0], "S", at=5, result=Result.STALE, held=content("Edited since"))
    assert all(c.side is Side.SALESFORCE for c in done.commands)  # how the edit was saved, only the source can say
    done = journal.salesforce("m:uid-G", "S", content("Edited since"), at=5, sync_key="m:uid-G")
    assert [(c.side, c.content.subject) for c in done.commands if c.content] == [(Side.GRAPH, "Edited since")]


def test_record_restored_while_its_event_is_being_deleted_is_not_deleted() -> None:
    """Our own deletion in Microsoft 365 is no deletion by a person: the restored record goes out anew."""
    journal = Journal()
    step = journal.salesforce("s:S", "S", content("New"), at=1)
    journal.answer(step.commands[0], "G", at=2)
    deletion = journal.salesforce("s:S", "S", None, at=10)
    journal.salesforce("s:S", "S", content("New", external_id="G", sync_status="Synced"), at=20, sync_key="s:S")
    done = journal.answer(deletion.commands[0], at=21)
    assert [(c.side, c.action) for c in done.commands] == [(Side.GRAPH, Action.CREATE)]


def test_restored_record_stays_with_its_pair() -> None:
    """A record is known by its id: restored, it joins the event it was joined with, not a pair of its own."""
    journal = Journal(replace(TWO_WAY, delete_from_practifi=False))
    key = agreed_pair(journal)
    journal.salesforce(key, "S", None, at=10)
    assert journal.pair(key).is_detached
    done = journal.salesforce(key, "S", content("Review", external_id="G", sync_status="Synced"), at=20, sync_key=key)
    assert done.forwards == ()
    assert (journal.pair(key).is_detached, journal.pair(key).status) == (False, Status.SYNCED)


def test_what_a_restored_record_pushes_out_is_not_sent() -> None:
    """The record that we made in place of a deleted one, which then came back, was saved by nobody."""
    journal = Journal()
    step = journal.salesforce("s:S", "S", content("New"), at=1)
    journal.answer(step.commands[0], "G", at=2)
    journal.graph("s:S", "G", content("Edited"), at=10, sync_key="s:S")
    pair = journal.pair("s:S")
    journal.answer(pair.salesforce.pending, at=11)  # type: ignore[arg-type]
    journal.graph("s:S", "G", content("Edited again"), at=20, sync_key="s:S")
    journal.answer(journal.pair("s:S").salesforce.pending, result=Result.GONE, at=21)  # type: ignore[arg-type]
    made = next(command for command in journal.sent if command.action is Action.CREATE and command.side != Side.GRAPH)
    journal.answer(made, "S2", at=22)
    journal.salesforce("s:S", "S", content("New"), at=30)
    journal.fold(journal.forwards[-1])
    assert journal.forwards[-1].pair_key == "s:S2"
    assert journal.pair("s:S2").reason == "not_edited_since"


def test_copy_in_another_mailbox_outlives_a_removed_one() -> None:
    """With the organizer's mailbox disabled one attendee's copy goes and another comes: the meeting is still there."""
    journal = Journal()
    copy = {"is_organizer": False, "organizer_mailbox": "mailbox-dan", "i_cal_uid": "uid-M"}
    step = journal.graph("m:uid-M", "COPY-ANN", content("Meeting"), **copy)
    journal.answer(step.commands[0], "S", at=1)
    deletion = journal.graph("m:uid-M", "COPY-ANN", None, at=10)
    journal.answer(deletion.commands[0], at=11)
    journal.graph("m:uid-M", "COPY-ANN-2", content("Meeting"), at=20, **copy)
    assert journal.pair("m:uid-M").graph.item.id == "COPY-ANN-2"  # type: ignore[union-attr]


def test_pair_found_anew_agrees_on_nothing_but_what_is_equal() -> None:
    """Nothing to write about people must not count as agreement on a body that differs."""
    journal = Journal()
    key = "m:uid-G"
    invited = (Attendee("", record_id="003CLIENT"),)
    found = content("Review", attendees=invited, external_id="G", sync_status="Synced")
    journal.salesforce(key, "S", found, at=1, sync_key=key)
    step = journal.graph(key, "G", content("Review", body="edited meanwhile"), at=2)
    assert [(c.side, "body" in c.fields) for c in step.commands] == [(Side.SALESFORCE, True)]
    assert journal.pair(key).salesforce.base is None


CLIENTS: Final = (Attendee("a@x.example", "Ann", record_id="003A"), Attendee("b@x.example", "Bo", record_id="003B"))
MARKS: Final = {"external_id": "G", "sync_status": "Synced"}


def parted(journal: Journal, **members: Any) -> str:
    """A pair whose event is deleted in Microsoft 365 and whose record is kept. Returns its key."""
    key = agreed_pair(journal, **members)
    (marks,) = journal.graph(key, "G", None, at=10).commands
    journal.answer(marks, at=11)
    assert journal.pair(key).is_detached
    return key


def test_person_taken_off_while_the_pair_was_apart_leaves_practifi() -> None:
    """A date is deleted in Microsoft 365 and kept in Practifi; the series loses an attendee and is re-timed, which
    brings the date back. Practifi follows, though it invites nobody by itself."""
    journal = Journal(replace(TWO_WAY, delete_from_microsoft=False))
    key = parted(journal, attendees=CLIENTS)
    (write,) = journal.graph(key, "G", content("Review", attendees=CLIENTS[:1]), at=20).commands
    assert (write.side, write.fields) == (Side.SALESFORCE, (groups.PEOPLE, groups.MARKS))
    assert write.content is not None
    assert [person.record_id for person in write.content.attendees] == ["003A"]


def test_person_added_in_practifi_while_the_pair_was_apart_stays() -> None:
    """Nobody in Microsoft 365 changed who attends: whom Practifi added there is Practifi's, and is not invited."""
    journal = Journal(replace(TWO_WAY, delete_from_microsoft=False))
    key = parted(journal, attendees=CLIENTS[:1])
    invited = content("Review", attendees=CLIENTS, external_id="G", sync_status="Not Synced")
    journal.salesforce(key, "S", invited, at=15, sync_key=key)
    step = journal.graph(key, "G", content("Renamed", attendees=CLIENTS[:1]), at=20)
    assert [(c.side, groups.PEOPLE in c.fields, c.mails) for c in step.commands] == [(Side.SALESFORCE, False, ())]


def test_edit_in_practifi_while_the_pair_was_apart_is_carried_when_it_is_found_again() -> None:
    """What only one side edited is carried over, and what both did is Microsoft's: as for any other pair (I3)."""
    journal = Journal(replace(TWO_WAY, delete_from_microsoft=False))
    key = parted(journal)
    edited = content("Ours", body="Ours", external_id="G", sync_status="Not Synced")
    journal.salesforce(key, "S", edited, at=15, sync_key=key)
    step = journal.graph(key, "G", content("Theirs"), at=20)
    written = {c.side: (c.fields, c.content.subject, c.content.body) for c in step.commands if c.content}
    assert written[Side.GRAPH][0] == (groups.BODY,)
    assert written[Side.GRAPH][2] == "Ours"
    assert written[Side.SALESFORCE][:2] == ((groups.SUBJECT, groups.MARKS), "Theirs")
    assert step.decision is not None
    assert [(row.field, row.before) for row in step.decision.lost] == [(groups.SUBJECT, "Ours")]


def test_values_never_cross() -> None:
    """A record restored while its event is written to must not be overwritten with what the write replaces: the two
    sides would swap their values for ever."""
    journal = Journal(replace(TWO_WAY, delete_from_practifi=False))
    key = agreed_pair(journal)
    marks = {"external_id": "G", "sync_status": "Synced"}
    commands = list(journal.salesforce(key, "S", content("Second", **marks), at=10, sync_key=key).commands)
    journal.salesforce(key, "S", None, at=11)
    commands += journal.salesforce(key, "S", content("Third", **marks), at=20, sync_key=key).commands
    seen = 0
    while commands:
        seen += 1
        assert seen < 10, "the two sides swap their values"
        commands += journal.answer(commands.pop(0), at=30 + seen).commands
    subjects = {
        side.item.content.subject for side in (journal.pair(key).graph, journal.pair(key).salesforce) if side.item
    }
    assert len(subjects) == 1


def test_pair_found_anew_does_not_agree_on_what_may_not_come_in() -> None:
    """A gate that holds Microsoft's values back is the pair's reason; the two sides are not in agreement."""
    journal = Journal(replace(TWO_WAY, sync_private_events=False))
    key = "m:uid-G"
    journal.salesforce(key, "S", content("Review", **MARKS), at=10, sync_key=key)
    journal.graph(key, "G", content("Secret", sensitivity=Sensitivity.PRIVATE), at=11)
    journal.salesforce(key, "S", content("Review", **MARKS), at=21, sync_key=key)
    assert journal.pair(key).reason == "private_off"


def test_event_is_made_anew_only_when_nothing_is_on_its_way_to_the_other_side() -> None:
    """Edited on both sides, then deleted in Practifi: the record made anew must hold what the deleted one had sent out.
    Made from the event as it was before, it would differ, and the write's outcome would call that an agreement."""
    journal = Journal()
    key = agreed_pair(journal)
    inbound = journal.graph(key, "G", content("Review", location="Room 2"), at=10).commands[0]
    edited = content("Review", body="Theirs", external_id="G", sync_status="Synced")
    outbound = journal.salesforce(key, "S", edited, at=11, sync_key=key).commands[0]
    assert journal.answer(inbound, result=Result.GONE, at=12).commands == ()
    assert journal.pair(key).status is Status.PENDING
    (made,) = journal.answer(outbound, at=13).commands
    assert (made.side, made.action) == (Side.SALESFORCE, Action.CREATE)
    assert made.content is not None
    assert (made.content.body, made.content.location) == ("Theirs", "Room 2")
    journal.answer(made, "S2", at=14)
    assert (journal.pair(key).status, journal.pair(key).reason) == (Status.SYNCED, "in_agreement")


def test_value_that_is_being_overruled_does_not_leave_meanwhile() -> None:
    """Practifi edits a date of a series; Microsoft 365 edits it as well and then forgets it, because the series is
    re-timed. While Microsoft's edit is being written to Practifi, Practifi's must not be sent: three values would go
    round for ever."""
    journal = Journal()
    key = agreed_pair(journal, "First")
    marks = {"external_id": "G", "sync_status": "Synced"}
    (outward,) = journal.salesforce(key, "S", content("Practifi's", **marks), at=10, sync_key=key).commands
    (inward,) = journal.graph(key, "G", content("Microsoft's"), at=11).commands
    journal.graph(key, "G", content("First"), at=12)
    assert (outward.side, inward.side) == (Side.GRAPH, Side.SALESFORCE)
    refused = journal.answer(outward, "G", at=12, result=Result.STALE, held=content("First"))
    assert refused.commands == ()
    assert journal.pair(key).status is Status.PENDING
    commands = list(journal.answer(inward, at=13).commands)
    for number in range(10):
        if commands:
            commands += journal.answer(commands.pop(0), at=20 + number).commands
    assert commands == [], "the two sides swap their values"
    subjects = [
        side.item.content.subject for side in (journal.pair(key).graph, journal.pair(key).salesforce) if side.item
    ]
    assert subjects == ["First", "First"]


def test_teams_ticked_while_a_found_pair_is_being_written_goes_out() -> None:
    """A pair found anew is agreed on by a write of everything; what somebody ticked meanwhile was not in it."""
    journal = Journal()
    key = "m:uid-G"
    journal.salesforce(key, "S", content("Review", external_id="G", sync_status="Synced"), at=1, sync_key=key)
    step = journal.graph(key, "G", content("Renamed"), at=2)
    ticked = content("Renamed", external_id="G", sync_status="Synced", is_teams=True)
    journal.answer(step.commands[0], at=5, held=ticked)
    done = journal.salesforce(key, "S", ticked, at=5, sync_key=key)
    assert [(c.side, c.fields) for c in done.commands] == [(Side.GRAPH, (groups.TEAMS,))]


def test_attendees_changed_while_the_event_is_being_deleted_hold_nothing_back_afterwards() -> None:
    """A restored record whose event ends all the same goes out anew; an edit of attendees alone, judged before a
    setting changed, was about the event that is gone."""
    journal = Journal()
    key = agreed_pair(journal)
    deletion = journal.salesforce(key, "S", None, at=10)
    restored = content("Review", external_id="G", sync_status="Synced")
    journal.salesforce(key, "S", restored, at=20, sync_key=key)
    invited = replace(restored, attendees=(Attendee("a@x.example", "Ann", record_id="003A"),))
    journal.salesforce(key, "S", invited, at=21, sync_key=key)
    later = replace(TWO_WAY, number=9, changed_at=START + timedelta(seconds=22))
    journal.enter("!settings", "settings.changes", SettingsChanged(later))
    done = journal.answer(deletion.commands[0], at=23)
    assert [(c.side, c.action) for c in done.commands] == [(Side.GRAPH, Action.CREATE)]
