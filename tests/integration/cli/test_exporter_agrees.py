"""The exporter tells of a real broker what `concord lag`, `concord status` and `concord quarantine` tell."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import pytest
from integration.cli.firm import SINK_GRAPH, Firm
from prometheus_client import CollectorRegistry
from prometheus_client.parser import text_string_to_metric_families

from concord.telemetry.exporter import Exporter
from concord.telemetry.probes import probes
from concord.telemetry.progress import State
from schemas.topics import GRAPH_COMMANDS, SYNC_JOURNAL

pytestmark = pytest.mark.broker

Samples = dict[tuple[str, ...], float]


@pytest.fixture(scope="module")
def exporter(firm: Firm) -> Iterator[Exporter]:
    """One that looks when it is asked to, with a window that two looks fill."""
    exporter = Exporter(firm.address, every_s=3600.0, window_s=0.001)
    exporter.try_to_look()
    exporter.try_to_look()
    yield exporter
    exporter._stop.set()
    exporter._run()


def scraped(exporter: Exporter) -> Samples:
    """What Prometheus reads over HTTP: values by name and labels in alphabetical order."""
    registry = CollectorRegistry()
    registry.register(exporter)
    with probes("127.0.0.1", 0, exporter, registry) as port:
        text = httpx.get(f"http://127.0.0.1:{port}/metrics", trust_env=False).text
        assert httpx.get(f"http://127.0.0.1:{port}/readyz", trust_env=False).status_code == 200
    return {
        (sample.name, *(sample.labels[name] for name in sorted(sample.labels))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_lag_is_what_concord_lag_says(firm: Firm, exporter: Exporter) -> None:
    """Every row of every group: behind, committed, end."""
    found = scraped(exporter)
    rows = json.loads(firm.run("lag", "--json").stdout)
    assert len(rows) > 20
    for row in rows:
        where = (row["group"] or "(none)", str(row["partition"]), row["topic"])
        assert found["kafka_consumergroup_group_lag", *where] == row["records_behind"], row
        assert found["kafka_partition_latest_offset", *where[1:]] == row["end"]
        assert found["kafka_partition_earliest_offset", *where[1:]] == row["start"]
        assert found.get(("kafka_consumergroup_group_offset", *where)) == row["committed"]
    assert {key[1] for key in found if key[0] == "kafka_consumergroup_group_lag"} == {
        r["group"] or "(none)" for r in rows
    }


def test_a_group_behind_without_workers_is_stopped(firm: Firm, exporter: Exporter) -> None:
    """Two Graph commands wait and nobody is there: the exporter and `concord lag --over` say so, and the exit code."""
    found = scraped(exporter)
    where = (SINK_GRAPH, "0")
    assert found["concord_group_state", *where, State.STOP, GRAPH_COMMANDS] == 1
    assert found["concord_group_state", *where, State.STALL, GRAPH_COMMANDS] == 0
    assert found["concord_group_state", "concord-reconcile", "0", State.OK, SYNC_JOURNAL] == 1
    assert found["concord_group_members", SINK_GRAPH] == 0
    assert found["kafka_consumergroup_group_lag_seconds", *where, GRAPH_COMMANDS] > 0
    done = firm.run("lag", "--over", "0.2", "--json")
    states = {(r["group"], r["topic"], r["partition"]): r["state"] for r in json.loads(done.stdout)}
    assert states[SINK_GRAPH, GRAPH_COMMANDS, 0] == State.STOP
    assert done.exit_code == 1


def test_pairs_are_what_concord_status_says(firm: Firm, exporter: Exporter) -> None:
    """By status, in error by reason; and one write without an answer."""
    found = scraped(exporter)
    total = json.loads(firm.run("status", "--json").stdout)["total"]
    for status in ("synced", "pending", "error", "not_synced"):
        assert found["concord_pairs", status] == total[status]
    (error,) = total["error_reasons"]
    assert found["concord_errors", error["reason"]] == error["pairs"]
    assert found["concord_pending_commands", "salesforce"] == 1
    assert found["concord_oldest_pending_command_age_seconds", "salesforce"] > 0
    assert found[("concord_unreadable_journal_entries",)] == 0
    assert found[("concord_exporter_up",)] == 1
