"""Our part of the Pub/Sub API: numbers as tabled in the Salesforce reference §6, the compiled form in step with it."""

from __future__ import annotations

from pathlib import Path

import pytest
from grpc_tools import protoc

from connectors.salesforce import pubsub_messages
from connectors.salesforce.pubsub_messages import POOL, REPLAY_PRESETS, SERVICE

FOLDER = Path(pubsub_messages.__file__).parent
# Message, then its fields: type and name in the order of their numbers. `*` means repeated.
TABLE = {
    "FetchRequest": "string topic_name, ReplayPreset replay_preset, bytes replay_id, int32 num_requested,"
    " string auth_refresh",
    "FetchResponse": "*ConsumerEvent events, bytes latest_replay_id, string rpc_id, int32 pending_num_requested",
    "ConsumerEvent": "ProducerEvent event, bytes replay_id",
    "ProducerEvent": "string id, string schema_id, bytes payload, *EventHeader headers",
    "EventHeader": "string key, bytes value",
    "SchemaRequest": "string schema_id",
    "SchemaInfo": "string schema_json, string schema_id, string rpc_id",
}
SCALARS = {5: "int32", 9: "string", 12: "bytes"}


def described(field: object) -> str:
    """A field as the table writes it."""
    kind = SCALARS.get(field.type) or (field.message_type or field.enum_type).name
    return f"{'*' if field.is_repeated else ''}{kind} {field.name}"


@pytest.mark.parametrize("name", TABLE)
def test_fields_have_the_tabled_numbers(name: str) -> None:
    """Numbers run from 1 in the order of the table, with the tabled types."""
    fields = POOL.FindMessageTypeByName(f"eventbus.v1.{name}").fields
    assert {field.number: described(field) for field in fields} == dict(enumerate(TABLE[name].split(", "), 1))


def test_presets_and_methods_are_the_tabled_ones() -> None:
    """LATEST is what an empty request means; Subscribe streams both ways."""
    assert REPLAY_PRESETS == {"LATEST": 0, "EARLIEST": 1, "CUSTOM": 2}
    found = {
        one.name: (one.input_type.name, one.output_type.name, one.client_streaming, one.server_streaming)
        for one in POOL.FindServiceByName(SERVICE).methods
    }
    assert found == {
        "Subscribe": ("FetchRequest", "FetchResponse", True, True),
        "GetSchema": ("SchemaRequest", "SchemaInfo", False, False),
    }


def test_compiled_definition_is_fresh(tmp_path: Path) -> None:
    """`make proto` was run after the last edit of the definition."""
    made = tmp_path / "new.binpb"
    assert protoc.main(["protoc", f"-I{FOLDER}", f"--descriptor_set_out={made}", "pubsub_api.proto"]) == 0
    assert made.read_bytes() == (FOLDER / pubsub_messages.DESCRIPTOR_FILE).read_bytes()
