"""What can be learned from the org itself about how it is made. Pure exchange, asked once when a role starts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

from connectors.exchange import Exchange
from connectors.salesforce import wire
from connectors.salesforce.fields import FieldNames

INVITEE: Final = "IsInvitee"
# Rows looked at for signs of others.
MANY: Final = 500


def adapted(names: FieldNames) -> Exchange[FieldNames]:
    """The names with `invitee` filled in where the org has Shared Activities.

    Without it the rows that say whom an event is about would pass for invitations, and be deleted as such. Raises
    ServiceError as every read does.
    """
    if names.invitee:
        return names
    shape = wire.read((yield wire.describe("EventRelation")))
    has_flag = any(field["name"] == INVITEE for field in shape["fields"])
    return replace(names, invitee=INVITEE) if has_flag else names


def described(sobjects: Sequence[str]) -> Exchange[list[dict[str, Any]]]:
    """What these objects are made of, in order, asked for together."""
    replies = yield from wire.together([wire.describe(sobject) for sobject in sobjects])
    return [wire.read(reply) for reply in replies]


def signs_of_others(names: FieldNames, since: datetime) -> Exchange[tuple[int, list[tuple[str, str]]]]:
    """Of events made since then that are not ours: how many carry an id of Microsoft 365 (at most MANY), and for a part
    of them (creator's name, owner's name)."""
    ours = f" AND {names.sync_key} = null" if names.sync_key else ""
    where = f"FROM Event WHERE IsChild = false AND CreatedDate >= {wire.instant(since)}{ours}"
    foreign: list[dict[str, Any]] = []
    if ours and names.external_id:
        foreign = yield from wire.rows_of(f"SELECT Id {where} AND {names.external_id} != null LIMIT {MANY}")
    made = yield from wire.rows_of(f"SELECT CreatedBy.Name, Owner.Name {where} LIMIT {MANY}")
    return len(foreign), [(_name(row["CreatedBy"]), _name(row["Owner"])) for row in made]


def _name(related: Any) -> str:
    return str(related.get("Name") or "") if isinstance(related, dict) else ""
