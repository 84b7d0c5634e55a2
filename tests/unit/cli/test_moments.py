"""Moments as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from concord.moments import moment
from schemas.errors import ConfigError

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("30d", NOW - timedelta(days=30)),
        (" 12h ", NOW - timedelta(hours=12)),
        ("45m", NOW - timedelta(minutes=45)),
        ("90s", NOW - timedelta(seconds=90)),
        ("2w", NOW - timedelta(weeks=2)),
        ("2026-11-01", datetime(2026, 11, 1, tzinfo=UTC)),
        ("2026-11-01T08:30", datetime(2026, 11, 1, 8, 30, tzinfo=UTC)),
        ("2026-11-01T08:30+02:00", datetime(2026, 11, 1, 8, 30, tzinfo=timezone(timedelta(hours=2)))),
    ],
)
def test_a_moment_is_an_age_or_a_date(text: str, found: datetime) -> None:
    """Without a zone it is UTC."""
    assert moment(text, NOW) == found
    assert moment(text, NOW).tzinfo is not None


@pytest.mark.parametrize("text", ["", "yesterday", "30", "d", "-3d", "2026-13-01", "999999999w"])
def test_anything_else_is_one_clear_sentence(text: str) -> None:
    """It quotes what was written and says what can be."""
    with pytest.raises(ConfigError, match=r"no moment.*30d"):
        moment(text, NOW)
