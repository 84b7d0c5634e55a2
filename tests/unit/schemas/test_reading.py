"""What the functions made from schemas read, and what they refuse. The laws are in `tests/property/test_codec.py`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import Enum
from typing import Any

import fastavro
import pytest
from support.builders import NOW, graph_item

from schemas.changes import Change, Side, Wakeup
from schemas.codec import decode, encode
from schemas.reading import read_long, reader_of


class Colour(Enum):
    """Two symbols."""

    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True)
class Sample:
    """A member of each type."""

    text: str
    number: int
    truth: bool
    when: datetime
    day: date
    colour: Colour
    maybe: int | None
    many: tuple[str, ...]
    named: dict[str, int]


SCHEMA: Any = fastavro.parse_schema({
    "type": "record", "name": "x.Sample", "fields": [
        {"name": "text", "type": "string"}, {"name": "number", "type": "long"}, {"name": "truth", "type": "boolean"},
        {"name": "when", "type": {"type": "long", "logicalType": "timestamp-micros"}},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "colour", "type": {"type": "enum", "name": "x.Colour", "symbols": ["red", "blue"]}},
        {"name": "maybe", "type": ["null", "long"]}, {"name": "many", "type": {"type": "array", "items": "string"}},
        {"name": "named", "type": {"type": "map", "values": "long"}},
    ],
})  # fmt: skip
READ = reader_of(Sample, SCHEMA)
PLAIN = b"\x02a\x03\x01" + bytes(1) + b"\x01" + b"\x02"
"""text "a", number -2, truth true, the epoch, the day before it, blue."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def sample(maybe: int | None = None, many: tuple[str, ...] = (), named: dict[str, int] | None = None) -> Sample:
    """What begins like PLAIN."""
    return Sample("a", -2, True, EPOCH, date(1969, 12, 31), Colour.BLUE, maybe, many, named or {})


@pytest.mark.parametrize(
    ("end", "value"),
    [
        (b"\x00\x00\x00", sample()),
        (b"\x02\x80\x01\x00\x00", sample(maybe=64)),
        (b"\x00\x04\x02x\x02y\x00\x02\x02k\x0e\x00", sample(many=("x", "y"), named={"k": 7})),
        (b"\x00\x02\x02x\x02\x02y\x00\x00", sample(many=("x", "y"))),
        (b"\x00\x03\x08\x02x\x02y\x00\x01\x06\x02k\x0e\x00", sample(many=("x", "y"), named={"k": 7})),
    ],
    ids=["empty", "a value", "one block", "two blocks", "blocks with their size"],
)
def test_each_form_that_avro_gives_a_value(end: bytes, value: Sample) -> None:
    """Other writers may cut arrays and maps into blocks, with or without their size in bytes."""
    assert READ(b"##" + PLAIN + end, 2) == (value, 2 + len(PLAIN + end))


@pytest.mark.parametrize(
    "raw",
    [
        b"\x01",
        b"\xfe\xff\xff\xff\x0fa",
        PLAIN[:-1] + b"\x01\x00\x00\x00",
        PLAIN[:-1] + b"\x04\x00\x00\x00",
        PLAIN + b"\x04\x00\x00",
        PLAIN + b"\x00\xfe\xff\xff\xff\xff\xff\x01",
        b"\x02a\x03\x02",
        b"\x02\xff\x03\x01",
    ],
    ids=["text of -1", "text too long", "symbol -1", "symbol 2", "branch 2", "array too long", "truth of 1", "no text"],
)
def test_what_is_no_such_body_is_refused(raw: bytes) -> None:
    """At once, whatever length or count it claims."""
    with pytest.raises((IndexError, KeyError, ValueError, OverflowError)):
        READ(raw, 0)


def test_whole_numbers_of_64_bits_and_no_more() -> None:
    """A longer one is damage."""
    assert read_long(b"\xff" * 9 + b"\x01", 0) == (-(1 << 63), 10)
    assert read_long(b"\xfe" + b"\xff" * 8 + b"\x01", 0) == ((1 << 63) - 1, 10)
    for raw in (b"\xff" * 9 + b"\x02", b"\xff" * 10 + b"\x00"):
        with pytest.raises(ValueError, match="64 bits"):
            read_long(raw, 0)


def test_times_before_and_long_after_our_days() -> None:
    """Those of our days take eight bytes, others fewer or more."""
    for when in (EPOCH, datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC), NOW):
        wakeup = Wakeup("mailbox-ann", "timer", when)
        assert decode(Wakeup, encode(wakeup)) == wakeup


def test_a_record_that_does_not_fit_its_schema_is_told_at_once() -> None:
    """When the function is made, not when something is read."""
    with pytest.raises(TypeError, match="other members"):
        reader_of(Wakeup, {"type": "record", "name": "concord.Wakeup", "fields": [{"name": "key", "type": "string"}]})


def test_values_are_like_others() -> None:
    """Frozen, equal, hashed alike."""
    change = Change(Side.GRAPH, "G", NOW, graph_item())
    read = decode(Change, encode(change))
    assert read == change
    assert hash(read) == hash(change)
