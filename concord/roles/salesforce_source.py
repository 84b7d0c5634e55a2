"""`concord source salesforce`: changed events, attendees and deletions onto `salesforce.changes`.

Change events say at once what was saved, and how; polls are the net below. Without them there are only polls.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog

from concord.broker_access import app_options
from concord.config import POLL_ALONE_S, Config
from concord.follow import DirectoryFollower, SettingsFollower
from concord.guard import AgentOptions, GuardedApp, Lane, Record, build_app, guarded_agent
from concord.roles.capture import Capture
from concord.roles.change_stream import ChangeStream
from concord.roles.connections import attach
from concord.roles.directories import is_salesforces, publish
from concord.roles.drift import DRIFT, DriftCheck, told_by_the_log
from concord.roles.integration_log import IntegrationLog, systems_of
from concord.roles.known import known_owners
from concord.roles.poll import EventPoll, PollMeans
from concord.roles.reading import read_under
from concord.roles.room_names import tell_of_rooms
from concord.roles.salesforce_connection import Salesforce
from concord.roles.topic_stream import LOST
from concord.roles.unreadable import send_unreadable
from concord.roles.wakeups import TICK_S, Timer, partition_of
from concord.telemetry.delays import observe_reading
from connectors.exchange import run_async
from connectors.salesforce.budget import is_short
from connectors.salesforce.directory import read_people, read_rooms
from schemas.changes import Change, Wakeup
from schemas.codec import decode, encode
from schemas.cursors import SalesforceCursor
from schemas.errors import Throttled
from schemas.topics import SALESFORCE_CHANGES, SALESFORCE_WAKEUPS

APP_NAME: Final = "concord-source-salesforce"
EVENT_KEY: Final = "Event"
DIRECTORY_KEY: Final = "!directory"

# How long change events wait before the day's requests are looked at again, in seconds.
SHORT_WAIT_S: Final = 60.0

log: Final = structlog.get_logger(__name__)


def build(config: Config) -> GuardedApp:
    """The role as an app that is ready to run."""
    app = build_app(
        APP_NAME, broker=config.broker, datadir=config.data_dir / f"source-salesforce-{config.worker}",
        partitions=config.partitions, worker=f"source-salesforce-{config.worker}",
        options=app_options(config),
    )  # fmt: skip
    source = SalesforceSource(app, config)
    for companion in (source.settings, source.directory):
        app.alongside(companion)
    attach(app, source.salesforce)
    stream = source.stream
    agent = guarded_agent(
        app, SALESFORCE_WAKEUPS, source.look, table="salesforce-cursors",
        options=AgentOptions(
            lanes=2, every_s=TICK_S, on_tick=source.tick, on_assigned=stream.begin if stream is not None else None
        ),
    )  # fmt: skip
    if stream is not None:
        stream.agent = agent
        app.alongside(stream)
    return app


class SalesforceSource:
    """Polls, or works off what change events told, once per wake-up."""

    def __init__(self, app: GuardedApp, config: Config) -> None:
        self._app = app
        self._config = config
        self.settings = SettingsFollower(config.broker)
        self.directory = DirectoryFollower(config.broker)
        self.salesforce = Salesforce(config)
        self.timer = Timer(app, SALESFORCE_WAKEUPS, self._due)
        self.drift = DriftCheck(config.salesforce_drift_at, lambda: told_by_the_log(app))
        self._log = IntegrationLog(self.salesforce, systems_of(config))
        self.stream: ChangeStream | None = None
        if config.salesforce_changes == "cdc":
            self.stream = ChangeStream(app, self.salesforce.change_events(), EVENT_KEY)

    def _due(self) -> Iterator[tuple[str, float]]:
        yield DIRECTORY_KEY, self._config.directory_s
        is_alone = self.stream is not None and self.stream.is_away
        yield EVENT_KEY, min(self._config.poll_s, POLL_ALONE_S) if is_alone else self._config.poll_s

    def tick(self, partition: int, lane: Lane) -> None:
        """Wake what is due in this partition."""
        self.timer(partition, lane)
        if partition_of(EVENT_KEY, self._app.partitions) == partition and self.drift.is_due(lane):
            wakeup = Wakeup(EVENT_KEY, DRIFT, datetime.now(UTC))
            self._app.outbox.send(SALESFORCE_WAKEUPS, EVENT_KEY.encode(), encode(wakeup))

    async def look(self, record: Record, lane: Lane) -> None:
        """One wake-up."""
        wakeup = decode(Wakeup, record.value)
        if wakeup.key == DIRECTORY_KEY:
            await self._read_directory(lane)
        elif wakeup.key == EVENT_KEY and wakeup.topic:
            await self._capture(wakeup, lane)
            return
        elif wakeup.key == EVENT_KEY and wakeup.reason == DRIFT:
            if not self._is_short():
                await self.drift.step(lane, await self.salesforce.names(), self._means(lane))
            return
        elif wakeup.key == EVENT_KEY and not self._is_short():
            await self._poll(lane)
        self.timer.looked(wakeup.key)

    def _is_short(self) -> bool:
        """Whether what is left of the day's requests is kept for rooms."""
        return is_short(self.salesforce.client.api_usage, self._config.salesforce_reserve_percent)

    async def _read_directory(self, lane: Lane) -> None:
        """Rooms before everything else; when requests run short, nothing else. The answers say when that is over."""
        await self.directory.caught_up.wait()
        send = self.salesforce.client.send_async
        publish(lane, await run_async(read_rooms(), send), self.directory.directory, is_salesforces)
        if self._is_short():
            log.warning(
                "the day's Salesforce requests run short: only rooms are read", usage=self.salesforce.client.api_usage
            )
        else:
            people = await run_async(read_people(await self.salesforce.names()), send)
            publish(lane, people, self.directory.directory, is_salesforces)
        await tell_of_rooms(self.directory.directory, lane, self._log)

    async def _capture(self, wakeup: Wakeup, lane: Lane) -> None:
        if self._is_short():
            raise Throttled("The day's Salesforce requests run short: change events wait.", SHORT_WAIT_S)
        names, user = await self.salesforce.names(), await self.salesforce.user_id()
        capture = Capture(EVENT_KEY, names, lane, self._means(lane), user)
        is_incomplete = await capture.work_off(wakeup, _cursor(lane))
        if self.stream is not None:
            self.stream.taken(wakeup)
        if is_incomplete or wakeup.reason == LOST:
            log.warning("change events do not say all that changed: polling", topic=wakeup.topic, reason=wakeup.reason)
            await self._poll(lane)
            self.timer.looked(EVENT_KEY)

    async def _poll(self, lane: Lane) -> None:
        names = await self.salesforce.names()
        poll = EventPoll(EVENT_KEY.encode(), names, self._config.salesforce_overlap_s, lane, self._means(lane))
        await poll.read(_cursor(lane))

    def _means(self, lane: Lane) -> PollMeans:
        return PollMeans(
            ask=lambda exchange: run_async(exchange, self.salesforce.client.send_async),
            tell=lambda changes: self._tell(changes, lane),
            put_aside=lambda broken: send_unreadable(lane, APP_NAME, broken.id, broken.native, broken.reason),
            known=self._known,
            settings=self.settings.latest,
            now=lambda: datetime.now(UTC),
            told=None if self.stream is None else self._told_until,
        )

    def _told_until(self, sure: datetime) -> datetime | None:
        until = self.stream.told_until(sure) if self.stream is not None else None
        return None if until is None else until - timedelta(seconds=self._config.salesforce_late_s)

    async def _known(self) -> dict[str, str]:
        log.info("looking up on the log which events are known")
        return await known_owners(self._app, SALESFORCE_CHANGES, None)

    async def _tell(self, changes: Iterable[Change], lane: Lane) -> None:
        """Put changes on the log, with the settings that stood when they had been read."""
        changes = tuple(changes)
        headers = read_under(await self.settings.latest()) if changes else ()
        for change in changes:
            observe_reading(change)
            lane.send(SALESFORCE_CHANGES, change.id.encode(), encode(change), headers=headers)


def _cursor(lane: Lane) -> SalesforceCursor:
    """Where polling stands."""
    raw = lane.get(EVENT_KEY.encode())
    return decode(SalesforceCursor, raw) if raw is not None else SalesforceCursor(EVENT_KEY)
