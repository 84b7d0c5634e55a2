"""I1: when changes stop, both sides hold the same for every pair in scope, and what stands alone has a true reason."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, Final

from schemas.changes import Kind, Side
from schemas.commands import Action
from schemas.settings import Direction, Settings, ShowAsList
from schemas.state import PairState, Status
from simulation.comparison import LABELS, STANDARD_LABELS, Meeting, differences, instant, of_outlook, of_practifi
from simulation.firm import START
from simulation.holds import OPERATORS_REASONS, is_hold_true
from simulation.outcome import Ending
from simulation.people import is_date
from streams.undo import UNDONE

# Why an edit stays where it was made: codes of gates that hold back what a person changed on that side.
HELD_BACK: Final = {
    "graph": {"direction", "user_disabled", "out_of_range", "private_off", "too_long", "draft", "attendee_copy"},
    "salesforce": {
        "direction", "user_disabled", "not_edited_since", "owner_changed", "attendees_only", "truncated", "past",
        "out_of_range", "private_off", "internal_off", "not_organizer", "imported", "shadow",
    },
}  # fmt: skip


def i1_converge(ending: Ending) -> list[str]:
    """Both sides hold the same for every pair in scope; what is alone on a side has a reason that is true."""
    return [*_unequal(ending), *_alone(ending), *_unsettled(ending), *_misplaced(ending)]


def _meetings(ending: Ending) -> Callable[[str], Meeting]:
    services = ending.world.services
    records = {one.address: one.contact_id for one in services.clients if one.address}
    records |= {one.address: one.salesforce_id for one in services.people if not one.is_shared}
    records |= {one.address: one.calendar_id for one in services.places if one.calendar_id}
    settings = ending.world.settings
    owners = {one.address: one.salesforce_id for one in settings.users if one.is_enabled}
    labels = LABELS if settings.show_as_list is ShowAsList.EXTENDED else STANDARD_LABELS

    def meeting(graph_id: str) -> Meeting:
        mailbox, event = ending.graph[graph_id]
        user = settings.user_of_mailbox(mailbox)
        return of_outlook(event, records, owners, user.salesforce_id if user is not None else "", labels)

    return meeting


def _unequal(ending: Ending) -> Iterator[str]:
    meeting = _meetings(ending)
    for pair in ending.pairs.values():
        graph, salesforce = pair.graph.item, pair.salesforce.item
        if graph is None or salesforce is None or graph.id not in ending.graph or pair.is_detached:
            continue
        record = ending.salesforce.get(salesforce.id)
        if record is None:
            continue
        theirs = of_practifi(record, ending.relations.get(salesforce.id, []))
        for group in differences(meeting(graph.id), theirs):
            if group == "people" and _is_uninvited(ending, pair, meeting(graph.id), theirs):
                continue
            if group == "rooms" and _is_taken(ending, pair, meeting(graph.id), theirs):
                continue
            if not _is_held_back(ending, pair, group):
                ours = getattr(meeting(graph.id), group)
                yield f"{pair.pair_key} ({pair.reason}): {group} is {ours!r} there and {getattr(theirs, group)!r} here"


def _is_uninvited(ending: Ending, pair: PairState, ours: Meeting, theirs: Meeting) -> bool:
    """Whether Practifi names people whom its event never invited: the box is not ticked, or they have no address."""
    assert pair.salesforce.item is not None
    is_sending = ending.salesforce[pair.salesforce.item.id]["practifi__Send_Invitations_to_Attendees__c"]
    reachable = {one.contact_id for one in ending.world.services.clients if one.address}
    reachable |= {one.salesforce_id for one in ending.world.services.people}
    missing = theirs.people - ours.people
    is_made_here = (pair.pair_key.startswith("s:") or bool(pair.undone)) and ours.people <= theirs.people
    return is_made_here and (not is_sending or not {one for one, _ in missing} & reachable)


def _is_taken(ending: Ending, pair: PairState, ours: Meeting, theirs: Meeting) -> bool:
    """Whether Practifi lacks a room because Salesforce refused it, as an outcome says."""
    warnings = " ".join(
        outcome.warning
        for command_id, outcomes in ending.outcomes.items()
        if ending.commands[command_id].pair_key == pair.pair_key
        for outcome in outcomes
    )
    return theirs.rooms <= ours.rooms and all(f"room {one}" in warnings for one in ours.rooms - theirs.rooms)


def _is_held_back(ending: Ending, pair: PairState, group: str) -> bool:
    """Whether a group differs because a gate holds back what somebody did to it on the side that may not write."""
    assert pair.graph.item is not None
    assert pair.salesforce.item is not None
    touched = ending.world.diary.touched
    group = "teams" if group == "join_url" else group
    by_practifi = ("salesforce", pair.salesforce.item.id, group) in touched
    # An attendee's copy changes with the organizer's, which stands in no enabled mailbox if the copy leads.
    by_outlook = ("graph", pair.graph.item.id, group) in touched or not pair.graph.item.is_organizer
    if pair.status is Status.ERROR or pair.reason in {"direction", "user_disabled", "attendee_copy"}:
        return True
    if not ending.world.settings.is_mailbox_enabled(pair.graph.item.mailbox):
        return True  # nobody looks at that mailbox any more, so nothing was decided about its edits
    if any(one.direction is not Direction.TWO_WAY for one in ending.world.settings_history):
        return by_practifi or by_outlook  # whatever was adopted while one way was closed counts as agreed
    owner_changed = ("salesforce", pair.salesforce.item.id, "owner") in touched
    if group in {"people", "owner", "rooms"} and (by_practifi or owner_changed):
        return True  # rules 7.6 and 10.6: who attends and who owns never goes out by itself
    if group in {"people", "rooms"} and pair.salesforce.item.content.sensitivity != "normal":
        return ("salesforce", pair.salesforce.item.id, "privacy") in touched
    if pair.held is not None and group in pair.held.fields:
        return True  # waits for an operator
    if pair.held is not None and pair.undo is not None:
        return True  # an undo has the pair to itself until it is over (ADR 9), and this one waits for an operator
    start = pair.graph.item.content.span.start_utc
    if pair.held is not None and by_outlook and _is_beyond(start, ending.world.settings):
        return True  # what waits is told as the reason, not the range that keeps out what came in meanwhile
    is_held = (by_practifi and pair.reason in HELD_BACK["salesforce"]) or bool(pair.salesforce.held_back)
    return is_held or (by_outlook and pair.reason in HELD_BACK["graph"])


def _unsettled(ending: Ending) -> Iterator[str]:
    for pair in ending.pairs.values():
        if pair.status is Status.PENDING and pair.held is None:
            yield f"{pair.pair_key} is still pending ({pair.reason})"


def _alone(ending: Ending) -> Iterator[str]:
    held = _holders(ending)
    settings = ending.world.settings
    for graph_id, (mailbox, event) in ending.graph.items():
        if not settings.is_mailbox_enabled(mailbox):
            continue
        keys = held.get(("graph", graph_id), [])
        is_unread = _is_before_or_after(instant(event["start"]), settings, 12 * settings.inbound_years + 1)
        if not keys and not is_unread and not _is_left_behind(ending, event):
            yield f"{event['subject']!r} ({graph_id[-8:]}) in Outlook belongs to no pair"
        for key in keys:
            pair = ending.pairs[key]
            is_leader = pair.graph.item is not None and pair.graph.item.id == graph_id
            if is_leader and pair.salesforce.item is None and not _has_reason(ending, pair, event, None):
                yield f"{event['subject']!r} stands in Outlook alone, allegedly because of {pair.reason!r}"
    for record_id, record in ending.salesforce.items():
        keys = held.get(("salesforce", record_id), [])
        if not keys:
            yield f"{record['Subject']!r} ({record_id[10:15]}) in Practifi belongs to no pair"
        for key in keys:
            pair = ending.pairs[key]
            if pair.graph.item is None and not _has_reason(ending, pair, None, record):
                yield f"{record['Subject']!r} stands in Practifi alone, allegedly because of {pair.reason!r}"


def _is_left_behind(ending: Ending, event: dict[str, Any]) -> bool:
    """Whether this is an attendee's copy of a date that its organizer had cancelled once: it is not listened to, until
    the mailbox is read anew, even if a re-timed series brings the date back."""
    return (
        is_date(event) and not event["isOrganizer"] and any(side == "graph" for side, _ in ending.world.diary.deleted)
    )


def _misplaced(ending: Ending) -> Iterator[str]:
    """What a user of several mailboxes makes in Practifi stands in the primary one (rule 3.primary)."""
    for command in ending.commands.values():
        if (command.side, command.action) != (Side.GRAPH, Action.CREATE) or command.reason == UNDONE:
            continue
        user = ending.world.settings.user_of_mailbox(command.mailbox)
        if user is None or (len(ending.world.settings.mailboxes_of(user.salesforce_id)) > 1 and not user.is_primary):
            yield f"{command.command_id} makes an event in {command.mailbox[-8:]}, not its user's primary mailbox"


def _holders(ending: Ending) -> dict[tuple[str, str], list[str]]:
    """Which pairs hold an item, as theirs or as another copy of their meeting."""
    held: dict[tuple[str, str], list[str]] = {}
    for pair in ending.pairs.values():
        for side, state in (("graph", pair.graph), ("salesforce", pair.salesforce)):
            for item in (*((state.item,) if state.item is not None else ()), *state.copies):
                held.setdefault((side, item.id), []).append(pair.pair_key)
    return held


def _has_reason(ending: Ending, pair: PairState, event: dict[str, Any] | None, record: dict[str, Any] | None) -> bool:
    """Whether an item stands alone for a true reason: an operator is to decide, or has, or a gate holds it back."""
    if pair.reason in OPERATORS_REASONS and not pair.is_detached:
        return is_hold_true(ending, pair)
    return _is_reason_true(ending, pair, event, record)


def _is_reason_true(
    ending: Ending, pair: PairState, event: dict[str, Any] | None, record: dict[str, Any] | None
) -> bool:
    """Whether the reason why an item stands alone holds by the raw item and the settings that ever stood."""
    history = ending.world.settings_history
    start = instant(event["start"]) if event is not None else datetime.fromisoformat(record["StartDateTime"])  # type: ignore[index]
    is_private = event["sensitivity"] != "normal" if event is not None else bool(record["IsPrivate"])  # type: ignore[index]
    deleted = {native for _, native in ending.world.diary.deleted}
    if pair.is_detached:
        became_series = pair.graph.item is not None and pair.graph.item.kind is Kind.SERIES_MASTER
        # Who is taken off a meeting loses their copy of it: a deletion, where no other copy is looked at.
        is_taken_off = any((side, group) == ("graph", "people") for side, _, group in ending.world.diary.touched)
        return bool(deleted) or became_series or is_taken_off
    match pair.reason:
        case "shadow" | "not_edited_since":
            return len(history) > 1
        case "direction":
            return any(one.direction is not Direction.TWO_WAY for one in history)
        case "user_disabled":
            return any(not user.is_enabled for one in history for user in one.users)
        case "private_off":
            return is_private and any(not one.sync_private_events for one in history)
        case "internal_off":
            return any(not one.sync_internal_events for one in history)
        case "unmatched_off":
            return any(not one.sync_unmatched_events for one in history)
        case "imported":
            is_known = bool(ending.world.services.names.origin)
            return record is not None and not (is_known and record["Concord_Origin__c"] == "ui")
        case "attendee_copy":
            return event is not None and not event["isOrganizer"]
        case "past":
            return start <= ending.world.now() + timedelta(days=1)
        case "out_of_range":
            # A range that is widened brings in what it left out; a save in Practifi waits for the next one.
            return any(_is_beyond(start, one) for one in (history if event is None else history[-1:]))
    return pair.status is Status.ERROR and bool(pair.graph.refused or pair.salesforce.refused)


def _is_beyond(start: datetime, settings: Settings) -> bool:
    """Whether a start was outside the ranges of these settings at some time of the run: they move on with time."""
    return _is_before_or_after(start, settings, min(12 * settings.inbound_years, settings.outbound_months))


def _is_before_or_after(start: datetime, settings: Settings, months: int) -> bool:
    """Before the Commencement Date, or so many months after the beginning of the run."""
    years, month = divmod(START.month - 1 + months, 12)
    last = START.replace(year=START.year + years, month=month + 1)
    return start.date() < (settings.commencement_date or start.date()) or start > last
