"""A Faust agent under guard: one topic, one step, one table, and the partitions of them that this worker owns."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

from aiokafka import TopicPartition
from aiokafka.errors import KafkaError

from concord.guard.ending import end_process
from concord.guard.lane import AgentOptions, Step
from concord.guard.partition import OwnedPartition
from concord.guard.ports import Shared
from concord.guard.positions import Rules
from concord.guard.quarantine import Reporter, stack_places
from concord.guard.record import from_faust
from concord.guard.store import PartitionStore
from schemas.topics import BY_NAME, MAX_RECORD_BYTES

if TYPE_CHECKING:
    from concord.guard.app import GuardedApp

log = logging.getLogger(__name__)

# RocksDB per table partition: Faust's defaults take 2 GiB of cache and most of the process's file handles for each.
BLOCK_CACHE_BYTES: Final = 16 << 20
WRITE_BUFFER_BYTES: Final = 16 << 20
OPEN_FILES: Final = 256
# How long nothing must arrive on a partition before its end is looked at, in seconds: twice Faust's longest poll.
SILENCE_S: Final = 4.0


class GuardedAgent:
    """Feeds what Faust delivers to the owned partitions. Made by `guarded_agent`."""

    def __init__(self, app: GuardedApp, topic: str, step: Step, table: str, options: AgentOptions) -> None:
        self.app = app
        self.topic = topic
        self.step = step
        self.options = options
        self.rules = Rules(redo=options.redo_finished)
        self._owned: dict[int, OwnedPartition] = {}
        spec = BY_NAME.get(topic)
        self.partitions = spec.partitions if spec is not None and spec.partitions else app.partitions
        self.table = app.Table(
            table,
            partitions=self.partitions,
            key_type=bytes,
            value_type=bytes,
            # A dict of its own: Faust's store empties it.
            options={
                "driver": "rocksdict",
                "block_cache_size": BLOCK_CACHE_BYTES,
                "write_buffer_size": WRITE_BUFFER_BYTES,
                "max_open_files": OPEN_FILES,
            },
            extra_topic_configs={"max.message.bytes": str(MAX_RECORD_BYTES)},
        )
        # No acks: the guard commits its own positions, so Faust has nothing to commit and nothing to wait for.
        source = app.topic(topic, key_type=bytes, value_type=bytes, acks=False, allow_empty=True)
        app.agent(source, name=f"guard-{topic}", concurrency=1)(self._consume)

    @property
    def owned(self) -> Iterable[OwnedPartition]:
        """The partitions that this worker owns now."""
        return tuple(self._owned.values())

    def take_over(self, numbers: Iterable[int]) -> None:
        """The partitions are ours and their tables recovered: begin."""
        self._check_partitions()
        shared = Shared(
            topic=self.topic,
            changelog=self.table.changelog_topic_name,
            step=self.step,
            options=self.options,
            reporter=Reporter(
                connector=self.options.stage_name or self.app.conf.id,
                task=self.app.worker,
                ran=_name_of(self.step),
                error_stage=self.options.error_stage,
            ),
            outbox=self.app.outbox,
            reader=self.app.reader,
            committed=self._committed,
            places=asyncio.Semaphore(self.options.lanes),
            rules=self.rules,
        )
        for number in sorted(numbers):
            partition = OwnedPartition(number, PartitionStore(_opener(self.table, number)), shared)
            self._owned[number] = partition
            log.info("%s/%d: taken over at position %d", self.topic, number, partition.saved)
            partition.begin()

    async def drain(self, limit_s: float) -> None:
        """Finish what is in hand as far as the time allows, and write the positions."""
        await asyncio.gather(*(partition.drain(limit_s) for partition in self.owned))

    def let_go(self) -> None:
        """The partitions are not ours any more."""
        for number, partition in self._owned.items():
            log.info("%s/%d: let go at position %d", self.topic, number, partition.saved)
            partition.close()
        self._owned.clear()

    def save_positions(self) -> None:
        """Write each position that moved."""
        for partition in self.owned:
            partition.save_position()

    def committable(self) -> dict[tuple[str, int], int]:
        """What the group should have committed: the offset after each position, where there is one."""
        return {(self.topic, owned.number): owned.saved + 1 for owned in self.owned if owned.saved >= 0}

    async def look_for_stalls(self) -> None:
        """Compare the partitions on which nothing arrives with the ends of their topics."""
        silent = [owned for owned in self.owned if owned.is_silent(SILENCE_S)]
        if not silent:
            return
        try:
            ends = await self.app.reader.ends(self.topic, [owned.number for owned in silent])
        except KafkaError:
            return  # looked at again in a moment
        for owned in silent:
            if self._owned.get(owned.number) is owned and owned.is_silent(SILENCE_S):
                await self._compare(owned, ends[owned.number])

    async def _compare(self, owned: OwnedPartition, end: int) -> None:
        """Heal a stalled partition, but only while the group still counts us in: a commit proves it."""
        if end <= owned.saved + 1:
            return
        if await self.app.is_member({(self.topic, owned.number): owned.saved + 1}):
            owned.compare_with_end(end)

    async def _consume(self, stream: Any) -> None:
        try:
            async for _ in stream:
                message = stream.current_event.message
                owned = self._owned.get(message.partition)
                if owned is not None:
                    await owned.arrived(from_faust(message))
        except Exception as error:  # noqa: BLE001  # an exception that returns to Faust acknowledges records
            end_process(f"{type(error).__name__} while taking records of {self.topic}, at\n{stack_places(error)}")
        if not self.app.should_stop:
            end_process(f"Faust ended the stream of {self.topic}")

    async def _committed(self, number: int) -> int | None:
        thread = self.app.consumer._thread
        committed = thread._ensure_consumer().committed
        offset: int | None = await thread.call_thread(committed, TopicPartition(self.topic, number))
        return offset

    def _check_partitions(self) -> None:
        """A table must be partitioned like its topic, or keys would be looked for in the wrong place."""
        consumer = self.app.consumer
        of_topic = consumer.topic_partitions(self.topic)
        of_changelog = consumer.topic_partitions(self.table.changelog_topic_name)
        if of_topic and of_changelog and of_topic != of_changelog:  # 0 or None: not known yet
            end_process(
                f"{self.topic} has {of_topic} partitions, the changelog of its table has {of_changelog}: "
                "rebuild under a new application version"
            )


def guarded_agent(
    app: GuardedApp, topic: str, step: Step, *, table: str, options: AgentOptions | None = None
) -> GuardedAgent:
    """Run `step` on every record of `topic`, losing and repeating nothing in effect although Faust does.

    `table` names the agent's own table, partitioned like the topic. Call it before the app runs, once per topic.
    """
    agent = GuardedAgent(app, topic, step, table, options or AgentOptions())
    app.guards.append(agent)
    return agent


def _opener(table: Any, number: int) -> Any:
    return lambda: table.data._db_for_partition(number)


def _name_of(step: Step) -> str:
    named = step if hasattr(step, "__qualname__") else type(step)
    return f"{named.__module__}.{named.__qualname__}"
