"""A worker that the guard's tests run as a process and kill: it counts records per key and forwards each of them.

Started as `python toy_worker.py SETTINGS`, a JSON object (see `Settings`). Its step folds: a record at or
below the last one folded for its key changes nothing, but its state and its output are written again.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import sys
from collections.abc import Awaitable
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from concord.guard import AgentOptions, GuardedApp, Lane, Record, Step, build_app, guarded_agent, run_app
from concord.guard import agent as agent_module
from concord.guard import app as app_module
from schemas.errors import UnreadableRecord

TABLE = "toy"


@dataclass(frozen=True)
class Settings:
    """What a toy worker is told.

    `pause_s` makes the step asynchronous and that long; after `deaf_after` records Faust delivers nothing any more.
    """

    app: str
    broker: str
    datadir: str
    source: str
    target: str
    worker: str = ""
    partitions: int = 2
    lanes: int = 1
    pause_s: float = 0.0
    deaf_after: int = 0


@dataclass(frozen=True)
class Count:
    """The state of one key: last offset folded, how many, and a digest that depends on their order."""

    last: int = -1
    count: int = 0
    digest: str = ""

    def folded(self, offset: int, value: bytes) -> Count:
        """The state after one more record."""
        if offset <= self.last:
            return self
        digest = hashlib.sha256(self.digest.encode() + value).hexdigest()[:16]
        return Count(offset, self.count + 1, digest)


def dumped(count: Count) -> bytes:
    """A state as bytes."""
    return json.dumps([count.last, count.count, count.digest]).encode()


def loaded(raw: bytes | None) -> Count:
    """A state from bytes."""
    return Count() if raw is None else Count(*json.loads(raw))


def make_step(settings: Settings, app: GuardedApp) -> Step:
    """The step of the toy agent."""
    steps = count(1)

    def fold(record: Record, lane: Lane) -> None:
        if record.value is None or record.value.startswith(b"poison"):
            raise UnreadableRecord("The record is poison.")
        assert record.key is not None
        lane.set(record.key, dumped(loaded(lane.get(record.key)).folded(record.offset, record.value)))
        name = f"{record.partition}-{record.offset}".encode()
        lane.send(settings.target, record.key, record.value, headers=(("id", name),))

    async def fold_later(record: Record, lane: Lane) -> None:
        await asyncio.sleep(settings.pause_s)
        fold(record, lane)

    def step(record: Record, lane: Lane) -> Awaitable[None] | None:
        if next(steps) == settings.deaf_after:
            app.consumer.pause_partitions(app.consumer.assignment())
        return fold_later(record, lane) if settings.pause_s else fold(record, lane)

    return step


def main() -> int:
    """Run until told to stop."""
    settings = Settings(**json.loads(sys.argv[1]))
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s", stream=sys.stderr)
    app = build_app(
        settings.app,
        broker=settings.broker,
        datadir=Path(settings.datadir),
        partitions=settings.partitions,
        worker=settings.worker,
    )
    if settings.deaf_after:
        # Shorter looks at silence: the test would only wait.
        agent_module.SILENCE_S, app_module.LOOK_EVERY_S = 1.0, 0.5
    options = AgentOptions(lanes=settings.lanes)
    guarded_agent(app, settings.source, make_step(settings, app), table=TABLE, options=options)
    return run_app(app)


if __name__ == "__main__":
    raise SystemExit(main())
