"""Series as others see them: delta, mails, copies, answers, notifications, placed data."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from support.graph_firm import ANA, BANKSIA, CLIENT, TOM, GraphClient, attendee, build_graph, meeting, window

from simulators.graph.behaviour import Behaviour

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


# --- delta ----------------------------------------------------------------------------------------------------


@pytest.mark.honest("graph", 1, 2)
def test_delta_has_masters_and_thin_occurrences(client: GraphClient) -> None:
    """The master in full with its first start, occurrences with seven members, exceptions in full."""
    series = client.create(TOM, weekly())
    items = instances(client, series)
    client.patch(TOM, items[1]["id"], {"subject": "Own"})
    found, _, _ = client.round(window(TOM, "2026-03-16T00:00:00Z"))
    by_type: dict[str, list[dict[str, Any]]] = {}
    for item in found:
        by_type.setdefault(item["type"], []).append(item)
    [master] = by_type["seriesMaster"]
    assert (master["id"], master["start"]["dateTime"]) == (series["id"], "2026-03-10T23:00:00.0000000")
    assert all(item.keys() == THIN for item in by_type["occurrence"])
    assert len(by_type["occurrence"]) == 3
    [exception] = by_type["exception"]
    assert (exception["id"], exception["subject"], exception["originalStart"]) == (
        items[1]["id"], "Own", items[1]["originalStart"],
    )  # fmt: skip


@pytest.mark.honest("graph", 4)
def test_a_deleted_occurrence_has_no_tombstone(client: GraphClient) -> None:
    """The series is re-sent whole, without the occurrence and without @removed."""
    series = client.create(TOM, weekly())
    _, link, _ = client.round(window(TOM))
    items = instances(client, series)
    client.delete(TOM, items[2]["id"])
    found, _, _ = client.round(link)
    assert all("@removed" not in item for item in found)
    assert [item["id"] for item in found] == [series["id"], *(item["id"] for item in items if item != items[2])]


@pytest.mark.honest("graph", 4)
def test_what_was_retimed_has_no_tombstone(client: GraphClient) -> None:
    """Moved out of the window, or gone with its series' old days: an occurrence is just not sent again."""
    series = client.create(TOM, weekly())
    items = instances(client, series)
    _, link, _ = client.round(window(TOM, end="2026-04-01T00:00:00Z"))
    late = {"dateTime": "2026-04-02T10:00:00", "timeZone": "AUS Eastern Standard Time"}
    assert (
        client.patch(
            TOM, items[3]["id"], {"start": late, "end": {**late, "dateTime": late["dateTime"][:11] + "11:00:00"}}
        ).status
        == 200
    )
    found, link, _ = client.round(link)
    assert [item["id"] for item in found] == [series["id"], *(item["id"] for item in items[:3])]
    thursdays = rule({"type": "weekly", "daysOfWeek": ["thursday"]}, "2026-03-12")
    moved = {
        "recurrence": thursdays,
        "start": {"dateTime": "2026-03-12T10:00:00", "timeZone": "AUS Eastern Standard Time"},
        "end": {"dateTime": "2026-03-12T11:00:00", "timeZone": "AUS Eastern Standard Time"},
    }
    assert client.patch(TOM, series["id"], moved).status == 200
    found, _, _ = client.round(link)
    assert found[0]["id"] == series["id"]
    assert not {item["id"] for item in found} & {item["id"] for item in items}
    assert all("@removed" not in item for item in found)


def test_a_series_is_not_split_across_pages(client: GraphClient) -> None:
    """Master and instances come in one page, even when the page is smaller."""
    client.create(TOM, meeting())
    client.create(TOM, weekly())
    client.create(TOM, meeting())
    page = client.get(window(TOM), Prefer="odata.maxpagesize=2")
    assert len(page["value"]) == 1
    page = client.get(page["@odata.nextLink"])
    assert len(page["value"]) == 6


def test_a_deleted_series_is_removed(client: GraphClient) -> None:
    """The master's id is removed; its instances' ids too when switched on."""
    for with_instances in (False, True):
        calm = Behaviour().calm()
        delta = dataclasses.replace(calm.delta, series_removal_names_instances=with_instances)
        client = GraphClient(build_graph(dataclasses.replace(calm, delta=delta)))
        series = client.create(TOM, weekly())
        ids = [item["id"] for item in instances(client, series)] if with_instances else []
        _, link, _ = client.round(window(TOM))
        client.delete(TOM, series["id"])
        found, _, _ = client.round(link)
        assert [item["id"] for item in found] == [series["id"], *ids]
        assert all("@removed" in item for item in found)


@pytest.mark.honest("graph", 3)
def test_a_series_outside_the_window_is_told_as_removed(client: GraphClient) -> None:
    """A series without an instance in the window arrives as the removal of its master."""
    _, link, _ = client.round(window(TOM, "2026-01-01T00:00:00Z", "2026-02-01T00:00:00Z"))
    series = client.create(TOM, weekly())
    found, _, _ = client.round(link)
    assert [(item["id"], "@removed" in item) for item in found] == [(series["id"], True)]


# --- meetings in series ---------------------------------------------------------------------------------------


def test_mails_of_a_series(client: GraphClient) -> None:
    """One invitation for the series, one update for each edited instance, one cancellation for a deleted one."""
    series = client.create(TOM, weekly(CLIENT))
    assert [(mail.kind, mail.event_id) for mail in client.sim.mails] == [("invite", series["id"])]
    items = instances(client, series)
    client.patch(TOM, items[1]["id"], {"subject": "Late"})
    client.delete(TOM, items[2]["id"])
    client.patch(TOM, series["id"], {"subject": "All"})
    told = [(mail.kind, mail.event_id, mail.ical_uid) for mail in client.sim.mails[1:]]
    assert told == [
        ("update", items[1]["id"], items[1]["iCalUId"]),
        ("cancel", items[2]["id"], items[2]["iCalUId"]),
        ("update", series["id"], series["iCalUId"]),
        ("update", items[1]["id"], items[1]["iCalUId"]),
    ]


@pytest.mark.honest("graph", 25)
def test_copies_of_a_series_follow_single_occurrences(client: GraphClient) -> None:
    """An attendee's series gets the exception, and a cancelled occurrence is marked in it."""
    series = client.create(TOM, weekly(ANA.mail))
    items = instances(client, series)
    client.patch(TOM, items[1]["id"], {"subject": "Late"})
    client.delete(TOM, items[2]["id"])
    [copy] = client.get(f"/users/{ANA.id}/events")["value"]
    theirs = instances(client, copy, ANA)
    assert [item["subject"] for item in theirs[:3]] == ["Portfolio review", "Late", "Canceled: Portfolio review"]
    assert [item["isCancelled"] for item in theirs[:3]] == [False, False, True]
    assert [item["iCalUId"] for item in theirs] == [item["iCalUId"] for item in items]


@pytest.mark.honest("graph", 25)
def test_someone_invited_to_one_occurrence_has_that_one(client: GraphClient) -> None:
    """An attendee added to one occurrence gets a single event with the occurrence's identity."""
    series = client.create(TOM, weekly(CLIENT))
    second = instances(client, series)[1]
    client.patch(TOM, second["id"], {"attendees": [attendee(CLIENT), attendee(ANA.mail)]})
    [copy] = client.sim.events_of(ANA.id)
    assert (copy["type"], copy["iCalUId"]) == ("singleInstance", second["iCalUId"])
    assert client.sim.mails[-1].kind == "invite"


def test_answers_to_one_occurrence_stay_there(client: GraphClient) -> None:
    """Accepting one occurrence makes it an exception in the copy and in the organizer's list for that day only."""
    series = client.create(TOM, weekly(ANA.mail))
    [copy] = client.get(f"/users/{ANA.id}/events")["value"]
    theirs = instances(client, copy, ANA)
    assert client.act(ANA, theirs[1]["id"], "accept").status == 202
    assert client.act(ANA, theirs[2]["id"], "decline").status == 202
    client.sim.clock.advance(5)
    own = instances(client, series)
    replies = [item["attendees"][0]["status"]["response"] for item in own[:3]]
    assert replies == ["none", "accepted", "declined"]
    assert len(instances(client, copy, ANA)) == 4


def test_rooms_answer_series(client: GraphClient) -> None:
    """A room accepts a series when all of it is free, and declines it when one day is taken."""
    series = client.create(TOM, weekly(attendees=[attendee(BANKSIA.email_address, "resource")]))
    client.sim.clock.advance(10)
    assert client.event(TOM, series["id"])["attendees"][0]["status"]["response"] == "accepted"
    clash = client.create(
        TOM,
        meeting(
            attendees=[attendee(BANKSIA.email_address, "resource")],
            start={"dateTime": "2026-03-24T23:30:00", "timeZone": "UTC"},
            end={"dateTime": "2026-03-25T00:30:00", "timeZone": "UTC"},
        ),
    )
    client.sim.clock.advance(10)
    assert client.event(TOM, clash["id"])["attendees"][0]["status"]["response"] == "declined"
    second = client.create(TOM, weekly(attendees=[attendee(BANKSIA.email_address, "resource")]))
    client.sim.clock.advance(10)
    assert client.event(TOM, second["id"])["attendees"][0]["status"]["response"] == "declined"
    assert [event["iCalUId"] for event in client.sim.events_of(BANKSIA.id)] == [series["iCalUId"]]


def test_deleting_an_occurrence_notifies_about_the_master(client: GraphClient) -> None:
    """A deleted occurrence shows to subscribers as an update of the master."""
    series = client.create(TOM, weekly())
    body = {
        "changeType": "created,updated,deleted",
        "notificationUrl": "https://hook.example/x",
        "resource": f"users/{TOM.id}/events",
        "expirationDateTime": (datetime(2026, 3, 2, 9, tzinfo=UTC) + timedelta(hours=1)).isoformat(),
    }
    assert client.send("POST", "/subscriptions", body).status == 201
    client.delete(TOM, instances(client, series)[1]["id"])
    client.sim.clock.advance(10)
    [delivery] = client.sim.due_deliveries()
    [item] = json.loads(delivery.body)["value"]
    assert (item["changeType"], item["resourceData"]["id"]) == ("updated", series["id"])


# --- placed data ----------------------------------------------------------------------------------------------


def test_a_series_can_be_placed_as_it_was_read(client: GraphClient) -> None:
    """What events_of gives of a series, with its edited and deleted occurrences, can be placed in another mailbox."""
    series = client.create(TOM, weekly())
    items = instances(client, series)
    client.patch(TOM, items[1]["id"], {"subject": "Late", "location": {"displayName": "Café"}})
    client.delete(TOM, items[2]["id"])
    [seen] = client.sim.events_of(TOM.id)
    twin = GraphClient(build_graph(seed=5))
    twin.sim.add_event(TOM.id, seen)
    [placed] = twin.sim.events_of(TOM.id)
    path = f"/users/{TOM.id}/calendarView?{SPRING}"
    shown = ("subject", "start", "end", "type", "location", "iCalUId", "originalStart")
    first, second = (
        [{name: item[name] for name in shown} for item in one.get(path)["value"]] for one in (client, twin)
    )
    assert first == second
    assert placed["recurrence"] == seen["recurrence"]
    assert len(placed["cancelledOccurrences"]) == 1
    with pytest.raises(ValueError, match="no occurrence"):
        twin.sim.add_event(TOM.id, weekly(cancelledOccurrences=["2026-03-12"]))
