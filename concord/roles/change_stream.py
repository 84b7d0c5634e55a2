"""The streams of Salesforce's change events, held by the worker that owns the partition of key "Event".

What they tell goes to `salesforce.wakeups` and is worked off there like any wake-up; the place to go on from is written
beside what it led to. So a stream may break at any moment, and whoever owns the partition then goes on from the row.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import structlog

from concord.guard import GuardedAgent, GuardedApp, Lane
from concord.roles.topic_stream import TopicStream
from concord.roles.wakeups import partition_of
from connectors.salesforce.pubsub import PubSubClient
from schemas.changes import Wakeup
from schemas.codec import encode
from schemas.topics import SALESFORCE_WAKEUPS

EVENTS: Final = "/data/EventChangeEvent"
RELATIONS: Final = "/data/EventRelationChangeEvent"
TOPICS: Final = (EVENTS, RELATIONS)
REPLAY_ROW: Final = b"replay/"

# How often it is looked whether the partition is still ours, in seconds.
LOOK_S: Final = 0.25

log: Final = structlog.get_logger(__name__)


def replay_row(topic: str) -> bytes:
    """Where the place to go on from is kept."""
    return REPLAY_ROW + topic.encode()


class ChangeStream:
    """Both streams, as long as the partition is ours. A companion of the app; `agent` is set once it is made."""

    agent: GuardedAgent

    def __init__(self, app: GuardedApp, client: PubSubClient, key: str) -> None:
        self._app = app
        self._client = client
        self._key = key
        self._partition = partition_of(key, app.partitions)
        self._streams: dict[str, TopicStream] = {}
        self._running: list[asyncio.Task[None]] = []
        self._keeper: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to look whether the partition is ours."""
        self._keeper = asyncio.create_task(self._keep(), name="change-stream")

    async def stop(self) -> None:
        """Close the streams and the connection."""
        if self._keeper is not None:
            self._keeper.cancel()
            await asyncio.wait({self._keeper})
        await self._end(self._running)
        await self._client.close()

    def begin(self, partition: int, lane: Lane) -> None:
        """The partition was assigned: go on from where its rows say."""
        if partition != self._partition:
            return
        self._streams = {
            topic: TopicStream(topic, lane.get(replay_row(topic)) or b"", self._client, self._post) for topic in TOPICS
        }

    def taken(self, wakeup: Wakeup) -> None:
        """What a wake-up said is on the log, and its place saved."""
        stream = self._streams.get(wakeup.topic)
        if stream is not None:
            stream.taken(wakeup)

    def told_until(self, sure: datetime) -> datetime | None:
        """Given the present by Salesforce's clock, up to when all was told that ever will be; None: not known."""
        stream = self._streams.get(EVENTS)
        return None if stream is None else stream.told_until(sure, time.monotonic())

    @property
    def is_away(self) -> bool:
        """Whether a stream stays closed for long, so that only polls notice what is saved."""
        return any(stream.is_away for stream in self._streams.values())

    async def _keep(self) -> None:
        """Run the streams of the last assignment, and end them when the partition went away."""
        held: dict[str, TopicStream] = {}
        while True:
            is_ours = any(owned.number == self._partition for owned in self.agent.owned)
            wanted = self._streams if is_ours else {}
            if held is not wanted and (held or wanted):
                await self._end(self._running)
                self._running = [asyncio.create_task(one.run(), name=one.topic) for one in wanted.values()]
                held = wanted
            elif not is_ours:
                self._streams = {}
            await asyncio.sleep(LOOK_S)

    @staticmethod
    async def _end(tasks: Iterable[asyncio.Task[None]]) -> None:
        running = set(tasks)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running)

    async def _post(self, wakeup: Wakeup) -> None:
        """Hand a wake-up on, and wait until the broker has it."""
        await self._app.outbox.send(SALESFORCE_WAKEUPS, self._key.encode(), encode(wakeup))
