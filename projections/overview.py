"""How the firm stands, per user: a fold of the pairs' states. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from schemas.commands import Command
from schemas.settings import Settings
from schemas.state import PairState, Status


@dataclass
class Standing:
    """One user's pairs by status. `last_seen` is the newest version of any of their items, in UTC."""

    name: str
    address: str
    mailbox: str
    is_enabled: bool
    statuses: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    last_seen: datetime | None = None
    oldest_pending: datetime | None = None

    @property
    def in_scope(self) -> int:
        """Pairs that are synced, on their way, or in error."""
        return sum(self.statuses[status] for status in (Status.SYNCED, Status.PENDING, Status.ERROR))


NOBODY = "(nobody's)"


def commands_under_way(state: PairState) -> list[Command]:
    """The commands of a pair without an outcome."""
    return [side.pending for side in (state.graph, state.salesforce) if side.pending is not None]


def overview(pairs: Iterable[PairState], settings: Settings) -> list[Standing]:
    """Every known user's standing, by address; pairs of nobody's come last, if there are any."""
    rows = {user.mailbox: Standing(user.name, user.address, user.mailbox, user.is_enabled) for user in settings.users}
    for state in pairs:
        mailbox = _mailbox_of(state, settings)
        row = rows.setdefault(mailbox, Standing(NOBODY, NOBODY, mailbox, False))
        row.statuses[state.status] += 1
        if state.status is not Status.SYNCED and state.reason:
            row.reasons[state.reason] += 1
        for item in (state.graph.item, state.salesforce.item):
            if item is not None and (row.last_seen is None or item.modified_at > row.last_seen):
                row.last_seen = item.modified_at
        for command in commands_under_way(state):
            if row.oldest_pending is None or command.decided_at < row.oldest_pending:
                row.oldest_pending = command.decided_at
    return sorted(rows.values(), key=lambda row: (row.name == NOBODY, row.address))


def _mailbox_of(state: PairState, settings: Settings) -> str:
    if state.graph.item is not None:
        mailbox = state.graph.item.mailbox
        return mailbox if settings.user_of_mailbox(mailbox) is not None else ""
    if state.salesforce.item is not None:
        user = settings.user_of_record(state.salesforce.item.content.owner_id)
        return user.mailbox if user is not None else ""
    return ""
