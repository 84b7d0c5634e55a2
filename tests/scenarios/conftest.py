"""Each scenario begins with a firm at rest."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.scripted import Story


@pytest.fixture
def firm() -> Iterator[Story]:
    """Everybody enabled, two-way, everything allowed, both calendars empty."""
    # Imported here, when pytest's filters of warnings are in force: kafka-python warns when it is imported.
    from support.scripted import story

    with story() as told:
        yield told
