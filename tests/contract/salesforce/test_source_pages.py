"""Polls of many pages: nothing is lost when one breaks off, when rows change under it, or when clocks differ."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.salesforce_client import SalesforceClient
from support.salesforce_driver import NAMES, Poller, build_lasting, calls_to, told

from connectors.exchange import Call, Reply, run
from connectors.salesforce.source import poll_page
from schemas.changes import Change
from schemas.errors import ResyncNeeded
from simulators.salesforce.behaviour import Behaviour

CALM = Behaviour().calm()
ROUGH = Behaviour().rough()


@pytest.fixture(params=[CALM, ROUGH, replace(ROUGH, relation_touches_event=True)], ids=["calm", "rough", "touching"])
def org(request: pytest.FixtureRequest) -> SalesforceClient:
    """An org that pages and lags in different ways."""
    return build_lasting(behaviour=request.param)


def subjects(changes: list[Change]) -> list[str]:
    """What was sent, without how often its pages came."""
    return sorted(subject for _, subject in told(changes))


def add(org: SalesforceClient, event: str) -> str:
    """Invite the contact."""
    return org.create("EventRelation", {"EventId": event, "RelationId": org.ids["contact"]})


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_poll_that_dies_between_pages_loses_nothing(stop_after: int) -> None:
    """Begun again from the last saved cursor it sends the rest, and only the rows of one second again at most."""
    org = build_lasting(behaviour=ROUGH)
    poller = Poller(org)
    for number in range(28):
        org.clock.advance(200)
        org.event(Subject=f"e{number:02}")
    org.clock.advance(600)
    first = poller.poll(stop_after=stop_after)
    assert len(first) == 7 * stop_after
    rest = poller.wait_and_poll(5)
    assert sorted(subjects(first) + subjects(rest)) == [f"e{number:02}" for number in range(28)]
    assert poller.wait_and_poll() == []


def test_one_second_with_more_rows_than_a_page_is_read_whole() -> None:
    """An import stamps hundreds of rows alike; a poll that dies among them goes on among them."""
    org = build_lasting(behaviour=ROUGH)
    for number in range(40):
        org.event(Subject=f"e{number:02}")
    org.clock.advance(600)
    poller = Poller(org)
    first = poller.poll(stop_after=2)
    rest = poller.poll()
    assert sorted({*subjects(first), *subjects(rest)}) == [f"e{number:02}" for number in range(40)]
    assert len(first) + len(rest) == 40  # what was sent of that second is remembered


class Meddling:
    """A way to the org during which somebody saves an event before each page after the first."""

    def __init__(self, org: SalesforceClient, touch: list[str]) -> None:
        self._org, self._touch, self._send = org, touch, calls_to(org)

    def __call__(self, call: Call) -> Reply:
        """Save, then pass the call on."""
        if call.path.startswith("/services/") and self._touch:
            self._org.clock.advance(400)
            self._org.simulator.update("Event", self._touch.pop(0), {"Location": "moved"})
        return self._send(call)


@pytest.mark.parametrize("stop_after", [2, 3, None])
def test_rows_saved_while_pages_are_read_hide_nothing(stop_after: int | None) -> None:
    """A page shows a row as it is by then, with a stamp far ahead of the rows of later pages: the cursor does not
    follow it, whether the poll ends or dies; and a row that was read before it was saved is read again."""
    org = build_lasting(behaviour=replace(ROUGH, replication_hold=0.0))
    events = []
    for number in range(28):
        org.clock.advance(200)
        events.append(org.event(Subject=f"e{number:02}"))
    org.clock.advance(600)
    poller = Poller(org, overlap_s=30)
    first = poller.poll(Meddling(org, [events[9], events[0], events[20]]), stop_after=stop_after)
    rest = [change for _ in range(3) for change in poller.wait_and_poll(60)]
    latest = {change.id: change.item for change in (*first, *rest)}
    assert len(latest) == 28
    located = {key for key, item in latest.items() if item is not None and item.content.location == "moved"}
    touched = {None: [0, 9, 20], 2: [9], 3: [0, 9]}[stop_after]
    assert located == {events[number] for number in touched}


def test_a_dead_locator_begins_the_poll_again(org: SalesforceClient) -> None:
    """What the role does on ResyncNeeded: the same cursor without a position."""
    for number in range(20):
        org.clock.advance(200)
        org.event(Subject=f"e{number:02}")
    org.clock.advance(600)
    poller = Poller(org)
    if org.simulator.behaviour.page_rows == 2000:
        assert len(poller.poll()) == 20
        return
    page = run(poll_page(poller.cursor, NAMES, now=org.clock.now(), overlap_s=120), calls_to(org))
    org.simulator._queries.forget()
    with pytest.raises(ResyncNeeded):
        run(poll_page(page.cursor, NAMES, now=org.clock.now(), overlap_s=120, position=page.position), calls_to(org))
    poller.cursor = page.cursor
    assert len(poller.poll()) == 13


def test_an_event_deleted_while_the_first_read_lasts_is_told() -> None:
    """The deletion log is read from where the first read began."""
    org = build_lasting(behaviour=ROUGH)
    first = org.event(Subject="first")
    for number in range(20):
        org.clock.advance(60)
        org.event(Subject=f"e{number:02}")
    org.clock.advance(600)
    poller = Poller(org)
    assert "first" in subjects(poller.poll(stop_after=1))
    org.simulator.delete("Event", first)
    org.clock.advance(7200)
    changes = [*poller.poll(), *(change for _ in range(3) for change in poller.wait_and_poll())]
    assert ("deletion", first) in told(changes)


def test_attendees_changed_while_the_first_read_lasts_are_told() -> None:
    """Also when the read breaks off and begins again hours later: what was read before may have changed since."""
    org = build_lasting(behaviour=ROUGH)
    first = org.event(Subject="first")
    for number in range(20):
        org.clock.advance(60)
        org.event(Subject=f"e{number:02}")
    org.clock.advance(600)
    poller = Poller(org)
    poller.poll(stop_after=1)
    org.clock.advance(3600)
    add(org, first)
    org.clock.advance(7200)
    changes = [*poller.poll(), *(change for _ in range(3) for change in poller.wait_and_poll())]
    latest = {change.id: change for change in changes}
    assert latest[first].item.content.attendees
    assert len(latest) == 15


def test_a_first_read_that_begins_again_does_not_go_through_everybodys_answers() -> None:
    """Most attendees answer days later, under stamps of other pages: what the read comes by anyway is sent once."""
    org = build_lasting(behaviour=ROUGH)
    events = []
    for _ in range(21):
        org.clock.advance(86_400)
        events.append(org.event())
        if len(events) >= 15:
            add(org, events[len(events) - 15])
    org.clock.advance(86_400)
    poller = Poller(org)
    first = poller.poll(stop_after=2)
    rest = poller.wait_and_poll(60)
    assert sorted(change.id for change in (*first, *rest)) == sorted(events)


def test_a_clock_that_was_put_back_asks_for_a_window_all_the_same(org: SalesforceClient) -> None:
    """Salesforce refuses a window that ends before it starts; the poll must not stand still until time catches up."""
    event = org.event()
    poller = Poller(org)
    poller.wait_and_poll(7200)
    org.simulator.delete("Event", event)
    back = org.clock.now() - timedelta(hours=1)
    assert told(poller.poll(now=back)) == [("deletion", event)]


def test_an_org_without_events_stays_where_it_is(org: SalesforceClient) -> None:
    """Our clock is hours ahead of theirs: what comes next is found all the same."""
    poller = Poller(org)
    ahead = timedelta(minutes=50)
    for _ in range(3):
        org.clock.advance(60)
        assert poller.poll(now=org.clock.now() + ahead) == []
    org.event(Subject="first")
    org.clock.advance(5)
    assert told(poller.poll(now=org.clock.now() + ahead)) == [("poll", "first")]
    assert poller.cursor.since is None or poller.cursor.since <= org.clock.now()


@pytest.mark.parametrize("skew_s", [-7200, -300, 300, 3000])
def test_clocks_that_differ_lose_nothing(skew_s: float) -> None:
    """Only Salesforce's own times decide what is asked for."""
    org = build_lasting(behaviour=CALM)
    poller = Poller(org)
    sent: list[Change] = []
    events: list[str] = []
    for number in range(40):
        org.clock.advance(70)
        if number % 4 == 3:
            org.simulator.delete("Event", events[number // 2])
        events.append(org.event(Subject=f"e{number:02}"))
        sent += poller.poll(now=org.clock.now() + timedelta(seconds=skew_s))
    for _ in range(3):
        org.clock.advance(7200)
        sent += poller.poll(now=org.clock.now() + timedelta(seconds=skew_s))
    assert {change.id for change in sent if change.item is not None} == set(events)
    gone = {row["Id"] for row in org.simulator.records("Event", deleted=True) if row["IsDeleted"]}
    assert {change.id for change in sent if change.item is None} == gone
