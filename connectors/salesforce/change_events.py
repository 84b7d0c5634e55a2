"""Change events as they come over the Pub/Sub API: an Avro body under a schema of its own, read into a Notice. Pure.

Only the header counts, and of the body LastModifiedDate and EventId: an UPDATE carries nulls wherever nothing changed,
so the content is always read anew by SOQL.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import fastavro

from schemas.changes import Notice
from schemas.errors import UnreadableRecord

HEADER: Final = "ChangeEventHeader"
# The record id of an overflow event, and the end of one that stands for all records of an object.
NOBODY: Final = "000000000000000AAA"
WILDCARD: Final = "*"

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# What fastavro raises for bytes that are no datum of the schema.
_BROKEN: Final = (EOFError, ValueError, TypeError, KeyError, IndexError, OverflowError, UnicodeDecodeError,
                  fastavro.schema.SchemaParseException)  # fmt: skip


class EventSchema:
    """One version of a change event's schema, as GetSchema gives it. Raises UnreadableRecord for anything else."""

    def __init__(self, schema_json: str) -> None:
        try:
            written: dict[str, Any] = json.loads(schema_json)
            self._parsed = fastavro.parse_schema(written)
            self._fields: Sequence[Mapping[str, Any]] = written["fields"]
        except (*_BROKEN, AttributeError) as error:
            raise UnreadableRecord(f"A change event's schema cannot be read: {type(error).__name__}.") from error

    def read(self, payload: bytes) -> Notice:
        """What an event says. Raises UnreadableRecord for bytes that are no datum of this schema."""
        buffer = io.BytesIO(payload)
        try:
            body = fastavro.schemaless_reader(buffer, self._parsed, None)
            notice = self._notice(body[HEADER], body)
        except (*_BROKEN, AttributeError) as error:
            raise UnreadableRecord(f"A change event cannot be read: {type(error).__name__}.") from error
        if buffer.read(1):
            raise UnreadableRecord("Bytes are left over after a change event.")
        return notice

    def names(self, bitmaps: Sequence[str]) -> tuple[str, ...]:
        """The fields that bitmaps stand for, parts of compound ones as `Parent.Part`."""
        return tuple(name for bitmap in bitmaps for name in self._named(bitmap))

    def _notice(self, header: Mapping[str, Any], body: Mapping[str, Any]) -> Notice:
        ids = header["recordIds"]
        is_named = not any(one == NOBODY or one.endswith(WILDCARD) for one in ids)
        event_id = body.get("EventId")
        saved = body.get("LastModifiedDate")
        return Notice(
            entity=header["entityName"],
            record_ids=tuple(ids) if is_named else (),
            change_type=header["changeType"],
            committed_at=moment_of(header["commitTimestamp"]),
            origin=header["changeOrigin"],
            user=header["commitUser"],
            saved_at=None if saved is None else moment_of(saved),
            transaction=header["transactionKey"],
            sequence=header["sequenceNumber"],
            commit=header["commitNumber"],
            event_ids=(event_id,) if isinstance(event_id, str) else (),
            changed=self.names(header["changedFields"]),
        )

    def _named(self, bitmap: str) -> Iterator[str]:
        place, _, digits = bitmap.rpartition("-")
        if not place:
            yield from _set(self._fields, digits)
            return
        parent = self._fields[int(place)]
        kinds = parent["type"] if isinstance(parent["type"], list) else [parent["type"]]
        inner: Sequence[Mapping[str, Any]] = next((kind["fields"] for kind in kinds if isinstance(kind, dict)), [])
        yield from (f"{parent['name']}.{name}" for name in _set(inner, digits))


def _set(fields: Sequence[Mapping[str, Any]], digits: str) -> Iterator[str]:
    """The fields whose bit is set; the lowest bit is the first field. Bits beyond the last field say nothing."""
    number = int(digits, 16)
    return (str(field["name"]) for place, field in enumerate(fields) if number >> place & 1)


def moment_of(milliseconds: int) -> datetime:
    """Epoch milliseconds as a moment."""
    return _EPOCH + timedelta(milliseconds=milliseconds)
