"""`concord source graph`: enabled mailboxes onto `graph.changes`, woken by notifications and by a timer.

One record of `graph.wakeups` is one look at one mailbox. What was read is on the log before the cursor is saved.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import structlog
import uvicorn
from prometheus_client.registry import Collector

from concord.broker_access import app_options
from concord.config import Config
from concord.credentials import webhook_secret
from concord.follow import DirectoryFollower, SettingsFollower
from concord.guard import AgentOptions, GuardedApp, Lane, Record, build_app, guarded_agent
from concord.roles.connections import attach
from concord.roles.directories import is_graphs, publish
from concord.roles.graph_connection import Graph
from concord.roles.known import known_owners
from concord.roles.mailbox import MailboxLook, Means
from concord.roles.reach import reach_of
from concord.roles.reading import read_under
from concord.roles.unreadable import send_unreadable
from concord.roles.wakeups import TICK_S, Timer, partition_of
from concord.telemetry import names
from concord.telemetry.delays import observe_reading
from connectors.exchange import run_async
from connectors.graph.directory import read_directory
from connectors.graph.echoes import OwnVersions
from connectors.graph.subscriptions import Endpoint, after_lifecycle, keep_subscription
from connectors.graph.webhook import LIFECYCLE_PATH, NOTIFICATION_PATH, webhook_app
from schemas.changes import Change, Wakeup
from schemas.codec import decode, encode
from schemas.cursors import GraphCursor
from schemas.errors import ServiceError
from schemas.topics import GRAPH_CHANGES, GRAPH_WAKEUPS

APP_NAME: Final = "concord-source-graph"
DIRECTORY_KEY: Final = "!directory"

# Mailboxes read side by side by one worker.
MAILBOXES_AT_ONCE: Final = 16
# A wake-up this much older than the start of the last look adds nothing. Covers clocks that differ by a second.
COVERED: Final = timedelta(seconds=1)

log: Final = structlog.get_logger(__name__)


def build(config: Config) -> GuardedApp:
    """The role as an app that is ready to run."""
    app = build_app(
        APP_NAME, broker=config.broker, datadir=config.data_dir / f"source-graph-{config.worker}",
        partitions=config.partitions, worker=f"source-graph-{config.worker}",
        options=app_options(config),
    )  # fmt: skip
    source = GraphSource(app, config)
    for companion in (source.settings, source.directory):
        app.alongside(companion)
    attach(app, source.graph)
    app.collectors.append(source.subscriptions)
    if config.webhook_url:
        app.alongside(Webhook(app, config))
    guarded_agent(
        app, GRAPH_WAKEUPS, source.look, table="graph-cursors",
        options=AgentOptions(lanes=MAILBOXES_AT_ONCE, every_s=TICK_S, on_tick=source.timer),
    )  # fmt: skip
    return app


class GraphSource:
    """Looks at one mailbox at a time per wake-up."""

    def __init__(self, app: GuardedApp, config: Config) -> None:
        self._app = app
        self._config = config
        self.settings = SettingsFollower(config.broker)
        self.directory = DirectoryFollower(config.broker)
        self.graph = Graph(config)
        self.timer = Timer(app, GRAPH_WAKEUPS, self._due)
        self._endpoint = endpoint_of(config)
        self._own = OwnVersions()
        self.subscriptions = Subscriptions(app, self.settings)

    def _due(self) -> Iterator[tuple[str, float]]:
        yield DIRECTORY_KEY, self._config.directory_s
        for user in self.settings.current.users:
            if user.is_enabled:
                yield user.mailbox, self._config.graph_timer_s

    async def look(self, record: Record, lane: Lane) -> None:
        """One wake-up."""
        wakeup = decode(Wakeup, record.value)
        await self.settings.caught_up.wait()
        if wakeup.key == DIRECTORY_KEY:
            await self._read_directory(lane)
        elif self._own.settles(wakeup):
            return  # nothing was looked at: the timer goes on
        elif self.settings.current.is_mailbox_enabled(wakeup.key):
            await self._look_at(wakeup, lane)
        self.timer.looked(wakeup.key)

    async def _read_directory(self, lane: Lane) -> None:
        await self.directory.caught_up.wait()
        entries = await run_async(read_directory(), self.graph.client.send)
        publish(lane, entries, self.directory.directory, is_graphs)

    async def _look_at(self, wakeup: Wakeup, lane: Lane) -> None:
        mailbox = wakeup.key
        row = mailbox.encode()
        raw = lane.get(row)
        cursor = decode(GraphCursor, raw) if raw is not None else GraphCursor(mailbox)
        reach = reach_of(self.settings.current, self._config, datetime.now(UTC))
        is_same = cursor.wanted == reach.wanted and not cursor.is_resync
        if is_same and cursor.read_at is not None and wakeup.at + COVERED < cursor.read_at:
            return
        cursor = await self._subscribe(wakeup, cursor)
        self.subscriptions.known(mailbox, cursor.subscription_expires)
        means = Means(
            ask=lambda exchange: run_async(exchange, self.graph.client.send),
            tell=lambda changes: self._tell(changes, lane),
            put_aside=lambda broken: send_unreadable(lane, APP_NAME, broken.id, broken.native, broken.reason),
            known=lambda: self._known(mailbox),
            settings=self.settings.latest,
            now=lambda: datetime.now(UTC),
        )
        await MailboxLook(row, reach, lane, means, self._own.of(mailbox)).read(cursor)

    async def _known(self, mailbox: str) -> dict[str, str]:
        log.info("looking up on the log which events of a mailbox are known", mailbox=mailbox)
        return await known_owners(self._app, GRAPH_CHANGES, partition_of(mailbox, self._app.partitions), mailbox)

    async def _tell(self, changes: Iterable[Change], lane: Lane) -> None:
        """Put changes on the log, with the settings that stood when they had been read."""
        changes = tuple(changes)
        headers = read_under(await self.settings.latest()) if changes else ()
        for change in changes:
            observe_reading(change)
            lane.send(GRAPH_CHANGES, change.mailbox.encode(), encode(change), headers=headers)

    async def _subscribe(self, wakeup: Wakeup, cursor: GraphCursor) -> GraphCursor:
        if self._endpoint is None:
            return cursor
        cursor = after_lifecycle(cursor, wakeup.reason)
        try:
            return await run_async(
                keep_subscription(cursor, self._endpoint, now=datetime.now(UTC)), self.graph.client.send
            )
        except ServiceError as error:
            # Reading by timer goes on without a subscription; the next look tries again.
            log.warning("no change notifications", mailbox=wakeup.key, code=error.code, error=error.what)
            return cursor


class Subscriptions(Collector):
    """When the change notifications of the mailboxes expire that this worker looks after."""

    def __init__(self, app: GuardedApp, settings: SettingsFollower) -> None:
        self._app = app
        self._settings = settings
        self._expires: dict[str, datetime] = {}

    def known(self, mailbox: str, expires: datetime | None) -> None:
        """What a look at a mailbox found: when its notifications expire, None without any."""
        if expires is None:
            self._expires.pop(mailbox, None)
        else:
            self._expires[mailbox] = expires

    def collect(self) -> Iterator[Any]:
        """How many there are, and when the first expires."""
        owned = {partition.number for guard in self._app.guards for partition in guard.owned}
        ours = [
            expires
            for mailbox, expires in dict(self._expires).items()
            if partition_of(mailbox, self._app.partitions) in owned
            and self._settings.current.is_mailbox_enabled(mailbox)
        ]
        count, first = names.SUBSCRIPTIONS.family(), names.SUBSCRIPTION_EXPIRY.family()
        names.add(count, len(ours))
        if ours:
            names.add(first, min(ours).timestamp())
        yield from (count, first)


def endpoint_of(config: Config) -> Endpoint | None:
    """Where Graph shall post, if anywhere."""
    if not config.webhook_url:
        return None
    return Endpoint(config.webhook_url + NOTIFICATION_PATH, config.webhook_url + LIFECYCLE_PATH, webhook_secret(config))


class Webhook:
    """The endpoint that Graph posts to, served as long as the app runs."""

    def __init__(self, app: GuardedApp, config: Config) -> None:
        host, _, port = config.webhook_listen.rpartition(":")
        endpoint = endpoint_of(config)
        assert endpoint is not None
        self._app = app
        self._server = uvicorn.Server(
            uvicorn.Config(
                webhook_app(self._wake, endpoint.secret), host=host, port=int(port), log_level="warning",
                access_log=False, lifespan="on",
            )
        )  # fmt: skip
        self._task: asyncio.Task[Any] | None = None

    async def start(self) -> None:
        """Listen."""
        self._task = asyncio.create_task(self._server._serve(), name="webhook")
        while not self._server.started and not self._task.done():  # noqa: ASYNC110 - uvicorn offers no event
            await asyncio.sleep(0.01)
        if self._task.done():
            await self._task

    async def stop(self) -> None:
        """Stop listening; Graph tries again elsewhere or later."""
        self._server.should_exit = True
        if self._task is not None:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._task, timeout=2.0)

    async def _wake(self, wakeup: Wakeup) -> None:
        await self._app.outbox.send(GRAPH_WAKEUPS, wakeup.key.encode(), encode(wakeup))
