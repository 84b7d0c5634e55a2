"""Quix Streams with its own state store and changelog, around the same step. Runs in the bench's own environment."""

from __future__ import annotations

import warnings
from collections import defaultdict
from typing import Any

warnings.filterwarnings("ignore")

from quixstreams import Application, message_context  # noqa: E402
from quixstreams.models.serializers.base import Serializer  # noqa: E402

from bench.contenders.lanes import Rows, SmallLane  # noqa: E402
from bench.contenders.running import Stopwatch, arguments  # noqa: E402
from concord.guard import Record  # noqa: E402
from concord.roles.reconcile import COMMAND_TOPICS, reconcile_step  # noqa: E402
from schemas.topics import SYNC_DECISIONS, SYNC_JOURNAL  # noqa: E402

Sent = tuple[str, bytes, bytes]


class ThirdMember(Serializer):
    """What is sent is a topic, a key and the bytes; the bytes go into the record."""

    def __call__(self, value: Sent, ctx: Any) -> bytes:
        """The bytes."""
        return value[2]


class StatePairs:
    """Rows of pairs in Quix's state, which is kept by the key of the record: that of the pair."""

    def __init__(self, state: Any) -> None:
        self._state = state

    def get(self, key: bytes) -> bytes | None:
        """A row."""
        found: bytes | None = self._state.get_bytes(key.decode())
        return found

    def put(self, key: bytes, value: bytes | None) -> None:
        """Write a row; None deletes."""
        if value is None:
            self._state.delete(key.decode())
        else:
            self._state.set_bytes(key.decode(), value)


def run(broker: str, folder: str, watch: Stopwatch) -> None:
    """Run over so many records; the end waits for every acknowledgement."""
    app = Application(
        broker_address=broker, consumer_group="bench-quix", auto_offset_reset="earliest", state_dir=folder,
        commit_interval=0.5, loglevel="WARNING",
    )  # fmt: skip
    journal = app.topic(SYNC_JOURNAL, value_deserializer="bytes", key_deserializer="bytes")
    names = (SYNC_DECISIONS, *COMMAND_TOPICS.values(), SYNC_JOURNAL)
    topics = {name: app.topic(name, value_serializer=ThirdMember(), key_serializer="bytes") for name in names[:-1]}
    common: dict[int, Rows] = defaultdict(Rows)

    def decide(value: bytes, key: bytes, timestamp: int, headers: Any, state: Any) -> list[Sent]:
        watch.begin()
        where, sent = message_context(), []
        record = Record(SYNC_JOURNAL, where.partition, where.offset, timestamp, key, value)
        lane = SmallLane(
            where.partition, common[where.partition], StatePairs(state), lambda *what: sent.append(what)
        )  # fmt: skip
        reconcile_step(record, lane)  # type: ignore[arg-type]
        watch.done += 1
        watch.sent += len(sent)
        return sent

    frame = app.dataframe(journal).apply(decide, stateful=True, metadata=True)
    frame = frame.apply(lambda sent: sent, expand=True)
    frame.to_topic(lambda value, *_: topics[value[0]], key=lambda value: value[1])
    app.run(count=watch.entries, timeout=120)
    watch.tell()


if __name__ == "__main__":
    address, count, place = arguments()
    run(address, place, Stopwatch("Quix Streams with its state store", count))
