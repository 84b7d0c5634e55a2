"""A topic stream of the product on a real connection to the simulated bus, and what it handed on."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

from pydantic import SecretStr
from support.pubsub_client import EVENTS
from support.pubsub_wire_client import control, status
from support.salesforce_client import event_body
from support.waiting import DEADLINE_S

from concord.roles.topic_stream import TopicStream
from connectors.salesforce.client import SalesforceClient, SalesforceConnection
from connectors.salesforce.credentials import ConsumerSecret
from connectors.salesforce.pubsub import PubSubClient, PubSubConnection
from connectors.secret import Secret
from schemas.changes import Notice, Wakeup
from simulators.launch import Simulators


@dataclass
class Receiving:
    """`wakeups` is what was handed on. Each is worked off at once, as long as it `goes_on`."""

    simulators: Simulators
    topic: str = EVENTS
    replay_id: bytes = b""
    wakeups: list[Wakeup] = field(default_factory=list)
    goes_on: asyncio.Event = field(default_factory=asyncio.Event)
    stream: TopicStream = field(init=False)

    async def run_while(self, acts: Callable[[Receiving], Awaitable[None]]) -> None:
        """Keep the stream open while these acts go on."""
        self.goes_on.set()
        env = self.simulators.environment()
        rest = SalesforceClient(
            SalesforceConnection(
                env["SF_TLS_URL"], env["SF_CLIENT_ID"],
                ConsumerSecret(Secret("", SecretStr(env["SF_CLIENT_SECRET"]))),
                ca_file=self.simulators.certificates.ca_file, timeout_s=5,
            )
        )  # fmt: skip
        connection = PubSubConnection(env["PUBSUB_TLS_ADDR"], self.simulators.certificates.ca_file)
        client = PubSubClient(connection, rest.session_async)
        self.stream = TopicStream(self.topic, self.replay_id, client, self._post)
        running = asyncio.create_task(self.stream.run())
        try:
            await acts(self)
        finally:
            running.cancel()
            await asyncio.wait({running})
            await client.close()
            rest.close()

    async def _post(self, wakeup: Wakeup) -> None:
        self.wakeups.append(wakeup)
        await self.goes_on.wait()
        asyncio.get_running_loop().call_soon(self.stream.taken, wakeup)

    @property
    def notices(self) -> list[Notice]:
        """Everything that was told."""
        return [notice for wakeup in self.wakeups for notice in wakeup.notices]

    @property
    def record_ids(self) -> list[str]:
        """The records that were named, in order."""
        return [record_id for notice in self.notices for record_id in notice.record_ids]

    @property
    def reasons(self) -> list[str]:
        """Why it woke up."""
        return [wakeup.reason for wakeup in self.wakeups]

    async def until(self, condition: Callable[[], bool], what: str) -> None:
        """Wait for something. Fails at the deadline."""
        end = time.monotonic() + DEADLINE_S
        while not condition():
            assert time.monotonic() < end, f"{what} did not come; woken up for {self.reasons}"
            await asyncio.sleep(0.01)

    async def until_open(self, streams: int = 1) -> None:
        """Wait until the service has the subscription."""
        await self.until(lambda: status(self.simulators)["streams"].count(self.topic) >= streams, "the stream")

    async def create(self, count: int = 1, **fields: Any) -> list[str]:
        """People make events; their ids."""
        return [await self.on_org("insert", "Event", event_body(**fields)) for _ in range(count)]

    async def on_org(self, name: str, *arguments: Any) -> Any:
        """Call a method of the simulated org, and let its bus see what it committed."""
        sims = self.simulators

        def act() -> Any:
            made = getattr(sims.salesforce, name)(*arguments)
            sims.bus.tick()
            return made

        return await asyncio.to_thread(sims.on_salesforce, act)

    async def control(self, name: str, value: Any = None) -> Any:
        """One POST to the control surface of the org."""
        return await asyncio.to_thread(control, self.simulators, name, value)


def receive(receiving: Receiving, acts: Callable[[Receiving], Coroutine[Any, Any, None]]) -> Receiving:
    """Run a stream for the length of these acts."""
    asyncio.run(receiving.run_while(acts))
    return receiving
