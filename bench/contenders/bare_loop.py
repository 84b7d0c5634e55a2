"""The ceiling: a plain aiokafka consumer and producer around the step, states in a dict, nothing kept on disk."""

from __future__ import annotations

import asyncio
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from bench.contenders.lanes import Rows, SmallLane
from bench.contenders.running import Stopwatch, arguments
from concord.guard.record import from_kafka
from concord.roles.reconcile import reconcile_step
from schemas.topics import SYNC_JOURNAL

PARTITIONS = 4


async def run(broker: str, watch: Stopwatch) -> None:
    """Read, decide, send; the end waits for every acknowledgement."""
    consumer: Any = AIOKafkaConsumer(
        bootstrap_servers=broker, auto_offset_reset="earliest", max_partition_fetch_bytes=4 << 20
    )
    producer: Any = AIOKafkaProducer(bootstrap_servers=broker, acks="all", linger_ms=5, max_batch_size=256 << 10)
    await consumer.start()
    await producer.start()
    parts = [TopicPartition(SYNC_JOURNAL, number) for number in range(PARTITIONS)]
    consumer.assign(parts)
    await consumer.seek_to_beginning(*parts)
    waiting: list[tuple[str, bytes, bytes]] = []
    lanes = {part: SmallLane(part.partition, Rows(), Rows(), lambda *what: waiting.append(what)) for part in parts}
    sent: list[Any] = []
    while not watch.is_over:
        for part, records in (await consumer.getmany(timeout_ms=500)).items():
            for record in records:
                watch.begin()
                reconcile_step(from_kafka(record), lanes[part])  # type: ignore[arg-type]
                watch.done += 1
            watch.sent += len(waiting)
            sent += [await producer.send(topic, value, key=key) for topic, key, value in waiting]
            waiting.clear()
    await asyncio.gather(*sent)
    watch.tell()
    await producer.stop()
    await consumer.stop()


if __name__ == "__main__":
    address, count, _ = arguments()
    asyncio.run(run(address, Stopwatch("bare aiokafka loop, states in memory", count)))
