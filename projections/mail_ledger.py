"""Which mails Concord's writes caused: what was predicted with each decision, joined with what became of it. Pure.

Exchange is not asked. A write that was not made (the event had changed, was gone, or the service refused) mailed
nobody; a write without an answer yet may have. A write that was found made counts: after a crash it was made by us, at
times by somebody who did the same at the same moment, and then it mailed nobody a second time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime

from schemas.changes import Side
from schemas.commands import Action, Decision, MailKind, Outcome, PredictedMail, Result
from schemas.values import replace


@dataclass
class Mailing:
    """The mails of one decision: predicted for a write to Microsoft 365 at `at`. `outcome` is None while unanswered."""

    pair_key: str
    at: datetime
    mails: tuple[PredictedMail, ...]
    outcome: Outcome | None = None

    @property
    def is_sent(self) -> bool:
        """Whether the write was made, and so the mails were sent. What was made counts, whatever became of it since."""
        return self.outcome is not None and _was_made(self.outcome)

    @property
    def is_open(self) -> bool:
        """Whether it is not known yet."""
        return self.outcome is None


def _was_made(outcome: Outcome) -> bool:
    """Whether a write took effect by this answer."""
    is_created = outcome.action is Action.CREATE and outcome.result in (Result.STALE, Result.GONE)
    return is_created or outcome.result is Result.APPLIED


def counting(known: Outcome | None, outcome: Outcome) -> Outcome:
    """Which of two answers to one command counts, the second being `outcome`.

    A sink that carries a command out again after a crash may find the event deleted or edited since: what it had
    written was written all the same.
    """
    return known if known is not None and _was_made(known) else outcome


@dataclass
class MailLedger:
    """Every mailing, by the decision that ordered it. `decided` and `answered` may come in any order and twice."""

    _mailings: dict[tuple[int, int], Mailing] = field(default_factory=dict)
    _by_command: dict[str, tuple[int, int]] = field(default_factory=dict)
    _outcomes: dict[str, Outcome] = field(default_factory=dict)

    def decided(self, decision: Decision) -> None:
        """A decision; one whose writes mail nobody changes nothing."""
        if not decision.mails or not decision.commands:
            return
        place = (decision.partition, decision.offset)
        self._mailings[place] = Mailing(decision.pair_key, decision.decided_at, decision.mails)
        for command_id in decision.commands:
            self._by_command[command_id] = place
            self._settle(command_id)

    def answered(self, outcome: Outcome) -> None:
        """What became of a command. Only one per decision writes to Microsoft 365, and only that one mails."""
        if outcome.side is Side.GRAPH:
            known = self._outcomes.get(outcome.command_id)
            self._outcomes[outcome.command_id] = counting(known, replace(outcome, item=None))
            self._settle(outcome.command_id)

    def _settle(self, command_id: str) -> None:
        place, outcome = self._by_command.get(command_id), self._outcomes.get(command_id)
        if place is not None and outcome is not None:
            self._mailings[place].outcome = outcome

    @property
    def mailings(self) -> list[Mailing]:
        """All, oldest first."""
        return sorted(self._mailings.values(), key=lambda one: (one.at, one.pair_key))


@dataclass
class MailDay:
    """One user's mails of one day (UTC): sent by kind, and how many belong to writes without an answer yet."""

    day: date
    user: str
    writes: int = 0
    sent: Counter[MailKind] = field(default_factory=Counter)
    open: int = 0


def by_day(mailings: Iterable[Mailing], users: dict[str, str]) -> list[MailDay]:
    """Mails per day and user, newest day first. `users` maps pair keys to users; others stand under "".

    What was not sent is left out.
    """
    rows: dict[tuple[date, str], MailDay] = {}
    for one in mailings:
        if not (one.is_sent or one.is_open):
            continue
        key = (one.at.date(), users.get(one.pair_key, ""))
        row = rows.setdefault(key, MailDay(*key))
        row.writes += 1
        if one.is_sent:
            row.sent.update(mail.kind for mail in one.mails)
        else:
            row.open += len(one.mails)
    return [rows[key] for key in sorted(rows, key=lambda key: (-key[0].toordinal(), key[1]))]
