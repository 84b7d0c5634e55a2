"""Everything the guard writes to Kafka goes through here: one idempotent producer, in order, each record answered for.

Faust's own producer logs a failed record and goes on, and a retry of its batches can overtake younger ones. This one
keeps the order per partition, and a record that the broker refuses ends the process.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaTimeoutError, UnknownTopicOrPartitionError

from concord.framing import Frame, unchanged
from concord.guard.ending import end_process
from concord.guard.quarantine import stack_places
from schemas.errors import ConcordError
from schemas.topics import MAX_RECORD_BYTES

log = logging.getLogger(__name__)

Headers = Sequence[tuple[str, bytes]]

# Time to gather a batch, in ms: the added latency per hop against the number of requests.
LINGER_MS: Final = 5
MAX_BATCH_BYTES: Final = 256 * 1024
# Room in a request for a largest record together with its key, headers and framing.
MAX_REQUEST_BYTES: Final = MAX_RECORD_BYTES + 256 * 1024
# Largest key, value and headers together: what a topic takes, less the framing of a batch with one record.
MAX_CONTENT_BYTES: Final = MAX_RECORD_BYTES - 1024
# One request's wait for its answer, in ms. An idempotent producer repeats it until the broker answers.
REQUEST_TIMEOUT_MS: Final = 20_000
# Tries to find a topic before it counts as missing. Each takes REQUEST_TIMEOUT_MS, so a broker restart passes by.
TOPIC_TRIES: Final = 3


class RecordTooLarge(ConcordError):
    """A record is larger than any topic takes."""


class Outgoing(NamedTuple):
    """A record to send. `answered` gets its offset once the broker has it."""

    topic: str
    key: bytes | None
    value: bytes | None
    partition: int | None
    headers: Headers
    timestamp_ms: int | None
    answered: Callable[[int], None]


def check_size(topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
    """Raise RecordTooLarge for a record that the topic would refuse."""
    size = len(key or b"") + len(value or b"") + sum(len(name) + len(text) for name, text in headers)
    if size > MAX_CONTENT_BYTES:
        raise RecordTooLarge(f"A record of {size} bytes for {topic} is larger than {MAX_CONTENT_BYTES} bytes.")


class Outbox:
    """The producer of one worker. `post` returns at once; what is posted is sent in that order."""

    def __init__(self, client_settings: Mapping[str, Any], frame: Frame = unchanged) -> None:
        self._settings = dict(client_settings)
        self._frame = frame
        self._producer: Any = None
        self._waiting: deque[Outgoing] = deque()
        self._wake = asyncio.Event()
        self._is_empty = asyncio.Event()
        self._pump: asyncio.Task[None] | None = None
        self._on_the_wire = 0
        self._tracked: set[str] = set()

    @property
    def unanswered(self) -> int:
        """Records posted and not yet acknowledged."""
        return len(self._waiting) + self._on_the_wire

    async def start(self) -> None:
        """Connect. Raises aiokafka's KafkaConnectionError when no broker answers."""
        self._producer = AIOKafkaProducer(
            acks="all",
            enable_idempotence=True,
            linger_ms=LINGER_MS,
            max_batch_size=MAX_BATCH_BYTES,
            max_request_size=MAX_REQUEST_BYTES,
            request_timeout_ms=REQUEST_TIMEOUT_MS,
            **self._settings,
        )
        try:
            await self._producer.start()
        except BaseException:  # also when cancelled: no connection is left open
            await self._producer.stop()
            raise
        self._pump = asyncio.create_task(self._run(), name="guard-outbox")
        self._pump.add_done_callback(_must_not_end)

    async def stop(self, timeout_s: float = 2.0) -> None:
        """Send what is waiting, as long as `timeout_s` allows, and disconnect."""
        if self._pump is None:
            return
        if self.unanswered:
            self._is_empty.clear()
            await asyncio.wait({asyncio.ensure_future(self._is_empty.wait())}, timeout=timeout_s)
        pump, self._pump = self._pump, None
        pump.cancel()
        await asyncio.wait({pump})
        await asyncio.wait({asyncio.ensure_future(self._producer.stop())}, timeout=timeout_s)

    def post(self, outgoing: Outgoing) -> None:
        """Queue a record. The caller has checked its size."""
        self._waiting.append(outgoing)
        self._wake.set()

    def send(
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        *,
        partition: int | None = None,
        headers: Headers = (),
        timestamp_ms: int | None = None,
    ) -> asyncio.Future[int]:
        """Queue a record from outside a step. The future gives its offset. Raises RecordTooLarge."""
        check_size(topic, key, value, headers)
        answer: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def answered(offset: int) -> None:
            if not answer.done():
                answer.set_result(offset)

        self.post(Outgoing(topic, key, value, partition, headers, timestamp_ms, answered))
        return answer

    async def _run(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._waiting:
                await self._hand_over(self._waiting[0])
                self._waiting.popleft()

    async def _hand_over(self, outgoing: Outgoing) -> None:
        """Put a record into the producer's batch; waits while that is full, however long the broker is away."""
        self._track(outgoing.topic)
        value = self._frame(outgoing.topic, outgoing.value)
        tries = 0
        while True:
            try:
                sent = await self._producer.send(
                    outgoing.topic,
                    value,
                    key=outgoing.key,
                    partition=outgoing.partition,
                    timestamp_ms=outgoing.timestamp_ms,
                    headers=list(outgoing.headers),
                )
            except KafkaTimeoutError:
                log.warning("the broker takes no records for %s, still trying", outgoing.topic)
            except UnknownTopicOrPartitionError:
                tries += 1
                log.warning("topic %s is not known to the broker (try %d of %d)", outgoing.topic, tries, TOPIC_TRIES)
                if tries == TOPIC_TRIES:
                    end_process(f"topic {outgoing.topic} does not exist")
            else:
                break
        self._on_the_wire += 1
        sent.add_done_callback(lambda future: self._answered(future, outgoing))

    def _track(self, topic: str) -> None:
        """Have the client ask for a topic at each refresh of what it knows. It may know the topic already without ever
        having asked for it, from an answer that named all; the next refresh would forget it, and its records expire."""
        if topic not in self._tracked:
            self._tracked.add(topic)
            self._producer.client.add_topic(topic)

    def _answered(self, sent: asyncio.Future[Any], outgoing: Outgoing) -> None:
        self._on_the_wire -= 1
        if sent.cancelled():
            return
        problem = sent.exception()
        if problem is not None:
            if self._pump is None:
                return  # stopping: what was not acknowledged is done again by the next owner
            end_process(f"the broker refused a record for {outgoing.topic}: {type(problem).__name__}")
        outgoing.answered(sent.result().offset)
        if not self.unanswered:
            self._is_empty.set()


def _must_not_end(pump: asyncio.Task[None]) -> None:
    problem = None if pump.cancelled() else pump.exception()
    if problem is not None:
        end_process(f"{type(problem).__name__} while sending, at\n{stack_places(problem)}")
