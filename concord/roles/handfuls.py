"""What a change stream told and was not handed on yet: edits at once, new events in a moment, deletions together. Pure.

A burst of deletions comes as many events; only as one handful is its number known (rule 7.20). So deletions wait until
the stream has brought no more of them for a moment. A new event and its attendees may be saved one after the other, and
attendees alone send nothing (rule 7.6): a new event waits for them a moment, and so do they for each other. The place
to go on from stays before the first that waits.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from schemas.changes import Notice

# How long no further deletion must come before those there are handed on, and the longest wait of the first, in s.
QUIET_S: Final = 0.5
LONGEST_S: Final = 10.0
# How long a new event waits for its attendees, in seconds.
NEW_S: Final = 0.7
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
    due: float
    """When it is handed on; of a deletion, when nobody else holds it up."""
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
        self._entries.append(_Entry(notice, replay_id, now, self._due(notice, now)))

    def _due(self, notice: Notice, now: float) -> float:
        if notice.is_new or notice.entity != "Event":
            return now + NEW_S
        about = set(notice.record_ids)
        waiting = (entry for entry in self._entries if not entry.is_taken and about & set(entry.notice.record_ids))
        return max((entry.due for entry in waiting if entry.notice.is_new), default=now)

    def silence(self, replay_id: bytes) -> bool:
        """Nothing happened up to a place. Whether that is news worth keeping."""
        if self._entries or not replay_id or replay_id == self.replay_id:
            return False
        self.replay_id = replay_id
        return True

    def due_in(self, now: float) -> float | None:
        """Seconds until something can be taken; None while nothing waits."""
        dues = [entry.due for entry in self._entries if not entry.is_taken and not entry.notice.is_deletion]
        deletions = self._deletions()
        if deletions:
            dues.append(_due_together(deletions))
        return max(0.0, min(dues) - now) if dues else None

    def take(self, now: float) -> Handful | None:
        """Everything that is due, None when nothing is."""
        deletions = self._deletions()
        are_due = bool(deletions) and now >= _due_together(deletions)
        taken = [
            entry
            for entry in self._entries
            if not entry.is_taken and (are_due if entry.notice.is_deletion else now >= entry.due)
        ]
        if not taken:
            return None
        for entry in taken:
            entry.is_taken = True
        while self._entries and self._entries[0].is_taken:
            self.replay_id = self._entries.pop(0).replay_id
        return Handful(tuple(entry.notice for entry in taken), self.replay_id)

    def _deletions(self) -> list[_Entry]:
        return [entry for entry in self._entries if not entry.is_taken and entry.notice.is_deletion]


def _due_together(deletions: list[_Entry]) -> float:
    """When deletions are handed on: once no more come for a moment, or they are too many, or wait too long."""
    if len(deletions) >= DELETIONS_MAX:
        return deletions[0].at
    return min(deletions[-1].at + QUIET_S, deletions[0].at + LONGEST_S)
