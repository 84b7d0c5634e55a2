"""Online meetings on events: the block in the body, the provider's limits, the URL that comes later."""

from __future__ import annotations

import dataclasses

import pytest
from support.graph_firm import ANA, TOM, GraphClient, build_graph, meeting

from simulators.graph.behaviour import Behaviour
from simulators.graph.body import plain_text

ONLINE = {"isOnlineMeeting": True, "onlineMeetingProvider": "teamsForBusiness"}


@pytest.fixture
def client() -> GraphClient:
    """A client of the calm firm."""
    return GraphClient(build_graph())


@pytest.mark.honest("graph", 16)
def test_an_online_meeting_gets_a_url_and_a_block(client: GraphClient) -> None:
    """OnlineMeeting is filled and the join block appended behind the author's text."""
    event = client.create(TOM, meeting(**ONLINE))
    url = event["onlineMeeting"]["joinUrl"]
    assert (event["isOnlineMeeting"], event["onlineMeetingUrl"]) == (True, None)
    assert event["body"]["content"].index("Agenda attached.") < event["body"]["content"].index(url)
    assert f"<{url}>" in plain_text(event["body"]["content"])


@pytest.mark.honest("graph", 16)
def test_losing_the_block_ends_the_online_meeting(client: GraphClient) -> None:
    """A body without the block drops the online meeting; one that keeps it does not."""
    event = client.create(TOM, meeting(**ONLINE))
    kept = event["body"]["content"].replace("Agenda attached.", "New agenda.")
    changed = client.patch(TOM, event["id"], {"body": {"contentType": "html", "content": kept}}).json()
    assert changed["onlineMeeting"] == event["onlineMeeting"]
    lost = client.patch(TOM, event["id"], {"body": {"contentType": "html", "content": "New agenda."}}).json()
    assert (lost["isOnlineMeeting"], lost["onlineMeeting"]) == (False, None)
    assert lost["onlineMeetingProvider"] == "unknown"


@pytest.mark.honest("graph", 17)
def test_an_online_meeting_is_never_unset(client: GraphClient) -> None:
    """Later changes of isOnlineMeeting and the provider are ignored with 200."""
    event = client.create(TOM, meeting(**ONLINE))
    changed = client.patch(TOM, event["id"], {"isOnlineMeeting": False, "onlineMeetingProvider": "unknown"})
    assert (changed.status, changed.json()["isOnlineMeeting"]) == (200, True)
    assert changed.json()["onlineMeetingProvider"] == "teamsForBusiness"


def test_an_online_meeting_can_be_switched_on_later(client: GraphClient) -> None:
    """A PATCH of isOnlineMeeting on a plain event makes it an online meeting."""
    event = client.create(TOM, meeting())
    changed = client.patch(TOM, event["id"], ONLINE).json()
    assert changed["onlineMeeting"]["joinUrl"] in changed["body"]["content"]


@pytest.mark.honest("graph", 17)
def test_calendars_without_the_provider_ignore_the_wish() -> None:
    """Without teamsForBusiness the event is created with 201 and no online meeting."""
    sim = build_graph()
    sim.put_user(dataclasses.replace(ANA, online_meetings=False))
    client = GraphClient(sim)
    assert client.get(f"/users/{ANA.id}/calendar")["allowedOnlineMeetingProviders"] == []
    event = client.create(ANA, meeting(**ONLINE))
    assert (event["isOnlineMeeting"], event["onlineMeetingProvider"]) == (False, "unknown")
    assert event["onlineMeeting"] is None


def test_the_join_url_may_come_later() -> None:
    """With a delay the URL and the block arrive by the clock, as an update of the event and of its copies."""
    sim = build_graph(dataclasses.replace(Behaviour().calm(), join_url_s=5.0))
    client = GraphClient(sim)
    event = client.create(TOM, meeting(ANA.mail, **ONLINE))
    assert (event["isOnlineMeeting"], event["onlineMeeting"]) == (True, None)
    sim.clock.advance(6)
    later = client.event(TOM, event["id"])
    assert later["onlineMeeting"]["joinUrl"] in later["body"]["content"]
    assert later["changeKey"] != event["changeKey"]
    assert sim.events_of(ANA.id)[0]["onlineMeeting"] == later["onlineMeeting"]
    assert len(sim.mails) == 1
