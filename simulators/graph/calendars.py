"""Calendars as Graph returns them."""

from __future__ import annotations

from typing import Any, Final

from simulators.graph.online_meeting import TEAMS, offered
from simulators.graph.store import DEFAULT_FOLDER, Calendar, MailboxStore
from simulators.graph.world import World

_COLORS: Final = {"auto": ""}


def calendar_json(world: World, store: MailboxStore, calendar: Calendar) -> dict[str, Any]:
    """A calendar as Graph returns it."""
    user = world.user(store.id)
    has_teams = offered(world, store.id)
    is_default = calendar.number == DEFAULT_FOLDER
    return {
        "id": store.calendar_id(calendar.number),
        "name": calendar.name,
        "color": calendar.color,
        "hexColor": _COLORS.get(calendar.color, ""),
        "groupClassId": "0006f0b7-0000-0000-c000-000000000046",
        "isDefaultCalendar": is_default,
        "changeKey": calendar.change_key,
        "canShare": True,
        "canViewPrivateItems": True,
        "canEdit": True,
        "allowedOnlineMeetingProviders": [TEAMS] if has_teams else [],
        "defaultOnlineMeetingProvider": TEAMS if has_teams else "unknown",
        "isTallyingResponses": is_default,
        "isRemovable": not is_default,
        "owner": {"name": user.display_name, "address": user.mail} if user is not None else None,
    }
