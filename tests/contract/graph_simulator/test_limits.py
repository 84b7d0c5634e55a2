"""Throttling, batches and saving."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import Any

import pytest
from support.graph_firm import ANA, BANKSIA, BASE, FIRM, TOKEN, TOM, GraphClient, build_graph, meeting, window

from simulators.graph.behaviour import Behaviour
from simulators.graph.service import GraphSimulator
from simulators.graph.tenant import App
from simulators.http import Request


@pytest.fixture
def client() -> GraphClient:
    """A client of the calm firm."""
    return GraphClient(build_graph())


def asked(path: str) -> Request:
    """A request of the static application."""
    return Request("GET", f"/v1.0{path}", {"authorization": f"Bearer {TOKEN}"}, b"", BASE)


# --- throttling -----------------------------------------------------------------------------------------------


@pytest.mark.honest("graph", 23)
def test_the_fifth_call_at_once_to_a_mailbox_is_refused(client: GraphClient) -> None:
    """Four calls to one mailbox may run at once, the fifth gets 429 with Retry-After; others are not hit."""
    sim = client.sim
    four = [asked(f"/users/{TOM.id}/events") for _ in range(4)]
    assert [sim.begin(request) for request in four] == [None] * 4
    fifth = asked(f"/users/{TOM.user_principal_name}/calendar")
    refused = sim.begin(fifth)
    assert refused is not None
    assert (refused.status, refused.json()["error"]["code"]) == (429, "ApplicationThrottled")
    assert float(refused.headers["retry-after"]) >= 1
    assert {"request-id", "client-request-id", "date", "x-ms-ags-diagnostic"} <= refused.headers.keys()
    sim.end(fifth)
    assert sim.begin(asked(f"/users/{ANA.id}/events")) is None
    assert sim.begin(asked("/users")) is None
    sim.end(four[0])
    assert sim.begin(asked(f"/users/{TOM.id}/events")) is None


@pytest.mark.honest("graph", 23)
def test_each_application_has_places_of_its_own(client: GraphClient) -> None:
    """Another application's calls to the same mailbox are not hit."""
    client.sim.put_app(App("bbbbbbbb-1111-4222-8333-444455556666", "Other", secrets=("other",)))
    form = "grant_type=client_credentials&client_id=bbbbbbbb-1111-4222-8333-444455556666&client_secret=other"
    form += "&scope=https%3A%2F%2Fgraph.microsoft.com%2F.default"
    headers = {"content-type": "application/x-www-form-urlencoded"}
    signed = client.sim.handle(Request("POST", f"/{FIRM.id}/oauth2/v2.0/token", headers, form.encode(), BASE))
    other = dataclasses.replace(
        asked(f"/users/{TOM.id}/events"), headers={"authorization": f"Bearer {signed.json()['access_token']}"}
    )
    for _ in range(4):
        assert client.sim.begin(asked(f"/users/{TOM.id}/events")) is None
    assert client.sim.begin(asked(f"/users/{TOM.id}/events")) is not None
    assert client.sim.begin(other) is None


def test_too_many_calls_in_ten_minutes_are_refused() -> None:
    """Beyond the request limit of the window, refused calls count too, until the window has passed."""
    sim = build_graph(dataclasses.replace(Behaviour().calm(), requests_max=3))
    statuses = []
    for _ in range(5):
        request = asked(f"/users/{TOM.id}/events")
        refused = sim.begin(request)
        statuses.append(None if refused is None else refused.status)
        sim.end(request)
    assert statuses == [None, None, None, 429, 429]
    sim.clock.advance(601)
    assert sim.begin(asked(f"/users/{TOM.id}/events")) is None


def test_a_mailbox_can_be_throttled_until_a_time(client: GraphClient) -> None:
    """On demand every call to a mailbox answers 429 until the clock has reached the time given."""
    client.sim.throttle_mailbox(TOM.id, client.sim.clock.now() + timedelta(seconds=30))
    response = client.send("GET", f"/users/{TOM.id}/events")
    assert client.error(response, 429) == "ApplicationThrottled"
    assert response.headers["retry-after"] == "30"
    assert client.send("GET", f"/users/{ANA.id}/events").status == 200
    client.sim.clock.advance(30)
    assert client.send("GET", f"/users/{TOM.id}/events").status == 200


# --- batches --------------------------------------------------------------------------------------------------


def batch(client: GraphClient, *items: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The answers of a batch by id."""
    numbered = [{"id": str(n), "method": "GET", **item} for n, item in enumerate(items)]
    response = client.send("POST", "/$batch", {"requests": numbered})
    assert response.status == 200, response.body
    return {item["id"]: item for item in response.json()["responses"]}


def posted(body: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A batch item that creates an event."""
    headers = {"Content-Type": "application/json"}
    return {"method": "POST", "url": f"/users/{TOM.id}/events", "headers": headers, "body": body, **changes}


def test_batch_items_are_answered_one_by_one(client: GraphClient) -> None:
    """Each item has its own status, headers and body; Prefer works inside; urls may be absolute or lack the slash."""
    answers = batch(
        client,
        posted(meeting()),
        {"url": f"users/{TOM.id}/events", "headers": {"Prefer": 'outlook.timezone="Tokyo Standard Time"'}},
        {"url": "/users/nobody"},
        {"url": f"{BASE}/v1.0/users/{TOM.id}/calendar"},
    )
    assert [answers[name]["status"] for name in "0123"] == [201, 200, 404, 200]
    assert answers["0"]["body"]["subject"] == "Portfolio review"
    assert answers["1"]["body"]["value"][0]["start"]["timeZone"] == "Tokyo Standard Time"
    assert answers["1"]["headers"]["Content-Type"].startswith("application/json")
    assert answers["2"]["body"]["error"]["code"] == "Request_ResourceNotFound"


def test_answer_in_a_batch_is_not_changed_by_what_comes_after_it(client: GraphClient) -> None:
    """A read before a write shows what was there before."""
    path = f"/users/{TOM.id}/events/{client.send('POST', f'/users/{TOM.id}/events', meeting()).json()['id']}"
    headers = {"Content-Type": "application/json"}
    write = {"method": "PATCH", "url": path, "headers": headers, "body": {"subject": "Second"}}
    answers = batch(client, {"url": path}, write, {"url": path})
    assert [answers[name]["body"]["subject"] for name in "012"] == ["Portfolio review", "Second", "Second"]


def test_dependants_of_a_failure_are_not_run(client: GraphClient) -> None:
    """A failed predecessor gives 424 to what depends on it, and that is not carried out."""
    answers = batch(client, posted({"subject": 1}), posted(meeting(), dependsOn=["0"]))
    assert [answers[name]["status"] for name in "01"] == [400, 424]
    assert client.sim.events_of(TOM.id) == []
    good = batch(client, posted(meeting()), posted(meeting(), dependsOn=["0"]))
    assert [good[name]["status"] for name in "01"] == [201, 201]


def test_answers_may_come_in_any_order() -> None:
    """Only ids say what an answer is to."""
    client = GraphClient(build_graph(dataclasses.replace(Behaviour().calm(), batch_shuffle=1.0)))
    items = [{"id": str(n), "method": "GET", "url": f"/users?$top={n + 1}"} for n in range(5)]
    orders = []
    for _ in range(4):
        answers = client.send("POST", "/$batch", {"requests": items}).json()["responses"]
        assert all(len(one["body"]["value"]) == min(int(one["id"]) + 1, 5) for one in answers)
        orders.append([one["id"] for one in answers])
    assert any(order != sorted(order) for order in orders)
    assert all(sorted(order) == list("01234") for order in orders)


GET_ONE = {"method": "GET", "url": "/users"}


@pytest.mark.parametrize(
    "requests",
    [
        [{"id": str(n), **GET_ONE} for n in range(21)],
        [],
        [{"id": "1", **GET_ONE}, {"id": "1", **GET_ONE}],
        [{"id": "1", **GET_ONE, "dependsOn": ["2"]}],
        [{"id": "1", "method": "POST", "url": "/$batch", "headers": {"Content-Type": "application/json"}, "body": {}}],
        [{"id": "1", "method": "POST", "url": "/users/x/events", "body": {}}],
        [{"id": "1", **GET_ONE}, {"id": "2", **GET_ONE}, {"id": "3", **GET_ONE, "dependsOn": ["1", "2"]}],
        [{"id": "1", "url": "/users"}],
        [{"id": "1", "method": "GET", "url": "https://elsewhere.example/v1.0/users"}],
    ],
)
def test_malformed_batches_are_refused_as_a_whole(client: GraphClient, requests: list[dict[str, Any]]) -> None:
    """More than 20 items, repeated ids, wrong dependencies, nesting or a body without type answer 400."""
    assert client.send("POST", "/$batch", {"requests": requests}).status == 400


@pytest.mark.honest("graph", 23)
def test_parallel_items_at_one_mailbox_may_be_throttled() -> None:
    """From the fifth parallel item on, items answer 429 with Retry-After inside; serial ones do not."""
    client = GraphClient(build_graph(dataclasses.replace(Behaviour().calm(), batch_throttling=1.0)))
    one = {"url": f"/users/{TOM.id}/events"}
    answers = batch(client, *[one] * 6, {"url": f"/users/{ANA.id}/events"})
    assert [answers[str(n)]["status"] for n in range(7)] == [200, 200, 200, 200, 429, 429, 200]
    assert "Retry-After" in answers["4"]["headers"]
    serial = batch(client, one, *({**one, "dependsOn": [str(n)]} for n in range(5)))
    assert {item["status"] for item in serial.values()} == {200}


@pytest.mark.honest("graph", 23)
def test_an_item_finds_no_place_at_a_busy_mailbox(client: GraphClient) -> None:
    """While four calls are under way, the items at this mailbox meet 429 with Retry-After, the others do not."""
    four = [asked(f"/users/{TOM.id}/events") for _ in range(4)]
    assert [client.sim.begin(request) for request in four] == [None] * 4
    answers = batch(client, {"url": f"/users/{TOM.id}/events"}, {"url": f"/users/{ANA.id}/events"}, {"url": "/users"})
    assert [answers[name]["status"] for name in "012"] == [429, 200, 200]
    assert float(answers["0"]["headers"]["Retry-After"]) >= 1
    assert answers["0"]["body"]["error"]["code"] == "ApplicationThrottled"
    client.sim.end(four[0])
    again = batch(client, *[{"url": f"/users/{TOM.id}/events"}] * 3)
    assert {item["status"] for item in again.values()} == {200}


def test_items_count_as_requests() -> None:
    """A batch is as many requests in the window of a mailbox as it has items for it."""
    client = GraphClient(build_graph(dataclasses.replace(Behaviour().calm(), requests_max=3)))
    answers = batch(client, *[{"url": f"/users/{TOM.id}/events"}] * 5)
    assert [answers[str(n)]["status"] for n in range(5)] == [200, 200, 200, 429, 429]


def test_a_batch_needs_a_token_like_every_call(client: GraphClient) -> None:
    """Without a token the batch itself is refused."""
    stranger = GraphClient(client.sim, "unknown")
    assert stranger.send("POST", "/$batch", {"requests": [{"id": "1", **GET_ONE}]}).status == 401


# --- saving and repeating -------------------------------------------------------------------------------------


def busy_day(sim: GraphSimulator) -> list[Any]:
    """A fixed series of calls; everything that was answered."""
    client = GraphClient(sim)
    sent: list[Any] = []
    event = client.create(TOM, meeting(ANA.mail, transactionId="t", isOnlineMeeting=True))
    sent.append(event)
    weekly = {
        "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["wednesday"]},
        "range": {"type": "noEnd", "startDate": "2026-03-11"},
    }
    series = client.create(TOM, meeting(BANKSIA.email_address, recurrence=weekly))
    instances = client.get(
        f"/users/{TOM.id}/events/{series['id']}/instances?startDateTime=2026-03-01&endDateTime=2026-05-01"
    )
    client.patch(TOM, instances["value"][1]["id"], {"subject": "Edited"})
    client.delete(TOM, instances["value"][2]["id"])
    sim.clock.advance(30)
    sent.append(client.round(window(TOM)))
    client.delete(TOM, event["id"])
    return [*sent, sim.events_of(ANA.id), [mail.to_json() for mail in sim.mails]]


def test_the_same_seed_gives_the_same_answers() -> None:
    """Seed, clock and calls determine every answer, ids and tokens included."""
    rough = Behaviour().rough()
    assert busy_day(build_graph(rough, 7)) == busy_day(build_graph(rough, 7))
    assert busy_day(build_graph(rough, 7)) != busy_day(build_graph(rough, 8))


def test_a_dump_can_be_loaded_elsewhere() -> None:
    """After dump and load another object goes on alike: events, delta tokens, mails, copies and randomness."""
    sim = build_graph(Behaviour().rough())
    busy_day(sim)
    client = GraphClient(sim)
    _, link, _ = client.round(window(TOM))
    saved = json.loads(json.dumps(sim.dump()))
    twin = build_graph(Behaviour().rough(), seed=99)
    twin.clock.set(sim.clock.now())
    twin.load(saved)
    assert twin.dump() == saved
    other = GraphClient(twin)
    assert client.round(link) == other.round(link)
    assert client.create(TOM, meeting(ANA.mail)) == other.create(TOM, meeting(ANA.mail))
    assert (sim.mails, sim.events_of(ANA.id)) == (twin.mails, twin.events_of(ANA.id))


def test_reset_goes_back_to_the_seed(client: GraphClient) -> None:
    """Reset forgets what happened since mark_seeded, or everything when nothing was marked."""
    sim = client.sim
    sim.add_event(TOM.id, meeting())
    sim.mark_seeded()
    before = sim.dump()
    sim.set_behaviour(Behaviour().rough())
    busy_day(sim)
    sim.reset()
    assert sim.dump() == before
    assert sim.behaviour == Behaviour().calm()
    bare = build_graph()
    busy_day(bare)
    bare.reset()
    assert bare.events_of(TOM.id) == []
    assert bare.mails == []


def test_inner_faults_answer_500_and_can_be_seen(client: GraphClient) -> None:
    """A fault of the simulator looks like Graph's own 500, and its traceback is kept for tests."""
    client.sim.world.store(TOM.id).events["broken"] = None  # type: ignore[assignment]
    response = client.sim.handle(asked(f"/users/{TOM.id}/events"))
    assert response.status == 500
    assert response.json()["error"]["code"] == "InternalServerError"
    assert "Traceback" in str(client.sim.last_fault)


def test_the_tenant_can_change(client: GraphClient) -> None:
    """Users and rooms can be added and changed while it runs, and come back after a load."""
    sim = client.sim
    sim.put_user(dataclasses.replace(ANA, display_name="Ana L.", account_enabled=False))
    sim.put_room(dataclasses.replace(BANKSIA, capacity=9))
    twin = build_graph()
    twin.load(sim.dump())
    for one in (client, GraphClient(twin)):
        assert one.get(f"/users/{ANA.id}")["displayName"] == "Ana L."
        assert one.get(f"/places/{BANKSIA.id}")["capacity"] == 9
    assert client.sim.tenant is FIRM
