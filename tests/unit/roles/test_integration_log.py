"""The integration log's role: gathers, bounds, and swallows whatever goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from concord.config import Config
from concord.roles import integration_log as role
from concord.roles.integration_log import IntegrationLog, systems_of
from connectors.salesforce.fields import FieldNames
from schemas.changes import Side
from schemas.codec import encode
from schemas.commands import Action, Outcome, Result
from schemas.errors import AuthRejected, Throttled

REFUSED = Outcome("p#1", "p", Side.GRAPH, Action.UPDATE, Result.REFUSED, datetime.now(UTC), code="X")


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(role, "GATHER_S", 0.0)
    monkeypatch.setattr(role, "PAUSE_MAX_S", 0.0)


class Written:
    """Stands for `write_rows`: remembers the rounds, raises what it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *errors: Exception) -> None:
        self.rounds: list[int] = []
        self.errors = list(errors)
        monkeypatch.setattr(role, "write_rows", self._write)

    def _write(self, rows: Any, systems: Any, names: Any) -> Any:
        self.rounds.append(len(rows))
        if self.errors:
            raise self.errors.pop(0)
        return len(rows)
        yield  # an exchange that asks nothing


async def _names() -> FieldNames:
    return FieldNames()


def told(outcomes: list[Any], systems: tuple[str, ...] = ("A",)) -> None:
    """All of these come at once, as records."""
    salesforce = SimpleNamespace(names=_names, client=SimpleNamespace(send_async=None))
    log = IntegrationLog(salesforce, systems)  # type: ignore[arg-type]

    async def all_at_once() -> None:
        records = [SimpleNamespace(value=encode(one) if isinstance(one, Outcome) else one) for one in outcomes]
        await asyncio.wait_for(asyncio.gather(*(log.step(record, None) for record in records)), 20)  # type: ignore[arg-type]

    asyncio.run(all_at_once())


def test_rows_that_come_together_are_written_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is nothing to tell is left out."""
    written = Written(monkeypatch)
    told([REFUSED, replace(REFUSED, result=Result.APPLIED), REFUSED, b"unreadable"])
    assert written.rounds == [2]


def test_old_outcomes_are_not_told_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """A rebuild reads them all."""
    written = Written(monkeypatch)
    told([replace(REFUSED, at=datetime.now(UTC) - timedelta(hours=25))])
    assert written.rounds == []


def test_no_system_means_no_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """The switch."""
    written = Written(monkeypatch)
    told([REFUSED], systems=())
    assert written.rounds == []
    assert systems_of(Config(integration_log_systems="")) == ()
    assert systems_of(Config(integration_log_systems=" A , B,")) == ("A", "B")


def test_an_hour_has_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is beyond it is only counted."""
    monkeypatch.setattr(role, "ROWS_PER_HOUR", 3)
    written = Written(monkeypatch)
    told([REFUSED] * 10)
    assert sum(written.rounds) == 3


@pytest.mark.parametrize(
    ("make", "tries"),
    [
        (lambda: Throttled("wait", 60.0), role.ATTEMPTS),
        (lambda: AuthRejected("no such object"), 1),
        (lambda: ValueError("a fault of ours"), 1),
    ],
)
def test_whatever_fails_is_swallowed(
    make: Callable[[], Exception], tries: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The step ends as if it had been written; what passes is tried a few times."""
    written = Written(monkeypatch, *(make() for _ in range(20)))
    told([REFUSED])
    assert len(written.rounds) == tries
