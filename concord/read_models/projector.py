"""`concord project`: reads the journal and the decisions and keeps the read models. One thread, one loop.

A consumer group divides the lanes among instances; where each lane goes on is what the database says. What the group
commits is for `concord lag` alone.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any, Final

import structlog
from kafka import ConsumerRebalanceListener, TopicPartition
from kafka.errors import KafkaError
from kafka.structs import OffsetAndMetadata

from concord.config import Config
from concord.connecting import group_consumer_of
from concord.read_models.database import DatabaseUnreachable
from concord.read_models.facts import Lane, fact_of
from concord.read_models.keeper import TOPICS_READ, Behind, Fact, Keeper
from concord.telemetry.probes import probes
from schemas.topics import SYNC_DECISIONS, SYNC_JOURNAL

GROUP: Final = "concord-project"
# Records taken at once: each poll is one transaction a lane.
POLL_RECORDS: Final = 500
POLL_MS: Final = 500
# Decisions of a lane that may wait for the journal before no more are read.
WAITING_MAX: Final = 5_000
# How often it is looked whether a rebuild has put another build into force, in seconds.
LOOK_S: Final = 2.0
# A loop that has not turned for so long, in seconds, is stuck: a transaction of a full poll takes a second or two.
STILL_S: Final = 120.0
# Waits while the database is away, in seconds, from the first to the last.
RETRY_S: Final = (0.5, 30.0)

log: Final = structlog.get_logger(__name__)


class Projector:
    """One instance. `run` returns when `stop` is set; raises ConcordError for what waiting does not heal."""

    def __init__(self, broker: str, keeper: Keeper, stop: threading.Event) -> None:
        self._broker = broker
        self._keeper = keeper
        self._stop = stop
        self._lanes: dict[int, Lane] = {}
        self._retry_s = RETRY_S[0]
        self._look_at = 0.0
        self._builds: dict[str, int] = {}
        self._moved_at = time.monotonic()
        self._has_database = False

    def why_not_alive(self) -> list[str]:
        """What a restart would help against: nothing has moved for long."""
        still_s = time.monotonic() - self._moved_at
        return [f"nothing has moved for {still_s:.0f} s"] if still_s > STILL_S else []

    def why_not_ready(self) -> list[str]:
        """The database or the broker does not answer, or no partition has been given yet."""
        why = [] if self._has_database else ["the database does not answer"]
        return why if self._lanes else [*why, "no partition is read yet"]

    def run(self) -> None:
        """Read and fold until stopped."""
        with group_consumer_of(self._broker, GROUP, max_poll_records=POLL_RECORDS) as consumer:
            self._consumer = consumer
            consumer.subscribe(list(TOPICS_READ), listener=_Rebalance(self._lanes))
            while not self._stop.is_set():
                self._moved_at = time.monotonic()
                self._look_for_builds()
                batches = consumer.poll(timeout_ms=POLL_MS)
                by_lane: dict[int, list[Fact]] = {part.partition: [] for part in consumer.assignment()}
                for part, records in batches.items():
                    if part.partition in self._lanes:  # else they stand where the group stood, not the database
                        facts = by_lane.setdefault(part.partition, [])
                        facts += [fact_of(part.topic, part.partition, one.offset, one.value) for one in records]
                for number in sorted(by_lane):
                    self._take(number, by_lane[number])

    def _look_for_builds(self) -> None:
        """Notice now and then that a rebuild has put another build into force: it goes on somewhere else."""
        if time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + LOOK_S
        self._has_database = False
        with contextlib.suppress(DatabaseUnreachable):
            builds = self._keeper.active()
            self._has_database = True
            self._go_on_with(builds)

    def _go_on_with(self, builds: dict[str, int]) -> None:
        """Each lane is put where these builds stand, if they are others than those filled so far."""
        if builds != self._builds:
            self._builds = builds
            self._lanes.clear()

    def _take(self, number: int, facts: list[Fact]) -> None:
        """Fold what a lane brought. A lane that this instance has just been given is first put where it stands."""
        try:
            lane = self._lanes.get(number)
            if lane is None:
                self._seek(number)
                return
            is_stuck = lane.waiting and not facts
            ready = lane.ready(facts, self._journal_end(number) if is_stuck else None)
            if ready:
                # A build that came and went between two looks has taken records that the one in force then lacks.
                self._go_on_with(self._keeper.apply(number, ready))
                self._commit(number, ready)
            self._hold_back(lane)
            self._retry_s = RETRY_S[0]
        except Behind:
            self._lanes.pop(number, None)
        except DatabaseUnreachable as error:
            self._lanes.pop(number, None)
            log.warning("waiting for the database", wait_s=self._retry_s, problem=error.what)
            self._stop.wait(self._retry_s)
            self._retry_s = min(2 * self._retry_s, RETRY_S[1])

    def _seek(self, number: int) -> None:
        """Go on where the database says, or where the topic begins if that is later."""
        positions = self._keeper.positions(number)
        parts = {topic: TopicPartition(topic, number) for topic in TOPICS_READ}
        assigned = self._consumer.assignment()
        if not assigned.issuperset(parts.values()):
            return
        begins = self._consumer.beginning_offsets(list(parts.values()))
        for topic, part in parts.items():
            if begins[part] > positions[topic]:
                log.warning("records are gone", topic=topic, partition=number, count=begins[part] - positions[topic])
                self._keeper.skip_to(number, topic, begins[part])
            self._consumer.seek(part, max(positions[topic], begins[part]))
        self._consumer.resume(*parts.values())
        self._lanes[number] = Lane(number, max(positions[SYNC_JOURNAL], begins[parts[SYNC_JOURNAL]]))

    def _journal_end(self, number: int) -> int | None:
        """Where the journal ends, if this instance has read so far: asked after the decisions came."""
        part = TopicPartition(SYNC_JOURNAL, number)
        if part not in self._consumer.assignment():
            return None
        end = int(self._consumer.end_offsets([part])[part])
        return end if self._consumer.position(part) >= end else None

    def _hold_back(self, lane: Lane) -> None:
        part = TopicPartition(SYNC_DECISIONS, lane.number)
        if len(lane.waiting) > WAITING_MAX:
            self._consumer.pause(part)
        elif part in self._consumer.paused():
            self._consumer.resume(part)

    def _commit(self, number: int, facts: list[Fact]) -> None:
        """Tell the group how far this lane is. The database knows better, so nothing depends on it."""
        ends: dict[str, int] = {fact.topic: fact.offset + 1 for fact in facts}
        with contextlib.suppress(KafkaError):
            self._consumer.commit_async(
                {TopicPartition(topic, number): OffsetAndMetadata(end, "", -1) for topic, end in ends.items()}
            )


@contextlib.contextmanager
def serving(config: Config, projector: Projector) -> Iterator[None]:
    """Probes and metrics beside the loop, where a port is given."""
    if config.metrics_port is None:
        yield
        return
    with probes(config.metrics_host, config.metrics_port, projector):
        yield


class _Rebalance(ConsumerRebalanceListener):  # type: ignore[misc]
    """Forgets where lanes stand that come or go: the database is asked again."""

    def __init__(self, lanes: dict[int, Lane]) -> None:
        self._lanes = lanes

    def on_partitions_revoked(self, revoked: Any) -> None:
        """Another instance goes on there."""
        for part in revoked:
            self._lanes.pop(part.partition, None)

    def on_partitions_assigned(self, assigned: Any) -> None:
        """The first records make `Projector` look up where to go on."""
        self.on_partitions_revoked(assigned)
