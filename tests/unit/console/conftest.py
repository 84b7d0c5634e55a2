"""A console of one's own for each test, with hashes that cost little.

Imported in the fixtures, when the filter of warnings is in force: importing kafka-python warns.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.console import Console


@pytest.fixture(scope="module", autouse=True)
def _cheap_hashes() -> Iterator[None]:
    from concord.console import accounts

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(accounts, "PASSES", 1)
        patch.setattr(accounts, "MEMORY_KIB", 8)
        yield


@pytest.fixture
def console(tmp_path: Path) -> Console:
    """A console without a broker."""
    from support.console import console_at

    return console_at(tmp_path)
