"""What the ids of a registry mean, from the topic `schema.ids`, else from the registry itself.

The topic makes the log readable from the log alone: without a registry, with another one, and for a process that is not
configured for one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from typing import Any, Final

from fastavro.schema import parse_schema

from concord.appending import append_bytes
from concord.config import PREFIX, Config
from concord.connecting import admin_of
from concord.reading import read_topics
from concord.registry.client import Registry, registry_of
from concord.registry.provisioning import register_all
from schemas.codec import decode, encode, schema_with
from schemas.errors import ConcordError, ServiceError, Unavailable, UnreadableRecord
from schemas.registered import SchemaId
from schemas.topics import SCHEMA_IDS

# An id that nobody knows is asked for again after this time, in seconds.
ASK_AGAIN_S: Final = 30.0


def read_ids(broker: str) -> list[SchemaId]:
    """What stands on the topic, oldest first; nothing when there is no topic yet. Raises ConcordError."""
    with admin_of(broker) as admin:
        if SCHEMA_IDS not in set(admin.list_topics()):
            return []
    return [decode(SchemaId, record.value) for record in read_topics(broker, SCHEMA_IDS)]


def write_ids(broker: str, ids: Iterable[SchemaId]) -> None:
    """Put ids on the topic. Raises ConcordError."""
    append_bytes(broker, SCHEMA_IDS, [(str(one.id).encode(), encode(one)) for one in ids])


def provision(broker: str, registry: Registry) -> int:
    """Register the schemas of this version and put their ids on the log; how many it did not hold. Raises
    ConcordError."""
    new = register_all(registry, read_ids(broker))
    if new:
        write_ids(broker, new)
    return len(new)


class KnownIds:
    """The schema that an id means, for `schemas.identified.resolve_ids_with`; each is asked for once.

    `read` gives what the topic holds, `registry` is asked for what it does not hold: the schemas of other writers.
    """

    def __init__(
        self, read: Callable[[], Iterable[SchemaId]], registry: Registry | None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:  # fmt: skip
        self._read = read
        self._registry = registry
        self._clock = clock
        self._schemas: dict[int, Any] = {}
        self._unknown: dict[int, float] = {}

    def __call__(self, number: int) -> Any:
        """The parsed schema. Raises UnreadableRecord for an id that means nothing, Unavailable when that cannot be told
        now: then the same record can be read later."""
        found = self._schemas.get(number)
        if found is None:
            found = self._find(number)
        return found

    def _find(self, number: int) -> Any:
        if self._unknown.get(number, float("-inf")) <= self._clock():
            self._take_topic()
            if number not in self._schemas:
                self._take_registry(number)
            if number in self._schemas:
                return self._schemas[number]
            self._unknown[number] = self._clock() + ASK_AGAIN_S
        where = "neither the log nor the schema registry knows" if self._registry else "the log does not know"
        raise UnreadableRecord(
            f"The record names schema {number}, which {where}.",
            "" if self._registry else "If it was written by another tool, set CONCORD_SCHEMA_REGISTRY and retry it.",
        )

    def _take_topic(self) -> None:
        try:
            rows = list(self._read())
        except ServiceError:
            raise
        except ConcordError as error:
            raise Unavailable(error.what) from error
        for row in rows:
            schema = schema_with(bytes.fromhex(row.fingerprint))
            if schema is not None:
                self._schemas[row.id] = schema

    def _take_registry(self, number: int) -> None:
        text = self._registry.schema(number) if self._registry is not None else None
        if text is None:
            return
        try:
            schema = parse_schema(text)
        except Exception as error:  # whatever stands there is somebody else's
            raise UnreadableRecord(f"Schema {number} of the registry is no Avro schema.") from error
        if not isinstance(schema, dict) or "name" not in schema:
            raise UnreadableRecord(f"Schema {number} of the registry is not that of a record.")
        self._schemas[number] = schema


def current_config() -> Config:
    """What the environment says of broker and registry."""
    names = ("broker", *(name for name in Config.model_fields if name.startswith("schema_registry")))
    given = {name: os.environ.get(PREFIX + name.upper(), "") for name in names}
    return Config.model_validate({name: value for name, value in given.items() if value})


def ids_on(broker: str) -> KnownIds:
    """The ids on this broker's log, else on that of the one which the environment names; so is the registry."""
    config = current_config()
    return KnownIds(lambda: read_ids(broker or config.broker), registry_of(config))
