"""Bytes <-> frozen values: Avro single-object encoding (C3 01, fingerprint, body), schemas from this package.

The `.avsc` files are the truth; `schemas.reading` and `schemas.writing` read and write their current form, fastavro
reads what was written under an older one. A record names its schema by fingerprint, so
records written under any released schema stay readable; an unknown fingerprint is an error, never a guess.

Where a schema registry is used, records on topics have Confluent's frame instead (`schemas.identified`). Only the frame
differs, and both are read.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final, TypeVar

import fastavro
from fastavro.read import SchemaResolutionError
from fastavro.schema import fingerprint, parse_schema, to_parsing_canonical_form

from schemas import identified
from schemas.changes import Change, Wakeup
from schemas.commands import Command, Decision, Outcome
from schemas.converting import NAMESPACE, Convert, record_reader
from schemas.cursors import GraphCursor, SalesforceCursor, SeriesInstances
from schemas.directory import DirectoryEntry
from schemas.errors import UnreadableRecord
from schemas.journal import JournalEntry, OperatorAction
from schemas.reading import Reader, reader_of
from schemas.registered import SchemaId
from schemas.settings import Settings
from schemas.state import PairState, Tally
from schemas.tables import TableVersion
from schemas.writing import Writer, writer_of

T = TypeVar("T")

RECORDS: Final[tuple[type, ...]] = (
    Change, Wakeup, Command, Outcome, Decision, DirectoryEntry, GraphCursor, JournalEntry, OperatorAction, PairState,
    SalesforceCursor, SchemaId, SeriesInstances, Settings, TableVersion, Tally,
)  # fmt: skip
MARKER: Final = b"\xc3\x01"
# Length of the single-object header: marker and fingerprint.
HEADER: Final = 10


@cache
def load_schema(name: str) -> Any:
    """The parsed current schema of one record, its nested records resolved from their own files."""
    return fastavro.schema.load_schema(str(files("schemas") / "avro" / f"{NAMESPACE}.{name}.avsc"))


def schema_fingerprint(schema: Any) -> bytes:
    """CRC-64-AVRO of the parsing canonical form, 8 bytes little-endian, as single-object encoding wants it."""
    return bytes.fromhex(fingerprint(to_parsing_canonical_form(schema), "CRC-64-AVRO"))


@cache
def _current(name: str) -> tuple[Any, bytes]:
    schema = load_schema(name)
    return schema, MARKER + schema_fingerprint(schema)


@cache
def _writers() -> dict[bytes, Any]:
    """Every schema a record may have been written under, by fingerprint: the current ones and all released ones."""
    known = {_current(kind.__name__)[1]: _current(kind.__name__)[0] for kind in RECORDS}
    for path in (files("schemas") / "avro" / "released").iterdir():
        if path.name.endswith(".avsc"):
            schema = parse_schema(json.loads(path.read_text(encoding="utf-8")))
            known.setdefault(MARKER + schema_fingerprint(schema), schema)
    return known


@cache
def _readers() -> dict[type, Convert]:
    """How each kind of record is made from what fastavro read."""
    return {kind: record_reader(kind) for kind in RECORDS}


@cache
def _body_writer(name: str) -> Writer:
    return writer_of(_current(name)[0])


def schema_with(print8: bytes) -> Any | None:
    """The parsed current or released schema with this fingerprint, None when there is none."""
    return _writers().get(MARKER + print8)


def with_id(raw: bytes, ids: Mapping[bytes, int]) -> bytes:
    """A record in single-object encoding in Confluent's frame, when its schema's fingerprint has an id; else as it
    was."""
    number = ids.get(raw[2:HEADER]) if raw[:2] == MARKER else None
    return raw if number is None else identified.frame(number, raw[HEADER:])


def _unframe(raw: bytes) -> tuple[Any, bytes]:
    """Writer schema and body. Raises UnreadableRecord."""
    if raw[:2] != MARKER or len(raw) < HEADER:
        if identified.is_framed(raw):
            return identified.unframe(raw)
        raise UnreadableRecord("The record does not begin with an Avro single-object header.")
    schema = _writers().get(raw[:HEADER])
    if schema is None:
        raise UnreadableRecord(
            f"No known schema has the fingerprint {raw[2:HEADER].hex()}.",
            "Upgrade this worker, or retry the record from quarantine with a version that knows it.",
        )
    return schema, raw[HEADER:]


@cache
def _body_reader(kind: Any) -> tuple[bytes, Reader]:
    """The header of a record under its current schema, and the function that reads the body."""
    schema, header = _current(kind.__name__)
    return header, reader_of(kind, schema)


def _under_current(kind: Any, raw: bytes, at: int) -> Any:
    """A body under the current schema, beginning at `at`. Raises UnreadableRecord."""
    try:
        value, end = _body_reader(kind)[1](raw, at)
    except (IndexError, KeyError, ValueError, OverflowError) as error:
        raise UnreadableRecord(f"The body is not a {kind.__name__}: {type(error).__name__}.") from error
    if end > len(raw):
        raise UnreadableRecord(f"The body is not a {kind.__name__}: EOFError.")
    if end < len(raw):
        raise UnreadableRecord(f"Bytes are left over after the {kind.__name__}.")
    return value


def encode(value: Any) -> bytes:
    """A record as bytes, in single-object encoding. `value` is one of RECORDS. Raises AttributeError, TypeError,
    KeyError or OverflowError when it does not fit its schema."""
    name = type(value).__name__
    return _current(name)[1] + _body_writer(name)(value)


def decode(kind: type[T], raw: bytes | None) -> T:
    """Bytes as a record of this kind. Raises UnreadableRecord for anything that is not one."""
    if not raw:
        raise UnreadableRecord("The record is empty.")
    any_kind: Any = kind
    value: T
    if raw[:HEADER] == _body_reader(any_kind)[0]:
        value = _under_current(kind, raw, HEADER)
        return value
    written, body = _unframe(raw)
    if written is _current(kind.__name__)[0]:
        value = _under_current(kind, body, 0)
        return value
    if written["name"] != f"{NAMESPACE}.{kind.__name__}":
        raise UnreadableRecord(f"A {written['name']} stands where a {kind.__name__} belongs.")
    buffer = io.BytesIO(body)
    try:
        data = fastavro.schemaless_reader(
            buffer, written, _current(kind.__name__)[0], return_record_name=True, return_record_name_override=True
        )
        value = _readers()[kind](data)
    except (EOFError, ValueError, TypeError, KeyError, IndexError, OverflowError, StopIteration,
            fastavro.schema.SchemaParseException, SchemaResolutionError, UnicodeDecodeError) as error:  # fmt: skip
        raise UnreadableRecord(f"The body is not a {kind.__name__}: {type(error).__name__}.") from error
    if buffer.read(1):
        raise UnreadableRecord(f"Bytes are left over after the {kind.__name__}.")
    return value
