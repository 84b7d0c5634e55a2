"""ManagedSubscribe: the service keeps the place that the client commits."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.pubsub_client import EVENTS, BusOrg, build_bus

from simulators.pubsub.behaviour import PubSubBehaviour
from simulators.pubsub.bus import BusPlan
from simulators.pubsub.errors import PubSubError
from simulators.pubsub.managed import ManagedFetch, ManagedPlan, ManagedSubscription

CALM = PubSubBehaviour().calm()
ID = "18xQH0000000001AAA"
NAME = "Concord"


def managed_bus(behaviour: PubSubBehaviour = CALM, **plan: str) -> BusOrg:
    """A bus with one managed subscription to events."""
    return build_bus(behaviour=behaviour, plan=BusPlan(managed=(ManagedPlan(ID, NAME, EVENTS, **plan),)))


def opened(world: BusOrg, **fetch: object) -> ManagedSubscription:
    """A stream after its first request."""
    stream = world.bus.subscribe_managed(world.bus.caller(world.metadata()))
    try:
        stream.fetch(ManagedFetch(**{"developer_name": NAME, "count": 10, **fetch}))
    except PubSubError:
        world.bus.leave(stream)
        raise
    return stream


def ids_of(world: BusOrg, stream: ManagedSubscription) -> list[bytes]:
    """Replay ids of the events of one step."""
    world.bus.tick()
    return [replay for batch in stream.step() for _, replay in batch.events]


@pytest.mark.honest("pubsub", 13)
def test_it_resumes_after_what_was_committed() -> None:
    """By developer name or id, of 15 or 18 characters; the client sends no replay id."""
    world = managed_bus()
    stream = opened(world)
    for _ in range(3):
        world.org.event()
    ids = ids_of(world, stream)
    stream.fetch(ManagedFetch(commit=("c1", ids[1])))
    (batch,) = stream.step()
    assert batch.commit is not None
    assert (batch.commit.request_id, batch.commit.replay_id, batch.commit.error) == ("c1", ids[1], "")
    assert batch.commit.process_time_ms == int(world.bus.now().timestamp() * 1000)
    world.bus.leave(stream)
    for named in ({"developer_name": "", "subscription_id": ID}, {"developer_name": "", "subscription_id": ID[:15]}):
        again = opened(world, **named)
        assert ids_of(world, again) == ids[2:]
        world.bus.leave(again)


@pytest.mark.parametrize(("preset", "count"), [("LATEST", 0), ("EARLIEST", 1)])
def test_it_begins_where_its_default_says(preset: str, count: int) -> None:
    """Nothing is committed yet."""
    world = managed_bus(default_replay=preset)
    world.org.event()
    assert len(ids_of(world, opened(world))) == count


@pytest.mark.parametrize(("preset", "count"), [("LATEST", 0), ("EARLIEST", 1)])
def test_an_expired_commit_falls_back_to_the_recovery_preset(preset: str, count: int) -> None:
    """The committed id is older than the retention."""
    world = managed_bus(error_recovery_replay=preset)
    stream = opened(world)
    world.org.event()
    stream.fetch(ManagedFetch(commit=("c", ids_of(world, stream)[0])))
    stream.step()
    world.bus.leave(stream)
    world.wait(73 * 3600)
    world.org.event()
    assert len(ids_of(world, opened(world))) == count


@pytest.mark.parametrize(
    ("given", "problem"),
    [(b"", "missing"), (b"\0" * 10, "invalid"), (None, "not delivered")],
)
def test_a_bad_commit_is_answered_in_the_stream(given: bytes | None, problem: str) -> None:
    """The stream goes on; nothing is committed."""
    world = managed_bus()
    stream = opened(world, count=1)
    world.org.event()
    world.org.event()
    ids_of(world, stream)
    ahead = world.bus.log.mark(world.bus.now())
    stream.fetch(ManagedFetch(commit=("c", ahead if given is None else given)))
    (batch,) = stream.step()
    assert batch.commit is not None
    assert problem in batch.commit.error
    assert world.bus.managed.plans[ID].committed == ""
    stream.fetch(ManagedFetch(count=1))
    assert len(ids_of(world, stream)) == 1


def test_an_older_commit_is_refused() -> None:
    """A later id is committed already."""
    world = managed_bus()
    stream = opened(world)
    world.org.event()
    world.org.event()
    first, second = ids_of(world, stream)
    stream.fetch(ManagedFetch(commit=("c2", second)))
    stream.fetch(ManagedFetch(commit=("c1", first)))
    errors = [batch.commit.error for batch in stream.step() if batch.commit]
    assert errors == ["", "A later replay ID is committed already"]


@pytest.mark.honest("pubsub", 13)
def test_commits_may_be_answered_in_one() -> None:
    """N to 1: the answer to the newest stands for those before it."""
    world = managed_bus(replace(CALM, batch_events=None))
    stream = opened(world)
    for _ in range(3):
        world.org.event()
    for number, replay in enumerate(ids_of(world, stream)):
        stream.fetch(ManagedFetch(commit=(f"c{number}", replay)))
    assert [batch.commit.request_id for batch in stream.step() if batch.commit] == ["c2"]


def test_only_one_stream_at_a_time() -> None:
    """A second one is refused until the first has left."""
    world = managed_bus()
    first = opened(world)
    with pytest.raises(PubSubError) as caught:
        opened(world)
    assert caught.value.code == "managed.subscription.already.active"
    world.bus.leave(first)
    opened(world)


@pytest.mark.honest("pubsub", 13)
def test_stopping_ends_the_stream_and_forgets_the_commit() -> None:
    """STOP discards the committed id; RUN lets it begin anew."""
    world = managed_bus()
    stream = opened(world)
    world.org.event()
    stream.fetch(ManagedFetch(commit=("c", ids_of(world, stream)[0])))
    stream.step()
    world.bus.set_managed_state(NAME, "STOP")
    with pytest.raises(PubSubError) as caught:
        stream.step()
    assert caught.value.code == "managed.subscription.config.stopped"
    world.bus.leave(stream)
    with pytest.raises(PubSubError):
        opened(world)
    world.bus.set_managed_state(NAME, "RUN")
    assert ids_of(world, opened(world)) == []


@pytest.mark.parametrize(
    ("fetch", "code"),
    [
        ({"developer_name": ""}, "managed.subscription.id.or.developer.name.empty"),
        ({"subscription_id": ID}, "managed.subscription.id.or.developer.name.empty"),
        ({"developer_name": "Nobody"}, "managed.subscription.developer.name.not.found"),
        ({"developer_name": "", "subscription_id": "18x"}, "managed.subscription.subscription.id.invalid"),
        (
            {"developer_name": "", "subscription_id": "18xQH0000000009"},
            "managed.subscription.subscription.id.not.found",
        ),
        ({"count": -1}, "managed.subscription.fetch.request.events.invalid"),
        ({"commit": ("c", b"x")}, "managed.subscription.fetch.request.commit.request.restricted"),
        ({"auth_refresh": "t"}, "managed.subscription.fetch.request.auth.request.restricted"),
    ],
)
def test_a_bad_first_request(fetch: dict[str, object], code: str) -> None:
    """Exactly one of id and name; no commit and no token yet."""
    with pytest.raises(PubSubError) as caught:
        opened(managed_bus(), **fetch)
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("fetch", "code"),
    [
        (ManagedFetch(), "managed.subscription.fetch.request.invalid"),
        (ManagedFetch(count=-1), "managed.subscription.fetch.request.events.invalid"),
        (ManagedFetch(auth_refresh="bad"), "service.auth.refresh.invalid"),
    ],
)
def test_a_bad_later_request(fetch: ManagedFetch, code: str) -> None:
    """Asking for nothing needs a commit or a fresh token."""
    stream = opened(managed_bus())
    with pytest.raises(PubSubError) as caught:
        stream.fetch(fetch)
    assert caught.value.code == code
