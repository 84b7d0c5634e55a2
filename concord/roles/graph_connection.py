"""The Graph client as a companion of an app: opened with it, closed with it."""

from __future__ import annotations

from concord.config import Config
from concord.credentials import graph_credential, proxy_to
from connectors.graph.client import GraphClient
from connectors.graph.tokens import GraphConnection


class Graph:
    """A Graph client that lives as long as the app."""

    service = "graph"
    client: GraphClient

    def __init__(self, config: Config) -> None:
        self._connection = GraphConnection(
            base_url=config.graph_url, authority=config.graph_authority, tenant=config.graph_tenant,
            client_id=config.graph_client_id, credential=graph_credential(config), ca_bundle=config.ca_file,
            proxy=proxy_to(config, config.graph_url), timeout_s=config.http_timeout_s,
        )  # fmt: skip

    async def start(self) -> None:
        """Open."""
        self.client = GraphClient(self._connection)

    async def stop(self) -> None:
        """Close."""
        if hasattr(self, "client"):
            await self.client.close()
