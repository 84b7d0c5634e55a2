"""Field groups: what is compared, merged and written as one. Which members of a `CalendarEvent` each group holds.

Two sides that edited different groups both keep their edit; two that edited the same group are in conflict.
"""

from __future__ import annotations

from typing import Any, Final

from schemas.calendar import CalendarEvent
from schemas.values import replace

TIME: Final = "time"
SUBJECT: Final = "subject"
BODY: Final = "body"
LOCATION: Final = "location"
SHOW_AS: Final = "show_as"
PRIVACY: Final = "privacy"
REMINDER: Final = "reminder"
PEOPLE: Final = "people"
OWNER: Final = "owner"
MARKS: Final = "marks"
RECURRING: Final = "recurring"
TEAMS: Final = "teams"
JOIN_URL: Final = "join_url"
ROOMS: Final = "rooms"

MEMBERS: Final[dict[str, tuple[str, ...]]] = {
    TIME: ("span",),
    SUBJECT: ("subject",),
    BODY: ("body",),
    LOCATION: ("location",),
    SHOW_AS: ("show_as",),
    PRIVACY: ("sensitivity",),
    REMINDER: ("reminder_minutes",),
    PEOPLE: ("attendees", "send_invitations"),
    OWNER: ("owner_id", "organizer"),
    MARKS: ("sync_status", "external_id"),
    RECURRING: ("recurring",),
    TEAMS: ("is_teams",),
    JOIN_URL: ("join_url",),
    ROOMS: ("rooms",),
}

# Carried both ways. The owner, the words about the series and where to join travel inbound only; marks are ours.
CONTENT: Final = (TIME, SUBJECT, BODY, LOCATION, SHOW_AS, PRIVACY, REMINDER, PEOPLE, TEAMS, ROOMS)
INBOUND: Final = (*CONTENT, OWNER, RECURRING, JOIN_URL)
ALL: Final = (*INBOUND, MARKS)
# Nobody edits these in Practifi.
READ_ONLY: Final = (RECURRING, JOIN_URL)


def take(base: CalendarEvent | None, groups: tuple[str, ...], content: CalendarEvent) -> CalendarEvent:
    """`base` with these groups taken from `content`; all of `content` when there is no base yet. Pure."""
    if base is None:
        return content
    members: dict[str, Any] = {name: getattr(content, name) for group in groups for name in MEMBERS[group]}
    return replace(base, **members)
