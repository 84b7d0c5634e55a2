"""The states of pairs that were worked on lately, beside the rows that they were written as.

A pair's entries come in bunches: a change, its outcome, its echo. Reading the state anew for each was a third of the
reconcile worker's time, and a state that was read anew shares nothing with what was written, so writing it was another.
"""

from __future__ import annotations

from typing import Final

from schemas.codec import decode
from schemas.state import PairState

# States in one of two halves. When the newer half is full, the older one is forgotten and the newer becomes the older.
HALF: Final = 2_000


class States:
    """States by the row of their pair. A row counts only as long as it is the same bytes, so what is remembered cannot
    differ from what is kept, whoever wrote it."""

    def __init__(self, half: int = HALF) -> None:
        self._half = half
        self._newer: dict[bytes, tuple[bytes, PairState]] = {}
        self._older: dict[bytes, tuple[bytes, PairState]] = {}

    def __len__(self) -> int:
        return len(self._newer) + len(self._older)

    def read(self, row: bytes, raw: bytes) -> PairState:
        """The state in a row. Raises UnreadableRecord."""
        held = self._newer.get(row) or self._older.get(row)
        if held is not None and held[0] == raw:
            return held[1]
        return decode(PairState, raw)

    def keep(self, row: bytes, raw: bytes, state: PairState) -> None:
        """Remember what was written."""
        if len(self._newer) >= self._half and row not in self._newer:
            self._older, self._newer = self._newer, {}
        self._newer[row] = raw, state
