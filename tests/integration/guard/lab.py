"""What the guard's integration tests share: a toy worker as a process, its topics, and the proof of no loss."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any

from integration.guard.toy_worker import TABLE, Count, Settings, dumped, loaded
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from rocksdict import Options, Rdict
from support.broker import admin_of, create_topic, unique_name

from concord.broker import DevelopmentBroker
from concord.guard.partition import position_key
from concord.guard.store import CHANGELOG_OFFSET_KEY, RESERVED

REPOSITORY = Path(__file__).parents[3]
WORKER = Path(__file__).with_name("toy_worker.py")


class Toy:
    """One toy worker: started, killed and started again on the same folder."""

    def __init__(self, settings: Settings, log: Path) -> None:
        self.settings = settings
        self._log = log
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process; returns at once."""
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, str(WORKER), json.dumps(asdict(self.settings))],
                env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
                stdout=log,
                stderr=log,
            )

    @property
    def process(self) -> subprocess.Popen[bytes]:
        """The running process."""
        assert self._process is not None
        return self._process

    def kill(self) -> None:
        """SIGKILL."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(20)

    def said(self, text: str) -> bool:
        """Whether a text stands in the log."""
        return text in self._log.read_text()

    def end(self) -> None:
        """Leave nothing behind."""
        if self._process is not None and self._process.poll() is None:
            self.kill()


@dataclass(frozen=True)
class Read:
    """A record as it stands in a topic."""

    partition: int
    offset: int
    key: bytes
    value: bytes | None
    headers: dict[str, bytes]


def read_topic(address: str, topic: str) -> list[Read]:
    """Everything that a topic holds now."""
    consumer = KafkaConsumer(bootstrap_servers=address.split(","), group_id=None, auto_offset_reset="earliest")
    try:
        partitions = [TopicPartition(topic, number) for number in consumer.partitions_for_topic(topic) or ()]
        if not partitions:
            return []
        ends = consumer.end_offsets(partitions)
        consumer.assign(partitions)
        consumer.seek_to_beginning(*partitions)
        found: list[Read] = []
        while any(consumer.position(where) < ends[where] for where in partitions):
            for batch in consumer.poll(timeout_ms=200).values():
                found += [Read(r.partition, r.offset, r.key, r.value, dict(r.headers)) for r in batch]
        return found
    finally:
        consumer.close()


@dataclass(frozen=True)
class Lab:
    """One test's topics, and its producer."""

    address: str
    folder: Path
    settings: Settings
    producer: Any

    @property
    def changelog(self) -> str:
        """The changelog of the toy's table."""
        return f"{self.settings.app}-{TABLE}-changelog"

    @contextmanager
    def toy(self, name: str = "w1", **changes: Any) -> Iterator[Toy]:
        """A worker with a folder of its own, not yet started, and surely ended. `changes` go into its settings."""
        settings = replace(self.settings, worker=name, datadir=str(self.folder / name))
        toy = Toy(replace(settings, **changes), self.folder / f"{name}.log")
        try:
            yield toy
        finally:
            toy.end()

    def put(self, first: int, number_of: int, keys: int = 40) -> None:
        """Write inputs `first`, `first + 1`, ... over the keys and partitions in turn."""
        for number in range(first, first + number_of):
            key = number % keys
            self.producer.send(
                self.settings.source,
                key=b"k%d" % key,
                value=b"v%d" % number,
                partition=key % self.settings.partitions,
            )
        self.producer.flush()

    @contextmanager
    def under_load(self, per_second: int = 2000) -> Iterator[None]:
        """Write inputs all the while."""
        ended = threading.Event()

        def feed() -> None:
            batch = per_second // 20
            for number in count():
                if ended.is_set():
                    return
                self.put(number * batch, batch)
                ended.wait(0.05)

        feeder = threading.Thread(target=feed)
        feeder.start()
        try:
            yield
        finally:
            ended.set()
            feeder.join()

    def put_raw(self, key: bytes | None, value: bytes | None, **more: Any) -> None:
        """Write one input to partition 0."""
        self.producer.send(self.settings.source, key=key, value=value, partition=0, **more)
        self.producer.flush()

    def committed(self) -> dict[int, int]:
        """The group's committed offsets of the source."""
        with admin_of(self.address) as admin:
            offsets = admin.list_group_offsets({self.settings.app: None})[self.settings.app]
        return {where.partition: found.offset for where, found in offsets.items()}

    def commit_at_end(self) -> None:
        """Let the group stand at the end of the source, whatever was processed. Kafka refuses while the member that has
        just ended still counts, and says so of each partition only."""
        ends = {where: end for where, end in self._ends().items() if end}

        def stands_there() -> bool:
            with admin_of(self.address) as admin:
                admin.alter_group_offsets(
                    self.settings.app, {where: OffsetAndMetadata(end, "", -1) for where, end in ends.items()}
                )
            return self.committed() == {where.partition: end for where, end in ends.items()}

        wait_for(stands_there)

    def _ends(self) -> dict[Any, int]:
        consumer = KafkaConsumer(bootstrap_servers=self.address.split(","), group_id=None)
        try:
            source = self.settings.source
            return dict(consumer.end_offsets([TopicPartition(source, n) for n in range(self.settings.partitions)]))
        finally:
            consumer.close()

    def inputs(self) -> list[Read]:
        """What was put in."""
        return read_topic(self.address, self.settings.source)

    def outputs(self) -> list[Read]:
        """What came out, repeats included."""
        return read_topic(self.address, self.settings.target)

    def table_by_changelog(self) -> dict[tuple[int, bytes], bytes]:
        """The table, folded from its changelog; the guard's own keys left out."""
        table: dict[tuple[int, bytes], bytes] = {}
        for change in read_topic(self.address, self.changelog):
            if change.value is None:
                table.pop((change.partition, change.key), None)
            elif not change.key.startswith(RESERVED):
                table[change.partition, change.key] = change.value
        return table

    def positions(self) -> dict[int, int]:
        """The positions in the changelog."""
        wanted = position_key(self.settings.source)
        changes = read_topic(self.address, self.changelog)
        return {change.partition: int(change.value or b"-1") for change in changes if change.key == wanted}

    def table_by_database(self, name: str = "w1") -> dict[tuple[int, bytes], bytes]:
        """The table as a stopped worker's databases hold it."""
        table: dict[tuple[int, bytes], bytes] = {}
        for path in (self.folder / name).glob(f"**/{TABLE}-*.db"):
            number = int(path.stem.rsplit("-", 1)[1])
            database = Rdict(str(path), options=Options(raw_mode=True))
            for key, value in database.items():
                if not key.startswith(RESERVED) and key != CHANGELOG_OFFSET_KEY:
                    table[number, key] = value
            database.close()
        return table

    def expected_table(self) -> dict[tuple[int, bytes], bytes]:
        """The fold of the inputs."""
        table: dict[tuple[int, bytes], bytes] = {}
        for record in self.inputs():
            if record.value is not None and not record.value.startswith(b"poison"):
                where = (record.partition, record.key)
                table[where] = dumped(loaded(table.get(where)).folded(record.offset, record.value))
        return table

    def is_done(self) -> bool:
        """Whether the positions stand at the ends of the source."""
        return self.positions() == {where.partition: end - 1 for where, end in self._ends().items() if end}

    def assert_nothing_lost(self) -> None:
        """Each input's output is there with its own id, in any number, and the table is the fold of the inputs."""
        wanted = {f"{r.partition}-{r.offset}".encode(): (r.key, r.value) for r in self.inputs() if is_sound(r)}
        came = {r.headers["id"]: (r.key, r.value) for r in self.outputs()}
        assert came == wanted
        assert self.table_by_changelog() == self.expected_table()


def is_sound(record: Read) -> bool:
    """Whether the toy's step takes a record."""
    return record.value is not None and not record.value.startswith(b"poison")


@contextmanager
def lab_on(address: str, folder: Path, **changes: Any) -> Iterator[Lab]:
    """Topics and a producer for one test. `changes` go into the toy's settings."""
    settings = Settings(
        app=unique_name("toy"),
        broker=address,
        datadir="",
        source=unique_name("toy-source"),
        target=unique_name("toy-target"),
    )
    settings = replace(settings, **changes)
    create_topic(address, settings.source, settings.partitions)
    create_topic(address, settings.target, settings.partitions)
    producer = KafkaProducer(bootstrap_servers=address.split(","), linger_ms=5)
    try:
        yield Lab(address, folder, settings, producer)
    finally:
        producer.close()


def wait_for(reached: Callable[[], bool], timeout_s: float = 90.0) -> None:
    """Wait for a condition; fails when it does not come."""
    deadline = time.monotonic() + timeout_s
    while True:
        began = time.monotonic()
        if reached():
            return
        now = time.monotonic()
        assert now < deadline, "the condition did not come in time"
        time.sleep(max(0.1, now - began))  # a look at a whole topic takes the time of what it waits for


@contextmanager
def stalling(broker: DevelopmentBroker, stall_s: float = 0.25, every_s: float = 0.4) -> Iterator[None]:
    """Freeze the broker for `stall_s` of every `every_s` seconds."""
    ended = threading.Event()

    def freeze() -> None:
        while not ended.wait(every_s - stall_s):
            broker.pause()
            time.sleep(stall_s)
            broker.resume()

    freezer = threading.Thread(target=freeze)
    freezer.start()
    try:
        yield
    finally:
        ended.set()
        freezer.join()


__all__ = ["Count", "Lab", "Read", "Toy", "lab_on", "read_topic", "stalling", "wait_for"]
