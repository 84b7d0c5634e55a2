"""Lines of the log that tell what became of a pair: what was decided, what was written. Ids and codes, never texts.

A decision is named as `concord explain` names it, by the place of its journal entry; each command carries that name as
a header, so that the lines of a change can be found by it in the logs of every role.
"""

from __future__ import annotations

import logging
from typing import Final

from concord.guard.outbox import Headers
from concord.guard.record import DECISION, Record, whose
from schemas.commands import Decision, Outcome, Result, Verdict

log: Final = logging.getLogger(__name__)

# Refusals and held writes wait for a person; of the others there may be thousands a second.
LEVELS: Final = {Verdict.ERROR: logging.WARNING, Verdict.HOLD: logging.INFO}


def decided_at_place(record: Record) -> Headers:
    """The header that names the decision on this journal entry."""
    return ((DECISION, b"%d/%d" % (record.partition, record.offset)),)


def tell_decision(decision: Decision) -> None:
    """Reconcile has decided: every decision at DEBUG, errors and held writes at any level."""
    level = LEVELS.get(decision.verdict, logging.DEBUG)
    if log.isEnabledFor(level):
        extra = {
            "pair_key": decision.pair_key, "decision": f"{decision.partition}/{decision.offset}",
            "verdict": decision.verdict.value, "reason": decision.reason, "rule": decision.rule,
            "settings": decision.settings_number, "commands": len(decision.commands), "mails": len(decision.mails),
        }  # fmt: skip
        log.log(level, "decided", extra=extra)


def tell_outcome(outcome: Outcome, record: Record) -> None:
    """A sink has an answer to the command of this record. The service's words stay out: they may quote what it got."""
    level = logging.WARNING if outcome.result is Result.REFUSED else logging.INFO
    if log.isEnabledFor(level):
        extra = {
            **whose(record), "command": outcome.command_id, "side": outcome.side.value, "action": outcome.action.value,
            "result": outcome.result.value, "code": outcome.code, "requests": outcome.requests,
        }  # fmt: skip
        log.log(level, "answered", extra=extra)
