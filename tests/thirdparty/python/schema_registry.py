"""Confluent's Avro (de)serializers: read each record given, write the one of a topic anew, print both as JSON."""

from __future__ import annotations

import json
import sys

from confluent_kafka.schema_registry import SchemaRegistryClient
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

url, rewritten, schema = sys.argv[1:]
client = SchemaRegistryClient({"url": url})
read = AvroDeserializer(client)
records = {
    topic: read(bytes.fromhex(text), SerializationContext(topic, MessageField.VALUE))
    for topic, text in json.load(sys.stdin).items()
}
write = AvroSerializer(client, schema, conf={"auto.register.schemas": False})
written = write(records[rewritten], SerializationContext(rewritten, MessageField.VALUE))
print(json.dumps({"read": {topic: list(record) for topic, record in records.items()}, "written": written.hex()}))
