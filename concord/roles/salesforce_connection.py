"""The Salesforce client as a companion of an app: opened with it, closed with it."""

from __future__ import annotations

from concord.config import Config
from concord.credentials import proxy_to, salesforce_credential
from connectors.exchange import run_async
from connectors.salesforce.client import SalesforceClient, SalesforceConnection
from connectors.salesforce.fields import FieldNames, read_field_names
from connectors.salesforce.org import adapted
from connectors.salesforce.pubsub import PubSubClient, PubSubConnection


class Salesforce:
    """A Salesforce client that lives as long as the app."""

    service = "salesforce"
    client: SalesforceClient

    def __init__(self, config: Config) -> None:
        self._connection = SalesforceConnection(
            url=config.salesforce_url, client_id=config.salesforce_client_id,
            credential=salesforce_credential(config), version=config.salesforce_version, ca_file=config.ca_file,
            proxy=proxy_to(config, config.salesforce_url), timeout_s=config.http_timeout_s,
        )  # fmt: skip
        self._streaming = PubSubConnection(
            address=config.pubsub_addr, ca_file=config.ca_file, proxy=proxy_to(config, config.pubsub_addr),
            is_plain=config.pubsub_plain, timeout_s=config.http_timeout_s,
        )  # fmt: skip
        self._given = read_field_names(config.salesforce_fields)
        self._learned: FieldNames | None = None

    async def names(self) -> FieldNames:
        """What the org calls its fields, completed from the org itself when first asked for. Raises ServiceError."""
        if self._learned is None:
            self._learned = await run_async(adapted(self._given), self.client.send_async)
        return self._learned

    def change_events(self) -> PubSubClient:
        """A client of the Pub/Sub API that signs in with this one."""
        return PubSubClient(self._streaming, lambda rejected: self.client.session_async(rejected))

    async def user_id(self) -> str:
        """The id of the user we are in Salesforce, "" when it does not say. Raises ServiceError."""
        return (await self.client.session_async()).user_id

    async def start(self) -> None:
        """Open."""
        self.client = SalesforceClient(self._connection)

    async def stop(self) -> None:
        """Close."""
        if hasattr(self, "client"):
            self.client.close()
