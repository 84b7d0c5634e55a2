"""The org and its bus as one service: whatever a request commits is on the bus when the request is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulators.http import Delivery, Request, Response
from simulators.pubsub.bus import EventBus
from simulators.pubsub.errors import PubSubError
from simulators.salesforce.service import SalesforceSimulator


class StreamingOrg:
    """A SalesforceSimulator with an EventBus beside it, in one thread, one state and one reset."""

    def __init__(self, org: SalesforceSimulator, bus: EventBus) -> None:
        self.org = org
        self.bus = bus
        org.resources.event_schemas = _Schemas(bus)

    def handle(self, request: Request) -> Response:
        """Answer a request of the org, then publish what it committed."""
        response = self.org.handle(request)
        self.bus.tick()
        return response

    def due_deliveries(self) -> Sequence[Delivery]:
        """Nothing to deliver over HTTP; the edge asks often, which is when the bus looks at clock and change log."""
        self.bus.tick()
        return self.org.due_deliveries()

    def delivered(self, delivery_id: str, response: Response | None) -> None:
        """Nothing is ever delivered over HTTP."""
        self.org.delivered(delivery_id, response)

    def reset(self) -> None:
        """Back to the seed; open streams end and their replay ids become invalid."""
        self.org.reset()
        self.bus.reset()

    def dump(self) -> dict[str, Any]:
        """The org's state, the bus's under `pubsub`."""
        self.bus.tick()
        return {**self.org.dump(), "pubsub": self.bus.dump()}

    def load(self, state: dict[str, Any]) -> None:
        """Replace both states by what `dump` gave. A state from before there was a bus starts an empty stream."""
        self.org.load(state)
        if "pubsub" in state:
            self.bus.load(state["pubsub"])
        else:
            self.bus.reset()


class _Schemas:
    """The bus's schemas as the REST API serves them."""

    def __init__(self, bus: EventBus) -> None:
        self._bus = bus

    def of_event(self, name: str) -> tuple[str, str] | None:
        """By the name of a change event."""
        topic = next((one for one in self._bus.channels if one.lower() == f"/data/{name}".lower()), None)
        if topic is None or not topic.endswith("ChangeEvent"):
            return None
        schema = self._bus.topic_schema(topic)
        return schema.id, schema.text

    def by_id(self, schema_id: str) -> tuple[str, str] | None:
        """By the id that events carry."""
        try:
            schema = self._bus.schema_by_id(schema_id)
        except PubSubError:
            return None
        return schema.id, schema.text
