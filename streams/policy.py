"""The gates: may this event, this change, this deletion cross? The first hit names the reason; None lets it pass.

The order of the gates is the order of the product facts (§7, "Decision order"). Pure.
"""

from __future__ import annotations

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from schemas.calendar import CalendarEvent, TimeSpan
from schemas.changes import Item
from schemas.groups import OWNER, PEOPLE, ROOMS, TEAMS
from schemas.settings import Settings, UserSetting
from schemas.state import AWAITING_ORIGIN, IMPORTED, UNTOLD, SideState
from streams.mapping import DURATION_MAX, carries_people, is_private, is_truncated, participants
from streams.origins import may_go_out


def user_of(graph: Item | None, salesforce: Item | None, settings: Settings) -> UserSetting | None:
    """The user a pair belongs to: the mailbox that leads in Microsoft 365, else the owner in Practifi."""
    if graph is not None:
        return settings.user_of_mailbox(graph.mailbox)
    return settings.user_of_record(salesforce.content.owner_id) if salesforce is not None else None


def inbound_gate(item: Item, agreed: CalendarEvent | None, settings: Settings, now: datetime) -> str | None:
    """Why this Microsoft 365 item may not be written to Practifi, or None. `agreed` is None for a new pair."""
    if not settings.is_mailbox_enabled(item.mailbox):
        return "user_disabled"
    if not settings.direction.is_inbound:
        return "direction"
    if not item.is_organizer and settings.is_mailbox_enabled(item.organizer_mailbox):
        return "attendee_copy"
    if item.is_draft:
        return "draft"
    if not any(_is_in_inbound_range(span, settings, now) for span in _spans(item.content, agreed)):
        return "out_of_range"
    if is_private(item.content) and not settings.sync_private_events:
        return "private_off"
    if agreed is None:
        blocked = _participation_gate(item.content, settings)
        if blocked is not None:
            return blocked
    if item.content.span.end_utc - item.content.span.start_utc > DURATION_MAX:
        return "too_long"
    return None


def _participation_gate(content: CalendarEvent, settings: Settings) -> str | None:
    """Internal and unmatched events: asked only when an event would enter, not at each later change of its people."""
    outsiders = [a for a in participants(content) if not a.is_user]
    if not outsiders:
        return None if settings.sync_internal_events else "internal_off"
    if not settings.sync_unmatched_events and not any(a.record_id for a in outsiders):
        return "unmatched_off"
    return None


def outbound_gate(
    here: SideState, graph: Item | None, agreed: CalendarEvent | None, groups: tuple[str, ...], settings: Settings,
    now: datetime,
) -> str | None:  # fmt: skip
    """Why these edited groups of a Practifi event may not be written to Microsoft 365, or None.

    `here` is the Practifi side with its item, `graph` the event there (None: to be created), `agreed` what Practifi
    held when both last agreed. What was last saved before outbound began, or by an import, goes out when it is next
    saved by hand.
    """
    item, edited_at = here.item, here.edited_at
    assert item is not None, "the Practifi side holds an item"
    user = user_of(graph, item, settings)
    if user is None or not user.is_enabled:
        return "user_disabled"
    if graph is None and settings.lacks_primary(user.salesforce_id):
        return "no_primary_mailbox"
    if not settings.direction.is_outbound:
        return "direction"
    if edited_at is None or user.outbound_since is None or edited_at < user.outbound_since:
        return "not_edited_since"
    if not may_go_out(here.origin, settings):
        return AWAITING_ORIGIN if here.origin == UNTOLD else IMPORTED
    blocked = _edit_gate(item, graph, agreed, groups)
    if blocked is not None:
        return blocked
    ahead = [span for span in _spans(item.content, agreed) if _has_not_begun(span, now)]
    if not ahead:
        return "past"
    if not any(span.start_utc <= months_ahead(now, settings.outbound_months) for span in ahead):
        return "out_of_range"
    contents = (item.content,) if graph is None else (item.content, graph.content)
    if any(is_private(content) for content in contents) and not settings.sync_private_events:
        return "private_off"
    if agreed is None and not settings.sync_internal_events and all(a.is_user for a in item.content.attendees):
        return "internal_off"
    return "not_organizer" if graph is not None and not graph.is_organizer else None


# What `_edit_gate` may answer.
OF_EDITS: Final = frozenset({"owner_changed", "teams_stays", "attendees_only", "no_invitations", "truncated"})


def _edit_gate(item: Item, graph: Item | None, agreed: CalendarEvent | None, groups: tuple[str, ...]) -> str | None:
    if graph is None or agreed is None:
        return None
    carried = tuple(group for group in groups if group != OWNER)
    if not carried:
        return "owner_changed"
    if carried == (TEAMS,) and graph.content.is_teams:
        return "teams_stays"
    if set(carried) <= {PEOPLE, ROOMS} and item.content.send_invitations == agreed.send_invitations:
        return "attendees_only"
    if carried == (PEOPLE,) and not carries_people(item.content):
        return "no_invitations"
    if carried == (PEOPLE,) and is_truncated(graph.content):
        return "truncated"
    return None


def deletion_gate(is_from_graph: bool, survivor: Item, settings: Settings, now: datetime) -> str | None:
    """Why a deletion may not be carried to the surviving item, or None."""
    user = (
        user_of(survivor, None, settings) if not is_from_graph else settings.user_of_record(survivor.content.owner_id)
    )
    if user is None or not user.is_enabled:
        return "user_disabled"
    if is_from_graph:
        allowed = settings.direction.is_inbound and settings.delete_from_microsoft
        return None if allowed else "deletion_kept"
    if not (settings.direction.is_outbound and settings.delete_from_practifi):
        return "deletion_kept"
    if not survivor.is_organizer:
        return "not_organizer"
    return None if _has_not_begun(survivor.content.span, now) else "past"


def restoring_gate(
    is_in_graph: bool, content: CalendarEvent, user: UserSetting | None, settings: Settings, now: datetime
) -> str | None:
    """Why an event that we deleted may not be made anew there, or None: what we write must be allowed today."""
    if user is None or not user.is_enabled:
        return "user_disabled"
    if is_private(content) and not settings.sync_private_events:
        return "private_off"
    if not is_in_graph:
        return None
    if not settings.direction.is_outbound:
        return "direction"
    return None if _has_not_begun(content.span, now) else "past"


def _spans(content: CalendarEvent, agreed: CalendarEvent | None) -> tuple[TimeSpan, ...]:
    """The start decides; of an event that is moved, the old start counts as well, so that the move is carried."""
    return (content.span,) if agreed is None else (content.span, agreed.span)


def _is_in_inbound_range(span: TimeSpan, settings: Settings, now: datetime) -> bool:
    earliest, latest = inbound_range(settings, now)
    return earliest <= span.start_utc <= latest


def inbound_range(settings: Settings, now: datetime) -> tuple[datetime, datetime]:
    """From Commencement Date to now plus the years of the setting, both inclusive."""
    first = settings.commencement_date or now.date()
    return datetime.combine(first, time(), UTC), months_ahead(now, 12 * settings.inbound_years)


def _has_not_begun(span: TimeSpan, now: datetime) -> bool:
    """An all-day event has not begun while its first day lasts: its midnight in UTC is nobody's morning."""
    return span.start_utc + timedelta(days=1) > now if span.is_all_day else span.start_utc >= now


def months_ahead(now: datetime, months: int) -> datetime:
    """The same day and time so many months later, or the last day of that month."""
    years, month = divmod(now.month - 1 + months, 12)
    year = min(now.year + years, 9999)
    day = min(now.day, monthrange(year, month + 1)[1])
    return datetime.combine(date(year, month + 1, day), now.timetz())
