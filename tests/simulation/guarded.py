"""Guarded agents without Faust: steps under the guard's own rules, with a crash possible between any two effects.

For one record the outputs are confirmed first, then its table writes reach the changelog, then the local store, then
the position may pass it. Until then a write is visible through an overlay that a crash loses. Which arrivals run, when
a record is finished, what the position is and what an exception means is decided by `concord.guard.positions`.
"""

from __future__ import annotations

import logging
import random
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from concord.guard.positions import Escape, Hole, Next, Progress, Redo, Rules, Work
from schemas.errors import ConcordError, Throttled
from schemas.topics import SYNC_QUARANTINE
from simulation.log import Consumer, Headers, Log, Outgoing, Producer, Stored

log: Final = logging.getLogger(__name__)

ORIGIN: Final = "origin"
MESSAGE: Final = "__connect.errors.exception.message"
POSITION_ROW: Final = b"\x00position"
WINDOW: Final = 8

# Where a record stands, and so where a crash can strike.
STEPPING: Final = "within the step"
BEFORE_SEND: Final = "before send"
SENT: Final = "after send, before confirmation"
CONFIRMED: Final = "after confirmation, before state"
CHANGELOG: Final = "after changelog, before local store"
STORED: Final = "after state, before position"
POINTS: Final = (STEPPING, BEFORE_SEND, SENT, CONFIRMED, CHANGELOG, STORED)


class Wait:
    """What a step waits for. The scheduler resumes it with `result`, or with `error` thrown."""

    result: Any = None
    error: BaseException | None = None

    def __await__(self) -> Generator[Wait, None, Any]:
        yield self
        if self.error is not None:
            raise self.error
        return self.result

    def is_ready(self, now: datetime) -> bool:
        """Whether the step can go on: at any moment that the scheduler picks, unless a kind of wait says otherwise."""
        del now
        return True

    def settle(self) -> None:
        """Do what is waited for, before the step goes on."""


@dataclass
class Sleep(Wait):
    """Until a time of the virtual clock."""

    until: datetime

    def is_ready(self, now: datetime) -> bool:
        """Whether that time has come."""
        return now >= self.until


@dataclass
class Acknowledged(Wait):
    """Until everything that a job sent and wrote so far is confirmed, and what it wrote is stored."""

    job: Job

    def is_ready(self, now: datetime) -> bool:
        """Whether nothing is under way."""
        return not self.job.unconfirmed and not self.job.writes


class Table:
    """One partition of a table: the changelog (which survives everything) and the local store, a prefix of it."""

    def __init__(self) -> None:
        self.changelog: list[tuple[bytes, bytes | None]] = []
        self.local: dict[bytes, bytes] = {}
        self._taken_in = 0

    def take_in(self) -> None:
        """The local store takes in the next record of the changelog."""
        key, value = self.changelog[self._taken_in]
        self._taken_in += 1
        if value is None:
            self.local.pop(key, None)
        else:
            self.local[key] = value

    @property
    def is_behind(self) -> bool:
        """Whether the changelog holds what the local store does not."""
        return self._taken_in < len(self.changelog)

    def recover(self) -> None:
        """What a worker does before its first record."""
        while self.is_behind:
            self.take_in()

    def wipe(self) -> None:
        """The disk is gone."""
        self.local.clear()
        self._taken_in = 0


@dataclass(eq=False)
class Job:
    """One record in hand."""

    record: Stored
    work: Work
    task: Coroutine[Any, Any, None] | None = None
    waiting: Wait | None = None
    has_stepped: bool = False
    tries: int = 0
    unconfirmed: int = 0
    writes: deque[tuple[bytes, bytes | None]] = field(default_factory=deque)
    is_logged: bool = False
    """Whether the first of `writes` stands in the changelog and is to be taken in by the local store."""


class SimulatedLane:
    """What a step gets to work with, as `concord.guard.Lane`."""

    def __init__(self, owner: OwnedPartition, job: Job) -> None:
        self._owner = owner
        self._job = job
        self.partition = owner.number

    def get(self, key: bytes) -> bytes | None:
        """The newest value."""
        return self._owner.read(key)

    def set(self, key: bytes, value: bytes) -> None:
        """Write to the table."""
        self._owner.write(self._job, key, value)

    def delete(self, key: bytes) -> None:
        """Remove from the table."""
        self._owner.write(self._job, key, None)

    def items(self, prefix: bytes = b"") -> Iterator[tuple[bytes, bytes]]:
        """Newest values by key."""
        return iter(self._owner.items(prefix))

    def send(
        self, topic: str, key: bytes | None, value: bytes | None, *, partition: int | None = None,
        headers: Any = (), timestamp_ms: int | None = None,
    ) -> None:  # fmt: skip
        """Send a record."""
        del timestamp_ms
        self._owner.send(self._job, topic, key, value, partition, tuple(headers))

    async def sleep(self, seconds: float) -> None:
        """Wait on the virtual clock."""
        await Sleep(self._owner.now() + timedelta(seconds=seconds))

    async def acknowledged(self) -> None:
        """Wait until what was sent and written so far is confirmed and stored."""
        await Acknowledged(self._job)


Step = Callable[[Any, Any], Awaitable[None] | None]


@dataclass(frozen=True)
class Agent:
    """One topic, one table, one step. With several lanes records of different keys run side by side."""

    name: str
    topic: str
    step: Step
    lanes: int = 1
    redo: bool = True


@dataclass(frozen=True)
class Surroundings:
    """What the agents of one simulation share. `on_point` is told where a record stands and may raise `Crash`."""

    log: Log
    rng: random.Random
    now: Callable[[], datetime]
    rules: Callable[[bool], Rules]
    on_point: Callable[[str, str], None]
    on_take: Callable[[str, Stored], None]
    note: Callable[[str], None]


class Crash(Exception):
    """The process ends here and now."""


class OwnedPartition:
    """One partition of one agent between two crashes. `table` and `consumer` outlive it."""

    def __init__(
        self, agent: Agent, number: int, table: Table, consumer: Consumer, producer: Producer, around: Surroundings
    ) -> None:
        self.agent = agent
        self.number = number
        self.now = around.now
        self._table = table
        self._consumer = consumer
        self._producer = producer
        self._around = around
        self._overlay: dict[bytes, bytes | None] = {}
        self._on_its_way: dict[bytes, int] = {}
        table.recover()
        written = table.local.get(POSITION_ROW)
        self._saved = -1 if written is None else int(written)
        self._progress = Progress(self._saved, around.rules(agent.redo))
        self._jobs: list[Job] = []
        self._inbox: deque[Stored] = deque()
        self.records = around.log.read(agent.topic, number)
        self.quiet_at = -1
        """How long the topic was when nothing was left to do here; -1 for not known. It need not be asked again before
        the topic grows or somebody disturbs it."""
        if consumer.committed - 1 > self._progress.handed_on:
            self._heal(consumer.committed - 1)

    # --- what the step does ---------------------------------------------------------------------------------

    def read(self, key: bytes) -> bytes | None:
        """The newest value, stored or not."""
        return self._overlay[key] if key in self._overlay else self._table.local.get(key)

    def items(self, prefix: bytes) -> list[tuple[bytes, bytes]]:
        """Newest values by key."""
        merged = {**self._table.local, **self._overlay}
        found = ((key, value) for key, value in merged.items() if value is not None and key.startswith(prefix))
        return sorted((key, value) for key, value in found if not key.startswith(b"\x00"))

    def write(self, job: Job, key: bytes, value: bytes | None) -> None:
        """Visible at once, stored after the job's outputs are confirmed."""
        self._overlay[key] = value
        self._on_its_way[key] = self._on_its_way.get(key, 0) + 1
        job.work.expect()
        job.writes.append((key, value))

    def send(
        self, job: Job, topic: str, key: bytes | None, value: bytes | None, partition: int | None, headers: Headers
    ) -> None:
        """Hand a record to the producer."""
        number = self._around.log.partition_of(topic, key) if partition is None else partition
        outgoing = Outgoing(topic, number, key, value, headers, self.agent.name, lambda: self._confirmed(job))
        job.work.expect()
        job.unconfirmed += 1
        self._producer.send(outgoing)

    def _confirmed(self, job: Job) -> None:
        job.unconfirmed -= 1
        job.work.acknowledged()
        if not job.unconfirmed and job.has_stepped:
            self._point(CONFIRMED if job.writes else STORED)
            self._finish(job)

    # --- what the scheduler does ----------------------------------------------------------------------------

    @property
    def is_idle(self) -> bool:
        """Whether nothing is in hand and nothing more can arrive now."""
        if self._jobs or self._inbox or self._consumer.has_more:
            return False
        return self._progress.position == self._saved

    @property
    def position(self) -> int:
        """The last offset up to which everything is finished and written down."""
        return self._saved

    def advance(self) -> bool:
        """One thing happens here, picked at random. Returns whether anything could."""
        jobs = self._jobs
        can_take = len(jobs) < WINDOW and bool(self._inbox or self._consumer.has_more)
        if not jobs:
            if can_take:
                self._take()
            elif self._progress.position > self._saved:
                self._save_position()
            else:
                self.quiet_at = len(self.records)
                return False
            return True
        runnable = self._runnable()
        storable = self._storable()
        can_save = self._progress.position > self._saved
        count = can_take + len(runnable) + (storable is not None) + can_save
        if not count:
            return False
        choice = self._around.rng.randrange(count)
        if can_take and choice == 0:
            self._take()
            return True
        choice -= can_take
        if choice < len(runnable):
            self._run(runnable[choice])
        elif storable is not None and choice == len(runnable):
            self._store(storable)
        else:
            self._save_position()
        return True

    def repeat(self) -> bool:
        """An arrival comes again."""
        self.quiet_at = -1
        record = self._consumer.repeat(self._around.rng)
        if record is not None:
            self._inbox.append(record)
        return record is not None

    def _take(self) -> None:
        record = self._inbox.popleft() if self._inbox else self._consumer.poll(self._around.rng)
        self._around.on_take(self.agent.name, record)
        arrival = self._progress.arrive(record.offset)
        if isinstance(arrival, Hole):
            self._around.note(f"{self.agent.name}/{self.number} heals {arrival.first}..{arrival.last}")
            self._heal(arrival.last)
            arrival = self._progress.arrive(record.offset)
        if isinstance(arrival, Next | Redo):
            self._start(record)

    def _heal(self, last: int) -> None:
        """Start the missing range, read from the topic."""
        records = self._around.log.read(self.agent.topic, self.number)
        while self._progress.handed_on < last:
            self._start(records[self._progress.handed_on + 1])

    def _start(self, record: Stored) -> None:
        self._jobs.append(Job(record, self._progress.start(record.offset)))

    def _runnable(self) -> list[Job]:
        """Jobs whose step can begin or go on: one at a time, or with lanes one per key."""
        if self.agent.lanes == 1:
            first = next((job for job in self._jobs if not job.has_stepped), None)
            return [first] if first is not None and self._is_ready(first) else []
        found: list[Job] = []
        keys: set[bytes | None] = set()
        running = 0
        for job in self._jobs:
            if job.has_stepped:
                continue
            running += 1
            if running > self.agent.lanes:
                break
            if job.record.key in keys:
                continue
            keys.add(job.record.key)
            if self._is_ready(job):
                found.append(job)
        return found

    def _is_ready(self, job: Job) -> bool:
        return job.waiting is None or job.waiting.is_ready(self.now())

    def _run(self, job: Job) -> None:
        """Begin or resume a step; what escapes it is judged by the rules."""
        try:
            self._resume(job)
        except Crash:
            raise
        except Exception as error:  # noqa: BLE001  # as in the guard: whatever escapes is judged
            self._escaped(job, error)

    def _resume(self, job: Job) -> None:
        waiting, job.waiting = job.waiting, None
        if job.task is None:
            started = self.agent.step(job.record, SimulatedLane(self, job))
            if started is None:
                self._stepped(job)
                return
            job.task = started  # type: ignore[assignment]
        elif waiting is not None:
            waiting.settle()
            self._point(STEPPING)
        try:
            job.waiting = job.task.send(None)  # type: ignore[union-attr]
        except StopIteration:
            self._stepped(job)
            return
        if job.unconfirmed and isinstance(job.waiting, Acknowledged):
            self._point(BEFORE_SEND)

    def _escaped(self, job: Job, error: Exception) -> None:
        rules = self._around.rules(self.agent.redo)
        decision = rules.escape(error)
        place = f"{self.agent.name}/{self.number}@{job.record.offset}"
        text = f"{place}: {type(error).__name__}: {error} -> {decision.name}"
        self._around.note(text)
        log.info(text)  # as the guard tells what it judges
        job.task = None
        if decision is Escape.RETRY:
            wait_s = error.wait_s if isinstance(error, Throttled) else min(60.0, 0.3 * 2**job.tries)
            job.tries += 1
            job.waiting = Sleep(self.now() + timedelta(seconds=wait_s))
            return
        if decision is Escape.QUARANTINE:
            what = error.what if isinstance(error, ConcordError) else type(error).__name__
            origin = f"{job.record.topic}/{job.record.partition}/{job.record.offset}"
            headers = ((MESSAGE, what.encode()), (ORIGIN, origin.encode()))
            self.send(job, SYNC_QUARANTINE, job.record.key, job.record.value, None, headers)
        self._stepped(job)

    def _stepped(self, job: Job) -> None:
        job.has_stepped = True
        job.work.stepped()
        self._point(BEFORE_SEND if job.unconfirmed else CONFIRMED if job.writes else STORED)
        self._finish(job)

    def _storable(self) -> Job | None:
        """The first job whose outputs are confirmed and that has something to store, in order (per key with lanes)."""
        if self.agent.lanes == 1:
            return self._jobs[0] if self._is_storable(self._jobs[0]) else None
        keys: set[bytes | None] = set()
        for job in self._jobs:
            if job.record.key in keys:
                continue
            if self._is_storable(job):
                return job
            keys.add(job.record.key)
        return None

    @staticmethod
    def _is_storable(job: Job) -> bool:
        return bool(job.writes) and not job.unconfirmed and (job.has_stepped or isinstance(job.waiting, Acknowledged))

    def _store(self, job: Job) -> None:
        """The next write of a job goes to the changelog, or from there into the local store."""
        key, value = job.writes[0]
        if not job.is_logged:
            self._table.changelog.append((key, value))
            job.is_logged = True
            self._point(CHANGELOG)
            return
        self._table.recover()
        job.writes.popleft()
        job.is_logged = False
        self._on_its_way[key] -= 1
        if not self._on_its_way[key]:
            del self._on_its_way[key]
            del self._overlay[key]
        job.work.acknowledged()
        if not job.writes and job.has_stepped:
            self._point(STORED)
        self._finish(job)

    def _finish(self, job: Job) -> None:
        if job.has_stepped and not job.unconfirmed and not job.writes:
            self._jobs.remove(job)

    def _save_position(self) -> None:
        position = self._progress.position
        self._table.changelog.append((POSITION_ROW, b"%d" % position))
        self._table.recover()
        self._saved = position

    def _point(self, point: str) -> None:
        self._around.on_point(self.agent.name, point)

    def tick(self, hook: Callable[[Any], int]) -> int:
        """Run a periodic hook between records; what it sends belongs to no record."""
        job = Job(Stored("", 0, -1, 0, None, None, (), 0), Work(Rules(), lambda: None))
        return hook(SimulatedLane(self, job))
