"""`concord sink salesforce`: commands to Salesforce, gathered into rounds of calls."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from concord.broker_access import app_options
from concord.config import Config
from concord.guard import GuardedApp, build_app, guarded_agent
from concord.guard.ending import end_process
from concord.guard.positions import PASSING
from concord.roles.connections import attach
from concord.roles.integration_log import OPTIONS as LOG_OPTIONS
from concord.roles.integration_log import IntegrationLog, systems_of
from concord.roles.salesforce_connection import Salesforce
from concord.roles.sinks import Sink, options
from connectors.exchange import run_async
from connectors.salesforce.sink import ROUND_MAX, apply_commands
from schemas.commands import Action, Command, Outcome
from schemas.errors import ConcordError
from schemas.groups import MARKS
from schemas.topics import SALESFORCE_COMMANDS, SYNC_OUTCOMES

APP_NAME: Final = "concord-sink-salesforce"

# How long a round waits for company after its first command, in seconds. Adds itself to the latency of a single edit.
GATHER_S: Final = 0.01
# A flood: so many creates and marks within so many seconds, as in a first exchange. Nobody waits for one of them, and a
# request for two hundred counts as one, so a round then waits for more: until it is full, so long, or until no more
# come. Somebody's edit or deletion among them takes the round along at once.
FLOOD_COMMANDS: Final = 60
FLOOD_S: Final = 5.0
FILL_S: Final = 15.0
EBB_S: Final = 2.5


def build(config: Config) -> GuardedApp:
    """The role as an app that is ready to run."""
    app = build_app(
        APP_NAME, broker=config.broker, datadir=config.data_dir / f"sink-salesforce-{config.worker}",
        partitions=config.partitions, worker=f"sink-salesforce-{config.worker}",
        options=app_options(config),
    )  # fmt: skip
    salesforce = Salesforce(config)
    rounds = Rounds(salesforce)
    attach(app, salesforce)
    app.alongside(rounds)
    log = IntegrationLog(salesforce, systems_of(config))
    guarded_agent(app, SYNC_OUTCOMES, log.step, table="integration-log", options=LOG_OPTIONS)
    guarded_agent(
        app, SALESFORCE_COMMANDS, Sink(rounds.carry_out).step, table="salesforce-done", options=options(ROUND_MAX)
    )
    return app


class Rounds:
    """Gathers the commands of different pairs that wait at one moment and carries them out together."""

    def __init__(self, salesforce: Salesforce) -> None:
        self._salesforce = salesforce
        self._waiting: list[tuple[Command, asyncio.Future[Outcome]]] = []
        self._arrived = asyncio.Event()
        self._tried: set[str] = set()  # commands that were sent and got no answer
        self._times: deque[float] = deque(maxlen=FLOOD_COMMANDS)  # of creates and marks
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begin to gather."""
        self._task = asyncio.create_task(self._run(), name="salesforce rounds")
        self._task.add_done_callback(_must_not_fail)

    async def stop(self) -> None:
        """Stop; what waits is done by whoever comes next."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def carry_out(self, command: Command) -> Outcome:
        """One command's outcome. Raises what its round, or Salesforce for this record, raised."""
        outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((command, outcome))
        if is_patient(command):
            self._times.append(time.monotonic())
        self._arrived.set()
        return await outcome

    async def _run(self) -> None:
        while True:
            await self._arrived.wait()
            await self._gather()
            round_, self._waiting = self._waiting[:ROUND_MAX], self._waiting[ROUND_MAX:]
            if not self._waiting:
                self._arrived.clear()
            await self._carry_out([pair for pair in round_ if not pair[1].done()])

    async def _gather(self) -> None:
        """Wait for company: a moment, in a flood until the round is full."""
        await asyncio.sleep(GATHER_S)
        begun = time.monotonic()
        while self._may_wait() and is_worth_waiting(self._times, begun, time.monotonic()):  # noqa: ASYNC110 - time
            await asyncio.sleep(GATHER_S)

    def _may_wait(self) -> bool:
        return len(self._waiting) < ROUND_MAX and all(is_patient(command) for command, _ in self._waiting)

    async def _carry_out(self, round_: list[tuple[Command, asyncio.Future[Outcome]]]) -> None:
        if not round_:
            return
        commands = [command for command, _ in round_]
        try:
            names = await self._salesforce.names()
            tried = frozenset(self._tried.intersection(command.command_id for command in commands))
            exchange = apply_commands(commands, now=datetime.now(UTC), names=names, tried=tried)
            results = await run_async(exchange, self._salesforce.client.send_async)
        except Exception as error:  # noqa: BLE001  # each waiting step gets it: the guard retries or quarantines
            if len(round_) > 1 and not isinstance(error, PASSING):
                # One of them is poison. Each for itself, so that only that one is quarantined; doing one again is safe.
                for pair in round_:
                    await self._carry_out([pair])
                return
            self._tried.update(command.command_id for command in commands)
            for _, outcome in round_:
                if not outcome.done():
                    outcome.set_exception(error)
            return
        for (command, outcome), result in zip(round_, results, strict=True):
            if isinstance(result, ConcordError):
                self._tried.add(command.command_id)
            else:
                self._tried.discard(command.command_id)
            if outcome.done():
                continue
            if isinstance(result, ConcordError):
                outcome.set_exception(result)
            else:
                outcome.set_result(result)


def is_patient(command: Command) -> bool:
    """Whether nobody waits for it in a flood: a new event, or our mark on one. Pure."""
    return command.action is Action.CREATE or command.fields == (MARKS,)


def is_worth_waiting(arrivals: Sequence[float], begun: float, now: float) -> bool:
    """Whether a round that began to gather at `begun` waits for more, given when the latest commands arrived. Pure."""
    is_flood = len(arrivals) >= FLOOD_COMMANDS and arrivals[-1] - arrivals[-FLOOD_COMMANDS] <= FLOOD_S
    return is_flood and now - begun < FILL_S and now - arrivals[-1] < EBB_S


def _must_not_fail(task: asyncio.Task[None]) -> None:
    """Without rounds every command would wait for ever."""
    problem = None if task.cancelled() else task.exception()
    if problem is not None:
        end_process(f"{type(problem).__name__} in {task.get_name()}")
