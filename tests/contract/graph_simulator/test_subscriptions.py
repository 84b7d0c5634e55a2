"""Subscriptions and what they deliver: the handshake, lifetimes, notifications with all their irregularities."""

from __future__ import annotations

import dataclasses
import json
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from support.graph_firm import ANA, FIRM, TOM, GraphClient, Webhooks, build_graph, meeting

from simulators.graph.behaviour import Behaviour, NotificationBehaviour
from simulators.graph.service import GraphSimulator
from simulators.graph.zones import instant_text, parse_instant
from simulators.http import Delivery, Response

HOOK, LIFE = "https://hook.example/notify?tenant=1", "https://hook.example/life"
OK = Response(202)


class Subscriber:
    """A firm whose client subscribes and takes its notifications."""

    def __init__(self, **changes: Any) -> None:
        calm = Behaviour().calm()
        notifications = dataclasses.replace(calm.notifications, **changes)
        self.sim: GraphSimulator = build_graph(dataclasses.replace(calm, notifications=notifications))
        self.client = GraphClient(self.sim)
        self.hooks: Webhooks = self.sim._subscriptions._send  # type: ignore[assignment]

    def body(self, minutes: float = 60, **changes: Any) -> dict[str, Any]:
        """The body of a subscription."""
        return {
            "changeType": "created,updated,deleted",
            "notificationUrl": HOOK,
            "resource": f"users/{TOM.id}/events",
            "expirationDateTime": instant_text(self.sim.clock.now() + timedelta(minutes=minutes)),
            "clientState": "secret",
            **changes,
        }

    def post(self, minutes: float = 60, **changes: Any) -> Response:
        """The answer to POST /subscriptions."""
        return self.client.send("POST", "/subscriptions", self.body(minutes, **changes))

    def subscribe(self, minutes: float = 60, **changes: Any) -> str:
        """Id of a new subscription."""
        response = self.post(minutes, **changes)
        assert response.status == 201, response.body
        return str(response.json()["id"])

    def deliveries(self, seconds: float = 60, answer: Response | None = OK) -> list[Delivery]:
        """What becomes due within some seconds, each answered at once."""
        found: list[Delivery] = []
        for _ in range(int(seconds * 2)):
            self.sim.clock.advance(0.5)
            for delivery in self.sim.due_deliveries():
                found.append(delivery)
                self.sim.delivered(delivery.delivery_id, answer)
        return found

    def items(self, seconds: float = 60, url: str = HOOK) -> list[dict[str, Any]]:
        """The notifications that arrive at an address within some seconds."""
        return [item for one in self.deliveries(seconds) if one.url == url for item in json.loads(one.body)["value"]]


@pytest.mark.honest("graph", 20)
def test_the_handshake_comes_before_the_answer() -> None:
    """Both addresses get a POST with an encoded token and must echo it decoded; then 201 is answered."""
    firm = Subscriber()
    response = firm.post(lifecycleNotificationUrl=LIFE)
    assert response.status == 201
    assert [call.url.split("?")[0] for call in firm.hooks.calls] == ["https://hook.example/notify", LIFE]
    first = firm.hooks.calls[0]
    assert (first.method, first.body, first.timeout_s) == ("POST", b"", 10.0)
    assert first.headers["content-type"].startswith("text/plain")
    query = parse_qs(urlsplit(first.url).query)
    assert query["tenant"] == ["1"]
    assert " " in query["validationToken"][0]
    created = response.json()
    assert created["clientState"] == "secret"
    assert created["applicationId"] == firm.sim.tenant.apps[0].client_id


@pytest.mark.honest("graph", 20)
@pytest.mark.parametrize(
    "answer",
    [None, Response(404), Response.of_text(200, "wrong"), Response(202, {"content-type": "text/plain"}),
     Response(200, {"content-type": "application/json"}, b"x")],
)  # fmt: skip
def test_a_failed_handshake_is_no_subscription(answer: Response | None) -> None:
    """No answer, another status, type or text gives 400 ValidationError and nothing is subscribed."""
    firm = Subscriber()
    firm.hooks.answers[HOOK.split("?")[0]] = answer
    assert firm.client.error(firm.post(), 400) == "ValidationError"
    assert firm.sim.subscriptions == []


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"notificationUrl": "http://hook.example/x"}, "InvalidRequest"),
        ({"notificationUrl": None}, "InvalidRequest"),
        ({"changeType": "moved"}, "InvalidRequest"),
        ({"resource": f"users/{TOM.id}/messages"}, "InvalidRequest"),
        ({"resource": f"users/{TOM.id}/events?$filter=colour eq 'red'"}, "RequestBroker--ParseUri"),
        ({"resource": f"users/{TOM.id}/events?$top=1"}, "InvalidRequest"),
        ({"clientState": "x" * 129}, "InvalidRequest"),
        ({"expirationDateTime": "soon"}, "InvalidRequest"),
        ({"includeResourceData": True}, "ExtensionError"),
    ],
)
def test_bad_subscriptions_are_refused(changes: dict[str, Any], code: str) -> None:
    """Plain http, unknown resources and change types, and long client states are refused without a handshake."""
    firm = Subscriber()
    assert firm.client.error(firm.post(**changes), 400) == code
    assert firm.hooks.calls == []


def test_an_identical_subscription_may_conflict() -> None:
    """On a switch the second one answers 409, before any handshake; another address is another subscription."""
    firm = Subscriber(identical_refused=True)
    firm.subscribe()
    asked = len(firm.hooks.calls)
    assert firm.client.error(firm.post(), 409) == "Conflict"
    assert len(firm.hooks.calls) == asked
    assert firm.post(notificationUrl=LIFE).status == 201
    assert Subscriber().post().status == 201


def test_loopback_addresses_may_be_plain_http() -> None:
    """Http is accepted for loopback hosts, where a test has no certificate."""
    assert Subscriber().post(notificationUrl="http://127.0.0.1:5000/hook").status == 201


@pytest.mark.honest("graph", 21)
def test_lifetimes_have_bounds() -> None:
    """More than 10,070 minutes is refused with ExtensionError, less than 45 is raised to 45."""
    firm = Subscriber()
    assert firm.client.error(firm.post(10_071), 400) == "ExtensionError"
    assert firm.client.error(firm.post(-1), 400) == "ExtensionError"
    assert firm.post(10_070).status == 201
    made = firm.post(1).json()
    soonest = firm.sim.clock.now() + timedelta(minutes=45)
    assert parse_instant(made["expirationDateTime"]) == soonest

    def renewed(minutes: float) -> Response:
        body = {"expirationDateTime": instant_text(firm.sim.clock.now() + timedelta(minutes=minutes))}
        return firm.client.send("PATCH", f"/subscriptions/{made['id']}", body)

    assert firm.client.error(renewed(10_071), 400) == "ExtensionError"
    assert parse_instant(renewed(1).json()["expirationDateTime"]) == soonest


def test_subscriptions_can_be_read_renewed_and_deleted() -> None:
    """GET, PATCH of the expiry, reauthorize and DELETE work; another application does not see them."""
    firm = Subscriber()
    name = firm.subscribe(60)
    later = instant_text(firm.sim.clock.now() + timedelta(minutes=600))
    renewed = firm.client.send("PATCH", f"/subscriptions/{name}", {"expirationDateTime": later})
    assert (renewed.status, renewed.json()["expirationDateTime"]) == (200, later)
    assert firm.client.send("POST", f"/subscriptions/{name}/reauthorize").status == 204
    assert [one["id"] for one in firm.client.get("/subscriptions")["value"]] == [name]
    assert firm.client.get(f"/subscriptions/{name}")["clientState"] is None
    assert firm.client.send("DELETE", f"/subscriptions/{name}").status == 204
    assert firm.client.error(firm.client.send("GET", f"/subscriptions/{name}"), 404) == "ResourceNotFound"


@pytest.mark.honest("graph", 21)
def test_subscriptions_end_by_the_clock() -> None:
    """An expired subscription is gone and delivers nothing."""
    firm = Subscriber()
    name = firm.subscribe(60)
    firm.sim.clock.advance(61 * 60)
    assert firm.client.send("GET", f"/subscriptions/{name}").status == 404
    firm.client.create(TOM, meeting())
    assert firm.items() == []


@pytest.mark.honest("graph", 21)
def test_a_created_event_is_told_twice_without_data() -> None:
    """Created is followed by updated; an item names the event and carries no property values."""
    firm = Subscriber()
    name = firm.subscribe()
    event = firm.client.create(TOM, meeting())
    assert firm.sim.due_deliveries() == []
    items = firm.items()
    assert sorted(item["changeType"] for item in items) == ["created", "updated"]
    item = items[0]
    assert (item["subscriptionId"], item["clientState"], item["tenantId"]) == (name, "secret", FIRM.id)
    assert item["resource"] == f"Users/{TOM.id}/Events/{event['id']}"
    assert item["resourceData"]["@odata.type"] == "#Microsoft.Graph.Event"
    assert item["resourceData"]["id"] == event["id"]
    assert item["resourceData"].keys() == {"@odata.type", "@odata.id", "@odata.etag", "id"}


def test_changes_and_deletions_are_told_to_who_asked() -> None:
    """Only the subscribed change types of the subscribed mailbox arrive; writes on copies count for their mailbox."""
    firm = Subscriber()
    firm.subscribe(changeType="deleted")
    firm.subscribe(resource=f"/users/{ANA.id}/calendar/events", notificationUrl=LIFE)
    event = firm.client.create(TOM, meeting(ANA.mail))
    firm.client.delete(TOM, event["id"])
    found = firm.deliveries()
    by_url = {
        url: [item["changeType"] for one in found if one.url == url for item in json.loads(one.body)["value"]]
        for url in (HOOK, LIFE)
    }
    assert by_url[HOOK] == ["deleted"]
    assert sorted(by_url[LIFE]) == ["created", "updated", "updated"]


def test_immutable_ids_are_kept_for_the_subscription() -> None:
    """A subscription made with IdType=ImmutableId names events by their immutable ids."""
    firm = Subscriber()
    response = firm.client.send("POST", "/subscriptions", firm.body(), {"Prefer": 'IdType="ImmutableId"'})
    assert response.status == 201
    event = firm.client.create(TOM, meeting(), Prefer='IdType="ImmutableId"')
    assert firm.items()[0]["resourceData"]["id"] == event["id"]


@pytest.mark.honest("graph", 21)
def test_duplicates_lateness_and_reordering_are_switches() -> None:
    """Notifications come twice, late and out of order when told so."""
    firm = Subscriber(duplicate=1.0, created_then_updated=0.0)
    firm.subscribe()
    firm.client.create(TOM, meeting())
    assert [item["changeType"] for item in firm.items()] == ["created", "created"]
    late = Subscriber(late=1.0, late_s_max=100.0, delay_s_max=20.0, created_then_updated=0.0)
    late.subscribe()
    late.client.create(TOM, meeting())
    assert late.items(19) == []
    events = [late.client.create(TOM, meeting())["id"] for _ in range(8)]
    told = [item["resourceData"]["id"] for item in late.items(100)]
    assert set(events) <= set(told)
    assert [name for name in told if name in events] != events


@pytest.mark.honest("graph", 22)
def test_unacknowledged_notifications_are_tried_again_for_hours() -> None:
    """Any answer but 2xx, or none, is retried with growing pauses; after 4 hours `missed` is sent."""
    firm = Subscriber(created_then_updated=0.0)
    firm.subscribe(10_000, lifecycleNotificationUrl=LIFE)
    firm.client.create(TOM, meeting())
    times: list[datetime] = []
    lifecycle: list[str] = []
    for _ in range(6 * 60 * 12):
        firm.sim.clock.advance(5)
        for delivery in firm.sim.due_deliveries():
            if delivery.url == LIFE:
                lifecycle += [item["lifecycleEvent"] for item in json.loads(delivery.body)["value"]]
                firm.sim.delivered(delivery.delivery_id, OK)
            else:
                times.append(firm.sim.clock.now())
                firm.sim.delivered(delivery.delivery_id, [None, Response(500), Response(404)][len(times) % 3])
    pauses = [(later - earlier).total_seconds() for earlier, later in pairwise(times)]
    assert len(pauses) >= 8
    assert pauses == sorted(pauses)
    assert (times[-1] - times[0]) <= timedelta(hours=4)
    assert lifecycle == ["missed"]


def test_an_acknowledged_notification_is_not_repeated() -> None:
    """A 2xx ends it."""
    firm = Subscriber(created_then_updated=0.0)
    firm.subscribe()
    firm.client.create(TOM, meeting())
    assert len(firm.deliveries(600)) == 1


@pytest.mark.honest("graph", 22)
def test_a_somewhat_slow_endpoint_waits_longer() -> None:
    """Between one answer in ten and three in twenty that are slow, fresh notifications are held back, not dropped."""
    firm = Subscriber(created_then_updated=0.0, delay_s_min=0.0, delay_s_max=0.0)
    firm.subscribe(600, lifecycleNotificationUrl=LIFE)
    for number in range(16):
        firm.client.create(TOM, meeting())
        [delivery] = firm.sim.due_deliveries()
        firm.sim.clock.advance(4 if number >= 14 else 1)
        firm.sim.delivered(delivery.delivery_id, OK)
    event = firm.client.create(TOM, meeting())
    assert firm.items(9) == []
    assert [item["resourceData"]["id"] for item in firm.items(3)] == [event["id"]]
    assert firm.items(60, LIFE) == []


@pytest.mark.honest("graph", 22)
def test_slow_endpoints_lose_notifications_and_are_told() -> None:
    """When too many answers are slow, notifications are dropped for a while and `missed` follows."""
    firm = Subscriber(created_then_updated=0.0, delay_s_min=0.0, delay_s_max=0.0)
    firm.subscribe(600, lifecycleNotificationUrl=LIFE)
    for _ in range(10):
        firm.client.create(TOM, meeting())
        [delivery] = firm.sim.due_deliveries()
        firm.sim.clock.advance(4)
        firm.sim.delivered(delivery.delivery_id, OK)
    firm.client.create(TOM, meeting())
    assert firm.items(60) == []
    events = firm.items(700, LIFE)
    assert [item["lifecycleEvent"] for item in events] == ["missed"]
    assert "resource" not in events[0]
    firm.client.create(TOM, meeting())
    assert len(firm.items(60)) == 1


def test_lost_notifications_are_told_as_missed() -> None:
    """With losses switched on, `missed` arrives at the lifecycle address instead."""
    firm = Subscriber(lost=1.0)
    firm.subscribe(lifecycleNotificationUrl=LIFE)
    firm.client.create(TOM, meeting())
    found = firm.deliveries()
    assert {delivery.url for delivery in found} == {LIFE}


def test_lifecycle_events_come_on_demand_and_near_the_end() -> None:
    """ReauthorizationRequired is sent before the end and stops after a renewal; subscriptionRemoved removes."""
    firm = Subscriber()
    name = firm.subscribe(60, lifecycleNotificationUrl=LIFE)
    kinds = [item["lifecycleEvent"] for item in firm.items(50 * 60, LIFE)]
    assert kinds == ["reauthorizationRequired", "reauthorizationRequired"]
    firm.sim.lifecycle(name, "subscriptionRemoved")
    assert [item["lifecycleEvent"] for item in firm.items(5, LIFE)] == ["subscriptionRemoved"]
    assert firm.sim.subscriptions == []


def test_a_filter_shows_what_enters_and_leaves_it() -> None:
    """Entering counts as created, leaving as deleted, what stays outside is not told."""
    firm = Subscriber(created_then_updated=0.0, delay_s_min=0.0, delay_s_max=0.0)
    held = firm.client.create(TOM, meeting(showAs="busy"))
    firm.subscribe(resource=f"users/{TOM.id}/events?$filter=showAs eq 'busy'")

    def told() -> list[tuple[str, str]]:
        return [(item["changeType"], item["resourceData"]["id"]) for item in firm.items(1)]

    free = firm.client.create(TOM, meeting(showAs="free"))
    assert told() == []
    firm.client.patch(TOM, held["id"], {"subject": "x"})
    assert told() == [("updated", held["id"])]
    firm.client.patch(TOM, free["id"], {"showAs": "busy"})
    firm.client.patch(TOM, held["id"], {"showAs": "free"})
    assert sorted(told()) == sorted([("created", free["id"]), ("deleted", held["id"])])
    twin = build_graph()
    twin.load(firm.sim.dump())
    assert twin.dump()["subscriptions"] == firm.sim.dump()["subscriptions"]
    firm.client.delete(TOM, held["id"])
    firm.client.delete(TOM, free["id"])
    assert told() == [("deleted", free["id"])]


def test_many_notifications_share_a_post() -> None:
    """One POST may carry several notifications, up to a bound."""
    firm = Subscriber(created_then_updated=0.0, delay_s_min=1.0, delay_s_max=1.0, items_per_post_max=4)
    firm.subscribe()
    for _ in range(10):
        firm.client.create(TOM, meeting())
    assert [len(json.loads(one.body)["value"]) for one in firm.deliveries(5)] == [4, 4, 2]


def test_placed_events_notify_nobody() -> None:
    """Data placed without mails causes no notification."""
    firm = Subscriber()
    firm.subscribe()
    firm.sim.add_event(TOM.id, meeting())
    assert firm.deliveries(60) == []


def test_defaults_are_realistic() -> None:
    """By default the acknowledgement deadline is 3 seconds and retries go on for 4 hours."""
    behaviour = NotificationBehaviour()
    assert (behaviour.ack_timeout_s, behaviour.retry_for_s) == (3.0, 4 * 3600.0)
    firm = Subscriber()
    firm.subscribe()
    firm.client.create(TOM, meeting())
    firm.sim.clock.advance(10)
    assert {delivery.timeout_s for delivery in firm.sim.due_deliveries()} == {3.0}
