"""Marks on tests that say what they prove, read from the text of the tests without running them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parents[2]


def marked(module: ast.Module, mark: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """(name of a test function, arguments of a mark of this name on it), in order."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            for decorator in node.decorator_list:
                if isinstance(decorator, ast.Call) and ast.unparse(decorator.func) == f"pytest.mark.{mark}":
                    yield node.name, tuple(ast.literal_eval(argument) for argument in decorator.args)


def marks_in(tests: Path, mark: str) -> Iterator[tuple[str, tuple[Any, ...]]]:
    """(`path::test`, arguments) of every mark of this name below a folder, by path."""
    for path in sorted(tests.rglob("test_*.py")):
        for name, arguments in marked(ast.parse(path.read_text(encoding="utf-8")), mark):
            yield f"{path.relative_to(ROOT)}::{name}", arguments
