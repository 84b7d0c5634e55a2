"""Whose an event or a run is, as people name users: address or name, where the log has a mailbox or an id. Pure."""

from __future__ import annotations

from schemas.settings import Settings


def addresses_of(settings: Settings) -> dict[str, str]:
    """Users' addresses by mailbox and by record id in Practifi."""
    users = [user for user in settings.users if user.address]
    return {name: user.address for user in users for name in (user.salesforce_id, user.mailbox) if name}


def owners_named(settings: Settings, text: str) -> tuple[str, ...] | None:
    """The mailboxes and record ids of users whose address or name has this text in it; None when no text is given."""
    text = text.strip().casefold()
    if not text:
        return None
    found = [user for user in settings.users if text in user.address.casefold() or text in user.name.casefold()]
    return tuple(dict.fromkeys(name for user in found for name in (user.mailbox, user.salesforce_id) if name))
