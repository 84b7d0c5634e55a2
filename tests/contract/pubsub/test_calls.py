"""Who may call, GetTopic, GetSchema and publishing. Section 6 of the reference."""

from __future__ import annotations

import pytest
from support.pubsub_client import ALL, EVENTS, BusOrg

from simulators.pubsub.errors import STATUSES, PubSubError


def refused(world: BusOrg, **metadata: str) -> str:
    """The code with which a call's metadata are refused."""
    with pytest.raises(PubSubError) as caught:
        world.bus.caller(world.metadata(**metadata))
    return caught.value.code


def test_a_rest_token_opens_the_bus(world: BusOrg) -> None:
    """The same tokens as for REST, the same user."""
    assert world.bus.caller(world.metadata()).user_id == world.org.simulator.integration_user_id
    static = world.bus.caller(world.metadata(accesstoken="static-token"))
    assert static.user_id == world.org.simulator.integration_user_id


@pytest.mark.honest("pubsub", 2)
@pytest.mark.parametrize("name", ["accesstoken", "instanceurl", "tenantid"])
def test_blank_metadata_are_refused(world: BusOrg, name: str) -> None:
    """All three are needed on every call."""
    assert refused(world, **{name: " "}) == "service.auth.headers.invalid"


@pytest.mark.honest("pubsub", 2)
@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"accesstoken": "bad"}, "service.auth.error"),
        ({"tenantid": "00D000000000001AAA"}, "service.auth.error"),
        ({"tenantid": "00DQH0000009Cnc"}, "service.auth.headers.invalid"),
        ({"instanceurl": "concord.my.salesforce.com"}, "service.auth.headers.invalid"),
    ],
)
def test_wrong_metadata_are_refused(world: BusOrg, metadata: dict[str, str], code: str) -> None:
    """A bad token, another org, an id of 15 characters, no URL."""
    assert refused(world, **metadata) == code


@pytest.mark.honest("pubsub", 2)
def test_an_expired_token_is_refused(world: BusOrg) -> None:
    """By the org's clock, and when an administrator ends sessions."""
    world.org.clock.advance(7_200)
    assert refused(world) == "service.auth.error"
    token = world.org.simulator.issue_token()
    world.org.simulator.expire_tokens()
    assert refused(world, accesstoken=token) == "service.auth.error"


def test_calls_can_be_refused_on_demand(world: BusOrg) -> None:
    """The next ones, then all is well."""
    world.bus.refuse_calls(2)
    assert [refused(world), refused(world)] == ["service.unavailable"] * 2
    world.bus.caller(world.metadata())


@pytest.mark.honest("pubsub", 3)
def test_a_topic_names_its_schema(world: BusOrg) -> None:
    """A shared channel names the schema of its first object."""
    assert world.bus.topic_schema(EVENTS).name == "EventChangeEvent"
    assert world.bus.topic_schema(ALL).name == "EventChangeEvent"
    ada = world.bus.caller(world.metadata(accesstoken=world.org.simulator.issue_token("ada@firm.example")))
    own = world.bus.caller(world.metadata())
    assert [world.bus.can_subscribe(one, topic) for one in (ada, own) for topic in (EVENTS, ALL)] == [
        False, True, True, True,
    ]  # fmt: skip


@pytest.mark.honest("pubsub", 3)
def test_schemas_are_found_by_id(world: BusOrg) -> None:
    """The id of a schema is known as soon as its topic is; a blank or unknown one is refused."""
    schema = world.bus.topic_schema(EVENTS)
    assert world.bus.schema_by_id(schema.id) is schema
    for given, code in (("", "schema.validation.failed"), ("x" * 22, "schema.meta.permission")):
        with pytest.raises(PubSubError) as caught:
            world.bus.schema_by_id(given)
        assert caught.value.code == code


@pytest.mark.honest("pubsub", 14)
@pytest.mark.parametrize(
    ("topic", "events", "refresh", "code"),
    [
        ("", 1, "", "publish.topic.validation.empty"),
        ("/event/Nothing__e", 1, "", "topic.not.found"),
        (EVENTS, 0, "", "publish.event.count.invalid"),
        (EVENTS, 1, "token", "publish.auth.refresh.invalid"),
        (EVENTS, 1, "", "topic.meta.permission"),
    ],
)
def test_publishing_is_refused(world: BusOrg, topic: str, events: int, refresh: str, code: str) -> None:
    """Nobody but the org publishes change events; each mistake has its own code."""
    with pytest.raises(PubSubError) as caught:
        world.bus.publish(topic, events, refresh)
    assert caught.value.code == code


@pytest.mark.honest("pubsub", 14)
def test_a_publishing_stream_is_swept_when_silent(world: BusOrg) -> None:
    """1,800 s without a request."""
    stream = world.bus.publish_stream(world.bus.caller(world.metadata()))
    world.wait(1_799)
    assert stream.step() == []
    world.wait(1)
    with pytest.raises(PubSubError) as caught:
        stream.step()
    assert caught.value.code == "publish.stream.sweeper.timeout"


# The statuses that the reference knows.
@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("service.auth.error", "UNAUTHENTICATED"),
        ("service.unavailable", "UNAVAILABLE"),
        ("topic.not.found", "NOT_FOUND"),
        ("subscription.topic.cannot.subscribe", "PERMISSION_DENIED"),
        ("subscription.fetch.replayid.corrupted", "INVALID_ARGUMENT"),
        ("subscription.fetch.replayid.validation.failed", "INVALID_ARGUMENT"),
        ("subscription.fetch.requested.events.invalid", "INVALID_ARGUMENT"),
        ("subscription.fetch.topic.mismatch", "INVALID_ARGUMENT"),
    ],
)
def test_statuses_of_codes(code: str, status: str) -> None:
    """As tabled."""
    assert STATUSES[code] == status
