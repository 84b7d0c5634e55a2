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
from aiokafka.errors import KafkaError

from concord.broker_access import current_access
from concord.guard.ending import end_process
from concord.guard.log_reader import LogReader
from projections.directory import Directory
from schemas.codec import decode
from schemas.directory import DirectoryEntry
from schemas.errors import UnreadableRecord
from schemas.settings import Settings
from schemas.topics import DIRECTORY_CHANGES, SETTINGS_CHANGES

log: Final = structlog.get_logger(__name__)

# Wait before a broker that did not answer is asked again, in seconds.
BROKER_WAIT_S: Final = 0.5

OnRecord = Callable[[bytes, bytes | None, int], None]


class TopicFollower:
    """Reads one small topic from its beginning and goes on reading; `caught_up` is set once the first read is done.

    `on_record` gets key, value (None for a tombstone) and offset. What it cannot read is logged and left out.
    """

    def __init__(self, broker: str, topic: str, on_record: OnRecord) -> None:
        self._broker = broker
        self._topic = topic
        self._on_record = on_record
        self._task: asyncio.Task[None] | None = None
        # Asks for the end of the topic: on the connection that follows it, an answer waits behind a fetch that waits.
        self._ends = LogReader({"bootstrap_servers": broker, **current_access().settings()})
        self._taken: dict[TopicPartition, int] = {}
        self._moved = asyncio.Event()
        self.caught_up = asyncio.Event()

    async def start(self) -> None:
        """Begin to read in the background."""
        self._task = asyncio.create_task(self._run(), name=f"follow {self._topic}")
        self._task.add_done_callback(_must_not_fail)

    async def stop(self) -> None:
        """Stop reading."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._ends.stop()

    async def __aenter__(self) -> TopicFollower:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def catch_up(self) -> None:
        """Wait until everything is taken that stands on the topic now. A broker that is away is waited for."""
        await self.caught_up.wait()
        ends = None
        while ends is None:
            try:
                ends = await self._ends.ends(self._topic, (part.partition for part in self._taken))
            except KafkaError as error:
                log.warning("the broker does not answer", topic=self._topic, error=type(error).__name__)
                await asyncio.sleep(BROKER_WAIT_S)
        while self._is_behind(ends):
            self._moved.clear()
            await self._moved.wait()

    def _is_behind(self, ends: dict[int, int]) -> bool:
        return any(taken < ends[part.partition] for part, taken in self._taken.items())

    async def _run(self) -> None:
        """Read until cancelled; a broker that is away is waited for, and reading resumes where it was."""
        consumer: Any = AIOKafkaConsumer(
            self._topic, bootstrap_servers=self._broker, group_id=None, enable_auto_commit=False,
            auto_offset_reset="earliest", **current_access().settings(),
        )  # fmt: skip
        try:
            await consumer.start()
            partitions = await self._partitions(consumer)
            ends = {part.partition: end for part, end in (await consumer.end_offsets(partitions)).items()}
            await consumer.seek_to_beginning(*partitions)
            while True:
                self._taken = {part: await consumer.position(part) for part in partitions}
                self._moved.set()
                if not self.caught_up.is_set() and not self._is_behind(ends):
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
            self._on_record(record.key or b"", record.value, record.offset)
        except UnreadableRecord as error:
            log.error("unreadable record", topic=self._topic, offset=record.offset, error=error.what)
        except UnicodeDecodeError:
            log.error("unreadable key", topic=self._topic, offset=record.offset)


def _must_not_fail(task: asyncio.Task[None]) -> None:
    """A follower that ended would leave its worker waiting, or deciding by what no longer holds."""
    problem = None if task.cancelled() else task.exception()
    if problem is not None:
        end_process(f"{type(problem).__name__} in {task.get_name()}")


class SettingsFollower(TopicFollower):
    """The settings in force: the readable document with the highest number. `offset` is where it stands."""

    def __init__(self, broker: str) -> None:
        super().__init__(broker, SETTINGS_CHANGES, self._put)
        self.current = Settings()
        self.offset = -1

    def _put(self, _: bytes, value: bytes | None, offset: int) -> None:
        document = decode(Settings, value)
        if document.number > self.current.number:
            self.current, self.offset = document, offset

    async def latest(self) -> Settings:
        """The settings in force now: nothing that stands on the topic at this moment is left out."""
        await self.catch_up()
        return self.current


class DirectoryFollower(TopicFollower):
    """The directory, folded as it comes."""

    def __init__(self, broker: str) -> None:
        super().__init__(broker, DIRECTORY_CHANGES, self._put)
        self.directory = Directory()
        self._grew = asyncio.Event()

    def _put(self, key: bytes, value: bytes | None, _: int) -> None:
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
