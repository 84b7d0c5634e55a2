"""Hypothesis strategies built from the types of the vocabulary, so that a new member is covered without a new line."""

from __future__ import annotations

import dataclasses
import types
import typing
from datetime import UTC, date, datetime
from enum import Enum
from functools import cache
from typing import Any, Final

from hypothesis import strategies as st

TEXTS: Final = st.text(st.characters(exclude_categories=("Cs",)), max_size=12) | st.sampled_from(
    [
        "",
        "\N{WINKING FACE}\u200d\N{FAMILY}",
        "\u05e9\u05dc\u05d5\u05dd \u202eabc",
        "a\x00b",
        "line\nline",
        "\U0010ffff" * 3,
        "x" * 300,
    ]
)
MOMENTS: Final = st.datetimes(timezones=st.just(UTC)) | st.sampled_from(
    [datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC), datetime(1970, 1, 1, tzinfo=UTC)]
)
_LEAVES: Final[dict[Any, st.SearchStrategy[Any]]] = {
    str: TEXTS,
    bool: st.booleans(),
    int: st.integers(-(2**63), 2**63 - 1),
    datetime: MOMENTS,
    date: st.dates(),
}


@cache
def of_type(kind: Any) -> st.SearchStrategy[Any]:
    """Any value of a type: a leaf, an enum, a frozen record, an optional, a union, a tuple or a dict of these."""
    if kind in _LEAVES:
        return _LEAVES[kind]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is tuple:
        return st.lists(of_type(arguments[0]), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(TEXTS, of_type(arguments[1]), max_size=2)
    if origin in (types.UnionType, typing.Union):
        return st.one_of(*(st.none() if part is types.NoneType else of_type(part) for part in arguments))
    if isinstance(kind, type) and issubclass(kind, Enum):
        return st.sampled_from(kind)
    hints = typing.get_type_hints(kind)
    return st.builds(kind, **{field.name: of_type(hints[field.name]) for field in dataclasses.fields(kind)})


def types_within(kind: Any) -> set[type]:
    """Every record and enum that a type is made of, itself included."""
    if isinstance(kind, type) and issubclass(kind, Enum):
        return {kind}
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return {kind}.union(*(types_within(hints[field.name]) for field in dataclasses.fields(kind)))
    return set().union(*(types_within(part) for part in typing.get_args(kind)))
