"""How the firm stands, per user: a fold of the pairs' states. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from schemas.commands import Command
from schemas.settings import Settings
from schemas.state import PairState, Status

NOBODY: Final = "(others)"
EVERYBODY: Final = "(all)"


@dataclass
class Standing:
    """One user's pairs by status.

    `reasons` counts, by reason code, the pairs that are not synced, `errors` those in error. `observed_at` is when the
    journal last told anything of one of their pairs, `oldest_pending` when the oldest command under way was decided.
    """

    name: str
    address: str
    mailbox: str
    is_enabled: bool
    statuses: Counter[Status] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    observed_at: datetime | None = None
    oldest_pending: datetime | None = None

    @property
    def in_scope(self) -> int:
        """Pairs that are synced, on their way, or in error."""
        return sum(self.statuses[status] for status in (Status.SYNCED, Status.PENDING, Status.ERROR))

    def count(self, state: PairState, reason: str, observed_at: datetime | None) -> None:
        """Add one pair. One that is deleted on both sides, with nothing under way, only tells when."""
        self.observed_at = max(filter(None, (self.observed_at, observed_at)), default=None)
        commands = commands_under_way(state)
        for command in commands:
            self.oldest_pending = min(filter(None, (self.oldest_pending, command.decided_at)))
        if state.graph.item is None and state.salesforce.item is None and not commands:
            return
        self.statuses[state.status] += 1
        if state.status is Status.NOT_SYNCED:
            self.reasons[reason] += 1
        elif state.status is Status.ERROR:
            self.errors[reason] += 1


def commands_under_way(state: PairState) -> list[Command]:
    """The commands of a pair without an outcome."""
    return [side.pending for side in (state.graph, state.salesforce) if side.pending is not None]


def overview(
    pairs: Iterable[PairState],
    settings: Settings,
    observed: Mapping[str, datetime],
    reason_of: Callable[[PairState], str],
) -> list[Standing]:
    """Every known user's standing, by address; pairs of nobody known come last, if there are any.

    `observed` is when the journal last told anything of each pair, by pair key; `reason_of` the reason code by which
    a pair is counted.
    """
    rows = {user.mailbox: Standing(user.name, user.address, user.mailbox, user.is_enabled) for user in settings.users}
    for state in pairs:
        row = rows.setdefault(mailbox_of(state, settings), Standing(NOBODY, NOBODY, "", False))
        row.count(state, reason_of(state), observed.get(state.pair_key))
    known = [row for row in rows.values() if row.mailbox or row.statuses]
    return sorted(known, key=lambda row: (row.address == NOBODY, row.address))


def total(rows: Iterable[Standing]) -> Standing:
    """All rows as one."""
    whole = Standing(EVERYBODY, EVERYBODY, "", True)
    for row in rows:
        whole.statuses += row.statuses
        whole.reasons += row.reasons
        whole.errors += row.errors
        whole.observed_at = max(filter(None, (whole.observed_at, row.observed_at)), default=None)
        whole.oldest_pending = min(filter(None, (whole.oldest_pending, row.oldest_pending)), default=None)
    return whole


def mailbox_of(state: PairState, settings: Settings) -> str:
    """The mailbox of the user a pair belongs to: where it leads in Microsoft 365, else its owner's in Practifi."""
    if state.graph.item is not None:
        user = settings.user_of_mailbox(state.graph.item.mailbox)
    elif state.salesforce.item is not None:
        user = settings.user_of_record(state.salesforce.item.content.owner_id)
    else:
        user = next(
            (settings.user_of_mailbox(command.mailbox) for command in commands_under_way(state) if command.mailbox),
            None,
        )
    return user.mailbox if user is not None else ""
