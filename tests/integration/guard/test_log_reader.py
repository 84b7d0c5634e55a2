"""Reading ranges back from a real topic: bounds, order, and what retention took away."""

from __future__ import annotations

import asyncio

import pytest
from aiokafka.errors import OffsetOutOfRangeError
from kafka import KafkaProducer, TopicPartition
from support.broker import admin_of, create_topic, unique_name

from concord.broker import DevelopmentBroker
from concord.guard.log_reader import LogReader
from concord.guard.record import Record

pytestmark = pytest.mark.broker


def filled(address: str, count: int) -> str:
    """A topic with one partition and so many records."""
    topic = unique_name("ranges")
    create_topic(address, topic)
    producer = KafkaProducer(bootstrap_servers=address.split(","))
    for number in range(count):
        producer.send(
            topic, key=b"k", value=b"%d" % number, headers=[("n", b"%d" % number)], timestamp_ms=1000 + number
        )
    producer.close()
    return topic


def test_ranges_come_whole_and_in_order(broker: DevelopmentBroker) -> None:
    """Both ends included, more than one fetch, the records as they were written; the bounds are the topic's."""
    topic = filled(broker.address, 1300)

    async def scenario() -> None:
        reader = LogReader({"bootstrap_servers": broker.address.split(",")})
        assert await reader.earliest_and_end(topic, 0) == (0, 1300)
        assert await reader.ends(topic, [0]) == {0: 1300}
        read = [record async for record in reader.read(topic, 0, 5, 1204)]
        assert [record.offset for record in read] == list(range(5, 1205))
        assert read[0] == Record(topic, 0, 5, 1005, b"k", b"5", (("n", b"5"),))
        assert [record.offset async for record in reader.read(topic, 0, 1299, 1299)] == [1299]
        await reader.stop()

    asyncio.run(scenario())


def test_removed_records_are_told_apart_from_read_ones(broker: DevelopmentBroker) -> None:
    """The beginning of the topic was removed: the earliest offset says so, and reading before it is an error."""
    topic = filled(broker.address, 20)
    with admin_of(broker.address) as admin:
        admin.delete_records({TopicPartition(topic, 0): 12})

    async def scenario() -> None:
        reader = LogReader({"bootstrap_servers": broker.address.split(",")})
        assert await reader.earliest_and_end(topic, 0) == (12, 20)
        with pytest.raises(OffsetOutOfRangeError):
            [record async for record in reader.read(topic, 0, 3, 15)]
        assert [record.offset async for record in reader.read(topic, 0, 12, 15)] == [12, 13, 14, 15]
        await reader.stop()

    asyncio.run(scenario())
