"""A console of one's own for each test, with hashes that cost little.

Imported in the fixtures, when the filter of warnings is in force: importing kafka-python warns.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.console import Console


@pytest.fixture(autouse=True)
def _cheap_hashes(monkeypatch: pytest.MonkeyPatch) -> None:
    from concord.console import accounts

    monkeypatch.setattr(accounts, "PASSES", 1)
    monkeypatch.setattr(accounts, "MEMORY_KIB", 8)


@pytest.fixture
def console(tmp_path: Path) -> Console:
    """A console without a broker."""
    from support.console import console_at

    return console_at(tmp_path)
