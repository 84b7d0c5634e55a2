"""Frozen dataclasses from the dicts that fastavro reads.

What a type needs is found out once, from its annotations; what needs nothing (texts, numbers, times) is left alone. A
record that was read becomes the value's own `__dict__`: folding a history spends much of its time here.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Callable
from datetime import date, datetime
from enum import Enum
from functools import cache
from typing import Any, Final

Convert = Callable[[Any], Any]

PLAIN: Final = (str, int, float, bool, bytes, datetime, date)
NAMESPACE: Final = "concord"


@cache
def reader(kind: Any) -> Convert | None:
    """How a value of this type is made from what fastavro read, None when it is that already.

    Raises KeyError or TypeError when called with something else. A union of records comes as (name, dict).
    """
    if kind in PLAIN:
        return None
    if dataclasses.is_dataclass(kind):
        return record_reader(kind)
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {member.value: member for member in kind}.__getitem__
    origin, inner = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return _many(reader(inner[0]), tuple)
    if origin is dict:
        return _mapping(reader(inner[1]))
    members = [one for one in inner if one is not types.NoneType]
    if len(members) == 1:
        return _optional(reader(members[0]))
    if origin is types.UnionType and all(dataclasses.is_dataclass(one) for one in members):
        readers = {f"{NAMESPACE}.{one.__name__}": reader(one) or _itself for one in members}
        return lambda named: readers[named[0]](named[1])
    raise TypeError(f"{kind} has no Avro form here.")


def _steps(kind: Any) -> tuple[tuple[str, Convert], ...]:
    hints = typing.get_type_hints(kind)
    found = ((field.name, reader(hints[field.name])) for field in dataclasses.fields(kind))
    return tuple((name, convert) for name, convert in found if convert is not None)


def record_reader(kind: Any) -> Convert:
    """How a value of this dataclass is made from the dict that fastavro read, which becomes its own."""
    steps = _steps(kind)
    new, put = object.__new__, object.__setattr__

    def read(members: dict[str, Any]) -> Any:
        for name, convert in steps:
            members[name] = convert(members[name])
        value = new(kind)
        put(value, "__dict__", members)
        return value

    return read


def _many(convert: Convert | None, into: type) -> Convert:
    if convert is None:
        return into
    return lambda values: into([convert(value) for value in values])


def _mapping(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    return lambda values: {key: convert(value) for key, value in values.items()}


def _optional(convert: Convert | None) -> Convert | None:
    if convert is None:
        return None
    return lambda value: None if value is None else convert(value)


def _itself(value: Any) -> Any:
    return value
