"""What recorded history would have led to under other settings. Pure.

Two folds side by side: what was, as it stands in the journal, and what would have been. What people did happens in
both; what we wrote only where both decide it. Where the two agree on a side, its readings are taken as they are. Where
they do not, a reading is what somebody changed: that is laid on what this side would hold, or dropped when there would
be nothing. A write that both make gets the recorded answer, one that only this history makes is taken for done.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from projections.sync_state import command_digest, other, side_of
from schemas.calendar import CalendarEvent
from schemas.changes import Item, Side
from schemas.commands import Action, Command, MailKind, Outcome, Result
from schemas.groups import ALL, MARKS, MEMBERS, take
from schemas.journal import JournalEntry, OutcomeKnown, Position, Seen, SettingsChanged
from schemas.settings import Settings
from schemas.state import PairState
from schemas.values import replace
from streams.mapping import value
from streams.rehearsal import answered
from streams.stage import Partition, newer_settings, step

LANE: Final = "what-if"
# A write, the marks that follow it, and the same back.
ROUNDS_MAX: Final = 12

Mails = Counter[tuple[str, MailKind, str]]
"""How many mails, by pair key, kind and address."""


@dataclass(frozen=True)
class Other:
    """The other settings, and from when on: values by name, as `schemas.settings.READERS` reads them."""

    since: datetime
    first: Settings
    """The document in force at `since`, with the changes."""
    values: dict[str, object]

    def instead_of(self, recorded: Settings) -> Settings:
        """What stands instead of a document that was saved later."""
        since = {user.mailbox: user.outbound_since for user in self.first.users}
        changed: Settings = replace(recorded, **self.values)  # type: ignore[arg-type]
        if not changed.direction.is_outbound:
            return replace(changed, users=tuple(replace(user, outbound_since=None) for user in changed.users))
        users = tuple(
            replace(user, outbound_since=user.outbound_since or since.get(user.mailbox) or recorded.changed_at)
            if user.is_enabled
            else user
            for user in changed.users
        )
        return replace(changed, users=users)


@dataclass
class TwoHistories:
    """One journal partition, folded as it was and as it would have been. Feed it every entry, in order."""

    number: int
    was: Partition = field(init=False)
    would_be: Partition = field(init=False)
    mails_were: Mails = field(default_factory=Counter)
    mails_would_be: Mails = field(default_factory=Counter)
    refused: dict[str, Outcome] = field(default_factory=dict)
    _commands: dict[str, Command] = field(default_factory=dict)
    _has_begun: bool = False
    _offset: int = 0
    _answers: int = 0

    def __post_init__(self) -> None:
        self.was, self.would_be = Partition(self.number), Partition(self.number)

    def fold(self, entry: JournalEntry, offset: int, other: Other | None) -> None:
        """One entry. `other` from the first entry on that is to be judged otherwise, None before."""
        if other is not None and not self._has_begun:
            self._has_begun = True
            self.would_be.settings = other.first
            self.would_be.tally = self.was.tally
        self._offset = offset
        if isinstance(entry.what, SettingsChanged):
            self._settings(entry.what, other)
        elif other is None:
            self.was.fold(entry, offset)
        else:
            self._both(entry, offset)

    def _settings(self, changed: SettingsChanged, other: Other | None) -> None:
        self.was.settings = newer_settings(self.was.settings, changed.settings)
        for partition in (self.was, self.would_be):
            partition.tally = replace(partition.tally, partitions=changed.partitions)
        if other is not None and changed.settings.number > other.first.number:
            self.would_be.settings = other.instead_of(self.was.settings)

    def _both(self, entry: JournalEntry, offset: int) -> None:
        key = entry.pair_key
        before = self.was.pairs.get(key) or PairState(key)
        here = self.would_be.pairs.get(key) or before
        self.would_be.pairs[key] = here
        told = self._as_it_would_be(entry, before, here)
        done = self.was.fold(entry, offset)
        for command in () if done is None else done.commands:
            self._commands[command.command_id] = command
            self.mails_were.update((key, mail.kind, mail.address) for mail in command.mails)
        if told is not None:
            self._enter(told)
        self._answer(key, entry.observed_at)

    def _enter(self, entry: JournalEntry) -> None:
        """Fold an entry into what would be."""
        pairs, key = self.would_be.pairs, entry.pair_key
        # Offsets count entries, and what is made up stands between them: every entry is a new one.
        state = replace(pairs[key], offset=-1)
        done = step(
            state, entry, self.would_be.settings, partition=self.number, offset=self._offset,
            tally=self.would_be.tally,
        )  # fmt: skip
        pairs[key], self.would_be.tally = done.state, done.tally
        for command in done.commands:
            self.mails_would_be.update((key, mail.kind, mail.address) for mail in command.mails)

    def _answer(self, key: str, now: datetime) -> None:
        """Answer what only this history writes, until nothing is asked any more."""
        for _ in range(ROUNDS_MAX):
            here, there = self.would_be.pairs[key], self.was.pairs.get(key) or PairState(key)
            waiting = [command for side in Side if (command := _unshared(here, there, side)) is not None]
            if not waiting:
                return
            refused = self.refused.get(command_digest(waiting[0]))
            outcome = answered(waiting[0], here, now)
            if refused is not None:
                outcome = replace(outcome, result=Result.REFUSED, item=None, code=refused.code, message=refused.message)
            self._answers += 1
            self._enter(JournalEntry(key, now, Position(LANE, 0, self._answers), OutcomeKnown(outcome)))

    def _as_it_would_be(self, entry: JournalEntry, was: PairState, here: PairState) -> JournalEntry | None:
        """The entry for what would be, None when it would not have come."""
        match entry.what:
            case OutcomeKnown(outcome):
                told = self._outcome(outcome, was, here)
                return None if told is None else replace(entry, what=OutcomeKnown(told))
            case Seen() as seen:
                told_of = as_it_would_be_seen(seen, was, here)
                return None if told_of is None else replace(entry, what=told_of)
            case _:
                return entry

    def _outcome(self, outcome: Outcome, was: PairState, here: PairState) -> Outcome | None:
        """The answer to the same write, None when there is none under way."""
        recorded = self._commands.get(outcome.command_id) or side_of(was, outcome.side).pending
        if recorded is None or recorded.command_id != outcome.command_id:
            return outcome if was == here else None
        digest = command_digest(recorded)
        if outcome.result is Result.REFUSED:
            self.refused[digest] = outcome
        pending = side_of(here, outcome.side).pending
        if pending is None or command_digest(pending) != digest:
            return None
        return replace(outcome, command_id=pending.command_id)


def _unshared(here: PairState, there: PairState, side: Side) -> Command | None:
    """The command under way on a side that only this history makes."""
    own, recorded = side_of(here, side).pending, side_of(there, side).pending
    if own is None or (recorded is not None and command_digest(recorded) == command_digest(own)):
        return None
    return own


def as_it_would_be_seen(seen: Seen, was: PairState, here: PairState) -> Seen | None:
    """A reading as it would have come; None for one of what would not be there, or of nothing but our own write."""
    recorded, own = side_of(was, seen.side), side_of(here, seen.side)
    if recorded == own:
        return seen
    if seen.item is None:
        is_ours = recorded.pending is not None and recorded.pending.action is Action.DELETE
        if recorded.item is None or recorded.item.id != seen.id or is_ours or own.item is None:
            return None
        return replace(seen, id=own.item.id, mailbox=own.item.mailbox)
    if recorded.item is None:
        is_ours = recorded.pending is not None or bool(seen.item.sync_key and recorded.generation)
        return None if is_ours else seen
    if recorded.item.id != seen.item.id:
        return seen
    groups = edited(seen.item, recorded.item, recorded.pending)
    if own.item is None or not groups:
        return None
    content = take(own.item.content, groups, seen.item.content)
    item = replace(
        seen.item, id=own.item.id, mailbox=own.item.mailbox, i_cal_uid=own.item.i_cal_uid, sync_key=own.item.sync_key,
        content=content, modified_at=max(seen.item.modified_at, own.item.modified_at),
    )  # fmt: skip
    return replace(seen, id=item.id, mailbox=item.mailbox, item=item)


def edited(seen: Item, held: Item, pending: Command | None) -> tuple[str, ...]:
    """The groups that somebody changed, what a command under way writes left out."""
    groups = tuple(group for group in ALL if group != MARKS and _raw(seen.content, group) != _raw(held.content, group))
    written = None if pending is None else pending.content
    if written is None:
        return groups
    return tuple(g for g in groups if g not in pending.fields or _raw(seen.content, g) != _raw(written, g))  # type: ignore[union-attr]


def _raw(content: CalendarEvent, group: str) -> list[object]:
    return [getattr(content, name) for name in MEMBERS[group]]


@dataclass(frozen=True)
class Change:
    """What one side of a pair would hold instead: "appears", "changes" or "goes". `groups` of a change."""

    pair_key: str
    side: Side
    kind: str
    groups: tuple[str, ...] = ()


@dataclass(frozen=True)
class MailChange:
    """Mails that would be sent besides (`count` above 0) or not be sent (below)."""

    pair_key: str
    kind: MailKind
    address: str
    count: int


def changes(told: TwoHistories) -> list[Change]:
    """What both sides would hold instead, by pair and side. What is under way counts as done."""
    found = []
    for key in sorted(told.would_be.pairs):
        was, here = told.was.pairs.get(key), told.would_be.pairs[key]
        for side in Side:
            before, after = (None if state is None else _will_hold(state, side) for state in (was, here))
            change = _change(key, side, before, after)
            if change is not None:
                found.append(change)
    return found


def _change(key: str, side: Side, before: CalendarEvent | None, after: CalendarEvent | None) -> Change | None:
    if before is None or after is None:
        if before is after:
            return None
        return Change(key, side, "appears" if before is None else "goes")
    groups = tuple(group for group in ALL if group != MARKS and value(before, group) != value(after, group))
    return Change(key, side, "changes", groups) if groups else None


def _will_hold(state: PairState, side: Side) -> CalendarEvent | None:
    here = side_of(state, side)
    if here.pending is not None:
        return None if here.pending.action is Action.DELETE else here.pending.content
    return None if here.item is None else here.item.content


def mail_changes(told: TwoHistories) -> list[MailChange]:
    """Mails more and fewer, by pair, kind and address."""
    more, fewer = told.mails_would_be - told.mails_were, told.mails_were - told.mails_would_be
    rows = [MailChange(*one, count) for one, count in more.items()]
    return sorted(rows + [MailChange(*one, -count) for one, count in fewer.items()], key=repr)


def content_of(state: PairState) -> CalendarEvent | None:
    """What a pair is about, as either side has it."""
    return next((held for side in Side if (held := _will_hold(state, other(side))) is not None), None)
