"""Records to items and back, value by value."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import TEXTS, of_type

from connectors.salesforce import translate
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.relations import Relations
from connectors.salesforce.translate import as_held, people_as_held, to_fields, to_item
from schemas.calendar import Attendee, CalendarEvent, Response, Sensitivity, ShowAs, TimeSpan
from schemas.changes import Side
from schemas.groups import ALL, MEMBERS

NAMES = FieldNames()
SHARED = replace(NAMES, invitee="IsInvitee")
START = datetime(2026, 5, 20, 14, tzinfo=UTC)
CONTACT, BOB, ADA = "003QH00000aBcDeYAK", "005QH000001xYzWYAU", "005QH000001xYzXYAU"


def record(**members: Any) -> dict[str, Any]:
    """An Event as the API shows it."""
    usual = {
        "attributes": {"type": "Event"}, "Id": "00UQH0000045kTz2AI", "Subject": "Review", "Description": None,
        "Location": "Room 4", "StartDateTime": "2026-05-20T14:00:00.000+0000", "IsDeleted": False,
        "EndDateTime": "2026-05-20T15:00:00.000+0000", "IsAllDayEvent": False, "IsPrivate": False, "ShowAs": "Busy",
        "OwnerId": ADA, "IsReminderSet": False, "ReminderDateTime": None,
        "CreatedDate": "2026-05-18T09:12:44.000+0000", "SystemModstamp": "2026-05-18T09:30:02.000+0000",
    }  # fmt: skip
    return usual | members


def row(relation_id: str, status: str = "New", response: str | None = None, **members: Any) -> dict[str, Any]:
    """An EventRelation as the API shows it."""
    usual = {"Id": "0RE" + relation_id[3:], "EventId": "00UQH0000045kTz2AI", "RelationId": relation_id}
    return usual | {"Status": status, "Response": response} | members


def held(**members: Any) -> CalendarEvent:
    """The content of a record."""
    return to_item(record(**members), [], NAMES).content


def test_a_record_becomes_an_item() -> None:
    """Where it stands, which version, and what it holds."""
    values = {name: f"value of {name}" for name in NAMES.of_event()} | {NAMES.show_as: "Tentative", NAMES.teams: True}
    item = to_item(record(**values), [row(BOB, "Accepted")], NAMES)
    assert (item.side, item.id, item.version) == (Side.SALESFORCE, "00UQH0000045kTz2AI", "2026-05-18T09:30:02.000+0000")
    assert item.modified_at == datetime(2026, 5, 18, 9, 30, 2, tzinfo=UTC)
    assert item.created_at == datetime(2026, 5, 18, 9, 12, 44, tzinfo=UTC)
    assert item.sync_key == "value of Concord_Sync_Key__c"
    assert item.content == CalendarEvent(
        TimeSpan(START, START + timedelta(hours=1)), "Review", "", "Room 4", ShowAs.TENTATIVE, Sensitivity.NORMAL, None,
        (Attendee("", response=Response.ACCEPTED, record_id=BOB, is_user=True),), None, ADA, True,
        "value of practifi__Microsoft_365_Sync_Status__c", "value of practifi__External_ID__c",
        "value of practifi__Recurring_in_Microsoft_365__c", True, "value of practifi__Teams_Meeting_URL__c",
    )  # fmt: skip


SPANS: list[tuple[str, str, bool, TimeSpan]] = [
    ("2026-05-20T14:00:00.000+0000", "2026-05-20T14:00:00.000+0000", False, TimeSpan(START, START)),
    (
        "2026-05-20T00:00:00.000+0000", "2026-05-20T00:00:00.000+0000", True,
        TimeSpan(datetime(2026, 5, 20, tzinfo=UTC), datetime(2026, 5, 21, tzinfo=UTC), True),
    ),
    (
        "2026-12-31T00:00:00.000+0000", "2027-01-01T00:00:00.000+0000", True,
        TimeSpan(datetime(2026, 12, 31, tzinfo=UTC), datetime(2027, 1, 2, tzinfo=UTC), True),
    ),
]  # fmt: skip


@pytest.mark.parametrize(("start", "end", "is_all_day", "span"), SPANS)
def test_spans(start: str, end: str, is_all_day: bool, span: TimeSpan) -> None:
    """An all-day record ends on its last day, our span after it; both ways."""
    content = held(StartDateTime=start, EndDateTime=end, IsAllDayEvent=is_all_day)
    assert content.span == span
    written = to_fields(content, ["time"], NAMES, "")
    assert written == {
        "IsAllDayEvent": is_all_day,
        "StartDateTime": start.replace(".000+0000", "Z"),
        "EndDateTime": end.replace(".000+0000", "Z"),
    }


@pytest.mark.parametrize(
    ("is_set", "at", "minutes"),
    [
        (True, "2026-05-20T13:45:00.000+0000", 15),
        (True, "2026-05-20T14:00:00.000+0000", 0),
        (True, "2026-05-20T15:00:00.000+0000", 0),  # never negative
        (True, "2026-05-20T13:59:30.000+0000", 0),
        (True, None, None),
        (False, "2026-05-20T13:45:00.000+0000", None),
    ],
)
def test_reminders_are_minutes_before_the_start(is_set: bool, at: str | None, minutes: int | None) -> None:
    """A reminder that has fired unsets itself and keeps its time."""
    assert held(IsReminderSet=is_set, ReminderDateTime=at).reminder_minutes == minutes


@pytest.mark.parametrize("show_as", list(ShowAs))
def test_show_as_values(show_as: ShowAs) -> None:
    """Each of the five comes back; the standard list knows three, unknown is Busy."""
    content = CalendarEvent(TimeSpan(START, START), show_as=show_as)
    extended = to_fields(content, ["show_as"], NAMES, "")
    read_back = ShowAs.BUSY if show_as is ShowAs.UNKNOWN else show_as
    assert held(**extended).show_as is read_back
    assert as_held(content, "show_as", NAMES) is read_back
    bare = replace(NAMES, show_as="")
    standard = to_fields(content, ["show_as"], bare, "")
    assert set(standard) == {"ShowAs"}
    assert standard["ShowAs"] in {"Busy", "OutOfOffice", "Free"}
    three = show_as if show_as in {ShowAs.FREE, ShowAs.OUT_OF_OFFICE} else ShowAs.BUSY
    assert to_item(record(**standard), [], bare).content.show_as is three is as_held(content, "show_as", bare)


@pytest.mark.parametrize("sensitivity", list(Sensitivity))
def test_sensitivities(sensitivity: Sensitivity) -> None:
    """Whatever is not normal is private."""
    content = CalendarEvent(TimeSpan(START, START), sensitivity=sensitivity)
    written = to_fields(content, ["privacy"], NAMES, "")
    assert written == {"IsPrivate": sensitivity is not Sensitivity.NORMAL}
    assert held(**written).sensitivity in {Sensitivity.NORMAL, Sensitivity.PRIVATE}


@pytest.mark.parametrize(
    ("status", "text", "response"),
    [
        ("New", None, Response.NONE),
        ("New", "Tentative", Response.TENTATIVE),
        ("New", "I am not sure", Response.NONE),
        ("Accepted", None, Response.ACCEPTED),
        ("Accepted", "Tentative", Response.ACCEPTED),
        ("Declined", "sorry", Response.DECLINED),
        ("Maybe", None, Response.TENTATIVE),
        ("Uninvited", None, Response.NONE),
        (None, None, Response.NONE),
    ],
)
def test_answers(status: str, text: str | None, response: Response) -> None:
    """The comment says tentative where the status cannot."""
    (attendee,) = to_item(record(), [row(CONTACT, status, text)], NAMES).content.attendees
    assert (attendee.response, attendee.is_user) == (response, False)


def test_only_people_are_attendees() -> None:
    """Rooms and leads stay what they are; with Shared Activities so do links."""
    rows = [row(BOB), row("023QH00000aBcDeYAK"), row("00QQH00000aBcDeYAK"), row(CONTACT, IsInvitee=False)]
    assert [a.record_id for a in to_item(record(), rows, NAMES).content.rooms] == ["023QH00000aBcDeYAK"]
    assert to_item(record(), rows, replace(NAMES, calendar_prefix="")).content.rooms == ()
    assert [a.record_id for a in to_item(record(), rows, NAMES).content.attendees] == [BOB, CONTACT]
    rows[0]["IsInvitee"] = True
    assert [a.record_id for a in to_item(record(), rows, SHARED).content.attendees] == [BOB]


@pytest.mark.parametrize("group", ALL)
def test_a_group_writes_its_own_members(group: str) -> None:
    """No other; a moved event with a reminder takes that along."""
    content = CalendarEvent(
        TimeSpan(START, START + timedelta(hours=1)), "s", "b", "l", ShowAs.FREE, Sensitivity.PRIVATE, 15,
        (Attendee("", record_id=CONTACT),), None, ADA, True, "Synced", "AAMk", "Every day", True,
        "https://teams.example/1",
    )  # fmt: skip
    reminder = {"IsReminderSet": True, "ReminderDateTime": "2026-05-20T13:45:00Z"}
    expected: dict[str, dict[str, Any]] = {
        "time": {"IsAllDayEvent": False, "StartDateTime": "2026-05-20T14:00:00Z", "EndDateTime": "2026-05-20T15:00:00Z"}
        | reminder,
        "subject": {"Subject": "s"},
        "body": {"Description": "b"},
        "location": {"Location": "l"},
        "show_as": {"practifi__Show_Time_As__c": "Free"},
        "privacy": {"IsPrivate": True},
        "reminder": reminder,
        "people": {"practifi__Send_Invitations_to_Attendees__c": True},
        "owner": {"OwnerId": ADA},
        "teams": {"practifi__Teams_Meeting__c": True},
        "rooms": {},
        "join_url": {"practifi__Teams_Meeting_URL__c": "https://teams.example/1"},
        "recurring": {"practifi__Recurring_in_Microsoft_365__c": "Every day"},
        "marks": {
            "Concord_Sync_Key__c": "key", "practifi__External_ID__c": "AAMk",
            "practifi__Microsoft_365_Sync_Status__c": "Synced",
        },
    }  # fmt: skip
    assert to_fields(content, [group], NAMES, "key") == expected[group]
    assert set(expected) == set(ALL) == set(MEMBERS)


def test_empty_values_clear() -> None:
    """Nothing is written as null, never as an empty text."""
    bare = CalendarEvent(TimeSpan(START, START))
    written = to_fields(bare, ["subject", "body", "location", "reminder", "recurring", "owner"], NAMES, "")
    assert written == {
        "Subject": None, "Description": None, "Location": None, "IsReminderSet": False, "ReminderDateTime": None,
        "practifi__Recurring_in_Microsoft_365__c": None,
    }  # fmt: skip


@given(TEXTS, st.integers(1, 300))
def test_fitted_texts_fit_and_stay_texts(text: str, limit: int) -> None:
    """At most so many UTF-16 units, no half characters, no controls; fitting twice changes nothing."""
    fitted = translate.fitted(text, limit)
    assert len(fitted.encode("utf-16-le")) <= 2 * limit
    assert fitted.encode().decode() == fitted
    assert translate.fitted(fitted, limit) == fitted == fitted.strip()
    assert translate.clean(text).startswith(fitted)


@given(of_type(CalendarEvent), of_type(FieldNames), st.lists(st.sampled_from(ALL)))
def test_any_content_has_a_form_and_a_body(content: CalendarEvent, names: FieldNames, groups: list[str]) -> None:
    """Whatever comes from the other side: no error, and texts that JSON can carry."""
    span = replace(content.span, start_utc=max(content.span.start_utc, datetime(2, 1, 1, tzinfo=UTC)))
    span = replace(span, end_utc=max(content.span.end_utc, span.start_utc))
    minutes = min(abs(content.reminder_minutes or 0), 100)
    content = replace(content, span=span, reminder_minutes=minutes)
    for value in to_fields(content, groups, names, "key").values():
        assert value is None or isinstance(value, (bool, str))
    for group in ALL:
        assert as_held(content, group, names) == as_held(content, group, names)
    assert set(people_as_held(content, "")) <= {a.record_id[:15] for a in content.attendees}


def test_a_group_of_tomorrow_is_nothing_to_write() -> None:
    """A command of a newer Concord is not stuck on a group that this one does not know."""
    content = CalendarEvent(TimeSpan(START, START))
    assert to_fields(content, ["seating plan"], NAMES, "") == {}
    assert as_held(content, "seating plan", NAMES) == as_held(replace(content, subject="x"), "seating plan", NAMES)


@pytest.mark.parametrize("missing", ["Id", "StartDateTime", "IsAllDayEvent", "SystemModstamp", "CreatedDate"])
def test_what_is_no_event_is_an_error(missing: str) -> None:
    """Of the kinds that callers expect."""
    for broken in ({k: v for k, v in record().items() if k != missing}, record(**{missing: {}})):
        if missing in {"Id", "IsAllDayEvent"} and missing in broken:
            continue
        with pytest.raises((KeyError, TypeError, ValueError)):
            to_item(broken, [], NAMES)


def test_a_record_too_large_to_keep_is_left_out() -> None:
    """The log has limits; the item goes on it all the same."""
    assert translate.native(record(Description="x" * 32_000), []) != ""
    assert translate.native(record(Description="x" * 300_000), []) == ""


def wanted(*people: Attendee, **members: Any) -> CalendarEvent:
    """Content with these people."""
    return CalendarEvent(TimeSpan(START, START), attendees=people, **members)


def test_people_without_a_record_or_twice_make_no_row() -> None:
    """Nor does the owner, nor anybody in a private event."""
    people = (
        Attendee("a@x.example"), Attendee("b@x.example", record_id=CONTACT, response=Response.DECLINED),
        Attendee("c@x.example", record_id=CONTACT), Attendee("", record_id=ADA), Attendee("", record_id="001QH0000"),
    )  # fmt: skip
    difference = Relations("00U", [], NAMES).towards(wanted(*people), ADA)
    assert difference.inserts == ({"EventId": "00U", "RelationId": CONTACT, "Status": "Declined"},)
    private = wanted(*people, sensitivity=Sensitivity.PERSONAL)
    assert Relations("00U", [row(BOB)], NAMES).towards(private, ADA).deletes == (row(BOB)["Id"],)


def test_a_row_that_invites_nobody_is_left_alone() -> None:
    """It says whom the event is about."""
    link = row(CONTACT, IsInvitee=False, IsParent=True)
    found = Relations("00U", [link], SHARED).towards(wanted(), ADA)
    assert (found.inserts, found.updates, found.deletes) == ((), (), ())


def test_an_organizers_answer_is_an_acceptance() -> None:
    """Salesforce has no organizer among its attendees."""
    organizer = wanted(Attendee("", record_id=BOB, response=Response.ORGANIZER))
    assert Relations("00U", [], NAMES).towards(organizer, ADA).inserts[0]["Status"] == "Accepted"
    assert people_as_held(organizer, ADA) == {BOB[:15]: Response.ACCEPTED}
    there = Relations("00U", [row(BOB, "Accepted", "fine")], NAMES).towards(organizer, ADA)
    assert (there.inserts, there.updates, there.deletes) == ((), (), ())


@pytest.mark.parametrize(
    ("before", "response", "update"),
    [
        (("New", None), Response.TENTATIVE, {"Status": "New", "Response": "Tentative"}),
        (("Maybe", None), Response.TENTATIVE, None),
        (("New", "Tentative"), Response.ACCEPTED, {"Status": "Accepted", "Response": None}),
        (("New", "late"), Response.ACCEPTED, {"Status": "Accepted"}),
        (("Accepted", "late"), Response.NONE, {"Status": "New"}),
        (("Uninvited", None), Response.NONE, None),
    ],
)
def test_answers_are_changed_with_as_little_as_can_be(
    before: tuple[str, str | None], response: Response, update: dict[str, Any] | None
) -> None:
    """A comment that is not ours stays."""
    found = Relations("00U", [row(BOB, *before)], NAMES).towards(
        wanted(Attendee("", record_id=BOB, response=response)), ""
    )
    assert [dict(one) for one in found.updates] == ([] if update is None else [{"id": row(BOB)["Id"], **update}])
    assert (found.inserts, found.deletes) == ((), ())
