"""A fresh bus for each test."""

from __future__ import annotations

import pytest
from support.pubsub_client import BusOrg, build_bus


@pytest.fixture
def world() -> BusOrg:
    """A calm org with a calm bus."""
    return build_bus()
