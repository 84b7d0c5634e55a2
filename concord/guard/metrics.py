"""The guard's metrics. Labels are names and numbers of topics and partitions, never anything out of a record."""

from __future__ import annotations

from typing import Final

from prometheus_client import Counter, Gauge

_WHERE: Final = ("topic", "partition")

HOLES: Final = Counter("concord_guard_holes", "Missing ranges found before an arrival", _WHERE)
HEALED: Final = Counter("concord_guard_healed_records", "Records read back from the topic", _WHERE)
REDONE: Final = Counter("concord_guard_redone_records", "Records that arrived again and ran again", _WHERE)
SKIPPED: Final = Counter("concord_guard_skipped_records", "Records that arrived again and were passed over", _WHERE)
LOST: Final = Counter("concord_guard_lost_offsets", "Offsets gone from the topic before they were processed", _WHERE)
STALLS: Final = Counter("concord_guard_stalls", "Times that records stood in the topic and Faust gave none", _WHERE)
SHED: Final = Counter("concord_guard_shed_records", "Arrivals let go for lack of room, read back later", _WHERE)
RETRIES: Final = Counter("concord_guard_retries", "Steps called again after a passing condition", (*_WHERE, "error"))
QUARANTINED: Final = Counter("concord_guard_quarantined", "Records sent to quarantine", (*_WHERE, "error"))
IN_FLIGHT: Final = Gauge("concord_guard_in_flight", "Records started and not finished", _WHERE)
POSITION: Final = Gauge("concord_guard_position", "Last offset up to which everything is finished", _WHERE)


class PartitionMetrics:
    """The metrics of one partition, looked up once."""

    def __init__(self, topic: str, partition: int) -> None:
        where = (topic, str(partition))
        self._where = where
        self.holes = HOLES.labels(*where)
        self.healed = HEALED.labels(*where)
        self.redone = REDONE.labels(*where)
        self.skipped = SKIPPED.labels(*where)
        self.lost = LOST.labels(*where)
        self.stalls = STALLS.labels(*where)
        self.shed = SHED.labels(*where)
        self.in_flight = IN_FLIGHT.labels(*where)
        self.position = POSITION.labels(*where)

    def retried(self, error: BaseException) -> None:
        """A step is called again because of this condition."""
        RETRIES.labels(*self._where, type(error).__name__).inc()

    def quarantined(self, error: BaseException) -> None:
        """A record went to quarantine because of this error."""
        QUARANTINED.labels(*self._where, type(error).__name__).inc()

    def forget(self) -> None:
        """The partition belongs to another worker now: its gauges are that worker's."""
        for gauge in (IN_FLIGHT, POSITION):
            gauge.remove(*self._where)
