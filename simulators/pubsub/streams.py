"""One open stream: what was asked for, what is sent, when it is kept alive and when it ends. No sockets.

The edge feeds requests in, calls `step` whenever something may have changed and sends what comes out. `step` and
`request` raise PubSubError when the stream ends by an error; `is_over` says that it ended well.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from simulators.pubsub.errors import PubSubError, corrupted
from simulators.pubsub.event_log import StoredEvent, replay_id

if TYPE_CHECKING:
    from simulators.pubsub.bus import EventBus
    from simulators.pubsub.channels import Channel

LATEST: Final = "LATEST"
EARLIEST: Final = "EARLIEST"
CUSTOM: Final = "CUSTOM"


@dataclass(frozen=True)
class Caller:
    """Who calls, known by an access token."""

    user_id: str


@dataclass(frozen=True)
class Fetch:
    """A FetchRequest. `preset` is LATEST, EARLIEST, CUSTOM, or "" for a number that the service does not know."""

    topic: str = ""
    preset: str = LATEST
    replay_id: bytes = b""
    count: int = 0
    auth_refresh: str = ""


@dataclass(frozen=True)
class CommitReply:
    """The answer to a commit. `error` is "" when it was taken; `process_time_ms` is epoch milliseconds."""

    request_id: str
    replay_id: bytes
    error: str
    process_time_ms: int


@dataclass(frozen=True)
class Batch:
    """One answer: events with their replay ids, none of them in a keepalive. `pending` is what may still follow."""

    events: tuple[tuple[StoredEvent, bytes], ...]
    latest_replay_id: bytes
    pending: int
    commit: CommitReply | None = None


class OpenStream:
    """What subscribing, managed and publishing streams have in common: a failure from outside, and idle time."""

    def __init__(self, bus: EventBus, caller: Caller) -> None:
        self.bus = bus
        self.caller = caller
        self.is_over = False
        self._failure: PubSubError | None = None
        self._idle_since = bus.now()

    def fail(self, failure: PubSubError) -> None:
        """End the stream at the next step."""
        self._failure = failure

    def close_requests(self) -> None:
        """The client will ask for nothing more."""
        self.is_over = True

    def step(self) -> list[Batch]:
        """What is to be sent now. Raises PubSubError when the stream ends."""
        if self._failure is not None:
            raise self._failure
        return []

    def is_due(self, now: datetime) -> bool:
        """Whether a step would do something although no event came."""
        return self._failure is not None


class Subscription(OpenStream):
    """A Subscribe call."""

    def __init__(self, bus: EventBus, caller: Caller) -> None:
        super().__init__(bus, caller)
        self._channel: Channel | None = None
        self._cursor = 0
        self._pending = 0
        self._is_half_closed = False
        self._ready: deque[tuple[StoredEvent, int]] = deque()
        self._sees_all = False
        self._rights_from = self._idle_since
        self._keepalive_at = self._idle_since
        self._delivered = 0

    @property
    def topic(self) -> str:
        """The topic, "" before the first request."""
        return self._channel.topic if self._channel is not None else ""

    def request(self, fetch: Fetch) -> None:
        """Take a FetchRequest: the first one says where to start, each adds to what is asked for."""
        if fetch.auth_refresh:
            self.bus.refresh(fetch.auth_refresh)
        if self._channel is None:
            if not fetch.topic:
                raise PubSubError("topic.validation.empty", "The topic name is blank")
            self._start(fetch.topic, lambda: self._place_of(fetch))
        elif fetch.topic and fetch.topic != self._channel.topic:
            text = f"The topic {fetch.topic} is not the one of the first request, {self._channel.topic}"
            raise PubSubError("subscription.fetch.topic.mismatch", text)
        if fetch.count <= 0:
            raise PubSubError(
                "subscription.fetch.requested.events.invalid", "The number of requested events must be > 0"
            )
        self._ask(fetch.count)

    def close_requests(self) -> None:
        """The client will ask for nothing more: what it asked for is still delivered."""
        self._is_half_closed = True

    def step(self) -> list[Batch]:
        """Batches of what is there, or a keepalive."""
        super().step()
        now = self.bus.now()
        channel = self._channel
        batches: list[Batch] = []
        if channel is not None and self._pending:
            self._check_rights(channel, now)
            batches = self._batches(channel, now)
        if batches:
            self._touch(now)
        elif self._pending and now >= self._keepalive_at:
            # Nothing of this channel lies before the tip: what is there was looked through just now.
            self._touch(now)
            latest = self.bus.log.mark(now)
            self._cursor = self._delivered = self.bus.log.tip
            batches = [Batch((), latest, self._pending)]
        if not self._pending:
            self._end_when_idle(now)
        return batches

    def is_due(self, now: datetime) -> bool:
        """Whether a keepalive, the end, or an error is due."""
        if super().is_due(now):
            return True
        return now >= self._keepalive_at if self._pending else self._is_idle(now) or self._is_half_closed

    # Inside

    def _start(self, topic: str, place: Callable[[], int]) -> None:
        channel = self.bus.channel(topic)
        # What is committed already lies before LATEST.
        self.bus.tick()
        self._sees_all = self.bus.sees_all(self.caller)
        if channel.is_single and not self._sees_all:
            raise cannot_subscribe(topic)
        self._cursor = place()
        self._delivered = self._cursor
        self._channel = channel
        self._rights_from = self.bus.now()
        self._touch(self._rights_from)

    def _place_of(self, fetch: Fetch) -> int:
        log = self.bus.log
        match fetch.preset:
            case "LATEST":
                return log.tip
            case "EARLIEST":
                log.purge(self.bus.now())
                return log.lost_until
            case "CUSTOM":
                if not fetch.replay_id:
                    text = "The replay preset is CUSTOM, but there is no replay ID"
                    raise PubSubError("subscription.fetch.replayid.validation.failed", text)
                return log.number_of(fetch.replay_id, self.bus.now())
        raise PubSubError("subscription.fetch.request.invalid", "The replay preset is unknown")

    def _ask(self, count: int) -> None:
        self._pending = min(self._pending + count, self.bus.behaviour.outstanding_max)
        # A client that asks again is heard from at once, not at the end of an older silence.
        self._idle_since = self.bus.now()

    def _batches(self, channel: Channel, now: datetime) -> list[Batch]:
        found: list[Batch] = []
        while self._pending and self._fill(channel):
            left = self.bus.deliveries.left(now)
            if not left:
                if found:
                    return found
                text = "You have exceeded the event delivery limit for your org."
                raise PubSubError("subscription.limit.exceeded", text)
            size = min(self.bus.batch_size(self._pending), left)
            events: list[tuple[StoredEvent, bytes]] = []
            while len(events) < size and self._fill(channel):
                event, number = self._ready.popleft()
                events.append((event, replay_id(number)))
                self._delivered = number
            self._pending -= len(events)
            self.bus.deliveries.count(len(events), now)
            found.append(Batch(tuple(events), events[-1][1], self._pending))
        return found

    def _fill(self, channel: Channel) -> bool:
        """Whether an event is ready, after looking for the next one on this channel."""
        if self._ready:
            return True
        log = self.bus.log
        if self._cursor < log.lost_until:
            raise corrupted("Events were lost before they were delivered: the subscriber is behind the retention")
        for position in log.after(self._cursor):
            self._cursor = position.number
            event = position.event
            if event is None or not self._sees_all:
                continue
            views = channel.views(event, self.bus.schema_by_id(event.schema_id), self.bus.row)
            self._ready.extend((view, position.number) for view in views)
            if self._ready:
                return True
        return False

    def _check_rights(self, channel: Channel, now: datetime) -> None:
        if now < self._rights_from + timedelta(seconds=self.bus.behaviour.rights_refresh_s):
            return
        self._rights_from = now
        self._sees_all = self.bus.sees_all(self.caller)
        if channel.is_single and not self._sees_all:
            raise cannot_subscribe(channel.topic)

    def _touch(self, now: datetime) -> None:
        self._idle_since = now
        wait_s = self.bus.behaviour.keepalive_s * self.bus.rng.uniform(0.8, 1.0)
        self._keepalive_at = now + timedelta(seconds=wait_s)

    def _is_idle(self, now: datetime) -> bool:
        return now >= self._idle_since + timedelta(seconds=self.bus.behaviour.idle_close_s)

    def _end_when_idle(self, now: datetime) -> None:
        if self._is_half_closed:
            self.is_over = True
        elif self._is_idle(now):
            code = self.bus.behaviour.idle_close_code
            if code:
                raise PubSubError(code, "No events were requested for too long")
            self.is_over = True


class PublishStream(OpenStream):
    """A PublishStream call. Every topic of this org refuses what is published, so that it only waits or fails."""

    def request(self, topic: str, events: int, auth_refresh: str) -> None:
        """Take a PublishRequest. Raises PubSubError."""
        self._idle_since = self.bus.now()
        self.bus.publish(topic, events, auth_refresh)

    def step(self) -> list[Batch]:
        """Nothing, until the stream has been silent for too long."""
        super().step()
        if self.is_due(self.bus.now()):
            raise PubSubError("publish.stream.sweeper.timeout", "No publish request was sent for too long")
        return []

    def is_due(self, now: datetime) -> bool:
        """Whether it has been silent for too long."""
        return super().is_due(now) or now >= self._idle_since + timedelta(seconds=self.bus.behaviour.publish_idle_s)


def cannot_subscribe(topic: str) -> PubSubError:
    """A user without View All Data on the channel of one object."""
    return PubSubError("subscription.topic.cannot.subscribe", f"You have no permission to subscribe to {topic}")
