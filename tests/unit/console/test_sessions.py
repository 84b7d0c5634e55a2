"""Sessions and the throttle of sign-in, under a clock of our own."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from concord.console import sessions, throttle
from concord.console.accounts import Account, Role
from concord.console.sessions import FormTokens, Sessions
from concord.console.throttle import Throttle

ANN = Account("ann", Role.VIEWER, "")


@dataclass
class Clock:
    """Stands still until it is moved."""

    at: float = 1000.0

    def __call__(self) -> float:
        """The time."""
        return self.at


def test_a_session_ends_when_nothing_is_heard_and_after_its_life() -> None:
    """A session ends when nothing is heard and after its life."""
    clock = Clock()
    kept = Sessions(clock)
    token = kept.begin(ANN)
    clock.at += sessions.IDLE_S
    assert kept.of(token) is not None
    clock.at += sessions.IDLE_S + 1
    assert kept.of(token) is None
    token, began = kept.begin(ANN), clock.at
    while clock.at - began <= sessions.LIFE_S:
        assert kept.of(token) is not None
        clock.at += sessions.IDLE_S
    assert kept.of(token) is None


def test_what_renews_itself_is_no_sign_of_life() -> None:
    """What renews itself is no sign of life."""
    clock = Clock()
    kept = Sessions(clock)
    token = kept.begin(ANN)
    for _ in range(4):
        clock.at += sessions.IDLE_S / 4
        assert kept.of(token, is_sign_of_life=False) is not None
    clock.at += 1
    assert kept.of(token) is None


def test_a_session_that_was_ended_is_gone() -> None:
    """A session that was ended is gone."""
    kept = Sessions(Clock())
    token, other = kept.begin(ANN), kept.begin(ANN)
    kept.end(token)
    assert kept.of(token) is None
    assert kept.of(other) is not None
    assert kept.of("") is None


def test_sessions_do_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions do not grow for ever."""
    monkeypatch.setattr(sessions, "SESSIONS_MAX", 20)
    clock = Clock()
    kept = Sessions(clock)
    first = kept.begin(ANN)
    for _ in range(20):
        clock.at += 0.001
        last = kept.begin(ANN)
    assert kept.of(first) is None
    assert kept.of(last) is not None


def test_a_form_token_fits_one_cookie_of_one_process() -> None:
    """A form token fits one cookie of one process."""
    tokens = FormTokens()
    assert tokens.is_right("a", tokens.of("a"))
    assert not tokens.is_right("b", tokens.of("a"))
    assert not tokens.is_right("a", FormTokens().of("a"))
    assert not tokens.is_right("a", "")
    assert not tokens.is_right("a", "é")
    assert not tokens.is_right("", tokens.of(""))


def test_tries_wait_longer_and_longer_after_some() -> None:
    """Tries wait longer and longer after some."""
    clock = Clock()
    tries = Throttle(clock)
    for _ in range(throttle.FREE):
        assert tries.begin("ann") == 0
    waits = []
    for _ in range(12):
        wait = tries.begin("ann")
        waits.append(wait)
        clock.at += wait
        assert tries.begin("ann") == 0
    first, longest = throttle.WAITS_S
    assert waits[:3] == [first, 2 * first, 4 * first]
    assert max(waits) == longest
    assert tries.begin("bob") == 0


def test_a_right_password_and_an_hour_forget_failures() -> None:
    """A right password and an hour forget failures."""
    clock = Clock()
    tries = Throttle(clock)
    for _ in range(throttle.FREE):
        tries.begin("ann", "address")
    assert tries.begin("bob", "address") > 0
    tries.succeed("ann", "address")
    assert tries.begin("ann", "address") == 0
    for _ in range(throttle.FREE):
        tries.begin("bob")
    clock.at += throttle.FORGET_S + 1
    assert tries.begin("bob") == 0


def test_a_wait_costs_no_try() -> None:
    """A wait costs no try."""
    clock = Clock()
    tries = Throttle(clock)
    for _ in range(throttle.FREE):
        tries.begin("ann")
    assert tries.begin("ann") == tries.begin("ann") == throttle.WAITS_S[0]
