"""A hand-made history of a small firm: what stands on the topics after a day, without any worker."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from support.simulation_pairs import OWNER, Journal, content

from schemas.calendar import Attendee, Sensitivity
from schemas.commands import Command, Decision, Result
from schemas.journal import JournalEntry, OperatorActed, OperatorVerb
from streams.stage import Step

REVIEW: Final = "m:uid-G"
PRIVATE: Final = "m:uid-P"
REFUSED: Final = "m:uid-R"
PENDING: Final = "m:uid-W"
IGNORED: Final = "m:uid-I"
CLIENT: Final = Attendee("client@out.example", "Carla Client", record_id="003CLIENT")
ANN: Final = Attendee("ann@firm.example", "Ann", record_id=OWNER, is_user=True)
SALESFORCE_ID: Final = "00U000000000001AAA"


@dataclass
class History(Journal):
    """A journal partition that keeps its entries and decisions, to be told or to be written to a broker."""

    entries: list[tuple[int, int, JournalEntry]] = field(default_factory=list)
    decisions: list[Decision] = field(default_factory=list)

    def fold(self, entry: JournalEntry) -> Step | None:
        """Fold an entry, and keep it with what was decided."""
        offset = self.offset
        done = super().fold(entry)
        self.entries.append((0, offset, entry))
        if done is not None and done.decision is not None:
            self.decisions.append(done.decision)
        return done

    def of(self, key: str) -> list[tuple[int, int, JournalEntry]]:
        """The entries of one pair."""
        return [row for row in self.entries if row[2].pair_key == key]

    def retry(self, key: str, at: float = 0.0) -> Step:
        """An operator asked for another try."""
        done = self.enter(key, "operator.actions", OperatorActed(OperatorVerb.RETRY, "olga"), at)
        assert done is not None
        return done


def tell_conflict(history: History) -> str:
    """A review made in Microsoft 365, then edited on both sides at once: the location on both, the subject in Practifi
    only. Returns its pair key."""
    before = content("Annual review", location="Room 1")
    step = history.graph(REVIEW, "G", before)
    history.answer(step.commands[0], SALESFORCE_ID, at=1)
    in_practifi = replace(before, subject="Annual review with Carla", location="Room 2", sync_status="Synced")
    in_practifi = replace(in_practifi, external_id="G")
    step = history.salesforce(REVIEW, SALESFORCE_ID, in_practifi, at=10, sync_key=REVIEW)
    in_microsoft = replace(before, location="Room 3", owner_id="", organizer=ANN)
    step = history.answer(step.commands[0], "G", at=11, result=Result.STALE, held=in_microsoft)
    for number, command in enumerate(step.commands):
        answer_again = history.answer(command, at=12 + number)
        assert not answer_again.commands
    return REVIEW


def tell_private(history: History) -> str:
    """A private event, which the settings leave out. Returns its pair key."""
    held = content("Surgery", body="Dr Grey", location="Clinic", sensitivity=Sensitivity.PRIVATE, attendees=(CLIENT,))
    history.graph(PRIVATE, "P", held, at=20)
    return PRIVATE


def tell_refused(history: History) -> str:
    """An event that Salesforce refuses. Returns its pair key."""
    step = history.graph(REFUSED, "R", content("Dinner"), at=30)
    history.answer(step.commands[0], at=31, result=Result.REFUSED, code="FIELD_CUSTOM_VALIDATION_EXCEPTION")
    return REFUSED


def tell_pending(history: History) -> Command:
    """An event whose creation in Salesforce has no answer yet. Returns the command."""
    step = history.graph(PENDING, "W", content("Workshop"), at=40)
    return step.commands[0]


def tell_ignored(history: History) -> str:
    """An attendee's copy of a meeting of an enabled colleague: recorded, never synced. Returns its pair key."""
    members: dict[str, Any] = {"is_draft": True}
    history.graph(IGNORED, "I", content("Draft of a plan"), at=50, **members)
    return IGNORED


def whole_day() -> History:
    """All of them."""
    history = History()
    tell_conflict(history)
    tell_private(history)
    tell_refused(history)
    tell_pending(history)
    tell_ignored(history)
    return history
