"""iCalendar files read into values: the standard, the habits of exporters, and what broken files are told."""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.resources import files

import pytest

from simulators.ics_events import IcsEvent, Moment, Person, Unread
from simulators.ics_reading import read_ics

CUSTOM_ZONE = """BEGIN:VTIMEZONE
TZID:Office
BEGIN:STANDARD
DTSTART:19700101T000000
TZOFFSETFROM:+0530
TZOFFSETTO:+0530
END:STANDARD
END:VTIMEZONE
"""


def calendar(*blocks: str) -> bytes:
    """A calendar with these blocks of lines."""
    lines = "\n".join(block.strip("\n") for block in blocks)
    return f"BEGIN:VCALENDAR\nVERSION:2.0\nPRODID:-//x//y//\n{lines}\nEND:VCALENDAR\n".replace("\n", "\r\n").encode()


def vevent(*lines: str, start: str = "DTSTART:20260302T090000Z", end: str = "DTEND:20260302T100000Z") -> str:
    """One VEVENT with a start, an end and further lines."""
    body = "\n".join(line for line in ("UID:a", start, end, *lines) if line)
    return f"BEGIN:VEVENT\n{body}\nEND:VEVENT"


def one(*lines: str, **times: str) -> IcsEvent:
    """The single event of a file made from these lines."""
    events, unread = read_ics(calendar(CUSTOM_ZONE, vevent(*lines, **times)))
    assert unread == ()
    assert len(events) == 1
    return events[0]


def refusal(*lines: str, **times: str) -> Unread:
    """Why the only event of a file is not used."""
    events, unread = read_ics(calendar(CUSTOM_ZONE, vevent(*lines, **times)))
    assert events == ()
    assert len(unread) == 1
    return unread[0]


def wall(text: str) -> datetime:
    """A wall-clock time."""
    return datetime.fromisoformat(text)


def instant(moment: Moment) -> datetime:
    """A moment in UTC."""
    return moment.wall.replace(tzinfo=moment.zone).astimezone(UTC)


# --- time -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "expected"),
    [
        ("DTSTART:20260302T090000Z", datetime(2026, 3, 2, 9, 0, tzinfo=UTC)),
        ("DTSTART;TZID=Europe/Paris:20260302T090000", datetime(2026, 3, 2, 8, 0, tzinfo=UTC)),
        ("DTSTART;TZID=AUS Eastern Standard Time:20260302T090000", datetime(2026, 3, 1, 22, 0, tzinfo=UTC)),
        ("DTSTART;TZID=Office:20260302T090000", datetime(2026, 3, 2, 3, 30, tzinfo=UTC)),
    ],
)
def test_zones_of_every_kind_give_the_same_instant(start: str, expected: datetime) -> None:
    """UTC, IANA, Windows and a zone defined in the file."""
    assert instant(one(start=start, end="DURATION:PT1H").start) == expected


def test_a_time_without_zone_floats() -> None:
    """It means the zone of whoever reads it, so none is made up."""
    read = one(start="DTSTART:20260302T090000", end="DURATION:PT1H30M")
    assert read.start == Moment(wall("2026-03-02T09:00"), None)
    assert read.end.wall == wall("2026-03-02T10:30")


def test_a_start_that_cannot_be_read_is_not_said_to_be_missing() -> None:
    """The reason must be true: the line is there, it is only broken."""
    assert refusal(start="DTSTART;;VALUE=DATE-TIME:20140409T093000").reason == "its start (DTSTART) cannot be read"
    assert refusal(start="").reason == "it has no start (DTSTART)"


def test_an_alarm_of_no_action_is_no_alarm() -> None:
    """Apple's calendar says "no alarm" by one of action NONE, half a century before the event."""
    alarm = ("BEGIN:VALARM", "ACTION:NONE", "TRIGGER;VALUE=DATE-TIME:19760401T005545Z", "END:VALARM")
    assert one(*alarm).reminder_minutes is None


def test_an_unknown_zone_is_refused_by_name() -> None:
    """Guessing would move the meeting."""
    assert "'Nowhere/Land' is neither" in refusal(start="DTSTART;TZID=Nowhere/Land:20260302T090000").reason


@pytest.mark.parametrize(
    ("start", "end", "last"),
    [
        ("DTSTART;VALUE=DATE:20260302", "DTEND;VALUE=DATE:20260304", wall("2026-03-04")),
        ("DTSTART;VALUE=DATE:20260302", "", wall("2026-03-03")),
        ("DTSTART;VALUE=DATE:20260302", "DURATION:P2D", wall("2026-03-04")),
        ("DTSTART;VALUE=DATE:20260302", "DURATION:PT1H", wall("2026-03-03")),
        ("DTSTART;VALUE=DATE:20260302", "DTEND;VALUE=DATE:20260302", wall("2026-03-03")),
    ],
)
def test_dates_make_all_day_events(start: str, end: str, last: datetime) -> None:
    """The end is exclusive; without one it lasts the day; an end on the same day is meant inclusively."""
    read = one(start=start, end=end)
    assert read.is_all_day
    assert (read.start.wall, read.end.wall) == (wall("2026-03-02"), last)


def test_outlooks_mark_makes_midnights_all_day() -> None:
    """Outlook writes midnights and says all-day in a property of its own; without midnights the mark is ignored."""
    mark = "X-MICROSOFT-CDO-ALLDAYEVENT:TRUE"
    midnights = {"start": "DTSTART;TZID=Office:20260302T000000", "end": "DTEND;TZID=Office:20260303T000000"}
    assert one(mark, **midnights).is_all_day
    assert not one(**midnights).is_all_day
    assert not one(mark).is_all_day


def test_an_event_without_end_lasts_no_time() -> None:
    """RFC 5545: a start alone ends when it starts."""
    read = one(end="")
    assert read.start == read.end


def test_hours_count_as_elapsed_time_across_a_clock_change() -> None:
    """Three hours from 00:30 on the night the clock goes forward end at 04:30; a day ends at the same wall time."""
    start = "DTSTART;TZID=Europe/Paris:20260329T003000"
    assert one(start=start, end="DURATION:PT3H").end.wall == wall("2026-03-29T04:30")
    assert one(start=start, end="DURATION:P1D").end.wall == wall("2026-03-30T00:30")


@pytest.mark.parametrize(
    ("times", "reason"),
    [
        ({"start": ""}, "no start"),
        ({"start": "DTSTART:whenever"}, "DTSTART cannot be read"),
        ({"end": "DTEND:later"}, "DTEND cannot be read"),
        ({"end": "DURATION:P999999999999999999W"}, "DURATION cannot be read"),
        ({"end": "DTEND:20260301T100000Z"}, "ends before it starts"),
        ({"start": "DTSTART;VALUE=DATE:20260302"}, "start is a date and its end a time"),
        ({"start": "DTSTART:20260302T090000Z\nDTSTART:20260302T093000Z"}, "gives DTSTART 2 times"),
    ],
)
def test_a_time_that_means_nothing_is_refused(times: dict[str, str], reason: str) -> None:
    """The reason names the property at fault."""
    assert reason in refusal("SUMMARY:Odd", **times).reason


# --- the rest -------------------------------------------------------------------------------------------------


def test_what_is_missing_has_plain_defaults() -> None:
    """No SUMMARY, CLASS, TRANSP, VALARM: an untitled, normal, busy event without reminder."""
    read = one()
    assert (read.subject, read.body, read.location) == ("", "", "")
    assert (read.sensitivity, read.show_as, read.importance) == ("normal", "busy", "normal")
    assert (read.reminder_minutes, read.attendees, read.organizer, read.notes) == (None, (), None, ())


@pytest.mark.parametrize(
    ("line", "member", "value"),
    [
        ("CLASS:PRIVATE", "sensitivity", "private"),
        ("CLASS:CONFIDENTIAL", "sensitivity", "confidential"),
        ("CLASS:X-SECRET", "sensitivity", "private"),
        ("TRANSP:TRANSPARENT", "show_as", "free"),
        ("STATUS:TENTATIVE", "show_as", "tentative"),
        ("X-MICROSOFT-CDO-BUSYSTATUS:OOF", "show_as", "oof"),
        ("STATUS:CANCELLED", "is_cancelled", True),
        ("PRIORITY:1", "importance", "high"),
        ("PRIORITY:9", "importance", "low"),
        ("CATEGORIES:Client,Review", "categories", ("Client", "Review")),
        ("DESCRIPTION:two\\nlines\\, one comma", "body", "two\nlines, one comma"),
        ("SUMMARY:  מפגש 📅  ", "subject", "מפגש 📅"),
    ],
)
def test_each_property_means_what_the_standard_says(line: str, member: str, value: object) -> None:
    """One property at a time; an unknown class is private."""
    assert getattr(one(line), member) == value


@pytest.mark.parametrize(
    ("trigger", "minutes"),
    [
        ("TRIGGER:-PT15M", 15),
        ("TRIGGER:-P1D", 1440),
        ("TRIGGER:PT0S", 0),
        ("TRIGGER;RELATED=END:-PT90M", 30),
        ("TRIGGER;VALUE=DATE-TIME:20260302T083000Z", 30),
        ("TRIGGER:PT10M", None),
        ("TRIGGER:nonsense", None),
    ],
)
def test_an_alarm_becomes_minutes_before_the_start(trigger: str, minutes: int | None) -> None:
    """Relative to start or end, absolute, or after the start (which no calendar's reminder can be)."""
    assert one(f"BEGIN:VALARM\nACTION:DISPLAY\n{trigger}\nEND:VALARM").reminder_minutes == minutes


def test_people_are_read_with_kind_and_answer() -> None:
    """Addresses by mailto, EMAIL parameter or bare; doubles count once; those without an address are noted."""
    read = one(
        "ORGANIZER;CN=Otto Outside:mailto:otto@elsewhere.example",
        "ATTENDEE;CN=Kit Marsh;PARTSTAT=ACCEPTED:MAILTO:kit@clients.example",
        "ATTENDEE;ROLE=OPT-PARTICIPANT;PARTSTAT=DECLINED:kim@clients.example",
        "ATTENDEE;CUTYPE=ROOM;EMAIL=one@rooms.example:urn:uuid:1234",
        "ATTENDEE:mailto:KIT@clients.example",
        "ATTENDEE;CN=Nobody:invalid:nomail",
    )
    assert read.organizer == Person("otto@elsewhere.example", "Otto Outside")
    assert read.attendees == (
        Person("kit@clients.example", "Kit Marsh", "required", "accepted"),
        Person("kim@clients.example", "kim@clients.example", "optional", "declined"),
        Person("one@rooms.example", "one@rooms.example", "resource", "none"),
    )
    assert read.notes == ("left out 1 attendee(s) without a mail address",)


def test_recurrence_is_read_with_its_changed_dates() -> None:
    """The rule with its end on the series' own clocks, the days left out, and what stands for single dates."""
    series = vevent(
        "RRULE:FREQ=WEEKLY;UNTIL=20260323T080000Z",
        "EXDATE;TZID=Europe/Paris:20260316T090000,20260323T090000",
        start="DTSTART;TZID=Europe/Paris:20260309T090000",
        end="DTEND;TZID=Europe/Paris:20260309T100000",
    )
    moved = vevent("RECURRENCE-ID:20260309T080000Z", "SUMMARY:moved")
    events, unread = read_ics(calendar(series, moved))
    assert unread == ()
    (event,) = events
    assert event.repeats is not None
    assert event.repeats.text == "FREQ=WEEKLY;UNTIL=20260323T090000"
    assert [moment.wall.day for moment in event.repeats.excluded] == [16, 23]
    assert [(one.subject, one.instead_of is not None) for one in event.overrides] == [("moved", True)]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (("RRULE:FREQ=DAILY", "RRULE:FREQ=WEEKLY"), "several rules"),
        (("RRULE:FREQ=DAILY", "EXRULE:FREQ=WEEKLY"), "EXRULE"),
        (("RRULE:FREQ=ODD",), "RRULE"),
        (("RRULE:FREQ=DAILY", "RDATE;VALUE=PERIOD:20260303T090000Z/PT1H"), "period"),
        (("RECURRENCE-ID;RANGE=THISANDFUTURE:20260303T090000Z",), "all that follow"),
    ],
)
def test_recurrence_that_no_series_can_have_is_refused(lines: tuple[str, ...], reason: str) -> None:
    """What would make another series of it is refused with what it is."""
    assert reason in refusal(*lines).reason


def test_the_newest_revision_of_an_event_counts() -> None:
    """Same UID twice: the higher SEQUENCE is used, the other reported."""
    nameless = vevent("SUMMARY:no id").replace("UID:a\n", "")
    new, old = vevent("SEQUENCE:2", "SUMMARY:new"), vevent("SEQUENCE:1", "SUMMARY:old")
    events, unread = read_ics(calendar(nameless, new, old, nameless))
    assert [event.subject for event in events] == ["no id", "new", "no id"]
    assert [(entry.subject, "newer revision" in entry.reason) for entry in unread] == [("old", True)]


# --- broken files ---------------------------------------------------------------------------------------------


def test_a_break_outside_an_event_spares_the_events() -> None:
    """A zone with an impossible offset, a stray line and an unreadable event: the good event is still read."""
    bad_zone = CUSTOM_ZONE.replace("Office", "Bad").replace("+0530", "+5744")
    data = calendar(bad_zone, "X", vevent("SUMMARY:good"), "BEGIN:VEVENT\nDTSTART;TZID=Bad:20260302T090000\nEND:VEVENT")
    events, unread = read_ics(data)
    assert [event.subject for event in events] == ["good"]
    assert ["'Bad' is neither" in entry.reason for entry in unread] == [True]


def test_a_line_that_cannot_be_read_is_noted() -> None:
    """The event is used without the line, and the note says so."""
    assert any("X-RADIUS=49" in note for note in one("SUMMARY:kept", "X-RADIUS=49").notes)
    alarm = "BEGIN:VALARM\nACTION:DISPLAY\nTRIGGER:nonsense\nEND:VALARM"
    assert any("VALARM" in note for note in one("SUMMARY:kept", alarm).notes)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_files_in_other_encodings_are_read(encoding: str) -> None:
    """Byte order marks and old code pages."""
    text = calendar(vevent("SUMMARY:Café")).decode()
    events, _ = read_ics(text.encode(encoding))
    assert events[0].subject == "Café"


@pytest.mark.parametrize("data", [b"", b"hello", b"\x00\xff" * 50, b"<html></html>", b"BEGIN:VCARD\r\nEND:VCARD\r\n"])
def test_a_file_that_is_no_calendar_is_said_to_be_none(data: bytes) -> None:
    """One sentence, no crash."""
    with pytest.raises(ValueError, match="not an iCalendar file"):
        read_ics(data)


def test_the_librarys_own_hard_cases_never_crash() -> None:
    """Every file that the icalendar package ships is read or refused; each event is counted once, with a reason."""
    read = refused = 0
    for folder in ("calendars", "events", "alarms", "timezones"):
        for path in sorted((files("icalendar") / "tests" / folder).iterdir(), key=lambda entry: entry.name):
            if not path.name.endswith(".ics"):
                continue
            data = path.read_bytes()
            try:
                events, unread = read_ics(data)
            except ValueError as problem:
                assert "not an iCalendar file" in str(problem)  # noqa: PT017
                continue
            assert len(events) + len(unread) <= data.upper().count(b"BEGIN:VEVENT"), path.name
            assert all(entry.reason for entry in unread), path.name
            read, refused = read + len(events), refused + len(unread)
    assert read > 60
    assert refused > 60
