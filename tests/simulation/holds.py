"""What must have been released: mails beyond the limits (I7), deletions of a burst (I6). And the sum of all mails."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from connectors.graph.compare import is_same
from projections.mail_ledger import MailLedger
from projections.sync_state import DROPPED
from schemas.changes import Change
from schemas.commands import Action, Command, Decision, Outcome, Result
from schemas.groups import CONTENT
from schemas.journal import OperatorActed, OperatorVerb, Seen
from schemas.state import PairState
from schemas.topics import GRAPH_CHANGES, SALESFORCE_CHANGES
from simulation.firm import DOMAIN
from simulation.outcome import Ending
from streams.holding import hold_digest

HOUR: Final = timedelta(hours=1)
# Reasons of pairs that wait for an operator, or about which one has decided.
OPERATORS_REASONS: Final = frozenset({"held_invitations", "held_deletions", DROPPED})


def unreleased_mails(ending: Ending) -> Iterator[str]:
    """No write mailed more people outside the firm than the limit of its day, and no hour did, but by a release."""
    limits = {one.number: one.invitation_limit_per_write for one in ending.world.settings_history}
    by_the_hour = {one.invitation_limit_per_hour for one in ending.world.settings_history}
    mailed: list[tuple[Decision, int]] = []
    for decision in {(one.partition, one.offset): one for one in ending.decisions}.values():
        for command in (ending.commands[one] for one in decision.commands if one in ending.commands):
            outside = sum(not mail.address.endswith("@" + DOMAIN) for mail in command.mails)
            if not outside or _is_released(ending, command, decision):
                continue
            mailed.append((decision, outside))
            limit = limits[decision.settings_number]
            if limit and outside > limit:
                yield f"{command.command_id} mailed {outside} people outside the firm without a release"
    if len(by_the_hour) == 1 and by_the_hour != {0}:
        yield from _full_hours(mailed, *by_the_hour)


def _full_hours(mailed: list[tuple[Decision, int]], limit: int) -> Iterator[str]:
    for last, _ in mailed:
        since = last.decided_at - HOUR
        people = sum(outside for one, outside in mailed if since < one.decided_at <= last.decided_at)
        if people > limit:
            yield f"{people} people outside the firm were mailed in the hour before {last.decided_at:%d %H:%M:%S}"


def _is_released(ending: Ending, command: Command, decision: Decision) -> bool:
    """Whether an operator released this very write before it was ordered, or confirmed its mails with an undo."""
    acts = (
        entry.what
        for record, entry in ending.journal
        if (entry.pair_key, record.partition) == (command.pair_key, decision.partition)
        and record.offset <= decision.offset
        and isinstance(entry.what, OperatorActed)
    )
    return any(
        (act.verb, act.hold) == (OperatorVerb.RELEASE, hold_digest(command))
        or (act.undo is not None and Counter(command.mails) <= Counter(act.undo.mails))
        for act in acts
    )


def unreleased_deletions(ending: Ending, deletions: list[tuple[str, Command]]) -> Iterator[str]:
    """What was deleted in a burst on one side was deleted on the other only by a release; and bursts are marked."""
    decided = {command_id: decision for decision in ending.decisions for command_id in decision.commands}
    for pair_key, command in deletions:
        decision = decided[command.command_id]
        removal = _last_removal(ending, command, decision)
        if removal is not None and removal.in_burst and not _is_released(ending, command, decision):
            yield f"{command.command_id} carried a deletion of a burst to {command.side} without a release ({pair_key})"
    yield from _unmarked(ending)


def _last_removal(ending: Ending, command: Command, decision: Decision) -> Seen | None:
    """The reading by which the other side's item was found removed. Copies in other mailboxes are removed as well, some
    of them perhaps in a burst: what was removed by itself anywhere needed no release."""
    found: Seen | None = None
    gone: set[str] = set()
    for record, entry in ending.journal:
        seen = entry.what
        if entry.pair_key != command.pair_key or record.offset > decision.offset or not isinstance(seen, Seen):
            continue
        if seen.side is command.side:
            continue
        if seen.item is not None:
            found = None
            gone.discard(seen.id)
        elif seen.id not in gone:
            found = seen if found is None or found.in_burst else found
            gone.add(seen.id)
    return found


def _unmarked(ending: Ending) -> Iterator[str]:
    """Removals read at one moment that are more than any limit of the run allows, and not marked."""
    history = ending.world.settings_history
    if any(not one.deletion_limit_events for one in history):
        return
    limit = max(one.deletion_limit_events for one in history)
    share = max(one.deletion_limit_percent for one in history)
    for topic in (GRAPH_CHANGES, SALESFORCE_CHANGES):
        partitions = [rows for (name, _), rows in sorted(ending.changes.items()) if name == topic]
        changes = [one for rows in partitions for one in rows if one is not None]
        known = Counter({one.id: _owner(one) for one in changes if one.item is not None}.values())
        for (owner, at), ids in _unmarked_runs(changes).items():
            if len(ids) > limit and 100 * len(ids) > share * known[owner]:
                yield f"{len(ids)} removals of {owner} read at {at} are not marked as a burst"


def _unmarked_runs(changes: list[Change]) -> dict[tuple[str, datetime], set[str]]:
    """The unmarked removals by owner and the moment of reading: of what was alive, and no date of a series (those that
    end with it count once)."""
    alive: dict[str, Change] = {}
    runs: defaultdict[tuple[str, datetime], set[str]] = defaultdict(set)
    for one in changes:
        before = alive.pop(one.id, None)
        if one.item is not None:
            alive[one.id] = one
        elif before is not None and before.item is not None and not before.item.series_master_id and not one.in_burst:
            runs[_owner(before), one.observed_at].add(one.id)
    return runs


def _owner(change: Change) -> str:
    assert change.item is not None
    return change.mailbox or change.item.content.owner_id


def is_hold_true(ending: Ending, pair: PairState) -> bool:
    """Whether a reason to wait, or to be dropped, holds by the settings that ever stood and what operators did."""
    history = ending.world.settings_history
    match pair.reason:
        case "held_invitations":
            limits = [(one.invitation_limit_per_write, one.invitation_limit_per_hour) for one in history]
            return pair.held is not None and pair.held.outside > 0 and any(map(any, limits))
        case "held_deletions":
            is_gone = pair.graph.is_deleted or pair.salesforce.is_deleted
            return pair.held is not None and is_gone and any(one.deletion_limit_events for one in history)
    return pair.reason == DROPPED and ending.has_dropped(pair.pair_key)


def _is_beyond_knowing(command: Command, outcome: Outcome) -> bool:
    """Whether a sink that crashed after a write cannot know that it made it: somebody edited all that it wrote before
    it looked again, and the event reads as if nothing but that edit had happened, as tests/contract/graph/test_sink.py
    shows."""
    if command.action is not Action.UPDATE or outcome.result is not Result.STALE or outcome.item is None:
        return False
    written, basis, now = command.content, command.basis, outcome.item.content
    assert written is not None
    changed = (one for one in command.fields if one in CONTENT and (basis is None or not is_same(basis, written, one)))
    return not any(is_same(now, written, group) for group in changed)


def ledger_differs(ending: Ending) -> Iterator[str]:
    """The mails of the ledger are those that the service sent. What was found made counts there, though nobody may have
    been mailed: no write stands behind it."""
    ledger = MailLedger()
    for decision in ending.decisions:
        ledger.decided(decision)
    for outcomes in ending.outcomes.values():
        for outcome in outcomes:
            ledger.answered(outcome)
    written = {write.command_id for write in ending.world.services.graph.writes}
    sent_ones = (one for one in ledger.mailings if one.is_sent and one.outcome and one.outcome.command_id in written)
    told = Counter(mail for one in sent_ones for mail in one.mails)
    by_command = ending.mails_by_command()
    for command_id, outcomes in ending.outcomes.items():
        if all(_is_beyond_knowing(ending.commands[command_id], one) for one in outcomes):
            by_command.pop(command_id, None)
    sent = sum(by_command.values(), Counter())
    for mail, count in sorted((told - sent).items(), key=repr):
        yield f"the ledger has {count} {mail.kind} to {mail.address} that nobody got"
    for mail, count in sorted((sent - told).items(), key=repr):
        yield f"{mail.address} got {count} {mail.kind} that the ledger does not have"
