"""The pure half of the connector stays pure."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

PACKAGE = Path(find_spec("connectors.salesforce").submodule_search_locations[0])  # type: ignore[union-attr,index]
PURE = sorted(path.stem for path in PACKAGE.glob("*.py") if path.stem not in {"__init__", "client", "pubsub"})
FORBIDDEN = {
    "asyncio",
    "httpx",
    "requests",
    "simple_salesforce",
    "faust",
    "aiokafka",
    "kafka",
    "time",
    "socket",
    "random",
    "threading",
    "logging",
}


def test_every_module_but_the_live_edges_is_meant_to_be_pure() -> None:
    """A new module is covered without a new line here."""
    assert {
        "change_events",
        "compare",
        "directory",
        "fields",
        "fresh",
        "jobs",
        "marks",
        "notices",
        "relations",
        "sink",
        "source",
        "translate",
        "wire",
    } <= set(PURE)


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_import_no_clock_and_no_network(name: str) -> None:
    """They are driven by tests and the simulation in one thread, with a time that is handed in."""
    imported = set()
    for node in ast.walk(ast.parse((PACKAGE / f"{name}.py").read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
            assert node.module != "connectors.salesforce.client", f"{name} must not import the live edge"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in {("datetime", "now"), ("datetime", "utcnow"), ("date", "today")}
    assert not imported & FORBIDDEN
