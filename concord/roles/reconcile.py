"""`concord reconcile`: intake (what does an input mean?) and reconcile (what does the pair need?) under the guard.

Five intake agents turn inputs into journal entries; one agent folds the journal into the table `sync-state` and sends
what was decided. All decisions are in `streams`; this module moves bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from concord.broker_access import app_options
from concord.config import Config
from concord.follow import DirectoryFollower, SettingsFollower
from concord.guard import AgentOptions, GuardedApp, Lane, Record, build_app, guarded_agent
from concord.guard.outbox import Headers
from concord.roles.reading import settings_number
from concord.roles.states import States
from concord.table_versions import version_in_use, versioned
from concord.telemetry.delays import observe_decision
from concord.telemetry.stories import decided_at_place, tell_decision
from schemas.changes import Change, Side
from schemas.codec import decode, encode
from schemas.commands import Command, Outcome
from schemas.journal import JournalEntry, OperatorAction, Position, SettingsChanged
from schemas.settings import Settings
from schemas.state import PairState, Tally
from schemas.topics import (
    GRAPH_CHANGES,
    GRAPH_COMMANDS,
    OPERATOR_ACTIONS,
    SALESFORCE_CHANGES,
    SALESFORCE_COMMANDS,
    SETTINGS_CHANGES,
    SYNC_DECISIONS,
    SYNC_JOURNAL,
    SYNC_OUTCOMES,
)
from streams.intake import (
    SETTINGS_KEY,
    entry_of_action,
    entry_of_change,
    entry_of_outcome,
    entry_of_settings,
    filed_under,
)
from streams.stage import Partition, newer_settings, step, under_way

APP_NAME: Final = "concord-reconcile"
STATE_TABLE: Final = "sync-state"
INTAKE_TABLES: Final = {
    GRAPH_CHANGES: "graph-ids",
    SALESFORCE_CHANGES: "salesforce-ids",
    SYNC_OUTCOMES: "outcome-intake",
    SETTINGS_CHANGES: "settings-intake",
    OPERATOR_ACTIONS: "action-intake",
}

# Keys of `sync-state` that are not pairs: the settings in force, how many were mailed, and an index of pairs with a
# command under way.
SETTINGS_ROW: Final = SETTINGS_KEY.encode()
TALLY_ROW: Final = b"!tally"
UNDER_WAY_ROW: Final = b"!under-way/"

# The longest wait before a command without an outcome is sent once more.
SWEPT_MAX: Final = timedelta(hours=1)

COMMAND_TOPICS: Final = {Side.GRAPH: GRAPH_COMMANDS, Side.SALESFORCE: SALESFORCE_COMMANDS}


def build(config: Config) -> GuardedApp:
    """The role as an app that is ready to run."""
    app = build_app(
        APP_NAME, broker=config.broker, datadir=config.data_dir / f"reconcile-{config.worker}",
        partitions=config.partitions, worker=f"reconcile-{config.worker}",
        options=app_options(config),
    )  # fmt: skip
    directory = DirectoryFollower(config.broker)
    settings = SettingsFollower(config.broker)
    app.alongside(directory)
    app.alongside(settings)
    intake = Intake(directory, config.partitions, settings)
    turns = {
        GRAPH_CHANGES: intake.change,
        SALESFORCE_CHANGES: intake.change,
        SYNC_OUTCOMES: intake.outcome,
        SETTINGS_CHANGES: intake.settings,
        OPERATOR_ACTIONS: intake.action,
    }
    for topic, turn in turns.items():
        guarded_agent(app, topic, turn, table=INTAKE_TABLES[topic])
    guarded_agent(
        app, SYNC_JOURNAL, reconcile_step, table=versioned(STATE_TABLE, version_in_use(config.broker, STATE_TABLE)),
        options=AgentOptions(every_s=config.sweep_s, on_tick=Sweep(config.sweep_s)),
    )  # fmt: skip
    return app


def position_of(record: Record) -> Position:
    """Where a record stood."""
    return Position(record.topic, record.partition, record.offset)


class Intake:
    """Inputs become journal entries. The tables file each native id under its pair when it is first seen.

    Without `settings` the order of changes and settings is left to whoever calls.
    """

    def __init__(self, directory: DirectoryFollower, partitions: int, settings: SettingsFollower | None = None) -> None:
        self._directory = directory
        self._partitions = partitions
        self._settings = settings
        self._journaled = 0

    async def change(self, record: Record, lane: Lane) -> None:
        """One change of either side."""
        change = decode(Change, record.value)
        directory = await self._directory.complete()
        await self._settings_first(record, lane)
        row = change.id.encode()
        filed = lane.get(row)
        known = filed.decode() if filed is not None else None
        key = filed_under(change, known)
        if key != known:
            lane.set(row, key.encode())
        entry = entry_of_change(change, known, directory, position_of(record))
        if entry is not None:  # a removal of something that was never seen is nobody's
            lane.send(SYNC_JOURNAL, entry.pair_key.encode(), encode(entry))

    async def _settings_first(self, record: Record, lane: Lane) -> None:
        """Journal the settings under which a change was read, unless this process has done so: their own agent may be
        behind. Written twice they change nothing."""
        if self._settings is None or settings_number(record) <= self._journaled:
            return
        settings = await self._settings.latest()
        if settings.number > self._journaled:
            self._journal_settings(settings, Position(SETTINGS_CHANGES, 0, self._settings.offset), lane)

    def _journal_settings(self, settings: Settings, source: Position, lane: Lane) -> None:
        self._journaled = max(self._journaled, settings.number)
        entry = encode(entry_of_settings(settings, source, self._partitions))
        for partition in range(self._partitions):
            lane.send(SYNC_JOURNAL, SETTINGS_ROW, entry, partition=partition)

    async def outcome(self, record: Record, lane: Lane) -> None:
        """One outcome of a command."""
        directory = await self._directory.complete()
        entry = entry_of_outcome(decode(Outcome, record.value), directory, position_of(record))
        lane.send(SYNC_JOURNAL, entry.pair_key.encode(), encode(entry))

    def settings(self, record: Record, lane: Lane) -> None:
        """New settings, written to every partition of the journal. Of two with one number the first stands."""
        arrived = decode(Settings, record.value)
        held, row = lane.get(SETTINGS_ROW), encode(arrived)
        if held is not None and held != row and decode(Settings, held).number >= arrived.number:
            return
        lane.set(SETTINGS_ROW, row)
        self._journal_settings(arrived, position_of(record), lane)

    def action(self, record: Record, lane: Lane) -> None:
        """One operator's action."""
        entry = entry_of_action(decode(OperatorAction, record.value), position_of(record))
        lane.send(SYNC_JOURNAL, entry.pair_key.encode(), encode(entry))


# Partitions may hold different documents for a moment, so a few are kept.
@lru_cache(maxsize=8)
def _settings_in(row: bytes | None) -> Settings:
    """The settings of a row of the table. Decoding them for each entry cost most of the work at some hundred users."""
    return Settings() if row is None else decode(Settings, row)


@lru_cache(maxsize=8)
def _tally_in(row: bytes | None) -> Tally:
    return Tally() if row is None else decode(Tally, row)


_states: Final = States()


def reconcile_step(record: Record, lane: Lane) -> None:
    """Fold one journal entry into its pair and send what was decided."""
    entry = decode(JournalEntry, record.value)
    settings = _settings_in(lane.get(SETTINGS_ROW))
    tally = _tally_in(lane.get(TALLY_ROW))
    if isinstance(entry.what, SettingsChanged):
        lane.set(SETTINGS_ROW, encode(newer_settings(settings, entry.what.settings)))
        lane.set(TALLY_ROW, encode(replace(tally, partitions=entry.what.partitions)))
        return
    row = entry.pair_key.encode()
    raw = lane.get(row)
    state = _states.read(row, raw) if raw is not None else PairState(entry.pair_key)
    done = step(state, entry, settings, partition=record.partition, offset=record.offset, tally=tally)
    for command in done.commands:
        _send_command(lane, command, decided_at_place(record))
    if done.decision is not None:
        observe_decision(done.decision)
        tell_decision(done.decision)
        lane.send(SYNC_DECISIONS, row, encode(done.decision))
    for forward in done.forwards:
        lane.send(SYNC_JOURNAL, forward.pair_key.encode(), encode(forward))
    if done.tally != tally:  # before the pair: after a crash a tally may be ahead of its pair, never behind
        lane.set(TALLY_ROW, encode(done.tally))
    written = encode(done.state)
    lane.set(row, written)
    _states.keep(row, written, done.state)
    if under_way(done.state):
        lane.set(UNDER_WAY_ROW + row, b"\x01")
    elif lane.get(UNDER_WAY_ROW + row) is not None:
        lane.delete(UNDER_WAY_ROW + row)


def _send_command(lane: Lane, command: Command, headers: Headers = ()) -> None:
    lane.send(COMMAND_TOPICS[command.side], command.pair_key.encode(), encode(command), headers=headers)


class Sweep:
    """Commands without an outcome for too long are sent again, under the same ids: the sinks know what they did.

    Each waits twice as long as before: what stands in a queue behind many others must not make the queue longer.
    """

    def __init__(self, overdue_s: float, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._overdue = timedelta(seconds=overdue_s)
        self._now = now
        self._waits: dict[int, dict[str, tuple[datetime, timedelta]]] = {}

    def __call__(self, partition: int, lane: Lane) -> None:
        """Look through one partition's pairs with a command under way."""
        now, before = self._now(), self._waits.get(partition, {})
        waits = self._waits[partition] = {}
        for row, _ in lane.items(UNDER_WAY_ROW):
            raw = lane.get(row.removeprefix(UNDER_WAY_ROW))
            if raw is None:
                continue
            for command in under_way(decode(PairState, raw)):
                due, wait = before.get(command.command_id, (command.decided_at + self._overdue, self._overdue))
                if due <= now:
                    _send_command(lane, command)
                    wait = min(2 * wait, SWEPT_MAX)
                    due = now + wait
                waits[command.command_id] = due, wait


def rows_of(partition: Partition) -> dict[bytes, bytes]:
    """What one partition of `sync-state` holds for this fold, byte for byte (invariant I8)."""
    rows = common_rows(partition)
    for state in partition.pairs.values():
        rows |= {key: value for key, value in pair_rows(state).items() if value is not None}
    return rows


def pair_rows(state: PairState) -> dict[bytes, bytes | None]:
    """The rows of one pair, None for one that must not be there."""
    row = state.pair_key.encode()
    return {row: encode(state), UNDER_WAY_ROW + row: b"\x01" if under_way(state) else None}


def common_rows(partition: Partition) -> dict[bytes, bytes]:
    """The rows of a partition that are no pair's."""
    if not partition.settings.number:
        return {}
    return {SETTINGS_ROW: encode(partition.settings), TALLY_ROW: encode(partition.tally)}
