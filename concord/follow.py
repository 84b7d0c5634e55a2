"""Small topics read whole and then followed: the settings in force, and the directory.

A plain consumer without a group: every worker reads everything, nothing is committed, nothing is waited for but the
end that the topic had when reading began.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final

import structlog
from aiokafka import AIOKafkaConsumer, TopicPartition

from projections.directory import Directory
from schemas.codec import decode
from schemas.directory import DirectoryEntry
from schemas.errors import UnreadableRecord
from schemas.settings import Settings
from schemas.topics import DIRECTORY_CHANGES, SETTINGS_CHANGES

log: Final = structlog.get_logger(__name__)


class TopicFollower:
    """Reads one small topic from its beginning and goes on reading; `caught_up` is set once the first read is done."""

    def __init__(self, broker: str, topic: str, on_record: Callable[[bytes, bytes | None], None]) -> None:
        self._broker = broker
        self._topic = topic
        self._on_record = on_record
        self._task: asyncio.Task[None] | None = None
        self.caught_up = asyncio.Event()

    async def start(self) -> None:
        """Begin to read in the background."""
        self._task = asyncio.create_task(self._run(), name=f"follow {self._topic}")

    async def stop(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def __aenter__(self) -> TopicFollower:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def _run(self) -> None:
        """Read until cancelled; a broker that is away is waited for, and reading resumes where it was."""
        consumer: Any = AIOKafkaConsumer(
            self._topic, bootstrap_servers=self._broker, group_id=None, enable_auto_commit=False,
            auto_offset_reset="earliest",
        )  # fmt: skip
        await consumer.start()
        try:
            partitions = await self._partitions(consumer)
            ends = await consumer.end_offsets(partitions)
            behind = {part for part in partitions if ends[part] > 0}
            await consumer.seek_to_beginning(*partitions)
            while True:
                for part in list(behind):
                    if await consumer.position(part) >= ends[part]:
                        behind.discard(part)
                if not behind:
                    self.caught_up.set()
                batch = await consumer.getmany(timeout_ms=200)
                for records in batch.values():
                    for record in records:
                        self._take(record)
        finally:
            await consumer.stop()

    async def _partitions(self, consumer: Any) -> list[TopicPartition]:
        """Every partition of the topic, which a consumer without a group is given by itself."""
        while not consumer.assignment():
            log.warning("topic is missing", topic=self._topic, fix="run `concord topics create`")
            await asyncio.sleep(1.0)
        return sorted(consumer.assignment())

    def _take(self, record: Any) -> None:
        try:
            self._on_record(record.key or b"", record.value)
        except UnreadableRecord as error:
            log.error("unreadable record", topic=self._topic, offset=record.offset, error=error.what)


class SettingsFollower(TopicFollower):
    """The settings in force: the readable document with the highest number."""

    def __init__(self, broker: str) -> None:
        super().__init__(broker, SETTINGS_CHANGES, self._put)
        self.current = Settings()

    def _put(self, _: bytes, value: bytes | None) -> None:
        document = decode(Settings, value)
        if document.number > self.current.number:
            self.current = document


class DirectoryFollower(TopicFollower):
    """The directory, folded as it comes."""

    def __init__(self, broker: str) -> None:
        super().__init__(broker, DIRECTORY_CHANGES, self._put)
        self.directory = Directory()
        self._grew = asyncio.Event()

    def _put(self, key: bytes, value: bytes | None) -> None:
        if value is None:
            self.directory.remove(key.decode())
        else:
            self.directory.put(key.decode(), decode(DirectoryEntry, value))
        self._grew.set()

    async def complete(self) -> Directory:
        """The directory, once both sides have been read whole at least once: before that, nobody can be matched."""
        await self.caught_up.wait()
        is_told = False
        while len(self.directory.complete_sides) < 2:
            if not is_told:
                log.info("waiting for the directory of both sides", read=sorted(self.directory.complete_sides))
                is_told = True
            self._grew.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._grew.wait(), timeout=5.0)
        return self.directory
