"""calendarView/delta: rounds, tokens, removals, and everything about them that surprises."""

from __future__ import annotations

import dataclasses
import time
from urllib.parse import parse_qsl, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graph_firm import ANA, TOM, GraphClient, build_graph, meeting, window

from simulators.graph.behaviour import Behaviour, DeltaBehaviour

FAR = {
    "start": {"dateTime": "2027-03-11T10:00:00", "timeZone": "UTC"},
    "end": {"dateTime": "2027-03-11T11:00:00", "timeZone": "UTC"},
}


@pytest.fixture
def client() -> GraphClient:
    """A client of the calm firm."""
    return GraphClient(build_graph())


def rough(**changes: float) -> GraphClient:
    """A client of a firm whose delta misbehaves as told."""
    calm = Behaviour().calm()
    return GraphClient(build_graph(dataclasses.replace(calm, delta=dataclasses.replace(calm.delta, **changes))))


def test_a_round_gives_full_events_and_then_only_changes(client: GraphClient) -> None:
    """The first round has every event of the window in full, the next one what changed since, the one after nothing."""
    event = client.create(TOM, meeting())
    other = client.create(TOM, meeting(subject="Other"))
    items, link, _ = client.round(window(TOM))
    assert {item["id"] for item in items} == {event["id"], other["id"]}
    assert all(item["@odata.type"] == "#microsoft.graph.event" for item in items)
    full = {name: value for name, value in event.items() if name != "@odata.context"}
    assert items[0] == {"@odata.type": "#microsoft.graph.event", **full}
    client.patch(TOM, other["id"], {"subject": "Changed"})
    items, link, _ = client.round(link)
    assert [(item["id"], item["subject"]) for item in items] == [(other["id"], "Changed")]
    assert client.round(link)[0] == []


def test_delta_confirms_that_it_tracks_changes(client: GraphClient) -> None:
    """The answer's context is a collection of events, and Preference-Applied says odata.track-changes."""
    response = client.send("GET", window(TOM), headers={"Prefer": "odata.maxpagesize=5"})
    assert response.json()["@odata.context"].endswith("$metadata#Collection(event)")
    assert "odata.track-changes" in response.headers["preference-applied"]
    assert client.send("GET", window(TOM).replace("delta?", "delta()?")).status == 200


@pytest.mark.honest("graph", 5)
def test_page_sizes_are_honoured(client: GraphClient) -> None:
    """Odata.maxpagesize bounds every page of the round, and only the last page has a deltaLink."""
    for _ in range(7):
        client.create(TOM, meeting())
    items, _, pages = client.round(window(TOM), Prefer="odata.maxpagesize=3")
    assert (len(items), pages) == (7, 3)
    first = client.get(window(TOM), Prefer="odata.maxpagesize=3")
    assert len(first["value"]) == 3
    assert "$skiptoken=" in first["@odata.nextLink"]
    # The size is remembered by the token.
    assert len(client.get(first["@odata.nextLink"])["value"]) == 3


@pytest.mark.parametrize("size", ["0", "-1", "many"])
def test_page_sizes_that_are_none_are_ignored(client: GraphClient, size: str) -> None:
    """An unusable odata.maxpagesize leaves the default, and the round ends."""
    client.create(TOM, meeting())
    client.create(TOM, meeting())
    assert len(client.get(window(TOM), Prefer=f"odata.maxpagesize={size}")["value"]) == 2


@pytest.mark.honest("graph", 5)
def test_empty_pages_come_with_a_next_link() -> None:
    """A page may be empty and still lead on, even the first one."""
    client = rough(empty_page=1.0)
    client.create(TOM, meeting())
    first = client.get(window(TOM))
    assert first["value"] == []
    assert "@odata.deltaLink" not in first
    assert len(client.round(window(TOM))[0]) == 1


def test_a_deleted_event_is_removed(client: GraphClient) -> None:
    """A deleted event arrives as id and reason, and nothing else."""
    event = client.create(TOM, meeting())
    _, link, _ = client.round(window(TOM))
    client.delete(TOM, event["id"])
    removed = {"@odata.type": "#microsoft.graph.event", "id": event["id"], "@removed": {"reason": "deleted"}}
    assert client.round(link)[0] == [removed]


@pytest.mark.honest("graph", 3)
def test_events_outside_the_window_are_told_as_removed(client: GraphClient) -> None:
    """An event that was merely created or edited outside the window arrives as removed, known or not."""
    inside = client.create(TOM, meeting())
    _, link, _ = client.round(window(TOM))
    outside = client.create(TOM, meeting(**FAR))
    items, link, _ = client.round(link)
    assert [(item["id"], item["@removed"]) for item in items] == [(outside["id"], {"reason": "deleted"})]
    client.patch(TOM, outside["id"], {"subject": "x"})
    client.patch(TOM, inside["id"], FAR)
    items, _, _ = client.round(link)
    assert {item["id"] for item in items if "@removed" in item} == {inside["id"], outside["id"]}
    assert client.event(TOM, inside["id"])["id"] == inside["id"]


def test_the_first_round_has_no_removals(client: GraphClient) -> None:
    """What lies outside or is gone before the first round is not mentioned in it."""
    client.create(TOM, meeting(**FAR))
    client.delete(TOM, client.create(TOM, meeting())["id"])
    assert client.round(window(TOM))[0] == []


def test_what_is_deleted_during_the_first_round_is_told(client: GraphClient) -> None:
    """An event sent on an early page and deleted before the last one is removed within the round."""
    events = [client.create(TOM, meeting(subject=str(n))) for n in range(4)]
    page = client.get(window(TOM), Prefer="odata.maxpagesize=2")
    sent = page["value"][0]["id"]
    client.delete(TOM, sent)
    items, _, _ = client.round(page["@odata.nextLink"])
    assert sent in {item["id"] for item in items if "@removed" in item}
    assert {item["id"] for item in items if "@removed" not in item} == {event["id"] for event in events[2:]}


@pytest.mark.honest("graph", 6)
@pytest.mark.parametrize(
    "option", ["$select=id", "$filter=subject eq 'x'", "$expand=attachments", "$orderby=subject", "$search=x"]
)
def test_query_options_are_refused(client: GraphClient, option: str) -> None:
    """Delta takes no $select, $expand, $filter, $orderby or $search."""
    assert client.error(client.send("GET", f"{window(TOM)}&{option}"), 400) == "ErrorInvalidUrlQuery"


@pytest.mark.honest("graph", 6)
def test_tokens_are_bound_to_their_window_and_calendar(client: GraphClient) -> None:
    """The token brings window and options along; another mailbox refuses it, a changed one is invalid."""
    client.create(TOM, meeting())
    _, link, _ = client.round(window(TOM, end="2026-03-05T00:00:00Z"), Prefer='outlook.timezone="Tokyo Standard Time"')
    event = client.create(TOM, meeting())
    assert client.round(link)[0] == [
        {"@odata.type": "#microsoft.graph.event", "id": event["id"], "@removed": {"reason": "deleted"}}
    ]
    _, link, _ = client.round(window(TOM), Prefer='outlook.timezone="Tokyo Standard Time"')
    client.patch(TOM, event["id"], {"subject": "x"})
    assert client.round(link)[0][0]["start"]["timeZone"] == "Tokyo Standard Time"
    assert client.send("GET", link.replace(TOM.id, ANA.id)).status == 400
    response = client.send("GET", link[:-3])
    assert client.error(response, 410) == "SyncStateInvalid"


@pytest.mark.honest("graph", 6)
def test_a_link_is_a_token_and_nothing_else(client: GraphClient) -> None:
    """Window, body type and id form are inside it; a later page and round keep to them without any header."""
    events = [client.create(TOM, meeting()) for _ in range(3)]
    prefer = 'odata.maxpagesize=2, outlook.body-content-type="text", IdType="ImmutableId"'
    page = client.get(window(TOM), Prefer=prefer)
    for name in ("nextLink", "deltaLink"):
        link = page[f"@odata.{name}"]
        assert [key for key, _ in parse_qsl(urlsplit(link).query)] == [
            f"${'skip' if name == 'nextLink' else 'delta'}token"
        ]
        client.patch(TOM, events[0]["id"], {"subject": name})
        page = client.get(link)
        assert page["value"]
        assert all(item["body"]["contentType"] == "text" for item in page["value"])
        assert not {item["id"] for item in page["value"]} & {event["id"] for event in events}


def test_delta_needs_a_window(client: GraphClient) -> None:
    """Without startDateTime and endDateTime a first call is refused."""
    response = client.send("GET", f"/users/{TOM.id}/calendarView/delta")
    assert client.error(response, 400) == "ErrorInvalidParameter"


@pytest.mark.honest("graph", 7)
def test_tokens_can_be_expired(client: GraphClient) -> None:
    """Dead tokens answer 410 SyncStateNotFound without a Location; a new round works."""
    client.create(TOM, meeting())
    _, link, _ = client.round(window(TOM))
    client.sim.expire_delta_tokens()
    response = client.send("GET", link)
    assert client.error(response, 410) == "SyncStateNotFound"
    assert "location" not in response.headers
    assert len(client.round(window(TOM))[0]) == 1


@pytest.mark.honest("graph", 8)
def test_items_are_repeated_within_a_round() -> None:
    """The same item may stand twice in a round."""
    client = rough(duplicate_item=1.0)
    event = client.create(TOM, meeting())
    assert [item["id"] for item in client.round(window(TOM))[0]] == [event["id"]] * 2


@pytest.mark.honest("graph", 8)
def test_rounds_may_replay_old_changes() -> None:
    """A round may begin with changes the caller has had; nothing new is lost by it."""
    client = rough(replay=1.0, replay_span=2)
    events = [client.create(TOM, meeting(subject=str(n))) for n in range(3)]
    _, link, _ = client.round(window(TOM))
    new = client.create(TOM, meeting(subject="new"))
    items, _, _ = client.round(link)
    assert [item["id"] for item in items] == [events[1]["id"], events[2]["id"], new["id"]]


def test_changes_may_show_late() -> None:
    """With a lag, a change is not in the next round but in one after the lag, and never lost."""
    client = rough(lag_s_max=60.0)
    _, link, _ = client.round(window(TOM))
    event = client.create(TOM, meeting())
    items, link, _ = client.round(link)
    assert items == []
    client.sim.clock.advance(61)
    assert [item["id"] for item in client.round(link)[0]] == [event["id"]]


@pytest.mark.honest("graph", 14)
def test_a_second_version_shows_in_delta_too() -> None:
    """When the service changes a version by itself, the event comes again with the same content."""
    client = GraphClient(build_graph(dataclasses.replace(Behaviour().calm(), second_bump=1.0)))
    event = client.create(TOM, meeting())
    _, link, _ = client.round(window(TOM))
    client.sim.clock.advance(2)
    [item] = client.round(link)[0]
    assert item["id"] == event["id"]
    assert item["@odata.etag"] != event["@odata.etag"]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_folding_any_rounds_gives_the_mailbox(data: st.DataObject) -> None:
    """Whatever is written between pages: merged by id, the last one winning, the items are what the window holds."""
    seed = data.draw(st.integers(0, 2**16))
    behaviour = dataclasses.replace(Behaviour(), delta=DeltaBehaviour(0.3, 0.2, 0.3, 3, 0.0, 2))
    client = GraphClient(build_graph(behaviour, seed))
    alive: list[str] = []
    held: dict[str, str] = {}
    link = window(TOM)
    for action in data.draw(
        st.lists(st.sampled_from(["create", "far", "move", "edit", "delete", "page"]), max_size=30)
    ):
        if action == "page":
            page = client.get(link)
            link = page.get("@odata.nextLink") or page["@odata.deltaLink"]
            _fold(held, page["value"])
        elif action in ("create", "far"):
            alive.append(client.create(TOM, meeting(**(FAR if action == "far" else {})))["id"])
        elif alive:
            target = data.draw(st.sampled_from(alive))
            if action == "delete":
                client.delete(TOM, target)
                alive.remove(target)
            else:
                client.patch(TOM, target, FAR if action == "move" else {"subject": f"edit {len(held)}"})
    for _ in range(2):
        items, link, _ = client.round(link)
        _fold(held, items)
    inside = client.get(window(TOM).replace("/delta", "") + "&$top=100")["value"]
    assert held == {event["id"]: event["changeKey"] for event in inside}


def _fold(held: dict[str, str], items: list[dict[str, object]]) -> None:
    for item in items:
        if "@removed" in item:
            held.pop(str(item["id"]), None)
        else:
            held[str(item["id"])] = str(item["changeKey"])


def test_a_page_costs_the_same_in_a_large_calendar(client: GraphClient) -> None:
    """With 20,000 events a page takes the time of its 50 items: looking at all of them would take far longer."""
    for _ in range(20_000):
        client.sim.add_event(TOM.id, meeting(body={"contentType": "text", "content": ""}))
    page = client.get(window(TOM))
    started = time.process_time()
    for _ in range(50):
        page = client.get(page["@odata.nextLink"])
        assert len(page["value"]) == 50
    assert (time.process_time() - started) / 50 < 0.05
