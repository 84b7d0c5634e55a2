"""What a record holds, compared with what a command wanted and with what it was decided on. Pure."""

from __future__ import annotations

from typing import Final

from connectors.salesforce.fields import FieldNames
from connectors.salesforce.translate import ID_LENGTH, as_held, people_as_held
from schemas.calendar import CalendarEvent
from schemas.changes import Item
from schemas.commands import Command
from schemas.groups import BODY, LOCATION, MARKS, OWNER, PEOPLE, PRIVACY, SHOW_AS, SUBJECT, TIME

# What a deletion would take from somebody. A reminder unsets itself, an answer changes nobody's plan, marks are ours.
_EDITABLE: Final = (TIME, SUBJECT, BODY, LOCATION, SHOW_AS, PRIVACY)


def owner_after(command: Command, held: CalendarEvent | None) -> str:
    """Whose event it is once the command is done."""
    asked = command.content.owner_id if command.content is not None and OWNER in command.fields else ""
    return asked or (held.owner_id if held is not None else "")


def is_done(held: Item, command: Command, group: str, names: FieldNames) -> bool:
    """Whether the record holds what the command wants of one group."""
    content = command.content
    assert content is not None
    if group == OWNER and not content.owner_id:
        return True  # left to Salesforce
    if group == MARKS and names.sync_key and held.sync_key != command.pair_key:
        return False
    if group == PEOPLE:
        owner_id = owner_after(command, held.content)
        if people_as_held(held.content, "") != people_as_held(content, owner_id):
            return False
    return as_held(held.content, group, names) == as_held(content, group, names)


def is_overtaken(held: CalendarEvent, command: Command, names: FieldNames) -> bool:
    """Whether somebody changed a commanded group since the command was decided: the record holds neither what it held
    then, nor what is wanted. Without a basis only what is wanted will do."""
    content, basis = command.content, command.basis
    assert content is not None
    for group in command.fields:
        if group == MARKS or (group == OWNER and not content.owner_id):
            continue
        if _in_words(held, group, names) not in (
            _in_words(content, group, names),
            _in_words(basis or content, group, names),
        ):
            return True
        if group == PEOPLE and _are_people_overtaken(held, command):
            return True
    return False


def _in_words(content: CalendarEvent, group: str, names: FieldNames) -> object:
    """Like `as_held`, white space apart: orgs tidy their texts, and that is nobody's edit."""
    value = as_held(content, group, names)
    return value.split() if isinstance(value, str) else value


def _are_people_overtaken(held: CalendarEvent, command: Command) -> bool:
    """Compared one by one: an interrupted write leaves some of them done."""
    assert command.content is not None
    now, wanted = people_as_held(held, ""), people_as_held(command.content, "")
    owners = {held.owner_id[:ID_LENGTH], command.content.owner_id[:ID_LENGTH]}
    if command.basis is None:  # made by us: whoever is there was invited by us, or by somebody else since
        return not now.keys() - owners <= wanted.keys()
    then = people_as_held(command.basis, "")
    keys = (now.keys() | wanted.keys() | then.keys()) - owners
    return any(now.get(key) not in (wanted.get(key), then.get(key)) for key in keys)


def was_edited(held: CalendarEvent, basis: CalendarEvent, names: FieldNames) -> bool:
    """Whether somebody edited the event since a deletion of it was decided."""
    if any(_in_words(held, group, names) != _in_words(basis, group, names) for group in _EDITABLE):
        return True
    return people_as_held(held, "").keys() != people_as_held(basis, "").keys()
