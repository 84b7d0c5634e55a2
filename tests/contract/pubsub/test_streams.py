"""Subscribe: flow control, keepalive, replay, ends.."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from support.pubsub_client import ALL, EVENTS, RELATIONS, BusOrg, build_bus

from simulators.pubsub.behaviour import PubSubBehaviour
from simulators.pubsub.errors import PubSubError

CALM = PubSubBehaviour().calm()


def code_of(caught: pytest.ExceptionInfo[PubSubError]) -> tuple[str, str]:
    """Status and code without prefix."""
    assert caught.value.error_code == f"sfdc.platform.eventbus.grpc.{caught.value.code}"
    return caught.value.status, caught.value.code


# --- flow control ---------------------------------------------------------------------------------------------


@pytest.mark.honest("pubsub", 6)
def test_no_more_than_asked_for_is_sent(world: BusOrg) -> None:
    """Events wait until they are asked for; requests add up; the answer says how many may still follow."""
    listener = world.listen(count=2)
    for _ in range(5):
        world.org.event()
    assert [(len(batch.events), batch.pending) for batch in listener.step()] == [(2, 0)]
    assert listener.step() == []
    listener.ask(1)
    listener.ask(5)
    (batch,) = listener.step()
    assert (len(batch.events), batch.pending) == (3, 3)


@pytest.mark.honest("salesforce", 18)
def test_outstanding_is_capped_at_100(world: BusOrg) -> None:
    """More counts as 100, at once or added up."""
    listener = world.listen(count=5_000)
    listener.ask(80)
    for _ in range(103):
        world.org.event()
    (batch,) = listener.step()
    assert (len(batch.events), batch.pending) == (100, 0)


@pytest.mark.honest("salesforce", 18)
@pytest.mark.parametrize("count", [0, -1])
def test_asking_for_nothing_is_an_error(world: BusOrg, count: int) -> None:
    """In the first request and in a later one."""
    with pytest.raises(PubSubError) as caught:
        world.listen(count=count)
    assert code_of(caught) == ("INVALID_ARGUMENT", "subscription.fetch.requested.events.invalid")
    listener = world.listen()
    with pytest.raises(PubSubError):
        listener.ask(count)


@pytest.mark.honest("pubsub", 6)
def test_batches_have_any_size() -> None:
    """The service splits as it likes; nothing is lost and order is kept."""
    world = build_bus(behaviour=replace(CALM, batch_events=None))
    listener = world.listen()
    keys = [world.org.event() for _ in range(60)]
    batches = listener.step()
    assert len(batches) > 1
    assert [event.header["recordIds"][0] for batch in batches for event, _ in batch.events] == keys
    assert [batch.pending for batch in batches] == sorted((batch.pending for batch in batches), reverse=True)
    assert batches[-1].pending == 40


# --- first and later requests ---------------------------------------------------------------------------------


@pytest.mark.honest("pubsub", 4)
def test_the_first_request_fixes_the_topic(world: BusOrg) -> None:
    """Later ones may leave it out or repeat it; another one is an error; their replay settings are ignored."""
    listener = world.listen()
    listener.ask(1)
    listener.ask(1, topic=EVENTS, preset="CUSTOM", replay_id=b"nonsense")
    with pytest.raises(PubSubError) as caught:
        listener.ask(1, topic=RELATIONS)
    assert code_of(caught) == ("INVALID_ARGUMENT", "subscription.fetch.topic.mismatch")


@pytest.mark.honest("pubsub", 4, 5, 7)
@pytest.mark.parametrize(
    ("fetch", "expected"),
    [
        ({"topic": ""}, ("INVALID_ARGUMENT", "topic.validation.empty")),
        ({"topic": "/data/eventchangeevent"}, ("NOT_FOUND", "topic.not.found")),
        ({"topic": "/data/AccountChangeEvent"}, ("NOT_FOUND", "topic.not.found")),
        ({"topic": "/event/Nothing__e"}, ("NOT_FOUND", "topic.not.found")),
        ({"preset": "CUSTOM"}, ("INVALID_ARGUMENT", "subscription.fetch.replayid.validation.failed")),
        ({"preset": ""}, ("INVALID_ARGUMENT", "subscription.fetch.request.invalid")),
        ({"auth_refresh": "bad"}, ("UNAUTHENTICATED", "service.auth.refresh.invalid")),
    ],
)
def test_a_bad_first_request(world: BusOrg, fetch: dict[str, str], expected: tuple[str, str]) -> None:
    """Topics are case-sensitive and only those of selected objects exist; CUSTOM needs an id."""
    with pytest.raises(PubSubError) as caught:
        world.listen(**fetch)
    assert code_of(caught) == expected


@pytest.mark.honest("pubsub", 7)
def test_a_fresh_token_is_taken_in_the_stream(world: BusOrg) -> None:
    """auth_refresh with a good token changes nothing; a stream outlives the token it began with."""
    listener = world.listen()
    listener.ask(1, auth_refresh=world.org.simulator.issue_token())
    world.org.simulator.expire_tokens()
    world.org.simulator.insert("Event", {"Subject": "x", "ActivityDate": "2026-05-21", "IsAllDayEvent": True})
    assert listener.one().kind == "CREATE"


# --- replay ---------------------------------------------------------------------------------------------------


@pytest.mark.honest("pubsub", 5)
def test_latest_starts_now_and_earliest_at_the_oldest(world: BusOrg) -> None:
    """EARLIEST brings what is kept, LATEST only what comes."""
    world.org.event()
    latest = world.listen()
    earliest = world.listen(preset="EARLIEST")
    world.org.event()
    assert (len(latest.take()), len(earliest.take())) == (1, 2)


@pytest.mark.honest("pubsub", 5)
def test_custom_starts_after_its_id(world: BusOrg) -> None:
    """Resuming from any received id brings exactly what followed it."""
    listener = world.listen()
    keys = [world.org.event() for _ in range(6)]
    got = listener.take()
    for place, one in enumerate(got):
        again = world.listen(preset="CUSTOM", replay_id=one.replay_id)
        assert [other.header["recordIds"][0] for other in again.take()] == keys[place + 1 :]


@pytest.mark.honest("salesforce", 16)
def test_replay_ids_are_ten_opaque_bytes_with_gaps(world: BusOrg) -> None:
    """Rising as bytes, never contiguous throughout."""
    listener = world.listen()
    for _ in range(30):
        world.org.event()
    ids = [one.replay_id for one in listener.take()]
    assert {len(one) for one in ids} == {10}
    assert ids == sorted(set(ids))
    steps = {int.from_bytes(b[:8], "big") - int.from_bytes(a[:8], "big") for a, b in pairwise(ids)}
    assert len(steps) > 3


@pytest.mark.honest("salesforce", 19)
@pytest.mark.parametrize("given", [b"x", b"\0" * 10, b"\xff" * 10, b"\0" * 8, b"\0\0\0\0\0\0\0\x01\0\0"])
def test_an_id_that_was_never_given_out_is_corrupted(world: BusOrg, given: bytes) -> None:
    """A computed or foreign id is refused."""
    world.org.event()
    with pytest.raises(PubSubError) as caught:
        world.listen(preset="CUSTOM", replay_id=given)
    assert code_of(caught) == ("INVALID_ARGUMENT", "subscription.fetch.replayid.corrupted")


def test_an_id_of_eight_bytes_is_taken(world: BusOrg) -> None:
    """As clients send it that read an id as a number of 64 bits."""
    listener = world.listen()
    keys = [world.org.event() for _ in range(3)]
    first = listener.take()[0]
    again = world.listen(preset="CUSTOM", replay_id=first.replay_id[:8])
    assert [one.header["recordIds"][0] for one in again.take()] == keys[1:]


def test_the_id_next_to_a_good_one_is_corrupted(world: BusOrg) -> None:
    """Computing the successor of an id does not work."""
    listener = world.listen()
    for _ in range(3):
        world.org.event()
    last = listener.take()[-1].replay_id
    computed = (int.from_bytes(last[:8], "big") + 1).to_bytes(8, "big") + b"\0\0"
    with pytest.raises(PubSubError):
        world.listen(preset="CUSTOM", replay_id=computed)


@pytest.mark.honest("salesforce", 19)
def test_events_are_kept_for_72_hours(world: BusOrg) -> None:
    """Before that an id is good, after it it is corrupted, and EARLIEST has forgotten the event."""
    listener = world.listen()
    world.org.event()
    first = listener.one().replay_id
    world.wait(71 * 3600)
    world.org.event()
    assert len(world.listen(preset="CUSTOM", replay_id=first).take()) == 1
    world.wait(3600)
    with pytest.raises(PubSubError) as caught:
        world.listen(preset="CUSTOM", replay_id=first)
    assert code_of(caught) == ("INVALID_ARGUMENT", "subscription.fetch.replayid.corrupted")
    assert len(world.listen(preset="EARLIEST").take()) == 1


@pytest.mark.honest("salesforce", 19)
def test_a_restarted_stream_knows_no_old_id(world: BusOrg) -> None:
    """The org has moved; open streams end; what comes has ids that no old one equals."""
    listener = world.listen()
    world.org.event()
    old = listener.one().replay_id
    world.bus.restart()
    with pytest.raises(PubSubError) as caught:
        listener.step()
    assert code_of(caught) == ("INTERNAL", "subscription.internal.error")
    with pytest.raises(PubSubError):
        world.listen(preset="CUSTOM", replay_id=old)
    fresh = world.listen(preset="EARLIEST")
    world.org.event()
    assert fresh.one().replay_id > old


@pytest.mark.honest("salesforce", 19)
def test_a_subscriber_behind_the_retention_is_told(world: BusOrg) -> None:
    """Events that were dropped before they were asked for end the stream instead of vanishing silently."""
    listener = world.listen(count=1)
    world.org.event()
    world.org.event()
    assert len(listener.take()) == 1
    world.bus.expire()
    listener.ask(1)
    with pytest.raises(PubSubError) as caught:
        listener.step()
    assert code_of(caught)[1] == "subscription.fetch.replayid.corrupted"


def test_a_reader_that_is_up_to_date_survives_expiry(world: BusOrg) -> None:
    """Expiring what was delivered does not touch an open stream, but its stored id is dead."""
    listener = world.listen()
    world.org.event()
    stored = listener.one().replay_id
    assert world.bus.expire() == 1
    world.org.event()
    assert listener.one().kind == "CREATE"
    with pytest.raises(PubSubError):
        world.listen(preset="CUSTOM", replay_id=stored)


# --- silence --------------------------------------------------------------------------------------------------


@pytest.mark.honest("salesforce", 18)
def test_a_silent_stream_is_kept_alive(world: BusOrg) -> None:
    """Within 270 s an empty answer comes, with an id to store that leads to what follows."""
    listener = world.listen(RELATIONS, count=7)
    world.wait(200)
    assert listener.step() == []
    world.org.event()
    world.wait(70)
    assert listener.stream.is_due(world.bus.now())
    (batch,) = listener.step()
    assert (batch.events, batch.pending) == ((), 7)
    assert listener.step() == []
    key = world.org.event()
    world.org.create("EventRelation", {"EventId": key, "RelationId": world.org.ids["contact"]})
    resumed = world.listen(RELATIONS, preset="CUSTOM", replay_id=batch.latest_replay_id)
    assert [one.kind for one in resumed.take()] == ["CREATE"]


def test_an_id_of_a_keepalive_outlives_older_events(world: BusOrg) -> None:
    """A quiet stream is given fresh ids, so that a resumption after 72 quiet hours still works."""
    listener = world.listen()
    world.org.event()
    listener.take()
    for _ in range(20):
        world.wait(4 * 3600)
        batch = listener.step()[-1]
    assert world.listen(preset="CUSTOM", replay_id=batch.latest_replay_id).take() == []


@pytest.mark.honest("salesforce", 18)
@pytest.mark.parametrize(("code", "raises"), [("", False), ("subscription.internal.error", True)])
def test_a_stream_that_asks_for_nothing_is_closed(code: str, raises: bool) -> None:
    """70 s after its last event an idle stream ends; with which status is a switch."""
    world = build_bus(behaviour=replace(CALM, idle_close_code=code))
    listener = world.listen(count=1)
    world.org.event()
    listener.take()
    world.wait(69)
    listener.step()
    assert not listener.stream.is_over
    world.wait(1)
    if raises:
        with pytest.raises(PubSubError):
            listener.step()
    else:
        assert listener.step() == []
    assert listener.stream.is_over is not raises


def test_a_stream_without_any_request_is_closed(world: BusOrg) -> None:
    """Nothing was ever asked for."""
    stream = world.bus.subscribe(world.bus.caller(world.metadata()))
    world.wait(70)
    stream.step()
    assert stream.is_over


def test_a_closed_request_side_still_gets_what_it_asked_for(world: BusOrg) -> None:
    """A client that asks once and closes its side is served, then the stream ends."""
    listener = world.listen(count=2)
    listener.stream.close_requests()
    world.org.event()
    assert len(listener.take()) == 1
    assert not listener.stream.is_over
    world.org.event()
    assert len(listener.take()) == 1
    assert listener.stream.is_over


# --- rights, limits, faults -----------------------------------------------------------------------------------


@pytest.mark.honest("salesforce", 17)
def test_without_view_all_data_the_single_channel_is_refused(world: BusOrg) -> None:
    """An error on the channel of one object, silence on a shared one."""
    with pytest.raises(PubSubError) as caught:
        world.listen(EVENTS, user="ada@firm.example")
    assert code_of(caught) == ("PERMISSION_DENIED", "subscription.topic.cannot.subscribe")
    shared = world.listen(ALL, user="ada@firm.example")
    world.org.event()
    assert shared.take() == []


@pytest.mark.honest("salesforce", 17)
def test_a_change_of_rights_arrives_within_ten_minutes(world: BusOrg) -> None:
    """An open stream goes silent, or ends on a single channel; a granted right opens the shared one."""
    single, shared = world.listen(EVENTS), world.listen(ALL)
    ada = world.listen(ALL, user="ada@firm.example")
    world.bus.rights.revoked.add(world.org.simulator.integration_user_id)
    world.bus.rights.granted.add(world.org.ids["ada"])
    world.org.event()
    assert (len(single.take()), len(shared.take()), len(ada.take())) == (1, 1, 0)
    world.wait(600)
    world.org.event()
    assert shared.take() == []
    assert len(ada.take()) == 1
    with pytest.raises(PubSubError) as caught:
        single.step()
    assert code_of(caught)[1] == "subscription.topic.cannot.subscribe"


@pytest.mark.honest("salesforce", 20)
def test_deliveries_are_counted_over_all_subscribers() -> None:
    """The last ones are delivered, then every stream ends; the rest is there after 24 hours, by id."""
    world = build_bus(behaviour=replace(CALM, deliveries_max=5))
    first, second = world.listen(), world.listen()
    for _ in range(3):
        world.org.event()
    got = first.take()
    stored = second.step()[-1].events[-1][1]
    assert len(got) == 3
    with pytest.raises(PubSubError) as caught:
        second.step()
    assert code_of(caught) == ("RESOURCE_EXHAUSTED", "subscription.limit.exceeded")
    world.wait(24 * 3600 + 60)
    assert len(world.listen(preset="CUSTOM", replay_id=stored).take()) == 1
    assert PubSubBehaviour().deliveries_max == 25_000


def test_streams_can_be_cut(world: BusOrg) -> None:
    """One topic's or all; with the code that is asked for; nothing is lost for who resumes."""
    events, relations = world.listen(EVENTS), world.listen(RELATIONS)
    assert world.bus.cut_streams("service.unavailable", EVENTS) == 1
    with pytest.raises(PubSubError) as caught:
        events.step()
    assert code_of(caught) == ("UNAVAILABLE", "service.unavailable")
    assert relations.step() == []
    with pytest.raises(ValueError, match="none of the error codes"):
        world.bus.cut_streams("nonsense")


@pytest.mark.honest("salesforce", 16)
def test_duplicates_have_the_same_event_id(world: BusOrg) -> None:
    """Published again, with another replay id."""
    listener = world.listen()
    world.org.event()
    first = listener.one()
    assert world.bus.republish(1) == 1
    again = listener.one()
    assert (again.event.event_id, again.event.payload) == (first.event.event_id, first.event.payload)
    assert again.replay_id > first.replay_id


def test_duplicates_come_now_and_then() -> None:
    """With the switch on every event comes twice, the second time within two seconds, behind later events."""
    world = build_bus(behaviour=replace(CALM, duplicate=1.0))
    listener = world.listen()
    world.org.event()
    world.org.event()
    ids = [one.event.event_id for one in listener.take()]
    world.wait(2)
    again = [one.event.event_id for one in listener.take()]
    assert sorted(again) == sorted(ids)
    assert len(set(ids)) == 2


def test_streams_of_an_org_are_limited(world: BusOrg) -> None:
    """A stream too many is refused; one that leaves makes room."""
    caller = world.bus.caller(world.metadata())
    streams = [world.bus.subscribe(caller) for _ in range(48)]
    with pytest.raises(PubSubError) as caught:
        world.bus.subscribe(caller)
    assert code_of(caught) == ("RESOURCE_EXHAUSTED", "concurrent.client.limit.exceeded")
    world.bus.leave(streams[0])
    world.bus.subscribe(caller)
