"""The `.avsc` files and the frozen values say the same: members, types, order, defaults, symbols."""

from __future__ import annotations

import dataclasses
import json
import types
import typing
from datetime import date, datetime
from enum import Enum
from importlib.resources import files
from typing import Any

import pytest
from support.strategies import types_within

from schemas.codec import NAMESPACE, RECORDS

FOLDER = files("schemas") / "avro"
KINDS = sorted(set().union(*(types_within(kind) for kind in RECORDS)), key=lambda kind: kind.__name__)
LEAVES: dict[Any, Any] = {
    str: "string",
    bool: "boolean",
    int: "long",
    datetime: {"type": "long", "logicalType": "timestamp-micros"},
    date: {"type": "int", "logicalType": "date"},
}


def avro_file(name: str) -> dict[str, Any]:
    """The file of one record or enum."""
    return json.loads((FOLDER / f"{NAMESPACE}.{name}.avsc").read_text(encoding="utf-8"))


def avro_type(kind: Any) -> Any:
    """The Avro type that a Python type calls for."""
    arguments = typing.get_args(kind)
    match typing.get_origin(kind):
        case None:
            return LEAVES.get(kind) or f"{NAMESPACE}.{kind.__name__}"
        case origin if origin is tuple:
            return {"type": "array", "items": avro_type(arguments[0])}
        case origin if origin is dict:
            return {"type": "map", "values": avro_type(arguments[1])}
        case _:
            members = sorted(arguments, key=lambda part: part is not types.NoneType)
            return ["null" if part is types.NoneType else avro_type(part) for part in members]


def avro_default(value: Any) -> Any:
    """A member's default as Avro writes it in a schema."""
    if isinstance(value, datetime):
        return int(value.timestamp() * 1_000_000)
    if dataclasses.is_dataclass(value):
        return {field.name: avro_default(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return [avro_default(part) for part in value] if isinstance(value, tuple) else value


def member_default(field: dataclasses.Field[Any]) -> dict[str, Any]:
    """The `default` entry of a member; nothing when it has none."""
    if field.default is not dataclasses.MISSING:
        return {"default": avro_default(field.default)}
    if field.default_factory is not dataclasses.MISSING:
        return {"default": avro_default(field.default_factory())}
    return {}


def test_there_is_one_file_for_each_type_and_none_besides() -> None:
    """A file without a type would promise what nothing reads."""
    found = {path.name for path in FOLDER.iterdir() if path.name.endswith(".avsc")}
    assert found == {f"{NAMESPACE}.{kind.__name__}.avsc" for kind in KINDS}


@pytest.mark.parametrize("kind", [kind for kind in KINDS if dataclasses.is_dataclass(kind)], ids=lambda k: k.__name__)
def test_record_file_matches_its_dataclass(kind: type) -> None:
    """Same members in the same order, with the same types and the same defaults."""
    hints = typing.get_type_hints(kind)
    expected = [
        {"name": field.name, "type": avro_type(hints[field.name])} | member_default(field)
        for field in dataclasses.fields(kind)
    ]
    schema = avro_file(kind.__name__)
    assert (schema["type"], schema["name"], schema["namespace"]) == ("record", kind.__name__, NAMESPACE)
    assert schema["fields"] == expected


@pytest.mark.parametrize("kind", [kind for kind in KINDS if issubclass(kind, Enum)], ids=lambda k: k.__name__)
def test_enum_file_matches_its_enum_and_has_a_default(kind: type[Enum]) -> None:
    """A symbol that an older reader does not know becomes the default instead of an unreadable record."""
    schema = avro_file(kind.__name__)
    assert schema["symbols"] == [member.value for member in kind]
    assert schema["default"] in schema["symbols"]
