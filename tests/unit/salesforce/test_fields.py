"""The org's names: a file of overrides, and every problem in it at once."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from connectors.salesforce.fields import FieldNames, read_field_names
from schemas.errors import ConfigError


def written(tmp_path: Path, value: Any) -> Path:
    """A file with this JSON value in it."""
    path = tmp_path / "fields.json"
    path.write_text(json.dumps(value), encoding="utf-8")
    return path


def test_without_a_file_the_usual_names_hold() -> None:
    """They are those of the managed package and of our own key."""
    assert read_field_names(None) == FieldNames()
    assert FieldNames().sync_key == "Concord_Sync_Key__c"


def test_a_file_replaces_what_it_names(tmp_path: Path) -> None:
    """ "" says that the org has no such field; it is then neither read nor written."""
    names = read_field_names(written(tmp_path, {"show_as": "", "external_id": "acme__Id__c", "origin": "Origin__c"}))
    assert names == FieldNames(show_as="", external_id="acme__Id__c", origin="Origin__c")
    assert "" not in names.of_event()
    assert {"acme__Id__c", "Origin__c", "Concord_Sync_Key__c"} <= set(names.of_event())


@pytest.mark.parametrize(
    ("value", "problems"),
    [
        ([], ["not a JSON object"]),
        ({"shows": "x", "origin": 1, "invitee": None}, ["unknown name 'shows'", "origin is not", "invitee is not"]),
        ({"sync_key": "", "external_id": ""}, ["neither sync_key nor external_id"]),
    ],
)
def test_every_problem_of_a_file_is_named(tmp_path: Path, value: Any, problems: list[str]) -> None:
    """All at once, with the file's name."""
    with pytest.raises(ConfigError) as caught:
        read_field_names(written(tmp_path, value))
    assert len(caught.value.problems) == len(problems)
    assert all("fields.json" in problem for problem in caught.value.problems)
    for problem in problems:
        assert any(problem in found for found in caught.value.problems)


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    """Missing, or no JSON."""
    for path in (tmp_path / "missing.json", tmp_path):
        with pytest.raises(ConfigError, match="not a readable JSON file"):
            read_field_names(path)
    broken = tmp_path / "broken.json"
    broken.write_text("{", encoding="utf-8")
    with pytest.raises(ConfigError, match="not a readable JSON file"):
        read_field_names(broken)
