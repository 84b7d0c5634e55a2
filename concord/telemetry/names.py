"""Every metric of ours, as data: name, type, labels, meaning, and which process serves it.

Dashboards, alert rules, the reference page and the code that measures all read these. No label takes unbounded values:
no pair key, no address, no mailbox, no text of a record. Names of lag are those of kafka-lag-exporter.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily


class Kind(StrEnum):
    """The types that Prometheus knows and we use."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


class Server(StrEnum):
    """Which process serves a metric: every role, one kind of role, or the exporter for all of them."""

    ROLES = "every role"
    RECONCILE = "`reconcile`"
    SOURCES = "both sources"
    SOURCE_GRAPH = "`source graph`"
    SINKS = "both sinks"
    SERVICES = "sources and sinks"
    EXPORTER = "`exporter`"


@dataclass(frozen=True)
class Metric:
    """One metric. `name` is as PromQL has it; a counter's ends in `_total`."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...] = ()
    server: Server = Server.EXPORTER
    buckets: tuple[float, ...] = ()

    @property
    def exposed(self) -> tuple[str, ...]:
        """The names that PromQL may use."""
        if self.kind is Kind.HISTOGRAM:
            return tuple(self.name + suffix for suffix in ("_bucket", "_count", "_sum"))
        return (self.name,)

    def counter(self, registry: CollectorRegistry = REGISTRY) -> Counter:
        """To be counted up by the code."""
        assert self.kind is Kind.COUNTER
        return Counter(self.name, self.meaning, self.labels, registry=registry)

    def gauge(self, registry: CollectorRegistry = REGISTRY) -> Gauge:
        """To be set by the code."""
        assert self.kind is Kind.GAUGE
        return Gauge(self.name, self.meaning, self.labels, registry=registry)

    def histogram(self, registry: CollectorRegistry = REGISTRY) -> Histogram:
        """To be told each value by the code."""
        assert self.kind is Kind.HISTOGRAM
        return Histogram(self.name, self.meaning, self.labels, registry=registry, buckets=self.buckets)

    def family(self) -> GaugeMetricFamily | CounterMetricFamily:
        """To be filled when somebody asks, by `add`."""
        if self.kind is Kind.COUNTER:
            return CounterMetricFamily(self.name, self.meaning, labels=self.labels)
        return GaugeMetricFamily(self.name, self.meaning, labels=self.labels)


def add(family: GaugeMetricFamily | CounterMetricFamily, value: float, *labels: str) -> None:
    """One sample of a family."""
    family.add_metric(list(labels), value)


_PART: Final = ("topic", "partition")
_GROUP: Final = ("group", *_PART)


def _guard(name: str, meaning: str, labels: Sequence[str] = _PART, kind: Kind = Kind.COUNTER) -> Metric:
    return Metric(f"concord_guard_{name}", kind, meaning, tuple(labels), Server.ROLES)


# --- the guard of each role ---------------------------------------------------------------------------------------

HOLES: Final = _guard("holes_total", "Missing ranges found before an arrival")
HEALED: Final = _guard("healed_records_total", "Records read back from the topic")
REDONE: Final = _guard("redone_records_total", "Records that arrived again and ran again")
SKIPPED: Final = _guard("skipped_records_total", "Records that arrived again and were passed over")
LOST: Final = _guard("lost_offsets_total", "Offsets gone from the topic before they were processed")
STALLS: Final = _guard("stalls_total", "Times that records stood in the topic and Faust gave none")
SHED: Final = _guard("shed_records_total", "Arrivals let go for lack of room, read back later")
RETRIES: Final = _guard("retries_total", "Steps called again after a passing condition", (*_PART, "error"))
QUARANTINED: Final = _guard("quarantined_total", "Records sent to quarantine", (*_PART, "error"))
IN_FLIGHT: Final = _guard("in_flight", "Records started and not finished", kind=Kind.GAUGE)
POSITION: Final = _guard("position", "Last offset up to which everything is finished", kind=Kind.GAUGE)

# --- what a role tells of itself ----------------------------------------------------------------------------------

READY: Final = Metric("concord_ready", Kind.GAUGE, "1 when /readyz says ready", (), Server.ROLES)
RECOVERING: Final = Metric(
    "concord_recovering_changes", Kind.GAUGE, "Changes of tables that are still to be recovered; 0 when none",
    (), Server.ROLES,
)  # fmt: skip
_SERVED: Final = Server.SERVICES
REQUESTS: Final = Metric(
    "concord_service_requests_total", Kind.COUNTER, "Requests sent to a service, by kind and HTTP status",
    ("service", "kind", "status"), _SERVED,
)  # fmt: skip
THROTTLED: Final = Metric(
    "concord_service_throttled_total",
    Kind.COUNTER,
    "Answers by which a service asked us to wait",
    ("service",),
    _SERVED,
)
SERVICE_UP: Final = Metric(
    "concord_service_up", Kind.GAUGE, "1 when the last request to a service got an answer", ("service",), _SERVED
)
API_LIMIT: Final = Metric(
    "concord_service_api_requests_limit", Kind.GAUGE, "Requests that the service allows in 24 hours", ("service",),
    _SERVED,
)  # fmt: skip
API_REMAINING: Final = Metric(
    "concord_service_api_requests_remaining", Kind.GAUGE, "Requests left of those, as the last answer said",
    ("service",), _SERVED,
)  # fmt: skip
SUBSCRIPTIONS: Final = Metric(
    "concord_graph_subscriptions", Kind.GAUGE, "Mailboxes of this worker with change notifications", (),
    Server.SOURCE_GRAPH,
)  # fmt: skip
SUBSCRIPTION_EXPIRY: Final = Metric(
    "concord_graph_subscription_expiry_timestamp_seconds", Kind.GAUGE,
    "When the first of them expires, in Unix seconds; none without subscriptions", (), Server.SOURCE_GRAPH,
)  # fmt: skip
DECISIONS: Final = Metric(
    "concord_decisions_total", Kind.COUNTER, "Decisions by verdict and reason; repeats after a crash count again",
    ("verdict", "reason"), Server.RECONCILE,
)  # fmt: skip
MAILS: Final = Metric(
    "concord_mails_predicted_total", Kind.COUNTER, "Mails that decided writes will make Exchange send", ("kind",),
    Server.RECONCILE,
)  # fmt: skip
OUTCOMES: Final = Metric(
    "concord_outcomes_total", Kind.COUNTER, "Writes by what became of them", ("side", "action", "result"), Server.SINKS
)
_DELAYS: Final = (0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0, 3600.0)
READ_DELAY: Final = Metric(
    "concord_read_delay_seconds", Kind.HISTOGRAM,
    "From the save, by the service's clock, to its reading; saves older than an hour are left out", ("side",),
    Server.SOURCES, _DELAYS,
)  # fmt: skip
WRITE_DELAY: Final = Metric(
    "concord_write_delay_seconds", Kind.HISTOGRAM,
    "From the reading of a change on one side to its write on the other, the side named", ("side",), Server.SINKS,
    _DELAYS,
)  # fmt: skip

# --- what the exporter tells of all -------------------------------------------------------------------------------


def _lag(name: str, meaning: str, *labels: str, kind: Kind = Kind.GAUGE) -> Metric:
    return Metric(name, kind, meaning, labels)


GROUP_LAG: Final = _lag("kafka_consumergroup_group_lag", "Records not yet dealt with", *_GROUP)
GROUP_LAG_SECONDS: Final = _lag(
    "kafka_consumergroup_group_lag_seconds",
    "Age of the oldest record not yet dealt with; 0 when there is none",
    *_GROUP,
)
GROUP_OFFSET: Final = _lag("kafka_consumergroup_group_offset", "Committed offset", *_GROUP)
GROUP_MAX_LAG: Final = _lag("kafka_consumergroup_group_max_lag", "Largest lag of a group's partitions", "group")
GROUP_MAX_LAG_SECONDS: Final = _lag(
    "kafka_consumergroup_group_max_lag_seconds", "Largest lag in seconds of a group's partitions", "group"
)
GROUP_SUM_LAG: Final = _lag(
    "kafka_consumergroup_group_sum_lag", "Records behind in all of a group's partitions", "group"
)
LATEST_OFFSET: Final = _lag("kafka_partition_latest_offset", "Offset that the next record will get", *_PART)
EARLIEST_OFFSET: Final = _lag("kafka_partition_earliest_offset", "Offset of the oldest record left", *_PART)
POLL_TIME: Final = _lag("kafka_consumergroup_poll_time_ms", "How long the last look at all groups took")
COMMIT_RATE: Final = _lag("concord_group_commit_rate", "Records dealt with per second, over the last looks", *_GROUP)
GROUP_STATE: Final = _lag(
    "concord_group_state",
    "1 for the state of a partition, 0 for the others: ok, warn (moves, but falls behind), stop (behind, nothing "
    "moves, no worker), stall (behind, nothing moves, although there are workers), rewind (went back)",
    *_GROUP, "state",
)  # fmt: skip
GROUP_MEMBERS: Final = _lag("concord_group_members", "Workers in a group", "group")
STALENESS: Final = _lag(
    "concord_side_staleness_seconds", "Age of the oldest change that was read and has not reached this side; 0: none",
    "side",
)  # fmt: skip
PENDING: Final = _lag("concord_pending_commands", "Writes without an answer, by side", "side")
PENDING_AGE: Final = _lag("concord_oldest_pending_command_age_seconds", "Age of the oldest of them; 0: none", "side")
PAIRS: Final = _lag("concord_pairs", "Pairs by status", "status")
ERRORS: Final = _lag("concord_errors", "Pairs in error, by reason", "reason")
HELD: Final = _lag("concord_held", "Writes that wait for an operator, by kind", "kind")
HELD_AGE: Final = _lag("concord_held_oldest_age_seconds", "Age of the oldest of them; 0: none")
IN_QUARANTINE: Final = _lag(
    "concord_quarantined_records", "Records open in quarantine, by topic and error", "topic", "error"
)
QUARANTINE_AGE: Final = _lag("concord_quarantine_oldest_age_seconds", "Age of the oldest of them; 0: none")
UNREADABLE: Final = _lag("concord_unreadable_journal_entries", "Journal entries that this version cannot read")
EXPORTER_UP: Final = _lag("concord_exporter_up", "1 when the last look succeeded; without it nothing else is told")
EXPORTER_SUCCESS: Final = _lag(
    "concord_exporter_last_success_timestamp_seconds", "When a look last succeeded, in Unix seconds"
)

CATALOGUE: Final[tuple[Metric, ...]] = tuple(value for value in list(globals().values()) if isinstance(value, Metric))
BY_NAME: Final[dict[str, Metric]] = {name: metric for metric in CATALOGUE for name in metric.exposed}
