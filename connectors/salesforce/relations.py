"""The relation rows of one event: what must be added, changed and removed so that they name the right people. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from connectors.salesforce.fields import FieldNames
from connectors.salesforce.translate import (
    ID_LENGTH,
    PARENT,
    is_attendee,
    is_person,
    is_room,
    relation_members,
    wanted_people,
    wanted_rooms,
)
from schemas.calendar import CalendarEvent


@dataclass(frozen=True)
class Difference:
    """Rows to delete (ids), to insert and to update (with `id`)."""

    deletes: tuple[str, ...] = ()
    inserts: tuple[dict[str, Any], ...] = ()
    updates: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class Relations:
    """The rows of one event as they were read."""

    event_id: str
    rows: Sequence[dict[str, Any]]
    names: FieldNames

    def booking(self, content: CalendarEvent, *, only_add: bool = False) -> Difference:
        """What makes the rooms those of `content`. A taken one is refused by Salesforce, row by row."""
        wanted = wanted_rooms(content, self.names)
        present = {row["RelationId"][:ID_LENGTH]: row["Id"] for row in self.rows if is_room(row, self.names)}
        deletes = () if only_add else tuple(row_id for key, row_id in present.items() if key not in wanted)
        rows = (
            {"EventId": self.event_id, "RelationId": wanted[key].record_id, "Status": "Accepted"}
            for key in sorted(wanted.keys() - present.keys())
        )
        return Difference(deletes, tuple(rows))

    def towards(self, content: CalendarEvent, owner_id: str, *, only_add: bool = False) -> Difference:
        """What makes the people those of `content`; `only_add` leaves everybody who is there as they are."""
        wanted = wanted_people(content, owner_id)
        present = {row["RelationId"][:ID_LENGTH]: row for row in self.rows if is_person(row)}
        deletes: list[str] = []
        inserts: list[dict[str, Any]] = []
        updates: list[dict[str, Any]] = []
        for key, row in present.items():
            is_invited = is_attendee(row, self.names)
            if key in wanted:
                members = {} if only_add and is_invited else relation_members(wanted[key], row, self.names)
                if members:
                    updates.append({"id": row["Id"], **members})
            elif is_invited and not only_add:
                if self.names.invitee and row.get(PARENT):  # also says whom the event is about: that stays
                    updates.append({"id": row["Id"], self.names.invitee: False})
                else:
                    deletes.append(row["Id"])
        for key in sorted(wanted.keys() - present.keys()):
            members = {name: value for name, value in relation_members(wanted[key], {}, self.names).items() if value}
            inserts.append({"EventId": self.event_id, "RelationId": wanted[key].record_id, **members})
        return Difference(tuple(deletes), tuple(inserts), tuple(updates))
