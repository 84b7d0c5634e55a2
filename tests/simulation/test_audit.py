"""The audit over a simulated firm: once all is settled it finds nothing that is not as it should be, and whatever
somebody then does behind Concord's back it names."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from types import SimpleNamespace
from typing import Any
from unittest.mock import patch

import pytest

from concord.asking import Asking
from concord.auditing import Found, Reader, Scope, audited
from concord.roles.reach import reach_of
from connectors.exchange import Call, Reply
from schemas.state import PairState
from simulation import run as runs
from simulation.mutants import NONE
from simulation.outcome import Ending, read_ending
from simulation.remembered import remembered
from simulation.stages import CONFIG
from simulation.transport import Transport
from simulation.world import World
from streams.audit import FLEETING, Cause


@contextmanager
def settled(seed: int, steps: int = 120) -> Iterator[Ending]:
    """A firm after a wild day, at rest."""
    with remembered(), ExitStack() as stack:
        world = World(seed, NONE)
        stack.enter_context(patch("concord.roles.sinks.datetime", SimpleNamespace(now=lambda _: world.now())))
        weights = {name: weight for name, (weight, _) in runs.ACTS.items()}
        for _ in range(steps):
            runs.step(world, weights)
        runs.calm_down(world)
        yield read_ending(world)


def sending(transport: Transport) -> Callable[[Call], Awaitable[Reply]]:
    """Calls to a service, none of them lost."""

    async def send(call: Call) -> Reply:
        assert call.method == "GET" or call.path in ("/$batch", "/composite")
        return transport.perform(call, "")

    return send


def audit(ending: Ending, most: int = 10_000) -> tuple[list[Found], dict[str, int]]:
    """What an audit of the whole firm finds, and how many requests it took."""
    world = ending.world
    settings = world.settings
    reader = Reader(
        Asking("Microsoft 365", sending(world.services.graph), per_second=1e6, most=most),
        Asking("Salesforce", sending(world.services.salesforce), per_second=1e6, most=most),
        world.services.names,
        reach_of(settings, CONFIG, world.now()),  # type: ignore[arg-type]
        world.now,
    )
    scope = Scope(settings, tuple(user for user in settings.users if user.is_enabled), is_whole=True)

    def states() -> dict[str, PairState]:
        return ending.pairs

    found = asyncio.run(audited(scope, world.followed.directory, reader, states, frozenset()))
    return found, reader.requests


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_settled_firm_has_no_drift(seed: int) -> None:
    """What is left over is left out by rules, waits for an operator, was refused, or is due when it next changes."""
    with settled(seed) as ending:
        found, requests = audit(ending)
        allowed = {Cause.HELD, Cause.REFUSED, Cause.OTHER_ENGINE, Cause.DUE}
        assert [one.finding for one in found if one.finding.is_drift and one.finding.cause not in allowed] == []
        assert all(requests.values())


def test_what_is_done_at_rest_is_named_and_a_second_look_forgets_what_the_log_has_learned(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """An edit in Outlook that nobody has read; once the sources have, before the second look, there is no drift."""
    with settled(2) as ending:
        before = {one.finding for one in audit(ending)[0]}
        made = _make(ending.world)
        found = {one.finding for one in audit(ending)[0]} - before
        assert [(one.cause, one.item_id) for one in found] == [(Cause.ON_ITS_WAY, made)]

        read_again = Reader.read_again

        async def later(reader: Reader, *args: Any) -> None:
            runs.settle(ending.world)
            ending.pairs.update(read_ending(ending.world).pairs)
            await read_again(reader, *args)

        monkeypatch.setattr(Reader, "read_again", later)
        after = {one.finding for one in audit(ending)[0] if one.finding.cause in FLEETING}
        assert after == set()


def _make(world: World) -> str:
    """Somebody who takes part makes an event; its id."""
    user = next(user for user in world.settings.users if user.is_enabled)
    start = world.now().replace(microsecond=0, tzinfo=None) + timedelta(days=2)
    times = {"start": start, "end": start + timedelta(hours=1)}
    body = {name: {"dateTime": at.isoformat(), "timeZone": "UTC"} for name, at in times.items()}
    made = world.services.as_outlook("POST", f"/users/{user.mailbox}/events", {"subject": "Quietly", **body})
    return str(made["id"])
