"""A service's client beside an app: living as long as it, measured, and asked when the app is asked if it is ready.

The two clients are in modules of their own: a role that talks to one service does not load the libraries of the other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from concord.guard import GuardedApp
from concord.telemetry.role import Client, ServiceCollector

if TYPE_CHECKING:
    from concord.roles.graph_connection import Graph
    from concord.roles.salesforce_connection import Salesforce


def attach(app: GuardedApp, connection: Graph | Salesforce) -> None:
    """Let a connection live as long as the app, be measured, and be asked for when the app is asked if it is ready."""
    app.alongside(connection)

    def client() -> Client | None:
        return getattr(connection, "client", None)

    def trouble() -> str:
        found = client()
        return found.trouble if found is not None else ""

    app.collectors.append(ServiceCollector(connection.service, client))
    app.conditions.append(trouble)
