"""Small parts for tests that talk to Kafka."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer

from concord.kafka_sockets import closing_sockets


def unique_name(stem: str) -> str:
    """A topic or group name that no other test uses: the session's broker is shared."""
    return f"{stem}-{uuid.uuid4().hex[:10]}"


@contextmanager
def admin_of(address: str) -> Iterator[Any]:
    """A kafka-python admin client, closed at the end."""
    with closing_sockets() as directly:
        client = KafkaAdminClient(bootstrap_servers=address.split(","), bootstrap_timeout_ms=20_000, proxy_url=directly)
        try:
            yield client
        finally:
            client.close()


def create_topic(address: str, name: str, partitions: int = 1) -> None:
    """Create one topic and wait until it can be used."""
    with admin_of(address) as client:
        client.create_topics({name: {"num_partitions": partitions, "replication_factor": 1}})


def produce(address: str, topic: str, values: list[bytes]) -> None:
    """Write `values` to a topic; returns when the broker has acknowledged each."""
    producer = KafkaProducer(bootstrap_servers=address.split(","))
    try:
        for sent in [producer.send(topic, value=value) for value in values]:
            sent.get(timeout=60)
    finally:
        producer.close()


def read_all(address: str, topic: str, count: int, timeout_s: float = 60.0) -> list[bytes]:
    """The first `count` values of a topic, oldest first; fewer when they do not come in time."""
    consumer = KafkaConsumer(
        topic,
        bootstrap_servers=address.split(","),
        auto_offset_reset="earliest",
        consumer_timeout_ms=int(timeout_s * 1000),
        group_id=None,
    )
    values: list[bytes] = []
    try:
        for record in consumer:
            values.append(record.value)
            if len(values) >= count:
                break
    finally:
        consumer.close()
    return values
