"""Behaviours as JSON: frozen switches read from a control request and shown in one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass, replace
from types import NoneType
from typing import Any, Final, TypeVar, get_args, get_type_hints

T = TypeVar("T")

PRESETS: Final = ("calm", "rough")
"""Every behaviour has these as methods: nothing at random, and everything at its worst."""


def switches_as_json(behaviour: Any) -> dict[str, Any]:
    """Every switch with its value, by name; groups of switches nested."""
    return {one.name: _plain(getattr(behaviour, one.name)) for one in fields(behaviour)}


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return switches_as_json(value)
    return sorted(value) if isinstance(value, frozenset) else value


def switched(behaviour: T, changes: Any) -> T:
    """The behaviour with these switches set; `preset` is applied first. Raises ValueError in one sentence."""
    if not isinstance(changes, Mapping):
        raise ValueError("the switches must be a JSON object")
    preset = changes.get("preset")
    if preset is not None:
        if preset not in PRESETS or not hasattr(behaviour, preset):
            raise ValueError(f"preset is {preset!r}, which is none of {', '.join(PRESETS)}")
        behaviour = getattr(behaviour, preset)()
    hints = get_type_hints(type(behaviour))
    unknown = sorted(changes.keys() - hints.keys() - {"preset"})
    if unknown:
        raise ValueError(f"there is no switch {', '.join(unknown)}; GET lists them")
    values = {
        name: _read(name, getattr(behaviour, name), hints[name], value)
        for name, value in changes.items()
        if name != "preset"
    }
    return replace(behaviour, **values)  # type: ignore[type-var]


def _read(name: str, held: Any, hint: Any, value: Any) -> Any:
    """A value for one switch, of the type that it declares."""
    if is_dataclass(held):
        return switched(held, value)
    kinds = set(get_args(hint)) or {hint}
    if isinstance(held, frozenset):
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            return frozenset(value)
    elif value is None and NoneType in kinds:
        return None
    elif type(value) in kinds and not (isinstance(value, int | float) and value < 0):
        return value
    elif float in kinds and type(value) is int and value >= 0:
        return float(value)
    raise ValueError(f"{name} is {value!r}, which is not like {_plain(held)!r}")
