"""Giving back what a decision took, as new writes of our own: of an overwritten group first to Practifi, then to
Microsoft 365; of a deletion first where we deleted, then on the other side by the rules for new events. Pure.

While it lasts, nothing else is decided for the pair. Whatever somebody changed since the operator looked ends it: a
newer edit is worth more than an old value.
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from projections.sync_state import other, side_of, with_side
from schemas.calendar import Attendee, AttendeeKind, CalendarEvent, Response
from schemas.changes import Item, Kind, Side
from schemas.commands import Action, Verdict
from schemas.groups import ALL, BODY, CONTENT, PEOPLE, ROOMS, TEAMS, take
from schemas.join_block import own_text
from schemas.settings import Settings, UserSetting
from schemas.state import OPERATOR, PairState, SideState, Status
from schemas.undo import Undo
from schemas.values import replace
from streams.mapping import (
    STATUS_LABELS,
    carries_people,
    graph_content,
    is_private,
    known_to_both,
    practifi_view,
    value,
    with_answers_of,
)
from streams.marks import is_enabled
from streams.plan import Plan, is_under_way, send, settled
from streams.policy import outbound_gate, restoring_gate

UNDONE: Final = "undone"
OVERTAKEN: Final = "undo_overtaken"

# What a decision can take of an event that lives on. A Teams meeting cannot be turned into a plain one.
UNDOABLE: Final = tuple(group for group in CONTENT if group != TEAMS)

# Writes for one undo before it is given up: one a side, each tried again once when the event changed elsewhere.
WRITES_MAX: Final = 4
# Decisions remembered per pair as undone.
REMEMBERED: Final = 50


def undoing(state: PairState, settings: Settings, now: datetime) -> Plan:
    """The next step of the undo that stands in the pair. Once it is over, the plan's state holds none any more, and its
    reason says why it ended early ("undone" when it did not)."""
    undo = state.undo
    assert undo is not None
    if is_under_way(state):
        return settled(state, Status.PENDING, UNDONE)
    return _overwritten(state, undo, settings, now) if undo.fields else _deleted(state, undo, settings, now)


def _over(state: PairState, undo: Undo, code: str = UNDONE) -> Plan:
    """It ends here. One that wrote nothing may be asked for again."""
    done = (*state.undone, undo.decision)[-REMEMBERED:] if undo.writes or code == UNDONE else state.undone
    return Plan(replace(state, undo=None, undone=done), Verdict.NOTHING, code)


def _sent(plan: Plan, undo: Undo) -> Plan:
    """After a command for it: counted; one that the service refused before ends it."""
    if plan.verdict is Verdict.ERROR:
        return replace(plan, state=replace(plan.state, undo=None))
    undo = replace(undo, writes=undo.writes + len(plan.commands))
    return replace(plan, state=replace(plan.state, undo=undo))


# ---- overwritten groups -------------------------------------------------------------------------------------------


def _overwritten(state: PairState, undo: Undo, settings: Settings, now: datetime) -> Plan:
    graph, salesforce = state.graph.item, state.salesforce.item
    if graph is None or salesforce is None or state.is_detached or graph.kind is Kind.SERIES_MASTER:
        return _over(state, undo, OVERTAKEN)
    if not is_enabled(salesforce, graph, settings):
        return _over(state, undo, "user_disabled")
    if undo.writes >= WRITES_MAX or not _is_as_found(graph.content, undo.graph, undo.fields, undo.content):
        return _over(state, undo, OVERTAKEN)
    assert undo.content is not None
    wanted = undo.content
    if undo.side is Side.GRAPH:
        wanted = practifi_view(replace(graph, content=undo.content), settings)
    differing = tuple(group for group in undo.fields if not is_alike(salesforce.content, wanted, group))
    if not differing:
        return _outbound(state, undo, graph, salesforce, settings, now)
    if not _is_as_found(salesforce.content, undo.salesforce, differing):
        return _over(state, undo, OVERTAKEN)
    content = _taken(salesforce.content, wanted, differing)
    if is_private(content) and content.attendees:
        content, differing = replace(content, attendees=()), (*differing, *({PEOPLE} - set(differing)))
    plan = Plan(state, Verdict.NOTHING, UNDONE)
    plan = send(plan, Side.SALESFORCE, Action.UPDATE, now, fields=differing, held=salesforce, content=content)
    return _sent(plan, undo)


def _outbound(state: PairState, undo: Undo, graph: Item, salesforce: Item, settings: Settings, now: datetime) -> Plan:
    """Practifi holds the values again: Microsoft 365 gets them, where it does not hold them and may be written."""
    assert undo.content is not None
    if undo.side is Side.GRAPH:
        content = _taken(graph.content, undo.content, undo.fields)
    else:
        known = known_to_both(state.graph.base, state.salesforce.base)
        is_kept = not carries_people(salesforce.content)
        groups = tuple(group for group in undo.fields if group != PEOPLE or not is_kept)
        content = graph_content(groups, salesforce.content, graph.content, known)
    effective = tuple(group for group in undo.fields if not is_alike(graph.content, content, group))
    if not effective:
        return _over(state, undo)
    asked = effective if undo.side is Side.SALESFORCE else (BODY,)  # whom we invited, we may uninvite
    saved = replace(state.salesforce, edited_at=now, origin=OPERATOR)
    blocked = outbound_gate(saved, graph, state.salesforce.base, asked, settings, now)
    if blocked is not None:
        return _over(state, undo, blocked)
    target = practifi_view(replace(graph, content=content), settings)
    plan = send(
        Plan(state, Verdict.NOTHING, UNDONE), Side.GRAPH, Action.UPDATE, now, fields=effective, held=graph,
        content=content, source=salesforce.content, target=with_answers_of(target, salesforce.content),
    )  # fmt: skip
    return _sent(plan, undo)


def _taken(held: CalendarEvent, wanted: CalendarEvent, groups: tuple[str, ...]) -> CalendarEvent:
    content = replace(take(held, groups, wanted), send_invitations=held.send_invitations)
    if ROOMS in groups and PEOPLE not in groups:  # in Microsoft 365 a room is booked by inviting it
        people = (a for a in held.attendees if a.kind is not AttendeeKind.RESOURCE)
        rooms = (a for a in wanted.attendees if a.kind is AttendeeKind.RESOURCE)
        content = replace(content, attendees=(*people, *rooms))
    return content


def is_alike(one: CalendarEvent, other_one: CalendarEvent, group: str) -> bool:
    """Whether two contents hold the same in a group; of people, whether the same are invited."""
    if group == PEOPLE:
        return _people(one) == _people(other_one)
    here, there = _raw(one, group), _raw(other_one, group)
    if isinstance(here, str) and isinstance(there, str):
        return here.split() == there.split()  # services trim and wrap texts
    return bool(here == there)


def _raw(content: CalendarEvent, group: str) -> object:
    return own_text(content.body, content.join_url) if group == BODY else value(content, group)


def _people(content: CalendarEvent) -> frozenset[str]:
    return frozenset(person.record_id or person.address.lower() for person in content.attendees)


def _is_as_found(
    held: CalendarEvent, found: CalendarEvent | None, groups: tuple[str, ...], wanted: CalendarEvent | None = None
) -> bool:
    """Whether each group is what the operator saw, or what was asked for already."""
    return found is not None and all(
        is_alike(held, found, group) or (wanted is not None and is_alike(held, wanted, group)) for group in groups
    )


# ---- deleted events -----------------------------------------------------------------------------------------------


def _deleted(state: PairState, undo: Undo, settings: Settings, now: datetime) -> Plan:
    here, there = side_of(state, undo.side), side_of(state, other(undo.side))
    if here.item is not None and undo.writes:
        return _back(state, undo, now)
    if here.item is not None or there.item is not None or undo.content is None:
        return _over(state, undo, OVERTAKEN)  # somebody brought it back meanwhile
    if undo.writes:
        return _over(state, undo, here.refused_code or OVERTAKEN)
    user = (
        settings.user_of_mailbox(undo.mailbox)
        if undo.side is Side.GRAPH
        else settings.user_of_record(undo.content.owner_id)
    )
    blocked = restoring_gate(undo.side is Side.GRAPH, undo.content, user, settings, now)
    if blocked is not None:
        return _over(state, undo, blocked)
    # As after a deletion that an edit beats: the generations grow, so that marks are not taken for those of old.
    for side in (Side.GRAPH, Side.SALESFORCE):
        gone = side_of(state, side)
        fresh = SideState(generation=gone.generation + 1, gone=gone.gone, is_cancelled=gone.is_cancelled)
        state = with_side(state, side, fresh)
    plan = Plan(replace(state, is_detached=False), Verdict.NOTHING, UNDONE)
    plan = send(
        plan, undo.side, Action.CREATE, now, fields=ALL, content=_anew(undo.side, undo.content, user),
        mailbox=undo.mailbox,
    )  # fmt: skip
    return _sent(plan, undo)


def _back(state: PairState, undo: Undo, now: datetime) -> Plan:
    """It stands where we deleted it. For the other side it is like an event that somebody saved there by hand."""
    if undo.side is Side.SALESFORCE:
        saved = replace(state.salesforce, edited_at=now, origin=OPERATOR, held_back="")
        state = replace(state, salesforce=saved)
    return _over(state, undo)


def _anew(side: Side, content: CalendarEvent, user: UserSetting | None) -> CalendarEvent:
    """What is created: the old content without answers, without where to join a meeting that is no more, and without
    people where it is private. Whose event it becomes organizes it and is not invited to it."""
    people = () if is_private(content) else content.attendees
    people = tuple(replace(person, response=Response.NONE) for person in people if not _is_user(person, user))
    body = own_text(content.body, content.join_url)
    content = replace(content, attendees=people, body=body, join_url="", external_id="")
    if side is Side.GRAPH:
        return replace(content, organizer=None, owner_id="", sync_status="")
    return replace(content, sync_status=STATUS_LABELS[Status.PENDING])


def _is_user(person: Attendee, user: UserSetting | None) -> bool:
    if user is None:
        return False
    return person.address.casefold() == user.address.casefold() or person.record_id == user.salesforce_id
