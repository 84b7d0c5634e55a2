"""How long changes take, and what becomes of them, counted where they pass: a few microseconds each."""

from __future__ import annotations

from functools import cache
from typing import Final

from prometheus_client import Counter, Histogram

from concord.telemetry import names
from schemas.changes import WRITE, Change, Side
from schemas.commands import Action, Command, Decision, MailKind, Outcome, Result, Verdict
from streams.reasons import REASONS

# A save that was read later than this was not waited for: a first reading, or one after a long pause. In seconds.
NEWS_S: Final = 3600.0
# The reason of decisions whose reason is a service's own code.
SERVICE: Final = "service"

_READ: Final = names.READ_DELAY.histogram()
_WRITE: Final = names.WRITE_DELAY.histogram()
_OUTCOMES: Final = names.OUTCOMES.counter()
_DECISIONS: Final = names.DECISIONS.counter()
_MAILS: Final = names.MAILS.counter()

# Looked up once: a metric finds its children by a lock and a hash of their labels. None stands there before its first
# value, so that a role tells nothing of what others do.


@cache
def _reading(side: Side) -> Histogram:
    return _READ.labels(side)


@cache
def _writing(side: Side) -> Histogram:
    return _WRITE.labels(side)


@cache
def _outcome(side: Side, action: Action, result: Result) -> Counter:
    return _OUTCOMES.labels(side, action, result)


@cache
def _decision(verdict: Verdict, reason: str) -> Counter:
    return _DECISIONS.labels(verdict, reason)


@cache
def _mail(kind: MailKind) -> Counter:
    return _MAILS.labels(kind)


def observe_reading(change: Change) -> None:
    """A source read a change of an item: how old its save was."""
    if change.item is None or change.cause == WRITE:
        return
    delay_s = (change.observed_at - change.item.modified_at).total_seconds()
    if delay_s <= NEWS_S:
        _reading(change.side).observe(max(0.0, delay_s))


def observe_outcome(outcome: Outcome, command: Command) -> None:
    """A sink has an answer: what it was, and how long ago the change was read that asked for the write."""
    _outcome(outcome.side, outcome.action, outcome.result).inc()
    if outcome.result is Result.APPLIED:
        _writing(outcome.side).observe(max(0.0, (outcome.at - command.decided_at).total_seconds()))


def observe_decision(decision: Decision) -> None:
    """Reconcile has decided."""
    reason = decision.reason if decision.reason in REASONS else SERVICE
    _decision(decision.verdict, reason).inc()
    for mail in decision.mails:
        _mail(mail.kind).inc()
