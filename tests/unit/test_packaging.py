"""What is installed: plain top-level names that must belong to us alone, and the schema files as package data."""

from __future__ import annotations

import tomllib
from importlib import import_module
from importlib.metadata import packages_distributions
from importlib.resources import files
from pathlib import Path

import pytest
from hatchling.builders.wheel import WheelBuilder

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("schemas", "projections", "streams", "connectors", "simulators", "concord")


@pytest.mark.parametrize("name", PACKAGES)
def test_top_level_name_belongs_to_concord_alone(name: str) -> None:
    """Another distribution's package of this name would shadow ours: install Concord into an environment of its own.

    An editable install declares no packages, so an absent name is ours as long as it is imported from our folder.
    """
    assert set(packages_distributions().get(name, ["concord"])) == {"concord"}
    assert folder_of(name).parent == folder_of("concord").parent


def folder_of(name: str) -> Path:
    """Where a package is imported from."""
    where = import_module(name).__file__
    assert where is not None
    return Path(where).parent


@pytest.mark.parametrize("name", PACKAGES)
def test_package_is_typed_and_says_what_it_is(name: str) -> None:
    """`py.typed` for type checkers, one line of text for readers."""
    assert (files(name) / "py.typed").is_file()
    assert (files(name) / "__init__.py").read_text(encoding="utf-8").startswith('"""')


def test_schema_files_are_package_data() -> None:
    """The codec reads its schemas from the installed package, the released ones included."""
    folder = files("schemas") / "avro"
    assert len([path for path in folder.iterdir() if path.name.endswith(".avsc")]) > 40
    assert any(path.name.endswith(".avsc") for path in (folder / "released").iterdir())


def test_wheel_holds_every_package_and_no_tests() -> None:
    """Hatchling is told the packages by name: one that is missing there is missing on every machine but ours."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert set(project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]) == set(PACKAGES)
    shipped = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {path.split("/")[0] for path in shipped} == set(PACKAGES)
    for name in PACKAGES:
        sources = {str(path.relative_to(ROOT)) for path in (ROOT / name).rglob("*.py")}
        assert sources <= shipped, f"left out of the wheel: {sorted(sources - shipped)}"
    schemas = {str(path.relative_to(ROOT)) for path in (ROOT / "schemas").rglob("*.avsc")}
    assert schemas <= shipped


def test_classifier_keeps_the_application_off_public_indexes() -> None:
    """The plain names would clash with others': upload is refused by the classifier."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    assert "Private :: Do Not Upload" in project["project"]["classifiers"]
