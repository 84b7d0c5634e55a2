"""Which writes wait for an operator: those that would mail many people outside the firm, and deletions that came in a
burst. Pure.

Per hour, a firm's limit is shared out over the partitions of the journal, so that each decides from its own history
alone (ADR 7).
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Final

from projections.sync_state import command_digest, other, side_of
from schemas.calendar import AttendeeKind
from schemas.commands import Action, Command, Hold, HoldKind, PredictedMail
from schemas.settings import Settings
from schemas.state import PairState, Tally
from schemas.values import replace

# The reason code of a pair that waits, by why it does.
CODES: Final = {HoldKind.INVITATIONS: "held_invitations", HoldKind.DELETIONS: "held_deletions"}

HOUR: Final = timedelta(hours=1)
# Minutes that a tally keeps: twice the hour, because entries of different sources may come a little out of order.
KEPT: Final = 2 * HOUR


def hold_digest(command: Command) -> str:
    """Names a write by its effect and its mails: a release of one is not a release of another."""
    mails = sorted((str(mail.kind), mail.address) for mail in command.mails)
    return hashlib.sha256(repr((command_digest(command), mails)).encode()).hexdigest()[:32]


def outside_mails(command: Command, settings: Settings) -> tuple[PredictedMail, ...]:
    """Those of a command's mails that go to people outside the firm: not to its users, mailboxes or rooms."""
    if not command.mails:
        return ()
    contents = [content for content in (command.basis, command.content) if content is not None]
    people = [person for content in contents for person in content.attendees]
    own = {a.address.lower() for a in people if a.is_user or a.kind is AttendeeKind.RESOURCE}
    own |= {user.address.lower() for user in settings.users}
    return tuple(mail for mail in command.mails if mail.address not in own)


def judge(
    commands: Iterable[Command], state: PairState, settings: Settings, now: datetime, room: int | None
) -> Hold | None:
    """The hold of the one of these commands that must wait, or None.

    `state` is the pair before they were decided, `room` how many more people outside the firm may be mailed now (None:
    any number). What is held stays held, whatever the limits become, until it is saved anew or an operator acts.
    """
    for command in commands:
        if command.action is not Action.DELETE and not command.mails:
            continue
        digest = hold_digest(command)
        if digest == state.released or _is_confirmed(command, state):
            continue
        outside = len(outside_mails(command, settings))
        kind = _kind(command, outside, state, settings, room)
        if kind is not None:
            held = state.held
            return Hold(
                kind, digest, held.since if held is not None and held.kind is kind else now, command.side,
                command.action, command.fields, command.mails, outside, state.salesforce.edited_at,
            )  # fmt: skip
    return None


def _is_confirmed(command: Command, state: PairState) -> bool:
    """Whether an operator was shown these mails when asking for the undo that this command is of."""
    return state.undo is not None and bool(command.mails) and set(command.mails) <= set(state.undo.mails)


def _kind(command: Command, outside: int, state: PairState, settings: Settings, room: int | None) -> HoldKind | None:
    if command.action is Action.DELETE and side_of(state, other(command.side)).in_burst:
        return HoldKind.DELETIONS
    if not outside:
        return None
    held = state.held
    if held is not None and held.kind is HoldKind.INVITATIONS and held.saved_at == state.salesforce.edited_at:
        return HoldKind.INVITATIONS
    limit = settings.invitation_limit_per_write
    is_too_many = bool(limit and outside > limit) or (room is not None and outside > room)
    return HoldKind.INVITATIONS if is_too_many else None


# ---- how many were mailed in the last hour ------------------------------------------------------------------------


def room_left(tally: Tally, settings: Settings, partition: int, offset: int, now: datetime) -> int | None:
    """How many people outside the firm the entry at this offset may mail by the hourly limit; None without one."""
    limit = settings.invitation_limit_per_hour
    if not limit:
        return None
    minutes = _before(tally, offset)
    since = _minute(now - HOUR) if minutes else ""
    mailed = sum(count for minute, count in minutes.items() if minute >= since)
    return max(0, share_of(limit, partition, tally.partitions) - mailed)


def share_of(limit: int, partition: int, partitions: int) -> int:
    """A partition's part of the firm's limit; the parts of all partitions add up to it."""
    return limit // partitions + (partition < limit % partitions)


def counted(
    tally: Tally, commands: Iterable[Command], released: str, settings: Settings, offset: int, now: datetime
) -> Tally:
    """The tally with the mails that an entry's commands will cause, those that an operator released aside."""
    if not settings.invitation_limit_per_hour:
        return tally
    counted_ones = (command for command in commands if command.mails and hold_digest(command) != released)
    return added(tally, sum(len(outside_mails(command, settings)) for command in counted_ones), offset, now)


def added(tally: Tally, people: int, offset: int, now: datetime) -> Tally:
    """The tally with so many people more, mailed by the entry at this offset."""
    if not people:
        return tally
    minutes, minute = dict(_before(tally, offset)), _minute(now)
    minutes[minute] = minutes.get(minute, 0) + people
    oldest = _minute(max(datetime.fromisoformat(f"{one}+00:00") for one in minutes) - KEPT)
    kept = {one: count for one, count in sorted(minutes.items()) if one >= oldest}
    return replace(tally, minutes=kept, offset=offset, last=people, minute=minute)


def _before(tally: Tally, offset: int) -> Mapping[str, int]:
    """The minutes as they stood before an entry, which may be folded a second time after a crash."""
    if tally.offset < offset:
        return tally.minutes
    left = tally.minutes.get(tally.minute, 0) - tally.last
    return {minute: left if minute == tally.minute else count for minute, count in tally.minutes.items()}


def emptied(tally: Tally) -> Tally:
    """A tally of nothing: for folding one pair by itself, where nothing is known of the others."""
    return Tally(tally.partitions)


def filled(tally: Tally, now: datetime) -> Tally:
    """A tally by which nobody else may be mailed this hour."""
    return Tally(tally.partitions, {_minute(now): sys.maxsize})


def _minute(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M}"
