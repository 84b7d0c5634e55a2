"""Who can be matched: users' and contacts' addresses, and resource calendars. Pure exchange."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from connectors.exchange import Exchange
from connectors.salesforce import wire
from connectors.salesforce.fields import FieldNames
from schemas.changes import Side
from schemas.directory import AddressClass, DirectoryEntry, EntryKind

STANDARD_EMAIL: Final = "Email"


def read_directory(names: FieldNames) -> Exchange[tuple[DirectoryEntry, ...]]:
    """The Resource Calendars, then everything of `read_people`."""
    rooms = yield from read_rooms()
    people = yield from read_people(names)
    return (*rooms, *people)


def read_people(names: FieldNames) -> Exchange[tuple[DirectoryEntry, ...]]:
    """Every active user's and contact's addresses, then the mark that all was read (rooms come before).

    Contacts are matched by Email, the alternative email and any custom field of type email (rule 7.8). Fields are only
    selected, never filtered on, so an encrypted one does no harm beyond never matching.
    """
    entries: list[DirectoryEntry] = []
    users = yield from wire.rows_of("SELECT Id, Name, Email, IsActive FROM User")
    for row in users:
        entries += _entries(row, {STANDARD_EMAIL: AddressClass.USER})
    shape = wire.read((yield wire.describe("Contact")))
    classes = _email_fields(shape["fields"], names)
    contacts = yield from wire.rows_of(f"SELECT Id, Name, {', '.join(classes)} FROM Contact")
    for row in contacts:
        entries += _entries(row, classes)
    return (*entries, DirectoryEntry(EntryKind.COMPLETE, Side.SALESFORCE))


def read_rooms() -> Exchange[tuple[DirectoryEntry, ...]]:
    """Every active Resource Calendar."""
    rows = yield from wire.rows_of("SELECT Id, Name FROM Calendar WHERE Type = 'Resource' AND IsActive = true")
    return tuple(DirectoryEntry(EntryKind.ROOM, row["Id"], name=row["Name"]) for row in rows)


def _email_fields(fields: list[dict[str, Any]], names: FieldNames) -> dict[str, AddressClass]:
    """Contact's email fields and what class of address each holds."""
    classes = {STANDARD_EMAIL: AddressClass.EMAIL}
    for described in fields:
        if described["type"] == "email" and described["name"] not in classes:
            is_alternative = described["name"] == names.alternative_email
            classes[described["name"]] = AddressClass.ALTERNATIVE if is_alternative else AddressClass.CUSTOM
    return classes


def _entries(row: dict[str, Any], classes: dict[str, AddressClass]) -> Iterator[DirectoryEntry]:
    for name, kind in classes.items():
        address = str(row.get(name) or "").strip().lower()
        if address:
            yield DirectoryEntry(
                EntryKind.ADDRESS, row["Id"], address, str(row.get("Name") or ""), address_class=kind,
                is_active=bool(row.get("IsActive", True)),
            )  # fmt: skip
