"""The service definition: names and numbers as tabled, and the compiled form in step with its source."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.pubsub_stubs import compile_proto

from simulators.pubsub.messages import POOL, methods

# Message, then its fields: type and name in the order of their numbers. `*` means repeated.
TABLE = {
    "TopicInfo": "string topic_name, string tenant_guid, bool can_publish, bool can_subscribe, string schema_id,"
    " string rpc_id",
    "TopicRequest": "string topic_name",
    "EventHeader": "string key, bytes value",
    "ProducerEvent": "string id, string schema_id, bytes payload, *EventHeader headers",
    "ConsumerEvent": "ProducerEvent event, bytes replay_id",
    "PublishResult": "bytes replay_id, Error error, string correlation_key",
    "Error": "ErrorCode code, string msg",
    "FetchRequest": "string topic_name, ReplayPreset replay_preset, bytes replay_id, int32 num_requested,"
    " string auth_refresh",
    "FetchResponse": "*ConsumerEvent events, bytes latest_replay_id, string rpc_id, int32 pending_num_requested",
    "SchemaRequest": "string schema_id",
    "SchemaInfo": "string schema_json, string schema_id, string rpc_id",
    "PublishRequest": "string topic_name, *ProducerEvent events, string auth_refresh",
    "PublishResponse": "*PublishResult results, string schema_id, string rpc_id",
    "ManagedFetchRequest": "string subscription_id, string developer_name, int32 num_requested, string auth_refresh,"
    " CommitReplayRequest commit_replay_id_request",
    "ManagedFetchResponse": "*ConsumerEvent events, bytes latest_replay_id, string rpc_id,"
    " int32 pending_num_requested, CommitReplayResponse commit_response",
    "CommitReplayRequest": "string commit_request_id, bytes replay_id",
    "CommitReplayResponse": "string commit_request_id, bytes replay_id, Error error, int64 process_time",
}
SCALARS = {3: "int64", 5: "int32", 8: "bool", 9: "string", 12: "bytes"}


def described(field: object) -> str:
    """A field as the table writes it."""
    kind = SCALARS.get(field.type) or (field.message_type or field.enum_type).name
    return f"{'*' if field.is_repeated else ''}{kind} {field.name}"


@pytest.mark.honest("pubsub", 1)
@pytest.mark.parametrize("name", TABLE)
def test_fields_have_the_tabled_numbers(name: str) -> None:
    """Numbers run from 1 in the order of the table, with the tabled types."""
    fields = POOL.FindMessageTypeByName(f"eventbus.v1.{name}").fields
    expected = dict(enumerate(TABLE[name].split(", "), 1))
    assert {field.number: described(field) for field in fields} == expected


@pytest.mark.honest("pubsub", 1)
def test_there_is_no_other_message() -> None:
    """What is defined is what is tabled."""
    file = POOL.FindFileContainingSymbol("eventbus.v1.TopicInfo")
    assert set(file.message_types_by_name) == set(TABLE)


@pytest.mark.honest("pubsub", 1)
@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("ErrorCode", {"UNKNOWN": 0, "PUBLISH": 1, "COMMIT": 2}),
        ("ReplayPreset", {"LATEST": 0, "EARLIEST": 1, "CUSTOM": 2}),
    ],
)
def test_enums_have_the_tabled_numbers(name: str, values: dict[str, int]) -> None:
    """LATEST is what an empty request means."""
    enum = POOL.FindEnumTypeByName(f"eventbus.v1.{name}")
    assert {value.name: value.number for value in enum.values} == values


@pytest.mark.honest("pubsub", 1)
def test_methods_take_and_give_what_is_tabled() -> None:
    """Six methods; three stream both ways."""
    found = {one.name: (one.input_type.name, one.output_type.name, one.client_streaming) for one in methods()}
    assert found == {
        "Subscribe": ("FetchRequest", "FetchResponse", True),
        "GetSchema": ("SchemaRequest", "SchemaInfo", False),
        "GetTopic": ("TopicRequest", "TopicInfo", False),
        "Publish": ("PublishRequest", "PublishResponse", False),
        "PublishStream": ("PublishRequest", "PublishResponse", True),
        "ManagedSubscribe": ("ManagedFetchRequest", "ManagedFetchResponse", True),
    }
    assert all(one.client_streaming == one.server_streaming for one in methods())


def test_compiled_definition_is_fresh(tmp_path: Path) -> None:
    """`make proto` was run after the last edit of the definition."""
    from simulators.pubsub import messages

    compile_proto(f"--descriptor_set_out={tmp_path / 'new.binpb'}")
    assert (tmp_path / "new.binpb").read_bytes() == (
        Path(messages.__file__).parent / messages.DESCRIPTOR_FILE
    ).read_bytes()
