"""The story of one pair: what was seen, what was decided and why, what was written, what became of it. Pure.

A join of the journal (in its own order) with the decisions and commands that name its entries.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from projections.wording import HIDDEN, PRIVATE_GROUPS, words
from schemas.calendar import CalendarEvent, Sensitivity
from schemas.changes import WRITE, Item, Side
from schemas.commands import Command, Decision, FieldChange, Outcome, Result
from schemas.groups import ALL, MEMBERS
from schemas.journal import Erased, JournalEntry, OperatorActed, OutcomeKnown, Seen
from schemas.undo import Undo
from schemas.values import replace

# An entry with where it stands: (partition, offset, entry).
Placed = tuple[int, int, JournalEntry]


@dataclass(frozen=True)
class Difference:
    """One field group of an item against what that side held before, in words."""

    group: str
    before: str
    after: str


@dataclass(frozen=True)
class Sent:
    """A command that followed: which write, and where. `fields` are field groups."""

    command_id: str
    side: Side
    action: str
    fields: tuple[str, ...]


@dataclass(frozen=True)
class Moment:
    """One journal entry of a pair with all that followed from it.

    `holds` is what a newly seen item held, `differences` what had changed on that side since it was last seen: in
    words, and without text where the pair is private, as are `outcome` and `decision`. `took_s` is how many seconds
    after its decision the command that this entry tells of was dealt with.
    """

    at: datetime
    partition: int
    offset: int
    headline: str
    side: Side | None = None
    item_id: str = ""
    mailbox: str = ""
    origin: str = ""
    holds: tuple[tuple[str, str], ...] = ()
    differences: tuple[Difference, ...] = ()
    outcome: Outcome | None = None
    took_s: float | None = None
    decision: Decision | None = None
    sent: tuple[Sent, ...] = ()


# What is told of an item that is seen for the first time.
INTRODUCED: Final = ("subject", "time", "location", "show_as", "privacy", "reminder", "people", "owner", "recurring")


def timeline(
    entries: Iterable[Placed], decisions: Iterable[Decision], commands: Iterable[Command], *, show_private: bool = False
) -> list[Moment]:
    """The pair's moments in journal order. Repeats of one input are told once.

    Unless `show_private`, a pair that was ever private is told without its text and people.
    """
    placed = sorted(entries, key=lambda row: (row[0], row[1]))
    hide = not show_private and was_private(entry for _, _, entry in placed)
    decided = {(decision.partition, decision.offset): decision for decision in decisions}
    by_id = {command.command_id: command for command in commands}
    held: dict[tuple[Side, str], CalendarEvent] = {}
    told: set[tuple[str, int]] = set()
    moments = []
    for partition, offset, entry in placed:
        source = (entry.source.lane, entry.source.offset)
        if source in told or (entry.erased is not None and entry.erased.state is None):
            continue
        told.add(source)
        moment = moment_of(partition, offset, entry, held, hide)
        if moment.outcome is not None and moment.outcome.command_id in by_id:
            took = moment.outcome.at - by_id[moment.outcome.command_id].decided_at
            moment = replace(moment, took_s=max(0.0, round(took.total_seconds(), 3)))
        decision = decided.get((partition, offset))
        if decision is not None:
            sent = tuple(_sent(by_id[name]) for name in decision.commands if name in by_id)
            moment = replace(moment, decision=shown(decision, hide), sent=sent)
        moments.append(moment)
    return moments


def was_private(entries: Iterable[JournalEntry]) -> bool:
    """Whether anybody ever marked the event private (personal and confidential count)."""
    items = (item for entry in entries for item in (item_of(entry), restored_item(entry)))
    return any(item is not None and item.content.sensitivity is not Sensitivity.NORMAL for item in items)


def item_of(entry: JournalEntry) -> Item | None:
    """The item that an entry shows, if any."""
    match entry.what:
        case Seen(item=item):
            return item
        case OutcomeKnown(Outcome(item=item)):
            return item
        case _:
            return None


def restored_item(entry: JournalEntry) -> Item | None:
    """The item that leads in the state behind an erased history, if any."""
    state = entry.erased.state if entry.erased is not None else None
    return None if state is None else state.graph.item or state.salesforce.item


def moment_of(
    partition: int, offset: int, entry: JournalEntry, held: dict[tuple[Side, str], CalendarEvent], hide: bool
) -> Moment:
    """What one entry tells. `held` is what each item last held, and is brought up to date."""
    item = item_of(entry)
    before = held.get((item.side, item.id)) if item is not None else None
    if item is not None:
        held[item.side, item.id] = item.content
    moment = Moment(entry.observed_at, partition, offset, "")
    match entry.what:
        case Seen(side, item_id, mailbox, _, origin, cause):
            moment = replace(moment, side=side, item_id=item_id, mailbox=mailbox, origin=origin)
            if item is None:
                return replace(moment, headline=f"Deletion confirmed in {service(side)}")
            if cause == WRITE:
                return replace(moment, headline=f"Our own write to {service(side)} noted")
            if before is None:
                return replace(
                    moment, headline=f"First seen in {service(side)}", holds=_introduction(item.content, hide)
                )
            differences = _differences(before, item.content, hide)
            what = "Changed in" if differences else "Seen again, unchanged, in"
            return replace(moment, headline=f"{what} {service(side)}", differences=differences)
        case OutcomeKnown(outcome):
            differences = _differences(before, item.content, hide) if item is not None and before is not None else ()
            outcome = replace(outcome, item=None)  # told by its differences, which hide what is private
            if hide:
                message, warning = (HIDDEN if text else "" for text in (outcome.message, outcome.warning))
                outcome = replace(outcome, message=message, warning=warning)
            item_id, mailbox = (item.id, item.mailbox) if item is not None else ("", "")
            return replace(
                moment, headline=_answer(outcome), side=outcome.side, item_id=item_id, mailbox=mailbox,
                differences=differences, outcome=outcome,
            )  # fmt: skip
        case OperatorActed(by=by, erased=Erased(at)):
            return replace(moment, headline=f"Erased on {at:%Y-%m-%d} by {by}: what happened before is not kept")
        case OperatorActed(by=by, undo=Undo(decision=decision)):
            return replace(moment, headline=f"{by} asked to undo decision {decision}")
        case OperatorActed(by=by, into=into) if into:
            return replace(moment, headline=f"{by} gave this event to the pair {into}")
        case OperatorActed(verb, by):
            return replace(moment, headline=f"{by} asked for {verb}")
        case _:
            return replace(moment, headline="Settings changed")


def _answer(outcome: Outcome) -> str:
    where = service(outcome.side)
    match outcome.result:
        case Result.APPLIED:
            return f"{where} confirmed the {outcome.action}"
        case Result.STALE:
            return f"{where} was not written: the event changed there meanwhile"
        case Result.GONE:
            return f"{where} was not written: the event does not exist there any more"
        case Result.REFUSED:
            return f"{where} refused the {outcome.action}"


def _introduction(content: CalendarEvent, hide: bool) -> tuple[tuple[str, str], ...]:
    told = INTRODUCED if content.recurring else INTRODUCED[:-1]
    return tuple((group, _hidden(group, words(content, group), hide)) for group in told)


def _differences(before: CalendarEvent, after: CalendarEvent, hide: bool) -> tuple[Difference, ...]:
    return tuple(
        Difference(group, _hidden(group, words(before, group), hide), _hidden(group, words(after, group), hide))
        for group in ALL
        if any(getattr(before, name) != getattr(after, name) for name in MEMBERS[group])
    )


def _hidden(group: str, text: str, hide: bool) -> str:
    return HIDDEN if hide and group in PRIVATE_GROUPS else text


def shown(decision: Decision, hide: bool) -> Decision:
    """The decision as it may be shown."""
    if not hide:
        return decision
    mails = tuple(replace(mail, address=HIDDEN) for mail in decision.mails)
    changes, lost = (tuple(_shown_change(c) for c in rows) for rows in (decision.changes, decision.lost))
    held = decision.held
    if held is not None:
        held = replace(held, mails=tuple(replace(mail, address=HIDDEN) for mail in held.mails))
    return replace(decision, changes=changes, lost=lost, mails=mails, held=held)


def _shown_change(change: FieldChange) -> FieldChange:
    return replace(change, before=HIDDEN, after=HIDDEN) if change.field in PRIVATE_GROUPS else change


def _sent(command: Command) -> Sent:
    return Sent(command.command_id, command.side, str(command.action), command.fields)


def service(side: Side) -> str:
    """The service as an administrator calls it."""
    return "Microsoft 365" if side is Side.GRAPH else "Practifi"
