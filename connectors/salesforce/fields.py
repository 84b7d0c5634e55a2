"""What the org calls its fields. The managed package's API names differ between orgs, so they are data."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

from schemas.errors import ConfigError


@dataclass(frozen=True)
class FieldNames:
    """API names of the fields that differ between orgs; "" means that the org has no such field.

    Without `show_as` the standard Show Time As is used. `origin` names a field that says how a record came about.
    `invitee` is IsInvitee of EventRelation, which orgs with Shared Activities have: there a relation may also say whom
    an event is about, and only this field tells the two apart. `calendar_prefix` begins the ids of Resource Calendars.
    `log_...` are the object in which the org keeps its log of the integration, and its fields.
    """

    sync_key: str = "Concord_Sync_Key__c"
    external_id: str = "practifi__External_ID__c"
    sync_status: str = "practifi__Microsoft_365_Sync_Status__c"
    show_as: str = "practifi__Show_Time_As__c"
    send_invitations: str = "practifi__Send_Invitations_to_Attendees__c"
    recurring: str = "practifi__Recurring_in_Microsoft_365__c"
    teams: str = "practifi__Teams_Meeting__c"
    join_url: str = "practifi__Teams_Meeting_URL__c"
    origin: str = ""
    alternative_email: str = "practifi__Alternative_Email__c"
    invitee: str = ""
    calendar_prefix: str = "023"
    log_object: str = "practifi__Integration_Log__c"
    log_message: str = "practifi__Error_Message__c"
    log_system: str = "practifi__External_System__c"
    log_time: str = "practifi__Date_Time__c"
    log_is_error: str = "practifi__Is_Error__c"

    def of_event(self) -> tuple[str, ...]:
        """The custom fields of Event that exist, in a stable order."""
        names = (self.sync_key, self.external_id, self.sync_status, self.show_as, self.send_invitations,
                 self.recurring, self.teams, self.join_url, self.origin)  # fmt: skip
        return tuple(name for name in names if name)


def read_field_names(path: Path | None) -> FieldNames:
    """The defaults, with the names in a JSON object file in their place. Raises ConfigError listing every problem."""
    if path is None:
        return FieldNames()
    try:
        given = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigError([f"{path}: not a readable JSON file ({error})"]) from error
    if not isinstance(given, dict):
        raise ConfigError([f"{path}: not a JSON object"])
    known = {field.name for field in fields(FieldNames)}
    problems = [f"{path}: unknown name {name!r}" for name in given if name not in known]
    problems += [f"{path}: {name} is not a text" for name, value in given.items() if not isinstance(value, str)]
    if problems:
        raise ConfigError(problems, f"Known names: {', '.join(sorted(known))}.")
    names = replace(FieldNames(), **given)
    if not names.sync_key and not names.external_id:
        raise ConfigError(
            [f"{path}: neither sync_key nor external_id names a field"],
            "Without one of them an event that was created cannot be found again.",
        )
    return names
