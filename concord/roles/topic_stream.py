"""One topic of change events: opened, kept open, and handed on as wake-ups, one handful at a time."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from concord.guard.quarantine import stack_places
from concord.roles.handfuls import DELETIONS_MAX, Handfuls
from connectors.salesforce.pubsub import OUTSTANDING_MAX, PubSubClient, Subscription
from connectors.salesforce.source import OBJECT
from schemas.changes import Wakeup
from schemas.errors import AuthRejected, Refused, ResyncNeeded, ServiceError, Throttled

# Reasons of wake-ups.
EVENTS: Final = "events"
SILENCE: Final = "silence"
LOST: Final = "lost"

# How often it is looked whether all is handed on when a stream has ended, in seconds.
REST_LOOK_S: Final = 0.05
# How long a handful may be under way before the next follows all the same, in seconds.
FORGOTTEN_S: Final = 60.0
# A stream that has been open and silent for so long has told all there is, in seconds.
SETTLED_S: Final = 10.0
QUIET_S: Final = 5.0
# How long the service keeps change events: of older saves none will come.
KEPT: Final = timedelta(hours=72)
# Waits before a stream is opened again, in seconds: doubling; fixed when a person must act.
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 60.0
REFUSED_WAIT_S: Final = 300.0
# A stream that the service ends sooner than this is waited for like a failed one, in seconds.
SHORT_S: Final = 1.0

log: Final = structlog.get_logger(__name__)


class TopicStream:
    """Runs until cancelled. `post` hands a wake-up on and returns when it is on the log."""

    def __init__(
        self, topic: str, replay_id: bytes, client: PubSubClient, post: Callable[[Wakeup], Awaitable[None]]
    ) -> None:
        self.topic = topic
        self._client = client
        self._post = post
        self._handfuls = Handfuls(replay_id)
        self._under_way: str | None = None
        self._is_posting = False
        self._news = asyncio.Event()
        self._was_taken = asyncio.Event()
        self._is_lost = False
        self._opened_at: float | None = None
        self._heard_at = 0.0
        self._told_at: datetime | None = None
        self._tries = 0
        self.is_away = False
        """Whether the stream stays closed for longer than a failure takes: refused, or its allocation is used up."""
        self.refusals = 0
        """How often the service said that a person must act."""

    async def run(self) -> None:
        """Keep the stream open."""
        while True:
            wait_s = 0.0
            began = time.monotonic()
            try:
                await self._listen()
                if time.monotonic() - began < SHORT_S:
                    wait_s = self._next_wait()
            except ResyncNeeded as error:
                log.warning("the place in the change events is lost", topic=self.topic, code=error.code)
                self._is_lost = True
                self._handfuls = Handfuls(b"")
                wait_s = self._next_wait() if self._tries else 0.0
            except ServiceError as error:
                wait_s = self._wait_after(error)
                log.warning("no change events", topic=self.topic, why=error.what, again_in_s=round(wait_s, 1))
            except Exception as error:  # noqa: BLE001  # without it the stream would stand still for ever, unseen
                wait_s = self._next_wait()
                log.error("no change events", topic=self.topic, why=type(error).__name__, at=stack_places(error))
            finally:
                self._opened_at = None
            self.is_away = wait_s > LONGEST_WAIT_S
            await asyncio.sleep(wait_s)

    def taken(self, wakeup: Wakeup) -> None:
        """What was handed on has been worked off."""
        told_at = [notice.committed_at for notice in wakeup.notices]
        if self._told_at is not None:
            told_at.append(self._told_at)
        self._told_at = max(told_at, default=None)
        if wakeup.reason == EVENTS and wakeup.replay_id == self._under_way:
            self._was_taken.set()

    def told_until(self, sure: datetime, now: float) -> datetime:
        """Given the present by Salesforce's clock, up to when everything was told that ever will be."""
        is_settled = self._opened_at is not None and now - self._opened_at >= SETTLED_S
        is_idle = not self._handfuls and self._under_way is None and now - self._heard_at >= QUIET_S
        is_refused = self.refusals > 0 and self._opened_at is None and not self._handfuls.replay_id
        if (is_settled and is_idle) or is_refused:
            return sure
        forgotten = sure - KEPT
        return forgotten if self._told_at is None else max(forgotten, self._told_at)

    async def _listen(self) -> None:
        """One stream, until the service ends it. Raises ServiceErrors."""
        self._handfuls = Handfuls(self._handfuls.replay_id)  # what waited comes again
        self._is_posting = False
        stream = await self._client.subscribe(self.topic, self._handfuls.replay_id)
        tasks: set[asyncio.Task[None]] = set()
        try:
            await stream.ask(OUTSTANDING_MAX)
            self._opened_at = time.monotonic()
            self.is_away = False
            if self._is_lost:
                await self._post(self._wakeup(LOST))
                self._is_lost = False
            receiving = asyncio.create_task(self._receive(stream))
            handing = asyncio.create_task(self._hand_on(stream))
            tasks = {receiving, handing}
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            if receiving in done:
                await self._hand_on_rest(handing, is_long=isinstance(receiving.exception(), Throttled))
            for task in done:
                task.result()
        finally:
            for task in tasks:
                task.cancel()
            if tasks:
                await asyncio.wait(tasks)
            stream.close()

    async def _receive(self, stream: Subscription) -> None:
        while (batch := await stream.next()) is not None:
            self._tries = 0
            self._heard_at = time.monotonic()
            for event in batch.events:
                self._handfuls.add(event.notice, event.replay_id, self._heard_at)
            early = sum(event.notice.is_deletion for event in batch.events)
            if early and self._handfuls.deletions < DELETIONS_MAX:
                await stream.ask(early)  # a burst is to be seen whole: more may come while they wait
            if not batch.events and self._handfuls.silence(batch.replay_id):
                await self._post(self._wakeup(SILENCE))
            self._news.set()

    async def _hand_on(self, stream: Subscription) -> None:
        while True:
            due_s = self._handfuls.due_in(time.monotonic())
            if due_s != 0.0:
                self._news.clear()
                await _within(self._news, due_s)
                continue
            handful = self._handfuls.take(time.monotonic())
            if handful is None:
                continue
            wakeup = Wakeup(OBJECT, EVENTS, datetime.now(UTC), self.topic, handful.replay_id.hex(), handful.notices)
            self._was_taken.clear()
            self._under_way = wakeup.replay_id
            self._is_posting = True
            await self._post(wakeup)
            self._is_posting = False
            asked = sum(not notice.is_deletion for notice in handful.notices)
            if asked:
                await stream.ask(asked)
            await _within(self._was_taken, FORGOTTEN_S)
            self._under_way = None

    async def _hand_on_rest(self, handing: asyncio.Task[None], *, is_long: bool) -> None:
        """Wait until what came before the end of a stream is handed on: delivered again, it would count again, and of
        an allocation that is nearly used up nothing would ever arrive. Deletions come again with the rest of their
        burst, unless that takes long."""
        end = time.monotonic() + FORGOTTEN_S
        while not handing.done() and time.monotonic() < end:
            waiting = len(self._handfuls) - (0 if is_long else self._handfuls.deletions)
            if not waiting and not self._is_posting:
                return
            await asyncio.sleep(REST_LOOK_S)

    def _wakeup(self, reason: str) -> Wakeup:
        return Wakeup(OBJECT, reason, datetime.now(UTC), self.topic, self._handfuls.replay_id.hex())

    def _wait_after(self, error: ServiceError) -> float:
        if isinstance(error, Throttled):
            return error.wait_s
        if isinstance(error, Refused):
            self.refusals += 1
            return REFUSED_WAIT_S
        if isinstance(error, AuthRejected) and not self._tries:
            self._tries = 1
            return 0.0  # a session that ended: the next try signs in anew
        return self._next_wait()

    def _next_wait(self) -> float:
        wait_s = min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(self._tries, 10))
        self._tries += 1
        return wait_s * random.uniform(0.75, 1.0)


async def _within(event: asyncio.Event, limit_s: float | None) -> None:
    """Wait for an event, at most so long. (`wait_for` may swallow being cancelled.)"""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(limit_s):
            await event.wait()
