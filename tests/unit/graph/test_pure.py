"""The pure half of the connector stays pure."""

from __future__ import annotations

import ast
from importlib.util import find_spec
from pathlib import Path

import pytest

PURE = ("wire", "text", "translate", "compare", "source", "sink", "directory", "subscriptions")
FORBIDDEN = {
    "asyncio",
    "httpx",
    "requests",
    "msal",
    "faust",
    "aiokafka",
    "kafka",
    "time",
    "socket",
    "random",
    "logging",
}


@pytest.mark.parametrize("name", PURE)
def test_pure_modules_import_no_clock_and_no_network(name: str) -> None:
    """They are driven by tests and the simulation in one thread, with a time that is handed in."""
    spec = find_spec(f"connectors.graph.{name}")
    assert spec is not None
    assert spec.origin is not None
    imported = set()
    for node in ast.walk(ast.parse(Path(spec.origin).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            imported.add((node.module or "").split(".")[0])
            assert node.module != "connectors.graph.client", f"{name} must not import the live edge"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            assert (node.value.id, node.attr) not in {("datetime", "now"), ("datetime", "utcnow"), ("date", "today")}
    assert not imported & FORBIDDEN
