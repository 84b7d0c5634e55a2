"""Registering the schema of every topic, under the subject that its name gives (TopicNameStrategy).

A subject takes only versions that read every earlier one and can be read by it: what the released schemas are tested
for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from schemas.codec import RECORDS, load_schema, schema_fingerprint
from schemas.errors import ConcordError
from schemas.registered import SchemaId
from schemas.release import expanded
from schemas.topics import SCHEMA_IDS, TOPICS

COMPATIBILITY: Final = "FULL_TRANSITIVE"

_KINDS: Final = {kind.__name__: kind for kind in RECORDS}


class Registering(Protocol):
    """What is needed of a registry."""

    @property
    def url(self) -> str:
        """Its address."""

    def require(self, subject: str, compatibility: str) -> None:
        """Have it accept only such versions of a subject."""

    def register(self, subject: str, schema: Any) -> int:
        """Register a schema unless it is; its id."""


def framed_topics() -> Iterator[tuple[str, type]]:
    """Each topic whose records may have a registry's frame, and what they are. Quarantine holds bytes as they came, and
    what the ids mean must be readable without them."""
    for spec in TOPICS:
        if spec.record in _KINDS and spec.name != SCHEMA_IDS:
            yield spec.name, _KINDS[spec.record]


def subject_of(topic: str) -> str:
    """The subject of a topic's values."""
    return f"{topic}-value"


def fingerprint_of(kind: type) -> str:
    """The fingerprint of a record's current schema, in hexadecimal digits."""
    return schema_fingerprint(load_schema(kind.__name__)).hex()


def register_all(registry: Registering, held: Iterable[SchemaId]) -> list[SchemaId]:
    """Register the current schema of every topic; the ids that are not among those `held` on the log yet.

    Raises ConcordError, when the registry cannot be asked, does not take a schema, or gives an id another meaning than
    it has on the log: such a registry would make records unreadable.
    """
    known = {row.id: row for row in held}
    new: dict[int, SchemaId] = {}
    for topic, kind in framed_topics():
        subject = subject_of(topic)
        registry.require(subject, COMPATIBILITY)
        number = registry.register(subject, expanded(kind))
        row = SchemaId(number, fingerprint_of(kind), subject, datetime.now(UTC))
        before = known.setdefault(number, row)
        if before.fingerprint != row.fingerprint:
            raise ConcordError(
                f"The schema registry at {registry.url} has id {number} for {subject}; on this log it means a schema "
                f"of {before.subject}. This is not the registry that the log was written with.",
                "Restore that one with its ids, or leave CONCORD_SCHEMA_REGISTRY unset.",
            )
        if before is row:
            new[number] = row
    return list(new.values())
