"""Moments as people write them on the command line: how long ago, or a date and time."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Final

from schemas.errors import ConfigError

_AGO: Final = re.compile(r"(\d{1,9})\s*([smhdw])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400, "w": 604_800}


def moment(text: str, now: datetime) -> datetime:
    """`30d`, `12h`, `45m` before now, or an ISO date or time, in UTC where it names no zone.

    Raises ConfigError.
    """
    ago = _AGO.fullmatch(text.strip())
    try:
        if ago is not None:
            return now - timedelta(seconds=int(ago[1]) * _SECONDS[ago[2]])
        found = datetime.fromisoformat(text.strip())
    except (ValueError, OverflowError):
        raise ConfigError(
            [f"{text!r} is no moment"],
            "Write how long ago (30d, 12h, 45m) or a date or time (2026-11-01, 2026-11-01T08:30).",
        ) from None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
