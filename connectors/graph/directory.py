"""Who has a mailbox, and which rooms there are: pure exchanges that read the directory whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from connectors.exchange import Call, Exchange
from connectors.graph import wire
from connectors.graph.text import clean
from schemas.changes import Side
from schemas.directory import DirectoryEntry, EntryKind
from schemas.errors import Unavailable


def read_mailboxes() -> Exchange[tuple[DirectoryEntry, ...]]:
    """Every member with a mail address, by id, each with all addresses that reach it. Guests have no mailbox here.

    Raises ServiceError kinds as `wire.read` does; a list that breaks off raises too, so a part never counts as all.
    """
    rows = yield from _read_all(wire.users())
    return tuple(sorted(_mailboxes(rows), key=lambda entry: entry.id))


def read_rooms() -> Exchange[tuple[DirectoryEntry, ...]]:
    """Every room that has an address, by address."""
    rows = yield from _read_all(wire.rooms())
    entries = {entry.address: entry for entry in map(_room, rows) if entry.address}
    return tuple(entries[address] for address in sorted(entries))


def read_directory() -> Exchange[tuple[DirectoryEntry, ...]]:
    """People's mailboxes and rooms, and last the entry which says that this side has been read whole.

    Exchange keeps a user behind each room; a room is a room here, and nobody's mailbox.
    """
    mailboxes = yield from read_mailboxes()
    rooms = yield from read_rooms()
    addresses = {room.address for room in rooms}
    people = (mailbox for mailbox in mailboxes if mailbox.address not in addresses)
    return (*people, *rooms, DirectoryEntry(EntryKind.COMPLETE, Side.GRAPH))


def _read_all(first: Call) -> Exchange[list[Mapping[str, Any]]]:
    rows: list[Mapping[str, Any]] = []
    followed: set[str] = set()
    call = first
    while True:
        reply = yield call
        page = wire.read(reply)
        found = page.get("value") if isinstance(page, dict) else None
        if not isinstance(found, list):
            raise Unavailable("Microsoft Graph answered a list without its rows.", was_sent=False, status=reply.status)
        rows += [row for row in found if isinstance(row, dict)]
        link = page.get("@odata.nextLink")
        if not isinstance(link, str) or not link:
            return rows
        if link in followed:
            raise Unavailable("Microsoft Graph answered a page that leads back to itself.", was_sent=False)
        followed.add(link)
        call = wire.next_page(link)


def _mailboxes(rows: list[Mapping[str, Any]]) -> Iterator[DirectoryEntry]:
    for row in rows:
        user_id, address = clean(row.get("id")), clean(row.get("mail")).lower()
        if not user_id or not address or clean(row.get("userType")).lower() == "guest":
            continue
        yield DirectoryEntry(
            kind=EntryKind.MAILBOX,
            id=user_id,
            address=address,
            name=clean(row.get("displayName")),
            aliases=_aliases(row, address),
        )


def _aliases(row: Mapping[str, Any], address: str) -> tuple[str, ...]:
    """Every other address of the mailbox, sorted. A user principal name is one when it looks like an address."""
    listed = row.get("proxyAddresses")
    proxies = [clean(one).lower() for one in listed] if isinstance(listed, list) else []
    found = {one.removeprefix("smtp:") for one in proxies if one.startswith("smtp:")}
    principal = clean(row.get("userPrincipalName")).lower()
    if "@" in principal and "#ext#" not in principal:
        found.add(principal)
    return tuple(sorted(found - {address, ""}))


def _room(row: Mapping[str, Any]) -> DirectoryEntry:
    address = clean(row.get("emailAddress")).lower()
    return DirectoryEntry(EntryKind.ROOM, address, address=address, name=clean(row.get("displayName")))
