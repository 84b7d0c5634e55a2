"""What an input means for the journal: which pair it concerns, and who its people are. The intake stage, pure.

What the directory matched is written into the entry, so a decision never depends on when the directory was read.
"""

from __future__ import annotations

from typing import Final

from projections.directory import Directory
from projections.sync_state import own_key
from schemas.calendar import Attendee
from schemas.changes import WRITE, Change, Item, Side
from schemas.commands import Outcome
from schemas.directory import AddressClass
from schemas.journal import JournalEntry, OperatorAction, OutcomeKnown, Position, Seen, SettingsChanged
from schemas.settings import Settings
from schemas.values import replace

# The pair key under which settings stand in every journal partition: no pair has it.
SETTINGS_KEY: Final = "!settings"

# What an id is filed under whose removal was read although it was never seen.
REMOVED: Final = "!removed"


def filed_under(change: Change, known: str | None) -> str:
    """What an id is filed under after this change: the pair's key, or REMOVED.

    `known` is what it was filed under before, None for an id never met. A known id keeps its key whatever its marks say
    now. Until a removed id turns out to be ours (our own write is told after its removal was read), it is nobody's.
    """
    if known and known != REMOVED:
        return known
    if change.item is None:
        return REMOVED
    return change.item.sync_key or own_key(change.item)


def entry_of_change(change: Change, known: str | None, directory: Directory, source: Position) -> JournalEntry | None:
    """The journal entry for what a source saw or a sink wrote; None for a removal of what is nobody's."""
    key = filed_under(change, known)
    if key == REMOVED:
        return None
    item = None if change.item is None else replace(identified(change.item, directory), origin=change.origin)
    seen = Seen(change.side, change.id, change.mailbox, item, change.origin, change.cause, change.in_burst)
    if known == REMOVED and change.cause == WRITE:
        seen = replace(seen, item=None, cause="removed before its write was told")
    return JournalEntry(key, change.observed_at, source, seen)


def entry_of_outcome(outcome: Outcome, directory: Directory, source: Position) -> JournalEntry:
    """The journal entry for what became of a command."""
    if outcome.item is not None:
        outcome = replace(outcome, item=identified(outcome.item, directory))
    return JournalEntry(outcome.pair_key, outcome.at, source, OutcomeKnown(outcome))


def entry_of_settings(settings: Settings, source: Position, partitions: int) -> JournalEntry:
    """The journal entry for new settings; it goes to every partition, of which there are so many."""
    return JournalEntry(SETTINGS_KEY, settings.changed_at, source, SettingsChanged(settings, partitions))


def entry_of_action(action: OperatorAction, source: Position) -> JournalEntry:
    """The journal entry for an operator's action."""
    return JournalEntry(action.pair_key, action.at, source, action.action)


def identified(item: Item, directory: Directory) -> Item:
    """The item with its people and rooms matched: addresses to records, and records to addresses."""
    content = item.content
    attendees = tuple(_identified(a, directory) for a in content.attendees)
    organizer = None if content.organizer is None else _identified(content.organizer, directory)
    rooms = tuple(_identified_room(room, directory) for room in content.rooms)
    content = replace(content, attendees=attendees, organizer=organizer, rooms=rooms)
    mailbox = ""
    if item.side is Side.GRAPH and organizer is not None:
        mailbox = item.mailbox if item.is_organizer else directory.mailbox_for(organizer.address)
    return replace(item, content=content, organizer_mailbox=mailbox)


def _identified_room(room: Attendee, directory: Directory) -> Attendee:
    if not room.record_id:
        calendar = directory.calendar_of(room.address, room.name)
        return room if calendar is None else replace(room, record_id=calendar.id)
    calendar, place = directory.room_of(room.record_id)
    name = room.name or (calendar.name if calendar is not None else "")
    return replace(room, name=name, address=room.address or (place.address if place is not None else ""))


def _identified(person: Attendee, directory: Directory) -> Attendee:
    if person.record_id:
        entry = directory.address_of(person.record_id)
        if entry is None:
            return person
        return replace(
            person,
            address=person.address or entry.address,
            name=person.name or entry.name,
            is_user=person.is_user or entry.address_class is AddressClass.USER,
        )
    match = directory.record_for(person.address) if person.address else None
    if match is None:
        # A mailbox of the tenant without a Salesforce user is still one of the firm's own.
        return replace(person, is_user=bool(person.address) and bool(directory.mailbox_for(person.address)))
    return replace(person, record_id=match.id, is_user=match.address_class is AddressClass.USER)
