"""What a fold keeps of a pair beside its rows: enough to go on from, and no text of a private event. Pure.

Repeats are told here: intake writes an input again after a crash, reconcile a decision, and neither counts twice.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace

from projections.timeline import item_of, restored_item
from schemas.calendar import Attendee, CalendarEvent, Sensitivity
from schemas.changes import Item, Side
from schemas.commands import Decision
from schemas.journal import JournalEntry

# A journal entry with where it stands.
Placed = tuple[int, int, JournalEntry]


@dataclass(frozen=True)
class Note:
    """One pair as a fold remembers it.

    `lanes` holds the last input told of per lane, `decided` the journal offset of the last decision, `reason` its
    reason. `owners` says whose the pair is from which journal offset on: the mailbox where it leads in Microsoft 365,
    else its owner's record id in Practifi; `rank` how strong the word is that says so. `held` is what each item last
    held, masked once `is_private`, for folds that compare. `refusals` are the codes of refused writes.
    """

    pair_key: str
    lanes: dict[str, int] = field(default_factory=dict)
    decided: int = -1
    reason: str = ""
    is_private: bool = False
    rank: int = 0
    owners: tuple[tuple[int, str], ...] = ()
    held: dict[str, CalendarEvent] = field(default_factory=dict)
    refusals: tuple[str, ...] = ()

    @property
    def owner(self) -> str:
        """Whose the pair is now: a mailbox or a record id, "" when nobody's."""
        return self.owners[-1][1] if self.owners else ""

    def owner_at(self, offset: int) -> str:
        """Whose it was when this entry was folded."""
        return next((owner for since, owner in reversed(self.owners) if since <= offset), "")


def told(note: Note, placed: Placed) -> Note | None:
    """The note after this entry; None for an input that was told of before."""
    _, offset, entry = placed
    lane = entry.source.lane
    if entry.source.offset <= note.lanes.get(lane, -1):
        return None
    note = replace(note, lanes={**note.lanes, lane: entry.source.offset})
    item = item_of(entry) or restored_item(entry)
    if item is None:
        return note
    note = replace(note, is_private=note.is_private or item.content.sensitivity is not Sensitivity.NORMAL)
    return _owned(note, item, offset)


def decided(note: Note, decision: Decision) -> Note | None:
    """The note after this decision; None for one that was told of before."""
    if decision.offset <= note.decided:
        return None
    return replace(note, decided=decision.offset, reason=decision.reason)


# What says whose a pair is, the weaker before the stronger: its owner in Practifi, somebody's copy, the organizer's.
NOBODYS, PRACTIFI, COPY, ORGANIZERS = range(4)


def _owned(note: Note, item: Item, offset: int) -> Note:
    """The organizer's copy leads, else the copy in the mailbox with the smallest id, else Practifi's owner."""
    if item.side is Side.SALESFORCE:
        rank, owner = PRACTIFI, item.content.owner_id
    else:
        rank, owner = (ORGANIZERS if item.is_organizer else COPY), item.mailbox
    if not owner or rank < note.rank:
        return note
    if rank == note.rank == COPY:
        owner = min(owner, note.owner)
    note = replace(note, rank=rank)
    return note if owner == note.owner else replace(note, owners=(*note.owners, (offset, owner)))


def masked(content: CalendarEvent, pair_key: str) -> CalendarEvent:
    """The same event without its text and people: each is a digest, so that a change still shows."""

    def digest(text: str) -> str:
        return hashlib.sha256(f"{pair_key} {text}".encode("utf-8", "surrogatepass")).hexdigest()[:16] if text else ""

    def hidden(person: Attendee) -> Attendee:
        return replace(
            person, address=digest(person.address), name=digest(person.name), record_id=digest(person.record_id)
        )

    return replace(
        content,
        subject=digest(content.subject), body=digest(content.body), location=digest(content.location),
        attendees=tuple(hidden(person) for person in content.attendees),
        organizer=hidden(content.organizer) if content.organizer is not None else None,
        owner_id=digest(content.owner_id), join_url=digest(content.join_url),
        rooms=tuple(hidden(room) for room in content.rooms),
    )  # fmt: skip
