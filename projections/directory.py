"""Who is who, as a fold of `directory.changes`: addresses to records, records to addresses, addresses to mailboxes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from schemas.directory import AddressClass, DirectoryEntry, EntryKind

_PREFERENCE: Final = {kind: rank for rank, kind in enumerate(AddressClass)}


@dataclass
class Directory:
    """The firm's people and mailboxes. `put` folds one record of the topic; `remove` its tombstone."""

    entries: dict[str, DirectoryEntry] = field(default_factory=dict)
    _by_address: dict[str, dict[str, DirectoryEntry]] = field(default_factory=dict)
    _by_record: dict[str, dict[str, DirectoryEntry]] = field(default_factory=dict)
    _mailboxes: dict[str, set[str]] = field(default_factory=dict)
    _rooms: dict[str, set[str]] = field(default_factory=dict)

    def put(self, key: str, entry: DirectoryEntry) -> None:
        """Add or replace one fact."""
        self.remove(key)
        self.entries[key] = entry
        if entry.kind is EntryKind.ADDRESS:
            self._by_address.setdefault(normal(entry.address), {})[key] = entry
            self._by_record.setdefault(entry.id, {})[key] = entry
        elif entry.kind is EntryKind.MAILBOX:
            for address in (entry.address, *entry.aliases):
                self._mailboxes.setdefault(normal(address), set()).add(entry.id)
        elif entry.kind is EntryKind.ROOM:
            self._rooms.setdefault(entry.name.strip(), set()).add(key)

    def remove(self, key: str) -> None:
        """Forget one fact."""
        entry = self.entries.pop(key, None)
        if entry is None:
            return
        if entry.kind is EntryKind.ADDRESS:
            self._by_address.get(normal(entry.address), {}).pop(key, None)
            self._by_record.get(entry.id, {}).pop(key, None)
        elif entry.kind is EntryKind.MAILBOX:
            for address in (entry.address, *entry.aliases):
                self._mailboxes.get(normal(address), set()).discard(entry.id)
        elif entry.kind is EntryKind.ROOM:
            self._rooms.get(entry.name.strip(), set()).discard(key)

    def record_for(self, address: str) -> DirectoryEntry | None:
        """The record an address means (rule 7.10): User before Email before Alternative Email before custom fields;
        within a class the oldest record id."""
        found = [entry for entry in self._by_address.get(normal(address), {}).values() if entry.is_active]
        return min(found, key=lambda entry: (_PREFERENCE[entry.address_class], entry.id, entry.address), default=None)

    def address_of(self, record_id: str) -> DirectoryEntry | None:
        """The address a record is invited under: its Email before its alternatives."""
        found = self._by_record.get(record_id, {}).values()
        return min(found, key=lambda entry: (_PREFERENCE[entry.address_class], entry.address), default=None)

    def mailbox_for(self, address: str) -> str:
        """The mailbox of the tenant that an address belongs to, "" when it is outside. Of several that claim one
        alias the smallest id, whichever was told first."""
        return min(self._mailboxes.get(normal(address), ()), default="")

    def calendar_of(self, address: str, name: str) -> DirectoryEntry | None:
        """The Resource Calendar of a room: the one that has its name. None when several rooms or calendars share it."""
        room = self.entries.get(f"{EntryKind.ROOM}/{normal(address)}") if address else None
        wanted = (room.name if room is not None else name).strip()
        rooms, calendars = self.rooms_named(wanted)
        return calendars[0] if wanted and len(calendars) == 1 and len(rooms) <= 1 else None

    def room_of(self, calendar_id: str) -> tuple[DirectoryEntry | None, DirectoryEntry | None]:
        """A Resource Calendar and the one room of Microsoft 365 that has its name; None for what is not known."""
        calendar = self.entries.get(f"{EntryKind.ROOM}/{calendar_id}")
        if calendar is None:
            return None, None
        rooms, calendars = self.rooms_named(calendar.name.strip())
        return calendar, rooms[0] if len(rooms) == 1 and len(calendars) == 1 else None

    def rooms_named(self, name: str) -> tuple[list[DirectoryEntry], list[DirectoryEntry]]:
        """The rooms of Microsoft 365 and the Resource Calendars of this name. Names must be identical."""
        found = [self.entries[key] for key in sorted(self._rooms.get(name, ()))]
        return [entry for entry in found if is_graph_room(entry)], [
            entry for entry in found if not is_graph_room(entry)
        ]

    def of_kind(self, kind: EntryKind) -> list[DirectoryEntry]:
        """All facts of one kind, by key."""
        return [entry for _, entry in sorted(self.entries.items()) if entry.kind is kind]

    @property
    def complete_sides(self) -> frozenset[str]:
        """The sides whose directory has been read whole at least once."""
        return frozenset(entry.id for entry in self.entries.values() if entry.kind is EntryKind.COMPLETE)


def is_graph_room(entry: DirectoryEntry) -> bool:
    """Whether a room is one of Microsoft 365, whose id is an address, not a Resource Calendar."""
    return "@" in entry.id


def normal(address: str) -> str:
    """Addresses compare case-folded and trimmed."""
    return address.strip().casefold()
