"""What the engineer's pages ask: lag, topics, versions, and what stands in quarantine. For any thread."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final, Protocol

from concord.connecting import plainly
from concord.lag_watch import LagWatch, Watched
from concord.quarantined import Quarantined, choose, open_records, settle
from concord.table_versions import newest_version
from concord.topics import TopicState, list_topics
from schemas.tables import TableVersion

# The table that `concord rebuild` makes anew.
TABLE: Final = "sync-state"
# How long what the broker says of topics and quarantine stays good, in seconds.
GOOD_S: Final = 5.0


class Plant(Protocol):
    """What runs below the pages. Everything may raise ConcordError."""

    def lag(self) -> Watched:
        """How every consumer group gets on."""

    def topics(self) -> list[TopicState]:
        """Every topic of ours as the broker has it."""

    def table(self) -> TableVersion:
        """The version of the table of pairs that is in use."""

    def quarantine(self) -> list[Quarantined]:
        """What stands in quarantine, with its bytes."""

    def settle(self, places: Sequence[str], verb: str, *, by: str) -> int:
        """Retry or drop those of these records that are still open; how many that were."""


class BrokerPlant:
    """The plant of a deployment. `close` when done."""

    def __init__(self, broker: str) -> None:
        self._broker = broker
        self.watch = LagWatch(broker)
        self._topics: tuple[float, list[TopicState]] | None = None

    def lag(self) -> Watched:
        """How every consumer group gets on."""
        return self.watch.now()

    def topics(self) -> list[TopicState]:
        """Every topic of ours as the broker has it."""
        kept = self._topics
        if kept is None or time.monotonic() - kept[0] > GOOD_S:
            with plainly(self._broker):
                kept = (time.monotonic(), list_topics(self._broker))
            self._topics = kept
        return kept[1]

    def table(self) -> TableVersion:
        """The version of the table of pairs that is in use."""
        return newest_version(self._broker, TABLE)

    def quarantine(self) -> list[Quarantined]:
        """What stands in quarantine, with its bytes."""
        return open_records(self._broker)

    def settle(self, places: Sequence[str], verb: str, *, by: str) -> int:
        """Retry or drop those of these records that are still open; how many that were."""
        rows = open_records(self._broker)
        wanted = {row.where for row in rows} & set(places)
        return settle(self._broker, choose(rows, sorted(wanted)), verb, by=by)

    def close(self) -> None:
        """Hang up."""
        self.watch.stop()
