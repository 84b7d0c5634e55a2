"""Concord's live path: the guarded Faust agent with the step and the table of `concord reconcile`."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

from bench.contenders.running import Stopwatch, arguments
from concord.guard import Lane, Record, build_app, guarded_agent, run_app
from concord.roles.reconcile import reconcile_step
from schemas.topics import SYNC_JOURNAL

LOOK_EVERY_S = 0.05


def run(broker: str, folder: str, watch: Stopwatch) -> None:
    """Run the app until everything is acknowledged."""
    app = build_app("bench-live", broker=broker, datadir=Path(folder), partitions=4)
    ending: list[asyncio.Task[None]] = []

    async def end() -> None:
        while app.outbox.unanswered:  # noqa: ASYNC110  # it tells nobody
            await asyncio.sleep(LOOK_EVERY_S)
        watch.tell()
        os.kill(os.getpid(), signal.SIGTERM)

    def step(record: Record, lane: Lane) -> None:
        watch.begin()
        reconcile_step(record, lane)
        watch.done += 1
        if watch.is_over and not ending:
            ending.append(asyncio.get_running_loop().create_task(end()))

    posted = Lane.send

    def counted(lane: Lane, *what: object, **how: object) -> None:
        watch.sent += 1
        posted(lane, *what, **how)  # type: ignore[arg-type]

    Lane.send = counted  # type: ignore[method-assign]
    guarded_agent(app, SYNC_JOURNAL, step, table="bench-state")
    run_app(app)


if __name__ == "__main__":
    address, count, place = arguments()
    run(address, place, Stopwatch("Concord live: Faust under the guard", count))
