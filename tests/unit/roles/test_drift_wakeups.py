"""The source wakes itself for the nightly check, a page at a time, and a page is no poll."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest

from concord.roles.drift import DRIFT
from concord.roles.salesforce_source import EVENT_KEY, SalesforceSource
from concord.roles.wakeups import partition_of
from schemas.changes import Wakeup
from schemas.codec import decode, encode
from schemas.topics import SALESFORCE_WAKEUPS

PARTITIONS = 4
OURS = partition_of(EVENT_KEY, PARTITIONS)


class Source(SalesforceSource):
    """The source, with a check that is due `due` times; `done` says what it did."""

    def __init__(self, due: int = 1, *, is_short: bool = False) -> None:
        async def step(*_: Any) -> None:
            self.done.append("page")

        async def names() -> None:
            return None

        left = iter(range(due))
        self.done: list[str] = []
        self.sent: list[tuple[str, bytes, Wakeup]] = []
        self._is_lacking = is_short
        self.timer = _Timer(self.done)  # type: ignore[assignment]
        self.drift = SimpleNamespace(is_due=lambda _: next(left, None) is not None, step=step)  # type: ignore[assignment]
        self.salesforce = SimpleNamespace(names=names)  # type: ignore[assignment]
        outbox = SimpleNamespace(send=lambda topic, key, value: self.sent.append((topic, key, decode(Wakeup, value))))
        self._app = SimpleNamespace(partitions=PARTITIONS, outbox=outbox)  # type: ignore[assignment]

    def _is_short(self) -> bool:
        return self._is_lacking

    def _means(self, _: Any) -> Any:
        return None

    def wake(self, reason: str) -> None:
        """One wake-up arrives."""
        record: Any = SimpleNamespace(value=encode(Wakeup(EVENT_KEY, reason, datetime.now(UTC))))
        asyncio.run(self.look(record, None))  # type: ignore[arg-type]


class _Timer:
    def __init__(self, done: list[str]) -> None:
        self.looked = done.append

    def __call__(self, *_: Any) -> None:
        """Nobody else is due."""


def test_the_owner_of_the_events_wakes_itself_when_the_check_is_due() -> None:
    """In the partition of the polls, so that one follows the other; no other partition does."""
    source = Source()
    for partition in range(PARTITIONS):
        source.tick(partition, None)  # type: ignore[arg-type]
    ((topic, key, wakeup),) = source.sent
    assert (topic, key, wakeup.reason) == (SALESFORCE_WAKEUPS, EVENT_KEY.encode(), DRIFT)
    assert not wakeup.topic
    source.tick(OURS, None)  # type: ignore[arg-type]
    assert len(source.sent) == 1


def test_a_page_of_the_check_is_no_poll() -> None:
    """The next poll is due when it was."""
    source = Source()
    source.wake(DRIFT)
    assert source.done == ["page"]


def test_when_requests_run_short_there_is_no_check() -> None:
    """It stays due, and is asked for again."""
    source = Source(is_short=True)
    source.wake(DRIFT)
    assert source.done == []


@pytest.mark.parametrize(
    ("poll_s", "is_away", "every_s"), [(300.0, False, 300.0), (300.0, True, 15.0), (5.0, True, 5.0)]
)
def test_polls_come_as_often_as_without_change_events_while_those_stay_away(
    poll_s: float, is_away: bool, every_s: float
) -> None:
    """Nothing else would notice an edit for minutes."""
    source = Source()
    source._config = SimpleNamespace(poll_s=poll_s, directory_s=600.0)  # type: ignore[assignment]
    source.stream = SimpleNamespace(is_away=is_away)  # type: ignore[assignment]
    assert dict(source._due())[EVENT_KEY] == every_s
