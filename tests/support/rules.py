"""`make rules`: each rule of the product with the place that decides it and the tests that prove it.

Tests say what they prove with `@pytest.mark.rule("7.11")`. They are read, not run, so this takes a second.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Final

from support.marks import ROOT, marks_in

from streams.rules import RULES, Rule

TABLE: Final = ROOT / "docs" / "reference" / "rules.md"

HEAD: Final = """# Rules

Each numbered rule of the product, the place in the code that decides it, and the tests that prove it. Written by
`make rules` from `streams/rules.py` and the marks `@pytest.mark.rule(...)` on tests; it fails if a rule has no test.
Run one rule's tests with `pytest -k` and a test's name.

| rule | what it says | decided by | proven by |
| --- | --- | --- | --- |
"""


def proofs(tests: Path) -> dict[str, list[str]]:
    """Rule number -> `path::test` of every test that carries it, in order."""
    found: dict[str, list[str]] = {}
    for test, numbers in marks_in(tests, "rule"):
        for number in numbers:
            found.setdefault(str(number), []).append(test)
    return found


def problems(rules: tuple[Rule, ...], proven: dict[str, list[str]]) -> list[str]:
    """Rules without a test, marks that name no rule, places that do not exist."""
    numbers = {rule.number for rule in rules}
    found = [f"rule {rule.number} has no test: {rule.text}" for rule in rules if rule.number not in proven]
    found += [f"{tests[0]} names rule {number}, which does not exist" for number, tests in proven.items()
              if number not in numbers]  # fmt: skip
    return found + [f"rule {rule.number}: {rule.decided_by} does not exist" for rule in rules if not _exists(rule)]


def _exists(rule: Rule) -> bool:
    module, _, name = rule.decided_by.partition(":")
    return hasattr(import_module(module), name)


def table(rules: tuple[Rule, ...], proven: dict[str, list[str]]) -> str:
    """The page as text."""
    return HEAD + "".join(
        f"| {rule.number} | {rule.text} | `{rule.decided_by}` | {', '.join(_shown(proven.get(rule.number, [])))} |\n"
        for rule in rules
    )


def _shown(tests: list[str]) -> Iterator[str]:
    for test in tests:
        path, _, name = test.partition("::")
        yield f"[{name.removeprefix('test_').replace('_', ' ')}](../../{path})"


def main() -> int:
    """Write the page; return 1 when a rule is not proven."""
    proven = proofs(ROOT / "tests")
    wrong = problems(RULES, proven)
    TABLE.write_text(table(RULES, proven), encoding="utf-8")
    for line in wrong:
        print(line)  # noqa: T201 - printing is what this is for
    count = sum(len(tests) for tests in proven.values())
    print(f"{len(RULES)} rules, {count} proofs, {len(wrong)} problems: {TABLE.relative_to(ROOT)}")  # noqa: T201
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
