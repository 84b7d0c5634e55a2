"""Change events of the simulated bus: each save told once, as it was saved, whoever sees it first."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.pubsub_client import build_bus
from support.salesforce_driver import NAMES, Poller, told
from support.salesforce_follower import IMPORT, OURS, UI, Follower, follower

from schemas.state import UNTOLD
from simulators.pubsub.behaviour import PubSubBehaviour
from simulators.salesforce.behaviour import Behaviour
from simulators.salesforce.objects.practifi import ORIGIN, event_fields, origin, sync_key
from simulators.salesforce.org import Org


def saved_by(how: str, **fields: str) -> tuple[Follower, str]:
    """A follower, and an event that it knows and that was then saved."""
    made = follower()
    event = made.world.org.event(Subject="a")
    made.hear()
    made.world.wait(60)
    made.told.clear()
    made.save(event, how, **(fields or {"Subject": "b"}))
    return made, event


def test_a_create_an_edit_and_a_deletion_are_told_once() -> None:
    """The content is read, the origin comes with the event, and the poll below finds nothing more."""
    made = follower()
    event = made.world.org.event(Subject="a")
    made.hear()
    made.save(event, "ui", Subject="b")
    made.hear()
    made.world.org.delete(f"/sobjects/Event/{event}")
    made.hear()
    assert told(made.told) == [("event", "a"), ("event", "b"), ("deletion", event)]
    assert [change.origin for change in made.told] == ["com/salesforce/api/rest/66.0", UI, ""]
    for _ in range(4):
        made.world.wait(120)
        assert made.poll() == []


def test_nulls_of_an_update_clear_nothing() -> None:
    """An UPDATE carries the changed fields only; what is told is the whole record."""
    made, event = saved_by("ui", Location="Room 4")
    (notice,) = made.fetch()
    assert "Location" in notice.changed
    made.hear()
    (change,) = made.told
    assert change.item is not None
    assert (change.item.content.subject, change.item.content.location) == ("a", "Room 4")
    made.save(event, "ui", Location=None)
    made.hear()
    assert made.told[-1].item is not None
    assert (made.told[-1].item.content.subject, made.told[-1].item.content.location) == ("a", "")


@pytest.mark.parametrize(("how", "origin"), [("ui", UI), ("bulk", IMPORT)])
@pytest.mark.parametrize("is_late", [False, True], ids=["soon", "late"])
def test_a_save_that_the_poll_sees_first_gets_its_origin_from_the_event(how: str, origin: str, is_late: bool) -> None:
    """Not yet told is not unknown; and an event that comes when nobody waits for it any more still counts."""
    made, event = saved_by(how)
    made.fetch()
    made.world.wait(30)
    made.poll()
    assert made.origins(event) == [UNTOLD]
    if is_late:
        made.world.wait(600)
        made.poll()
        assert made.origins(event) == [UNTOLD, ""]
    made.hear()
    assert made.origins(event)[-1] == origin
    count = len(made.told)
    made.world.wait(60)
    made.poll()
    made.world.wait(600)
    made.poll()
    assert len(made.told) == count


@pytest.mark.parametrize(("how", "origin"), [("ui", UI), ("bulk", IMPORT)])
def test_a_save_that_the_event_tells_first_is_not_told_again_by_the_poll(how: str, origin: str) -> None:
    """Neither soon nor when the poll is sure."""
    made, event = saved_by(how)
    made.hear()
    for seconds in (0, 30, 300, 600):
        made.world.wait(seconds)
        assert made.poll() == []
    assert made.origins(event) == [origin]


def test_what_the_stream_never_told_becomes_unknown() -> None:
    """A change that is not published at all is told by the poll: first open, then unknown, then never again."""
    made, event = saved_by("ui")
    made.fetch()
    made.waiting.clear()
    made.world.wait(30)
    made.poll()
    made.world.wait(600)
    made.poll()
    made.world.wait(600)
    made.poll()
    assert made.origins(event) == [UNTOLD, ""]


def test_while_the_stream_is_away_nothing_becomes_unknown() -> None:
    """However long that takes: the events are still to come."""
    made, event = saved_by("ui")
    for _ in range(5):
        made.world.wait(600)
        made.poll(is_caught_up=False)
    assert made.origins(event) == [UNTOLD]
    made.hear()
    assert made.origins(event) == [UNTOLD, UI]


@pytest.mark.parametrize(("first", "then", "origin"), [("ui", "bulk", IMPORT), ("bulk", "ui", UI)])
@pytest.mark.parametrize("apart_s", [0, 5])
def test_of_two_saves_the_last_decides(first: str, then: str, origin: str, apart_s: int) -> None:
    """Also when the record is read for the first event only after the second save, and when both share a second."""
    made, event = saved_by(first)
    made.world.org.clock.advance(apart_s)
    made.save(event, then, Subject="c")
    made.hear(1)
    made.hear()
    assert made.origins(event)[-1] == origin
    if apart_s:
        assert made.origins(event)[0] == UNTOLD
    made.told.clear()
    made.world.wait(600)
    assert made.poll() == []


@pytest.mark.parametrize("count", [1, None], ids=["one by one", "together"])
@pytest.mark.parametrize("apart_s", [0, 5])
def test_our_write_on_top_of_somebodys_save_does_not_hide_it(count: int | None, apart_s: int) -> None:
    """A person's save counts although our own came last, and our own alone is known as ours."""
    made, event = saved_by("ui")
    made.world.org.clock.advance(apart_s)
    made.save(event, "api", Location="Room 4")
    made.hear(count)
    made.hear()
    assert made.origins(event)[-1] == UI
    other = made.world.org.event(Subject="x")
    made.hear()
    made.world.wait(900)
    made.poll()
    made.save(other, "api", Location="Room 5")
    made.hear()
    assert made.origins(other)[-1] in {OURS, "com/salesforce/api/rest/66.0"}


def test_collections_lose_our_name_but_not_our_user() -> None:
    """REST by our user without a client is ours; a person's save by the same user in the browser is not."""
    made, event = saved_by("ui")
    body = {"records": [{"attributes": {"type": "Event"}, "id": event, "Location": "Here"}]}
    assert made.world.org.patch("/composite/sobjects", body).status == 200
    users = {notice.user for notice in made.fetch()}
    (made.own_user,) = users
    made.hear()
    assert made.origins(event) == [UI]


def test_attendees_are_read_with_their_event() -> None:
    """Added, answered, removed: the event is told again, whether the change names it or not; copies never are."""
    made = follower()
    org = made.world.org
    event = org.event(Subject="a")
    made.hear()
    relation = org.create("EventRelation", {"EventId": event, "RelationId": org.ids["bob"]})
    made.hear()
    org.patch(f"/sobjects/EventRelation/{relation}", {"Status": "Declined"})
    made.hear()
    org.delete(f"/sobjects/EventRelation/{relation}")
    made.hear()
    people = [tuple(str(one.response) for one in c.item.content.attendees) for c in made.told if c.item is not None]
    assert people == [(), ("none",), ("declined",), ()]
    assert {change.id for change in made.told} == {event}


def test_merged_ids_are_all_read() -> None:
    """One event for several records."""
    made = follower(build_bus(behaviour=replace(PubSubBehaviour().calm(), merge=1.0)))
    org = made.world.org
    events = [org.event(Subject=f"e{number}") for number in range(5)]
    made.hear()
    made.told.clear()
    records = [{"attributes": {"type": "Event"}, "id": one, "Location": "Here"} for one in events]
    assert org.patch("/composite/sobjects", {"records": records}, x_sim_origin="ui").status == 200
    assert [len(notice.record_ids) for notice in made.fetch()] == [5]
    made.hear()
    assert {change.id for change in made.told} == set(events)
    assert {change.origin for change in made.told} == {UI}


def test_a_gap_is_read_and_its_save_unknown() -> None:
    """The header says that something changed, not how."""
    made = follower()
    event = made.world.org.event(Subject="a")
    made.hear()
    made.world.wait(60)
    made.world.bus.gap_next(1)
    made.save(event, "ui", Subject="b")
    made.hear()
    assert told(made.told)[-1] == ("event", "b")
    assert made.origins(event)[-1] == ""


def test_a_gap_of_a_deletion_deletes_only_what_is_deleted() -> None:
    """It is believed after a direct read, and not before."""
    made = follower()
    kept, gone = made.world.org.event(Subject="kept"), made.world.org.event(Subject="gone")
    made.hear()
    made.told.clear()
    made.world.bus.gap(kept, "Event", "DELETE")
    assert made.hear().changes == ()
    made.world.wait(60)
    made.world.bus.gap_next(1)
    made.world.org.delete(f"/sobjects/Event/{gone}")
    made.hear()
    assert told(made.told) == [("deletion", gone)]


def test_an_overflow_asks_for_a_poll() -> None:
    """It names nobody."""
    made = follower()
    made.world.bus.overflow("Event")
    assert made.hear().is_incomplete
    assert made.told == []
    made.world.org.event(Subject="a")
    assert not made.hear().is_incomplete


def test_a_repeated_event_says_nothing_new() -> None:
    """The same event under another replay id, after a later save."""
    made, event = saved_by("bulk")
    made.fetch()
    first = list(made.waiting)
    made.save(event, "ui", Subject="c")
    made.hear()
    made.told.clear()
    made.waiting = first
    made.hear()
    assert made.told == []
    assert made.world.bus.republish(2) == 2
    made.hear()
    assert made.told == []


def test_restored_events_come_back() -> None:
    """UNDELETE is read like any other."""
    made = follower()
    event = made.world.org.event(Subject="a")
    made.hear()
    made.world.org.delete(f"/sobjects/Event/{event}")
    made.hear()
    made.world.org.simulator.undelete("Event", event)
    made.hear()
    assert told(made.told) == [("event", "a"), ("deletion", event), ("event", "a")]


def test_switching_between_both_modes_loses_and_doubles_nothing() -> None:
    """What the stream told stays told when polling goes on alone, and the other way round."""
    made, event = saved_by("ui")
    made.hear()
    made.poller.told = None
    assert made.poller.poll() == []
    made.world.wait(15)
    made.save(event, "ui", Subject="by polling alone")
    made.fetch()
    made.waiting.clear()
    assert [(c.origin, c.cause) for c in made.poller.poll()] == [("", "poll")]
    made.world.wait(15)
    assert made.poller.poll() == []
    assert made.poll() == []
    made.save(event, "bulk", Subject="by the stream")
    made.hear()
    assert made.origins(event) == [UI, IMPORT]
    made.world.wait(600)
    assert made.poll() == []


def test_what_was_left_open_is_closed_when_polling_goes_on_alone() -> None:
    """Nobody will tell any more how it was saved."""
    made, event = saved_by("ui")
    made.poll()
    assert made.origins(event) == [UNTOLD]
    made.poller.told = None
    assert [c.origin for c in made.poller.poll()] == [""]
    assert made.poller.poll() == []


def test_a_field_of_the_org_says_more_than_the_events() -> None:
    """Where the org keeps how a record was saved, that counts in both modes."""
    fields = {"Event": (sync_key(), *event_fields("practifi"), origin())}
    world = build_bus(Org(custom_fields=fields))
    made = follower(world, names=replace(NAMES, origin=ORIGIN))
    event = made.world.org.event(Subject="a")
    made.save(event, "bulk", Subject="b")
    made.hear()
    made.world.wait(600)
    assert made.poll() == []
    assert made.origins(event) == ["bulk"]


@pytest.mark.parametrize("seed", range(6))
def test_a_rough_bus_tells_everything(seed: int) -> None:
    """Merged, repeated, in pieces, with gaps: in the end each record stands as it is, and removals are true."""
    behaviour = replace(PubSubBehaviour().rough(), batch_events=1 + seed)
    made = follower(build_bus(behaviour=behaviour, org_behaviour=Behaviour().calm()))
    org = made.world.org
    events = [org.event(Subject=f"e{number}") for number in range(8)]
    for number, event in enumerate(events):
        made.save(event, "ui" if number % 2 else "bulk", Subject=f"f{number}")
        if number % 3 == 0:
            made.hear(2)
    for event in events[:3]:
        org.delete(f"/sobjects/Event/{event}")
    for _ in range(40):
        made.hear(3)
        made.world.wait(1)
    last = {change.id: change for change in made.told}
    assert {key for key, change in last.items() if change.item is None} == set(events[:3])
    alive = {key: change.item.content.subject for key, change in last.items() if change.item is not None}
    assert alive == {event: f"f{number}" for number, event in enumerate(events) if number >= 3}


def test_a_poller_without_a_stream_is_as_before() -> None:
    """No origin is left open when nothing will tell it."""
    made = build_bus()
    made.org.event(Subject="a")
    poller = Poller(made.org)
    assert [change.origin for change in poller.poll()] == [""]
    made.wait(timedelta(minutes=1).total_seconds())
    assert poller.poll() == []


def test_what_we_saved_ourselves_is_not_read() -> None:
    """The sink told it. The next poll finds it as it is, with the origin that the events told."""
    made = follower()
    event = made.world.org.event(Subject="by a person")
    made.hear()
    made.told.clear()
    before = len(made.world.org.simulator.changes)
    made.save(event, "api", Subject="by us")
    assert len(made.world.org.simulator.changes) > before
    made.hear()
    assert made.told == []
    made.world.wait(600)
    (change,) = made.poll()
    assert change.item is not None
    assert change.item.content.subject == "by us"


def test_our_save_that_a_poll_left_open_is_closed() -> None:
    """A poll that saw it first could not know that it was ours."""
    made = follower()
    event = made.world.org.event(Subject="first")
    made.hear()
    made.world.wait(5)
    made.save(event, "api", Subject="by us")
    (open_one,) = [change for change in made.poll() if change.id == event]
    assert open_one.origin == UNTOLD
    made.hear()
    assert made.origins(event)[-1] == "com/salesforce/api/rest/66.0"


def test_a_gap_is_read_whoever_it_names() -> None:
    """It says too little to rely on: neither the fields nor, for certain, who saved."""
    made = follower()
    event = made.world.org.event(Subject="first")
    made.hear()
    made.told.clear()
    made.save(event, "api", Subject="second")
    made.waiting = [replace(notice, change_type="GAP_UPDATE") for notice in made.fetch()]
    made.hear()
    assert [change.item.content.subject for change in made.told if change.item is not None] == ["second"]
