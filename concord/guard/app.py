"""The Faust application of one role: its settings, when its partitions change hands, and how it runs as a process."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

import faust
from faust.exceptions import ConsistencyError
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from faust.types import TP
from prometheus_client.registry import Collector

from concord.framing import Frame, unchanged
from concord.guard.agent import GuardedAgent
from concord.guard.ending import RESTART_ME, end_process
from concord.guard.log_reader import LogReader
from concord.guard.logs import OncePerWhile
from concord.guard.outbox import Outbox
from concord.guard.quarantine import stack_places
from schemas.topics import DEFAULT_PARTITIONS

log = logging.getLogger(__name__)

# The group takes a silent worker's partitions away after this time, in seconds.
SESSION_TIMEOUT_S: Final = 10.0
# How often a position that moved is written, in seconds: the width of what is done again after a crash.
SAVE_EVERY_S: Final = 0.1
# How often written positions are committed to the group, in seconds. Only for lag and as the point of delivery.
COMMIT_EVERY_S: Final = 0.5
# How often silent partitions are compared with the ends of their topics, in seconds.
LOOK_EVERY_S: Final = 2.0
# Longest wait for running steps when partitions are taken away, in seconds. Twice this and the rest of a rebalance must
# fit the rebalance timeout.
DRAIN_S: Final = 3.0
REBALANCE_TIMEOUT_S: Final = 20.0
# A clean stop takes at most this long, in seconds; then the process ends as it stands, which loses nothing.
STOP_S: Final = 9.5
# Longest wait for the last commit when partitions are handed over, in seconds.
LAST_COMMIT_S: Final = 2.0
# How long table recovery may stand still, or the group ignore us while records wait, before the process is started
# again, in seconds.
PATIENCE_S: Final = 60.0


@dataclass(frozen=True)
class AppOptions:
    """What few deployments change."""

    credentials: Any = None
    """Faust broker credentials (`faust.SASLCredentials`, `faust.SSLCredentials`), None for a plain connection."""
    ssl_context: Any = None
    replication: int = 1
    """Copies of changelog topics."""
    frame: Frame = unchanged
    """The frame in which records are written to topics; what tables hold keeps its own."""


class Companion(Protocol):
    """Something that lives as long as the app does, such as a follower of a small topic."""

    async def start(self) -> None:
        """Begin; returns when begun."""

    async def stop(self) -> None:
        """End."""


class GuardedApp(faust.App):  # type: ignore[misc]  # faust is not typed
    """A Faust app whose agents are guarded. Made by `build_app`."""

    outbox: Outbox
    """For records from outside a step; there once the app has started."""
    reader: LogReader

    def prepare(self, partitions: int, worker: str, client_settings: Mapping[str, Any], frame: Frame) -> None:
        """Set what the guard needs; `build_app` calls it."""
        self.partitions = partitions
        self.worker = worker
        self.guards: list[GuardedAgent] = []
        self._companions: list[Companion] = []
        self._client_settings = dict(client_settings)
        self._frame = frame
        self._holds: frozenset[TP] | None = None
        self._committed: dict[tuple[str, int], int] = {}
        self._chores: list[asyncio.Task[None]] = []
        self._is_recovering = False
        self._ignored_since: float | None = None
        self._beat: float | None = None
        self.collectors: list[Collector] = []
        """What the role measures beside the guard's own metrics; for `concord.telemetry.role`."""
        self.conditions: list[Callable[[], str]] = []
        """What the role needs to do its work: each says why it cannot, "" when it can."""
        self.on_rebalance_complete.connect(self._tables_recovered, weak=False)

    def alongside(self, companion: Companion) -> None:
        """Start this with the app, before the first record is delivered, and stop it after the last. Call it before
        the app runs."""
        self._companions.append(companion)

    @property
    def beat_age_s(self) -> float | None:
        """Seconds since the event loop last got round; None before it began."""
        beat = self._beat
        return None if beat is None else time.monotonic() - beat

    @property
    def recovering(self) -> int:
        """Changes of tables that are still to be recovered."""
        return int(self.tables.recovery.active_remaining_total()) if self._is_recovering else 0

    def why_not_ready(self) -> str:
        """Why nothing is processed now, "" when partitions are held and their tables recovered. For any thread."""
        if self._beat is None:
            return "starting"
        if self._holds is None:
            return "no partitions are assigned: the group is being joined or rebalanced"
        if self._is_recovering:
            return f"tables are being recovered, {self.recovering} changes to go"
        return ""

    async def commit(self, offsets: Any) -> bool:
        """Commit offsets, by (topic, partition), to the group. False when the group does not count us in now."""
        return bool(await self.consumer._commit_offsets({TP(*where): offset for where, offset in offsets.items()}))

    async def is_member(self, offsets: Mapping[tuple[str, int], int]) -> bool:
        """Whether the group counts us in, proven by a commit. Ends the process when it has not for long."""
        with suppress(TimeoutError):
            if await asyncio.wait_for(self.commit(offsets), SESSION_TIMEOUT_S):
                self._ignored_since = None
                return True
        now = time.monotonic()
        self._ignored_since = self._ignored_since or now
        if now - self._ignored_since > PATIENCE_S:
            end_process("records wait, and the group does not know this worker")
        return False

    async def on_start(self) -> None:
        """Connect the guard's own clients before anything is delivered."""
        await super().on_start()
        self.outbox = Outbox(self._client_settings, self._frame)
        self.reader = LogReader(self._client_settings)
        await self.outbox.start()
        for companion in self._companions:
            await companion.start()
        chores = (self._save_positions, self._commit_positions, self._look_for_stalls, self._watch_recovery)
        for chore in (*chores, self._watch_clock):
            task = asyncio.create_task(chore())
            task.add_done_callback(_must_not_fail)
            self._chores.append(task)

    async def on_stop(self) -> None:
        """Faust lets the partitions go first; then the guard's clients close."""
        await super().on_stop()
        for chore in self._chores:
            chore.cancel()
        for companion in self._companions:
            await companion.stop()
        if hasattr(self, "outbox"):
            await self.outbox.stop()
            await self.reader.stop()

    # --- partitions change hands ------------------------------------------------------------------------------

    async def _on_partitions_assigned(self, assigned: set[TP], generation_id: int = 0) -> None:
        self._holds = frozenset(assigned)
        self._is_recovering = True
        await super()._on_partitions_assigned(assigned, generation_id)

    async def _on_partitions_revoked(self, revoked: set[TP]) -> None:
        self._holds = None
        self._is_recovering = False
        await super()._on_partitions_revoked(revoked)
        self._let_go()

    async def _consumer_wait_empty(self, consumer: Any, logger: Any) -> None:
        """Faust calls this when partitions are taken away and when it stops, before it closes the tables."""
        await asyncio.gather(*(guard.drain(DRAIN_S) for guard in self.guards))
        if any(owned.has_unacknowledged_writes for guard in self.guards for owned in guard.owned):
            # They would reach the changelog after those of the next owner.
            end_process("table changes are still unacknowledged when the partitions go")
        with suppress(TimeoutError):
            await asyncio.wait_for(self._commit_moved(), LAST_COMMIT_S)
        self._let_go()

    def _let_go(self) -> None:
        for guard in self.guards:
            guard.let_go()
        self._committed.clear()

    async def _tables_recovered(self, *_: Any, **__: Any) -> None:
        """Faust sends this when the tables are recovered, before it delivers the first record."""
        holds = self._holds
        if holds is None or self.tables.recovery._generation_id != self.consumer_generation_id:
            return  # taken away again in the meantime; another assignment follows
        self._let_go()
        self._is_recovering = False
        for guard in self.guards:
            guard.take_over(where.partition for where in holds if where.topic == guard.topic)

    # --- chores -----------------------------------------------------------------------------------------------

    async def _save_positions(self) -> None:
        while True:
            await asyncio.sleep(SAVE_EVERY_S)
            for guard in self.guards:
                guard.save_positions()

    async def _commit_positions(self) -> None:
        while True:
            await asyncio.sleep(COMMIT_EVERY_S)
            await self._commit_moved()

    async def _commit_moved(self) -> None:
        """Commit the positions that moved since the last time."""
        now = {where: offset for guard in self.guards for where, offset in guard.committable().items()}
        moved = {where: offset for where, offset in now.items() if self._committed.get(where) != offset}
        if moved and await self.commit(moved):
            self._committed.update(moved)

    async def _look_for_stalls(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if not self.rebalancing:
                for guard in self.guards:
                    await guard.look_for_stalls()

    async def _watch_recovery(self) -> None:
        """Table recovery can wait for ever for a record that does not come: start again then."""
        standing, since = -1, time.monotonic()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            remaining = self.tables.recovery.active_remaining_total() if self._is_recovering else -1
            if remaining != standing or not self._is_recovering:
                standing, since = remaining, time.monotonic()
            elif time.monotonic() - since > PATIENCE_S:
                end_process(f"table recovery stands still with {remaining} changes to go")

    async def _watch_clock(self) -> None:
        """A process that was frozen longer than its session may have lost its partitions without knowing: it must not
        write a word more."""
        while True:
            before = self._beat = time.monotonic()
            await asyncio.sleep(0.5)
            gap = time.monotonic() - before
            if gap > SESSION_TIMEOUT_S:
                end_process(f"the process stood still for {gap:.0f} s, longer than its session")


def build_app(
    name: str,
    *,
    broker: str,
    datadir: Path,
    version: int = 1,
    partitions: int = DEFAULT_PARTITIONS,
    worker: str = "",
    options: AppOptions | None = None,
) -> GuardedApp:
    """The Faust app of a role.

    `broker` is host:port, several by comma; `datadir` belongs to this worker process alone; `partitions` is the
    deployment's number; a `worker` name makes the process a static member of its group, so that a restart within the
    session timeout gets the same partitions back at once. A new `version` is a new group with new tables.
    """
    options = options or AppOptions()
    servers = [server.strip().removeprefix("kafka://") for server in broker.replace(";", ",").split(",")]
    datadir.mkdir(parents=True, exist_ok=True)
    app = GuardedApp(
        name,
        version=version,
        broker=";".join(f"kafka://{server}" for server in servers),
        broker_credentials=options.credentials,
        ssl_context=options.ssl_context,
        store="rocksdb://",
        datadir=str(datadir),
        processing_guarantee="at_least_once",
        key_serializer="raw",
        value_serializer="raw",
        broker_commit_interval=COMMIT_EVERY_S,
        broker_session_timeout=SESSION_TIMEOUT_S,
        broker_heartbeat_interval=2.0,
        broker_request_timeout=30.0,
        broker_rebalance_timeout=REBALANCE_TIMEOUT_S,
        consumer_auto_offset_reset="earliest",
        consumer_group_instance_id=worker or None,
        table_standby_replicas=0,
        topic_disable_leader=True,
        topic_replication_factor=options.replication,
        topic_partitions=partitions,
        stream_wait_empty=True,
        web_enabled=False,
    )
    settings = {"bootstrap_servers": servers, "client_id": f"{name}-guard"}
    settings |= credentials_to_aiokafka_auth(options.credentials, options.ssl_context)
    app.prepare(partitions, worker or f"pid-{os.getpid()}", settings, options.frame)
    return app


def run_app(app: GuardedApp) -> int:
    """Run the app in this process until SIGINT or SIGTERM, and return the exit code: 0 after a clean stop.

    A crash returns 1; when the guard itself ends the process the code is 70.
    """
    for noisy in ("faust", "mode", "aiokafka"):
        # Their default level formats records for debugging even when nothing prints them.
        logging.getLogger(noisy).setLevel(logging.INFO)
    for handler in logging.getLogger().handlers:
        handler.addFilter(OncePerWhile("aiokafka", "kafka"))
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    worker = _Worker(app, loop=loop, quiet=True, override_logging=False, redirect_stdouts=False)
    worker.spinner = None
    try:
        worker.execute_from_commandline()
        return 0
    except SystemExit as ended:
        if isinstance(app.crash_reason, ConsistencyError):
            log.critical("a changelog was made anew; the tables are removed and recovered from it on the next start")
            shutil.rmtree(app.conf.tabledir, ignore_errors=True)
            return RESTART_ME
        return ended.code if isinstance(ended.code, int) else 1
    except Exception as error:  # noqa: BLE001  # its text may hold what is in records: name and places only
        log.critical("the worker crashed: %s, at\n%s", type(error).__name__, stack_places(error))
        return 1


class _Worker(faust.Worker):  # type: ignore[misc]  # faust is not typed
    """Faust's worker with an end to its patience: a stop that hangs is cut off."""

    def _schedule_shutdown(self, signal: Any) -> None:
        if not self._signal_stop_time:
            cut = threading.Timer(STOP_S, _cut_off)
            cut.daemon = True
            cut.start()
        super()._schedule_shutdown(signal)


def _cut_off() -> None:
    log.critical("the stop took longer than %.1f s; ending as it stands", STOP_S)
    logging.shutdown()
    os._exit(RESTART_ME)


def _must_not_fail(chore: asyncio.Task[None]) -> None:
    problem = None if chore.cancelled() else chore.exception()
    if problem is not None:
        end_process(f"{type(problem).__name__} in a chore of the guard, at\n{stack_places(problem)}")
