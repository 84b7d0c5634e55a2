"""The mail ledger: what was predicted, joined with what became of it, per day and user."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from support.builders import NOW

from projections.mail_ledger import MailLedger, by_day
from schemas.changes import Side
from schemas.commands import Action, Decision, MailKind, Outcome, PredictedMail, Result, Verdict

MAILS = (PredictedMail(MailKind.INVITE, "a@out.example"), PredictedMail(MailKind.CANCEL, "b@out.example"))


def decision(offset: int, *commands: str, mails: tuple[PredictedMail, ...] = MAILS, **members: Any) -> Decision:
    """A decision at this offset."""
    usual: dict[str, Any] = {"pair_key": "m:A", "verdict": Verdict.WRITE, "reason": "edited", "decided_at": NOW}
    usual |= {"partition": 0, "settings_number": 1, "offset": offset, "commands": commands, "mails": mails}
    return Decision(**(usual | members))


def outcome(
    command_id: str, result: Result = Result.APPLIED, side: Side = Side.GRAPH, action: Action = Action.UPDATE
) -> Outcome:
    """What became of a command."""
    return Outcome(command_id, "m:A", side, action, result, NOW)


@pytest.mark.parametrize(
    ("action", "result", "is_sent"),
    [
        *((action, Result.APPLIED, True) for action in Action),
        *((action, Result.REFUSED, False) for action in Action),
        (Action.UPDATE, Result.STALE, False),
        (Action.UPDATE, Result.GONE, False),
        (Action.DELETE, Result.STALE, False),
        (Action.CREATE, Result.STALE, True),  # made, and edited before we could say so
        (Action.CREATE, Result.GONE, True),
    ],
)
def test_only_a_write_that_was_made_mailed(action: Action, result: Result, is_sent: bool) -> None:
    """Whatever else became of it, nobody got a mail."""
    ledger = MailLedger()
    ledger.decided(decision(1, "m:A#1"))
    assert [(one.is_sent, one.is_open) for one in ledger.mailings] == [(False, True)]
    ledger.answered(outcome("m:A#1", result, action=action))
    assert [(one.is_sent, one.is_open) for one in ledger.mailings] == [(is_sent, False)]


def test_order_and_repeats_do_not_matter() -> None:
    """The two topics are read side by side, and a decision may stand there twice."""
    ledger = MailLedger()
    ledger.answered(outcome("m:A#2"))
    for _ in range(2):
        ledger.decided(decision(1, "m:A#1", "m:A#2"))
    ledger.answered(outcome("m:A#1", Result.REFUSED, Side.SALESFORCE))  # the write to the other side mails nobody
    ledger.answered(outcome("m:A#2"))
    assert [one.is_sent for one in ledger.mailings] == [True]


@pytest.mark.parametrize("later", [Result.GONE, Result.STALE, Result.REFUSED])
@pytest.mark.parametrize("is_first", [True, False])
def test_write_that_was_made_stays_made(later: Result, is_first: bool) -> None:
    """Carried out again after a crash, it may find the event deleted or edited since; its mails were sent once."""
    ledger = MailLedger()
    ledger.decided(decision(1, "m:A#1"))
    for result in (Result.APPLIED, later) if is_first else (later, Result.APPLIED):
        ledger.answered(outcome("m:A#1", result))
    assert [one.is_sent for one in ledger.mailings] == [True]


def test_decisions_that_mail_nobody_are_not_kept() -> None:
    """Nor are those that only hold."""
    ledger = MailLedger()
    ledger.decided(decision(1, "m:A#1", mails=()))
    ledger.decided(decision(2, verdict=Verdict.HOLD))
    assert ledger.mailings == []


def test_mails_are_counted_by_day_and_user() -> None:
    """Newest day first; a refused write counts nothing, an unanswered one as open."""
    ledger = MailLedger()
    ledger.decided(decision(1, "m:A#1"))
    ledger.decided(decision(2, "m:B#1", pair_key="m:B", decided_at=NOW + timedelta(days=1)))
    ledger.decided(decision(3, "m:B#2", pair_key="m:B", decided_at=NOW + timedelta(days=1)))
    ledger.decided(decision(4, "m:C#1", pair_key="m:C"))
    for command_id, result in (("m:A#1", Result.APPLIED), ("m:B#1", Result.APPLIED), ("m:C#1", Result.REFUSED)):
        ledger.answered(outcome(command_id, result))
    rows = by_day(ledger.mailings, {"m:A": "ann@firm.example", "m:B": "bob@firm.example"})
    both = Counter({MailKind.INVITE: 1, MailKind.CANCEL: 1})
    assert [(row.day, row.user, row.writes, row.sent, row.open) for row in rows] == [
        (NOW.date() + timedelta(days=1), "bob@firm.example", 2, both, 2),
        (NOW.date(), "ann@firm.example", 1, both, 0),
    ]
