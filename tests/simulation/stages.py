"""The five roles as guarded steps: what a wakeup, an input, a journal entry and a command lead to.

Intake and reconcile are the very functions of `concord.roles.reconcile`; the others are the loops that its sisters run
around the connectors' exchanges.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import SimpleNamespace
from typing import Any, Final

from concord.roles import reconcile as role
from concord.roles.graph_source import COVERED
from concord.roles.known import Owners
from concord.roles.mailbox import MailboxLook, Means
from concord.roles.poll import EventPoll, PollMeans
from concord.roles.reach import reach_of
from concord.roles.reading import read_under
from concord.roles.sinks import Sink, options
from connectors.graph import sink as graph_sink
from connectors.graph.echoes import OwnVersions
from connectors.graph.source import Unreadable
from connectors.salesforce.fields import FieldNames
from projections.directory import Directory
from schemas.changes import Change, Wakeup
from schemas.codec import decode, encode
from schemas.commands import Command, Outcome
from schemas.cursors import GraphCursor, SalesforceCursor
from schemas.directory import DirectoryEntry
from schemas.settings import Settings
from schemas.state import PairState
from schemas.topics import (
    DIRECTORY_CHANGES,
    GRAPH_CHANGES,
    OPERATOR_ACTIONS,
    SALESFORCE_CHANGES,
    SETTINGS_CHANGES,
    SYNC_JOURNAL,
    SYNC_OUTCOMES,
    SYNC_QUARANTINE,
)
from simulation.guarded import ORIGIN, Agent, Step
from simulation.log import Log
from simulation.transport import Transport
from streams.stage import under_way

CURSOR_ROW: Final = b"cursor/"
OVERLAP_S: Final = 60.0


class Followed:
    """Small topics that every worker reads whole: the settings in force, and the directory."""

    def __init__(self, log: Log) -> None:
        self._log = log
        self._settings = Settings()
        self._offset = -1
        self._directory = Directory()
        self._read = {SETTINGS_CHANGES: 0, DIRECTORY_CHANGES: 0}

    def _new(self, topic: str) -> list[Any]:
        records = self._log.read(topic, 0)[self._read[topic] :]
        self._read[topic] += len(records)
        return records

    @property
    def settings(self) -> Settings:
        """The document with the highest number."""
        for record in self._new(SETTINGS_CHANGES):
            found = decode(Settings, record.value)
            if found.number > self._settings.number:
                self._settings, self._offset = found, record.offset
        return self._settings

    @property
    def offset(self) -> int:
        """Where the settings in force stand, as `SettingsFollower.offset`."""
        return self._offset if self.settings.number else -1

    @property
    def directory(self) -> Directory:
        """Who is who."""
        for record in self._new(DIRECTORY_CHANGES):
            self._directory.put((record.key or b"").decode(), decode(DirectoryEntry, record.value))
        return self._directory

    async def latest(self) -> Settings:
        """As `SettingsFollower.latest`."""
        return self.settings

    async def complete(self) -> Directory:
        """As `DirectoryFollower.complete`: the simulation fills the directory before it begins."""
        return self.directory


# What the source role reads of its configuration; small pages, so that a round has several.
CONFIG: Final = SimpleNamespace(graph_window_days=1825, graph_page_size=7, graph_lists_first=False)


def known_owners(log: Log, topic: str, mailbox: str = "") -> dict[str, str]:
    """As `concord.roles.known`: the items whose last change on the log was no removal, and whose they are."""
    owners = Owners(mailbox)
    owners.take(record.value for record in log.whole(topic))
    return owners.alive


@dataclass(frozen=True)
class GraphSource:
    """Looks at a mailbox when woken; the table keeps its cursor: as `concord.roles.graph_source` does."""

    log: Log
    transport: Transport
    followed: Followed
    now: Callable[[], datetime]
    own: OwnVersions = field(default_factory=OwnVersions)

    async def __call__(self, record: Any, lane: Any) -> None:
        """One wakeup."""
        wakeup = decode(Wakeup, record.value)
        mailbox = wakeup.key
        settings = self.followed.settings
        if self.own.settles(wakeup) or not settings.is_mailbox_enabled(mailbox):
            return
        row = CURSOR_ROW + mailbox.encode()
        raw = lane.get(row)
        cursor = decode(GraphCursor, raw) if raw is not None else GraphCursor(mailbox)
        reach = reach_of(settings, CONFIG, self.now())  # type: ignore[arg-type]
        is_same = cursor.wanted == reach.wanted and not cursor.is_resync
        if is_same and cursor.read_at is not None and wakeup.at + COVERED < cursor.read_at:
            return
        await MailboxLook(row, reach, lane, self._means(mailbox, lane), self.own.of(mailbox)).read(cursor)

    def _means(self, mailbox: str, lane: Any) -> Means:
        async def tell(changes: Iterable[Change]) -> None:
            headers = read_under(await self.followed.latest())
            for change in changes:
                lane.send(GRAPH_CHANGES, mailbox.encode(), encode(change), headers=headers)

        def put_aside(found: Unreadable) -> None:
            headers = ((ORIGIN, found.id.encode()), ("reason", found.reason.encode()))
            lane.send(SYNC_QUARANTINE, mailbox.encode(), found.native.encode(), headers=headers)

        async def known() -> dict[str, str]:
            return known_owners(self.log, GRAPH_CHANGES, mailbox)

        return Means(self.transport.run, tell, put_aside, known, self.followed.latest, self.now)


def sink(transport: Transport, apply: Callable[..., Any], now: Callable[[], datetime]) -> Step:
    """The step of a sink role, carrying out its commands by way of the scheduler."""

    async def carry_out(command: Command) -> Outcome:
        outcome: Outcome = await transport.run(apply(command, now=now()), command.command_id)
        return replace(outcome, at=now())

    return Sink(carry_out).step


def sweep(lane: Any) -> int:
    """Send every command without an outcome again; returns how many."""
    count = 0
    for row, _ in lane.items(role.UNDER_WAY_ROW):
        raw = lane.get(row.removeprefix(role.UNDER_WAY_ROW))
        for command in under_way(decode(PairState, raw)) if raw is not None else ():
            lane.send(role.COMMAND_TOPICS[command.side], command.pair_key.encode(), encode(command))
            count += 1
    return count


class Intake(role.Intake):
    """As the role has it. What it holds in memory is gone when its process ends."""

    def restart(self) -> None:
        """A new process begins."""
        self._journaled = 0


def reconcile_agents(intake: Intake) -> tuple[Agent, ...]:
    """Intake and reconcile, as the role wires them."""
    return (
        Agent("intake graph", GRAPH_CHANGES, intake.change),
        Agent("intake salesforce", SALESFORCE_CHANGES, intake.change),
        Agent("intake outcomes", SYNC_OUTCOMES, intake.outcome),
        Agent("intake settings", SETTINGS_CHANGES, intake.settings),
        Agent("intake actions", OPERATOR_ACTIONS, intake.action),
        Agent("reconcile", SYNC_JOURNAL, role.reconcile_step),
    )


graph_apply: Final = graph_sink.apply_command


@dataclass(frozen=True)
class SalesforceSource:
    """Polls when woken; the table keeps the cursor: as `concord.roles.salesforce_source` does."""

    log: Log
    transport: Transport
    followed: Followed
    now: Callable[[], datetime]
    names: FieldNames

    async def __call__(self, record: Any, lane: Any) -> None:
        """One wakeup."""
        name = decode(Wakeup, record.value).key
        row = CURSOR_ROW + name.encode()
        raw = lane.get(row)
        cursor = decode(SalesforceCursor, raw) if raw is not None else SalesforceCursor(name)
        await EventPoll(row, self.names, OVERLAP_S, lane, self._means(lane)).read(cursor)

    def _means(self, lane: Any) -> PollMeans:
        async def tell(changes: Iterable[Change]) -> None:
            headers = read_under(await self.followed.latest())
            for change in changes:
                lane.send(SALESFORCE_CHANGES, change.id.encode(), encode(change), headers=headers)

        def put_aside(found: Any) -> None:
            raise AssertionError(f"{found} cannot be read")

        async def known() -> dict[str, str]:
            return known_owners(self.log, SALESFORCE_CHANGES)

        return PollMeans(self.transport.run, tell, put_aside, known, self.followed.latest, self.now)


def agent(name: str, topic: str, step: Any, *, is_sink: bool = False) -> Agent:
    """A source or a sink: sinks carry out commands of different pairs side by side."""
    how = options(4)
    return Agent(name, topic, step, lanes=how.lanes, redo=how.redo_finished) if is_sink else Agent(name, topic, step)
