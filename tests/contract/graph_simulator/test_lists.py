"""Collections of events: filters, order, pages, views and free/busy."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from support.graph_firm import ANA, TOM, GraphClient, build_graph, meeting

ONLINE = {"isOnlineMeeting": True, "onlineMeetingProvider": "teamsForBusiness"}


@pytest.fixture
def client() -> GraphClient:
    """A client of the calm firm."""
    return GraphClient(build_graph())


def subjects(client: GraphClient, query: str) -> list[str]:
    """The subjects of a list of Tom's events."""
    return [event["subject"] for event in client.get(f"/users/{TOM.id}/events?{query}")["value"]]


@pytest.fixture
def five(client: GraphClient) -> GraphClient:
    """Five events on successive days."""
    for n in range(5):
        client.create(
            TOM,
            meeting(
                subject=f"Event {n}",
                start={"dateTime": f"2026-03-1{n}T10:00:00", "timeZone": "UTC"},
                end={"dateTime": f"2026-03-1{n}T11:00:00", "timeZone": "UTC"},
                categories=["even"] if n % 2 == 0 else [],
                importance="high" if n == 4 else "normal",
            ),
        )
    return client


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("subject eq 'event 2'", [2]),
        ("startswith(subject,'Event') and importance eq 'high'", [4]),
        ("contains(subject,'3') or subject in ('Event 0','x')", [0, 3]),
        ("start/dateTime ge '2026-03-13T00:00:00'", [3, 4]),
        ("end/dateTime le 2026-03-11T11:00:00Z", [0, 1]),
        ("categories/any(c:c eq 'even')", [0, 2, 4]),
        ("not (isAllDay eq false)", []),
        ("seriesMasterId eq null and type eq 'singleInstance' and subject ne 'Event 0'", [1, 2, 3, 4]),
        ("lastModifiedDateTime gt 2030-01-01T00:00:00Z", []),
    ],
)
def test_lists_can_be_filtered(five: GraphClient, condition: str, expected: list[int]) -> None:
    """$filter understands times, text functions, any, in, not and null."""
    assert subjects(five, f"$filter={quote(condition)}") == [f"Event {n}" for n in expected]


@pytest.mark.parametrize(
    "query", ["$filter=attendees/any(a:a eq 'x')", "$filter=foo eq 1", "$orderby=foo", "$select=foo"]
)
def test_what_a_list_does_not_understand_is_refused(five: GraphClient, query: str) -> None:
    """Unknown members answer 400 instead of being ignored."""
    assert five.send("GET", f"/users/{TOM.id}/events?{query}").status == 400


def test_lists_are_ordered_paged_and_counted(five: GraphClient) -> None:
    """$orderby, $top, $skip and $count work together; nextLinks carry on with every option."""
    page = five.get(f"/users/{TOM.id}/events?$orderby=start/dateTime desc&$top=2&$count=true&$select=subject")
    assert page["@odata.count"] == 5
    seen = page["value"]
    while "@odata.nextLink" in page:
        page = five.get(page["@odata.nextLink"])
        seen += page["value"]
    assert [event["subject"] for event in seen] == [f"Event {n}" for n in (4, 3, 2, 1, 0)]
    assert all(event.keys() == {"@odata.etag", "id", "subject"} for event in seen)
    assert five.send("GET", f"/users/{TOM.id}/events/$count").body == b"5"


def test_a_link_behind_the_root_is_followed(five: GraphClient) -> None:
    """A client that appends a plain-http nextLink to the version root gets that page all the same."""
    link = five.get(f"/users/{TOM.id}/events?$top=3")["@odata.nextLink"]
    assert five.get(f"/{link}") == five.get(link)


def test_pages_hold_ten_by_default(client: GraphClient) -> None:
    """Without $top a list and a view give ten items a page."""
    for _ in range(11):
        client.create(TOM, meeting())
    assert len(client.get(f"/users/{TOM.id}/events")["value"]) == 10
    view = f"/users/{TOM.id}/calendarView?startDateTime=2026-03-01T00:00:00Z&endDateTime=2026-04-01T00:00:00Z"
    page = client.get(view)
    assert len(page["value"]) == 10
    assert len(client.get(page["@odata.nextLink"])["value"]) == 1


def test_a_view_needs_a_window(client: GraphClient) -> None:
    """A missing window is ErrorInvalidParameter, one above 1825 days ErrorInvalidRequest; names may be lower case."""
    path = f"/users/{TOM.id}/calendarView"
    assert client.error(client.send("GET", path), 400) == "ErrorInvalidParameter"
    assert client.send("GET", f"{path}?startDateTime=2026-03-01T00:00:00+10:00&endDateTime=2026-04-01").status == 400
    long = f"{path}?startDateTime=2020-01-01&endDateTime=2026-01-01"
    assert client.error(client.send("GET", long), 400) == "ErrorInvalidRequest"
    assert client.get(f"{path}?startdatetime=2026-03-01&enddatetime=2026-04-01")["value"] == []


def test_a_view_gives_the_join_url_only_beside_its_flag(client: GraphClient) -> None:
    """On calendarView, onlineMeeting needs isOnlineMeeting in the same $select; created and modified are not given."""
    client.create(TOM, meeting(**ONLINE))
    path = f"/users/{TOM.id}/calendarView?startDateTime=2026-03-01&endDateTime=2026-04-01&$select="
    alone = client.get(f"{path}onlineMeeting,createdDateTime")["value"][0]
    assert not {"onlineMeeting", "createdDateTime"} & alone.keys()
    assert client.get(f"{path}onlineMeeting,isOnlineMeeting")["value"][0]["onlineMeeting"]["joinUrl"]


@pytest.mark.honest("graph", 9)
def test_free_and_busy_times_can_be_asked_for(five: GraphClient) -> None:
    """GetSchedule gives a digit per interval; an unknown mailbox answers with its own error."""
    asked = {
        "schedules": [TOM.mail, "nobody@firm.example"],
        "startTime": {"dateTime": "2026-03-10T09:00:00", "timeZone": "UTC"},
        "endTime": {"dateTime": "2026-03-10T12:00:00", "timeZone": "UTC"},
        "availabilityViewInterval": 60,
    }
    tokyo = {"Prefer": 'outlook.timezone="Tokyo Standard Time"'}
    [far_tom, _] = five.send("POST", f"/users/{ANA.id}/calendar/getSchedule", asked, tokyo).json()["value"]
    assert far_tom["scheduleItems"][0]["start"] == {
        "dateTime": "2026-03-10T19:00:00.0000000", "timeZone": "Tokyo Standard Time",
    }  # fmt: skip
    tom, nobody = five.send("POST", f"/users/{ANA.id}/calendar/getSchedule", asked).json()["value"]
    assert tom["availabilityView"] == "020"
    assert nobody["error"]["responseCode"] == "5016"
    far = {**asked, "endTime": {"dateTime": "2026-06-10T12:00:00", "timeZone": "UTC"}}
    response = five.send("POST", f"/users/{ANA.id}/calendar/getSchedule", far)
    assert five.error(response, 400) == "ErrorTimeIntervalTooBig"
