"""Frozen values are copied like `dataclasses.replace` does, and only our plain kind of dataclass is."""

from __future__ import annotations

import dataclasses
import importlib
import pkgutil
from datetime import UTC, datetime
from enum import Enum
from typing import Any

import pytest

import projections
import schemas
import streams
from schemas.calendar import Attendee, CalendarEvent, TimeSpan
from schemas.codec import RECORDS, load_schema
from schemas.converting import reader
from schemas.values import replace

SPAN = TimeSpan(datetime(2026, 3, 2, tzinfo=UTC), datetime(2026, 3, 3, tzinfo=UTC))
EVENT = CalendarEvent(SPAN, "Review", attendees=(Attendee("a@firm.example"),))


def our_dataclasses() -> list[Any]:
    """Every frozen dataclass of the layers that use `replace`."""
    found = set()
    for package in (schemas, projections, streams):
        for module in pkgutil.iter_modules(package.__path__, f"{package.__name__}."):
            members = vars(importlib.import_module(module.name)).values()
            found |= {one for one in members if isinstance(one, type) and dataclasses.is_dataclass(one)}
    return sorted((one for one in found if one.__dataclass_params__.frozen), key=lambda one: one.__qualname__)


def test_copy_is_what_the_standard_library_gives() -> None:
    """Equal, of the same kind and hash, the original untouched."""
    copied = replace(EVENT, subject="Lunch", rooms=(Attendee("room@firm.example"),))
    expected = dataclasses.replace(EVENT, subject="Lunch", rooms=(Attendee("room@firm.example"),))
    assert (copied, hash(copied), repr(copied)) == (expected, hash(expected), repr(expected))
    assert EVENT.subject == "Review"
    with pytest.raises(dataclasses.FrozenInstanceError):
        copied.subject = "x"  # type: ignore[misc]


def test_a_member_that_does_not_exist_is_refused() -> None:
    """A misspelt name must not become a member nobody reads."""
    with pytest.raises(TypeError, match="no subjet"):
        replace(EVENT, subjet="Lunch")  # type: ignore[call-arg]


@pytest.mark.parametrize("kind", our_dataclasses(), ids=lambda kind: kind.__qualname__)
def test_our_values_need_no_constructor(kind: Any) -> None:
    """What `replace` and the codec leave out does not exist: no hook after the constructor, no slots."""
    assert not hasattr(kind, "__post_init__")
    assert not hasattr(kind, "__slots__")
    assert all(field.init for field in dataclasses.fields(kind))


def records_within(schema: Any, seen: dict[str, Any]) -> dict[str, Any]:
    """Every record of a schema, by name."""
    if isinstance(schema, list):
        for one in schema:
            records_within(one, seen)
    elif isinstance(schema, dict):
        if schema["type"] == "record" and schema["name"] not in seen:
            seen[schema["name"]] = schema
            for field in schema["fields"]:
                records_within(field["type"], seen)
        for inner in ("items", "values"):
            records_within(schema.get(inner), seen)
    return seen


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_schema_and_dataclass_have_the_same_members(kind: type) -> None:
    """A record that was read becomes the value's own dict: a member more or less would show up in it, or be missing."""
    ours = [one for one in our_dataclasses() if one.__module__.startswith("schemas.")]
    classes = {f"concord.{one.__name__}": one for one in ours}
    for name, schema in records_within(load_schema(kind.__name__), {}).items():
        assert [field["name"] for field in schema["fields"]] == [one.name for one in dataclasses.fields(classes[name])]


def test_type_without_avro_form_is_named() -> None:
    """Found when the first record is read, not as a wrong value later."""

    class Plain(Enum):
        ONE = "one"

    assert reader(Plain) is not None
    with pytest.raises(TypeError, match="no Avro form"):
        reader(int | str)
