"""One owned partition of a guarded agent: takes what arrives, heals holes, starts steps in order, keeps a position."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine, Iterator
from contextlib import aclosing
from functools import partial
from itertools import count
from typing import Any, Final

from aiokafka.errors import KafkaError

from concord.guard.ending import end_process
from concord.guard.lane import Hook, Lane, PartitionLost
from concord.guard.metrics import PartitionMetrics
from concord.guard.outbox import Headers, Outgoing, check_size
from concord.guard.performing import Performer
from concord.guard.ports import Shared
from concord.guard.positions import NOTHING, Hole, Lost, Next, Progress, Redo, Skip, Work
from concord.guard.quarantine import stack_places
from concord.guard.record import Record
from concord.guard.store import RESERVED, PartitionStore, Write, check_key

log = logging.getLogger(__name__)

# Wait before the broker is asked again during healing, in seconds.
BROKER_WAIT_S: Final = 0.5
# How often a range that the topic does not reach (yet) is looked for before it counts as lost.
SHORT_READS: Final = 10
# Longest wait for room in a partition before it counts as stuck and its arrivals are let go, in seconds.
ROOM_WAIT_S: Final = 1.0
# Records started in a row before other tasks get a turn.
BURST: Final = 32


def position_key(topic: str) -> bytes:
    """Under which key of the table the position of a topic's partition stands."""
    return RESERVED + b"position/" + topic.encode()


class OwnedPartition:
    """Runs from the moment a partition's table is recovered until the partition is taken away.

    One task takes records in order; with several lanes the performer adds one per key in hand. All on one loop.
    """

    def __init__(self, number: int, store: PartitionStore, shared: Shared) -> None:
        self.number = number
        self._store = store
        self._shared = shared
        self._metrics = PartitionMetrics(shared.topic, number)
        self._performer = Performer(self, shared, self._metrics)
        written = store.get(position_key(shared.topic))
        self.saved = NOTHING if written is None else int(written)
        """The position that the broker has."""
        self._written = self.saved
        self._progress = Progress(self.saved, shared.rules)
        self._delivered = self.saved
        self._expected_end = 0
        self._inbox: deque[Record] = deque()
        self._changed = asyncio.Event()
        self._unacknowledged = 0
        self._unacknowledged_writes = 0
        self._hooks_running = 0
        self._has_begun = False
        self.is_stopping = False
        self._is_closed = False
        self._is_shedding = False
        self._loop = asyncio.get_running_loop()
        self._last_arrival = self._loop.time()
        self._next_tick = self._loop.time() + shared.options.every_s
        self._tasks: set[asyncio.Task[None]] = set()

    # --- from the agent ---------------------------------------------------------------------------------------

    def begin(self) -> None:
        """Start taking records."""
        self.spawn(self._run())

    async def arrived(self, record: Record) -> None:
        """Take what Faust delivered. Waits for room, but not for a partition that is stuck: its record is let go and
        read back from the topic later, so that other partitions go on."""
        self._last_arrival = self._loop.time()
        if not self._has_room() and not self._is_shedding:
            self._is_shedding = not await self.until(self._has_room, ROOM_WAIT_S)
            if self._is_shedding:
                log.warning(
                    "%s/%d: stuck at position %d with %d records in hand; arrivals are let go and read back later",
                    self._shared.topic, self.number, self._progress.position, self._progress.unfinished,
                )  # fmt: skip
        self._delivered = max(self._delivered, record.offset)
        if self._has_room():
            self._is_shedding = False
            self._inbox.append(record)
            self._changed.set()
        else:
            self._metrics.shed.inc()

    def save_position(self) -> None:
        """Write the position to the table if it moved, and tell the metrics."""
        if self._is_closed:
            return
        position = self._progress.position
        if position > self._written:
            self._written = position
            write = self._store.write(position_key(self._shared.topic), b"%d" % position)
            self._post_write(write, partial(self._position_saved, position))
        self._store.save_changelog_offset()
        self._metrics.position.set(position)
        self._metrics.in_flight.set(self._progress.unfinished)

    def is_silent(self, for_s: float) -> bool:
        """Whether nothing arrived for so long and nothing waits to be started."""
        quiet = self._loop.time() - self._last_arrival >= for_s
        return quiet and self._has_begun and not self._inbox and self._delivered <= self._progress.handed_on

    def compare_with_end(self, end: int) -> bool:
        """Called while silent, with the topic's end offset. The second time in a row that records stand there which
        never arrived, they are read back. Returns whether that is so."""
        standing, self._expected_end = self._expected_end, end
        if not self._progress.handed_on + 1 < standing <= end:
            return False
        log.warning(
            "%s/%d: Faust does not deliver offsets %d to %d, reading them back",
            self._shared.topic, self.number, self._progress.handed_on + 1, standing - 1,
        )  # fmt: skip
        self._metrics.stalls.inc()
        self._delivered = standing - 1
        self._expected_end = 0
        self._changed.set()
        return True

    async def drain(self, limit_s: float) -> None:
        """Start nothing more; wait for running steps and acknowledgements, then write the position. At most about
        twice `limit_s` seconds; what is unfinished then is done again by the next owner."""
        self.is_stopping = True
        self._changed.set()
        await self.until(self._is_at_rest, limit_s)
        self.save_position()
        await self.until(lambda: self._unacknowledged == 0, limit_s)
        self.save_position()

    @property
    def has_unacknowledged_writes(self) -> bool:
        """Whether changes of the table are on their way that the broker has not acknowledged."""
        return self._unacknowledged_writes > 0

    def close(self) -> None:
        """The partition is not ours any more: no write after this."""
        self._is_closed = self.is_stopping = True
        self._changed.set()
        for task in self._tasks:
            task.cancel()
        self._metrics.forget()

    # --- from lanes -------------------------------------------------------------------------------------------

    def read(self, key: bytes) -> bytes | None:
        """A value of the table."""
        self._must_own()
        return self._store.get(key)

    def items(self, prefix: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Keys and values of the table."""
        self._must_own()
        return self._store.items(prefix)

    def put(self, work: Work, key: bytes, value: bytes | None) -> None:
        """Write to the table and its changelog."""
        self._must_own()
        check_key(key)
        check_size(self._shared.changelog, key, value)
        work.expect()
        self._post_write(self._store.write(key, value), work.acknowledged)

    def post(
        self,
        work: Work,
        topic: str,
        content: tuple[bytes | None, bytes | None, Headers],
        partition: int | None,
        timestamp_ms: int | None,
    ) -> None:
        """Send a record whose acknowledgement the work waits for."""
        self._must_own()
        key, value, headers = content
        check_size(topic, key, value, headers)
        work.expect()
        self._unacknowledged += 1
        answered = partial(self._answered, work.acknowledged)
        self._shared.outbox.post(Outgoing(topic, key, value, partition, headers, timestamp_ms, answered))

    async def idle(self, seconds: float) -> None:
        """Sleep without holding a place."""
        self._must_own()
        if self._shared.options.lanes == 1:
            await asyncio.sleep(seconds)
        else:
            self._shared.places.release()
            try:
                await asyncio.sleep(seconds)
            finally:
                await self._shared.places.acquire()
        self._must_own()

    # --- taking records in order ------------------------------------------------------------------------------

    async def _run(self) -> None:
        await self._call(self._shared.options.on_assigned)
        await self._begin()
        self._has_begun = True
        for number in count():
            if self.is_stopping:
                return
            if number % BURST == 0:
                await asyncio.sleep(0)
            await self._tick_if_due()
            if self._inbox:
                await self._take(self._inbox.popleft())
            elif self._delivered > self._progress.handed_on:
                await self._heal(self._delivered)
            else:
                await self._wait_for_arrival()

    async def _begin(self) -> None:
        """Process what lies between the position and the point from which Faust delivers."""
        earliest, end, committed = await self._standing()
        if self._progress.position >= end:
            log.error(
                "%s/%d: the topic ends at %d, before the position %d; it was made anew, beginning at its start",
                self._shared.topic, self.number, end - 1, self._progress.position,
            )  # fmt: skip
            self._progress = Progress(NOTHING, self._shared.rules)
            self._written = self.saved = self._delivered = NOTHING
        self._note_lost(self._progress.log_starts_at(earliest))
        if committed is not None and min(committed, end) > self._progress.handed_on + 1:
            self._note_hole(self._progress.handed_on + 1, min(committed, end) - 1)
            await self._heal(min(committed, end) - 1)

    async def _standing(self) -> tuple[int, int, int | None]:
        """Earliest and end offset of the topic and the group's committed offset, asked for until the broker says."""
        while True:
            try:
                earliest, end = await self._shared.reader.earliest_and_end(self._shared.topic, self.number)
                return earliest, end, await self._shared.committed(self.number)
            except KafkaError as problem:
                await self._broker_away(problem)

    async def _take(self, record: Record) -> None:
        arrival = self._progress.arrive(record.offset)
        if isinstance(arrival, Hole):
            self._note_hole(arrival.first, arrival.last)
            await self._heal(arrival.last)
            if self.is_stopping:
                return
            arrival = self._progress.arrive(record.offset)
        match arrival:
            case Next():
                await self._start(record)
            case Redo():
                self._metrics.redone.inc()
                await self._start(record)
            case Skip():
                self._metrics.skipped.inc()
            case Hole():
                raise AssertionError("a healed hole is still open")

    async def _heal(self, last: int) -> None:
        """Start everything from the last handed-on offset to `last`, read back from the topic."""
        short_reads = 0
        while self._progress.handed_on < last and not self.is_stopping:
            try:
                reached = await self._read_back(last)
            except KafkaError as problem:
                await self._broker_away(problem)
                continue
            if reached < last and not self.is_stopping:
                short_reads += 1
                if short_reads > SHORT_READS:
                    self._note_lost(self._progress.pass_over(last))
                else:
                    await asyncio.sleep(BROKER_WAIT_S)

    async def _read_back(self, last: int) -> int:
        """Start what the topic has up to `last`; returns the offset up to which that is."""
        topic, reader = self._shared.topic, self._shared.reader
        earliest, end = await reader.earliest_and_end(topic, self.number)
        self._note_lost(self._progress.log_starts_at(earliest))
        until = min(last, end - 1)
        first = self._progress.handed_on + 1
        if first > until:
            return until
        async with aclosing(reader.read(topic, self.number, first, until)) as records:
            async for record in records:
                self._note_lost(self._progress.pass_over(record.offset - 1))
                await self._start(record)
                if self.is_stopping:
                    return until
                self._metrics.healed.inc()
                await self._tick_if_due()
        self._note_lost(self._progress.pass_over(until))
        return until

    async def _start(self, record: Record) -> None:
        """Take a record in hand once the window has room, and run it or queue it to run."""
        if not self._may_start():
            await self.until(self._may_start, None)
        if not self.is_stopping:
            await self._performer.perform(record, self._progress.start(record.offset))

    # --- hooks, waiting, accounting ---------------------------------------------------------------------------

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run a task of this partition. A failure outside a step ends the process."""
        task = asyncio.create_task(work, name=f"guard {self._shared.topic}/{self.number}")
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def notice(self) -> None:
        """Something changed: whoever waits looks again."""
        self._changed.set()

    async def until(self, reached: Callable[[], bool], limit_s: float | None) -> bool:
        """Wait for a condition, looked at after each `notice`. Returns whether it was reached within the limit."""
        deadline = None if limit_s is None else self._loop.time() + limit_s
        while not reached():
            left = None if deadline is None else deadline - self._loop.time()
            if left is not None and left <= 0:
                return False
            self._changed.clear()
            await _within(self._changed.wait(), left)
        return True

    async def _wait_for_arrival(self) -> None:
        every_s = self._shared.options.every_s
        self._changed.clear()
        await _within(self._changed.wait(), None if every_s <= 0 else max(0.0, self._next_tick - self._loop.time()))

    async def _tick_if_due(self) -> None:
        options = self._shared.options
        if options.every_s > 0 and self._loop.time() >= self._next_tick:
            self._next_tick = self._loop.time() + options.every_s
            await self._call(options.on_tick)

    async def _call(self, hook: Hook | None) -> None:
        """Call a hook. What escapes it ends the process: there is no record to quarantine."""
        if hook is None:
            return
        work = Work(self._shared.rules, _nothing)
        self._hooks_running += 1
        try:
            pending = hook(self.number, Lane(self, work))
            if pending is not None:
                await pending
        finally:
            self._hooks_running -= 1
        work.stepped()

    def _is_at_rest(self) -> bool:
        return self._performer.stepping == 0 and self._hooks_running == 0 and self._unacknowledged == 0

    def _has_room(self) -> bool:
        return len(self._inbox) < self._shared.options.window or self._is_closed

    def _may_start(self) -> bool:
        return self._progress.unfinished < self._shared.options.window or self.is_stopping

    def _must_own(self) -> None:
        if self._is_closed:
            raise PartitionLost

    def _post_write(self, write: Write, on_acknowledged: Callable[[], None]) -> None:
        self._unacknowledged += 1
        self._unacknowledged_writes += 1
        answered = partial(self._write_answered, write, on_acknowledged)
        content = (write.key, write.value, self.number)
        self._shared.outbox.post(Outgoing(self._shared.changelog, *content, (), None, answered))

    def _write_answered(self, write: Write, on_acknowledged: Callable[[], None], offset: int) -> None:
        self._unacknowledged_writes -= 1
        if not self._is_closed:
            self._store.acknowledged(write, offset)
        self._answered(on_acknowledged, offset)

    def _answered(self, on_acknowledged: Callable[[], None], _offset: int) -> None:
        self._unacknowledged -= 1
        on_acknowledged()
        self._changed.set()

    def _position_saved(self, position: int) -> None:
        self.saved = max(self.saved, position)

    def _note_hole(self, first: int, last: int) -> None:
        self._metrics.holes.inc()
        log.warning("%s/%d: hole, offsets %d to %d are read back", self._shared.topic, self.number, first, last)

    def _note_lost(self, lost: Lost | None) -> None:
        if lost is not None:
            self._metrics.lost.inc(lost.count)
            log.error(
                "%s/%d: offsets %d to %d are not in the topic any more",
                self._shared.topic, self.number, lost.first, lost.last,
            )  # fmt: skip

    async def _broker_away(self, problem: KafkaError) -> None:
        log.warning("%s/%d: the broker does not answer (%s)", self._shared.topic, self.number, type(problem).__name__)
        await asyncio.sleep(BROKER_WAIT_S)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        problem = None if task.cancelled() else task.exception()
        if self._is_closed:
            return
        where = f"{self._shared.topic}/{self.number}"
        if task.cancelled():
            end_process(f"a task of {where} was cancelled from outside")
        if problem is not None:
            end_process(f"{type(problem).__name__} outside a step of {where}, at\n{stack_places(problem)}")


async def _within(waiting: Coroutine[Any, Any, bool], limit_s: float | None) -> None:
    try:
        await asyncio.wait_for(waiting, limit_s)
    except TimeoutError:
        return


def _nothing() -> None:
    return None
