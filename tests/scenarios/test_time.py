"""Scenario *time*: zones, clock changes, all-day, several days, organizer elsewhere, the 14-day limit.

The same instant on both sides, the same days, and no second write.
"""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.builders import ANN, NOW, firm_settings
from support.scripted import Story, guest

from connectors.graph.translate import to_content, to_item
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.translate import as_held, to_fields
from connectors.salesforce.translate import to_item as to_practifi_item
from schemas.calendar import TimeSpan
from streams.mapping import practifi_view
from streams.policy import inbound_gate

ZONES = (
    "UTC", "America/New_York", "Europe/London", "Australia/Sydney", "Australia/Lord_Howe", "Asia/Kathmandu",
    "Pacific/Apia", "America/St_Johns",
)  # fmt: skip
# Days on which the clocks of one of these zones change.
EDGES = tuple(date(2026, month, day) for month, day in ((3, 8), (3, 29), (4, 5), (9, 27), (10, 4), (10, 25), (11, 1)))
NAMES = FieldNames()


def wall(moment: datetime, zone: str) -> dict[str, str]:
    """A wall-clock time as Graph writes it."""
    return {"dateTime": f"{moment:%Y-%m-%dT%H:%M:%S}.0000000", "timeZone": zone}


def event(start: datetime, end: datetime, zone: str, *, all_day: bool = False) -> dict[str, Any]:
    """A Graph event on the clocks of a zone."""
    return {"id": "x", "iCalUId": "u", "start": wall(start, zone), "end": wall(end, zone), "isAllDay": all_day,
            "organizer": {"emailAddress": {"address": ANN.address, "name": "Ann"}}}  # fmt: skip


def through_salesforce(span: TimeSpan, given: dict[str, Any]) -> TimeSpan:
    """The span as it reads back after it was written to a record."""
    view = practifi_view(to_item(given, ANN.mailbox), firm_settings())
    record = {
        "Id": "00U000000000001AAA", "SystemModstamp": "2026-03-02T09:00:00.000+0000", "OwnerId": "005000000000001AAA",
        "CreatedDate": "2026-03-02T09:00:00.000+0000", **to_fields(view, ("time",), NAMES, "m:u"),
    }  # fmt: skip
    held = to_practifi_item(record, (), NAMES).content
    assert as_held(held, "time", NAMES) == as_held(view, "time", NAMES), "no second write"
    assert view.span.is_all_day == span.is_all_day
    return held.span


walls = st.builds(
    lambda day, shift, minute: datetime.combine(day + timedelta(days=shift), time(minute // 60, minute % 60)),
    st.sampled_from(EDGES), st.integers(-1, 1), st.integers(0, 24 * 60 - 1),
)  # fmt: skip


@pytest.mark.rule("7.22")
@given(start=walls, minutes=st.integers(0, 16 * 24 * 60), zone=st.sampled_from(ZONES))
def test_time_is_the_same_instant_on_both_sides(start: datetime, minutes: int, zone: str) -> None:
    """Whatever zone and day: Practifi holds the instants that Outlook means, up to 14 days, and reads back the same."""
    end = start + timedelta(minutes=minutes)
    given_event = event(start, end, zone)
    instants = [moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC) for moment in (start, end)]
    content = to_content(given_event)
    assert [content.span.start_utc, content.span.end_utc] == instants
    length = instants[1] - instants[0]
    blocked = inbound_gate(to_item(given_event, ANN.mailbox), None, firm_settings(), NOW)
    assert blocked == ("too_long" if length > timedelta(days=14) else None)
    if timedelta() <= length <= timedelta(days=14):
        assert through_salesforce(content.span, given_event) == TimeSpan(*instants)


@given(day=st.sampled_from(EDGES), shift=st.integers(-2, 2), days=st.integers(1, 14), zone=st.sampled_from(ZONES))
def test_time_of_all_day_events_is_the_same_days(day: date, shift: int, days: int, zone: str) -> None:
    """All-day events are dates: first and last are the same on both sides, whatever zone named their midnights."""
    first = datetime.combine(day + timedelta(days=shift), time())
    given_event = event(first, first + timedelta(days=days), zone, all_day=True)
    span = to_content(given_event).span
    midnight = first.replace(tzinfo=UTC)
    assert span == TimeSpan(midnight, midnight + timedelta(days=days), is_all_day=True)
    fields = to_fields(practifi_view(to_item(given_event, ANN.mailbox), firm_settings()), ("time",), NAMES, "m:u")
    assert fields["StartDateTime"][:10] == f"{first:%F}"
    assert fields["EndDateTime"][:10] == f"{first + timedelta(days=days - 1):%F}"
    assert through_salesforce(span, given_event) == span


def test_time_of_many_events_through_the_whole_loop(firm: Story) -> None:
    """Sixty events around clock changes, some all-day, some of an organizer elsewhere: each arrives at its instant, a
    second look writes nothing, and an edit of the subject in Practifi leaves the times in Outlook as they were."""
    rng, ann = random.Random(10), firm.people[0]
    outsider = {"emailAddress": {"address": "olga@elsewhere.example", "name": "Olga"}}
    expected: dict[str, tuple[str, str]] = {}
    for number in range(60):
        zone, day = rng.choice(ZONES), rng.choice(EDGES) + timedelta(days=rng.randint(-1, 1))
        start = datetime.combine(day, time(rng.randrange(24), rng.choice((0, 15, 30))))
        end = start + timedelta(minutes=rng.choice((15, 60, 26 * 60, 13 * 24 * 60)))
        is_all_day = number % 5 == 0
        if is_all_day:
            start = datetime.combine(day, time())
            end = start + timedelta(days=rng.randint(1, 5))
        body = event(start, end, zone, all_day=is_all_day) | {"subject": f"Event {number:02}", "attendees": []}
        body = {name: value for name, value in body.items() if name not in ("id", "iCalUId", "organizer")}
        if number % 4 == 1:
            elsewhere = {"organizer": outsider, "iCalUId": f"outside-{number}", "attendees": [guest(ann.address)]}
            firm.world.services.graph_simulator.add_event(ann.mailbox, body | elsewhere)
        else:
            firm.world.outlook.request("POST", f"/users/{ann.mailbox}/events", body)
        moments = [one.replace(tzinfo=UTC if is_all_day else ZoneInfo(zone)).astimezone(UTC) for one in (start, end)]
        last = moments[1] - timedelta(days=1) if is_all_day else moments[1]
        expected[body["subject"]] = (f"{moments[0]:%Y-%m-%dT%H:%M}", f"{last:%Y-%m-%dT%H:%M}")
    firm.settle()
    held = {one["Subject"]: (one["StartDateTime"][:16], one["EndDateTime"][:16]) for one in firm.records()}
    assert held == expected
    assert firm.settle() == []
    before = {one["id"]: (one["start"], one["end"]) for one in firm.world.outlook.events(ann.mailbox)}
    for record in firm.records()[:20]:
        firm.edit(record["Id"], Description="Bring the forms.")
    firm.settle()
    assert {one["id"]: (one["start"], one["end"]) for one in firm.world.outlook.events(ann.mailbox)} == before
