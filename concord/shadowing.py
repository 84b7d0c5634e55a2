"""What shadow mode shows: the writes that would be made now, per user, and the halves that belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from concord.changing import append
from concord.reading import JournalFold
from projections.overview import mailbox_of
from projections.wording import HIDDEN, event_words
from schemas.calendar import CalendarEvent, Sensitivity
from schemas.changes import Side
from schemas.commands import Action, Command, MailKind
from schemas.groups import MARKS
from schemas.journal import OperatorActed, OperatorAction, OperatorVerb
from schemas.settings import Settings
from schemas.state import PairState
from schemas.topics import OPERATOR_ACTIONS
from streams.adopt import Match, matches
from streams.reconcile import reconcile

NOBODY: Final = "(nobody)"


@dataclass(frozen=True)
class Planned:
    """One write that would be made. `event` and `people` are without text where the event is private."""

    pair_key: str
    user: str
    event: str
    side: Side
    action: Action
    fields: tuple[str, ...]
    mails: tuple[tuple[MailKind, str], ...]
    is_held: bool
    reason: str


@dataclass
class UserReport:
    """One user's part: writes by side and action, mails by kind, and how many writes would wait for an operator."""

    user: str
    writes: Counter[tuple[Side, Action]] = field(default_factory=Counter)
    mails: Counter[MailKind] = field(default_factory=Counter)
    held: int = 0


def planned(pairs: Iterable[PairState], settings: Settings, now: datetime) -> list[Planned]:
    """The writes that these pairs call for now, marks of ours aside, by user, event and side. Pure."""
    users = {user.mailbox: user.address for user in settings.users}
    rows = []
    for state in pairs:
        user = users.get(mailbox_of(state, settings), NOBODY)
        plan = reconcile(state, settings, now)
        rows += [_row(state, command, user, is_held=False) for command in plan.commands if command.fields != (MARKS,)]
        hold = plan.state.held
        if hold is not None:
            mails = tuple((mail.kind, _shown(state, mail.address)) for mail in hold.mails)
            rows.append(
                Planned(
                    state.pair_key, user, _event(state), hold.side, hold.action, hold.fields, mails, True,
                    f"held_{hold.kind}",
                )
            )  # fmt: skip
    return sorted(rows, key=lambda row: (row.user, row.event, row.pair_key, row.side))


def _row(state: PairState, command: Command, user: str, *, is_held: bool) -> Planned:
    mails = tuple((mail.kind, _shown(state, mail.address)) for mail in command.mails)
    fields = tuple(group for group in command.fields if group != MARKS) if command.action is Action.UPDATE else ()
    return Planned(
        state.pair_key, user, _event(state), command.side, command.action, fields, mails, is_held, command.reason
    )


def _contents(state: PairState) -> list[CalendarEvent]:
    items = (state.salesforce.item, state.graph.item)
    return [item.content for item in items if item is not None]


def _is_private(state: PairState) -> bool:
    return any(content.sensitivity is not Sensitivity.NORMAL for content in _contents(state))


def _shown(state: PairState, address: str) -> str:
    return HIDDEN if _is_private(state) else address


def _event(state: PairState) -> str:
    return event_words(*_contents(state))


def by_user(rows: Iterable[Planned]) -> list[UserReport]:
    """The rows summed up per user, by address. Pure."""
    reports: dict[str, UserReport] = {}
    for row in rows:
        report = reports.setdefault(row.user, UserReport(row.user))
        report.writes[row.side, row.action] += 1
        report.mails.update(kind for kind, _ in row.mails)
        report.held += row.is_held
    return [reports[user] for user in sorted(reports)]


def read_planned(broker: str) -> tuple[list[Planned], Settings]:
    """What would be written now, and the settings in force. Raises ConcordError."""
    pairs, settings = _folded(broker)
    return planned(pairs, settings, datetime.now(UTC)), settings


def read_matches(broker: str) -> list[Match]:
    """The halves that belong together. Raises ConcordError."""
    pairs, settings = _folded(broker)
    return matches(pairs, settings)


def _folded(broker: str) -> tuple[list[PairState], Settings]:
    with JournalFold(broker) as fold:
        fold.advance()
        newest = max((part.settings for part in fold.partitions.values()), key=lambda s: s.number, default=Settings())
        return fold.pairs, newest


def match_words(match: Match) -> str:
    """A match as it may be listed: when, and what unless it is private."""
    return event_words(*(half.content for half in (*match.graph, *match.salesforce)))


def adopt(broker: str, found: Iterable[Match], *, by: str) -> None:
    """Join the halves of each unique match: a journal fact each, safe to repeat. Raises ConcordError."""
    now = datetime.now(UTC)
    actions = [
        OperatorAction(
            match.salesforce[0].pair_key, now, OperatorActed(OperatorVerb.ADOPT, by, into=match.graph[0].pair_key)
        )
        for match in found
        if match.is_unique
    ]
    append(broker, OPERATOR_ACTIONS, [(action.pair_key, action) for action in actions])
