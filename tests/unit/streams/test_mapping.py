"""How one side's content reads on the other: value tables, limits, people (product facts §4, §6, 7.7, 7.11, 7.18)."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest
from support.builders import (
    ANN,
    BOB,
    CLIENT,
    COLLEAGUE,
    ORGANIZER,
    ROOM,
    STRANGER,
    firm_settings,
    graph_item,
    meeting,
    span,
)

from schemas.calendar import Attendee, CalendarEvent, Response, Sensitivity, ShowAs
from schemas.groups import (
    ALL,
    BODY,
    JOIN_URL,
    LOCATION,
    MARKS,
    MEMBERS,
    OWNER,
    PEOPLE,
    PRIVACY,
    RECURRING,
    REMINDER,
    SHOW_AS,
    SUBJECT,
    TIME,
)
from schemas.settings import ShowAsList
from schemas.state import Status
from streams.mapping import (
    ATTENDEES_MAX,
    RESPONSES,
    SENSITIVITIES,
    SHOW_AS_EXTENDED,
    SHOW_AS_STANDARD,
    STATUS_LABELS,
    edited_value,
    graph_content,
    is_edited,
    is_private,
    is_truncated,
    known_to_both,
    matched_people,
    owner_of,
    participants,
    practifi_people,
    practifi_view,
    readable,
    value,
    with_answers_of,
)

SETTINGS = firm_settings()
OTHER = Attendee("other@out.example", "Other", record_id="003OTHER")


def view(content: CalendarEvent, **members: object) -> CalendarEvent:
    """What Practifi shall hold for a Graph item with this content."""
    settings = members.pop("settings", SETTINGS)
    return practifi_view(graph_item(content, **members), settings)  # type: ignore[arg-type]


def ids(content: CalendarEvent) -> list[str]:
    """The records of the attendees, in order."""
    return [a.record_id for a in content.attendees]


# ---- tables ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        (SHOW_AS_EXTENDED, ShowAs),
        (SHOW_AS_STANDARD, ShowAs),
        (SENSITIVITIES, Sensitivity),
        (RESPONSES, Response),
        (STATUS_LABELS, Status),
    ],
)
def test_value_tables_are_total(table: dict[object, object], kind: type) -> None:
    """Every value that Microsoft 365 can hold has its Practifi value."""
    assert set(table) == set(kind)


@pytest.mark.parametrize("table", [SHOW_AS_EXTENDED, SHOW_AS_STANDARD, SENSITIVITIES, RESPONSES])
def test_mapping_twice_is_mapping_once(table: dict[object, object]) -> None:
    """What Practifi holds reads as itself, or the two sides would never agree."""
    assert all(table[mapped] == mapped for mapped in table.values())


@pytest.mark.rule("4.show_as")
def test_show_as_follows_the_list_that_the_org_has() -> None:
    """Five values in the extended list; in the standard one Tentative and Working Elsewhere read Busy."""
    standard = firm_settings(show_as_list=ShowAsList.STANDARD)
    rows = {
        shown: (view(meeting(show_as=shown)).show_as, view(meeting(show_as=shown), settings=standard).show_as)
        for shown in ShowAs
    }
    assert rows == {
        ShowAs.FREE: (ShowAs.FREE, ShowAs.FREE),
        ShowAs.TENTATIVE: (ShowAs.TENTATIVE, ShowAs.BUSY),
        ShowAs.BUSY: (ShowAs.BUSY, ShowAs.BUSY),
        ShowAs.OUT_OF_OFFICE: (ShowAs.OUT_OF_OFFICE, ShowAs.OUT_OF_OFFICE),
        ShowAs.WORKING_ELSEWHERE: (ShowAs.WORKING_ELSEWHERE, ShowAs.BUSY),
        ShowAs.UNKNOWN: (ShowAs.BUSY, ShowAs.BUSY),
    }


@pytest.mark.rule("4.private")
def test_every_sensitivity_but_normal_is_private() -> None:
    """Fail safe: personal and confidential are treated as private."""
    assert [is_private(meeting(sensitivity=kind)) for kind in Sensitivity] == [False, True, True, True]


@pytest.mark.rule("4.responses")
def test_answers_read_as_practifi_knows_them() -> None:
    """The organizer has accepted; the others as they answered."""
    people = [replace(CLIENT, record_id=f"003{answer}", response=answer) for answer in Response]
    shown = {a.record_id: a.response for a in view(meeting(attendees=tuple(people))).attendees}
    assert shown == {
        "003none": Response.NONE,
        "003accepted": Response.ACCEPTED,
        "003declined": Response.DECLINED,
        "003tentative": Response.TENTATIVE,
        "003organizer": Response.ACCEPTED,
    }


# ---- the view -------------------------------------------------------------------------------------------------------


def test_view_carries_each_field() -> None:
    """Every mapped field of the table in product facts §6, with the owner and our external id."""
    content = meeting(
        "Quarterly", body="Agenda", location="Room 1", show_as=ShowAs.FREE, sensitivity=Sensitivity.NORMAL,
        reminder_minutes=15, attendees=(CLIENT, STRANGER),
    )  # fmt: skip
    assert view(content) == CalendarEvent(
        span=span(), subject="Quarterly", body="Agenda", location="Room 1", show_as=ShowAs.FREE, reminder_minutes=15,
        attendees=(CLIENT,), owner_id="005ANN", external_id="G",
    )  # fmt: skip


@pytest.mark.parametrize(("member", "limit"), [("subject", 255), ("location", 255), ("body", 32_000)])
def test_text_is_cut_to_what_salesforce_holds(member: str, limit: int) -> None:
    """One character more is cut; white space that the cut lays bare goes too, as Salesforce trims it."""
    assert getattr(view(meeting(**{member: "x" * limit})), member) == "x" * limit
    assert getattr(view(meeting(**{member: "x" * (limit + 1)})), member) == "x" * limit
    assert getattr(view(meeting(**{member: "x" * (limit - 1) + " y"})), member) == "x" * (limit - 1)


def test_times_have_whole_seconds() -> None:
    """Salesforce keeps no fractions: they would look like an edit."""
    exact = span()
    fractions = replace(exact, start_utc=exact.start_utc + timedelta(microseconds=7), end_utc=exact.end_utc)
    assert view(meeting(span=fractions)).span == exact


@pytest.mark.rule("7.7")
def test_private_event_is_seen_without_attendees() -> None:
    """Rule 7.7: whatever Microsoft 365 lists."""
    assert view(meeting(sensitivity=Sensitivity.CONFIDENTIAL, attendees=(CLIENT, COLLEAGUE))).attendees == ()


def test_no_reminder_is_no_reminder() -> None:
    """None and nought are different things."""
    assert view(meeting(reminder_minutes=None)).reminder_minutes is None
    assert view(meeting(reminder_minutes=0)).reminder_minutes == 0


# ---- owner and people -----------------------------------------------------------------------------------------------

BOTH = firm_settings(users=(ANN, BOB))
NOBODY = firm_settings(users=(replace(ANN, is_enabled=False), replace(BOB, is_enabled=False)))


@pytest.mark.rule("7.12")
def test_owner_is_the_organizer_if_enabled_else_the_mailbox_user() -> None:
    """Rule 7.12, whoever delivered the event; nobody enabled, nobody owns it."""
    copy = graph_item(mailbox=BOB.mailbox, organizer_mailbox=ANN.mailbox, is_organizer=False)
    outside = replace(copy, organizer_mailbox="")
    only_bob = firm_settings(users=(replace(ANN, is_enabled=False), BOB))
    assert [owner_of(copy, s) for s in (BOTH, SETTINGS, only_bob, NOBODY)] == ["005ANN", "005ANN", "005BOB", ""]
    assert [owner_of(outside, s) for s in (BOTH, NOBODY)] == ["005BOB", ""]


def test_participants_are_people_and_the_organizer() -> None:
    """Rooms are no people; the organizer comes first, with the answer that organizers have."""
    content = meeting(attendees=(ROOM, CLIENT), organizer=ORGANIZER)
    assert participants(content) == (replace(ORGANIZER, response=Response.ORGANIZER), CLIENT)
    assert participants(meeting(attendees=(ROOM,))) == ()


def test_matched_people_are_records_once_and_never_the_owner() -> None:
    """No strangers, no rooms, no second link to one record, no link to the owner; the organizer has accepted."""
    twice = replace(CLIENT, address="private@out.example")
    content = meeting(attendees=(STRANGER, ROOM, CLIENT, twice, COLLEAGUE), organizer=ORGANIZER)
    assert [a.record_id for a in matched_people(content, "005ANN")] == ["005BOB", "003CLIENT"]
    by_bob = matched_people(content, "005BOB")
    assert [(a.record_id, a.response) for a in by_bob] == [
        ("005ANN", Response.ACCEPTED), ("003CLIENT", Response.NONE),
    ]  # fmt: skip


@pytest.mark.rule("7.11")
def test_matched_people_come_by_name_then_address_and_fifty_at_most() -> None:
    """Rule 7.11: case-folded display name, then address; the first 50, each record counted once."""
    crowd = [Attendee(f"{n:03}@x.example", "b" if n % 2 else "B", record_id=f"003{n:03}") for n in reversed(range(60))]
    last = Attendee("z@x.example", "A", record_id="003FIRST")
    again = Attendee("000@y.example", "a", record_id="003FIRST")
    found = matched_people(meeting(attendees=(*crowd, last, again)), "")
    assert [a.record_id for a in found] == ["003FIRST", *(f"003{n:03}" for n in range(49))]
    assert found[0].address == "000@y.example"


@pytest.mark.parametrize(("count", "expected"), [(0, False), (50, False), (51, True), (300, True)])
def test_truncation_begins_past_fifty(count: int, expected: bool) -> None:
    """Rule 7.11 counts what Microsoft 365 lists."""
    assert ATTENDEES_MAX == 50
    assert is_truncated(meeting(attendees=(STRANGER,) * count)) is expected


def test_equal_people_compare_equal_in_any_order() -> None:
    """The order in which a side lists its people means nothing; a record or an answer does."""
    one, other = meeting(attendees=(CLIENT, OTHER)), meeting(attendees=(OTHER, CLIENT))
    accepted = meeting(attendees=(replace(CLIENT, response=Response.ACCEPTED), OTHER))
    assert value(one, PEOPLE) == value(other, PEOPLE)
    assert value(one, PEOPLE) != value(accepted, PEOPLE)
    assert edited_value(one, PEOPLE) == edited_value(accepted, PEOPLE)
    assert edited_value(one, PEOPLE) != edited_value(replace(one, send_invitations=True), PEOPLE)


@pytest.mark.parametrize("group", [group for group in ALL if group not in (PEOPLE, RECURRING, JOIN_URL)])
def test_edited_value_is_the_value_for_all_but_people(group: str) -> None:
    """Only of people may a Practifi user edit less than is compared."""
    content = meeting(body="B", owner_id="005ANN", sync_status="Synced")
    assert edited_value(content, group) == value(content, group)


def test_every_group_has_a_value_that_follows_its_members() -> None:
    """Changing a member of a group changes its value, except what nobody edits in Practifi: the organizer, the
    words about a series and where to join."""
    plain = meeting()
    changes = {
        "span": span(9), "subject": "s", "body": "b", "location": "l", "show_as": ShowAs.FREE, "owner_id": "o",
        "sensitivity": Sensitivity.PRIVATE, "reminder_minutes": 5, "attendees": (CLIENT,), "sync_status": "Error",
        "external_id": "x", "send_invitations": True, "organizer": ORGANIZER, "recurring": "Daily, no end",
        "is_teams": True, "join_url": "https://teams.example/1", "rooms": (replace(ROOM, record_id="023A"),),
    }  # fmt: skip
    for group, members in MEMBERS.items():
        for member in members:
            is_same = edited_value(replace(plain, **{member: changes[member]}), group) == edited_value(plain, group)
            assert is_same == (member in {"organizer", "recurring", "join_url"}), (group, member)


ACCEPTED = replace(CLIENT, response=Response.ACCEPTED)


def test_answer_is_no_edit_but_a_person_is() -> None:
    """Who answered what changes nobody's plan; who is invited does. Other groups are edited when they differ."""
    agreed = meeting(attendees=(CLIENT,))
    assert not is_edited(meeting(attendees=(ACCEPTED,)), agreed, PEOPLE)
    assert is_edited(meeting(attendees=(CLIENT, OTHER)), agreed, PEOPLE)
    assert is_edited(meeting("Other"), agreed, SUBJECT)
    assert not is_edited(meeting("Other"), agreed, BODY)


def test_practifi_holds_microsofts_list_where_it_was_edited_and_its_own_with_answers_where_not() -> None:
    """An answer alone must not bring back whom Practifi dropped, nor drop whom it added."""
    agreed, held = meeting(attendees=(CLIENT,)), meeting(attendees=(CLIENT, COLLEAGUE))
    answered, edited = meeting(attendees=(ACCEPTED,)), meeting(attendees=(ACCEPTED, OTHER))
    assert practifi_people(answered, held, agreed, private=False) == (ACCEPTED, COLLEAGUE)
    assert practifi_people(edited, held, agreed, private=False) == (ACCEPTED, OTHER)
    assert practifi_people(answered, held, None, private=False) == (ACCEPTED, COLLEAGUE)
    assert practifi_people(answered, replace(held, send_invitations=True), None, private=False) == (ACCEPTED,)
    assert practifi_people(edited, held, agreed, private=True) == ()


def test_unknown_answers_stay_to_be_told() -> None:
    """A base with the answers that Practifi knows leaves the others as changes to carry in."""
    known = meeting(attendees=(replace(CLIENT, response=Response.DECLINED),))
    both = with_answers_of(meeting(attendees=(ACCEPTED, replace(OTHER, response=Response.ACCEPTED))), known)
    assert [a.response for a in both.attendees] == [Response.DECLINED, Response.NONE]


# ---- outbound -------------------------------------------------------------------------------------------------------


@pytest.mark.rule("4.responses")
def test_created_event_holds_everything_but_what_is_salesforces() -> None:
    """People only where invitations are asked for (7.18), each with an address and no answer; no marks, no owner."""
    source = meeting(
        body="B", attendees=(replace(CLIENT, response=Response.ACCEPTED), Attendee("", record_id="003NONE")),
        owner_id="005ANN", sync_status="Synced", external_id="x", send_invitations=True,
    )  # fmt: skip
    made = graph_content(ALL, source, None)
    assert made == meeting(body="B", attendees=(CLIENT,), send_invitations=True)
    assert graph_content(ALL, replace(source, send_invitations=False), None).attendees == ()
    assert graph_content(ALL, replace(source, sensitivity=Sensitivity.PRIVATE), None).attendees == ()


HELD = meeting("Held", body="Theirs", attendees=(CLIENT, STRANGER, ROOM, COLLEAGUE), organizer=ORGANIZER)
AGREED = meeting("Held", attendees=(CLIENT, COLLEAGUE), send_invitations=True)
KNOWN = frozenset({"003CLIENT", "005BOB"})


@pytest.mark.parametrize("group", [TIME, SUBJECT, BODY, LOCATION, SHOW_AS, PRIVACY, REMINDER])
def test_only_the_named_group_is_taken(group: str) -> None:
    """Everything else stays as Microsoft 365 holds it, its own values of lossy fields included."""
    source = CalendarEvent(
        span(9), "s", "b", "l", ShowAs.FREE, Sensitivity.NORMAL, 5, (CLIENT,), owner_id="o", send_invitations=True
    )
    held = replace(HELD, show_as=ShowAs.WORKING_ELSEWHERE, sensitivity=Sensitivity.CONFIDENTIAL)
    content = graph_content((group,), source, held, KNOWN)
    (member,) = MEMBERS[group]
    assert content == replace(held, **{member: getattr(source, member)})


def test_people_are_carried_as_additions_and_removals() -> None:
    """Who was agreed and is gone is removed, who is new is added; strangers, rooms and their order stay."""
    source = replace(AGREED, attendees=(COLLEAGUE, OTHER))
    content = graph_content((PEOPLE,), source, HELD, KNOWN)
    assert content.attendees == (STRANGER, ROOM, COLLEAGUE, OTHER)
    assert replace(content, attendees=()) == replace(HELD, attendees=())


def test_attendee_that_practifi_never_knew_is_not_removed() -> None:
    """Somebody invited in Outlook since, and matched, is no removal by Practifi."""
    held = replace(HELD, attendees=(*HELD.attendees, OTHER))
    assert graph_content((PEOPLE,), AGREED, held, KNOWN).attendees == held.attendees


def test_person_present_under_another_address_is_not_invited_twice() -> None:
    """The same record under its alternative address is already there; so is a stranger who became a record."""
    held = replace(HELD, attendees=(replace(CLIENT, address="private@out.example"), replace(OTHER, record_id="")))
    assert graph_content((PEOPLE,), replace(AGREED, attendees=(CLIENT, OTHER)), held, KNOWN).attendees == held.attendees


def test_addresses_compare_folded_when_people_are_added() -> None:
    """A directory that writes an address in capitals names nobody new."""
    shouting = replace(OTHER, address="STRANGER@Out.Example")
    assert graph_content((PEOPLE,), replace(AGREED, attendees=(*AGREED.attendees, shouting)), HELD, KNOWN) == HELD


@pytest.mark.parametrize(
    "source",
    [
        replace(AGREED, attendees=(), send_invitations=False),
        replace(AGREED, attendees=(), sensitivity=Sensitivity.PRIVATE),
        replace(AGREED, attendees=(OTHER,), send_invitations=False),
    ],
)
def test_people_stay_when_no_invitations_are_wanted_or_it_is_private(source: CalendarEvent) -> None:
    """Rules 7.7a and 7.18: never a PATCH of attendees that would mail cancellations or invitations."""
    content = graph_content((PEOPLE, PRIVACY), source, HELD, KNOWN)
    assert content == replace(HELD, sensitivity=source.sensitivity)


def test_removal_needs_both_sides_to_have_known() -> None:
    """Whoever one side alone listed when they agreed was never agreed upon."""
    one, two = meeting(attendees=(CLIENT, OTHER, STRANGER)), meeting(attendees=(OTHER, COLLEAGUE, STRANGER))
    assert known_to_both(one, two) == {"003OTHER"}
    assert known_to_both(one, None) == known_to_both(None, two) == frozenset()


def test_people_are_added_when_invitations_are_asked_for_later() -> None:
    """Rule 7.18: the box is ticked, all attendees are invited; those whom Outlook added meanwhile stay."""
    held = replace(HELD, attendees=(STRANGER, COLLEAGUE))
    content = graph_content((PEOPLE,), AGREED, held, frozenset({"005BOB"}))
    assert content.attendees == (STRANGER, COLLEAGUE, CLIENT)


# ---- for people -----------------------------------------------------------------------------------------------------


def test_groups_are_readable() -> None:
    """Plain text for one value, JSON for several, nothing for nothing."""
    content = meeting(
        "שלום 😀", attendees=(CLIENT,), reminder_minutes=0, owner_id="005ANN", sync_status="Synced", external_id="G"
    )
    assert {group: readable(content, group) for group in (SUBJECT, REMINDER, SHOW_AS, OWNER, MARKS, BODY)} == {
        SUBJECT: "שלום 😀", REMINDER: "0", SHOW_AS: "busy", OWNER: "005ANN", MARKS: "Synced G", BODY: "",
    }  # fmt: skip
    assert json.loads(readable(content, TIME)) == {
        "start": "2026-03-07T09:00:00+00:00", "end": "2026-03-07T10:00:00+00:00", "all_day": False,
    }  # fmt: skip
    assert json.loads(readable(content, PEOPLE)) == [["Client", "client@out.example", "003CLIENT", "none"]]
    assert readable(replace(content, reminder_minutes=None), REMINDER) == ""
    assert all(readable(None, group) == "" for group in ALL)


def test_different_values_read_differently() -> None:
    """A change that is carried must show as one: the reading is what decisions keep."""
    one = meeting(attendees=(CLIENT,))
    assert readable(one, PEOPLE) != readable(meeting(attendees=(OTHER,)), PEOPLE)
    assert readable(one, TIME) != readable(replace(one, span=span(5, 2)), TIME)
    assert readable(replace(one, sensitivity=Sensitivity.PRIVATE), PRIVACY) == "private"


@pytest.mark.rule("2a.send_invitations")
@pytest.mark.parametrize("default", [True, False])
def test_event_that_comes_in_takes_the_firms_default_for_invitations(default: bool) -> None:
    """Send Invitations to Attendees begins as the setting says."""
    settings = firm_settings(send_invitations=default)
    assert practifi_view(graph_item(), settings).send_invitations is default
