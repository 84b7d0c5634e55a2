"""A sink that stops under load: everybody names the same lag, its state is told, and it is gone after a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample
from support.kafka_tool import described_groups, has_kafka_tool
from support.promql import samples_in, selected
from support.running import Running
from typer.testing import CliRunner

from concord.cli import app
from concord.telemetry.exporter import Exporter
from concord.telemetry.probes import probes
from concord.telemetry.progress import State
from schemas.topics import SALESFORCE_COMMANDS

pytestmark = [pytest.mark.broker, pytest.mark.long]

GROUP = "concord-sink-salesforce"
RULES = Path(__file__).parents[3] / "deploy" / "prometheus" / "rules.yml"
EVENTS = 8

Lags = dict[int, tuple[int, int]]


class Scraped:
    """An exporter that looks when it is asked to, and what it serves."""

    def __init__(self, firm: Running) -> None:
        # A window shorter than two looks: what does not move between them stands.
        self.exporter = Exporter(firm.broker, every_s=3600.0, window_s=1.0)
        self._registry = CollectorRegistry()
        self._registry.register(self.exporter)

    def samples(self) -> list[Sample]:
        """What Prometheus gets after a look."""
        self.exporter.try_to_look()
        with probes("127.0.0.1", 0, self.exporter, self._registry) as port:
            return samples_in(httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False, timeout=30).text)

    def values(self, name: str, **labels: str) -> dict[int, float]:
        """One metric of the sink's commands, by partition."""
        wanted = {"group": GROUP, "topic": SALESFORCE_COMMANDS, **labels}
        return {
            int(sample.labels["partition"]): sample.value
            for sample in self.samples()
            if sample.name == name and wanted.items() <= sample.labels.items()
        }


@pytest.fixture
def scraped(firm: Running) -> Iterator[Scraped]:
    """An exporter of this test's own."""
    one = Scraped(firm)
    yield one
    one.exporter._stop.set()
    one.exporter._run()


def by_command(firm: Running) -> Lags:
    """`concord lag --json`: committed offset and records behind of the sink's commands, by partition."""
    done = CliRunner().invoke(app, ["lag", "--json"], env={"CONCORD_BROKER": firm.broker}, catch_exceptions=False)
    rows = [row for row in json.loads(done.stdout) if (row["group"], row["topic"]) == (GROUP, SALESFORCE_COMMANDS)]
    return {row["partition"]: (row["committed"], row["records_behind"]) for row in rows if row["committed"] is not None}


def by_exporter(scraped: Scraped) -> Lags:
    """`/metrics`: the same."""
    lag = scraped.values("kafka_consumergroup_group_lag")
    offsets = scraped.values("kafka_consumergroup_group_offset")
    return {part: (int(offset), int(lag[part])) for part, offset in offsets.items()}


def by_tool(firm: Running) -> Lags:
    """Kafka's own tool: the same."""
    rows = [row for row in described_groups(firm.broker) if row[:2] == (GROUP, SALESFORCE_COMMANDS)]
    return {part: (committed, lag) for _, _, part, committed, _, lag in rows}


def alert(name: str) -> str:
    """The expression of an alert."""
    loaded = yaml.safe_load(RULES.read_text(encoding="utf-8"))
    (found,) = [rule["expr"] for group in loaded["groups"] for rule in group["rules"] if rule["alert"] == name]
    return str(found)


def test_a_stopped_sink_is_seen_alike_by_all_and_its_lag_is_gone_after_a_restart(
    firm: Running, scraped: Scraped
) -> None:
    """`concord lag`, `/metrics` and kafka-consumer-groups show the same numbers while records wait; the partitions are
    called stopped, which is what the alert asks for; after the restart all of them fall to 0."""
    user = firm.users[0]
    firm.settle()
    assert sum(by_exporter(scraped)[part][1] for part in by_exporter(scraped)) == 0
    firm.env.roles.halt("sink-salesforce")
    try:
        for number in range(EVENTS):
            firm.outlook.create(user.address, firm.meeting(f"While the sink is away {number}", firm.a_free_day()))
        firm.until(lambda: sum(lag for _, lag in by_command(firm).values()) >= EVENTS, "the commands", 90)

        def agreed() -> Lags | None:
            """Reconcile sends overdue commands again now and then: compared when nothing came meanwhile."""
            before = by_command(firm)
            told = [by_exporter(scraped), *([by_tool(firm)] if has_kafka_tool() else [])]
            if by_command(firm) != before:
                return None
            assert all(one == before for one in told), (before, told)
            return before

        lags = firm.until(agreed, "a moment in which nothing came", 120)
        assert sum(lag for _, lag in lags.values()) >= EVENTS
        behind = {part for part, (_, lag) in lags.items() if lag}

        def stopped() -> bool:
            found = scraped.values("concord_group_state", state=State.STOP)
            return {part for part, value in found.items() if value} >= behind

        firm.until(stopped, "the state", 60)  # the group forgets a worker that left after its session of 10 s
        fired = [s for s in selected(alert("ConcordGroupStopped"), scraped.samples()) if s.value == 1]
        assert {int(s.labels["partition"]) for s in fired if s.labels["group"] == GROUP} >= behind
        assert min(scraped.values("kafka_consumergroup_group_lag_seconds")[part] for part in behind) > 0
        stale = [s for s in scraped.samples() if s.name == "concord_side_staleness_seconds"]
        assert [s.value > 0 for s in stale if s.labels["side"] == "salesforce"] == [True]
    finally:
        firm.env.roles.resume("sink-salesforce")
    firm.settle()
    assert {lag for _, lag in by_exporter(scraped).values()} == {0}
    assert {lag for _, lag in by_command(firm).values()} == {0}
    firm.until(lambda: set(scraped.values("concord_group_state", state=State.OK).values()) == {1.0}, "all is well")
    if has_kafka_tool():
        assert {lag for _, lag in by_tool(firm).values()} == {0}


def test_each_role_serves_only_metrics_of_the_catalogue_and_is_ready(firm: Running) -> None:
    """Over HTTP, as it runs: alive, ready, its partitions and what it counted, by names that the catalogue holds."""
    from concord.telemetry.names import BY_NAME

    made = firm.outlook.create(firm.users[0].address, firm.meeting("To be measured", firm.a_free_day()))
    firm.record_of(made["id"], Subject="To be measured")
    seen = {}
    for role, port in firm.env.metrics.items():
        url = f"http://127.0.0.1:{port}"

        def is_ready(url: str = url) -> bool:
            return httpx.get(f"{url}/readyz", trust_env=False).status_code == 200

        firm.until(is_ready, f"{role} to be ready")
        assert httpx.get(f"{url}/healthz", trust_env=False).status_code == 200
        samples = samples_in(httpx.get(f"{url}/metrics", trust_env=False).text)
        ours = [s for s in samples if s.name.startswith(("concord_", "kafka_")) and not s.name.endswith("_created")]
        assert {s.name for s in ours} <= set(BY_NAME), role
        assert all(set(s.labels) - {"le"} == set(BY_NAME[s.name].labels) for s in ours), role
        seen[role] = {s.name: s.value for s in ours}
    assert all(values["concord_ready"] == 1 for values in seen.values())
    assert seen["sink-salesforce"]["concord_write_delay_seconds_count"] >= 1
    assert seen["source-graph"]["concord_graph_subscriptions"] >= 1
    assert seen["source-salesforce"]["concord_service_api_requests_remaining"] > 0
    assert "concord_decisions_total" in seen["reconcile"]
