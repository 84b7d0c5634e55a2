"""The org and its bus as one service: whatever a request commits is on the bus when the request is answered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from simulators.http import Delivery, Request, Response
from simulators.pubsub.bus import EventBus
from simulators.salesforce.service import SalesforceSimulator


class StreamingOrg:
    """A SalesforceSimulator with an EventBus beside it, in one thread, one state and one reset."""

    def __init__(self, org: SalesforceSimulator, bus: EventBus) -> None:
        self.org = org
        self.bus = bus

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
