"""What shares an environment runs on one worker, and the long ones come first."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.scheduling import FIRST, rank, unit_of

ROOT = Path(__file__).parents[2]


def files(folder: str) -> list[str]:
    """Test files under a folder, as node ids name them."""
    return [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / folder).rglob("test_*.py"))]


@pytest.mark.parametrize("start", FIRST)
def test_every_place_in_the_order_is_taken(start: str) -> None:
    """A renamed folder or file would lose its place unnoticed."""
    assert any(path.startswith(start) for path in files("tests"))


@pytest.mark.parametrize(
    ("folder", "fixture"),
    [("tests/integration/roles", "firm: Running"), ("tests/integration", "broker: DevelopmentBroker")],
)
def test_tests_of_one_environment_are_one_unit(folder: str, fixture: str) -> None:
    """Whoever asks for the shared fixture is in the unit of the others, and the unit is not torn apart by the order."""
    users = {path for path in files(folder) if fixture in (ROOT / path).read_text(encoding="utf-8")}
    assert len(users) > 2
    assert len({unit_of(path) for path in users}) == 1
    ordered = sorted(files("tests"), key=rank)
    places = [place for place, path in enumerate(ordered) if unit_of(path) == unit_of(next(iter(users)))]
    assert places == list(range(places[0], places[0] + len(places)))
    assert unit_of("tests/unit/test_tidy.py") == "tests/unit/test_tidy.py"
