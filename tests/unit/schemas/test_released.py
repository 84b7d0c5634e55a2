"""Every released schema stays readable, in both directions and by other implementations of Avro."""

from __future__ import annotations

import copy
import dataclasses
import io
import json
import types
import typing
from datetime import date, datetime
from enum import Enum
from pathlib import Path
from typing import Any

import avro.io
import avro.schema
import pytest
from avro.compatibility import ReaderWriterCompatibilityChecker, SchemaCompatibilityType
from support.strategies import types_within

from schemas import release as releasing
from schemas.codec import RECORDS, decode, encode, schema_fingerprint
from schemas.errors import ConcordError
from schemas.journal import JournalEntry
from schemas.release import GOLDEN, RELEASED, expanded, release, release_name, samples, to_json
from schemas.topics import TOPICS

KINDS = {kind.__name__: kind for kind in RECORDS}
RELEASES = sorted(RELEASED.glob("*.avsc"))
GOLDENS = sorted(GOLDEN.glob("*.json"))
BY_FILE = pytest.mark.parametrize("path", RELEASES, ids=lambda path: path.stem)


def released_schema(path: Path) -> dict[str, Any]:
    """The schema in a released file."""
    return json.loads(path.read_text(encoding="utf-8"))


def can_read(reader: dict[str, Any], writer: dict[str, Any]) -> bool:
    """Whether the checker of the `avro` package lets `reader` read what `writer` wrote."""
    sides = (avro.schema.parse(json.dumps(schema)) for schema in (reader, writer))
    answer = ReaderWriterCompatibilityChecker().get_compatibility(*sides)
    return answer.compatibility is SchemaCompatibilityType.compatible


def from_json(kind: Any, data: Any) -> Any:
    """What `to_json` wrote, as the current code holds it: members that are newer take their defaults."""
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if data is None:
        return None
    if origin is tuple:
        return tuple(from_json(arguments[0], part) for part in data)
    if origin is dict:
        return {key: from_json(arguments[1], part) for key, part in data.items()}
    if origin in (types.UnionType, typing.Union):
        members = [part for part in arguments if part is not types.NoneType]
        named = next((part for part in members if isinstance(data, dict) and part.__name__ == data["type"]), members[0])
        return from_json(named, data)
    if dataclasses.is_dataclass(kind) and isinstance(kind, type):
        hints = typing.get_type_hints(kind)
        return kind(**{name: from_json(hints[name], part) for name, part in data.items() if name != "type"})
    if issubclass(kind, date):
        return kind.fromisoformat(data)
    return kind(data)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
def test_current_schema_is_released(kind: type) -> None:
    """What may be on a topic tomorrow is kept today, with golden bytes."""
    name = release_name(kind)
    for path in (RELEASED / f"{name}.avsc", GOLDEN / f"{name}.json"):
        assert path.exists(), f"{kind.__name__} changed: run `make release-schemas` and commit {path.name}"
    assert released_schema(RELEASED / f"{name}.avsc") == expanded(kind), "a released default or logical type changed"


@BY_FILE
def test_released_file_is_named_after_its_content(path: Path) -> None:
    """A released file that was edited would no longer have its fingerprint: restore it from the history."""
    schema = released_schema(path)
    assert path.stem == f"{schema['name'].split('.')[-1]}.{schema_fingerprint(schema).hex()}"


@BY_FILE
def test_current_and_released_schemas_read_each_other(path: Path) -> None:
    """Backward: we read old records. Forward: a worker of the old version could read ours after an upgrade of it."""
    released = released_schema(path)
    current = expanded(KINDS[released["name"].split(".")[-1]])
    assert can_read(current, released), f"records of {path.stem} could not be read any more"
    assert can_read(released, current), f"a reader of {path.stem} could not read new records"


def test_every_released_schema_has_golden_bytes() -> None:
    """No release without its proof, no proof without its release."""
    assert {path.stem for path in RELEASES} == {path.stem for path in GOLDENS}


@pytest.mark.parametrize("path", GOLDENS, ids=lambda path: path.stem)
def test_golden_bytes_still_mean_what_they_meant(path: Path) -> None:
    """Bytes written under each released schema read as the value they were made from."""
    kind = KINDS[path.stem.split(".")[0]]
    rows = json.loads(path.read_text(encoding="utf-8"))
    assert len(rows) >= 1
    for row in rows:
        raw = bytes.fromhex(row["bytes"])
        assert raw[2:10].hex() == path.stem.split(".")[1]
        assert decode(kind, raw) == from_json(kind, row["value"])


def changed(name: str, change: str) -> dict[str, Any]:
    """A released schema with a change of the forbidden kind."""
    schema = copy.deepcopy(expanded(KINDS[name]))
    match change:
        case "member without default":
            schema["fields"].append({"name": "added", "type": "string"})
        case "member with another type":
            next(field for field in schema["fields"] if field["name"] == "id")["type"] = "long"
        case "enum without a symbol and without default":
            enum = next(field["type"] for field in schema["fields"] if field["name"] == "side")
            enum["symbols"] = enum["symbols"][:-1]
            del enum["default"]
    return schema


@pytest.mark.parametrize(
    "change", ["member without default", "member with another type", "enum without a symbol and without default"]
)
def test_gate_notices_a_breaking_change(change: str) -> None:
    """The compatibility check is one that can fail."""
    assert can_read(expanded(KINDS["Change"]), expanded(KINDS["Change"]))
    assert not can_read(changed("Change", change), expanded(KINDS["Change"]))


def test_member_with_default_passes_the_gate() -> None:
    """Adding a member with a default is the one way to change a schema."""
    schema = copy.deepcopy(expanded(KINDS["Wakeup"]))
    schema["fields"].append({"name": "added", "type": "string", "default": ""})
    assert can_read(schema, expanded(KINDS["Wakeup"]))
    assert can_read(expanded(KINDS["Wakeup"]), schema)


def test_release_writes_what_is_missing_and_only_that(tmp_path: Path) -> None:
    """The first run writes two files a record, the second none."""
    released, golden = tmp_path / "released", tmp_path / "golden"
    released.mkdir()
    golden.mkdir()
    assert len(release(released, golden)) == 2 * len(RECORDS)
    assert release(released, golden) == []
    (released / f"{release_name(RECORDS[0])}.avsc").unlink()
    assert [path.name for path in release(released, golden)] == [f"{release_name(RECORDS[0])}.avsc"]


def test_release_refuses_a_change_that_the_fingerprint_hides(tmp_path: Path) -> None:
    """Another default under the same fingerprint would make one fingerprint mean two things."""
    release(tmp_path, tmp_path)
    path = tmp_path / f"{release_name(KINDS['Settings'])}.avsc"
    path.write_text(path.read_text(encoding="utf-8").replace('"default": 24', '"default": 12'), encoding="utf-8")
    with pytest.raises(ConcordError, match="fingerprint does not cover"):
        release(tmp_path, tmp_path)


def test_release_outside_the_source_tree_says_so(tmp_path: Path) -> None:
    """An installed package has no tests folder to put golden bytes in."""
    with pytest.raises(ConcordError, match="source tree"):
        release(tmp_path, tmp_path / "absent")


def test_command_names_what_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It prints each new file once, then says that there is nothing left; a refusal is one sentence and status 1."""
    monkeypatch.setattr(releasing.release, "__defaults__", (tmp_path, tmp_path))
    assert releasing.main() == 0
    assert capsys.readouterr().out.count(".avsc\n") == len(RECORDS)
    assert releasing.main() == 0
    assert "released already" in capsys.readouterr().out
    monkeypatch.setattr(releasing.release, "__defaults__", (tmp_path, tmp_path / "absent"))
    assert releasing.main() == 1
    assert "source tree" in capsys.readouterr().err


@pytest.mark.parametrize("kind", [kind for kind in RECORDS if kind is not JournalEntry], ids=lambda k: k.__name__)
def test_samples_hold_every_symbol(kind: type) -> None:
    """Golden bytes prove something only if every enum symbol, None, and empty and filled lists occur in them."""
    text = json.dumps([to_json(value) for value in samples(kind)])
    for part in (part for part in types_within(kind) if issubclass(part, Enum)):
        assert all(f'"{member.value}"' in text for member in part), part
    assert "null" in text or not any(types.NoneType in typing.get_args(h) for h in typing.get_type_hints(kind).values())
    assert all(decode(kind, encode(value)) == value for value in samples(kind))


def test_samples_of_the_journal_hold_every_branch() -> None:
    """Each kind of journal entry has golden bytes."""
    branches = typing.get_args(typing.get_type_hints(JournalEntry)["what"])
    assert {type(entry.what) for entry in samples(JournalEntry)} == set(branches)
    assert all(decode(JournalEntry, encode(value)) == value for value in samples(JournalEntry))


# ---- another implementation -----------------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A value as the dicts of the `avro` package: records without names, enums as texts."""
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple):
        return [plain(part) for part in value]
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return value.value if isinstance(value, Enum) else value


def read_by_avro(raw: bytes) -> Any:
    """A record read by the `avro` package: the released file with its fingerprint, then the body."""
    assert raw[:2] == b"\xc3\x01"
    (path,) = RELEASED.glob(f"*.{raw[2:10].hex()}.avsc")
    schema = avro.schema.parse(path.read_text(encoding="utf-8"))
    body = io.BytesIO(raw[10:])
    found = avro.io.DatumReader(schema, schema).read(avro.io.BinaryDecoder(body))
    assert body.read() == b""
    return found


@pytest.mark.parametrize("spec", [s for s in TOPICS if s.record in KINDS], ids=lambda spec: spec.name)
def test_another_implementation_reads_a_record_of_each_topic(spec: Any) -> None:
    """The `avro` package from PyPI reads what we write, with nothing but the released files."""
    for value in samples(KINDS[spec.record]):
        assert read_by_avro(encode(value)) == plain(value)


def test_another_implementation_keeps_microseconds_and_zone() -> None:
    """Times are instants: read elsewhere they are the same instant."""
    found = read_by_avro(encode(samples(KINDS["Wakeup"])[0]))
    assert isinstance(found["at"], datetime)
    assert found["at"] == samples(KINDS["Wakeup"])[0].at
