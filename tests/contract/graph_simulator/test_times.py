"""Times on the wire: UTC unless asked otherwise, seven digits, Windows and IANA names, floating all-day events."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graph_firm import TOM, GraphClient, build_graph, meeting

from simulators.graph.zones import WINDOWS_ZONES, read_date_time_zone, utc_of

EARLY, LATE = datetime.fromisoformat("1990-01-01"), datetime.fromisoformat("2050-01-01")
SEVEN_DIGITS = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}")


@pytest.fixture
def client() -> GraphClient:
    """A client of the calm firm."""
    return GraphClient(build_graph())


def at(day: str, clock: str = "00:00:00", zone: str = "UTC") -> dict[str, str]:
    """A dateTimeTimeZone."""
    return {"dateTime": f"{day}T{clock}", "timeZone": zone}


@pytest.mark.honest("graph", 9)
def test_times_come_in_utc_with_seven_digits(client: GraphClient) -> None:
    """Without Prefer the answer is UTC, whatever the zone of the request; the zone given is kept aside."""
    event = client.create(TOM, meeting())
    assert event["start"] == {"dateTime": "2026-03-10T23:00:00.0000000", "timeZone": "UTC"}
    assert SEVEN_DIGITS.fullmatch(event["end"]["dateTime"])
    assert event["originalStartTimeZone"] == "AUS Eastern Standard Time"


@pytest.mark.honest("graph", 9)
@pytest.mark.parametrize("name", ["W. Europe Standard Time", "Europe/Berlin", "w. europe standard time"])
def test_a_preferred_zone_is_used_and_confirmed(client: GraphClient, name: str) -> None:
    """Windows and IANA names both work on POST, GET and PATCH and are confirmed in Preference-Applied."""
    prefer = {"Prefer": f'outlook.timezone="{name}"'}
    created = client.send("POST", f"/users/{TOM.id}/events", meeting(), prefer)
    event_id = created.json()["id"]
    read = client.send("GET", f"/users/{TOM.id}/events/{event_id}", headers=prefer)
    patched = client.send("PATCH", f"/users/{TOM.id}/events/{event_id}", {"subject": "x"}, prefer)
    for response in (created, read, patched):
        assert response.json()["start"] == {"dateTime": "2026-03-11T00:00:00.0000000", "timeZone": name}
        assert f'outlook.timezone="{name}"' in response.headers["preference-applied"]


def test_several_preferences_share_a_header(client: GraphClient) -> None:
    """Values joined by commas are all applied."""
    event = client.create(TOM, meeting())
    prefer = 'outlook.timezone="Tokyo Standard Time", outlook.body-content-type="text", IdType="ImmutableId"'
    read = client.event(TOM, event["id"], Prefer=prefer)
    assert (read["start"]["timeZone"], read["body"]["contentType"]) == ("Tokyo Standard Time", "text")
    assert read["id"] != event["id"]


@pytest.mark.honest("graph", 11)
def test_unknown_zones_are_refused(client: GraphClient) -> None:
    """An unknown zone in Prefer answers 400 TimeZoneNotSupportedException; there is no fallback."""
    event = client.create(TOM, meeting())
    for path in (f"/users/{TOM.id}/events/{event['id']}", f"/users/{TOM.id}/events"):
        response = client.send("GET", path, headers={"Prefer": 'outlook.timezone="Moon/Base"'})
        assert client.error(response, 400) == "TimeZoneNotSupportedException"


@pytest.mark.honest("graph", 11)
def test_unknown_zones_are_refused_everywhere(client: GraphClient) -> None:
    """In views, delta, schedules and rules of series too; a write under such a header writes nothing."""
    moon = {"Prefer": 'outlook.timezone="Moon/Base"'}
    days = "startDateTime=2026-03-01T00:00:00Z&endDateTime=2026-04-01T00:00:00Z"
    ends = {"startTime": at("2026-03-10", zone="Moon/Base"), "endTime": at("2026-03-11", zone="Moon/Base")}
    weekly = {
        "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["wednesday"]},
        "range": {"type": "noEnd", "startDate": "2026-03-11", "recurrenceTimeZone": "Moon/Base"},
    }
    for answer in (
        client.send("GET", f"/users/{TOM.id}/calendarView?{days}", headers=moon),
        client.send("GET", f"/users/{TOM.id}/calendarView/delta?{days}", headers=moon),
        client.send("POST", f"/users/{TOM.id}/events", meeting("a@client.example"), moon),
        client.send("POST", f"/users/{TOM.id}/events", meeting(recurrence=weekly)),
        client.send("POST", f"/users/{TOM.id}/calendar/getSchedule", {"schedules": [TOM.mail], **ends}),
    ):
        assert client.error(answer, 400) == "TimeZoneNotSupportedException"
    assert client.sim.events_of(TOM.id) == []
    assert client.sim.mails == []


def test_every_windows_zone_has_rules() -> None:
    """Each name of the CLDR table can be used in a request."""
    for name in WINDOWS_ZONES:
        assert utc_of(read_date_time_zone(at("2026-07-01", zone=name), "start"))


def test_a_missing_zone_means_utc(client: GraphClient) -> None:
    """A dateTime without a timeZone is UTC; one with an offset of its own is that instant."""
    event = client.create(
        TOM, meeting(start={"dateTime": "2026-03-11T10:00"}, end={"dateTime": "2026-03-11T22:00:00+11:00"})
    )
    assert event["start"]["dateTime"] == "2026-03-11T10:00:00.0000000"
    assert event["end"]["dateTime"] == "2026-03-11T11:00:00.0000000"


ALL_DAY: dict[str, Any] = {
    "isAllDay": True,
    "start": at("2026-03-11", zone="AUS Eastern Standard Time"),
    "end": at("2026-03-12", zone="AUS Eastern Standard Time"),
}


@pytest.mark.honest("graph", 10)
@pytest.mark.parametrize("zone", ["", "Tokyo Standard Time", "Pacific Standard Time"])
def test_all_day_events_float(client: GraphClient, zone: str) -> None:
    """Whatever zone is asked, an all-day event runs from midnight to midnight on its own dates."""
    event = client.create(TOM, meeting(**ALL_DAY))
    headers = {"Prefer": f'outlook.timezone="{zone}"'} if zone else {}
    read = client.event(TOM, event["id"], **headers)
    assert read["start"] == {"dateTime": "2026-03-11T00:00:00.0000000", "timeZone": zone or "UTC"}
    assert read["end"]["dateTime"] == "2026-03-12T00:00:00.0000000"


@pytest.mark.honest("graph", 10)
def test_all_day_events_match_windows_as_utc_days(client: GraphClient) -> None:
    """A window of a local day returns the neighbouring day's event too, since UTC days are matched."""
    client.create(TOM, meeting(**ALL_DAY))
    # 12 March in Sydney, as UTC instants: the event of the 11th still overlaps it.
    window = "startDateTime=2026-03-11T13:00:00Z&endDateTime=2026-03-12T13:00:00Z"
    assert len(client.get(f"/users/{TOM.id}/calendarView?{window}")["value"]) == 1
    after = "startDateTime=2026-03-12T00:00:00Z&endDateTime=2026-03-13T00:00:00Z"
    assert client.get(f"/users/{TOM.id}/calendarView?{after}")["value"] == []


@pytest.mark.parametrize(
    "changes",
    [
        {"end": at("2026-03-12", "01:00:00", "AUS Eastern Standard Time")},
        {"end": at("2026-03-11", zone="AUS Eastern Standard Time")},
        {"end": at("2026-03-12")},
    ],
)
def test_all_day_events_need_midnights_in_one_zone(client: GraphClient, changes: dict[str, Any]) -> None:
    """An all-day event whose ends are no midnights, or in different zones, or on the same day, is refused."""
    response = client.send("POST", f"/users/{TOM.id}/events", meeting(**{**ALL_DAY, **changes}))
    assert response.status == 400


@given(
    wall=st.datetimes(min_value=EARLY, max_value=LATE),
    zone=st.sampled_from(sorted(WINDOWS_ZONES)),
)
def test_reading_a_time_keeps_its_wall_clock(wall: Any, zone: str) -> None:
    """What is read from a request prints as the same wall-clock value with seven digits."""
    value = read_date_time_zone({"dateTime": wall.isoformat(), "timeZone": zone}, "start")
    assert SEVEN_DIGITS.fullmatch(value["dateTime"])
    assert value["dateTime"][:26] == wall.isoformat(timespec="microseconds")
