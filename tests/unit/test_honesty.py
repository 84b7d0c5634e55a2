"""The points of honesty: each has a test that says so, and the report tells what was not proved."""

from __future__ import annotations

import pytest
from support.honest_points import POINTS
from support.honesty import Tally, points_of, proofs, unproven
from support.marks import ROOT


def test_every_point_is_claimed_by_a_test() -> None:
    """A point that no test names is not proved; `make contract` runs them and says how they ended."""
    assert unproven(proofs(ROOT / "tests")) == []


def test_the_lists_have_the_lengths_of_the_references() -> None:
    """25 points a service, and those of the event bus."""
    assert {service: len(texts) for service, texts in POINTS.items()} == {"graph": 25, "salesforce": 25, "pubsub": 14}


@pytest.mark.parametrize("arguments", [("graph",), ("exchange", 1), ("graph", 26), ("graph", 0), ("graph", "7")])
def test_a_mark_that_names_no_point_is_refused(arguments: tuple[object, ...]) -> None:
    """A service, then numbers of its list."""
    with pytest.raises(ValueError, match="honest"):
        points_of(arguments)


def report(outcome: str, *points: str, when: str = "call") -> pytest.TestReport:
    """The end of a test that names these points."""
    return pytest.TestReport(
        "tests/contract/graph/test_sink.py::test_x", ("", 0, ""), {}, outcome, None, when,  # type: ignore[arg-type]
        user_properties=[("honest", point) for point in points],
    )  # fmt: skip


def test_the_report_names_each_point_with_its_state() -> None:
    """Proved needs a test that passed and none that failed or was left out."""
    tally = Tally()
    for one in (
        report("passed", "graph 1", when="setup"),
        report("passed", "graph 1", "graph 2"),
        report("failed", "graph 2"),
        report("skipped", "pubsub 3", when="setup"),
    ):
        tally.count(one)
    lines = list(tally.lines())
    assert lines[1].split()[:4] == ["1", "proved", "1", "tests"]
    assert lines[2].split()[:5] == ["2", "FAILED", "1", "of", "2"]
    assert lines[3].split()[:3] == ["3", "NOT", "PROVEN"]
    still = tally.open_points()
    assert len(still) == sum(len(texts) for texts in POINTS.values()) - 1
    assert still[0].startswith("Microsoft Graph 2:")
    assert lines[-1].split()[0] == "FAILED"
