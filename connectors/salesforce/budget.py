"""How much of the org's daily requests is left, as each answer says it. Pure."""

from __future__ import annotations

import re
from typing import Final

# `api-usage=10018/100000`, with other figures behind it; what counts is the org's own, over 24 hours.
_USAGE: Final = re.compile(r"(?:^|;\s*)api-usage=(\d+)/(\d+)")


def usage(limit_info: str) -> tuple[int, int] | None:
    """Requests used and allowed in 24 hours, from the header Sforce-Limit-Info; None when it does not say."""
    found = _USAGE.search(limit_info)
    return None if found is None else (int(found[1]), int(found[2]))


def is_short(limit_info: str, reserve_percent: float) -> bool:
    """Whether less than this share of the day's requests is left. `limit_info` is the header Sforce-Limit-Info, "" when
    no answer had it: then nothing is known, and nothing held back."""
    known = usage(limit_info)
    if known is None:
        return False
    used, limit = known
    return used > limit * (100 - reserve_percent) / 100
