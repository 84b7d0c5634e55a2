"""Taking a person's texts out of records, and a pair's history out of the journal, without changing what follows. Pure.

A history goes as a whole: whatever mentions a person also in other words goes with it. What it led to, the state, is
kept with its last entry, so that every fold goes on from the same bytes.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from schemas.calendar import Attendee, CalendarEvent
from schemas.changes import Change, Item
from schemas.codec import encode
from schemas.commands import Command, Decision, Outcome, PredictedMail
from schemas.journal import Erased, JournalEntry, OperatorActed, OperatorAction, OperatorVerb, SettingsChanged
from schemas.state import PairState
from schemas.values import replace
from streams.stage import Partition

# What stands in the place of an address.
NOBODY: Final = ""
# A name that is looked for in texts has two words at least: one alone is that of too many.
WORDS_MIN: Final = 2


@dataclass(frozen=True)
class Person:
    """Whom to look for: case-folded texts (addresses, full names) and Salesforce record ids."""

    terms: frozenset[str]

    def is_in(self, raw: bytes | None) -> bool:
        """Whether these bytes mention the person. Text of a record stands in it as it is."""
        text = (raw or b"").decode("utf-8", "ignore").casefold()
        return any(term in text for term in self.terms)


def person_of(address: str, people: Iterable[Attendee]) -> Person:
    """The person with this address, with the names and record ids that were ever seen beside it."""
    wanted = address.strip().casefold()
    terms = {wanted}
    for one in people:
        if one.address.strip().casefold() == wanted:
            names = " ".join(one.name.split()).casefold()
            terms |= {names} if len(names.split()) >= WORDS_MIN else set()
            terms |= {one.record_id.casefold()} if one.record_id else set()
    return Person(frozenset(terms))


def people_in(entry: JournalEntry) -> Iterator[Attendee]:
    """Everyone that an entry names."""
    for item in items_in(entry.what):
        content = item.content
        yield from content.attendees
        yield from () if content.organizer is None else (content.organizer,)


def items_in(what: Any) -> Iterator[Item]:
    """The items that a journal entry shows."""
    item = getattr(what, "item", None) or getattr(getattr(what, "outcome", None), "item", None)
    if isinstance(item, Item):
        yield item


def why_kept(state: PairState, person: Person) -> str:
    """Why a pair's history cannot go, "" when it can. What both services hold is theirs, and Concord works with it."""
    if state.graph.pending is not None or state.salesforce.pending is not None:
        return "a write is under way"
    if state.held is not None or state.undo is not None:
        return "a write waits for an operator"
    if person.is_in(encode(state)):
        return "the event still names the person"
    return ""


@dataclass(frozen=True)
class ErasedPart:
    """One journal partition as it was folded, and the entries of some pairs as they shall stand, by offset."""

    partition: Partition
    entries: dict[int, JournalEntry]


def erased(
    number: int, entries: Iterable[tuple[int, JournalEntry]], keys: Container[str], at: datetime, by: str
) -> ErasedPart:
    """Fold a partition, given as (offset, entry) in order, and erase the history of these pairs: with these entries in
    the place of theirs the same comes out."""
    partition = Partition(number)
    found: dict[int, JournalEntry] = {}
    last: dict[str, int] = {}
    for offset, entry in entries:
        before = partition.tally
        partition.fold(entry, offset)
        if entry.pair_key in keys and not isinstance(entry.what, SettingsChanged):
            was_counted = partition.tally is not before and partition.tally.offset == offset
            mailed = partition.tally.last if was_counted else 0
            found[offset] = _in_its_place(entry, by, Erased(at, mailed))
            last[entry.pair_key] = offset
    for key, offset in last.items():
        placed = found[offset].erased
        assert placed is not None
        found[offset] = _in_its_place(found[offset], by, replace(placed, state=partition.pairs[key]))
    return ErasedPart(partition, found)


def _in_its_place(entry: JournalEntry, by: str, what: Erased) -> JournalEntry:
    return replace(entry, what=OperatorActed(OperatorVerb.ERASE, by, erased=what))


def redacted(record: Any) -> Any:
    """A record of any topic beside the journal without texts and people. What tells where, when and how it went stays;
    values that an undo would write back go."""
    match record:
        case Change(item=item):
            return replace(record, item=_bare(item), native="")
        case Outcome(item=item):
            return replace(record, item=_bare(item), message="", warning="")
        case Command():
            return replace(
                record, fields=(), content=None, basis=None, source=None, target=None, mails=_nobodys(record.mails)
            )
        case Decision(held=held):
            held = None if held is None else replace(held, mails=_nobodys(held.mails))
            return replace(record, changes=(), lost=(), mails=_nobodys(record.mails), text="", held=held)
        case OperatorAction(action=acted):
            return replace(record, action=replace(acted, note="", undo=None))
        case _:
            raise TypeError(f"A {type(record).__name__} holds nothing that is erased.")


def _nobodys(mails: tuple[PredictedMail, ...]) -> tuple[PredictedMail, ...]:
    return tuple(replace(mail, address=NOBODY) for mail in mails)


def _bare(item: Item | None) -> Item | None:
    return None if item is None else replace(item, content=_without_text(item.content))


def _without_text(content: CalendarEvent) -> CalendarEvent:
    return replace(
        content, subject="", body="", location="", attendees=(), organizer=None, join_url="", rooms=(), recurring=""
    )
