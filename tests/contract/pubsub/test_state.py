"""The org and its bus as one service: what outlives a restart, what a reset forgets."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import pytest
from support.pubsub_client import EVENTS, BusOrg, build_bus
from support.salesforce_client import build_org

from simulators.http import Request
from simulators.pubsub.behaviour import PubSubBehaviour
from simulators.pubsub.bus import BusPlan, EventBus
from simulators.pubsub.channels import ChannelPlan, Member
from simulators.pubsub.errors import PubSubError
from simulators.pubsub.service import StreamingOrg

CALM = PubSubBehaviour().calm()
PLAN = BusPlan(channels=(ChannelPlan("A__chn", (Member("Event", ("Concord_Sync_Key__c",)),)),))


def test_everything_outlives_a_restart() -> None:
    """A replay id that was stored before leads on after; schemas, added fields and rights are there."""
    world = build_bus(behaviour=replace(CALM, diff=1.0, duplicate=1.0), plan=PLAN)
    listener = world.listen()
    key = world.org.event(Description="x" * 2_000, Concord_Sync_Key__c="k")
    stored = listener.take()[0].replay_id
    world.bus.add_field("Event", "Added__c")
    world.bus.rights.revoked.add(world.org.ids["ada"])
    world.org.patch(f"/sobjects/Event/{key}", {"Subject": "missed"})
    state = json.loads(json.dumps(StreamingOrg(world.org.simulator, world.bus).dump()))

    other = build_org()
    bus = EventBus(other.simulator, random.Random(99), plan=PLAN, behaviour=world.bus.behaviour)
    StreamingOrg(other.simulator, bus).load(state)
    other.clock.set(world.org.clock.now())
    again = BusOrg(replace(other, token=world.org.token), bus)
    got = again.listen(preset="CUSTOM", replay_id=stored).take()
    assert [one.filled["Subject"] for one in got if one.kind == "UPDATE"] == ["missed"]
    assert "Added__c" in bus.schema_of("Event").names
    assert bus.rights.revoked == {world.org.ids["ada"]}
    again.org.patch(f"/sobjects/Event/{key}", {"Subject": "later"})
    enriched = again.listen("/data/A__chn", preset="CUSTOM", replay_id=stored).take()
    assert {one.value["Concord_Sync_Key__c"] for one in enriched if one.kind == "UPDATE"} == {"k"}
    assert bus.dump()["log"]["number"] > state["pubsub"]["log"]["number"]


def test_a_state_from_before_there_was_a_bus_loads(world: BusOrg) -> None:
    """The stream then begins empty."""
    service = StreamingOrg(world.org.simulator, world.bus)
    world.org.event()
    service.load(world.org.simulator.dump())
    assert world.listen(preset="EARLIEST").take() == []


def test_a_reset_ends_streams_and_ids(world: BusOrg) -> None:
    """Back to the seed: old replay ids are corrupted, new changes come, counters and faults are gone."""
    service = StreamingOrg(world.org.simulator, world.bus)
    listener = world.listen()
    world.org.event()
    old = listener.one().replay_id
    world.bus.gap_next(5)
    world.bus.deliveries.spent = 10**9
    service.reset()
    world.org.token = world.org.simulator.issue_token()
    with pytest.raises(PubSubError):
        listener.step()
    with pytest.raises(PubSubError):
        world.listen(preset="CUSTOM", replay_id=old)
    fresh = world.listen(preset="EARLIEST")
    world.org.event()
    assert fresh.one().kind == "CREATE"


def test_a_request_is_on_the_bus_when_it_is_answered(world: BusOrg) -> None:
    """Without anybody asking the bus to look."""
    service = StreamingOrg(world.org.simulator, world.bus)
    woken: list[int] = []
    world.bus.listeners.append(lambda: woken.append(1))
    body = b'{"Subject":"x","ActivityDateTime":"2026-05-21T10:00:00Z","DurationInMinutes":30}'
    headers = {"authorization": f"Bearer {world.org.token}", "content-type": "application/json"}
    answer = service.handle(Request("POST", "/services/data/v66.0/sobjects/Event", headers, body))
    assert (answer.status, world.bus.log.count, woken) == (201, 1, [1])
    service.due_deliveries()
    assert woken == [1]


def test_clearing_the_change_log_loses_nothing(world: BusOrg) -> None:
    """A seal forgets the log; what was on the bus stays, and nothing comes twice."""
    listener = world.listen()
    world.org.event()
    world.bus.tick()
    world.org.simulator.seal()
    world.org.event()
    assert [one.kind for one in listener.take()] == ["CREATE", "CREATE"]


def test_equal_seeds_give_equal_streams() -> None:
    """Everything random comes from the seed."""
    streams = []
    for _ in range(2):
        world = build_bus(behaviour=PubSubBehaviour().rough())
        listener = world.listen(EVENTS)
        for number in range(30):
            world.org.event(Subject=f"{number}")
        streams.append([(one.event.event_id, one.replay_id, one.kind) for one in listener.take()])
    assert streams[0] == streams[1]
    assert any(kind == "GAP_CREATE" for _, _, kind in streams[0])


@pytest.mark.parametrize("seed", range(5))
def test_a_subscriber_that_resumes_loses_nothing(seed: int) -> None:
    """Whatever is merged, doubled, cut or batched: going on from the last stored id brings every change, in order."""
    chance = random.Random(seed)
    world = build_bus(behaviour=PubSubBehaviour().rough())
    listener = world.listen()
    stored = world.bus.log.mark(world.bus.now())
    written, seen = [], []
    for _ in range(40):
        written += [world.org.event() for _ in range(chance.randrange(3))]
        world.wait(chance.randrange(300))
        if chance.random() < 0.3:
            world.bus.cut_streams()
        try:
            batches = listener.step()
        except PubSubError:
            listener = world.listen(preset="CUSTOM", replay_id=stored, count=chance.randrange(1, 9))
            continue
        for batch in batches:
            stored = batch.latest_replay_id
            seen += [key for event, _ in batch.events for key in event.header["recordIds"]]
        listener.ask(chance.randrange(1, 9))
    while batches := listener.step():
        seen += [key for batch in batches for event, _ in batch.events for key in event.header["recordIds"]]
        listener.ask(9)
    assert list(dict.fromkeys(seen)) == written
