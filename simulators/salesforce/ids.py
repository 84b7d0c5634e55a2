"""Record ids: 15 case-sensitive characters, the three-character suffix that makes 18, and a deterministic source."""

from __future__ import annotations

import random
import re
from typing import Final

_SUFFIX: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
_DIGITS: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_SHAPE: Final = re.compile(r"[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?")
_POD: Final = "QH"
"""Characters 4 and 5 of every id of this org, as a real org has its instance there."""


def to18(id15: str) -> str:
    """The 18-character form of a 15-character id: each suffix character encodes which of five letters are capital."""
    suffix = ""
    for block in range(3):
        part = id15[5 * block : 5 * block + 5]
        suffix += _SUFFIX[sum(1 << place for place, letter in enumerate(part) if "A" <= letter <= "Z")]
    return id15 + suffix


def canonical(value: str) -> str:
    """The 18-character form of an id given with 15 or 18. Raises ValueError on a bad length, character or suffix."""
    if not _SHAPE.fullmatch(value):
        raise ValueError(value)
    full = to18(value[:15])
    if len(value) == 18 and value[15:].upper() != full[15:]:
        raise ValueError(value)
    return full


class IdSource:
    """Hands out ids by key prefix: a counter per prefix, started at a random place."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self.counters: dict[str, int] = {}

    def next(self, prefix: str) -> str:
        """A fresh 18-character id with this three-character prefix."""
        count = self.counters.get(prefix)
        if count is None:
            count = self._rng.randrange(62**5)
        self.counters[prefix] = count + 1
        digits = ""
        for _ in range(10):
            count, place = divmod(count, 62)
            digits = _DIGITS[place] + digits
        return to18(f"{prefix}{_POD}{digits}")
