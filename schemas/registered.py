"""What the ids of a schema registry mean: it stands on the log, so that the log can be read without the registry."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class SchemaId:
    """A registry knows the schema with this fingerprint (CRC-64-AVRO, 16 hex digits) under `id`, as a version of
    `subject`."""

    id: int
    fingerprint: str
    subject: str
    registered_at: datetime
