"""After a refusal: the same credentials wait, longer each time; others are tried at once."""

from __future__ import annotations

import pytest

from connectors.patience import FIRST_WAIT_S, LONGEST_WAIT_S, Patience
from schemas.errors import AuthRejected

REFUSAL = AuthRejected("Refused.", "Do this.", code="X1", status=401)


class Clock:
    """Seconds that pass when told."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        """A reading."""
        return self.now


def refusal(patience: Patience, credentials: str) -> AuthRejected | None:
    """What these credentials meet now, before anybody is asked."""
    try:
        patience.check(credentials)
    except AuthRejected as again:
        return again
    return None


def waits(patience: Patience, clock: Clock, credentials: str) -> float:
    """How long these credentials must wait yet, to the second."""
    began = clock.now
    while (again := refusal(patience, credentials)) is not None:
        assert (again.what, again.fix, again.code, again.status) == ("Refused.", "Do this.", "X1", 401)
        assert again is not REFUSAL
        clock.now += 1.0
    return clock.now - began


def test_the_same_credentials_wait_longer_each_time() -> None:
    """Doubling up to the longest wait."""
    clock = Clock()
    patience, waited = Patience("S", now=clock), []
    for _ in range(9):
        patience.refused("a", REFUSAL)
        waited.append(waits(patience, clock, "a"))
    assert waited[:3] == [FIRST_WAIT_S, 2 * FIRST_WAIT_S, 4 * FIRST_WAIT_S]
    assert waited[-1] == LONGEST_WAIT_S


def test_other_credentials_are_tried_at_once_and_begin_anew() -> None:
    """A person has put something right, or another thing wrong."""
    clock = Clock()
    patience = Patience("S", now=clock)
    for _ in range(5):
        patience.refused("a", REFUSAL)
    assert waits(patience, clock, "b") == 0.0
    patience.refused("b", REFUSAL)
    assert waits(patience, clock, "b") == FIRST_WAIT_S
    patience.refused("b", REFUSAL)
    patience.accepted()
    assert waits(patience, clock, "b") == 0.0


def test_each_trouble_is_logged_once_and_its_end_too(caplog: pytest.LogCaptureFixture) -> None:
    """Not at every try; nothing of the credentials."""
    caplog.set_level("DEBUG")
    patience = Patience("Service", now=Clock())
    patience.accepted()
    for _ in range(3):
        patience.refused("hidden-word", REFUSAL)
    patience.accepted()
    patience.accepted()
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert told[0].startswith("Service: Refused. Do this.")
    assert "hidden-word" not in caplog.text + repr(vars(patience))
