"""Rounds of the Salesforce sink: commands carried out together, and a poisonous one that spoils no other."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from concord.roles import salesforce_sink
from concord.roles.salesforce_sink import (
    EBB_S,
    FILL_S,
    FLOOD_COMMANDS,
    GATHER_S,
    Rounds,
    is_patient,
    is_worth_waiting,
)
from connectors.salesforce.fields import FieldNames
from schemas.changes import Side
from schemas.commands import Action, Command, Outcome, Result
from schemas.errors import Refused, ServiceError, Unavailable
from schemas.groups import MARKS, SUBJECT

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


def command(pair_key: str) -> Command:
    """A deletion for a pair."""
    return Command(f"{pair_key}#1", pair_key, Side.SALESFORCE, Action.DELETE, NOW, 1, id=pair_key)


class Service:
    """Stands for the connector: raises what a round with a certain pair in it raises, and notes who came together."""

    def __init__(self, problems: dict[str, Exception]) -> None:
        self.problems = problems
        self.rounds: list[list[str]] = []
        self.tried: list[frozenset[str]] = []

    def apply(
        self, commands: Sequence[Command], *, tried: frozenset[str], **_: Any
    ) -> Generator[Any, Any, tuple[Outcome | ServiceError, ...]]:
        """Carry out a round."""
        self.rounds.append([one.pair_key for one in commands])
        self.tried.append(tried)
        for one in commands:
            if one.pair_key in self.problems:
                raise self.problems[one.pair_key]
        return tuple(Outcome(c.command_id, c.pair_key, c.side, c.action, Result.APPLIED, NOW) for c in commands)
        yield  # an exchange is a generator


def play(monkeypatch: pytest.MonkeyPatch, service: Service, *pairs: str) -> list[Outcome | BaseException]:
    """Give these commands at once; what each got."""
    monkeypatch.setattr(salesforce_sink, "apply_commands", service.apply)

    async def names() -> FieldNames:
        return FieldNames()

    salesforce: Any = SimpleNamespace(client=SimpleNamespace(send_async=None), names=names)

    async def scenario() -> list[Outcome | BaseException]:
        rounds = Rounds(salesforce)
        await rounds.start()
        given: list[Coroutine[Any, Any, Outcome]] = [rounds.carry_out(command(pair)) for pair in pairs]
        found = await asyncio.wait_for(asyncio.gather(*given, return_exceptions=True), 5)
        await rounds.stop()
        return found

    return asyncio.run(scenario())


def test_commands_that_wait_at_one_moment_are_one_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three pairs, one round of calls, each its own outcome."""
    service = Service({})
    found = play(monkeypatch, service, "a", "b", "c")
    assert service.rounds == [["a", "b", "c"]]
    assert [one.pair_key for one in found if isinstance(one, Outcome)] == ["a", "b", "c"]


@pytest.mark.parametrize("problem", [AssertionError("poison"), KeyError("Id"), Refused("No such id.", code="BAD")])
def test_a_poisonous_command_spoils_no_other(monkeypatch: pytest.MonkeyPatch, problem: Exception) -> None:
    """What fails for good fails for the command that causes it: the others of its round are carried out by themselves,
    and are not quarantined with it."""
    service = Service({"poison": problem})
    first, poison, last = play(monkeypatch, service, "a", "poison", "c")
    assert poison is problem
    assert isinstance(first, Outcome)
    assert isinstance(last, Outcome)
    assert service.rounds == [["a", "poison", "c"], ["a"], ["poison"], ["c"]]


def test_a_round_that_the_service_did_not_take_is_not_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that is away is away for everybody: each waits and comes again; no call for each command alone."""
    away = Unavailable("Salesforce did not answer.")
    service = Service({"b": away})
    assert play(monkeypatch, service, "a", "b", "c") == [away, away, away]
    assert service.rounds == [["a", "b", "c"]]


def arrivals(count: int, apart_s: float) -> list[float]:
    """When so many commands arrived, the last at 100 s."""
    return [100.0 - apart_s * number for number in reversed(range(count))]


@pytest.mark.parametrize(
    ("times", "begun", "now", "waits"),
    [
        (arrivals(60, 0.08), 99.9, 100.0, True),
        (arrivals(59, 0.08), 99.9, 100.0, False),
        (arrivals(60, 0.1), 99.9, 100.0, False),
        (arrivals(60, 0.08), 99.9 - FILL_S, 100.0, False),
        (arrivals(60, 0.08), 99.9, 100.1 + EBB_S, False),
        (arrivals(1, 0.03), 99.9, 100.0, False),
        ([], 99.9, 100.0, False),
    ],
    ids=["a flood", "a few", "a trickle", "long enough", "ebb", "one", "none"],
)
def test_only_in_a_flood_a_round_waits_to_be_full(times: list[float], begun: float, now: float, waits: bool) -> None:
    """A single edit waits for nobody; in a first exchange hundreds go out together."""
    assert is_worth_waiting(times, begun, now) is waits


def test_a_full_round_goes_out_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait, each round takes six hundred."""
    service = Service({})
    play(monkeypatch, service, *(f"p{number}" for number in range(1_300)))
    assert [len(one) for one in service.rounds] == [600, 600, 100]


@pytest.mark.parametrize(
    ("action", "fields", "waits"),
    [
        (Action.CREATE, (), True),
        (Action.UPDATE, (MARKS,), True),
        (Action.UPDATE, (MARKS, SUBJECT), False),
        (Action.UPDATE, (SUBJECT,), False),
        (Action.DELETE, (), False),
    ],
)
def test_somebody_waits_for_an_edit(action: Action, fields: tuple[str, ...], waits: bool) -> None:
    """New events and our marks wait for company, what somebody changed does not."""
    assert is_patient(replace(command("p"), action=action, fields=fields)) is waits


@pytest.mark.parametrize("has_edit", [True, False])
def test_an_edit_takes_the_flood_along(monkeypatch: pytest.MonkeyPatch, has_edit: bool) -> None:
    """In a flood of creates a round waits; an edit among them sends it off."""
    service = Service({})
    monkeypatch.setattr(salesforce_sink, "apply_commands", service.apply)
    waits: list[float] = []
    plain = asyncio.sleep

    async def sleep(seconds: float) -> None:
        if seconds == GATHER_S:  # other loops of this process may sleep too
            waits.append(seconds)
        await plain(0)

    async def names() -> FieldNames:
        return FieldNames()

    salesforce: Any = SimpleNamespace(client=SimpleNamespace(send_async=None), names=names)
    monkeypatch.setattr(salesforce_sink.asyncio, "sleep", sleep)
    monkeypatch.setattr(salesforce_sink, "EBB_S", 0.05)
    creates = [replace(command(f"p{number}"), action=Action.CREATE) for number in range(FLOOD_COMMANDS)]

    async def scenario() -> None:
        rounds = Rounds(salesforce)
        await rounds.start()
        more = [command("edit")] if has_edit else []
        await asyncio.wait_for(asyncio.gather(*(rounds.carry_out(one) for one in (*creates, *more))), 5)
        await rounds.stop()

    asyncio.run(scenario())
    assert len(service.rounds) == 1
    assert (len(waits) == 1) is has_edit


def test_what_was_sent_without_an_answer_is_known_when_it_is_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Until it is answered: somebody may have dealt with what it made."""
    service = Service({"a": Unavailable("No answer.", was_sent=True)})
    monkeypatch.setattr(salesforce_sink, "apply_commands", service.apply)

    async def names() -> FieldNames:
        return FieldNames()

    salesforce: Any = SimpleNamespace(client=SimpleNamespace(send_async=None), names=names)

    async def scenario() -> None:
        rounds = Rounds(salesforce)
        await rounds.start()
        for problems in (service.problems, {}, {}):
            service.problems = problems
            await asyncio.gather(rounds.carry_out(command("a")), return_exceptions=True)
        await rounds.stop()

    asyncio.run(scenario())
    assert service.tried == [frozenset(), frozenset({"a#1"}), frozenset()]
