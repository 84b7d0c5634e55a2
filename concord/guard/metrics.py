"""The guard's metrics. Labels are names and numbers of topics and partitions, never anything out of a record."""

from __future__ import annotations

from typing import Final

from concord.telemetry import names

HOLES: Final = names.HOLES.counter()
HEALED: Final = names.HEALED.counter()
REDONE: Final = names.REDONE.counter()
SKIPPED: Final = names.SKIPPED.counter()
LOST: Final = names.LOST.counter()
STALLS: Final = names.STALLS.counter()
SHED: Final = names.SHED.counter()
RETRIES: Final = names.RETRIES.counter()
QUARANTINED: Final = names.QUARANTINED.counter()
IN_FLIGHT: Final = names.IN_FLIGHT.gauge()
POSITION: Final = names.POSITION.gauge()


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
