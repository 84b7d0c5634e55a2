"""Series: how rules expand, what masters, occurrences and exceptions look like, and what delta says about them."""

from __future__ import annotations

from datetime import date
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graph_firm import TOM, GraphClient, build_graph, meeting

from simulators.graph.recurrence import first_day, read_recurrence, rule_days

SPRING = "startDateTime=2026-03-01T00:00:00Z&endDateTime=2026-05-01T00:00:00Z"
THIN = {"@odata.type", "@odata.etag", "id", "seriesMasterId", "type", "start", "end"}


@pytest.fixture
def client() -> GraphClient:
    """A client of the calm firm."""
    return GraphClient(build_graph())


def rule(pattern: dict[str, Any], start: str, **bounds: Any) -> dict[str, Any]:
    """A recurrence; without further bounds it has no end."""
    return {"pattern": {"interval": 1, **pattern}, "range": {"type": "noEnd", "startDate": start, **bounds}}


def weekly(*addresses: str, count: int = 5, **changes: Any) -> dict[str, Any]:
    """A stand-up on Wednesdays from 11 March 2026, 10:00 in Sydney."""
    pattern = {"type": "weekly", "daysOfWeek": ["wednesday"]}
    recurrence = rule(pattern, "2026-03-11", type="numbered", numberOfOccurrences=count)
    return meeting(*addresses, recurrence=recurrence, **changes)


def instances(client: GraphClient, series: dict[str, Any], user: Any = TOM) -> list[dict[str, Any]]:
    """The instances of a series in spring."""
    path = f"/users/{user.id}/events/{quote(series['id'], safe='')}/instances?{SPRING}&$top=100"
    return list(client.get(path)["value"])


# --- rules ----------------------------------------------------------------------------------------------------


WEEKEND, SPLIT = ["saturday", "sunday"], ["sunday", "monday"]
EXPANSIONS: list[tuple[str, dict[str, Any], list[str]]] = [
    ("2026-03-01", {"type": "daily", "interval": 3}, ["2026-03-01", "2026-03-04", "2026-03-07"]),
    ("2026-03-04", {"type": "weekly", "daysOfWeek": ["tuesday", "friday"]}, ["2026-03-06", "2026-03-10", "2026-03-13"]),
    ("2026-03-02", {"type": "weekly", "interval": 2, "daysOfWeek": SPLIT}, ["2026-03-02", "2026-03-15", "2026-03-16"]),
    (
        "2026-03-02",
        {"type": "weekly", "interval": 2, "daysOfWeek": SPLIT, "firstDayOfWeek": "monday"},
        ["2026-03-02", "2026-03-08", "2026-03-16"],
    ),
    ("2026-01-31", {"type": "absoluteMonthly", "dayOfMonth": 31}, ["2026-01-31", "2026-02-28", "2026-03-31"]),
    (
        "2026-03-01",
        {"type": "relativeMonthly", "daysOfWeek": ["thursday"], "index": "last"},
        ["2026-03-26", "2026-04-30", "2026-05-28"],
    ),
    ("2026-03-01", {"type": "relativeMonthly", "daysOfWeek": WEEKEND}, ["2026-03-01", "2026-04-04", "2026-05-02"]),
    (
        "2026-03-01",
        {"type": "absoluteYearly", "dayOfMonth": 29, "month": 2},
        ["2027-02-28", "2028-02-29", "2029-02-28"],
    ),
    (
        "2026-01-01",
        {"type": "relativeYearly", "daysOfWeek": ["monday"], "month": 9, "index": "second"},
        ["2026-09-14", "2027-09-13", "2028-09-11"],
    ),
]


@pytest.mark.parametrize(("start", "pattern", "days"), EXPANSIONS)
def test_rules_expand_into_days(start: str, pattern: dict[str, Any], days: list[str]) -> None:
    """Every pattern type gives the documented days; short months take their last day."""
    found = rule_days(read_recurrence(rule(pattern, start), "UTC"), date(2030, 1, 1))
    assert [day.isoformat() for day, _ in zip(found, range(3), strict=False)] == days


@pytest.mark.parametrize(
    ("bounds", "expected"),
    [
        ({"type": "endDate", "endDate": "2026-03-02"}, 2),
        ({"type": "numbered", "numberOfOccurrences": 1}, 1),
        ({"type": "noEnd"}, 31),
    ],
)
def test_ranges_end_series(bounds: dict[str, Any], expected: int) -> None:
    """An end date is inclusive, a number is exact, and without an end the horizon counts."""
    recurrence = read_recurrence(rule({"type": "daily"}, "2026-03-01", **bounds), "UTC")
    assert len(list(rule_days(recurrence, date(2026, 3, 31)))) == expected


PATTERNS = st.one_of(
    st.builds(lambda n: {"type": "daily", "interval": n}, st.integers(1, 40)),
    st.builds(lambda n, days: {"type": "weekly", "interval": n, "daysOfWeek": days}, st.integers(1, 5),
              st.lists(st.sampled_from(["sunday", "monday", "thursday"]), min_size=1, unique=True)),
    st.builds(lambda n, day: {"type": "absoluteMonthly", "interval": n, "dayOfMonth": day},
              st.integers(1, 14), st.integers(1, 31)),
)  # fmt: skip


@given(PATTERNS, st.dates(date(2020, 1, 1), date(2030, 1, 1)), st.integers(1, 30))
def test_numbered_rules_give_their_number_in_order(pattern: dict[str, Any], start: date, number: int) -> None:
    """A numbered range has exactly its number of days, rising, none before the start, and noEnd begins alike."""
    numbered = rule(pattern, start.isoformat(), type="numbered", numberOfOccurrences=number)
    far = date(2200, 1, 1)
    days = list(rule_days(read_recurrence(numbered, "UTC"), far))
    assert len(days) == number
    assert days == sorted(set(days))
    assert days[0] >= start
    endless = rule_days(read_recurrence(rule(pattern, start.isoformat()), "UTC"), far)
    assert [day for day, _ in zip(endless, range(number), strict=False)] == days
    assert first_day(read_recurrence(numbered, "UTC")) == days[0]


@pytest.mark.parametrize(
    ("recurrence", "code"),
    [
        (rule({"type": "daily"}, "2026-03-11", type="endDate"), "ErrorRecurrenceEndDateTooBig"),
        (rule({"type": "daily"}, "2026-03-11", type="endDate", endDate="4500-09-02"), "ErrorRecurrenceEndDateTooBig"),
        (rule({"type": "daily"}, "2026-03-11", type="numbered"), "ErrorPropertyValidationFailure"),
        (rule({"type": "daily"}, "2026-03-12"), "ErrorPropertyValidationFailure"),
        (rule({"type": "daily", "interval": 0}, "2026-03-11"), "ErrorPropertyValidationFailure"),
        (rule({"type": "weekly"}, "2026-03-11"), "ErrorPropertyValidationFailure"),
        (rule({"type": "daily", "dayOfMonth": 32}, "2026-03-11"), "ErrorPropertyValidationFailure"),
        (rule({"type": "hourly"}, "2026-03-11"), "RequestBodyRead"),
        (rule({"type": "daily"}, "2026-03-11", recurrenceTimeZone="Mars"), "TimeZoneNotSupportedException"),
    ],
)
def test_bad_rules_are_refused(client: GraphClient, recurrence: dict[str, Any], code: str) -> None:
    """Missing ends and parts, wrong start dates and zones are refused; fields a pattern does not use count too."""
    response = client.send("POST", f"/users/{TOM.id}/events", meeting(recurrence=recurrence))
    assert client.error(response, 400) == code


# --- masters and occurrences ----------------------------------------------------------------------------------


def test_a_master_echoes_its_rule_with_fillers(client: GraphClient) -> None:
    """The master has the rule with every filler, the event's zone, and type seriesMaster."""
    series = client.create(TOM, weekly())
    assert (series["type"], series["seriesMasterId"], series["occurrenceId"]) == ("seriesMaster", None, None)
    assert series["recurrence"]["pattern"] == {
        "type": "weekly", "interval": 1, "month": 0, "dayOfMonth": 0, "daysOfWeek": ["wednesday"],
        "firstDayOfWeek": "sunday", "index": "first",
    }  # fmt: skip
    assert series["recurrence"]["range"] == {
        "type": "numbered", "startDate": "2026-03-11", "endDate": "0001-01-01",
        "recurrenceTimeZone": "AUS Eastern Standard Time", "numberOfOccurrences": 5,
    }  # fmt: skip


def test_a_masters_times_are_those_of_the_first_occurrence(client: GraphClient) -> None:
    """When the first real day comes after startDate, the master starts there."""
    pattern = {"type": "weekly", "daysOfWeek": ["friday"]}
    series = client.create(TOM, meeting(recurrence=rule(pattern, "2026-03-11")))
    assert series["start"]["dateTime"] == "2026-03-12T23:00:00.0000000"
    assert series["recurrence"]["range"]["startDate"] == "2026-03-11"


def test_occurrences_follow_the_local_clock(client: GraphClient) -> None:
    """Occurrences keep their wall clock in the series' zone, so UTC times shift when daylight saving ends."""
    items = instances(client, client.create(TOM, weekly()))
    assert [item["start"]["dateTime"][:16] for item in items] == [
        "2026-03-10T23:00", "2026-03-17T23:00", "2026-03-24T23:00", "2026-03-31T23:00", "2026-04-08T00:00",
    ]  # fmt: skip


@pytest.mark.honest("graph", 1)
def test_an_occurrence_is_a_full_event_of_its_own(client: GraphClient) -> None:
    """An occurrence has its own id, iCalUId and occurrenceId, the master's etag and members, and no recurrence."""
    series = client.create(TOM, weekly(categories=["Client"]))
    first, second = instances(client, series)[:2]
    assert first["id"] != second["id"]
    assert len({series["iCalUId"], first["iCalUId"], second["iCalUId"]}) == 3
    assert first["@odata.etag"] == second["@odata.etag"] == series["@odata.etag"]
    assert (first["type"], first["recurrence"], first["seriesMasterId"]) == ("occurrence", None, series["id"])
    assert second["occurrenceId"] == f"OID.{series['id']}.2026-03-18"
    assert second["originalStart"] == "2026-03-17T23:00:00Z"
    assert second["categories"] == ["Client"]
    alone = client.event(TOM, second["id"])
    assert {name: alone[name] for name in second} == second


@pytest.mark.honest("graph", 2)
def test_lists_have_masters_and_views_have_occurrences(client: GraphClient) -> None:
    """/events has the master only, calendarView the occurrences only."""
    series = client.create(TOM, weekly())
    assert [item["id"] for item in client.get(f"/users/{TOM.id}/events")["value"]] == [series["id"]]
    view = client.get(f"/users/{TOM.id}/calendarView?{SPRING}")["value"]
    assert {item["type"] for item in view} == {"occurrence"}
    assert len(view) == 5
    assert all("body" in item for item in view)


def test_all_day_series_float(client: GraphClient) -> None:
    """Occurrences of an all-day series are midnights on their own dates in any zone."""
    series = client.create(
        TOM,
        weekly(
            isAllDay=True,
            start={"dateTime": "2026-03-11T00:00:00", "timeZone": "AUS Eastern Standard Time"},
            end={"dateTime": "2026-03-12T00:00:00", "timeZone": "AUS Eastern Standard Time"},
        ),
    )
    assert instances(client, series)[1]["start"]["dateTime"] == "2026-03-18T00:00:00.0000000"


def test_occurrences_that_do_not_exist_are_not_found(client: GraphClient) -> None:
    """An id of a day the rule does not have is 404; the instances of a single event cannot be listed."""
    series = client.create(TOM, weekly(count=1))
    longer = client.create(TOM, weekly(count=2))
    second = instances(client, longer)[1]["id"]
    key, other = series["id"][24:48], longer["id"][24:48]
    response = client.send("GET", f"/users/{TOM.id}/events/{quote(second.replace(other, key), safe='')}")
    assert client.error(response, 404) == "ErrorItemNotFound"
    single = client.create(TOM, meeting())
    path = f"/users/{TOM.id}/events/{single['id']}/instances"
    assert client.error(client.send("GET", f"{path}?{SPRING}"), 400) == "ErrorInvalidRequest"
    assert client.error(client.send("GET", path), 400) == "ErrorInvalidParameter"


# --- exceptions -----------------------------------------------------------------------------------------------


def test_editing_an_occurrence_makes_an_exception(client: GraphClient) -> None:
    """A PATCH of an occurrence keeps its id, turns it into an exception and leaves its siblings alone."""
    series = client.create(TOM, weekly())
    second = instances(client, series)[1]
    late = {"start": {"dateTime": "2026-03-19T10:00:00", "timeZone": "AUS Eastern Standard Time"},
            "end": {"dateTime": "2026-03-19T11:00:00", "timeZone": "AUS Eastern Standard Time"}}  # fmt: skip
    changed = client.patch(TOM, second["id"], {"subject": "Late", **late}).json()
    assert (changed["id"], changed["type"], changed["subject"]) == (second["id"], "exception", "Late")
    assert changed["originalStart"] == second["originalStart"]
    assert changed["occurrenceId"] == second["occurrenceId"]
    others = [item for item in instances(client, series) if item["id"] != second["id"]]
    assert {(item["type"], item["subject"]) for item in others} == {("occurrence", "Portfolio review")}


def test_deleted_occurrences_are_listed_on_the_master(client: GraphClient) -> None:
    """Cancelled occurrences and exceptions are found only by $select and $expand on the master itself."""
    series = client.create(TOM, weekly())
    items = instances(client, series)
    client.patch(TOM, items[1]["id"], {"subject": "Late"})
    assert client.delete(TOM, items[2]["id"]).status == 204
    assert client.act(TOM, items[3]["id"], "cancel").status == 202
    query = "?$select=subject,cancelledOccurrences,exceptionOccurrences&$expand=exceptionOccurrences"
    master = client.event(TOM, series["id"], query)
    assert master["cancelledOccurrences"] == [items[2]["occurrenceId"], items[3]["occurrenceId"]]
    assert [one["id"] for one in master["exceptionOccurrences"]] == [items[1]["id"]]
    assert "cancelledOccurrences" not in client.event(TOM, series["id"])
    assert client.error(client.delete(TOM, items[2]["id"]), 404) == "ErrorItemNotFound"
    assert len(instances(client, series)) == 3


@pytest.mark.parametrize(
    ("day", "status"), [("2026-03-24", 200), ("2026-03-25", 400), ("2026-03-11", 400), ("2026-03-12", 200)]
)
def test_an_occurrence_cannot_pass_its_neighbours(client: GraphClient, day: str, status: int) -> None:
    """Moving an occurrence onto or past a neighbour's day is ErrorOccurrenceCrossingBoundary."""
    series = client.create(TOM, weekly())
    moved = {
        name: {"dateTime": f"{day}T{clock}:00:00", "timeZone": "AUS Eastern Standard Time"}
        for name, clock in (("start", "15"), ("end", "16"))
    }
    response = client.patch(TOM, instances(client, series)[1]["id"], moved)
    assert response.status == status
    if status == 400:
        assert response.json()["error"]["code"] == "ErrorOccurrenceCrossingBoundary"


def test_an_exception_moved_into_a_window_is_in_its_view(client: GraphClient) -> None:
    """A view finds exceptions by where they are, not by where the rule put them."""
    pattern = {"type": "absoluteMonthly", "dayOfMonth": 11}
    series = client.create(TOM, meeting(recurrence=rule(pattern, "2026-03-11")))
    april = instances(client, series)[1]
    moved = {
        name: {"dateTime": f"2026-05-02T{clock}:00:00", "timeZone": "UTC"}
        for name, clock in (("start", 15), ("end", 16))
    }
    assert client.patch(TOM, april["id"], moved).status == 200
    may = client.get(f"/users/{TOM.id}/calendarView?startDateTime=2026-05-01&endDateTime=2026-05-05")["value"]
    assert [item["id"] for item in may] == [april["id"]]
    spring = client.get(f"/users/{TOM.id}/calendarView?startDateTime=2026-04-01&endDateTime=2026-05-01")["value"]
    assert spring == []


def test_master_edits_flow_to_what_was_not_edited(client: GraphClient) -> None:
    """An exception keeps its own members and takes the master's others."""
    series = client.create(TOM, weekly())
    second = instances(client, series)[1]
    client.patch(TOM, second["id"], {"subject": "Own"})
    client.patch(TOM, series["id"], {"subject": "New", "categories": ["C"]})
    changed = client.event(TOM, second["id"])
    assert (changed["subject"], changed["categories"]) == ("Own", ["C"])


def test_retiming_a_series_starts_it_afresh(client: GraphClient) -> None:
    """Another rule drops exceptions; another day gives other ids and orphans the old ones."""
    series = client.create(TOM, weekly())
    second = instances(client, series)[1]
    client.patch(TOM, second["id"], {"subject": "Own"})
    moved = {
        name: {"dateTime": f"2026-03-12T{clock}:00:00", "timeZone": "AUS Eastern Standard Time"}
        for name, clock in (("start", 10), ("end", 11))
    }
    recurrence = rule(
        {"type": "weekly", "daysOfWeek": ["thursday"]}, "2026-03-12", type="numbered", numberOfOccurrences=3
    )
    assert client.patch(TOM, series["id"], {**moved, "recurrence": recurrence}).status == 200
    items = instances(client, series)
    assert {item["subject"] for item in items} == {"Portfolio review"}
    assert [item["start"]["dateTime"][:10] for item in items] == ["2026-03-11", "2026-03-18", "2026-03-25"]
    response = client.send("GET", f"/users/{TOM.id}/events/{quote(second['id'], safe='')}")
    assert client.error(response, 404) == "ErrorItemNotFound"


def test_sending_the_same_rule_again_keeps_exceptions(client: GraphClient) -> None:
    """A PATCH with the full object as it was read loses nothing."""
    series = client.create(TOM, weekly())
    second = instances(client, series)[1]
    client.patch(TOM, second["id"], {"subject": "Own"})
    full = {name: series[name] for name in ("subject", "recurrence", "start", "end")}
    assert client.patch(TOM, series["id"], full).status == 200
    assert client.event(TOM, second["id"])["subject"] == "Own"


def test_a_series_can_become_a_single_event(client: GraphClient) -> None:
    """PATCH recurrence null leaves the first occurrence's time as a single event."""
    series = client.create(TOM, weekly())
    single = client.patch(TOM, series["id"], {"recurrence": None}).json()
    assert (single["type"], single["recurrence"], single["start"]) == ("singleInstance", None, series["start"])


def test_an_occurrence_takes_no_rule(client: GraphClient) -> None:
    """The recurrence can only be set on the master."""
    series = client.create(TOM, weekly())
    second = instances(client, series)[1]
    response = client.patch(TOM, second["id"], {"recurrence": series["recurrence"]})
    assert client.error(response, 400) == "ErrorInvalidRequest"
    assert client.patch(TOM, second["id"], {"recurrence": None, "subject": "x"}).status == 200


def test_an_occurrence_can_carry_a_tag_of_its_own(client: GraphClient) -> None:
    """An extended property written to an occurrence belongs to it alone."""
    tag = "String {6f3d4a52-0c1e-4b7a-9a55-3f1d2c9be401} Name ConcordPairKey"
    expand = f"?$expand=singleValueExtendedProperties($filter=id eq '{tag}')"
    series = client.create(TOM, weekly())
    first, second = instances(client, series)[:2]
    client.patch(TOM, second["id"], {"singleValueExtendedProperties": [{"id": tag, "value": "k"}]})
    assert client.event(TOM, second["id"], expand)["singleValueExtendedProperties"][0]["value"] == "k"
    for other in (first, series):
        assert "singleValueExtendedProperties" not in client.event(TOM, other["id"], expand)


def test_an_event_can_bring_its_calendar_and_instances(client: GraphClient) -> None:
    """Expanded on one event; instances need their window, and of a single event there are none."""
    series = client.create(TOM, weekly())
    days = "startDateTime=2026-03-01T00:00:00Z&endDateTime=2026-03-20T00:00:00Z"
    expanded = client.event(TOM, series["id"], f"?$expand=calendar,instances&{days}")
    assert expanded["calendar"]["isDefaultCalendar"] is True
    path = f"/users/{TOM.id}/events/{quote(series['id'], safe='')}"
    assert expanded["instances"] == client.get(f"{path}/instances?{days}")["value"]
    assert "calendar" not in client.event(TOM, series["id"])
    assert client.error(client.send("GET", f"{path}?$expand=instances"), 400) == "ErrorInvalidParameter"
    single = client.create(TOM, meeting())
    assert client.event(TOM, single["id"], f"?$expand=instances&{days}")["instances"] == []
    assert client.send("GET", f"/users/{TOM.id}/events?$expand=calendar").status == 400
