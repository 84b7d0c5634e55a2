"""`concord shadow`: what an administrator reads before going live, and what joining asks for."""

from __future__ import annotations

import json
from types import SimpleNamespace

import pytest
from support.builders import CLIENT, firm_settings, meeting
from support.pair_world import World
from typer.testing import CliRunner, Result

from concord.cli import app
from schemas.calendar import Sensitivity
from schemas.changes import Side
from schemas.journal import OperatorAction, OperatorVerb


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """Shadow mode: an event of Outlook, a private one, one of Practifi with a client, and two that stand on both sides,
    one of them with a double."""
    world = World(settings=firm_settings(shadow=True, number=2))
    world.make(Side.GRAPH, meeting("Outlook"))
    world.make(Side.GRAPH, meeting("Hidden", sensitivity=Sensitivity.PRIVATE))
    world.make(Side.SALESFORCE, meeting("Practifi", attendees=(CLIENT,), send_invitations=True))
    for side in (*Side, Side.SALESFORCE):
        world.make(side, meeting("Doubled"))
    for side in Side:
        world.make(side, meeting("Both"))
    world.settle()
    monkeypatch.setattr("concord.shadowing._folded", lambda _: (list(world.pairs.values()), world.settings))
    monkeypatch.setattr("concord.shadowing.datetime", SimpleNamespace(now=lambda _: world.now))
    return world


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[OperatorAction]:
    """What was written to operator.actions."""
    actions: list[OperatorAction] = []
    monkeypatch.setattr("concord.shadowing.append", lambda _, __, rows: actions.extend(action for _, action in rows))
    return actions


def shadow(*words: str, answer: str = "") -> Result:
    """The command's result."""
    return CliRunner().invoke(app, ["shadow", *words], input=answer, env={"CONCORD_BROKER": "nowhere:9092"})


@pytest.mark.usefixtures("world")
def test_report_sums_up_per_user() -> None:
    """Created on each side, and the mails."""
    told = json.loads(shadow("report", "--json").stdout)
    (row,) = told["users"]
    assert told["shadow"] is True
    assert row["user"] == "ann@firm.example"
    assert (row["writes"]["salesforce_create"], row["writes"]["graph_create"]) == (4, 4)
    assert row["mails"]["invite"] == 1
    assert {write["action"] for write in told["writes"]} == {"create"}


@pytest.mark.usefixtures("world")
def test_report_of_a_user_names_each_event_but_no_private_text() -> None:
    """What, where, and whom it mails."""
    shown = shadow("report", "--user", "ann@firm.example").stdout
    assert "create in Practifi: Outlook, " in shown
    assert "mails invite client@out.example" in shown
    assert "(private), " in shown
    assert "Hidden" not in shown


def test_adopt_joins_what_is_unique_and_lists_the_rest(world: World, asked: list[OperatorAction]) -> None:
    """Nothing is guessed; the wish names both pairs."""
    shown = shadow("adopt", "--by", "olga", answer="y\n").stdout
    assert "1 event stands on both sides" in shown
    assert "1 in Microsoft 365, 2 in Practifi" in shown
    (action,) = asked
    assert (action.action.verb, action.action.by) == (OperatorVerb.ADOPT, "olga")
    assert world.pairs[action.pair_key].salesforce.item is not None
    assert world.pairs[action.action.into].graph.item is not None


@pytest.mark.usefixtures("world")
def test_adopt_asks_for_nothing_without_a_yes(asked: list[OperatorAction]) -> None:
    """A no, and JSON without --yes, only show."""
    assert shadow("adopt", answer="n\n").exit_code == 1
    told = json.loads(shadow("adopt", "--json").stdout)
    assert (len(told["unique"]), len(told["ambiguous"]), told["adopted"]) == (1, 1, [])
    assert asked == []
