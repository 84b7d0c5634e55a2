"""Records of the journal and of the decisions as facts of their lane, a decision behind the entry that it is about."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import structlog

from concord.read_models.keeper import Fact
from projections.read_models.notes import Placed
from schemas.codec import decode
from schemas.commands import Decision
from schemas.errors import UnreadableRecord
from schemas.journal import JournalEntry
from schemas.topics import SYNC_DECISIONS, SYNC_JOURNAL

log: Final = structlog.get_logger(__name__)


def fact_of(topic: str, partition: int, offset: int, value: bytes | None) -> Fact:
    """One record read. One that no schema reads is logged, and counts as read."""
    try:
        return Fact(topic, offset, _value_of(topic, partition, offset, value))
    except UnreadableRecord as error:
        log.warning("unreadable record left out", topic=topic, partition=partition, offset=offset, error=error.what)
        return Fact(topic, offset, None)


def _value_of(topic: str, partition: int, offset: int, value: bytes | None) -> Placed | Decision:
    if topic == SYNC_JOURNAL:
        return partition, offset, decode(JournalEntry, value)
    return decode(Decision, value)


@dataclass
class Lane:
    """One lane as it is read: the journal up to `journal_next`, and decisions that wait for their entries."""

    number: int
    journal_next: int
    waiting: deque[Fact] = field(default_factory=deque)

    def ready(self, facts: Iterable[Fact], journal_end: int | None = None) -> list[Fact]:
        """What can be folded now that these were read.

        `journal_end`: the journal is known to end there and to be read so far; what names a later entry names none.
        """
        now: list[Fact] = []
        for fact in facts:
            if fact.topic == SYNC_JOURNAL:
                self.journal_next = fact.offset + 1
                now.append(fact)
            else:
                self.waiting.append(fact)
        while self.waiting and self._is_due(self.waiting[0], journal_end):
            now.append(self.waiting.popleft())
        return now

    def _is_due(self, fact: Fact, journal_end: int | None) -> bool:
        decision = fact.value
        assert fact.topic == SYNC_DECISIONS
        if not isinstance(decision, Decision) or decision.partition != self.number:
            return True
        return decision.offset < self.journal_next or (journal_end is not None and journal_end <= decision.offset)
