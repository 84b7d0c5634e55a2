"""Where a pair's two sides differ from what they agreed on, and what of it is carried across. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from schemas.calendar import CalendarEvent
from schemas.changes import Item
from schemas.groups import BODY, INBOUND, OWNER, PEOPLE, READ_ONLY, REMINDER, ROOMS, TEAMS
from schemas.join_block import own_text
from schemas.settings import ConflictScope, Settings
from schemas.state import PairState
from schemas.values import replace
from streams.mapping import (
    carries_people,
    edited_value,
    is_edited,
    is_private,
    is_truncated,
    practifi_view,
    value,
    with_answers_of,
)


@dataclass(frozen=True)
class Difference:
    """The groups in which a pair's two sides call for something."""

    agreed: tuple[str, ...]
    """Changed since the base, but both sides hold the same now."""
    inbound: tuple[str, ...]
    outbound: tuple[str, ...]
    lost: tuple[str, ...]
    """Edited in Practifi, overruled by Microsoft 365: a part of `inbound`."""


def compare(
    state: PairState, view: CalendarEvent, held: CalendarEvent, settings: Settings, now: datetime
) -> Difference:
    """Which groups changed where. `view` is the Microsoft 365 item in Practifi's words, `held` the Practifi item."""
    ms_base, sf_base = state.graph.base, state.salesforce.base
    agreed: list[str] = []
    inbound: list[str] = []
    outbound: list[str] = []
    lost: list[str] = []
    for group in INBOUND:
        if ms_base is None or sf_base is None:
            # Nothing is known of what was agreed (state lost, marks found): Microsoft 365 is right, nothing goes out.
            (agreed if value(view, group) == value(held, group) else inbound).append(group)
            continue
        shown, kept, base = value(view, group), value(held, group), value(sf_base, group)
        ms_changed = shown != value(ms_base, group)
        if not ms_changed and shown == kept == base and group != PEOPLE:
            continue  # as agreed: nearly every group of nearly every reading
        sf_changed = edited_value(held, group) != edited_value(sf_base, group)
        if group == REMINDER and sf_changed:
            sf_changed = not _has_reminder_fired(sf_base, held, now)
        # Salesforce resets the answers when an event is moved; they are Microsoft's to say, as is what nobody may edit.
        is_reset = group in (PEOPLE, *READ_ONLY) and kept != base
        if shown == kept:
            agreed += [group] * (ms_changed or sf_changed or is_reset)
        elif sf_changed and group == TEAMS and view.is_teams and settings.direction.is_inbound:
            inbound.append(group)  # it cannot be switched off again
            lost.append(group)
        elif sf_changed and not settings.direction.is_inbound:
            outbound.append(group)  # Microsoft's edits never flow back, so they win nothing
        elif is_edited(view, ms_base, group):
            inbound.append(group)
            lost += [group] * sf_changed
        elif sf_changed:
            outbound.append(group)
        elif ms_changed or is_reset:
            inbound.append(group)
    is_whole = settings.conflict_scope is ConflictScope.RECORD and settings.direction.is_inbound
    if is_whole and outbound and any(is_edited(view, ms_base, group) for group in inbound if ms_base is not None):
        lost += outbound
        inbound += outbound
        outbound = []
    return Difference(tuple(agreed), tuple(inbound), tuple(outbound), tuple(lost))


def _has_reminder_fired(base: CalendarEvent, held: CalendarEvent, now: datetime) -> bool:
    """Salesforce unsets a reminder by itself once it has fired; nobody edited anything."""
    if held.reminder_minutes is not None or base.reminder_minutes is None:
        return False
    return held.span.start_utc - timedelta(minutes=base.reminder_minutes) <= now


def not_carried(source: CalendarEvent, held: CalendarEvent) -> set[str]:
    """Groups that never go out, or not of this event."""
    skipped = {OWNER}
    if is_truncated(held) or not carries_people(source):
        skipped.add(PEOPLE)
    if is_private(source):
        skipped.add(ROOMS)
    if held.is_teams:
        skipped.add(TEAMS)
    return skipped


def agreed_on(written: Item, source: CalendarEvent, settings: Settings) -> CalendarEvent:
    """What a write to Microsoft 365 agrees on. A location that it made of the rooms' names has still to come in."""
    view = with_answers_of(practifi_view(written, settings), source)
    return replace(view, location=source.location)


def raw(content: CalendarEvent, group: str) -> object:
    """A group of what Microsoft 365 holds, so that equal means: a write would change nothing."""
    if group == PEOPLE:
        return content.attendees
    return own_text(content.body, content.join_url) if group == BODY else value(content, group)
