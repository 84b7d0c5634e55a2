"""What is written for one value of each Avro type, and what is refused."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

import pytest
from support.builders import NOW, graph_item

from schemas.changes import Change, Side
from schemas.codec import encode
from schemas.values import replace
from schemas.writing import write_long, writer_of

MICROS = {"type": "long", "logicalType": "timestamp-micros"}


@pytest.mark.parametrize(
    ("schema", "value", "body"),
    [
        ("string", "", b"\x00"),
        ("string", "\N{EURO SIGN}", b"\x06\xe2\x82\xac"),
        ("string", "x" * 200, b"\x90\x03" + b"x" * 200),
        ("long", -1, b"\x01"),
        ("long", 64, b"\x80\x01"),
        ("boolean", True, b"\x01"),
        ({"type": "int", "logicalType": "date"}, date(1969, 12, 31), b"\x01"),
        (MICROS, datetime(1970, 1, 1, 0, 0, 0, 3, tzinfo=UTC), b"\x06"),
        (MICROS, datetime(1970, 1, 1, 2, 0, 0, 3, tzinfo=timezone(timedelta(hours=2))), b"\x06"),
        (["null", "string"], None, b"\x00"),
        (["null", "string"], "a", b"\x02\x02a"),
        ({"type": "array", "items": "long"}, (), b"\x00"),
        ({"type": "array", "items": "long"}, (1, 2), b"\x04\x02\x04\x00"),
        ({"type": "map", "values": "long"}, {"a": 1}, b"\x02\x02a\x02\x00"),
        ({"type": "enum", "name": "E", "symbols": ["a", "b"]}, "b", b"\x02"),
    ],
)
def test_body_of_a_value(schema: Any, value: Any, body: bytes) -> None:
    """The bytes that the Avro specification gives."""
    assert writer_of(schema)(value) == body


@pytest.mark.parametrize(
    ("schema", "value"),
    [("string", None), ("string", 7), ("boolean", "yes"), (MICROS, None), (MICROS, datetime(2026, 1, 1)),  # noqa: DTZ001
     ({"type": "array", "items": "long"}, None), ({"type": "map", "values": "long"}, None), ("long", None),
     ({"type": "enum", "name": "E", "symbols": ["a"]}, "b")],
)  # fmt: skip
def test_value_of_another_type_is_refused(schema: Any, value: Any) -> None:
    """Nothing is written for it: neither as nothing, nor as something else."""
    with pytest.raises((TypeError, AttributeError, KeyError)):
        writer_of(schema)(value)


@pytest.mark.parametrize("value", [1 << 63, -(1 << 63) - 1])
def test_whole_numbers_beyond_64_bits_are_refused(value: int) -> None:
    """A reader would take them for other numbers."""
    with pytest.raises(OverflowError, match="64 bits"):
        write_long(value)


def test_two_events_that_differ_in_one_member_are_not_taken_for_each_other() -> None:
    """Parts that stand in many records are remembered by all that they say."""
    item = graph_item()
    other = replace(item, content=replace(item.content, subject=item.content.subject + "!"))
    first, second, again = (encode(Change(Side.GRAPH, "G", NOW, one)) for one in (item, other, item))
    assert first != second
    assert first == again
