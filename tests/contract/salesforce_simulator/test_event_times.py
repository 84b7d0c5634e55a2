"""The times of events, section 1 rules 1 to 7."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.salesforce_client import SalesforceClient, build_org, error_of, later

from simulators.salesforce.behaviour import Behaviour
from simulators.salesforce.org import Org

TEN = "2026-05-21T10:00:00.000+0000"
ELEVEN = "2026-05-21T11:00:00.000+0000"


def make(org: SalesforceClient, **fields: Any) -> dict[str, Any]:
    """The row of an event created with these time fields only."""
    return org.read("Event", org.create("Event", {"Subject": "x", **fields}))


def refusal(org: SalesforceClient, **fields: Any) -> tuple[int, str, list[str]]:
    """The refusal of an event with these time fields only."""
    return error_of(org.post("/sobjects/Event", {"Subject": "x", **fields}))


@pytest.mark.honest("salesforce", 10)
@pytest.mark.parametrize(
    "fields",
    [
        {"ActivityDateTime": TEN, "DurationInMinutes": 60},
        {"StartDateTime": TEN, "EndDateTime": ELEVEN},
        {"StartDateTime": TEN, "ActivityDateTime": TEN, "ActivityDate": "2026-05-21", "DurationInMinutes": 60},
        {"StartDateTime": TEN, "EndDateTime": ELEVEN, "DurationInMinutes": 60},
    ],
)
def test_a_timed_event_is_whole_however_it_was_written(org: SalesforceClient, fields: dict[str, Any]) -> None:
    """Rules 1 to 3: start and end or duration, in either pair of fields, fill all six."""
    row = make(org, **fields)
    assert (row["StartDateTime"], row["ActivityDateTime"], row["ActivityDate"]) == (TEN, TEN, "2026-05-21")
    assert (row["EndDateTime"], row["EndDate"], row["DurationInMinutes"]) == (ELEVEN, "2026-05-21", 60)


@pytest.mark.honest("salesforce", 10)
def test_a_timed_event_needs_a_start_and_an_end(org: SalesforceClient) -> None:
    """Rule 1: without a start, or without end and duration, the create is refused."""
    assert refusal(org, StartDateTime=TEN)[1] == "REQUIRED_FIELD_MISSING"
    assert refusal(org, EndDateTime=ELEVEN)[1] == "REQUIRED_FIELD_MISSING"
    assert refusal(org, ActivityDate="2026-05-21", DurationInMinutes=60)[1] == "REQUIRED_FIELD_MISSING"


@pytest.mark.honest("salesforce", 10)
def test_the_same_moment_written_in_disagreement_is_an_error(org: SalesforceClient) -> None:
    """Rule 2: StartDateTime, ActivityDateTime and ActivityDate must agree; so must duration and end (rule 1)."""
    assert refusal(org, StartDateTime=TEN, ActivityDateTime=ELEVEN, DurationInMinutes=5)[:2] == (
        400,
        "FIELD_INTEGRITY_EXCEPTION",
    )
    assert refusal(org, StartDateTime=TEN, ActivityDate="2026-05-22", DurationInMinutes=5)[1] == (
        "FIELD_INTEGRITY_EXCEPTION"
    )
    assert refusal(org, StartDateTime=TEN, EndDateTime=ELEVEN, DurationInMinutes=30)[1] == "FIELD_INTEGRITY_EXCEPTION"
    assert refusal(org, IsAllDayEvent=True, ActivityDate="2026-05-21", StartDateTime="2026-05-22T00:00:00Z")[1] == (
        "FIELD_INTEGRITY_EXCEPTION"
    )


def test_an_event_ends_after_its_start(org: SalesforceClient) -> None:
    """An end before the start is refused; an event of no length is not."""
    assert refusal(org, StartDateTime=ELEVEN, EndDateTime=TEN) == (400, "FIELD_INTEGRITY_EXCEPTION", ["EndDateTime"])
    assert make(org, StartDateTime=TEN, EndDateTime=TEN)["DurationInMinutes"] == 0
    assert refusal(org, IsAllDayEvent=True, ActivityDate="2026-05-21", EndDateTime="2026-05-20T00:00:00Z")[1] == (
        "FIELD_INTEGRITY_EXCEPTION"
    )


def test_the_error_names_the_field_that_was_sent(org: SalesforceClient) -> None:
    """Rule 5: DurationInMinutes when it was sent, EndDateTime otherwise."""
    assert refusal(org, StartDateTime=TEN, DurationInMinutes=20161)[2] == ["DurationInMinutes"]
    assert refusal(org, StartDateTime=TEN, EndDateTime="2026-06-04T10:01:00Z")[2] == ["EndDateTime"]


@pytest.mark.honest("salesforce", 10)
def test_fourteen_days_are_the_longest(org: SalesforceClient) -> None:
    """Rule 4 with multiday events: 20,160 minutes pass, one more does not; fourteen whole days likewise."""
    assert make(org, StartDateTime=TEN, DurationInMinutes=20160)["EndDateTime"] == "2026-06-04T10:00:00.000+0000"
    row = make(org, IsAllDayEvent=True, ActivityDate="2026-05-01", EndDateTime="2026-05-14T00:00:00Z")
    assert row["DurationInMinutes"] == 20160
    assert refusal(org, IsAllDayEvent=True, ActivityDate="2026-05-01", EndDateTime="2026-05-15T00:00:00Z")[1] == (
        "FIELD_INTEGRITY_EXCEPTION"
    )


@pytest.mark.honest("salesforce", 10)
def test_an_org_without_multiday_events_stops_at_a_day() -> None:
    """Rule 4 without the switch: more than 1,440 minutes answer the documented text."""
    org = build_org(replace(Org(), multiday_events=False))
    assert make(org, StartDateTime=TEN, DurationInMinutes=1440)["DurationInMinutes"] == 1440
    response = org.post("/sobjects/Event", {"Subject": "x", "StartDateTime": TEN, "DurationInMinutes": 1441})
    assert response.json() == [
        {
            "message": "Duration must be between 0 and 1440 minutes",
            "errorCode": "FIELD_INTEGRITY_EXCEPTION",
            "fields": ["DurationInMinutes"],
        }
    ]


@pytest.mark.honest("salesforce", 10)
@pytest.mark.parametrize(
    ("fields", "last", "minutes"),
    [
        ({"ActivityDate": "2026-05-21"}, "2026-05-21", 1440),
        ({"StartDateTime": "2026-05-21T00:00:00Z"}, "2026-05-21", 1440),
        ({"ActivityDate": "2026-05-21", "DurationInMinutes": 2880}, "2026-05-22", 2880),
        ({"StartDateTime": "2026-05-21T00:00:00Z", "EndDateTime": "2026-05-23T00:00:00Z"}, "2026-05-23", 4320),
    ],
)
def test_an_all_day_event_ends_on_its_last_day(
    org: SalesforceClient, fields: dict[str, Any], last: str, minutes: int
) -> None:
    """Rule 6: midnights UTC, the end being the last day itself; ActivityDateTime is empty; neither end is one day."""
    row = make(org, IsAllDayEvent=True, **fields)
    assert (row["StartDateTime"], row["ActivityDate"]) == ("2026-05-21T00:00:00.000+0000", "2026-05-21")
    assert (row["EndDateTime"], row["EndDate"], row["DurationInMinutes"]) == (
        f"{last}T00:00:00.000+0000",
        last,
        minutes,
    )
    assert row["ActivityDateTime"] is None


def test_a_moved_start_keeps_the_duration_or_the_end() -> None:
    """An update of the start alone keeps the duration; the switch makes it keep the end."""
    for keeps, end in ((True, "2026-05-21T11:30:00.000+0000"), (False, ELEVEN)):
        org = build_org(behaviour=replace(Behaviour().calm(), move_keeps_duration=keeps))
        key = org.event()
        org.patch(f"/sobjects/Event/{key}", {"ActivityDateTime": "2026-05-21T10:30:00Z"})
        row = org.read("Event", key)
        assert (row["StartDateTime"], row["EndDateTime"]) == ("2026-05-21T10:30:00.000+0000", end)


def test_an_event_can_become_all_day_and_timed_again(org: SalesforceClient) -> None:
    """The flag alone turns the day of the start into a whole day, and back."""
    key = org.event()
    org.patch(f"/sobjects/Event/{key}", {"IsAllDayEvent": True})
    row = org.read("Event", key)
    assert (row["ActivityDateTime"], row["EndDateTime"], row["DurationInMinutes"]) == (
        None,
        "2026-05-21T00:00:00.000+0000",
        1440,
    )
    times = {"IsAllDayEvent": False, "StartDateTime": TEN, "EndDateTime": ELEVEN}
    assert org.patch(f"/sobjects/Event/{key}", times).status == 204
    assert org.read("Event", key)["DurationInMinutes"] == 60


def test_an_update_that_names_no_time_leaves_the_times(org: SalesforceClient) -> None:
    """A change of the subject does not touch start and end."""
    key = org.event()
    before = org.read("Event", key)
    org.patch(f"/sobjects/Event/{key}", {"Subject": "New"})
    after = org.read("Event", key)
    assert {name: after[name] for name in ("StartDateTime", "EndDateTime")} == {
        name: before[name] for name in ("StartDateTime", "EndDateTime")
    }


def test_a_reminder_needs_its_moment(org: SalesforceClient) -> None:
    """IsReminderSet without ReminderDateTime is refused."""
    assert refusal(org, StartDateTime=TEN, DurationInMinutes=5, IsReminderSet=True)[2] == ["ReminderDateTime"]
    row = make(org, StartDateTime=TEN, DurationInMinutes=5, IsReminderSet=True, ReminderDateTime=TEN)
    assert row["IsReminderSet"] is True


def test_a_reminder_that_fires_turns_itself_off() -> None:
    """By the clock and when switched on: the time stays, nothing counts as saved, later and past ones stay set."""
    org = build_org(behaviour=Behaviour(reminders_fire=True).calm())
    moments = {"due": later(minutes=30), "later": later(days=2), "past": later(days=-1)}
    keys = {
        name: org.event(IsReminderSet=True, ReminderDateTime=at.strftime("%Y-%m-%dT%H:%M:%SZ"))
        for name, at in moments.items()
    }
    before = org.read("Event", keys["due"])
    changes = len(org.simulator.changes)
    org.clock.advance(3600)
    assert {name: org.read("Event", key)["IsReminderSet"] for name, key in keys.items()} == {
        "due": False, "later": True, "past": True,
    }  # fmt: skip
    assert org.read("Event", keys["due"]) == {**before, "IsReminderSet": False}
    assert len(org.simulator.changes) == changes
    twin = build_org(behaviour=Behaviour(reminders_fire=True).calm())
    twin.simulator.load(org.simulator.dump())
    assert twin.simulator.dump() == org.simulator.dump()


@pytest.mark.honest("salesforce", 5)
def test_old_events_are_archived(org: SalesforceClient) -> None:
    """Rule 7: hidden from query and GET, shown by queryAll, still writable; a gap event tells of it."""
    key = org.event(StartDateTime="2025-05-20T10:00:00Z", EndDateTime="2025-05-20T11:00:00Z")
    young = org.event(StartDateTime="2025-05-22T10:00:00Z", EndDateTime="2025-05-22T11:00:00Z")
    assert org.simulator.archive() == 1
    assert [row["Id"] for row in org.query("SELECT Id FROM Event")] == [young]
    assert org.get(f"/sobjects/Event/{key}").status == 404
    shown = {row["Id"]: row["IsArchived"] for row in org.query("SELECT Id, IsArchived FROM Event", all_rows=True)}
    assert shown == {key: True, young: False}
    assert org.patch(f"/sobjects/Event/{key}", {"Subject": "Old"}).status == 204
    assert org.delete(f"/sobjects/Event/{key}").status == 204
    gap = next(change for change in org.simulator.changes if change.change_type == "GAP_UPDATE")
    assert (gap.record_id, gap.change_origin) == (key, "")


def test_the_archiving_job_runs_by_the_clock() -> None:
    """An old event inserted by API is archived at the next daily run."""
    org = build_org()
    org.event(StartDateTime="2025-01-01T10:00:00Z", EndDateTime="2025-01-01T11:00:00Z")
    assert len(org.query("SELECT Id FROM Event")) == 1
    org.clock.set(later(days=1, seconds=1))
    org.token = org.simulator.issue_token()
    assert org.query("SELECT Id FROM Event") == []


def test_series_are_refused_but_their_occurrences_can_be_seeded(org: SalesforceClient) -> None:
    """A create that asks for a series says clearly that there is none; a seed makes single occurrences of one."""
    rule = "RRULE:FREQ=DAILY;INTERVAL=1;COUNT=3"
    for fields in ({"Recurrence2PatternText": rule}, {"IsRecurrence": True}):
        assert refusal(org, StartDateTime=TEN, DurationInMinutes=5, **fields)[2] == list(fields)
    keys = [
        org.simulator.insert(
            "Event",
            {
                "StartDateTime": f"2026-05-2{place}T10:00:00Z",
                "DurationInMinutes": 5,
                "IsRecurrence2": True,
                "Recurrence2PatternText": rule,
            },
        )
        for place in range(1, 4)
    ]
    single = org.event()
    assert org.delete(f"/sobjects/Event/{keys[1]}/fromThisEventOnwards").status == 204
    assert {row["Id"] for row in org.simulator.records("Event")} == {keys[0], single}
    assert error_of(org.delete(f"/sobjects/Event/{single}/fromThisEventOnwards"))[0] == 400
