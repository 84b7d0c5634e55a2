"""What a change stream told and was not handed on yet: everything at once, deletions only together. Pure.

A burst of deletions comes as many events; only as one handful is its number known (rule 7.20). So deletions wait until
the stream has brought no more of them for a moment, and the place to go on from stays before the first that waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.changes import Notice

# How long no further deletion must come before those there are handed on, and the longest wait of the first, in s.
QUIET_S: Final = 0.5
LONGEST_S: Final = 10.0
# Deletions that may wait; with so many they are handed on.
DELETIONS_MAX: Final = 2000


@dataclass(frozen=True)
class Handful:
    """What is handed on together. `replay_id` is behind everything handed on so far."""

    notices: tuple[Notice, ...]
    replay_id: bytes


@dataclass
class _Entry:
    notice: Notice
    replay_id: bytes
    at: float
    is_taken: bool = False


class Handfuls:
    """The events of one stream in their order. Times are seconds of any steady clock."""

    def __init__(self, replay_id: bytes) -> None:
        self.replay_id = replay_id
        """The place behind everything that was taken without a gap."""
        self._entries: list[_Entry] = []

    def __len__(self) -> int:
        """How many events wait."""
        return sum(not entry.is_taken for entry in self._entries)

    @property
    def deletions(self) -> int:
        """How many of them are deletions."""
        return len(self._deletions())

    def add(self, notice: Notice, replay_id: bytes, now: float) -> None:
        """An event that came."""
        self._entries.append(_Entry(notice, replay_id, now))

    def silence(self, replay_id: bytes) -> bool:
        """Nothing happened up to a place. Whether that is news worth keeping."""
        if self._entries or not replay_id or replay_id == self.replay_id:
            return False
        self.replay_id = replay_id
        return True

    def due_in(self, now: float) -> float | None:
        """Seconds until something can be taken; None while nothing waits."""
        if not len(self):
            return None
        deletions = self._deletions()
        if len(deletions) < len(self) or len(deletions) >= DELETIONS_MAX:
            return 0.0
        return max(0.0, min(deletions[-1].at + QUIET_S, deletions[0].at + LONGEST_S) - now)

    def take(self, now: float) -> Handful | None:
        """Everything that is due, None when nothing is."""
        deletions = self._deletions()
        are_due = bool(deletions) and (
            len(deletions) >= DELETIONS_MAX or now >= min(deletions[-1].at + QUIET_S, deletions[0].at + LONGEST_S)
        )
        taken = [entry for entry in self._entries if not entry.is_taken and (are_due or not entry.notice.is_deletion)]
        if not taken:
            return None
        for entry in taken:
            entry.is_taken = True
        while self._entries and self._entries[0].is_taken:
            self.replay_id = self._entries.pop(0).replay_id
        return Handful(tuple(entry.notice for entry in taken), self.replay_id)

    def _deletions(self) -> list[_Entry]:
        return [entry for entry in self._entries if not entry.is_taken and entry.notice.is_deletion]
