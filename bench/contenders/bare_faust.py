"""A Faust agent with nothing in it: each record is written to a table and forwarded. No guard, no decision."""

from __future__ import annotations

import asyncio
import logging
import os
import signal

import faust

from bench.contenders.running import Stopwatch, arguments
from schemas.topics import SYNC_DECISIONS, SYNC_JOURNAL


def run(broker: str, folder: str, watch: Stopwatch) -> None:
    """Run until every send is acknowledged."""
    for noisy in ("faust", "mode", "aiokafka"):
        logging.getLogger(noisy).setLevel(logging.INFO)
    app = faust.App(
        "bench-faust", broker=f"kafka://{broker}", store="rocksdb://", datadir=folder, key_serializer="raw",
        value_serializer="raw", producer_linger=0.01, producer_max_batch_size=131072, producer_acks=-1,
        broker_commit_interval=0.5, consumer_auto_offset_reset="earliest", topic_disable_leader=True,
        stream_wait_empty=True, web_enabled=False, topic_partitions=4, topic_replication_factor=1,
    )  # fmt: skip
    table = app.Table(
        "bench-state", partitions=4, key_type=bytes, value_type=bytes,
        options={"driver": "rocksdict", "block_cache_size": 16 << 20, "write_buffer_size": 16 << 20,
                 "max_open_files": 256},
    )  # fmt: skip
    out = app.topic(SYNC_DECISIONS, key_type=bytes, value_type=bytes)

    @app.agent(app.topic(SYNC_JOURNAL, key_type=bytes, value_type=bytes))  # type: ignore[untyped-decorator]
    async def forward(stream: faust.Stream) -> None:
        sent = None
        async for event in stream.events():
            watch.begin()
            table[event.key] = event.value
            sent = await out.send(key=event.key, value=event.value)
            watch.sent += 1
            watch.done += 1
            if watch.is_over:
                await asyncio.wait_for(sent, 60)
                watch.tell()
                os.kill(os.getpid(), signal.SIGTERM)

    worker = faust.Worker(
        app, quiet=True, override_logging=False, redirect_stdouts=False, loop=asyncio.new_event_loop()
    )
    worker.spinner = None
    worker.execute_from_commandline()


if __name__ == "__main__":
    address, count, place = arguments()
    run(address, place, Stopwatch("bare Faust: table and forward, no decision", count))
