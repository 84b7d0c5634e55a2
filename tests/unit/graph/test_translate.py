"""Graph's JSON to our values and back: tables, times, and whatever the service may send."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.graph import translate, wire
from connectors.graph.translate import WRITTEN_GROUPS, UnreadableEvent, to_body, to_content, to_item, to_native
from schemas.calendar import Attendee, AttendeeKind, CalendarEvent, Response, Sensitivity, ShowAs, TimeSpan
from schemas.changes import Change, Kind, Side
from schemas.codec import decode, encode
from schemas.groups import ALL, CONTENT
from schemas.topics import MAX_RECORD_BYTES

START = datetime(2026, 3, 10, 23, tzinfo=UTC)
NOW = datetime(2026, 3, 1, tzinfo=UTC)


def wall(text: str, zone: str | None = "UTC") -> dict[str, Any]:
    """A dateTimeTimeZone."""
    return {"dateTime": text, "timeZone": zone}


def graph_event(**members: Any) -> dict[str, Any]:
    """A timed single event as Graph returns it, with these members instead of the usual ones."""
    return {
        "@odata.etag": 'W/"v1"',
        "id": "AAMk=",
        "createdDateTime": "2026-03-02T08:15:31.4420173Z",
        "lastModifiedDateTime": "2026-03-02T08:15:32.1190444Z",
        "iCalUId": "0400",
        "subject": "Portfolio review",
        "body": {"contentType": "text", "content": "Agenda\r\nattached.\r\n"},
        "start": wall("2026-03-10T23:00:00.0000000"),
        "end": wall("2026-03-11T00:00:00.0000000"),
        "isAllDay": False,
        "location": {"displayName": "Banksia"},
        "showAs": "busy",
        "sensitivity": "normal",
        "isReminderOn": True,
        "reminderMinutesBeforeStart": 15,
        "isOrganizer": True,
        "isDraft": False,
        "isCancelled": False,
        "type": "singleInstance",
        "attendees": [
            {
                "type": "required",
                "status": {"response": "accepted"},
                "emailAddress": {"name": "Ines Park", "address": " Ines.Park@Client.example "},
            },
            {"type": "resource", "status": {}, "emailAddress": {"name": "Banksia", "address": "banksia@firm.example"}},
        ],
        "organizer": {"emailAddress": {"name": "Tom Reyes", "address": "tom@firm.example"}},
        **members,
    }


def test_an_event_is_read_whole() -> None:
    """Every member of an ordinary event arrives, cleaned: lower-case addresses, one kind of line end."""
    item = to_item(graph_event(singleValueExtendedProperties=[{"id": wire.PAIR_TAG, "value": "s:1"}]), "mailbox-1")
    assert item.content == CalendarEvent(
        span=TimeSpan(START, START + timedelta(hours=1)),
        subject="Portfolio review",
        body="Agenda\nattached.",
        location="Banksia",
        show_as=ShowAs.BUSY,
        sensitivity=Sensitivity.NORMAL,
        reminder_minutes=15,
        attendees=(
            Attendee("ines.park@client.example", "Ines Park", AttendeeKind.REQUIRED, Response.ACCEPTED),
            Attendee("banksia@firm.example", "Banksia", AttendeeKind.RESOURCE, Response.NONE),
        ),
        organizer=Attendee("tom@firm.example", "Tom Reyes", response=Response.ORGANIZER),
        rooms=(Attendee("banksia@firm.example", "Banksia", AttendeeKind.RESOURCE),),
    )
    assert (item.side, item.id, item.version, item.mailbox) == (Side.GRAPH, "AAMk=", 'W/"v1"', "mailbox-1")
    assert (item.kind, item.i_cal_uid, item.sync_key) == (Kind.SINGLE, "0400", "s:1")
    assert item.created_at == datetime(2026, 3, 2, 8, 15, 31, 442017, UTC)
    assert item.modified_at == datetime(2026, 3, 2, 8, 15, 32, 119044, UTC)
    assert item.is_organizer
    assert not item.is_draft


@pytest.mark.parametrize(
    ("table", "kind"),
    [
        (translate.SHOW_AS_WORDS, ShowAs),
        (translate.SENSITIVITY_WORDS, Sensitivity),
        (translate.ATTENDEE_WORDS, AttendeeKind),
        (translate.RESPONSE_WORDS, Response),
        (translate.KIND_WORDS, Kind),
    ],
)
def test_each_table_is_total(table: tuple[tuple[StrEnum, str], ...], kind: type[StrEnum]) -> None:
    """Every value of ours has a word, and no word of Graph's has two meanings."""
    assert {value for value, _ in table} == set(kind)
    assert len({word for _, word in table}) == len(table)


GRAPH_WORDS = {
    "showAs": ("unknown", "free", "tentative", "busy", "oof", "workingElsewhere"),
    "sensitivity": ("normal", "personal", "private", "confidential"),
}


@pytest.mark.parametrize(("member", "word"), [(m, w) for m, words in GRAPH_WORDS.items() for w in words])
def test_each_word_survives_reading_and_writing(member: str, word: str) -> None:
    """What Graph said goes back as Graph said it; input words are read in any case."""
    for spelled in (word, word.upper()):
        content = to_content(graph_event(**{member: spelled}))
        assert to_body(content, CONTENT)[member] == word


@pytest.mark.parametrize(
    "word", ["none", "organizer", "tentativelyAccepted", "accepted", "declined", "notResponded", "?"]
)
def test_each_response_is_read(word: str) -> None:
    """Every answer of Graph's has a meaning; an unknown one counts as silence."""
    attendee = {"emailAddress": {"address": "a@b"}, "status": {"response": word}}
    expected = {"tentativelyAccepted": "tentative", "notResponded": "none", "?": "none"}.get(word, word)
    assert to_content(graph_event(attendees=[attendee])).attendees[0].response == expected


def test_an_unknown_sensitivity_is_private() -> None:
    """What may be secret is not shown; a missing value is normal."""
    assert to_content(graph_event(sensitivity="topSecret")).sensitivity is Sensitivity.PRIVATE
    assert to_content(graph_event(sensitivity=None)).sensitivity is Sensitivity.NORMAL


@pytest.mark.parametrize(
    ("members", "minutes"),
    [
        ({"isReminderOn": True, "reminderMinutesBeforeStart": 0}, 0),
        ({"isReminderOn": False, "reminderMinutesBeforeStart": 15}, None),
        ({"isReminderOn": None, "reminderMinutesBeforeStart": 15}, None),
        ({"isReminderOn": True, "reminderMinutesBeforeStart": None}, None),
        ({"isReminderOn": True, "reminderMinutesBeforeStart": -5}, 0),
        ({"isReminderOn": True, "reminderMinutesBeforeStart": 2**31 - 1}, translate.REMINDER_MINUTES_MAX),
        ({"isReminderOn": True, "reminderMinutesBeforeStart": "15"}, None),
    ],
)
def test_a_reminder_counts_only_when_it_is_on(members: dict[str, Any], minutes: int | None) -> None:
    """Graph keeps the number when the reminder is off; absurd numbers are held where dates can be reckoned with."""
    assert to_content(graph_event(**members)).reminder_minutes == minutes


def test_a_reminder_before_the_calendar_begins_is_none() -> None:
    """Start minus reminder must be a date, or everyone downstream would stumble."""
    early = graph_event(start=wall("0001-01-01T00:00:00.0000000"), end=wall("0001-01-01T01:00:00.0000000"))
    assert to_content(early).reminder_minutes is None


@pytest.mark.parametrize(
    ("start", "end", "first", "after"),
    [
        ("2026-03-29T00:00:00.0000000", "2026-03-30T00:00:00.0000000", (2026, 3, 29), (2026, 3, 30)),
        ("2026-03-29T00:00:00", "2026-04-02T00:00:00", (2026, 3, 29), (2026, 4, 2)),
        ("2026-03-29T09:30:00", "2026-03-29T17:00:00", (2026, 3, 29), (2026, 3, 30)),
        ("2026-03-29T00:00:00", "2026-03-29T00:00:00", (2026, 3, 29), (2026, 3, 30)),
        ("2026-03-29T00:00:00", "2026-03-01T00:00:00", (2026, 3, 29), (2026, 3, 30)),
        ("9999-12-31T00:00:00", "9999-12-31T00:00:00", (9999, 12, 31), (9999, 12, 31)),
    ],
)
@pytest.mark.parametrize("zone", ["UTC", "AUS Eastern Standard Time", None])
def test_all_day_events_float(
    start: str, end: str, first: tuple[int, int, int], after: tuple[int, int, int], zone: str | None
) -> None:
    """Their dates are midnights in UTC whatever zone is named; they last at least a day where the calendar has one."""
    span = to_content(graph_event(isAllDay=True, start=wall(start, zone), end=wall(end, zone))).span
    assert span == TimeSpan(datetime(*first, tzinfo=UTC), datetime(*after, tzinfo=UTC), is_all_day=True)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (wall("2026-03-10T23:00:00.0000000"), START),
        (wall("2026-03-10T23:00:00", None), START),
        (wall("2026-03-10T23:00:00Z", "Whatever"), START),
        (wall("2026-03-11T10:00:00", "Australia/Sydney"), START),
        (wall("2026-03-10T23:00:00.9999999"), START.replace(microsecond=999999)),
        (wall("0001-01-01T00:00:00.0000000"), datetime(1, 1, 1, tzinfo=UTC)),
        (wall("0001-01-01T00:00:00", "Australia/Sydney"), datetime(1, 1, 1, tzinfo=UTC)),
        (wall("9999-12-31T23:59:59.9999999"), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)),
        (wall("9999-12-31T23:00:00", "America/New_York"), datetime.max.replace(tzinfo=UTC)),
    ],
)
def test_times_are_read_in_utc(value: dict[str, Any], expected: datetime) -> None:
    """UTC is what we ask for; IANA zones and the ends of the calendar are read too."""
    assert to_content(graph_event(start=value, end=value)).span.start_utc == expected


@pytest.mark.parametrize("name", ["start", "end"])
@pytest.mark.parametrize(
    "value",
    [
        None, {}, "2026", {"dateTime": None}, {"dateTime": 7}, wall(""), wall("soon"), wall("2026-13-01T00:00:00"),
        wall("2026-02-30T00:00:00"), wall("2026-03-10T25:00:00"), wall("10000-01-01T00:00:00"),
        wall("2026-03-10T23:00:00", "Atlantis Standard Time"), wall("2026-03-10T23:00:00", "../etc/passwd"),
    ],
)  # fmt: skip
def test_an_event_without_readable_times_is_for_quarantine(name: str, value: Any) -> None:
    """There is no honest guess for when it takes place."""
    with pytest.raises(UnreadableEvent):
        to_item(graph_event(**{name: value}), "m")


@pytest.mark.parametrize("event_id", [None, "", 7, []])
def test_an_event_without_id_is_for_quarantine(event_id: Any) -> None:
    """Without an id nothing can be kept in agreement with it."""
    with pytest.raises(UnreadableEvent):
        to_item(graph_event(id=event_id), "m")


def test_the_bare_minimum_is_an_item() -> None:
    """Id and times are enough; everything else has a value for missing, and for null."""
    least = {"id": "x", "start": wall("2026-03-10T23:00:00"), "end": wall("2026-03-11T00:00:00")}
    nulls = {name: None for name in graph_event() if name not in least}
    for event in (least, {**nulls, **least}):
        item = to_item(event, "m")
        assert item.content.show_as is ShowAs.UNKNOWN
        assert (item.content.subject, item.content.attendees, item.content.organizer) == ("", (), None)
        assert (item.version, item.i_cal_uid, item.is_organizer) == ("", "", True)
        assert item.modified_at == item.created_at == datetime(1970, 1, 1, tzinfo=UTC)


def test_a_version_is_made_from_the_change_key_when_there_is_no_etag() -> None:
    """Both say the same, so a write can still name what it was based on."""
    item = to_item(graph_event(**{"@odata.etag": None, "changeKey": "abc"}), "m")
    assert item.version == 'W/"abc"'


def test_three_hundred_attendees_are_read_and_nobodies_left_out() -> None:
    """A large meeting is no problem; an entry with neither address nor name is nobody, one with a name is somebody."""
    crowd: list[Any] = [{"emailAddress": {"address": f"P{n}@X.example", "name": f"Person {n}"}} for n in range(300)]
    nobodies = [None, {}, {"emailAddress": None}, {"emailAddress": {"address": "", "name": " "}}, "x"]
    named = {"emailAddress": {"address": None, "name": "Only Name"}, "type": "unheard-of"}
    attendees = to_content(graph_event(attendees=[*crowd, *nobodies, named])).attendees
    assert len(attendees) == 301
    assert attendees[299].address == "p299@x.example"
    assert attendees[300] == Attendee("", "Only Name")


def test_the_first_location_stands_for_the_event_and_several_are_listed_without_it() -> None:
    """`location` is what people see; only without it are `locations` read."""
    several = [{"displayName": "A"}, None, {"displayName": ""}, {"displayName": "B"}]
    assert to_content(graph_event(locations=several)).location == "Banksia"
    assert to_content(graph_event(location={}, locations=several)).location == "A; B"
    assert to_content(graph_event(location=None)).location == ""


def test_an_html_body_is_read_as_text() -> None:
    """A service that does not convert as asked is understood all the same."""
    body = {"contentType": "HTML", "content": "<html><body><p>One</p><p>two</p></body></html>"}
    assert to_content(graph_event(body=body)).body == "One\ntwo"


def test_a_poison_event_fits_every_schema() -> None:
    """Controls, emoji, right-to-left text, halves of surrogates, year 1, year 9999: the record encodes and decodes."""
    line = "\U0001f468" * 5_000_000
    text = "\x00\x1b[31m\u202e\u05e9\u05dc\u05d5\u05dd \U0001f468\u200d\U0001f469\ud83d " * 40
    event = graph_event(
        subject=line, body={"contentType": "text", "content": text * 3000}, location={"displayName": line},
        start=wall("0001-01-01T00:00:00"), end=wall("9999-12-31T23:59:59"),
        attendees=[{"emailAddress": {"address": text, "name": text}}] * 500,
    )  # fmt: skip
    item = to_item(event, "m")
    change = Change(Side.GRAPH, item.id, NOW, item, "m", native=to_native(event))
    assert decode(Change, encode(change)) == change
    assert len(encode(change)) < MAX_RECORD_BYTES
    assert change.native == ""  # far above 200 kB


def test_the_json_is_kept_beside_the_change_when_it_is_small() -> None:
    """What was read stays readable, surrogate halves replaced; large events are not kept."""
    assert json.loads(to_native(graph_event())) == graph_event()
    to_native(graph_event(subject="\ud83d")).encode()
    assert to_native(graph_event(subject="x" * translate.NATIVE_BYTES_MAX)) == ""


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)


@given(st.dictionaries(st.sampled_from(sorted(graph_event())), JSON, max_size=8))
def test_no_json_breaks_reading(members: dict[str, Any]) -> None:
    """Whatever stands in a member, the event is read or declared unreadable; what is read encodes."""
    try:
        item = to_item(graph_event(**members), "m")
    except UnreadableEvent:
        return
    change = Change(Side.GRAPH, item.id, NOW, item, "m", native=to_native(graph_event(**members)))
    assert decode(Change, encode(change)) == change


def test_a_patch_holds_only_the_groups_asked_for() -> None:
    """One group, its members, nothing else: every further member may mail people."""
    content = replace(to_content(graph_event()), is_teams=True)
    content = replace(content, location="Level 4")
    members = {
        "time": {"start", "end", "isAllDay"},
        "subject": {"subject"},
        "body": {"body"},
        "location": {"location"},
        "show_as": {"showAs"},
        "privacy": {"sensitivity"},
        "reminder": {"isReminderOn", "reminderMinutesBeforeStart"},
        "people": {"attendees"},
        "rooms": {"attendees"},
        "teams": {"isOnlineMeeting", "onlineMeetingProvider"},
        "owner": set(),
        "recurring": set(),
        "join_url": set(),
        "marks": set(),
    }
    assert set(members) == set(ALL)
    for group, expected in members.items():
        assert set(to_body(content, (group,))) == expected
    with pytest.raises(AssertionError):
        to_body(content, ("colour",))


def test_a_reminder_that_is_off_is_written_as_off() -> None:
    """Leaving the member out would leave Graph's default of 15 minutes on."""
    content = CalendarEvent(TimeSpan(START, START + timedelta(hours=1)))
    assert to_body(content, ("reminder",)) == {"isReminderOn": False}


def test_attendees_without_an_address_are_not_written() -> None:
    """Graph cannot invite a name."""
    people = (Attendee("a@b", "A", AttendeeKind.OPTIONAL, Response.DECLINED), Attendee("", "B"), Attendee("c@d"))
    content = CalendarEvent(TimeSpan(START, START), attendees=people)
    assert to_body(content, ("people",))["attendees"] == [
        {"type": "optional", "emailAddress": {"address": "a@b", "name": "A"}},
        {"type": "required", "emailAddress": {"address": "c@d"}},
    ]


def test_times_are_written_in_utc() -> None:
    """Wall clock in UTC, zone named, all-day said."""
    body = to_body(CalendarEvent(TimeSpan(START, START + timedelta(minutes=30))), ("time",))
    assert body["start"] == {"dateTime": "2026-03-10T23:00:00.000000", "timeZone": "UTC"}
    assert body["end"] == {"dateTime": "2026-03-10T23:30:00.000000", "timeZone": "UTC"}
    assert body["isAllDay"] is False


WORDS = st.text(max_size=30).map(translate.clean)
STARTS = st.datetimes(datetime(1900, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
SPANS = st.builds(
    lambda start, minutes: TimeSpan(start, start + timedelta(minutes=minutes)), STARTS, st.integers(1, 20_000)
)
DAYS = st.builds(
    lambda start, days: TimeSpan(
        start.replace(hour=0, minute=0, second=0, microsecond=0),
        start.replace(hour=0, minute=0, second=0, microsecond=0) + timedelta(days=days),
        is_all_day=True,
    ),
    STARTS,
    st.integers(1, 14),
)
CONTENTS = st.builds(
    CalendarEvent,
    span=SPANS | DAYS,
    subject=WORDS,
    body=WORDS,
    location=WORDS,
    show_as=st.sampled_from(ShowAs),
    sensitivity=st.sampled_from(Sensitivity),
    reminder_minutes=st.none() | st.integers(0, 40_320),
    attendees=st.lists(
        st.builds(Attendee, st.emails().map(str.lower), WORDS, st.sampled_from(AttendeeKind)), max_size=4
    ).map(tuple),
)


@given(CONTENTS)
def test_what_is_written_reads_back(content: CalendarEvent) -> None:
    """A body made from a content, read as an event, is that content: the two directions are inverse."""
    read = to_content(to_body(content, CONTENT))
    assert replace(read, rooms=()) == content
    assert [room.address for room in read.rooms] == [
        a.address for a in content.attendees if a.kind is AttendeeKind.RESOURCE
    ]


@pytest.mark.rule("7.3")
def test_attachments_are_neither_read_nor_written() -> None:
    """An event with attachments reads as one without, and no group writes any."""
    plain = {"id": "x", "subject": "Review", "start": {"dateTime": "2026-03-09T09:00:00", "timeZone": "UTC"},
             "end": {"dateTime": "2026-03-09T10:00:00", "timeZone": "UTC"}}  # fmt: skip
    attached = {**plain, "hasAttachments": True, "attachments": [{"name": "plan.pdf"}]}
    assert to_content(attached) == to_content(plain)
    assert "attachments" not in to_body(to_content(attached), WRITTEN_GROUPS)
