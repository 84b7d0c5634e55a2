"""What waits for an operator, and what an operator does about it: a release or a drop, each a record of its own.

An action names what it was looked at: whatever changed since is not released by it (`streams.stage`).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from concord.changing import append
from concord.reading import JournalFold
from projections.overview import mailbox_of
from projections.wording import HIDDEN, NAMES, span_words
from schemas.calendar import CalendarEvent, Sensitivity
from schemas.commands import Hold, HoldKind
from schemas.errors import ConfigError
from schemas.journal import OperatorActed, OperatorAction, OperatorVerb
from schemas.settings import Settings
from schemas.state import PairState
from schemas.topics import OPERATOR_ACTIONS
from streams.reasons import reason

NOBODY: Final = "(nobody)"


@dataclass(frozen=True)
class Waiting:
    """One write that waits. `user` is the address of the user it belongs to, `event` what the pair holds in words,
    without text where it is private; so are `recipients`, the people who would be mailed."""

    pair_key: str
    user: str
    event: str
    is_private: bool
    hold: Hold

    @property
    def recipients(self) -> tuple[str, ...]:
        """Kind of mail and address, in a stable order."""
        return tuple(f"{mail.kind} {HIDDEN if self.is_private else mail.address}" for mail in self.hold.mails)

    @property
    def write(self) -> str:
        """What would be written, in words."""
        where = "Microsoft 365" if self.hold.side == "graph" else "Practifi"
        fields = ", ".join(NAMES.get(field, field) for field in self.hold.fields)
        return f"{self.hold.action} in {where}" + (f" ({fields})" if self.hold.action == "update" and fields else "")

    @property
    def why(self) -> str:
        """The reason in words."""
        return reason(f"held_{self.hold.kind}").text


def waiting(pairs: Iterable[PairState], settings: Settings) -> list[Waiting]:
    """What waits among these pairs, the longest first. Pure."""
    users = {user.mailbox: user.address for user in settings.users}
    rows = [
        Waiting(
            state.pair_key, users.get(mailbox_of(state, settings), NOBODY), _event_words(state), _is_private(state),
            state.held,
        )
        for state in pairs
        if state.held is not None
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (row.hold.since, row.pair_key))


def _contents(state: PairState) -> list[CalendarEvent]:
    held = (side.item.content if side.item is not None else side.base for side in (state.salesforce, state.graph))
    return [content for content in held if content is not None]


def _is_private(state: PairState) -> bool:
    contents = (*_contents(state), state.graph.base, state.salesforce.base)
    return any(content is not None and content.sensitivity is not Sensitivity.NORMAL for content in contents)


def _event_words(state: PairState) -> str:
    content = next(iter(_contents(state)), None)
    if content is None:
        return "An event"
    subject = HIDDEN if _is_private(state) else content.subject or "An event without subject"
    return f"{subject}, {span_words(content.span)}"


def read_waiting(broker: str) -> list[Waiting]:
    """What waits now: the journal folded. Raises ConcordError."""
    with JournalFold(broker) as fold:
        fold.advance()
        settings = max((part.settings for part in fold.partitions.values()), key=lambda s: s.number, default=Settings())
        return waiting(fold.pairs, settings)


def choose(
    rows: list[Waiting], *, pairs: Iterable[str] = (), user: str = "", kind: HoldKind | None = None
) -> list[Waiting]:
    """Those of these pairs (none named: of all) that are the user's, and of this kind. Pure.

    Raises ConfigError that lists every pair named that holds nothing, and a user who is nobody's.
    """
    named = list(pairs)
    known = {row.pair_key for row in rows}
    problems = [f"{key}: nothing of this event waits" for key in named if key not in known]
    if problems:
        raise ConfigError(problems, "`concord held` lists what waits.")
    wanted = user.casefold()
    return [
        row
        for row in rows
        if (not named or row.pair_key in named)
        and wanted in ("", row.user.casefold())
        and kind in (None, row.hold.kind)
    ]


def act(broker: str, rows: Iterable[Waiting], verb: OperatorVerb, *, by: str) -> None:
    """Release or drop what was shown in these rows, and nothing that replaced it. Raises ConcordError."""
    now = datetime.now(UTC)
    actions = [OperatorAction(row.pair_key, now, OperatorActed(verb, by, hold=row.hold.digest)) for row in rows]
    append(broker, OPERATOR_ACTIONS, [(action.pair_key, action) for action in actions])
