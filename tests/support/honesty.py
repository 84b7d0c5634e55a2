"""`make contract`: the contract tests, then each point of honesty with its state, and each port of our connectors.

A pytest plugin. The run fails when a point has no test, or a test of it failed or did not run.
"""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias

import pytest
from support.honest_points import POINTS, SERVICES
from support.marks import ROOT, marks_in

Point: TypeAlias = tuple[str, int]
"""Service and number."""

PORTS: Final = ("tests/contract/graph/", "tests/contract/salesforce/")
"""Where our connectors run against the simulators."""
_PROPERTY: Final = "honest"
_FAILED: Final = pytest.ExitCode.TESTS_FAILED


def points_of(arguments: tuple[object, ...]) -> list[Point]:
    """The points that a mark names: a service, then numbers. Raises ValueError for one that does not exist."""
    service, *numbers = arguments
    if service not in POINTS or not numbers:
        raise ValueError(f"honest{arguments!r} must name one of {', '.join(POINTS)} and its points")
    for number in numbers:
        if not isinstance(number, int) or not 1 <= number <= len(POINTS[str(service)]):
            raise ValueError(f"honest{arguments!r}: there is no point {number!r}")
    return [(str(service), int(str(number))) for number in numbers]


def proofs(tests: Path) -> dict[Point, list[str]]:
    """Point -> `path::test` of every test that says it proves it."""
    found: dict[Point, list[str]] = {}
    for test, arguments in marks_in(tests, "honest"):
        for point in points_of(arguments):
            found.setdefault(point, []).append(test)
    return found


def unproven(found: dict[Point, list[str]]) -> list[str]:
    """The points that no test names, in words."""
    return [
        f"{SERVICES[service]} {number}: {text}"
        for service, texts in POINTS.items()
        for number, text in enumerate(texts, 1)
        if (service, number) not in found
    ]


class Tally:
    """How the tests of points and ports ended: passed, failed or skipped."""

    def __init__(self) -> None:
        self.points: dict[Point, Counter[str]] = defaultdict(Counter)
        self.ports: dict[str, Counter[str]] = defaultdict(Counter)

    def count(self, report: pytest.TestReport) -> None:
        """Take the end of a test into account."""
        if report.when != "call" and report.passed:
            return
        path = report.nodeid.partition("::")[0]
        if path.startswith(PORTS):
            self.ports[path][report.outcome] += 1
        for name, value in report.user_properties:
            if name == _PROPERTY:
                service, number = str(value).split()
                self.points[service, int(number)][report.outcome] += 1

    def lines(self) -> Iterator[str]:
        """The report."""
        for service, texts in POINTS.items():
            yield f"{SERVICES[service]}: what a simulator must do to be honest"
            for number, text in enumerate(texts, 1):
                yield f"  {number:>2}  {_state(self.points[service, number]):<18} {text}"
            yield ""
        yield "Ports: our connectors against the simulators"
        for path, counter in sorted(self.ports.items()):
            yield f"      {_state(counter):<18} {_about(path)}"

    def open_points(self) -> list[str]:
        """The points that this run did not prove."""
        return [
            f"{SERVICES[service]} {number}: {text}"
            for service, texts in POINTS.items()
            for number, text in enumerate(texts, 1)
            if not _is_proved(self.points[service, number])
        ]


def _is_proved(counter: Counter[str]) -> bool:
    return counter["passed"] > 0 and counter["passed"] == counter.total()


def _state(counter: Counter[str]) -> str:
    if not counter.total():
        return "NOT PROVEN"
    if _is_proved(counter):
        return f"proved   {counter['passed']:>3} tests"
    return f"FAILED   {counter.total() - counter['passed']} of {counter.total()}"


def _about(path: str) -> str:
    """A file's port: its folder, and the first line of what it says about itself."""
    text = ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8"))) or path
    return f"{Path(path).parent.name}: {text.splitlines()[0]}"


class Report:
    """The plugin of one run."""

    def __init__(self) -> None:
        self.tally = Tally()

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Let each test carry its points to its report, across processes as well."""
        for item in items:
            for mark in item.iter_markers("honest"):
                item.user_properties += [(_PROPERTY, f"{service} {n}") for service, n in points_of(mark.args)]

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Count."""
        self.tally.count(report)

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """An unproven point fails the run."""
        if session.exitstatus == pytest.ExitCode.OK and self.tally.open_points():
            session.exitstatus = _FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Print every point and port."""
        terminalreporter.write_line("")
        for line in self.tally.lines():
            terminalreporter.write_line(line)
        still = self.tally.open_points()
        total = sum(len(texts) for texts in POINTS.values())
        terminalreporter.write_line("")
        terminalreporter.write_line(f"{total - len(still)} of {total} points proved.")


def pytest_configure(config: pytest.Config) -> None:
    """Join a run that was started with `-p support.honesty`."""
    config.pluginmanager.register(Report(), "honesty-report")
