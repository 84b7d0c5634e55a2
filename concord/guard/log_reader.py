"""Reads ranges of a topic with a plain consumer, outside any group: how holes are healed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping
from typing import Any, Final

from aiokafka import AIOKafkaConsumer, TopicPartition

from concord.guard.record import Record, from_kafka

# Records taken from the consumer at once. The consumer prefetches about 1 MiB beyond them.
BATCH: Final = 500
# Longest wait for one answer of the broker, in ms.
REQUEST_TIMEOUT_MS: Final = 15_000


class LogReader:
    """Bounds and records of topic partitions. Every call may raise aiokafka's KafkaError; callers try again."""

    def __init__(self, client_settings: Mapping[str, Any]) -> None:
        self._settings = dict(client_settings)
        self._bounds_consumer: Any = None
        self._lock = asyncio.Lock()

    async def earliest_and_end(self, topic: str, partition: int) -> tuple[int, int]:
        """Offset of the oldest record left, and the offset that the next record will get."""
        where = TopicPartition(topic, partition)
        consumer = await self._started()
        earliest = await consumer.beginning_offsets([where])
        end = await consumer.end_offsets([where])
        return earliest[where], end[where]

    async def ends(self, topic: str, partitions: Iterable[int]) -> dict[int, int]:
        """The offset that the next record will get, by partition; one request for all."""
        consumer = await self._started()
        found = await consumer.end_offsets([TopicPartition(topic, number) for number in partitions])
        return {where.partition: end for where, end in found.items()}

    async def read(self, topic: str, partition: int, first: int, last: int) -> AsyncGenerator[Record, None]:
        """Records `first` to `last` (both included) in order; offsets that hold no record are left out.

        Raises OffsetOutOfRangeError (a KafkaError) when retention was faster: look at the bounds again.
        """
        where = TopicPartition(topic, partition)
        consumer = self._consumer()
        try:
            await consumer.start()
            consumer.assign([where])
            consumer.seek(where, first)
            while await consumer.position(where) <= last:
                batches = await consumer.getmany(where, timeout_ms=500, max_records=BATCH)
                for read in batches.get(where, ()):
                    if read.offset > last:
                        return
                    yield from_kafka(read)
        finally:
            await consumer.stop()

    async def stop(self) -> None:
        """Disconnect."""
        consumer, self._bounds_consumer = self._bounds_consumer, None
        if consumer is not None:
            await consumer.stop()

    async def _started(self) -> Any:
        async with self._lock:
            if self._bounds_consumer is None:
                consumer = self._consumer()
                try:
                    await consumer.start()
                except BaseException:  # also when cancelled: no connection is left open
                    await consumer.stop()
                    raise
                self._bounds_consumer = consumer
            return self._bounds_consumer

    def _consumer(self) -> Any:
        return AIOKafkaConsumer(
            group_id=None,
            enable_auto_commit=False,
            auto_offset_reset="none",
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            **self._settings,
        )
