"""What is counted where changes pass: the values that come out for known times."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY
from support.builders import NOW, command, graph_item, salesforce_item

from concord.telemetry.delays import SERVICE, observe_decision, observe_outcome, observe_reading
from schemas.changes import WRITE, Change, Side
from schemas.commands import Decision, MailKind, Outcome, PredictedMail, Result, Verdict


def value(name: str, **labels: str) -> float:
    """What the registry of the process says."""
    return REGISTRY.get_sample_value(name, labels) or 0.0


@pytest.mark.parametrize(
    ("late_s", "cause", "counted"),
    [(2.0, "delta", True), (-1.0, "delta", True), (3600.0, "poll", True), (3601.0, "poll", False), (2.0, WRITE, False)],
)
def test_a_reading_is_timed_if_it_was_waited_for(late_s: float, cause: str, counted: bool) -> None:
    """From the save to the reading. Old saves, and our own writes, were not waited for; a clock that is ahead is 0."""
    before = (
        value("concord_read_delay_seconds_count", side="graph"),
        value("concord_read_delay_seconds_sum", side="graph"),
    )
    observe_reading(Change(Side.GRAPH, "G", NOW + timedelta(seconds=late_s), graph_item(), cause=cause))
    assert value("concord_read_delay_seconds_count", side="graph") - before[0] == counted
    assert value("concord_read_delay_seconds_sum", side="graph") - before[1] == (max(0.0, late_s) if counted else 0)


def test_a_removal_has_no_time_of_its_own() -> None:
    """Nobody says when it was made."""
    before = value("concord_read_delay_seconds_count", side="salesforce")
    observe_reading(Change(Side.SALESFORCE, "S", NOW))
    assert value("concord_read_delay_seconds_count", side="salesforce") == before
    observe_reading(Change(Side.SALESFORCE, "S", NOW, salesforce_item()))
    assert value("concord_read_delay_seconds_count", side="salesforce") == before + 1


def test_an_outcome_is_counted_and_a_write_is_timed_from_its_reading() -> None:
    """Only what took effect is timed: a refusal takes no change anywhere."""
    made = command(Side.SALESFORCE)
    outcome = Outcome("c#1", "p", Side.SALESFORCE, made.action, Result.APPLIED, NOW + timedelta(seconds=3))
    labels = {"side": "salesforce", "action": "create"}

    def counts() -> tuple[float, ...]:
        return (
            value("concord_outcomes_total", **labels, result="applied"),
            value("concord_outcomes_total", **labels, result="refused"),
            value("concord_write_delay_seconds_count", side="salesforce"),
            value("concord_write_delay_seconds_sum", side="salesforce"),
        )

    before = counts()
    observe_outcome(outcome, made)
    observe_outcome(replace(outcome, result=Result.REFUSED), made)
    assert [after - start for after, start in zip(counts(), before, strict=True)] == [1, 1, 1, 3]


def test_a_decision_is_counted_by_our_reasons_and_its_mails_by_kind() -> None:
    """A service's own code is no label here: there may be any number of them."""
    mails = (PredictedMail(MailKind.INVITE, "a@out.example"), PredictedMail(MailKind.INVITE, "b@out.example"))
    decision = Decision("p", Verdict.WRITE, "conflict", NOW, 0, 1, 1, mails=mails)
    before = value("concord_mails_predicted_total", kind="invite")
    observe_decision(decision)
    observe_decision(replace(decision, verdict=Verdict.ERROR, reason="ErrorAccessDenied", mails=()))
    assert value("concord_mails_predicted_total", kind="invite") == before + 2
    assert value("concord_decisions_total", verdict="write", reason="conflict") >= 1
    assert value("concord_decisions_total", verdict="error", reason=SERVICE) >= 1
    assert value("concord_decisions_total", verdict="error", reason="ErrorAccessDenied") == 0
