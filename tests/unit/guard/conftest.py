"""Waits for a broker take no time in these tests, and no test ends the process unnoticed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from concord.guard import partition as partition_module


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for the broker take no time here."""
    monkeypatch.setattr(partition_module, "BROKER_WAIT_S", 0.0)
    monkeypatch.setattr(partition_module, "ROOM_WAIT_S", 0.02)


@pytest.fixture(autouse=True)
def endings(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Reasons for which the process would have ended: none, unless the test takes them away."""
    reasons: list[str] = []
    monkeypatch.setattr(partition_module, "end_process", reasons.append)
    yield reasons
    assert reasons == []
