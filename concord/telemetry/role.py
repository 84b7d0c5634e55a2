"""What a role answers when it is asked how it is, and what it measures of the services it talks to.

Everything is looked up when somebody asks; work itself only counts.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

from aiokafka.errors import KafkaError
from prometheus_client import REGISTRY
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from concord.guard import GuardedApp
from concord.telemetry import names
from concord.telemetry.names import add
from concord.telemetry.probes import probes
from connectors.salesforce.budget import usage

# How often the broker is asked, and how long it may take to answer, in seconds.
ASK_EVERY_S: Final = 5.0
ANSWER_S: Final = 5.0
# An event loop that has not got round for so long is stuck, in seconds: a step in it never ends. A restart helps.
STUCK_S: Final = 60.0

Families = Iterator[GaugeMetricFamily | CounterMetricFamily]


class BrokerWatch:
    """Asks the broker now and then for the end of a topic. A companion of the app."""

    def __init__(self, app: GuardedApp) -> None:
        self._app = app
        self._task: asyncio.Task[None] | None = None
        self.trouble = ""

    async def start(self) -> None:
        """Begin to ask."""
        self._task = asyncio.create_task(self._run(), name="broker watch")

    async def stop(self) -> None:
        """Ask no more."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def _run(self) -> None:
        topic = self._app.guards[0].topic
        while True:
            try:
                await asyncio.wait_for(self._app.reader.ends(topic, [0]), ANSWER_S)
                self.trouble = ""
            except (KafkaError, TimeoutError) as error:
                self.trouble = f"the broker does not answer ({type(error).__name__})"
            await asyncio.sleep(ASK_EVERY_S)


class RoleProbe(Collector):
    """Whether a role is alive and ready."""

    def __init__(self, app: GuardedApp) -> None:
        self._app = app
        self._broker = BrokerWatch(app)
        app.alongside(self._broker)

    def why_not_alive(self) -> list[str]:
        """Only a loop that is stuck: against a broker or a service that is away no restart helps, and the guard ends
        the process itself where one does."""
        age_s = self._app.beat_age_s
        return [f"nothing has moved for {age_s:.0f} s"] if age_s is not None and age_s > STUCK_S else []

    def why_not_ready(self) -> list[str]:
        """What keeps it from its work now."""
        conditions = [self._app.why_not_ready(), self._broker.trouble, *(ask() for ask in self._app.conditions)]
        return [*filter(None, conditions), *self.why_not_alive()]

    def collect(self) -> Families:
        """Readiness as a metric."""
        ready, recovering = names.READY.family(), names.RECOVERING.family()
        add(ready, not self.why_not_ready())
        add(recovering, self._app.recovering)
        yield from (ready, recovering)


class Client(Protocol):
    """What is read of a service's client."""

    counts: Mapping[tuple[str, str], int]
    throttled: int
    trouble: str


class ServiceCollector(Collector):
    """What one service's client has counted. `client` gives None before it is there."""

    def __init__(self, service: str, client: Callable[[], Client | None]) -> None:
        self._service = service
        self._client = client

    def collect(self) -> Families:
        """The counts as they stand."""
        client = self._client()
        requests, throttled, up = names.REQUESTS.family(), names.THROTTLED.family(), names.SERVICE_UP.family()
        if client is not None:
            # A copy in one go: other threads count meanwhile.
            for (kind, status), count in sorted(dict(client.counts).items()):
                add(requests, count, self._service, kind, status)
            add(throttled, client.throttled, self._service)
            add(up, not client.trouble, self._service)
        yield from (requests, throttled, up)
        yield from self._budget(getattr(client, "api_usage", ""))

    def _budget(self, limit_info: str) -> Families:
        limit, remaining = names.API_LIMIT.family(), names.API_REMAINING.family()
        known = usage(limit_info)
        if known is not None:
            add(limit, known[1], self._service)
            add(remaining, max(0, known[1] - known[0]), self._service)
        yield from (limit, remaining)


@contextlib.contextmanager
def answering(app: GuardedApp, host: str, port: int | None) -> Iterator[int | None]:
    """Serve the role's metrics and probes for the length of a `with` block around `run_app`; nothing without a port.

    Gives the port (the one taken, for 0). Raises ConfigError when the address cannot be listened on.
    """
    if port is None:
        yield None
        return
    probe = RoleProbe(app)
    collectors: list[Any] = [probe, *app.collectors]
    for collector in collectors:
        REGISTRY.register(collector)
    try:
        with probes(host, port, probe) as taken:
            yield taken
    finally:
        for collector in collectors:
            REGISTRY.unregister(collector)
