"""What a role says of itself, with an app that never runs."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
from aiokafka.errors import KafkaConnectionError
from faust.types import TP
from prometheus_client import REGISTRY

from concord.guard import app as app_module
from concord.guard import build_app, guarded_agent
from concord.guard.app import GuardedApp
from concord.telemetry import role
from concord.telemetry.role import BrokerWatch, RoleProbe, ServiceCollector, answering
from schemas.topics import SYNC_JOURNAL


@pytest.fixture
def app(tmp_path: Path) -> GuardedApp:
    """An app that never runs."""
    app = build_app("concord-test", broker="127.0.0.1:1", datadir=tmp_path)
    guarded_agent(app, SYNC_JOURNAL, lambda record, lane: None, table="t")
    return app


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The clock of the app."""
    moment = [1000.0]
    monkeypatch.setattr(app_module.time, "monotonic", lambda: moment[0])
    return moment


def test_ready_only_with_partitions_whose_tables_are_recovered(
    app: GuardedApp, now: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Starting, joining, recovering, ready, and not ready again when the partitions are taken away."""
    probe = RoleProbe(app)
    assert probe.why_not_ready() == ["starting"]
    app._beat = now[0]
    assert "no partitions" in probe.why_not_ready()[0]
    app._holds, app._is_recovering = frozenset({TP("t", 0)}), True
    monkeypatch.setattr(type(app.tables.recovery), "active_remaining_total", lambda _: 42)
    assert probe.why_not_ready() == ["tables are being recovered, 42 changes to go"]
    app._is_recovering = False
    assert probe.why_not_ready() == []
    assert app.recovering == 0
    app._holds = None
    assert probe.why_not_ready() != []


def test_dead_only_when_the_loop_stands(app: GuardedApp, now: list[float]) -> None:
    """Before it began, and while it gets round, a restart would not help; a broker that is away changes nothing."""
    probe = RoleProbe(app)
    assert probe.why_not_alive() == []
    app._beat = now[0]
    probe._broker.trouble = "the broker does not answer (KafkaConnectionError)"
    now[0] += role.STUCK_S - 1
    assert probe.why_not_alive() == []
    now[0] += 2
    assert probe.why_not_alive() == ["nothing has moved for 61 s"]
    assert "nothing has moved for 61 s" in probe.why_not_ready()


def test_not_ready_while_broker_or_service_does_not_answer(app: GuardedApp, now: list[float]) -> None:
    """Each says why; the role's own state is asked as well."""
    app._beat, app._holds = now[0], frozenset()
    probe = RoleProbe(app)
    app.conditions.append(lambda: "Salesforce cannot be reached: ConnectTimeout.")
    probe._broker.trouble = "the broker does not answer (TimeoutError)"
    assert probe.why_not_ready() == [
        "the broker does not answer (TimeoutError)",
        "Salesforce cannot be reached: ConnectTimeout.",
    ]


def test_the_broker_is_asked_again_and_again(app: GuardedApp, monkeypatch: pytest.MonkeyPatch) -> None:
    """A failure is told until an answer comes."""
    answers: list[BaseException | None] = [None, KafkaConnectionError("away"), None]
    seen: list[str] = []
    done = asyncio.Event()

    class Reader:
        async def ends(self, topic: str, partitions: list[int]) -> dict[int, int]:
            assert (topic, partitions) == (SYNC_JOURNAL, [0])
            seen.append(watch.trouble)
            if not answers:
                done.set()
                await asyncio.Event().wait()
            answer = answers.pop(0)
            if answer is not None:
                raise answer
            return {0: 1}

    async def scenario() -> None:
        await watch.start()
        await asyncio.wait_for(done.wait(), 10)
        await watch.stop()

    monkeypatch.setattr(role, "ASK_EVERY_S", 0.0)
    watch: Any = BrokerWatch(app)
    app.reader = Reader()  # type: ignore[assignment]
    asyncio.run(scenario())
    assert seen == ["", "", "the broker does not answer (KafkaConnectionError)", ""]


@dataclass
class FakeClient:
    """What is read of a client."""

    counts: Counter[tuple[str, str]] = field(default_factory=Counter)
    throttled: int = 0
    trouble: str = ""
    api_usage: str = ""


def samples(collector: Any) -> dict[tuple[str, ...], float]:
    """Values by name and labels."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in collector.collect()
        for sample in family.samples
    }


def test_a_services_counts_are_told_as_they_stand() -> None:
    """Requests by kind and status, throttles, whether it answers, and what is left of the day's requests."""
    client = FakeClient(Counter({("POST", "200"): 3, ("GET", "unavailable"): 1}), throttled=2)
    collector = ServiceCollector("salesforce", lambda: client)
    found = samples(collector)
    assert found == {
        ("concord_service_requests_total", "salesforce", "POST", "200"): 3,
        ("concord_service_requests_total", "salesforce", "GET", "unavailable"): 1,
        ("concord_service_throttled_total", "salesforce"): 2,
        ("concord_service_up", "salesforce"): 1,
    }
    client.trouble, client.api_usage = "Salesforce did not answer.", "api-usage=18/15000"
    found = samples(collector)
    assert found[("concord_service_up", "salesforce")] == 0
    assert found[("concord_service_api_requests_remaining", "salesforce")] == 14_982
    assert found[("concord_service_api_requests_limit", "salesforce")] == 15_000


def test_before_the_client_is_there_nothing_is_told() -> None:
    """A role that is starting has no numbers, not zeros."""
    assert samples(ServiceCollector("graph", lambda: None)) == {}


def test_nothing_listens_without_a_port(app: GuardedApp) -> None:
    """And nothing is registered, nor asked of the broker."""
    before = set(REGISTRY._collector_to_names)
    with answering(app, "127.0.0.1", None):
        assert set(REGISTRY._collector_to_names) == before
        assert app._companions == []


def test_with_a_port_a_role_answers_and_cleans_up(app: GuardedApp) -> None:
    """Its own collectors are served beside the guard's metrics for as long as it runs."""
    app.collectors.append(ServiceCollector("graph", lambda: FakeClient(throttled=5)))
    before = set(REGISTRY._collector_to_names)
    with answering(app, "127.0.0.1", 0) as port:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        assert 'concord_service_throttled_total{service="graph"} 5.0' in text
        assert "concord_ready 0.0" in text
        assert httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).json()["why_not"] == ["starting"]
    assert set(REGISTRY._collector_to_names) == before
