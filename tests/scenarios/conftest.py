"""Each scenario begins with a firm at rest."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from support.scripted import Story, story


@pytest.fixture
def firm() -> Iterator[Story]:
    """Everybody enabled, two-way, everything allowed, both calendars empty."""
    with story() as told:
        yield told
