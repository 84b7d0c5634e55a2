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
    ("folder", "fixture", "environments"),
    [("tests/integration/roles", "firm: Running", 2), ("tests/integration", "broker: DevelopmentBroker", 1)],
)
def test_tests_of_one_environment_are_one_unit(folder: str, fixture: str, environments: int) -> None:
    """Whoever asks for the shared fixture is in a unit of these, each costs one environment, and no unit is torn apart
    by the order."""
    users = {path for path in files(folder) if fixture in (ROOT / path).read_text(encoding="utf-8")}
    assert len(users) > 2
    units = {unit_of(path) for path in users}
    assert len(units) == environments
    ordered = [unit_of(path) for path in sorted(files("tests"), key=rank)]
    for unit in units:
        places = [place for place, of in enumerate(ordered) if of == unit]
        assert places == list(range(places[0], places[0] + len(places)))
    assert unit_of("tests/unit/test_tidy.py") == "tests/unit/test_tidy.py"
