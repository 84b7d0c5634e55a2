"""Confluent's frame: a zero byte, the schema's id in a registry as four bytes, the body.

What an id means is no part of the vocabulary: a process says whom to ask.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from schemas.errors import UnreadableRecord

MARKER: Final = b"\x00"
HEADER: Final = 5

SchemaOfId = Callable[[int], Any]
"""Id -> the parsed schema. Raises UnreadableRecord for an id that is nobody's, another ConcordError when that cannot be
told now."""


def _unknown(number: int) -> Any:
    raise UnreadableRecord(f"The record names schema {number} of a registry, and no registry's ids are known here.")


_resolvers: list[SchemaOfId] = [_unknown]


def resolve_ids_with(schema_of_id: SchemaOfId) -> None:
    """Whom this process asks from now on."""
    _resolvers[0] = schema_of_id


def frame(number: int, body: bytes) -> bytes:
    """A record as it stands on a topic."""
    return MARKER + number.to_bytes(4, "big") + body


def is_framed(raw: bytes) -> bool:
    """Whether bytes begin like such a record."""
    return raw[:1] == MARKER and len(raw) >= HEADER


def unframe(raw: bytes) -> tuple[Any, bytes]:
    """Writer schema (parsed) and body. Raises like `SchemaOfId`."""
    return _resolvers[0](int.from_bytes(raw[1:HEADER], "big")), raw[HEADER:]
