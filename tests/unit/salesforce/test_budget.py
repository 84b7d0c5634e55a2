"""When the org's daily requests run short, as the answers' header says it."""

from __future__ import annotations

import pytest

from connectors.salesforce.budget import is_short


@pytest.mark.parametrize(
    ("limit_info", "reserve", "expected"),
    [
        ("", 5, False),
        ("nonsense", 5, False),
        ("api-usage=0/15000", 5, False),
        ("api-usage=14250/15000", 5, False),
        ("api-usage=14251/15000", 5, True),
        ("api-usage=15000/15000; per-app-api-usage=17/250(appName=x)", 5, True),
        ("per-app-api-usage=250/250(appName=x)", 5, False),
        ("api-usage=15000/15000", 0, False),
        ("api-usage=1/15000", 100, True),
    ],
)
def test_short_is_less_than_the_reserve(limit_info: str, reserve: float, expected: bool) -> None:
    """The org's own figure counts; without one nothing is held back."""
    assert is_short(limit_info, reserve) is expected
