"""Which frame this process writes: single-object without a registry, else Confluent's with the ids on the log.

A worker that runs needs no registry: it takes the ids from the log once, when it starts.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from concord.config import Config
from concord.framing import Frame, unchanged
from concord.registry.ids import current_config, read_ids
from concord.registry.provisioning import fingerprint_of, framed_topics
from schemas.codec import with_id
from schemas.errors import ConcordError

FRAMED: Final = frozenset(topic for topic, _ in framed_topics())


def framing_by(ids: Mapping[bytes, int]) -> Frame:
    """Confluent's frame on the topics that have a subject, by these ids of fingerprints."""

    def frame(topic: str, value: bytes | None) -> bytes | None:
        return with_id(value, ids) if value is not None and topic in FRAMED else value

    return frame


def framing_of(config: Config) -> Frame:
    """What a configuration asks for. Raises ConcordError when a schema of this version has no id on the log yet."""
    return _framing_by_log(config.broker) if config.schema_registry else unchanged


@cache
def _framing_by_log(broker: str) -> Frame:
    ids = {bytes.fromhex(row.fingerprint): row.id for row in read_ids(broker)}
    missing = sorted({kind.__name__ for _, kind in framed_topics() if bytes.fromhex(fingerprint_of(kind)) not in ids})
    if missing:
        raise ConcordError(
            f"The schema registry's ids of {', '.join(missing)} are not on the log.",
            "Run `concord topics create` with CONCORD_SCHEMA_REGISTRY set: it registers the schemas of this version.",
        )
    return framing_by(ids)


def current_framing(broker: str) -> Frame:
    """What the environment asks for, on this broker. Raises ConcordError like `framing_of`."""
    return _framing_by_log(broker) if current_config().schema_registry else unchanged
