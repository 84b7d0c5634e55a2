"""What stands on the topics is Avro for others too: read by the `avro` package, which shares nothing with fastavro."""

from __future__ import annotations

import io
import json
from datetime import UTC, date, datetime
from importlib.resources import files
from typing import Any

import avro.io
import avro.schema
import pytest
from support.running import Running

import schemas.codec as codec
from concord.changing import retry_pairs
from concord.reading import read_topics
from concord.registry.ids import write_ids
from concord.table_versions import FIRST, put_in_use
from schemas.errors import UnreadableRecord
from schemas.registered import SchemaId
from schemas.release import to_json
from schemas.topics import SYNC_QUARANTINE, TOPICS

pytestmark = pytest.mark.broker

# Records read of each topic: the other package is slow.
NEWEST = 60
KINDS = {kind.__name__: kind for kind in codec.RECORDS}


def without_logical_types(schema: Any) -> Any:
    """A schema as JSON without logical types. The canonical form leaves them out, and writes what is left of such a
    type as plain "long"; avro 1.12 forgets the second step."""
    if isinstance(schema, dict):
        if "logicalType" in schema:
            return schema["type"]
        return {key: without_logical_types(part) for key, part in schema.items()}
    return [without_logical_types(part) for part in schema] if isinstance(schema, list) else schema


def writers() -> dict[bytes, avro.schema.Schema]:
    """Every released schema by the fingerprint that the `avro` package computes."""
    known = {}
    for path in (files("schemas") / "avro" / "released").iterdir():
        text = path.read_text(encoding="utf-8")
        plain = avro.schema.parse(json.dumps(without_logical_types(json.loads(text))))
        known[plain.fingerprint("CRC-64-AVRO")] = avro.schema.parse(text)
    return known


def plain(value: Any) -> Any:
    """What the `avro` package read, as JSON."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return value.isoformat() if isinstance(value, date) else value


def without_type_names(value: Any) -> Any:
    """Our JSON without the names of the types, which Avro does not store."""
    if isinstance(value, dict):
        return {key: without_type_names(part) for key, part in value.items() if key != "type"}
    return [without_type_names(part) for part in value] if isinstance(value, list) else value


def test_another_implementation_reads_a_record_of_each_topic(firm: Running) -> None:
    """The newest records of every topic: their fingerprints name released schemas by the other package's arithmetic,
    they are read to the last byte, and every value is the one that we read."""
    user, day = firm.users[0], firm.a_free_day()
    made = firm.outlook.create(user.address, firm.meeting("For everybody to read", day, 2))
    record = firm.record_of(made["id"], Subject="For everybody to read")
    firm.practifi.edit(record["Id"], {"Location": "Room 7"})
    key = firm.until(
        lambda: next((k for k, s in firm.pairs().items() if s.graph.item and s.graph.item.id == made["id"]), None),
        "its pair",
    )
    retry_pairs(firm.broker, [key], by="test")
    put_in_use(firm.broker, "nobodys-table", FIRST, previous=0, by="test")
    write_ids(firm.broker, [SchemaId(1, "00" * 8, "nobodys-value", datetime.now(UTC))])
    firm.settle()
    known = writers()
    for topic in TOPICS:
        if topic.name == SYNC_QUARANTINE:
            continue  # bytes as they came
        read_of_topic = 0
        for read in list(read_topics(firm.broker, topic.name))[-NEWEST:]:
            try:
                ours = codec.decode(KINDS[topic.record], read.value)
            except UnreadableRecord:
                continue  # put there by a test, or the tombstone of a fact
            assert read.value is not None
            assert read.value[:2] == b"\xc3\x01"
            schema = known[read.value[2:10]]
            body = io.BytesIO(read.value[10:])
            theirs = avro.io.DatumReader(schema).read(avro.io.BinaryDecoder(body))
            assert body.read() == b"", f"bytes are left over after a record of {topic.name}"
            assert plain(theirs) == without_type_names(to_json(ours)), topic.name
            read_of_topic += 1
        assert read_of_topic, f"no record of {topic.name} to read"
