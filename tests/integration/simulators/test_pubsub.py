"""The Pub/Sub API over real sockets, with stubs that the protocol compiler generated."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
from support.pubsub_client import ALL, EVENTS, HEADER, RELATIONS, decode, names_of
from support.pubsub_stubs import generate_stubs
from support.pubsub_wire_client import Client, Stream, control, failure_of, status
from support.waiting import DEADLINE_S, wait_until

from schemas.errors import ConfigError
from simulators.launch import SimulatorOptions, Simulators, running_simulators
from simulators.pubsub.behaviour import PubSubBehaviour
from simulators.seeding_salesforce import STATIC_TOKEN


@pytest.fixture(scope="module")
def stubs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any]:
    """Generated messages and generated client."""
    return generate_stubs(tmp_path_factory.mktemp("stubs"))


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One certificate authority for all tests of this file."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def simulators(state_dir: Path) -> Iterator[Simulators]:
    """Both simulators on free ports, the bus without chance."""
    options = SimulatorOptions(port_base=0, state_dir=state_dir, pubsub_behaviour=PubSubBehaviour().calm())
    with running_simulators(options) as running:
        yield running


@pytest.fixture
def client(simulators: Simulators, stubs: tuple[Any, Any]) -> Iterator[Client]:
    """A plain client of a freshly reset org."""
    control(simulators, "reset")
    with Client(simulators, stubs) as made:
        yield made


@pytest.mark.honest("pubsub", 1, 3, 8)
def test_a_change_arrives_with_its_schema(client: Client) -> None:
    """GetTopic, GetSchema, Subscribe, decode: what a client does first."""
    topic = client.stub.GetTopic(client.messages.TopicRequest(topic_name=EVENTS), metadata=client.metadata())
    assert (topic.topic_name, topic.can_subscribe, topic.can_publish) == (EVENTS, True, False)
    assert client.simulators.salesforce.org.id in topic.tenant_guid
    stream = client.subscribe()
    key = client.create(Location="Room 4")
    answer = stream.next()
    (received,) = answer.events
    assert (answer.pending_num_requested, answer.latest_replay_id) == (9, received.replay_id)
    assert len(received.event.id) == 36
    assert received.event.schema_id == topic.schema_id
    text = client.schema(topic.schema_id)
    value = decode(text, received.event.payload)
    assert value[HEADER]["recordIds"] == [key]
    assert value["Location"] == "Room 4"
    client.rest("PATCH", f"sobjects/Event/{key}", {"Location": None})
    (received,) = stream.next().events
    value = decode(text, received.event.payload)
    assert names_of(text, value[HEADER]["nulledFields"]) == ["Location"]
    assert value["IsPrivate"] is None


@pytest.mark.honest("pubsub", 1)
def test_tls_with_the_authority(simulators: Simulators, stubs: tuple[Any, Any]) -> None:
    """The certificate is good for who knows the authority, and for nobody else."""
    env = simulators.environment()
    trusted = grpc.ssl_channel_credentials(Path(env["CONCORD_CA_FILE"]).read_bytes())
    with Client(simulators, stubs, grpc.secure_channel(env["PUBSUB_TLS_ADDR"], trusted)) as client:
        stream = client.subscribe()
        client.create()
        assert len(stream.next().events) == 1
    with Client(
        simulators, stubs, grpc.secure_channel(env["PUBSUB_TLS_ADDR"], grpc.ssl_channel_credentials())
    ) as client:
        with pytest.raises(grpc.RpcError) as caught:
            client.stub.GetTopic(
                client.messages.TopicRequest(topic_name=EVENTS), metadata=client.metadata(), timeout=DEADLINE_S
            )
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE


@pytest.mark.honest("pubsub", 6)
def test_flow_control(client: Client) -> None:
    """Nothing comes unasked; asking adds up; the first stream's topic may be left out later."""
    stream = client.subscribe(count=1)
    for _ in range(3):
        client.create()
    answer = stream.next()
    assert (len(answer.events), answer.pending_num_requested) == (1, 0)
    assert stream.is_silent()
    stream.send(client.fetch(count=5))
    got = 0
    while got < 2:
        answer = stream.next()
        got += len(answer.events)
    assert (got, answer.pending_num_requested) == (2, 3)


@pytest.mark.honest("pubsub", 5)
def test_resume_by_replay_id(client: Client) -> None:
    """What was missed while away comes first, nothing twice."""
    stream = client.subscribe()
    client.create()
    last = stream.next().events[0].replay_id
    stream.close()
    missed = [client.create() for _ in range(3)]
    again = client.subscribe(replay_preset="CUSTOM", replay_id=last)
    text = client.schema(client.stub.GetTopic(
        client.messages.TopicRequest(topic_name=EVENTS), metadata=client.metadata()).schema_id)  # fmt: skip
    keys: list[str] = []
    while len(keys) < 3:
        keys += [decode(text, one.event.payload)[HEADER]["recordIds"][0] for one in again.next().events]
    assert keys == missed


@pytest.mark.honest("salesforce", 18)
def test_silence_is_answered_and_idleness_ended(client: Client) -> None:
    """By the org's clock: an empty answer with an id within 270 s, the end after 70 s without a request."""
    stream = client.subscribe(RELATIONS)
    control(client.simulators, "clock", {"advance_s": 270})
    answer = stream.next()
    assert (len(answer.events), answer.pending_num_requested, len(answer.latest_replay_id)) == (0, 10, 10)
    idle = client.subscribe(count=1)
    client.create()
    assert len(idle.next().events) == 1
    control(client.simulators, "clock", {"advance_s": 71})
    assert idle.next() is None
    assert idle.call.code() is grpc.StatusCode.OK


@pytest.mark.honest("pubsub", 2)
@pytest.mark.honest("salesforce", 23)
@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({"accesstoken": "bad"}, "service.auth.error"),
        ({"tenantid": "00D"}, "service.auth.headers.invalid"),
        ({"instanceurl": ""}, "service.auth.headers.invalid"),
    ],
)
def test_bad_metadata_end_every_kind_of_call(client: Client, metadata: dict[str, str], code: str) -> None:
    """Single calls and streams alike, by trailer and status."""
    request = client.messages.TopicRequest(topic_name=EVENTS)
    expected = (grpc.StatusCode.UNAUTHENTICATED, code)
    assert failure_of(lambda: client.stub.GetTopic(request, metadata=client.metadata(**metadata))) == expected
    for call in (client.stub.Subscribe, client.stub.ManagedSubscribe, client.stub.PublishStream):
        assert failure_of(client.open(call, **metadata).next) == expected


@pytest.mark.honest("salesforce", 23)
def test_errors_of_streams_are_in_the_trailers(client: Client) -> None:
    """The code, not only the message."""
    invalid = grpc.StatusCode.INVALID_ARGUMENT
    for fetch, expected in (
        (client.fetch(EVENTS, 0), (invalid, "subscription.fetch.requested.events.invalid")),
        (client.fetch("/data/Nothing", 1), (grpc.StatusCode.NOT_FOUND, "topic.not.found")),
        (
            client.fetch(EVENTS, 1, replay_preset="CUSTOM", replay_id=b"\0" * 10),
            (invalid, "subscription.fetch.replayid.corrupted"),
        ),
    ):
        stream = client.open(client.stub.Subscribe)
        stream.send(fetch)
        assert failure_of(stream.next) == expected
    stream = client.subscribe()
    stream.send(client.fetch(RELATIONS))
    assert failure_of(stream.next) == (invalid, "subscription.fetch.topic.mismatch")
    unknown = client.messages.SchemaRequest(schema_id="x")
    failed = failure_of(lambda: client.stub.GetSchema(unknown, metadata=client.metadata()))
    assert failed == (grpc.StatusCode.NOT_FOUND, "schema.meta.permission")


@pytest.mark.honest("pubsub", 14)
@pytest.mark.honest("pubsub", 3)
def test_the_rest_api_serves_the_same_schemas(client: Client) -> None:
    """By the change event's name and by id, compact, with the id as `uuid`; anything else is refused."""
    topic = client.stub.GetTopic(client.messages.TopicRequest(topic_name=EVENTS), metadata=client.metadata())
    by_name = client.rest("GET", "sobjects/EventChangeEvent/eventSchema?payloadFormat=COMPACT")
    by_id = client.rest("GET", f"event/eventSchema/{topic.schema_id}?payloadFormat=COMPACT")
    assert by_name == by_id == {**json.loads(client.schema(topic.schema_id)), "uuid": topic.schema_id}
    for path, status_code in (
        ("sobjects/EventChangeEvent/eventSchema?payloadFormat=EXPANDED", 400),
        ("sobjects/NothingChangeEvent/eventSchema?payloadFormat=COMPACT", 404),
        ("event/eventSchema/unknown?payloadFormat=COMPACT", 404),
    ):
        url = f"{client.simulators.salesforce_url}/services/data/v66.0/{path}"
        answer = httpx.get(url, headers={"authorization": f"Bearer {STATIC_TOKEN}"}, trust_env=False)
        assert answer.status_code == status_code


@pytest.mark.honest("pubsub", 7)
def test_a_stream_outlives_its_token(client: Client) -> None:
    """Ended sessions stop new calls and leave the stream alone; only a bad auth_refresh ends it."""
    stream = client.subscribe()
    token = client.simulators.on_salesforce(client.simulators.salesforce.issue_token)
    other = client.open(client.stub.Subscribe, accesstoken=token)
    other.send(client.fetch(EVENTS))
    wait_until(lambda: status(client.simulators)["streams"] == [EVENTS, EVENTS])
    control(client.simulators, "expire-tokens")
    client.create()
    assert len(stream.next().events) == len(other.next().events) == 1
    request = client.messages.TopicRequest(topic_name=EVENTS)
    ended = failure_of(lambda: client.stub.GetTopic(request, metadata=client.metadata(accesstoken=token)))
    assert ended == (grpc.StatusCode.UNAUTHENTICATED, "service.auth.error")
    fresh = client.simulators.on_salesforce(client.simulators.salesforce.issue_token)
    other.send(client.fetch(count=1, auth_refresh=fresh))
    client.create()
    assert len(other.next().events) == 1
    other.send(client.fetch(count=1, auth_refresh=token))
    assert failure_of(other.next) == (grpc.StatusCode.UNAUTHENTICATED, "service.auth.refresh.invalid")


def test_publishing_is_refused(client: Client) -> None:
    """Change events are the org's own."""
    event = client.messages.ProducerEvent(id="1", schema_id="x", payload=b"x")
    request = client.messages.PublishRequest(topic_name=EVENTS, events=[event])
    expected = (grpc.StatusCode.PERMISSION_DENIED, "topic.meta.permission")
    assert failure_of(lambda: client.stub.Publish(request, metadata=client.metadata())) == expected
    stream = client.open(client.stub.PublishStream)
    stream.send(request)
    assert failure_of(stream.next) == expected


@pytest.mark.honest("pubsub", 13)
def test_managed_subscription(client: Client) -> None:
    """Deployed by control, read by developer name, committed, resumed."""
    deployed = {"developer_name": "Concord", "topic": EVENTS, "default_replay": "EARLIEST"}
    assert control(client.simulators, "pubsub-managed", deployed)["state"] == "RUN"
    client.create()
    first = client.create()
    messages = client.messages

    def read() -> tuple[Stream, list[Any]]:
        stream = client.open(client.stub.ManagedSubscribe)
        stream.send(messages.ManagedFetchRequest(developer_name="Concord", num_requested=10))
        return stream, list(stream.next().events)

    stream, events = read()
    while len(events) < 2:
        events += stream.next().events
    commit = messages.CommitReplayRequest(commit_request_id="c1", replay_id=events[0].replay_id)
    stream.send(messages.ManagedFetchRequest(commit_replay_id_request=commit))
    reply = stream.next().commit_response
    assert (reply.commit_request_id, reply.replay_id, reply.HasField("error")) == ("c1", events[0].replay_id, False)
    assert reply.process_time > 0
    bad = messages.CommitReplayRequest(commit_request_id="c2", replay_id=b"x")
    stream.send(messages.ManagedFetchRequest(commit_replay_id_request=bad))
    assert stream.next().commit_response.error.code == messages.ErrorCode.Value("COMMIT")
    stream.close()
    wait_until(lambda: status(client.simulators)["streams"] == [])
    stream, events = read()
    value = decode(client.schema(events[0].event.schema_id), events[0].event.payload)
    assert value[HEADER]["recordIds"] == [first]
    control(client.simulators, "pubsub-managed", {"developer_name": "Concord", "state": "STOP"})
    expected = (grpc.StatusCode.FAILED_PRECONDITION, "managed.subscription.config.stopped")
    assert failure_of(stream.next) == expected


@pytest.mark.honest("salesforce", 16, 19, 22)
def test_everything_can_be_made_to_go_wrong(client: Client) -> None:
    """Each fault of the control surface shows on the wire."""
    simulators = client.simulators
    stream = client.subscribe(ALL)
    control(simulators, "pubsub-gap", {"count": 1})
    key = client.create()
    schema = client.schema(stream.next().events[0].event.schema_id)

    def kind(answer: Any) -> str:
        return str(decode(schema, answer.events[0].event.payload)[HEADER]["changeType"])

    control(simulators, "pubsub-gap", {"record": key, "kind": "DELETE"})
    assert kind(stream.next()) == "GAP_DELETE"
    control(simulators, "pubsub-overflow", {})
    last = stream.next()
    assert kind(last) == "GAP_OVERFLOW"
    control(simulators, "pubsub-duplicates", {"count": 1})
    again = stream.next()
    assert again.events[0].event.id == last.events[0].event.id
    before = status(simulators)["schemas"][EVENTS]
    assert control(simulators, "pubsub-add-field", {"name": "Added__c"})["schema_id"] != before
    switches = control(simulators, "pubsub-behaviour", {"preset": "rough", "hidden_fields": ["Location"]})
    assert (switches["merge"], switches["hidden_fields"]) == (0.7, ["Location"])
    control(simulators, "pubsub-cut", {"code": "service.unavailable"})
    assert failure_of(stream.next) == (grpc.StatusCode.UNAVAILABLE, "service.unavailable")
    assert control(simulators, "pubsub-expire", {})["expired"] > 0
    stored = again.events[0].replay_id
    stream = client.open(client.stub.Subscribe)
    stream.send(client.fetch(ALL, replay_preset="CUSTOM", replay_id=stored))
    corrupted = (grpc.StatusCode.INVALID_ARGUMENT, "subscription.fetch.replayid.corrupted")
    assert failure_of(stream.next) == corrupted
    control(simulators, "pubsub-refuse", {"count": 1})
    stream = client.open(client.stub.Subscribe)
    assert failure_of(stream.next) == (grpc.StatusCode.UNAVAILABLE, "service.unavailable")
    control(simulators, "pubsub-deliveries", {"spent": 10**6})
    stream = client.subscribe()
    client.create()
    expected = (grpc.StatusCode.RESOURCE_EXHAUSTED, "subscription.limit.exceeded")
    assert failure_of(stream.next) == expected


def test_a_custom_channel_can_be_deployed(client: Client) -> None:
    """Its deletions carry the enriched key."""
    members = [{"object": "Event", "enriched": ["Concord_Sync_Key__c"], "filter": "IsChild = false"}]
    deployed = control(client.simulators, "pubsub-channel", {"name": "Concord__chn", "members": members})
    assert "/data/Concord__chn" in deployed["topics"]
    key = client.create(Concord_Sync_Key__c="k1")
    stream = client.subscribe("/data/Concord__chn")
    client.rest("DELETE", f"sobjects/Event/{key}")
    (received,) = stream.next().events
    value = decode(client.schema(received.event.schema_id), received.event.payload)
    assert (value[HEADER]["changeType"], value["Concord_Sync_Key__c"]) == ("DELETE", "k1")


def test_rights_are_checked(client: Client) -> None:
    """Point 17, by control: the integration user loses View All Data."""
    user = client.simulators.salesforce.org.integration_username
    control(client.simulators, "pubsub-rights", {"user": user, "view_all": False})
    stream = client.open(client.stub.Subscribe)
    stream.send(client.fetch(EVENTS))
    expected = (grpc.StatusCode.PERMISSION_DENIED, "subscription.topic.cannot.subscribe")
    assert failure_of(stream.next) == expected


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("pubsub-cut", {"code": "nonsense"}), ("pubsub-cut", {"what": 1}), ("pubsub-gap", {"count": -1}),
        ("pubsub-gap", {"record": "x", "kind": "MOVE"}), ("pubsub-gap", []), ("pubsub-rights", {"user": "nobody"}),
        ("pubsub-add-field", {"name": "Plain"}), ("pubsub-add-field", {"object": "Nothing", "name": "A__c"}),
        ("pubsub-remove-field", {"name": "A__c"}), ("pubsub-managed", {"developer_name": "Nobody"}),
        ("pubsub-channel", {"name": "A", "members": []}), ("pubsub-channel", {"name": "A__chn", "members": [1]}),
        ("pubsub-overflow", {"object": "Nothing"}), ("pubsub-deliveries", {"spent": "x"}),
        ("pubsub-managed", {"developer_name": "A", "topic": EVENTS, "default_replay": "SOON"}),
    ],
)  # fmt: skip
def test_control_requests_that_make_no_sense(simulators: Simulators, name: str, value: Any) -> None:
    """A reason, not a failure of the simulator."""
    control(simulators, name, value, 400)


def test_a_client_that_vanishes_leaves_no_stream(client: Client) -> None:
    """Its stream is forgotten, whatever it was doing."""
    stream = client.subscribe()
    assert status(client.simulators)["streams"] == [EVENTS]
    stream.close()
    wait_until(lambda: status(client.simulators)["streams"] == [])


def test_stopping_ends_open_streams_and_frees_the_ports(state_dir: Path, stubs: tuple[Any, Any]) -> None:
    """With an error that a client retries."""
    options = SimulatorOptions(port_base=0, state_dir=state_dir)
    others = set(threading.enumerate())
    with running_simulators(options) as running:
        client = Client(running, stubs)
        stream = client.subscribe()
        addresses = (running.pubsub.address, running.pubsub.tls_address)
    with pytest.raises(grpc.RpcError):
        stream.next()
    client.__exit__()
    for address in addresses:
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", int(address.rpartition(":")[2])))
    left = {thread.name for thread in set(threading.enumerate()) - others}
    assert not {name for name in left if name.startswith(("pubsub", "salesforce", "simulators"))}


@pytest.mark.parametrize("offset", [3, 13])
def test_a_taken_port_is_named(state_dir: Path, offset: int) -> None:
    """Neither shared with another program nor taken silently."""
    with socket.socket() as holder:
        for base in range(21_100, 28_000, 20):
            try:
                holder.bind(("127.0.0.1", base + offset))
            except OSError:
                continue
            break
        holder.listen()
        options = SimulatorOptions(port_base=base, state_dir=state_dir)
        with pytest.raises(ConfigError, match=str(base + offset)), running_simulators(options):
            pass


def test_a_replay_id_outlives_a_restart(tmp_path: Path, state_dir: Path, stubs: tuple[Any, Any]) -> None:
    """With --persist the stream goes on after a restart of the simulators."""
    options = SimulatorOptions(
        port_base=0, state_dir=state_dir, persist=tmp_path / "data.json", pubsub_behaviour=PubSubBehaviour().calm()
    )
    with running_simulators(options) as running, Client(running, stubs) as client:
        stream = client.subscribe()
        client.create()
        stored = stream.next().events[0].replay_id
        missed = client.create()
    with running_simulators(options) as running, Client(running, stubs) as client:
        stream = client.subscribe(replay_preset="CUSTOM", replay_id=stored)
        (received,) = stream.next().events
        value = decode(client.schema(received.event.schema_id), received.event.payload)
        assert value[HEADER]["recordIds"] == [missed]
