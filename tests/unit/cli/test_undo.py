"""`concord undo` on a hand-made history: what it shows, what it asks for, and when it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from support.history import PRIVATE, REVIEW, SALESFORCE_ID, History, tell_conflict
from support.simulation_pairs import START, TWO_WAY, content
from typer.testing import CliRunner, Result

from concord.cli import app
from concord.reading import Read
from schemas.calendar import Sensitivity
from schemas.codec import encode
from schemas.journal import OperatorAction, OperatorVerb, SettingsChanged
from schemas.topics import GRAPH_COMMANDS, SALESFORCE_COMMANDS, SYNC_DECISIONS, SYNC_JOURNAL


@pytest.fixture
def history(monkeypatch: pytest.MonkeyPatch) -> History:
    """A conflict over the location, settled for Microsoft 365, readable in place of the broker's topics."""
    told = History()
    tell_conflict(told)

    def read_topics(_: str, *names: str) -> Iterator[Read]:
        for name in names:
            rows: dict[str, list[tuple[str, Any]]] = {
                SYNC_JOURNAL: [(entry.pair_key, entry) for _, _, entry in told.entries],
                SYNC_DECISIONS: [(one.pair_key, one) for one in told.decisions],
                GRAPH_COMMANDS: [(one.pair_key, one) for one in told.sent if one.side == "graph"],
                SALESFORCE_COMMANDS: [],  # older than the topic keeps: decided once more from the journal
            }
            yield from (Read(name, 0, n, 0, key.encode(), encode(one)) for n, (key, one) in enumerate(rows[name]))

    monkeypatch.setattr("concord.finding.read_topics", read_topics)
    monkeypatch.setattr("concord.undoing.read_topics", read_topics)
    monkeypatch.setattr("concord.undoing.datetime", SimpleNamespace(now=lambda _: START + timedelta(minutes=5)))
    return told


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[OperatorAction]:
    """What was written to operator.actions."""
    actions: list[OperatorAction] = []
    monkeypatch.setattr("concord.undoing.append", lambda _, __, rows: actions.extend(action for _, action in rows))
    return actions


def undo(*words: str, answer: str = "") -> Result:
    """The command's result."""
    return CliRunner().invoke(app, ["undo", *words], input=answer, env={"CONCORD_BROKER": "nowhere:9092"})


def conflict(history: History) -> str:
    """The decision that took Practifi's location."""
    decision = next(one for one in history.decisions if one.lost and one.pair_key == REVIEW)
    return f"{decision.partition}/{decision.offset}"


def test_it_shows_what_it_would_write_and_asks(history: History, asked: list[OperatorAction]) -> None:
    """Old and new values, where, and whom it mails; nothing is asked for without a yes."""
    done = undo(conflict(history), "--side", "salesforce", answer="n\n")
    assert done.exit_code == 1
    assert asked == []
    lines = [" ".join(line.split()) for line in done.stdout.splitlines()]
    assert lines[:4] == [
        "update in Practifi", "location “Room 3” → “Room 2”", "update in Microsoft 365", "location “Room 3” → “Room 2”",
    ]  # fmt: skip
    assert lines[4] == "Mails nobody."


def test_a_yes_is_a_journal_fact(history: History, asked: list[OperatorAction]) -> None:
    """It carries the values, and what was found when they were shown."""
    done = undo(conflict(history), "--side", "salesforce", "--by", "olga", answer="y\n")
    assert done.exit_code == 0, done.output
    (action,) = asked
    wish = action.action.undo
    assert wish is not None
    assert (action.pair_key, action.action.verb, action.action.by) == (REVIEW, OperatorVerb.UNDO, "olga")
    assert (wish.decision, wish.fields) == (conflict(history), ("location",))
    assert wish.content is not None
    assert wish.content.location == "Room 2"
    assert wish.graph is not None
    assert wish.graph.location == "Room 3"


def test_what_changed_since_is_refused_unless_forced(history: History, asked: list[OperatorAction]) -> None:
    """It says what changed."""
    held = content("Annual review with Carla", location="Room 9", sync_status="Synced", external_id="G")
    step = history.salesforce(REVIEW, SALESFORCE_ID, held, at=60, sync_key=REVIEW)
    history.answer(step.commands[0], "G", at=61)
    done = undo(conflict(history), "--side", "salesforce", "--yes")
    assert done.exit_code != 0
    assert str(done.exception).startswith("Changed since this decision: location.")
    assert asked == []
    assert undo(conflict(history), "--side", "salesforce", "--yes", "--force").exit_code == 0
    assert [action.action.undo.is_forced for action in asked if action.action.undo] == [True]


def test_machine_gets_writes_and_mails_as_json(history: History, asked: list[OperatorAction]) -> None:
    """JSON asks nothing: whoever calls it has decided."""
    told = json.loads(undo(conflict(history), "--side", "salesforce", "--json").stdout)
    assert [(one["side"], one["action"], one["fields"]) for one in told["writes"]] == [
        ("salesforce", "update", ["location"]), ("graph", "update", ["location"]),
    ]  # fmt: skip
    assert (told["mails"], told["changed_since"], len(asked)) == ([], [], 1)


@pytest.mark.parametrize(
    ("name", "problem"),
    [("42", "'42' is not a decision"), ("0/x", "'0/x' is not a decision"), ("3/999", "There is no decision 3/999.")],
)
def test_unknown_decision_says_how_they_are_named(history: History, name: str, problem: str) -> None:
    """`concord explain` names them."""
    done = undo(name)
    assert done.exit_code != 0
    assert problem in str(done.exception)
    assert "concord explain" in str(done.exception)


def test_private_text_is_not_shown(history: History, asked: list[OperatorAction]) -> None:
    """What stood there stays hidden, as in `concord explain`."""
    allowed = replace(TWO_WAY, number=2, sync_private_events=True)
    history.enter("!settings", "settings.changes", SettingsChanged(allowed))
    held = content("Surgery", location="Clinic", sensitivity=Sensitivity.PRIVATE)
    step = history.graph(PRIVATE, "P", held, at=70)
    step = history.answer(step.commands[0], "00U000000000009AAA", at=71)
    step = history.graph(PRIVATE, "P", replace(held, location="Ward"), at=80)
    history.answer(step.commands[0], "00U000000000009AAA", at=81)
    decision = [one for one in history.decisions if one.pair_key == PRIVATE and one.changes][-1]
    done = undo(f"{decision.partition}/{decision.offset}", "--yes")
    assert "location (private)" in " ".join(done.stdout.split())
    assert "Clinic" not in done.output
    assert "Ward" not in done.output
    assert len(asked) == 1


def test_decision_that_was_undone_says_so(history: History, asked: list[OperatorAction]) -> None:
    """Asked again in earnest, nothing is done; --force does it once more if there is anything to do."""
    assert undo(conflict(history), "--side", "salesforce", "--yes").exit_code == 0
    step = history.enter(REVIEW, "operator.actions", asked[0].action, at=90)
    assert step is not None
    step = history.answer(step.commands[0], SALESFORCE_ID, at=91)
    history.answer(step.commands[0], "G", at=92)
    done = undo(conflict(history), "--side", "salesforce", "--yes")
    assert str(done.exception).startswith(f"The decision {conflict(history)} was undone before.")
    assert len(asked) == 1
