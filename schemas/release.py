"""Keeps the present schemas as released ones: `python -m schemas.release`, in the source tree.

A schema is released once it may have been written to a topic. From then on its file stays, so that records under it
stay readable, and so do golden bytes, which prove it. Run this before new code writes its first record.
"""

from __future__ import annotations

import dataclasses
import json
import sys
import types
import typing
from datetime import UTC, date, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Any, Final

from schemas.codec import RECORDS, encode, load_schema, schema_fingerprint
from schemas.errors import ConcordError

RELEASED: Final = Path(__file__).parent / "avro" / "released"
GOLDEN: Final = Path(__file__).parent.parent / "tests" / "unit" / "schemas" / "golden"

# Samples per record: the largest enum has six symbols, so six are filled to the brim and one is as empty as it can be.
SAMPLES: Final = 7
_FIRST_MOMENT: Final = datetime(2026, 1, 2, 3, 4, 5, 678901, UTC)


def expanded(kind: type) -> dict[str, Any]:
    """The current schema of a record in one piece: each named type defined where it is first used, without docs."""
    schema: dict[str, Any] = _without_docs(load_schema(kind.__name__))
    return schema


def _without_docs(schema: Any) -> Any:
    if isinstance(schema, dict):
        kept = (key for key in schema if key != "doc" and not key.startswith("__"))
        return {key: schema[key] if key == "default" else _without_docs(schema[key]) for key in kept}
    return [_without_docs(part) for part in schema] if isinstance(schema, list) else schema


def release_name(kind: type) -> str:
    """What the files of a record's current schema are called, without suffix."""
    return f"{kind.__name__}.{schema_fingerprint(load_schema(kind.__name__)).hex()}"


def release(released: Path = RELEASED, golden: Path = GOLDEN) -> list[Path]:
    """Write what is missing in both folders; returns the files written. Raises ConcordError, then nothing is written.

    The fingerprint does not cover defaults and logical types, so a schema that differs from a released one only there
    would pass for it: that is refused.
    """
    if not golden.is_dir():
        raise ConcordError(f"There is no folder {golden.name!r} beside the tests.", "Run this in the source tree.")
    wanted: dict[Path, str] = {}
    for kind in RECORDS:
        name, schema = release_name(kind), expanded(kind)
        wanted[released / f"{name}.avsc"] = _json(schema)
        wanted[golden / f"{name}.json"] = _json(
            [{"bytes": encode(v).hex(), "value": to_json(v)} for v in samples(kind)]
        )
    for path, text in wanted.items():
        if path.suffix == ".avsc" and path.exists() and path.read_text(encoding="utf-8") != text:
            raise ConcordError(
                f"{path.name} differs from the current schema only in what its fingerprint does not cover.",
                "A released default or logical type never changes: add a field instead.",
            )
    missing = [path for path in wanted if not path.exists()]
    for path in missing:
        path.write_text(wanted[path], encoding="utf-8")
    return missing


def _json(value: Any) -> str:
    return json.dumps(value, indent=1, ensure_ascii=False) + "\n"


def samples(kind: type) -> list[Any]:
    """Values of a record, the same in every run: each symbol and branch occurs, each list empty and filled."""
    return [_Sampler(number).value(kind, kind.__name__) for number in range(SAMPLES)]


class _Sampler:
    """Fills types with values; each leaf gets one of its own."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.is_bare = number == SAMPLES - 1
        self.length = 0 if self.is_bare else 2 if number == 1 else 1
        self.leaves = 0

    def value(self, kind: Any, name: str) -> Any:
        self.leaves += 1
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if origin is tuple:
            return tuple(self.value(arguments[0], name) for _ in range(self.length))
        if origin is dict:
            return {self.value(str, name): self.value(arguments[1], name) for _ in range(self.length)}
        if origin in (types.UnionType, typing.Union):
            return self._one_of([member for member in arguments if member is not types.NoneType], arguments, name)
        if dataclasses.is_dataclass(kind) and isinstance(kind, type):
            hints = typing.get_type_hints(kind)
            return kind(**{field.name: self.value(hints[field.name], field.name) for field in dataclasses.fields(kind)})
        return self._leaf(kind, name)

    def _one_of(self, members: list[Any], arguments: tuple[Any, ...], name: str) -> Any:
        if types.NoneType in arguments and self.is_bare:
            return None
        return self.value(members[self.number % len(members)], name)

    def _leaf(self, kind: Any, name: str) -> Any:
        if issubclass(kind, Enum):
            members = list(kind)
            return members[self.number % len(members)]
        leaf: dict[Any, Any] = {
            bool: self.leaves % 2 == 0,
            int: self.leaves - 10 * self.number,
            str: f"{name} {self.leaves} \N{CALENDAR} \u05d0",
            datetime: _FIRST_MOMENT + timedelta(days=self.leaves, microseconds=self.number),
            date: _FIRST_MOMENT.date() + timedelta(days=self.leaves),
        }
        return leaf[kind]


def to_json(value: Any) -> Any:
    """A value as plain JSON; a dataclass names its type."""
    if dataclasses.is_dataclass(value):
        members = {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
        return {"type": type(value).__name__, **members}
    if isinstance(value, tuple):
        return [to_json(part) for part in value]
    if isinstance(value, dict):
        return {key: to_json(part) for key, part in value.items()}
    return value.isoformat() if isinstance(value, date) else value


def main() -> int:
    """Release what is new and name it; 1 when something stands in the way."""
    try:
        written = release()
    except ConcordError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write("".join(f"{path.name}\n" for path in written) or "Every current schema is released already.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
