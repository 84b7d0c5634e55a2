"""Confluent's Avro (de)serializers: read each record given, write the one of a topic anew, print both as JSON.

Subjects are named by topic, as told: left to itself the client first asks the registry for "associations", a question
newer than Apicurio's API, which one time in three never answers it; and the client by itself waits for ever.
"""

from __future__ import annotations

import json
import sys

from confluent_kafka.schema_registry import SchemaRegistryClient, topic_subject_name_strategy
from confluent_kafka.schema_registry.avro import AvroDeserializer, AvroSerializer
from confluent_kafka.serialization import MessageField, SerializationContext

url, rewritten, schema = sys.argv[1:]
client = SchemaRegistryClient({"url": url, "timeout": 30})
naming = {"subject.name.strategy": topic_subject_name_strategy}
read = AvroDeserializer(client, conf=naming)
records = {
    topic: read(bytes.fromhex(text), SerializationContext(topic, MessageField.VALUE))
    for topic, text in json.load(sys.stdin).items()
}
write = AvroSerializer(client, schema, conf={"auto.register.schemas": False, **naming})
written = write(records[rewritten], SerializationContext(rewritten, MessageField.VALUE))
print(json.dumps({"read": {topic: list(record) for topic, record in records.items()}, "written": written.hex()}))
