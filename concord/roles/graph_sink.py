"""`concord sink graph`: commands to Microsoft 365, mailboxes side by side."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final

from concord.broker_access import app_options
from concord.config import Config
from concord.guard import GuardedApp, build_app, guarded_agent
from concord.roles.connections import attach
from concord.roles.graph_connection import Graph
from concord.roles.sinks import Sink, options
from connectors.exchange import run_async
from connectors.graph.sink import apply_command
from schemas.commands import Command, Outcome
from schemas.topics import GRAPH_COMMANDS

APP_NAME: Final = "concord-sink-graph"

# Commands carried out side by side by one worker; the client holds each mailbox to four requests.
COMMANDS_AT_ONCE: Final = 32


def build(config: Config) -> GuardedApp:
    """The role as an app that is ready to run."""
    app = build_app(
        APP_NAME, broker=config.broker, datadir=config.data_dir / f"sink-graph-{config.worker}",
        partitions=config.partitions, worker=f"sink-graph-{config.worker}",
        options=app_options(config),
    )  # fmt: skip
    graph = Graph(config)
    attach(app, graph)

    async def carry_out(command: Command) -> Outcome:
        return await run_async(apply_command(command, now=datetime.now(UTC)), graph.client.send)

    guarded_agent(app, GRAPH_COMMANDS, Sink(carry_out).step, table="graph-done", options=options(COMMANDS_AT_ONCE))
    return app
