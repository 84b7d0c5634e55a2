"""Laws of the codec: what goes in comes out, and no bytes whatever raise anything but UnreadableRecord."""

from __future__ import annotations

import contextlib
import dataclasses
import io
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.strategies import of_type

from schemas.codec import MARKER, RECORDS, decode, encode, load_schema, schema_fingerprint
from schemas.errors import UnreadableRecord

EVERY_RECORD = pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)


def header(kind: type) -> bytes:
    """What every current record of this kind begins with."""
    return MARKER + schema_fingerprint(load_schema(kind.__name__))


def as_fastavro_takes_it(value: Any, *, is_union: bool = False) -> Any:
    """Values as dictionaries; of several records a member may be, the one it is."""
    if dataclasses.is_dataclass(value):
        names = [one.name for one in dataclasses.fields(value)]
        members = {name: as_fastavro_takes_it(getattr(value, name), is_union=name == "what") for name in names}
        return (f"concord.{type(value).__name__}", members) if is_union else members
    return [as_fastavro_takes_it(one) for one in value] if isinstance(value, tuple) else value


@EVERY_RECORD
@given(data=st.data())
def test_record_comes_back_as_it_was_and_is_avros_to_the_byte(kind: type, data: st.DataObject) -> None:
    """Every value of every record survives the way to the log and back: extreme times, emoji, RTL, empty. Our own
    writing of a body is Avro's."""
    value: Any = data.draw(of_type(kind))
    raw = encode(value)
    assert raw[:10] == header(kind)
    assert decode(kind, raw) == value
    assert encode(decode(kind, raw)) == raw
    out = io.BytesIO()
    fastavro.schemaless_writer(out, load_schema(kind.__name__), as_fastavro_takes_it(value))
    assert raw[10:] == out.getvalue()


@EVERY_RECORD
@given(data=st.data())
def test_cut_lengthened_or_damaged_record_raises_only_unreadable(kind: type, data: st.DataObject) -> None:
    """A record that lost its end, or gained one, is quarantined and never read as something else; flipped bytes give
    another record or an unreadable one, never another exception."""
    raw = encode(data.draw(of_type(kind)))
    cut = data.draw(st.integers(0, len(raw) - 1))
    with pytest.raises(UnreadableRecord):
        decode(kind, raw[:cut])
    with pytest.raises(UnreadableRecord):
        decode(kind, raw + data.draw(st.binary(min_size=1, max_size=9)))
    damaged = bytearray(raw)
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(10, len(raw) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(UnreadableRecord):
        decode(kind, bytes(damaged))


@EVERY_RECORD
@given(body=st.binary(max_size=200) | st.lists(st.sampled_from([0, 0, 1, 2, 4, 255]), max_size=300).map(bytes))
def test_garbage_after_a_header_raises_only_unreadable(kind: type, body: bytes) -> None:
    """Whatever follows a known header is either a record that can be written again, or unreadable."""
    with contextlib.suppress(UnreadableRecord):
        value = decode(kind, header(kind) + body)
        assert decode(kind, encode(value)) == value


@given(raw=st.none() | st.binary(max_size=64))
def test_bytes_without_a_known_header_are_unreadable(raw: bytes | None) -> None:
    """Empty records, tombstones, foreign frames and unknown fingerprints are unreadable for every kind."""
    for kind in RECORDS:
        with pytest.raises(UnreadableRecord):
            decode(kind, raw)
