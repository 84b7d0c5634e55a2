"""The catalogue of metrics: names, types and labels as Prometheus wants them, and nothing measured beside it."""

from __future__ import annotations

import re

import pytest
from prometheus_client import REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from concord.guard import metrics as guard_metrics
from concord.telemetry import delays
from concord.telemetry.names import BY_NAME, CATALOGUE, Kind, Metric, add

# Whose values are counted on one hand, or come from our own tables.
LABELS = {
    "topic", "partition", "group", "state", "error", "service", "kind", "status", "verdict", "reason", "side", "action",
    "result",
}  # fmt: skip


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_each_metric_is_named_typed_and_labelled_as_prometheus_wants_it(metric: Metric) -> None:
    """Ours begin with concord_, those of kafka-lag-exporter with kafka_; a counter ends in _total, nothing else does;
    every label is one whose values are bounded; the meaning is one sentence without a full stop."""
    assert re.fullmatch(r"(concord|kafka)_[a-z0-9_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.kind is Kind.COUNTER)
    assert set(metric.labels) <= LABELS
    assert metric.meaning
    assert not metric.meaning.endswith(".")
    assert bool(metric.buckets) == (metric.kind is Kind.HISTOGRAM)


def test_no_name_stands_twice() -> None:
    """Also not among the names that a histogram is told by."""
    assert len(BY_NAME) == sum(len(metric.exposed) for metric in CATALOGUE)


@pytest.mark.parametrize("metric", CATALOGUE, ids=lambda metric: metric.name)
def test_each_metric_comes_out_under_its_name(metric: Metric) -> None:
    """What the client library writes is what dashboards and rules ask for, in name, type and labels."""
    registry = CollectorRegistry()
    made = {Kind.COUNTER: metric.counter, Kind.GAUGE: metric.gauge, Kind.HISTOGRAM: metric.histogram}[metric.kind](
        registry
    )
    child = made.labels(*metric.labels) if metric.labels else made
    child.observe(1.0) if metric.kind is Kind.HISTOGRAM else child.inc()  # type: ignore[union-attr]
    families = list(text_string_to_metric_families(generate_latest(registry).decode()))
    samples = [sample for family in families for sample in family.samples if not sample.name.endswith("_created")]
    assert {sample.name for sample in samples} == set(metric.exposed)
    assert {family.type for family in families if not family.name.endswith("_created")} == {metric.kind.value}
    assert all(set(sample.labels) - {"le"} == set(metric.labels) for sample in samples)


@pytest.mark.parametrize(
    "metric", [one for one in CATALOGUE if one.kind is not Kind.HISTOGRAM], ids=lambda metric: metric.name
)
def test_a_family_that_is_filled_on_demand_has_the_same_name(metric: Metric) -> None:
    """Counted by the library or read from elsewhere: no difference to who asks."""
    family = metric.family()
    add(family, 3, *metric.labels)
    (sample,) = family.samples
    assert (sample.name, sample.value, set(sample.labels)) == (metric.name, 3, set(metric.labels))


def test_nothing_is_measured_that_is_not_in_the_catalogue() -> None:
    """Whatever modules of ours put into the registry of the process."""
    assert guard_metrics.HOLES is not None
    assert delays.SERVICE
    families = list(REGISTRY.collect())
    names = {sample.name for family in families for sample in family.samples if not sample.name.endswith("_created")}
    ours = {name for name in names if name.startswith(("concord_", "kafka_"))}
    assert ours <= set(BY_NAME)
    assert {family.name for family in families} >= {"concord_guard_holes", "concord_outcomes", "concord_decisions"}
