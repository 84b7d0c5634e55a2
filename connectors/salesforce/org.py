"""What can be learned from the org itself about how it is made. Pure exchange, asked once when a role starts."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from connectors.exchange import Exchange
from connectors.salesforce import wire
from connectors.salesforce.fields import FieldNames

INVITEE: Final = "IsInvitee"


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
