"""`concord held`: what waits in words and as JSON, what is chosen, what a release and a drop append."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from support.builders import ANN, CLIENT, COLLEAGUE, firm_settings, meeting
from support.pair_world import World, a_pair
from typer.testing import CliRunner, Result

from concord import held
from concord.cli import app
from concord.held import choose, waiting
from schemas.calendar import Sensitivity
from schemas.changes import Side
from schemas.commands import HoldKind
from schemas.errors import ConfigError
from schemas.journal import OperatorActed, OperatorAction, OperatorVerb

OTHER = replace(CLIENT, address="other@out.example", record_id="003OTHER", name="Other")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Ann's invitation of two clients waits, and the deletion of another event of hers."""
    world = World(settings=firm_settings(invitation_limit_per_write=1))
    _, graph_id, _ = a_pair(world, meeting("Reception"))
    world.delete(Side.GRAPH, graph_id)
    world.read(Side.GRAPH, in_burst=True)
    people = (CLIENT, OTHER, COLLEAGUE)
    world.make(Side.SALESFORCE, meeting("Seminar", attendees=people, send_invitations=True), "S9")
    world.settle()
    monkeypatch.setattr(held, "read_waiting", lambda _: waiting(world.pairs.values(), world.settings))
    return world


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[OperatorAction]:
    """What is appended."""
    actions: list[OperatorAction] = []
    monkeypatch.setattr(held, "append", lambda _, __, rows: actions.extend(action for _, action in rows))
    return actions


def run(*words: str, answer: str = "") -> Result:
    """`concord held WORDS`."""
    return CliRunner().invoke(app, ["held", *words], input=answer, env={"CONCORD_BROKER": "nowhere:1"})


def test_list_says_which_why_since_when_and_who(world: World) -> None:
    """Everything an operator needs to decide, in the order in which it began to wait."""
    shown = run().stdout
    assert shown.index("Reception") < shown.index("Seminar")
    assert "would create in Microsoft 365, mails 3 people, 2 outside the firm: " in shown
    assert "invite client@out.example" in shown
    assert "would delete in Practifi, mails nobody" in shown
    assert "waits since 2026-03-02 09:" in shown
    assert "2 writes wait, 1 deletion among them; together 2 mails to people outside the firm." in shown
    rows = json.loads(run("--json", "--kind", "invitations").stdout)
    assert [(row["pair_key"], row["user"], row["outside"]) for row in rows] == [("s:S9", ANN.address, 2)]
    assert rows[0]["hold"] == world.pairs["s:S9"].held.digest  # type: ignore[union-attr]


def test_private_event_waits_without_its_words(world: World) -> None:
    """Neither its subject nor whom it would mail."""
    state = world.pairs["s:S9"]
    assert state.salesforce.item is not None
    private = replace(state.salesforce.item.content, sensitivity=Sensitivity.PRIVATE)
    state = replace(state, salesforce=replace(state.salesforce, item=replace(state.salesforce.item, content=private)))
    (row,) = waiting([state], world.settings)
    assert "Seminar" not in row.event
    assert set(row.recipients) == {"invite (private)"}


def test_release_names_what_was_shown(world: World, sent: list[OperatorAction]) -> None:
    """Shown, asked, appended: once per event, with the digest of the hold and the name of who decides."""
    done = run("release", "--all", "--by", "olga", answer="y\n")
    assert done.exit_code == 0
    assert "Make these 2 writes? [y/N]" in done.stdout
    assert "2 writes are made. What changed since it was shown goes on waiting" in done.stdout
    expected = [
        (state.pair_key, OperatorActed(OperatorVerb.RELEASE, "olga", hold=state.held.digest))
        for state in world.pairs.values()
        if state.held is not None
    ]
    assert [(action.pair_key, action.action) for action in sent] == expected


def test_no_answer_changes_nothing(world: World, sent: list[OperatorAction]) -> None:
    """Nor does a no."""
    assert run("release", "--all", answer="n\n").exit_code == 1
    assert run("drop", "--all", answer="").exit_code == 1
    assert sent == []


def test_drop_of_one_users_deletions(world: World, sent: list[OperatorAction]) -> None:
    """Without a question, for scripts."""
    done = run("drop", "--user", ANN.address.upper(), "--kind", "deletions", "--yes", "--json")
    assert json.loads(done.stdout) == {"drop": [sent[0].pair_key]}
    assert [action.action.verb for action in sent] == [OperatorVerb.DROP]


@pytest.mark.parametrize("words", [(), ("s:S9", "--all"), ("--all", "--user", ANN.address)])
def test_choice_is_named_in_exactly_one_way(world: World, sent: list[OperatorAction], words: tuple[str, ...]) -> None:
    """Nothing is released by leaving something out."""
    assert run("release", *words, "--yes").exit_code == 2
    assert sent == []


def test_every_pair_that_holds_nothing_is_named(world: World) -> None:
    """All of them at once."""
    rows: list[Any] = held.read_waiting("")
    with pytest.raises(ConfigError) as error:
        choose(rows, pairs=["s:S9", "s:NONE", "m:NONE"])
    assert [problem.split(":")[1] for problem in error.value.problems] == ["NONE", "NONE"]
    assert [row.pair_key for row in choose(rows, pairs=["s:S9"], kind=HoldKind.INVITATIONS)] == ["s:S9"]
    assert choose(rows, user="nobody@firm.example") == []
