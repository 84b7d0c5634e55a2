"""A fresh org for each test."""

from __future__ import annotations

import pytest
from support.salesforce_client import SalesforceClient, build_org


@pytest.fixture
def org() -> SalesforceClient:
    """A client of a calm org with a few records."""
    return build_org()
