"""From Avro bodies straight to frozen values: the source of one function for each record, made once from its schema.

For bodies under the current schemas, which nearly all are. fastavro reads those under older ones, resolving them; it
reads the current ones too, but into dictionaries that `schemas.converting` walks again. The values are the same.
"""

from __future__ import annotations

import dataclasses
import typing
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from functools import lru_cache
from typing import Any, Final

Reader = Callable[[bytes, int], tuple[Any, int]]
"""Bytes and where the body begins -> the value and where it ends. Raises IndexError, KeyError, ValueError or
OverflowError for bytes that are no such body. The end may lie beyond the bytes: then they were cut."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_DAY: Final = date(1970, 1, 1).toordinal()
_LONGEST: Final = 10
"""Bytes of the longest whole number."""
_CONTINUED: Final = 0x0080808080808080
_TOPS: Final = 0x8080808080808080


def read_long(raw: bytes, at: int) -> tuple[int, int]:
    """A whole number and where it ends. Raises ValueError beyond 64 bits, IndexError at the end of the bytes."""
    found = shift = 0
    for place in range(at, at + _LONGEST):
        byte = raw[place]
        found |= (byte & 0x7F) << shift
        if byte < 0x80:
            if found >= 1 << 64:
                break
            return (found >> 1) ^ -(found & 1), place + 1
        shift += 7
    raise ValueError("a whole number of more than 64 bits")


def _length(raw: bytes, at: int) -> tuple[int, int]:
    count, at = read_long(raw, at)
    if not 0 <= count <= len(raw):
        raise ValueError("a length beyond the bytes")
    return count, at


def _block(raw: bytes, at: int) -> tuple[int, int]:
    """How many values the next block of an array or map has. A negative count is followed by the block's size."""
    count, at = read_long(raw, at)
    if count < 0:
        _, at = read_long(raw, at)
        count = -count
    if count > len(raw):
        raise ValueError("more values than bytes")
    return count, at


@lru_cache(maxsize=4096)
def _moment_of(micros: int) -> datetime:
    return _EPOCH + timedelta(microseconds=micros)


@lru_cache(maxsize=4096)
def _moment_in(eight: bytes) -> datetime | None:
    """The time in eight bytes, which is what those of our days take; None when it is shorter or longer."""
    if len(eight) < 8 or int.from_bytes(eight, "little") & _TOPS != _CONTINUED:
        return None
    return _moment_of(read_long(eight, 0)[0])


def _moment(raw: bytes, at: int) -> tuple[datetime, int]:
    found = _moment_in(raw[at : at + 8])
    if found is not None:
        return found, at + 8
    micros, at = read_long(raw, at)
    return _moment_of(micros), at


def _day(raw: bytes, at: int) -> tuple[date, int]:
    days, at = read_long(raw, at)
    return date.fromordinal(days + _FIRST_DAY), at


_TRUTH: Final = {0: False, 1: True}


def reader_of(kind: type, schema: Any) -> Reader:
    """The function that reads bodies of a record under its parsed schema.

    Raises KeyError or TypeError for a schema that does not fit the record, or has a type that none of ours uses.
    """
    return _Source().function(kind, schema)


class _Source:
    """The functions of a record and those within it. Each member becomes some lines that leave its value in a variable
    and move `p` behind it; what they need beside that stands in `names`."""

    def __init__(self) -> None:
        self.names: dict[str, Any] = {
            "length": _length, "long": read_long, "block": _block, "moment": _moment, "day": _day, "truth": _TRUTH,
            "new": object.__new__, "put": object.__setattr__,
        }  # fmt: skip
        self._made: dict[str, tuple[str, Any]] = {}
        """Name of a schema -> name of its function or table, and its schema."""

    def function(self, kind: type, schema: Any) -> Reader:
        """Make and remember the function of a record."""
        full = schema["name"]
        name = f"read_{full.rpartition('.')[2]}"
        self._made[full] = name, schema
        hints = typing.get_type_hints(kind)
        lines, members = [f"def {name}(b, p):"], []
        for at, field in enumerate(schema["fields"]):
            variable = f"v{at}"
            lines += _indented(self.member(hints[field["name"]], field["type"], variable))
            members.append(f"{field['name']!r}: {variable}")
        if {field["name"] for field in schema["fields"]} != {field.name for field in dataclasses.fields(kind)}:
            raise TypeError(f"{kind.__name__} has other members than its schema.")
        self.names[kind.__name__] = kind
        lines += _indented([
            f"value = new({kind.__name__})", f"put(value, '__dict__', {{{', '.join(members)}}})", "return value, p",
        ])  # fmt: skip
        exec("\n".join(lines), self.names)  # noqa: S102  # made from our own schemas
        made: Reader = self.names[name]
        return made

    def member(self, hint: Any, schema: Any, into: str) -> list[str]:
        """The lines that read one value."""
        if isinstance(schema, list):
            return self._union(hint, schema, into)
        if isinstance(schema, str) and schema in self._made:
            return self._named(self._made[schema][0], into)
        kind = schema if isinstance(schema, str) else schema.get("logicalType") or schema["type"]
        match kind:
            case "string":
                return _text(into)
            case "long":
                return [
                    "n = b[p]", "if n < 128:", f"    {into} = (n >> 1) ^ -(n & 1)", "    p += 1", "else:",
                    f"    {into}, p = long(b, p)",
                ]  # fmt: skip
            case "boolean":
                return [f"{into} = truth[b[p]]", "p += 1"]
            case "timestamp-micros":
                return [f"{into}, p = moment(b, p)"]
            case "date":
                return [f"{into}, p = day(b, p)"]
            case "record":
                self.function(hint, schema)
                return self._named(self._made[schema["name"]][0], into)
            case "enum":
                return self._named(self._enum(hint, schema), into)
            case "array":
                return self._many(typing.get_args(hint)[0], schema["items"], into)
            case "map":
                return self._mapping(typing.get_args(hint)[1], schema["values"], into)
        raise KeyError(kind)

    def _named(self, name: str, into: str) -> list[str]:
        if name.startswith("read_"):
            return [f"{into}, p = {name}(b, p)"]
        return [f"{into} = {name}[b[p]]", "p += 1"]

    def _enum(self, hint: Any, schema: Any) -> str:
        """The table from the byte of a symbol's number to the member. No enum of ours has 64 symbols."""
        if not issubclass(hint, Enum) or len(schema["symbols"]) >= 64:
            raise TypeError(f"{hint} is not the enum {schema['name']}.")
        name = f"symbols_{hint.__name__}"
        self.names[name] = {2 * at: hint(symbol) for at, symbol in enumerate(schema["symbols"])}
        self._made[schema["name"]] = name, schema
        return name

    def _union(self, hint: Any, schema: list[Any], into: str) -> list[str]:
        """Null or one other type; or one of several records."""
        members = [one for one in typing.get_args(hint) if one is not type(None)]
        if schema[0] == "null" and len(schema) == 2:
            lines = ["n = b[p]", "p += 1", "if n == 0:", f"    {into} = None", "elif n == 2:"]
            return [*lines, *_indented(self.member(members[0], schema[1], into)), "else:", "    raise KeyError(n)"]
        by_name = {one.__name__: one for one in members}
        table = {}
        for at, one in enumerate(schema):
            full = one if isinstance(one, str) else one["name"]
            if full not in self._made:
                self.function(by_name[full.rpartition(".")[2]], one)
            table[2 * at] = self.names[self._made[full][0]]
        name = f"one_of_{into}_{len(self.names)}"
        self.names[name] = table
        return [f"{into}, p = {name}[b[p]](b, p + 1)"]

    def _many(self, hint: Any, schema: Any, into: str) -> list[str]:
        one = f"{into}_"
        inner = [*self.member(hint, schema, one), f"{into}.append({one})"]
        return [*self._blocks(f"{into} = []", inner, into), f"{into} = tuple({into})"]

    def _mapping(self, hint: Any, schema: Any, into: str) -> list[str]:
        key, one = f"{into}_key", f"{into}_"
        inner = [*_text(key), *self.member(hint, schema, one), f"{into}[{key}] = {one}"]
        return self._blocks(f"{into} = {{}}", inner, into)

    def _blocks(self, begin: str, inner: list[str], into: str) -> list[str]:
        count = f"{into}_count"
        return [
            begin, "if b[p] == 0:", "    p += 1", "else:", f"    {count}, p = block(b, p)", f"    while {count}:",
            f"        for _ in range({count}):", *_indented(inner, 3), f"        {count}, p = block(b, p)",
        ]  # fmt: skip


def _text(into: str) -> list[str]:
    return [
        "n = b[p]", "if n == 0:", f"    {into} = ''", "    p += 1", "else:", "    if n & 129:",
        "        n, p = length(b, p)", "    else:", "        n >>= 1", "        p += 1",
        f"    {into} = b[p:p + n].decode()", "    p += n",
    ]  # fmt: skip


def _indented(lines: Iterator[str] | list[str], depth: int = 1) -> list[str]:
    return [f"{'    ' * depth}{line}" for line in lines]
