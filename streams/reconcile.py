"""What a pair needs, decided from its state and the settings that stood at that point of its history. Pure.

Each side is compared with what it held when the two last agreed (`base`), field group by field group, in Practifi's
vocabulary. A group that Microsoft 365 changed goes to Practifi, whatever Practifi did to it; a group that only
Practifi changed goes to Microsoft 365. The gates of `streams.policy` say whether it may.
"""

from __future__ import annotations

from datetime import datetime

from projections.sync_state import DROPPED, other, side_of, with_side
from schemas.calendar import CalendarEvent
from schemas.changes import Item, Kind, Side
from schemas.commands import Action, Verdict
from schemas.groups import ALL, BODY, CONTENT, INBOUND, JOIN_URL, LOCATION, MARKS, PEOPLE, ROOMS, TEAMS, TIME, take
from schemas.settings import Settings
from schemas.state import PairState, SideState, Status
from schemas.values import replace
from streams.comparing import Difference, agreed_on, compare, not_carried, raw
from streams.holding import CODES, judge
from streams.mapping import (
    STATUS_LABELS,
    graph_content,
    is_edited,
    is_private,
    known_to_both,
    practifi_people,
    practifi_view,
    value,
)
from streams.marks import is_enabled, is_tag_wrong, marks_differ
from streams.plan import Plan, changed, is_under_way, send, settled
from streams.policy import OF_EDITS, deletion_gate, inbound_gate, outbound_gate
from streams.undo import UNDONE, undoing


def reconcile(state: PairState, settings: Settings, now: datetime, room: int | None = None) -> Plan:
    """What this pair needs now. The same arguments always give the same plan.

    `room` is how many more people outside the firm may be mailed now, None for any number (`streams.holding`).
    """
    before, asked = state.held, state
    if before is not None:
        state = replace(state, held=None)
    plan = _plan(state, settings, now)
    hold = judge(plan.commands, asked, settings, now, room)
    if hold is not None:  # once more, without what must wait
        plan = _plan(replace(state, held=hold, released=""), settings, now)
        is_known = before is not None and before.digest == hold.digest
        return plan if is_known else replace(plan, verdict=Verdict.HOLD, reason=CODES[hold.kind], held=hold)
    if before is not None and side_of(plan.state, before.side).pending is not None and not plan.commands:
        return replace(plan, state=replace(plan.state, held=before))  # judged when the outcome is known
    return plan


def _plan(state: PairState, settings: Settings, now: datetime) -> Plan:
    """What this pair needs; the write that is `held` is not made."""
    leading = _leading(state.graph, settings)
    state = state if leading is state.graph else replace(state, graph=leading)
    if state.undo is not None:
        return _undone(undoing(state, settings, now), settings, now)
    graph, salesforce = state.graph, state.salesforce
    if state.is_detached:
        return _detached(state, settings, now)
    if graph.item is not None and graph.item.kind is Kind.SERIES_MASTER:
        return _series(state, settings, now)
    if graph.item is not None and salesforce.item is not None:
        return _both(state, settings, now)
    if graph.item is not None:
        if salesforce.is_deleted:
            return _gone_in_practifi(state, graph.item, settings, now)
        return _only_in_microsoft(state, graph.item, settings, now)
    if salesforce.item is not None:
        if graph.is_deleted:
            return _deletion(state, Side.SALESFORCE, salesforce.item, settings, now)
        return _only_in_practifi(state, salesforce.item, settings, now)
    return settled(state, Status.NOT_SYNCED, state.reason)


def _undone(plan: Plan, settings: Settings, now: datetime) -> Plan:
    """An undo as far as it goes; once it is over, what the pair needs besides."""
    if plan.state.undo is not None or plan.commands or plan.verdict is Verdict.ERROR:
        return plan
    after = _plan(plan.state, settings, now)
    is_silent = plan.reason == UNDONE or after.commands or after.verdict is not Verdict.NOTHING
    return after if is_silent else replace(after, reason=plan.reason)


def _series(state: PairState, settings: Settings, now: datetime) -> Plan:
    """A series has no event of its own in Practifi. One that was a single event before ends there by the policy for
    deletions: its dates come as events of their own."""
    if state.salesforce.item is not None:
        return _deletion(state, Side.SALESFORCE, state.salesforce.item, settings, now)
    if state.salesforce.is_deleted:  # should the series become a single event again, that one is made anew
        gone = state.salesforce
        state = replace(state, salesforce=SideState(generation=gone.generation + 1, gone=gone.gone))
    return settled(state, Status.NOT_SYNCED, "series_master")


def _leading(side: SideState, settings: Settings) -> SideState:
    """Among copies in enabled mailboxes the organizer's leads, else the smallest mailbox id; whoever led before."""
    if side.item is None or not side.copies:
        return side
    first, *rest = sorted(
        (side.item, *side.copies),
        key=lambda copy: (not settings.is_mailbox_enabled(copy.mailbox), not copy.is_organizer, copy.mailbox, copy.id),
    )
    return side if first.id == side.item.id else replace(side, item=first, copies=tuple(rest), is_echo=False)


def _both(state: PairState, settings: Settings, now: datetime) -> Plan:
    graph, salesforce = state.graph.item, state.salesforce.item
    assert graph is not None
    assert salesforce is not None
    view = practifi_view(graph, settings)
    state = _own_writes_seen(state, view, salesforce.content)
    is_new = state.graph.base is None or state.salesforce.base is None
    difference = compare(state, view, salesforce.content, settings, now)
    if not is_new:
        state = _agree(state, difference.agreed, view, salesforce.content)

    blocked_in = blocked_out = None
    inbound, outbound = difference.inbound, difference.outbound
    if inbound or is_new:
        blocked_in = inbound_gate(graph, state.graph.base or view, settings, now)
        inbound = () if blocked_in is not None else inbound
        if blocked_in == "out_of_range" and not is_new and _is_link_awaited(difference, view, salesforce.content):
            inbound = (JOIN_URL,)
    if outbound:
        state, blocked_out = _hold_back(state, outbound, settings, now)
        outbound = () if blocked_out is not None else outbound
    outbound, waiting = _not_crossing(state, outbound)
    if blocked_out is not None and PEOPLE in difference.outbound and _has_answers(state, view):
        # Whom Practifi invites stays there; who accepted comes in all the same.
        inbound = (*inbound, PEOPLE) if inbound_gate(graph, state.graph.base, settings, now) is None else inbound
    if is_new and not inbound and blocked_in != "user_disabled":
        # What differs and may not come in counts as edited in Microsoft 365, not as agreed on.
        agreed = take(view, difference.inbound, salesforce.content)
        state = _agree(state, INBOUND, agreed, salesforce.content)

    status = Status.NOT_SYNCED if blocked_in in {"user_disabled", "attendee_copy"} else Status.SYNCED
    status = Status.PENDING if state.held is not None or waiting else status
    code = _reason_for(difference, inbound, outbound or waiting, blocked_in or blocked_out, is_new)
    plan = Plan(state, Verdict.NOTHING, code, lost=changed(Side.SALESFORCE, difference.lost, salesforce.content, view)
                if inbound else ())  # fmt: skip
    plan = _inbound_update(plan, inbound, view, settings, now)
    if not plan.commands:  # it is lost with the write, which waits for another or was refused
        plan = replace(plan, lost=())
    plan = _outbound_update(plan, outbound, settings, now)
    is_waiting = is_under_way(plan.state) or plan.state.held is not None
    if (inbound or outbound) and plan.verdict is Verdict.NOTHING and not is_waiting:
        plan = replace(plan, reason="in_agreement")  # the edits call for no write after all
    return _with_marks(plan, status, settings, now)


def _not_crossing(state: PairState, groups: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which of these groups go out now, and which wait: what is being written to Practifi must not leave it meanwhile,
    or the two values pass each other and the sides swap them for ever."""
    command = state.salesforce.pending
    crossing = tuple(group for group in groups if command is not None and group in command.fields)
    return tuple(group for group in groups if group not in crossing), crossing


def _hold_back(
    state: PairState, groups: tuple[str, ...], settings: Settings, now: datetime
) -> tuple[PairState, str | None]:
    """Why these groups may not go out of Practifi, or None. A save that was held back stays so until the next one, even
    if a setting is loosened meanwhile: only a save sends anything (rule 7.5). What was said of an edit to an event in
    Microsoft 365 says nothing once that event is gone."""
    here = state.salesforce
    assert here.item is not None
    is_judged = bool(here.held_back) and (here.edited_at is None or here.edited_at < settings.changed_at)
    is_judged = is_judged and (state.graph.item is not None or here.held_back not in OF_EDITS)
    is_judged = is_judged or here.held_back == DROPPED
    blocked: str | None = here.held_back
    if not is_judged:
        base = here.base if state.graph.item is not None else None
        blocked = outbound_gate(here, state.graph.item, base, groups, settings, now)
    if here.held_back != (blocked or ""):
        state = replace(state, salesforce=replace(here, held_back=blocked or ""))
    return state, blocked


def _own_writes_seen(state: PairState, view: CalendarEvent, held: CalendarEvent) -> PairState:
    """Move the bases of what a command under way writes and its side shows already: our own write, read by a source
    before its outcome came. Taken for an edit, it would overrule or undo what was edited on the other side since."""
    for side, shown in ((Side.GRAPH, view), (Side.SALESFORCE, held)):
        command = side_of(state, side).pending
        written = command.target or command.content if command is not None else None
        if command is None or command.source is None or written is None:
            continue
        groups = tuple(group for group in command.fields if _is_written(shown, written, group))
        here, there = side_of(state, side), side_of(state, other(side))
        if groups and here.base is not None and there.base is not None:
            state = with_side(state, side, replace(here, base=take(here.base, groups, written)))
            state = with_side(state, other(side), replace(there, base=take(there.base, groups, command.source)))
    return state


def _is_written(shown: CalendarEvent, written: CalendarEvent, group: str) -> bool:
    """Whether a side shows what was written; the block that Teams adds to a body does not count."""
    is_body = group == BODY and bool(shown.join_url)
    return not is_edited(shown, written, BODY) if is_body else bool(value(shown, group) == value(written, group))


def _is_link_awaited(difference: Difference, view: CalendarEvent, held: CalendarEvent) -> bool:
    """Whether Microsoft 365 says where to join what Practifi made a Teams meeting: an answer to our own write, however
    far away the event is."""
    return JOIN_URL in difference.inbound and view.is_teams and held.is_teams and not is_private(view)


def _has_answers(state: PairState, view: CalendarEvent) -> bool:
    return state.graph.base is not None and value(view, PEOPLE) != value(state.graph.base, PEOPLE)


def _reason_for(
    difference: Difference, inbound: tuple[str, ...], outbound: tuple[str, ...], blocked: str | None, is_new: bool
) -> str:
    if inbound and difference.lost == (TEAMS,):
        return "teams_stays"
    if inbound and difference.lost:
        return "conflict"
    if inbound and outbound:
        return "edited_on_both"
    if inbound:
        return "adopted" if is_new else "edited_in_microsoft"
    if outbound:
        return "edited_in_practifi"
    if blocked is not None:
        return blocked
    return "adopted" if is_new else "in_agreement"


def _agree(state: PairState, groups: tuple[str, ...], view: CalendarEvent, held: CalendarEvent) -> PairState:
    """Move both bases to what both sides hold now, in these groups."""
    if not groups:
        return state
    return replace(
        state,
        graph=replace(state.graph, base=take(state.graph.base, groups, view)),
        salesforce=replace(state.salesforce, base=take(state.salesforce.base, groups, held)),
    )


def _inbound_update(
    plan: Plan, groups: tuple[str, ...], view: CalendarEvent, settings: Settings, now: datetime
) -> Plan:
    held = plan.state.salesforce.item
    assert held is not None
    if not groups:
        return plan
    if TIME in groups and ROOMS not in groups and _may_book_again(plan.state, view):
        groups = (*groups, ROOMS)
    source = replace(view, send_invitations=held.content.send_invitations)
    content = take(held.content, groups, source)
    if PEOPLE in groups or is_private(content):
        people = practifi_people(view, held.content, plan.state.graph.base, private=is_private(content))
        content = replace(content, attendees=people)
        if PEOPLE in groups and value(content, PEOPLE) == value(held.content, PEOPLE):
            # Nothing to write: Practifi holds whom it may. Without a base the first write agrees on everything.
            others = tuple(group for group in groups if group != PEOPLE)
            if plan.state.graph.base is not None or not others:
                # Whom a private record may not show is not agreed on: they come in once it is private no more.
                shown = replace(view, attendees=()) if is_private(content) else view
                plan = replace(plan, state=_agree(plan.state, (PEOPLE,), shown, held.content))
            return _inbound_update(plan, others, view, settings, now)
    graph = plan.state.graph.item
    status = Status.SYNCED if plan.state.held is None else Status.PENDING
    content = replace(content, external_id=graph.id if graph is not None else "", sync_status=STATUS_LABELS[status])
    fields = (*groups, MARKS) if marks_differ(plan.state, status) else groups
    return send(
        plan, Side.SALESFORCE, Action.UPDATE, now, fields=fields, held=held, content=content, source=view,
    )  # fmt: skip


def _may_book_again(state: PairState, view: CalendarEvent) -> bool:
    """Whether rooms go along with a new time: Practifi may free one that is taken then, or have one that was."""
    held, base = state.salesforce.item, state.salesforce.base
    assert held is not None
    is_theirs = base is not None and value(held.content, ROOMS) == value(base, ROOMS)
    return is_theirs and bool(view.rooms or held.content.rooms)


def _outbound_update(plan: Plan, groups: tuple[str, ...], settings: Settings, now: datetime) -> Plan:
    if not groups:
        return plan
    state = plan.state
    held, source = state.graph.item, state.salesforce.item
    assert held is not None
    assert source is not None
    skipped = not_carried(source.content, held.content)
    carried = tuple(group for group in groups if group not in skipped)
    known = known_to_both(state.graph.base, state.salesforce.base)
    content = graph_content(carried, source.content, held.content, known)
    written = (*carried, LOCATION) if ROOMS in carried and LOCATION not in carried else carried
    effective = tuple(group for group in written if raw(content, group) != raw(held.content, group))
    already = tuple(group for group in carried if group not in effective)
    if already:  # Microsoft 365 would not change: nothing to write, nothing left to carry
        base = take(state.salesforce.base, already, source.content)
        plan = replace(plan, state=replace(state, salesforce=replace(state.salesforce, base=base)))
    if not effective:
        return plan
    return send(
        plan, Side.GRAPH, Action.UPDATE, now, fields=effective, held=held, content=content, source=source.content,
        target=agreed_on(replace(held, content=content), source.content, settings),
    )  # fmt: skip


def _only_in_microsoft(state: PairState, item: Item, settings: Settings, now: datetime) -> Plan:
    blocked = inbound_gate(item, None, settings, now)
    if blocked is None and state.pair_key.startswith("s:") and item.sync_key == state.pair_key:
        blocked = None if state.salesforce.generation else "awaiting_salesforce"
    if blocked is not None:
        return settled(state, Status.NOT_SYNCED, blocked)
    view = practifi_view(item, settings)
    content = replace(view, sync_status="Synced")
    plan = Plan(state, Verdict.NOTHING, "created_in_microsoft")
    return send(plan, Side.SALESFORCE, Action.CREATE, now, fields=ALL, content=content, source=view)


def _only_in_practifi(state: PairState, item: Item, settings: Settings, now: datetime) -> Plan:
    if item.sync_key == state.pair_key and item.content.external_id and not state.graph.generation:
        return settled(state, Status.PENDING, "awaiting_graph")
    state, blocked = _hold_back(state, CONTENT, settings, now)
    if blocked is not None:
        return _with_marks(Plan(state, Verdict.NOTHING, blocked), Status.NOT_SYNCED, settings, now)
    user = settings.user_of_record(item.content.owner_id)
    assert user is not None, "the gate lets only enabled users pass"
    content = graph_content(CONTENT, item.content, None)
    plan = Plan(state, Verdict.NOTHING, "created_in_practifi")
    plan = send(  # where to join an event that is gone is not agreed on: it is taken out of the record
        plan, Side.GRAPH, Action.CREATE, now, fields=ALL, content=content, source=replace(item.content, join_url=""),
        target=replace(
            practifi_view(replace(item, content=content, mailbox=user.mailbox), settings),
            location=item.content.location,
        ), mailbox=user.mailbox,
    )  # fmt: skip
    return plan if plan.commands else _with_marks(plan, plan.state.status, settings, now)


def _gone_in_practifi(state: PairState, item: Item, settings: Settings, now: datetime) -> Plan:
    """Deleted in Practifi, alive in Microsoft 365: an edit there since the last agreement beats the deletion."""
    base = state.graph.base
    view = practifi_view(item, settings)
    was_edited = base is not None and any(is_edited(view, base, group) for group in INBOUND)
    was_edited = was_edited and settings.direction.is_inbound
    if was_edited and deletion_gate(False, item, settings, now) is None:
        gone = state.salesforce
        if gone.pending is not None or state.graph.pending is not None:
            # The outcome may say that the edit had been carried before the deletion, or change what is to be made anew.
            return settled(state, Status.PENDING, "edit_beats_deletion")
        fresh = SideState(generation=gone.generation + 1, gone=gone.gone)
        plan = _only_in_microsoft(replace(state, salesforce=fresh), item, settings, now)
        return replace(plan, reason="edit_beats_deletion") if plan.commands else plan
    return _deletion(state, Side.GRAPH, item, settings, now)


def _deletion(state: PairState, target: Side, survivor: Item, settings: Settings, now: datetime) -> Plan:
    blocked = deletion_gate(target is Side.SALESFORCE, survivor, settings, now)
    if blocked is not None:
        state = replace(state, is_detached=True)
        plan = Plan(replace(state, reason=blocked), Verdict.DETACH, blocked)
        return _with_marks(plan, Status.NOT_SYNCED, settings, now)
    code = "deleted_in_microsoft" if target is Side.SALESFORCE else "deleted_in_practifi"
    plan = send(Plan(state, Verdict.NOTHING, code), target, Action.DELETE, now, held=survivor)
    return plan if state.held is None else _with_marks(plan, Status.PENDING, settings, now)


def _detached(state: PairState, settings: Settings, now: datetime) -> Plan:
    if state.salesforce.item is None:
        return settled(state, Status.NOT_SYNCED, state.reason)
    return _with_marks(Plan(state, Verdict.NOTHING, state.reason or "detached"), Status.NOT_SYNCED, settings, now)


def _with_marks(plan: Plan, status: Status, settings: Settings, now: datetime) -> Plan:
    """Set the pair's status, and bring the marks on both sides up to date when nothing else is being written there."""
    state = plan.state
    code = state.graph.refused_code or state.salesforce.refused_code
    if code and not plan.commands:
        status = Status.ERROR
        plan = replace(plan, verdict=Verdict.ERROR, reason=code)
    is_busy = is_under_way(state)
    state = replace(state, status=Status.PENDING if is_busy else status, reason=plan.reason)
    plan = replace(plan, state=state)
    held, graph = state.salesforce.item, state.graph.item
    if is_busy or held is None or not is_enabled(held, graph, settings):
        return plan
    why = plan.reason
    if marks_differ(state, status):
        # Another pair's marks came along with a restored or cloned record: its external id is not this pair's.
        kept_id = held.content.external_id if held.sync_key == state.pair_key else ""
        external_id = graph.id if graph is not None else kept_id
        content = replace(held.content, external_id=external_id, sync_status=STATUS_LABELS[status])
        marking = replace(plan, reason=plan.reason if plan.verdict is not Verdict.NOTHING else "marks")
        plan = send(marking, Side.SALESFORCE, Action.UPDATE, now, fields=(MARKS,), held=held, content=content)
        plan = replace(plan, state=replace(plan.state, reason=why))  # the mark tells the pair's standing, it is not it
    may_tag = graph is not None and settings.direction.is_outbound and graph.is_organizer and not state.is_detached
    if graph is not None and may_tag and is_tag_wrong(state.pair_key, graph):
        plan = send(plan, Side.GRAPH, Action.UPDATE, now, fields=(MARKS,), held=graph, content=graph.content)
    return plan
