"""iCalendar files in a simulated mailbox: whose copy it becomes, what is refused, and that every event is counted."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any

import pytest

from simulators.clock import SimulatorClock
from simulators.firm import build_firm
from simulators.graph.service import GraphSimulator
from simulators.ics import ImportReport, import_ics
from simulators.launch import report_lines
from simulators.seeding_graph import build_graph

NOW = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
OWN = "tessa.marlowe@harbourlight.example"
COLLEAGUE = "idris.calder@harbourlight.example"


@pytest.fixture
def graph() -> GraphSimulator:
    """The built-in firm without events."""
    return build_graph(build_firm(NOW, events=0), SimulatorClock(NOW))


def put(graph: GraphSimulator, tmp_path: Path, *lines: str) -> tuple[ImportReport, dict[str, Any] | None]:
    """Import one event made from these lines; the report and the event as the mailbox holds it."""
    text = "\n".join(["BEGIN:VCALENDAR", "BEGIN:VEVENT", "UID:u-1", *lines, "END:VEVENT", "END:VCALENDAR", ""])
    path = tmp_path / "one.ics"
    path.write_text(text, encoding="utf-8")
    report = import_ics(graph, path, OWN)
    held = [event for event in graph.events_of(OWN) if event["iCalUId"] == "u-1"]
    return report, held[0] if held else None


TIMES = ("DTSTART:20260310T090000Z", "DTEND:20260310T100000Z")


def test_an_own_event_is_the_organizers(graph: GraphSimulator, tmp_path: Path) -> None:
    """No organizer, or the mailbox itself: it organizes; guests are listed, the organizer not; nobody is mailed."""
    _, held = put(
        graph,
        tmp_path,
        *TIMES,
        "SUMMARY:Own",
        f"ORGANIZER:mailto:{OWN}",
        f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{OWN}",
        "ATTENDEE;CN=Kit;PARTSTAT=TENTATIVE:mailto:kit@clients.example",
    )
    assert held is not None
    assert held["isOrganizer"] is True
    people = [(one["emailAddress"]["address"], one["status"]["response"]) for one in held["attendees"]]
    assert people == [("kit@clients.example", "tentativelyAccepted")]
    assert graph.mails == []


def test_an_outsiders_event_is_an_attendees_copy(graph: GraphSimulator, tmp_path: Path) -> None:
    """The organizer stays outside; the answer of the mailbox is what the file says; a cancelled one says so."""
    _, held = put(
        graph,
        tmp_path,
        *TIMES,
        "STATUS:CANCELLED",
        "ORGANIZER;CN=Otto:mailto:otto@elsewhere.example",
        f"ATTENDEE;PARTSTAT=ACCEPTED:mailto:{OWN}",
    )
    assert held is not None
    assert (held["isOrganizer"], held["isCancelled"]) == (False, True)
    assert held["organizer"]["emailAddress"] == {"name": "Otto", "address": "otto@elsewhere.example"}
    assert held["responseStatus"]["response"] == "accepted"


def test_a_colleagues_event_goes_into_the_colleagues_mailbox(graph: GraphSimulator, tmp_path: Path) -> None:
    """The tenant holds the organizer's mailbox, so the organizer's copy lies there and ours is an attendee's."""
    report, held = put(graph, tmp_path, *TIMES, f"ORGANIZER:mailto:{COLLEAGUE}", f"ATTENDEE:mailto:{OWN}")
    assert report.imported == 1
    assert f"put into the mailbox of its organizer, {COLLEAGUE}" in report.notes[0]
    theirs = [event for event in graph.events_of(COLLEAGUE) if event["iCalUId"] == "u-1"]
    assert theirs[0]["isOrganizer"] is True
    assert held is not None
    assert held["isOrganizer"] is False


@pytest.mark.parametrize(
    ("lines", "start", "is_all_day"),
    [
        (TIMES, "2026-03-10T09:00:00.0000000", False),
        (("DTSTART;TZID=Europe/Paris:20260310T090000", "DURATION:PT1H"), "2026-03-10T08:00:00.0000000", False),
        (("DTSTART:20260310T090000", "DURATION:PT1H"), "2026-03-09T22:00:00.0000000", False),
        (("DTSTART;VALUE=DATE:20260310",), "2026-03-10T00:00:00.0000000", True),
    ],
)
def test_times_arrive_as_meant(
    graph: GraphSimulator, tmp_path: Path, lines: tuple[str, ...], start: str, is_all_day: bool
) -> None:
    """UTC, a zone, floating (the mailbox's own zone, Sydney), and a date."""
    _, held = put(graph, tmp_path, *lines)
    assert held is not None
    assert (held["start"], held["isAllDay"]) == ({"dateTime": start, "timeZone": "UTC"}, is_all_day)


def test_details_arrive(graph: GraphSimulator, tmp_path: Path) -> None:
    """Text, place, privacy, availability, reminder, categories."""
    _, held = put(
        graph,
        tmp_path,
        *TIMES,
        "SUMMARY:Zusammenkunft 🎉",
        "DESCRIPTION:first\\nsecond",
        "LOCATION:Café",
        "CLASS:PRIVATE",
        "TRANSP:TRANSPARENT",
        "CATEGORIES:One,Two",
        "BEGIN:VALARM",
        "ACTION:DISPLAY",
        "TRIGGER:-PT5M",
        "END:VALARM",
    )
    assert held is not None
    assert (held["subject"], held["location"]["displayName"]) == ("Zusammenkunft 🎉", "Café")
    assert (held["sensitivity"], held["showAs"], held["categories"]) == ("private", "free", ["One", "Two"])
    assert (held["isReminderOn"], held["reminderMinutesBeforeStart"]) == (True, 5)
    assert "first" in held["bodyPreview"]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        ((*TIMES, "STATUS:CANCELLED"), "cancelled"),
        (("SUMMARY:x",), "no start"),
        (("DTSTART;VALUE=DATE:00010101",), "outside the years"),
        (("DTSTART:99991231T235959Z", "DURATION:PT1S"), "cannot be read: date value out of range"),
        ((*TIMES, *[f"ATTENDEE:mailto:guest{n}@clients.example" for n in range(501)]), "the mailbox refuses it"),
    ],
)
def test_what_a_mailbox_cannot_hold_is_refused(
    graph: GraphSimulator, tmp_path: Path, lines: tuple[str, ...], reason: str
) -> None:
    """The reason is the true one and the mailbox stays as it was."""
    report, held = put(graph, tmp_path, *lines)
    assert held is None
    assert (report.read, report.imported) == (1, 0)
    assert reason in report.refused[0].reason


def test_an_event_without_length_is_given_one_and_says_so(graph: GraphSimulator, tmp_path: Path) -> None:
    """Graph takes no event that ends when it starts; the completion is reported."""
    report, held = put(graph, tmp_path, "DTSTART:20260310T090000Z", "SUMMARY:Start only")
    assert held is not None
    assert held["end"]["dateTime"] == "2026-03-10T09:30:00.0000000"
    assert report.notes == ("Start only: it lasts no time, which a mailbox does not take: given 30 minutes",)


def test_the_same_file_twice_changes_nothing(graph: GraphSimulator, tmp_path: Path) -> None:
    """Known UIDs are refused the second time."""
    put(graph, tmp_path, *TIMES)
    report, _ = put(graph, tmp_path, *TIMES)
    assert [refusal.reason for refusal in report.refused] == ["the mailbox holds it already (same UID)"]
    assert len(graph.events_of(OWN)) == 1


def test_files_that_are_no_calendars_are_reported(graph: GraphSimulator, tmp_path: Path) -> None:
    """A missing file and a file of something else end in a sentence."""
    missing = import_ics(graph, tmp_path / "absent.ics", OWN)
    assert missing.sentence() == "absent.ics: not imported, No such file or directory"
    other = tmp_path / "other.ics"
    other.write_bytes(b"\x89PNG\r\n\x1a\n")
    assert "not an iCalendar file" in import_ics(graph, other, OWN).problem


def test_every_event_of_published_files_is_imported_or_refused(graph: GraphSimulator) -> None:
    """The files that the icalendar package ships for its own tests, good and broken: each event is accounted for."""
    imported = 0
    reasons: Counter[str] = Counter()
    for folder in ("calendars", "events", "alarms", "timezones"):
        for entry in sorted((files("icalendar") / "tests" / folder).iterdir(), key=lambda one: one.name):
            if not entry.name.endswith(".ics"):
                continue
            with as_file(entry) as path:
                report = import_ics(graph, path, OWN)
            assert report.read == report.imported + len(report.refused)
            assert all(report_lines((report,)))
            imported += report.imported
            reasons.update(refusal.reason.split(":")[0] for refusal in report.refused)
    assert imported >= 50
    held = sum(len(graph.events_of(user.id)) for user in graph.tenant.users)
    assert held >= imported
    assert graph.mails == []
    assert graph.last_fault is None
    assert not [reason for reason in reasons if reason.startswith("it cannot be read")], reasons


PARIS = ("DTSTART;TZID=Europe/Paris:20260309T090000", "DTEND;TZID=Europe/Paris:20260309T100000")


def test_recurrence_is_put_in_with_deleted_and_changed_dates(graph: GraphSimulator, tmp_path: Path) -> None:
    """A weekly series over a clock change: its rule in Graph's words, one date deleted, one moved, one cancelled."""
    moved = ("END:VEVENT", "BEGIN:VEVENT", "UID:u-1", "RECURRENCE-ID;TZID=Europe/Paris:20260323T090000", "SUMMARY:Late",
             "DTSTART;TZID=Europe/Paris:20260323T150000", "DTEND;TZID=Europe/Paris:20260323T160000")  # fmt: skip
    cancelled = ("END:VEVENT", "BEGIN:VEVENT", "UID:u-1", "RECURRENCE-ID;TZID=Europe/Paris:20260330T090000",
                 "STATUS:CANCELLED", *PARIS)  # fmt: skip
    stray = ("END:VEVENT", "BEGIN:VEVENT", "UID:u-1", "RECURRENCE-ID;TZID=Europe/Paris:20260324T090000", *PARIS)
    report, held = put(
        graph, tmp_path, *PARIS, "SUMMARY:Round", "RRULE:FREQ=WEEKLY;COUNT=5",
        "EXDATE;TZID=Europe/Paris:20260316T090000", *moved, *cancelled, *stray,
    )  # fmt: skip
    assert report.refused == ()
    assert report.sentence() == "one.ics: 1 events read, 1 imported (1 of them series), 0 refused"
    assert report.notes == ("Round: left out a change of 24 Mar 2026, which is none of its dates",)
    assert held is not None
    assert held["recurrence"]["range"]["recurrenceTimeZone"] == "Europe/Paris"
    assert [one[-10:] for one in held["cancelledOccurrences"]] == ["2026-03-16", "2026-03-30"]
    assert [(one["subject"], one["start"]["dateTime"][:16]) for one in held["exceptionOccurrences"]] == [
        ("Late", "2026-03-23T14:00")
    ]


def test_recurrence_of_whole_days_is_put_in(graph: GraphSimulator, tmp_path: Path) -> None:
    """Dates float, also those that are left out."""
    report, held = put(
        graph, tmp_path, "DTSTART;VALUE=DATE:20260309", "RRULE:FREQ=DAILY;UNTIL=20260312",
        "EXDATE;VALUE=DATE:20260310", "RDATE;VALUE=DATE:20260311",
    )  # fmt: skip
    assert report.refused == ()
    assert held is not None
    assert held["recurrence"]["range"]["endDate"] == "2026-03-12"
    assert [one[-10:] for one in held["cancelledOccurrences"]] == ["2026-03-10"]


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (("RRULE:FREQ=WEEKLY;COUNT=3", "RDATE:20260311T090000Z"), "dates beside its rule"),
        (("RDATE:20260311T090000Z",), "instead of a rule"),
        (("RRULE:FREQ=YEARLY;BYYEARDAY=68",), "BYYEARDAY"),
    ],
)
def test_recurrence_that_a_mailbox_cannot_hold_is_refused(
    graph: GraphSimulator, tmp_path: Path, lines: tuple[str, ...], reason: str
) -> None:
    """It says why, and is counted."""
    report, held = put(graph, tmp_path, *TIMES, *lines)
    assert held is None
    assert reason in report.refused[0].reason
    assert (report.read, report.imported) == (1, 0)


def test_recurrence_of_which_only_a_date_is_known_is_a_single_event(graph: GraphSimulator, tmp_path: Path) -> None:
    """Whoever is invited to one date of a series gets that date alone."""
    path = tmp_path / "date.ics"
    lines = ("BEGIN:VCALENDAR", "BEGIN:VEVENT", "UID:u-9", "RECURRENCE-ID:20260310T090000Z", *TIMES, "END:VEVENT",
             "END:VCALENDAR", "")  # fmt: skip
    path.write_text("\n".join(lines), encoding="utf-8")
    report = import_ics(graph, path, OWN)
    assert report.imported == 1
    held = next(event for event in graph.events_of(OWN) if event["id"] == report.events[0])
    assert (held["type"], held["iCalUId"]) == ("singleInstance", "u-9_20260310")
