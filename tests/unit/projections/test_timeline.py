"""The story of one pair: every entry once, in order, with what followed from it, and nothing private."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from support.history import CLIENT, PRIVATE, REVIEW, History, tell_conflict, tell_private, tell_refused, whole_day
from support.simulation_pairs import agreed_pair, content

from projections.timeline import Difference, Moment, timeline, was_private
from projections.wording import HIDDEN
from schemas.calendar import Sensitivity
from schemas.changes import WRITE, Side
from schemas.commands import Result
from schemas.journal import OutcomeKnown


def told(history: History, key: str, **options: bool) -> list[Moment]:
    """The pair's moments."""
    return timeline(history.of(key), history.decisions, history.sent, **options)


@pytest.fixture
def conflict() -> list[Moment]:
    """The story of a conflict."""
    history = History()
    return told(history, tell_conflict(history))


def test_first_sighting_says_what_the_event_held(conflict: list[Moment]) -> None:
    """A newly seen event is introduced by its content; nothing counts as changed."""
    first = conflict[0]
    assert first.headline == "First seen in Microsoft 365"
    assert dict(first.holds)["subject"] == "“Annual review”"
    assert first.differences == ()


def test_conflict_is_told_with_both_edits_the_rule_and_the_losing_value(conflict: list[Moment]) -> None:
    """Practifi's edit, Microsoft's edit, rule 7.15, what lost, both writes and both confirmations are there."""
    practifis = next(m for m in conflict if m.headline == "Changed in Practifi")
    assert Difference("location", "“Room 1”", "“Room 2”") in practifis.differences
    decisive = next(m for m in conflict if m.decision is not None and m.decision.reason == "conflict")
    assert Difference("location", "“Room 1”", "“Room 3”") in decisive.differences
    assert decisive.decision is not None
    assert decisive.decision.rule == "7.15"
    assert [(lost.field, lost.before, lost.after) for lost in decisive.decision.lost] == [
        ("location", "Room 2", "Room 3")
    ]
    assert {(sent.side, sent.fields) for sent in decisive.sent} == {
        (Side.SALESFORCE, ("location",)),
        (Side.GRAPH, ("subject",)),
    }
    assert [m.headline for m in conflict[-2:]] == [
        "Practifi confirmed the update",
        "Microsoft 365 confirmed the update",
    ]


def test_an_answer_says_how_long_it_took(conflict: list[Moment]) -> None:
    """Seconds between the decision and the answer, from the times in the log."""
    assert [m.took_s for m in conflict if m.outcome is not None] == [1.0, 1.0, 1.0, 2.0]


def test_repeats_of_an_input_are_told_once() -> None:
    """Intake is at least once: the same input at a later place of the journal adds nothing to the story."""
    history = History()
    key = tell_conflict(history)
    before = [moment.headline for moment in told(history, key)]
    for _, _, entry in history.of(key):
        history.fold(entry)
    assert [moment.headline for moment in told(history, key)] == before


def test_unchanged_reading_removal_and_own_write_each_have_their_words() -> None:
    """What leads to nothing is still told, and told apart."""
    history = History()
    key = agreed_pair(history)
    history.graph(key, "G", content("Review"), at=5)
    history.salesforce(key, "S", content("Review"), at=6, cause=WRITE)
    history.graph(key, "G", None, at=7)
    headlines = [moment.headline for moment in told(history, key)]
    assert headlines[2:5] == [
        "Seen again, unchanged, in Microsoft 365",
        "Our own write to Practifi noted",
        "Deletion confirmed in Microsoft 365",
    ]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (Result.GONE, "Practifi was not written: the event does not exist there any more"),
        (Result.REFUSED, "Practifi refused the update"),
        (Result.STALE, "Practifi was not written: the event changed there meanwhile"),
    ],
)
def test_answers_other_than_applied_are_said_plainly(result: Result, words: str) -> None:
    """Each way a command can end has its own sentence."""
    history = History()
    key = agreed_pair(history)
    step = history.graph(key, "G", content("Review, moved"), at=5)
    history.answer(step.commands[0], at=6, result=result, held=content("Review of somebody else"))
    assert told(history, key)[-1].headline == words


def test_retry_names_the_operator() -> None:
    """An operator's action is a moment of its own, and what it led to stands with it."""
    history = History()
    key = tell_refused(history)
    history.retry(key, at=60)
    last = told(history, key)[-1]
    assert last.headline == "olga asked for retry"
    assert [sent.action for sent in last.sent] == ["create"]


def test_private_pair_is_told_without_text_or_people() -> None:
    """Subject, text, place, people, lost values and mails stay out; the time does not (I9)."""
    history = whole_day()
    moments = told(history, PRIVATE)
    shown = repr([asdict(moment) for moment in moments])
    for secret in ("Surgery", "Dr Grey", "Clinic", CLIENT.address, CLIENT.name):
        assert secret not in shown
    assert dict(moments[0].holds)["subject"] == HIDDEN
    assert "2026" in dict(moments[0].holds)["time"]


def test_a_pair_that_was_private_once_stays_hidden() -> None:
    """Decisions, differences and answers from before and after it was private are hidden too."""
    history = History()
    key = tell_conflict(history)
    secret = content("Annual review with Carla", location="Room 3", sensitivity=Sensitivity.CONFIDENTIAL)
    history.graph(key, "G", secret, at=90)
    history.graph(key, "G", replace(secret, sensitivity=Sensitivity.NORMAL), at=91)
    shown = repr([asdict(moment) for moment in told(history, key)])
    assert "Annual review" not in shown
    assert "Room" not in shown
    assert was_private(entry for _, _, entry in history.of(key))


def test_private_pair_is_told_whole_when_asked() -> None:
    """`show_private` shows what the side held."""
    history = History()
    moments = told(history, tell_private(history), show_private=True)
    assert dict(moments[0].holds)["subject"] == "“Surgery”"
    assert CLIENT.address in dict(moments[0].holds)["people"]


def test_refusals_words_of_a_private_pair_are_hidden() -> None:
    """A service's message may quote the event: the code stays, the words go."""
    history = History()
    tell_conflict(history)
    held = content("Surgery", sensitivity=Sensitivity.PRIVATE)
    history.graph(REVIEW, "G", held, at=80)
    rows = history.of(REVIEW)
    place = next(n for n, (_, _, entry) in enumerate(rows) if isinstance(entry.what, OutcomeKnown))
    partition, offset, entry = rows[place]
    outcome = replace(entry.what.outcome, code="BAD", message="Surgery is too long", warning="Dr Grey")
    rows[place] = (partition, offset, replace(entry, what=OutcomeKnown(outcome)))
    moment = next(m for m in timeline(rows, history.decisions, history.sent) if m.offset == offset)
    assert moment.outcome is not None
    assert (moment.outcome.code, moment.outcome.message, moment.outcome.warning) == ("BAD", HIDDEN, HIDDEN)
