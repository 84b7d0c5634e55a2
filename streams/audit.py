"""Why what a service holds now is not what the log says of it, or the two sides of a pair not the same. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from projections.sync_state import own_key, side_of
from schemas.calendar import Attendee, CalendarEvent
from schemas.changes import Item, Side
from schemas.commands import Action
from schemas.groups import (
    ALL,
    BODY,
    INBOUND,
    JOIN_URL,
    LOCATION,
    MARKS,
    MEMBERS,
    OWNER,
    PEOPLE,
    PRIVACY,
    ROOMS,
    SHOW_AS,
    SUBJECT,
    TIME,
)
from schemas.settings import Settings
from schemas.state import PairState, Status
from schemas.values import replace
from streams.engines import TWO_ENGINES
from streams.holding import CODES
from streams.mapping import is_truncated, practifi_view, value
from streams.plan import Plan
from streams.reconcile import reconcile

# What was saved this short a while ago may still be on its way: polls come every five minutes, change events sooner.
YOUNG: Final = timedelta(minutes=15)


class Cause(StrEnum):
    """Why something is not as it might be. Those of EXPECTED are as they should be."""

    ON_ITS_WAY = "on_its_way"
    MISSED = "missed"
    GONE = "gone"
    UNKNOWN = "unknown"
    UNREADABLE = "unreadable"
    QUARANTINED = "quarantined"
    UNDER_WAY = "under_way"
    HELD = "held"
    REFUSED = "refused"
    OTHER_ENGINE = "other_engine"
    DUE = "due"
    SHADOW = "shadow"
    LEFT_OUT = "left_out"
    MATCHED_LATER = "matched_later"
    LOSSY = "lossy"


EXPECTED: Final = frozenset({Cause.SHADOW, Cause.LEFT_OUT, Cause.MATCHED_LATER, Cause.LOSSY})
# What a second look, a moment later, may show to have been no more than a change that came in between.
FLEETING: Final = frozenset({Cause.ON_ITS_WAY, Cause.MISSED, Cause.GONE, Cause.UNKNOWN})

WORDS: Final[dict[Cause, str]] = {
    Cause.ON_ITS_WAY: "saved there a moment ago; the log does not hold it yet",
    Cause.MISSED: "saved there, and the log does not hold it",
    Cause.GONE: "the log holds it, the service does not have it",
    Cause.UNKNOWN: "it stands there, and the log has never heard of it",
    Cause.UNREADABLE: "what stands there cannot be read",
    Cause.QUARANTINED: "a record of it stands in quarantine",
    Cause.UNDER_WAY: "a write has no answer yet",
    Cause.HELD: "a write waits for an operator",
    Cause.REFUSED: "the service refused the write",
    Cause.OTHER_ENGINE: "another calendar sync seems to write it",
    Cause.DUE: "the settings in force call for a write that no entry has asked for",
    Cause.SHADOW: "shadow mode: decided, not written",
    Cause.LEFT_OUT: "the rules leave it so",
    Cause.MATCHED_LATER: "its people are matched to other records than when it was read; it changes with its next save",
    Cause.LOSSY: "the same, as far as Practifi can hold it",
}


@dataclass(frozen=True)
class Look:
    """What a service holds now of an item the log holds: None when it does not exist, or cannot be read."""

    item: Item | None
    is_readable: bool = True


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it might be. `side` is where (None: between the two), `fields` are groups, `reason` is a
    reason code or a service's own, `since` when it was saved or decided, where that is known. `item_id` names what is
    only in a service."""

    pair_key: str
    cause: Cause
    side: Side | None = None
    fields: tuple[str, ...] = ()
    reason: str = ""
    since: datetime | None = None
    item_id: str = ""

    @property
    def is_drift(self) -> bool:
        """Whether somebody or something has still to act."""
        return self.cause not in EXPECTED


def held(state: PairState) -> Iterator[Item]:
    """The living items that a pair knows of: those that lead, and copies in other mailboxes."""
    for side in (state.graph, state.salesforce):
        yield from (() if side.item is None else (side.item,))
        yield from side.copies


def examine(
    state: PairState, looks: Mapping[str, Look], settings: Settings, now: datetime, *, in_quarantine: bool = False
) -> tuple[Finding, ...]:
    """What is found of one pair; nothing when its two sides are the same and the log knows them.

    `looks` has, by id, the items that the log holds and that were looked at. What the log does not know comes first:
    nothing else can be said of a pair until it does.
    """
    unseen = tuple(
        found
        for known in held(state)
        if (look := looks.get(known.id)) is not None
        and (found := _unseen(state.pair_key, known, look, now, in_quarantine=in_quarantine)) is not None
    )
    if unseen:
        return unseen
    found = _standing(state, settings, now, in_quarantine=in_quarantine)
    if found is not None:
        return (found,)
    later = tuple(
        Finding(state.pair_key, Cause.MATCHED_LATER, known.side, groups)
        for known in (state.graph.item, state.salesforce.item)
        if known is not None
        and (look := looks.get(known.id)) is not None
        and look.item is not None
        and (groups := _matched_later(known.content, look.item.content))
    )
    return later or _lossy(state, settings)


def stranger(item: Item, state: PairState | None, now: datetime, *, in_quarantine: bool = False) -> Finding:
    """What is to be said of an item that stands in a service and that no pair holds. `state` is that of the pair it
    would belong to, if there is one."""
    side, saved = item.side, item.modified_at
    key = state.pair_key if state is not None else item.sync_key or own_key(item)
    there = side_of(state, side) if state is not None else None
    if there is not None and there.pending is not None and there.pending.action is Action.CREATE:
        return Finding(key, Cause.UNDER_WAY, side, since=there.pending.decided_at, item_id=item.id)
    cause = Cause.MISSED if there is not None and item.id in there.gone else Cause.UNKNOWN
    cause = Cause.ON_ITS_WAY if _is_young(saved, now) else cause
    return Finding(key, Cause.QUARANTINED if in_quarantine else cause, side, since=saved, item_id=item.id)


def _is_young(saved: datetime, now: datetime) -> bool:
    return saved > now - YOUNG


def _unseen(key: str, known: Item, look: Look, now: datetime, *, in_quarantine: bool) -> Finding | None:
    """How what stands there differs from what the log holds of it."""
    if not look.is_readable:
        return Finding(key, Cause.UNREADABLE, known.side)
    if look.item is None:
        return Finding(key, Cause.QUARANTINED if in_quarantine else Cause.GONE, known.side)
    fields = unlike(known, look.item)
    if not fields:
        return None
    saved = look.item.modified_at
    cause = Cause.ON_ITS_WAY if _is_young(saved, now) else Cause.MISSED
    return Finding(key, Cause.QUARANTINED if in_quarantine else cause, known.side, fields, since=saved)


def unlike(known: Item, found: Item) -> tuple[str, ...]:
    """The groups in which a service holds something else of an item than the log says. Whom its people were matched to
    counts for nothing: that is the directory's, not the service's."""
    is_marked = known.sync_key == found.sync_key
    return tuple(
        group for group in ALL if _as_read(known, group) != _as_read(found, group) or (group == MARKS and not is_marked)
    )


def _as_read(item: Item, group: str) -> list[Any]:
    return [_bare(getattr(item.content, name), item.side) for name in MEMBERS[group]]


def _bare(member: Any, side: Side) -> Any:
    """People without what intake adds: records in Microsoft 365, names and addresses in Practifi."""
    if isinstance(member, Attendee):
        bare = replace(member, record_id="", is_user=False)
        return bare if side is Side.GRAPH else (member.record_id, member.kind, member.response)
    return sorted((_bare(one, side) for one in member), key=repr) if isinstance(member, tuple) else member


def _matched_later(known: CalendarEvent, found: CalendarEvent) -> tuple[str, ...]:
    return tuple(group for group in (PEOPLE, ROOMS) if value(known, group) != value(found, group))


def _standing(state: PairState, settings: Settings, now: datetime, *, in_quarantine: bool) -> Finding | None:
    """Why the two sides are not the same, as the log knows them; None when they are."""
    key = state.pair_key
    for side in (Side.GRAPH, Side.SALESFORCE):
        pending = side_of(state, side).pending
        if pending is not None:
            return Finding(key, Cause.UNDER_WAY, side, pending.fields, pending.reason, pending.decided_at)
    if state.held is not None:
        hold = state.held
        return Finding(key, Cause.HELD, hold.side, hold.fields, CODES[hold.kind], hold.since)
    fields = _apart(state, settings)
    if fields is None:
        return None
    if in_quarantine:
        return Finding(key, Cause.QUARANTINED, fields=fields)
    if state.status is Status.ERROR:
        cause = Cause.OTHER_ENGINE if state.reason == TWO_ENGINES else Cause.REFUSED
        return Finding(key, cause, fields=fields, reason=state.reason)
    plan = reconcile(state, settings, now)
    writes = [one for one in plan.commands if one.action is not Action.UPDATE or one.fields != (MARKS,)]
    if writes or plan.state.held is not None:
        return Finding(
            key, Cause.SHADOW if settings.shadow else Cause.DUE, writes[0].side if writes else None, fields, plan.reason
        )  # fmt: skip
    return Finding(key, Cause.LEFT_OUT, fields=fields, reason=_why_left_out(state, plan, fields, settings, now))


def _apart(state: PairState, settings: Settings) -> tuple[str, ...] | None:
    """The groups in which the two sides differ in Practifi's words; () when there is only one side, None when they are
    the same or nothing is left of both."""
    graph, salesforce = state.graph.item, state.salesforce.item
    if graph is None or salesforce is None:
        return None if graph is salesforce else ()
    view = practifi_view(graph, settings)
    groups = tuple(group for group in INBOUND if value(view, group) != value(salesforce.content, group))
    return groups or None


def _why_left_out(state: PairState, plan: Plan, fields: tuple[str, ...], settings: Settings, now: datetime) -> str:
    """The reason code that holds today; where today nothing stands in the way, the one for which a save was held back
    when it was made."""
    held_back = state.salesforce.held_back
    if held_back:
        today = reconcile(replace(state, salesforce=replace(state.salesforce, held_back="")), settings, now)
        return held_back if today.commands else today.reason
    if fields == (OWNER,):
        return "owner_changed"
    return "no_invitations" if fields and set(fields) <= {PEOPLE, ROOMS} else plan.reason


def _lossy(state: PairState, settings: Settings) -> tuple[Finding, ...]:
    """What Microsoft 365 holds in more detail than Practifi can, where the two sides are the same otherwise."""
    graph, salesforce = state.graph.item, state.salesforce.item
    if graph is None or salesforce is None:
        return ()
    view = practifi_view(graph, settings)
    lost = tuple(
        group
        for group in (TIME, SUBJECT, BODY, LOCATION, SHOW_AS, PRIVACY, JOIN_URL)
        if any(getattr(graph.content, name) != getattr(view, name) for name in MEMBERS[group])
    )
    lost += (PEOPLE,) if is_truncated(graph.content) else ()
    return (Finding(state.pair_key, Cause.LOSSY, fields=lost),) if lost else ()
