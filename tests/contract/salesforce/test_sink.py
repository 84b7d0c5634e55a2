"""Single commands against the Salesforce simulator: every field group, who attends, what is refused or overtaken."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.salesforce_client import SalesforceClient
from support.salesforce_driver import (
    KEY,
    NAMES,
    Recorded,
    build_lasting,
    calls_to,
    carry_out,
    content,
    create,
    delete,
    made,
    own_events,
    people,
    reading,
    update,
)
from support.salesforce_facts import bad_on_purpose

from connectors.exchange import Call, Reply
from schemas.calendar import Attendee, CalendarEvent, Response, Sensitivity, ShowAs, TimeSpan
from schemas.commands import Result
from schemas.errors import Throttled
from schemas.groups import ALL, MARKS, MEMBERS, PEOPLE
from simulators.salesforce.ids import to18
from simulators.salesforce.org import Org


@pytest.fixture
def org() -> SalesforceClient:
    """A calm org."""
    return build_lasting()


def same(one: CalendarEvent, other: CalendarEvent, *groups: str) -> list[str]:
    """The groups in which two contents differ, people compared by record and answer."""

    def part(of: CalendarEvent, group: str) -> object:
        if group == PEOPLE:
            return {(a.record_id, a.response) for a in of.attendees}, of.send_invitations
        return [getattr(of, name) for name in MEMBERS[group] if name != "organizer"]

    return [group for group in groups or ALL if part(one, group) != part(other, group)]


def test_a_create_holds_what_was_asked_and_carries_our_key(org: SalesforceClient) -> None:
    """The outcome's item is the record as the service holds it, and as the source reads it later."""
    wanted = content(org, send_invitations=True, recurring="Every week on Mon")
    item = made(org, wanted)
    assert same(item.content, wanted) == []
    assert item == reading(org, item.id)
    assert (item.sync_key, item.content.sync_status, item.content.external_id) == (KEY, "Synced", "AAMkAGI1=")
    assert people(org, item.id) == {org.ids["contact"]: ("New", None), org.ids["bob"]: ("Accepted", None)}


def day(number: int, month: int = 6) -> datetime:
    """A midnight of 2026."""
    return datetime(2026, month, number, tzinfo=UTC)


EDITS: dict[str, tuple[tuple[str, ...], dict[str, Any]]] = {
    "subject": (("subject",), {"subject": "Renamed"}),
    "no subject": (("subject",), {"subject": ""}),
    "moved": (("time",), {"span": TimeSpan(day(3), day(3) + timedelta(minutes=45))}),
    "no length": (("time",), {"span": TimeSpan(day(3), day(3))}),
    "over night": (("time",), {"span": TimeSpan(day(3) + timedelta(hours=22), day(4) + timedelta(hours=3))}),
    "14 days": (("time",), {"span": TimeSpan(day(3), day(17))}),
    "one day": (("time",), {"span": TimeSpan(day(3), day(4), is_all_day=True)}),
    "14 whole days": (("time",), {"span": TimeSpan(day(3), day(17), is_all_day=True)}),
    "over new year": (("time",), {"span": TimeSpan(day(31, 12), datetime(2027, 1, 2, tzinfo=UTC), is_all_day=True)}),
    "body": (("body",), {"body": "New text\n\nwith < marks >"}),
    "no body": (("body",), {"body": ""}),
    "location": (("location",), {"location": ""}),
    "show as": (("show_as",), {"show_as": ShowAs.WORKING_ELSEWHERE}),
    "no reminder": (("reminder",), {"reminder_minutes": None}),
    "reminder at the start": (("reminder",), {"reminder_minutes": 0}),
    "reminder long before": (("reminder",), {"reminder_minutes": 20_160}),
    "invitations": (("people",), {"send_invitations": True}),
    "recurring": (("recurring",), {"recurring": "Every 2 weeks on Mon, Wed until 2027-06-30"}),
    "marks": (("marks",), {"sync_status": "Error", "external_id": "AAMother="}),
    "several": (
        ("subject", "time", "reminder", "show_as"),
        {"subject": "All", "span": TimeSpan(day(5), day(6)), "reminder_minutes": 5, "show_as": ShowAs.TENTATIVE},
    ),
}


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("is_all_day", [False, True], ids=["timed", "all-day"])
def test_an_update_changes_its_groups_and_nothing_else(org: SalesforceClient, name: str, is_all_day: bool) -> None:
    """The asked groups hold what was asked, the others what they held; doing it again writes nothing."""
    first = content(org, span=TimeSpan(day(1), day(2), is_all_day=True)) if is_all_day else content(org)
    item = made(org, first)
    groups, members = EDITS[name]
    command = update(item, *groups, **members)
    outcome = carry_out(command, calls_to(org))
    assert (outcome.result, outcome.code) == (Result.APPLIED, "")
    assert outcome.item is not None
    assert command.content is not None
    assert same(outcome.item.content, command.content) == []
    assert outcome.item == reading(org, item.id)
    log = len(org.simulator.changes)
    again = carry_out(command, calls_to(org))
    assert (again.result, again.item) == (Result.APPLIED, outcome.item)
    if groups != (MARKS,):  # a mark is written without looking
        assert len(org.simulator.changes) == log


def test_a_moved_event_takes_its_reminder_along(org: SalesforceClient) -> None:
    """Salesforce keeps a moment, not a distance. The reminder is the one that stands there, not the one decided on."""
    item = made(org)
    org.simulator.update("Event", item.id, {"ReminderDateTime": "2026-05-23T10:00:00Z"})
    outcome = carry_out(update(item, "time", span=TimeSpan(day(3), day(4))), calls_to(org))
    assert outcome.result is Result.APPLIED
    assert reading(org, item.id).content.reminder_minutes == 120
    org.simulator.update("Event", item.id, {"IsReminderSet": False, "ReminderDateTime": None})
    assert (
        carry_out(update(reading(org, item.id), "time", span=TimeSpan(day(5), day(6))), calls_to(org)).item is not None
    )
    assert reading(org, item.id).content.reminder_minutes is None


def everybody(org: SalesforceClient) -> list[str]:
    """Ids of people that may be invited."""
    return [org.ids[name] for name in ("contact", "other_contact", "bob", "cleo")]


ANSWERS = [Response.NONE, Response.ACCEPTED, Response.DECLINED, Response.TENTATIVE]


@given(st.data())
@settings(max_examples=30, deadline=None)
def test_people_become_those_of_the_command(data: st.DataObject) -> None:
    """From any list to any other: exactly these rows, with their answers; unchanged rows are not touched."""
    org = build_lasting()
    lists = st.dictionaries(st.sampled_from(everybody(org)), st.sampled_from(ANSWERS))
    before, after = data.draw(lists), data.draw(lists)

    def attendees(answers: dict[str, Response]) -> tuple[Attendee, ...]:
        return tuple(Attendee("x@y.example", record_id=key, response=answer) for key, answer in answers.items())

    item = made(org, content(org, attendees=attendees(before)))
    room = org.create("EventRelation", {"EventId": item.id, "RelationId": org.ids["room"]})
    rows = {row["Id"]: row for row in org.simulator.records("EventRelation")}
    outcome = carry_out(update(item, "people", attendees=attendees(after)), calls_to(org))
    assert outcome.result is Result.APPLIED
    assert outcome.warning == ""
    assert outcome.item is not None
    assert {a.record_id: a.response for a in outcome.item.content.attendees} == after
    now = {row["Id"]: row for row in org.simulator.records("EventRelation")}
    assert now[room] == rows[room]
    untouched = {key for key in before if before[key] is after.get(key)}
    kept = {row["RelationId"] for key, row in now.items() if rows.get(key) == row}
    assert kept == untouched | {org.ids["room"]}
    copies = {row["OwnerId"] for row in org.simulator.records("Event") if row["IsChild"]}
    assert copies == {key for key in after if key.startswith("005")}


def test_a_persons_comment_stays(org: SalesforceClient) -> None:
    """The Response text is ours only where it says Tentative."""
    item = made(org)
    (row,) = (r for r in org.simulator.records("EventRelation") if r["RelationId"] == org.ids["bob"])
    org.patch(f"/sobjects/EventRelation/{row['Id']}", {"Response": "I may be late"})
    fewer = tuple(a for a in item.content.attendees if a.record_id == org.ids["bob"])
    assert carry_out(update(item, "people", attendees=fewer), calls_to(org)).result is Result.APPLIED
    declined = (replace(fewer[0], response=Response.DECLINED),)
    item = reading(org, item.id)
    assert carry_out(update(item, "people", attendees=declined), calls_to(org)).result is Result.APPLIED
    assert people(org, item.id) == {org.ids["bob"]: ("Declined", "I may be late")}


def test_the_owner_is_never_invited(org: SalesforceClient) -> None:
    """Neither on creating, nor when the event changes hands: the new owner's invitation goes, the old owner's comes."""
    ada, bob = (Attendee("", record_id=org.ids[name], is_user=True) for name in ("ada", "bob"))
    item = made(org, content(org, attendees=(ada, bob)))
    assert set(people(org, item.id)) == {org.ids["bob"]}
    outcome = carry_out(update(item, "owner", "people", owner_id=org.ids["bob"], attendees=(ada, bob)), calls_to(org))
    assert (outcome.result, outcome.warning) == (Result.APPLIED, "")
    assert set(people(org, item.id)) == {org.ids["ada"]}
    assert reading(org, item.id).content.owner_id == org.ids["bob"]


def test_short_ids_name_the_same_people(org: SalesforceClient) -> None:
    """Fifteen characters are the id; the other three are a checksum."""
    short = tuple(Attendee("", record_id=key[:15]) for key in (org.ids["contact"], org.ids["ada"]))
    item = made(org, content(org, attendees=short, owner_id=org.ids["ada"][:15]))
    assert set(people(org, item.id)) == {org.ids["contact"]}
    before = org.simulator.records("EventRelation")
    again = carry_out(create(content(org, attendees=short, owner_id=org.ids["ada"][:15])), calls_to(org))
    assert again.result is Result.APPLIED
    assert carry_out(update(item, "people", "subject", attendees=short, subject="x"), calls_to(org)).item is not None
    assert org.simulator.records("EventRelation") == before


def test_turning_private_takes_the_people_and_turning_back_brings_them(org: SalesforceClient) -> None:
    """A private event has no attendees, whatever the command lists; it may be created so as well."""
    item = made(org)
    private = update(item, "privacy", sensitivity=Sensitivity.PRIVATE, attendees=())
    outcome = carry_out(private, calls_to(org))
    assert outcome.result is Result.APPLIED
    hidden = reading(org, item.id)
    assert (hidden.content.sensitivity, hidden.content.attendees) == (Sensitivity.PRIVATE, ())
    assert carry_out(private, calls_to(org)).result is Result.APPLIED
    back = update(
        hidden, "privacy", "people", sensitivity=Sensitivity.NORMAL, attendees=item.content.attendees,
    )  # fmt: skip
    assert carry_out(back, calls_to(org)).result is Result.APPLIED
    assert set(people(org, item.id)) == {org.ids["contact"], org.ids["bob"]}
    other = create(content(org, sensitivity=Sensitivity.CONFIDENTIAL), pair_key="other")
    outcome = carry_out(other, calls_to(org))
    assert outcome.result is Result.APPLIED
    assert outcome.item is not None
    assert people(org, outcome.item.id) == {}
    assert carry_out(other, calls_to(org)).result is Result.APPLIED


def test_where_the_org_refuses_to_hide_an_event_its_people_stay(org: SalesforceClient) -> None:
    """An event about a client cannot be private: the refusal undoes the withdrawal too."""
    item = made(org)
    org.simulator.update("Event", item.id, {"WhoId": org.ids["contact"]})
    item = reading(org, item.id)
    hide = update(item, "privacy", "subject", sensitivity=Sensitivity.PRIVATE, attendees=(), subject="@{r0.id}")
    outcome = carry_out(hide, calls_to(org))
    assert (outcome.result, outcome.code) == (Result.REFUSED, "FIELD_INTEGRITY_EXCEPTION")
    assert "private event" in outcome.message
    assert reading(org, item.id) == item


def test_a_refused_person_is_a_warning(org: SalesforceClient) -> None:
    """The event is made with everybody else; a second try does not stumble over the one who is missing."""
    nobody = "003QH00000NobodyYA"
    wanted = content(org, attendees=(*content(org).attendees, Attendee("", record_id=nobody)))
    for _ in range(2):
        outcome = carry_out(create(wanted), calls_to(org))
        assert outcome.result is Result.APPLIED
        assert outcome.warning.startswith(f"attendee {nobody}: ")
        assert outcome.item is not None
        assert len(people(org, outcome.item.id)) == 2
    assert len(own_events(org)) == 1


REFUSALS: dict[str, tuple[dict[str, Any], str, str]] = {
    "too long": ({"span": TimeSpan(day(1), day(16))}, "FIELD_INTEGRITY_EXCEPTION", "Duration must be between 0 and"),
    "ends before it begins": ({"span": TimeSpan(day(2), day(1))}, "FIELD_INTEGRITY_EXCEPTION", "Duration must be"),
    "no such owner": ({"owner_id": "005QH00000NobodyYA"}, "MALFORMED_ID", ""),
    "unknown status": ({"external_id": "x" * 300}, "STRING_TOO_LONG", "data value too large"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_a_refused_event_says_so_in_the_services_words(org: SalesforceClient, name: str) -> None:
    """What can never succeed ends the command; nothing is left behind."""
    members, code, words = REFUSALS[name]
    with bad_on_purpose():
        outcome = carry_out(create(content(org, **members)), calls_to(org))
    assert (outcome.result, outcome.item) == (Result.REFUSED, None)
    assert (outcome.code, words in outcome.message) == (code, True)
    assert own_events(org) == []


def test_an_inactive_owner_is_refused(org: SalesforceClient) -> None:
    """The pair shows an error until somebody gives the event to somebody else."""
    org.simulator.update("User", org.ids["bob"], {"IsActive": False})
    outcome = carry_out(create(content(org, owner_id=org.ids["bob"])), calls_to(org))
    assert (outcome.result, outcome.code) == (Result.REFUSED, "INACTIVE_OWNER_OR_USER")


def test_an_org_without_multiday_events_refuses_long_ones() -> None:
    """Its own words name the limit."""
    org = build_lasting(Org(multiday_events=False))
    outcome = carry_out(create(content(org, span=TimeSpan(day(1), day(3)))), calls_to(org))
    assert (outcome.result, "1440 minutes" in outcome.message) == (Result.REFUSED, True)


def test_an_edit_since_the_decision_makes_an_update_stale(org: SalesforceClient) -> None:
    """The same group: nothing is overwritten, the outcome shows what stands there. Another group: both stay."""
    item = made(org)
    org.simulator.update("Event", item.id, {"Subject": "Theirs"})
    outcome = carry_out(update(item, "subject", subject="Ours"), calls_to(org))
    assert outcome.result is Result.STALE
    assert outcome.item == reading(org, item.id)
    assert outcome.item is not None
    assert outcome.item.content.subject == "Theirs"
    outcome = carry_out(update(item, "location", location="Ours"), calls_to(org))
    assert outcome.result is Result.APPLIED
    assert outcome.item is not None
    assert (outcome.item.content.subject, outcome.item.content.location) == ("Theirs", "Ours")


def test_an_answer_or_an_invitation_since_the_decision_makes_people_stale(org: SalesforceClient) -> None:
    """Whom somebody else invited meanwhile is not taken off."""
    item = made(org)
    org.create("EventRelation", {"EventId": item.id, "RelationId": org.ids["cleo"]})
    outcome = carry_out(update(item, "people", attendees=()), calls_to(org))
    assert outcome.result is Result.STALE
    assert len(people(org, item.id)) == 3


def test_a_save_between_our_look_and_our_write_is_not_overwritten(org: SalesforceClient) -> None:
    """The write is refused because the record was modified since, looked at again, and stale; another group's save
    lets it through at the second try."""
    for theirs, expected in (({"Subject": "Theirs"}, Result.STALE), ({"Location": "Theirs"}, Result.APPLIED)):
        item = made(org, content(org, external_id=str(theirs)))
        org.clock.advance(60)
        wire = Recorded(calls_to(org))

        def meddling(call: Any, wire: Recorded = wire, item_id: str = item.id, theirs: Any = theirs) -> Any:
            if len(wire.calls) == 1:
                org.simulator.update("Event", item_id, theirs)
            return wire(call)

        outcome = carry_out(update(item, "subject", subject="Ours"), meddling)
        assert outcome.result is expected
        record = reading(org, item.id).content
        assert record.subject == ("Theirs" if expected is Result.STALE else "Ours")
        assert record.location == ("Level 4" if expected is Result.STALE else "Theirs")
        assert carry_out(delete(reading(org, item.id)), calls_to(org)).result is Result.APPLIED


def test_a_record_that_keeps_changing_is_left_for_later(org: SalesforceClient) -> None:
    """After a few looks the command is given back, to be tried again."""
    item = made(org)
    wire = Recorded(calls_to(org))

    def meddling(call: Any) -> Any:
        org.clock.advance(5)
        org.simulator.update("Event", item.id, {"Location": f"at {len(wire.calls)}"})
        return wire(call)

    with pytest.raises(Throttled, match="keeps changing"):
        carry_out(update(item, "subject", subject="Ours"), meddling)
    assert len(wire.calls) == 6


def test_a_service_that_finds_every_record_modified_is_not_asked_for_ever(org: SalesforceClient) -> None:
    """Told of a change but shown none, the write goes out without its condition."""
    item = made(org)
    wire = Recorded(calls_to(org))

    def stubborn(call: Call) -> Reply:
        for step in call.body["compositeRequest"] if call.path == "/composite" else ():
            if "httpHeaders" in step:
                step["httpHeaders"] = {"If-Unmodified-Since": "Mon, 01 Jan 1990 00:00:00 GMT"}
        return wire(call)

    outcome = carry_out(update(item, "subject", subject="Ours"), stubborn)
    assert outcome.result is Result.APPLIED
    assert reading(org, item.id).content.subject == "Ours"
    assert len(wire.calls) == 4


def test_what_is_gone_is_gone(org: SalesforceClient) -> None:
    """An update of a deleted record says so; its deletion has nothing left to do; both also when it never was."""
    item = made(org)
    org.simulator.delete("Event", item.id)
    for groups in (("subject",), ("marks",), ("people",)):
        assert carry_out(update(item, *groups, subject="x", attendees=()), calls_to(org)).result is Result.GONE
    outcome = carry_out(delete(item), calls_to(org))
    assert (outcome.result, outcome.item) == (Result.APPLIED, None)
    never = replace(item, id=to18("00UQH00000Never"))
    assert carry_out(delete(never), calls_to(org)).result is Result.APPLIED
    assert carry_out(update(never, "subject", subject="x"), calls_to(org)).result is Result.GONE


def test_a_deletion_of_what_was_edited_is_stale(org: SalesforceClient) -> None:
    """The edit reaches the log before it is deleted; answers, marks and a fired reminder do not hold it up."""
    item = made(org)
    org.simulator.update("Event", item.id, {"IsReminderSet": False, "practifi__Microsoft_365_Sync_Status__c": "Error"})
    (row,) = (r for r in org.simulator.records("EventRelation") if r["RelationId"] == org.ids["contact"])
    org.patch(f"/sobjects/EventRelation/{row['Id']}", {"Status": "Declined"})
    edited = made(org, content(org, external_id="other"), replace(NAMES, sync_key=""))
    org.simulator.update("Event", edited.id, {"Subject": "Wait"})
    outcome = carry_out(delete(edited), calls_to(org))
    assert outcome.result is Result.STALE
    assert outcome.item == reading(org, edited.id)
    assert carry_out(delete(item), calls_to(org)).result is Result.APPLIED
    assert [row["Id"] for row in own_events(org)] == [edited.id]


def test_an_archived_record_is_updated(org: SalesforceClient) -> None:
    """Queries hide it, writes reach it: it is not taken for deleted."""
    item = made(org)
    org.simulator.update("Event", item.id, {"IsArchived": True}, origin="system")
    outcome = carry_out(update(item, "subject", subject="Old"), calls_to(org))
    assert outcome.result is Result.APPLIED
    assert outcome.item is not None
    assert outcome.item.content.subject == "Old"


def test_an_invitees_copy_is_refused(org: SalesforceClient) -> None:
    """A pair that names one, by whatever mistake, neither edits it nor takes it for deleted."""
    item = made(org)
    (copy,) = (row["Id"] for row in org.simulator.records("Event") if row["IsChild"])
    outcome = carry_out(update(replace(item, id=copy), "subject", subject="x"), calls_to(org))
    assert (outcome.result, outcome.code) == (Result.REFUSED, "NOT_AN_EVENT")


def test_three_hundred_attendees(org: SalesforceClient) -> None:
    """More than one collection takes; and gone again when the event turns private."""
    ids = [org.simulator.insert("Contact", {"LastName": f"C{number}"}) for number in range(300)]
    item = made(org, content(org, attendees=tuple(Attendee("", record_id=key) for key in ids)))
    assert set(people(org, item.id)) == set(ids)
    assert len(item.content.attendees) == 300
    outcome = carry_out(update(item, "privacy", sensitivity=Sensitivity.PRIVATE, attendees=()), calls_to(org))
    assert outcome.result is Result.APPLIED
    assert people(org, item.id) == {}
