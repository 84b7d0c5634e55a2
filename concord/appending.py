"""Appending rows to a topic from outside the workers, and waiting until the broker has them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from concord.connecting import producer_of

# Longest wait for the broker to take a record, in seconds.
SEND_S: Final = 30.0


def append_bytes(broker: str, topic: str, rows: Sequence[tuple[bytes, bytes | None]]) -> None:
    """Append rows of key and value. Raises ConcordError."""
    with producer_of(broker) as producer:
        for sent in [producer.send(topic, key=key, value=value) for key, value in rows]:
            sent.get(timeout=SEND_S)
