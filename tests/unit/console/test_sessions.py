"""Sessions and the throttle of sign-in, under a clock of our own."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest
from sqlalchemy import URL, select
from support.console import store_in_memory

from concord.console import sessions, throttle
from concord.console.accounts import Role
from concord.console.draft import Draft
from concord.console.sessions import FormTokens, Sessions, form_tokens
from concord.console.store import FILE, KEPT, Kept, open_store
from concord.console.throttle import Throttle


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
    kept = Sessions(store_in_memory(), clock)
    token = kept.begin("ann", Role.VIEWER)
    clock.at += sessions.IDLE_S
    assert kept.of(token) is not None
    clock.at += sessions.IDLE_S + 1
    assert kept.of(token) is None
    token, began = kept.begin("ann", Role.VIEWER), clock.at
    while clock.at - began <= sessions.LIFE_S:
        assert kept.of(token) is not None
        clock.at += sessions.IDLE_S
    assert kept.of(token) is None


def test_what_renews_itself_is_no_sign_of_life() -> None:
    """What renews itself is no sign of life."""
    clock = Clock()
    kept = Sessions(store_in_memory(), clock)
    token = kept.begin("ann", Role.VIEWER)
    for _ in range(4):
        clock.at += sessions.IDLE_S / 4
        assert kept.of(token, is_sign_of_life=False) is not None
    clock.at += 1
    assert kept.of(token) is None


def test_a_session_that_was_ended_is_gone() -> None:
    """A session that was ended is gone."""
    kept = Sessions(store_in_memory(), Clock())
    token, other = kept.begin("ann", Role.VIEWER), kept.begin("ann", Role.VIEWER)
    kept.end(token)
    assert kept.of(token) is None
    assert kept.of(other) is not None
    assert kept.of("") is None


def test_sessions_do_not_grow_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions do not grow for ever."""
    monkeypatch.setattr(sessions, "SESSIONS_MAX", 20)
    clock = Clock()
    kept = Sessions(store_in_memory(), clock)
    first = kept.begin("ann", Role.VIEWER)
    for _ in range(20):
        clock.at += 0.001
        last = kept.begin("ann", Role.VIEWER)
    assert kept.of(first) is None
    assert kept.of(last) is not None


def test_a_form_token_fits_one_cookie_of_one_console() -> None:
    """A form token fits one cookie of one console."""
    tokens = FormTokens(b"a" * 32)
    assert tokens.is_right("a", tokens.of("a"))
    assert not tokens.is_right("b", tokens.of("a"))
    assert not tokens.is_right("a", FormTokens(b"b" * 32).of("a"))
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


def test_a_session_outlives_the_process_and_is_known_to_another(tmp_path: Path) -> None:
    """With what was not saved yet, the sentence to be shown, and the key of forms."""
    clock, address = Clock(), URL.create("sqlite", database=str(tmp_path / FILE))
    engine = open_store(address)
    first = Sessions(engine, clock)
    token = first.begin("ann@firm.example", Role.OPERATOR, user_id="u1")
    session = first.of(token)
    assert session is not None
    session.notice, session.draft.enabled["005"] = "Saved.", True
    first.save(token, session)
    form = form_tokens(engine, clock()).of(token)
    engine.dispose()
    other = open_store(address)
    again = Sessions(other, clock).of(token)
    assert again == session
    assert again.draft == Draft({"005": True})
    assert form_tokens(other, clock()).of(token) == form
    Sessions(other, clock).end(token)
    session.notice = ""
    first.save(token, session)
    assert first.of(token) is None, "what has ended is not brought back by a request that was under way"
    other.dispose()
    engine.dispose()


def test_the_store_holds_no_token_and_no_hash() -> None:
    """Whoever reads the database signs in as nobody."""
    engine = store_in_memory()
    token = Sessions(engine, Clock()).begin("ann", Role.VIEWER, proof="digest")
    with engine.begin() as transaction:
        rows = transaction.execute(select(KEPT)).all()
    assert len(rows) == 1
    assert token not in str(rows)


def test_what_is_taken_is_taken_once_and_in_time() -> None:
    """What is taken is taken once and in time."""
    kept = Kept(store_in_memory(), "flow")
    kept.put("a", "1", 10.0)
    kept.put("b", "2", 10.0)
    assert kept.take("a", 10.0) is None
    assert (kept.take("a", 9.0), kept.take("a", 9.0)) == ("1", None)
    assert Kept(store_in_memory(), "session").take("b", 9.0) is None
    assert kept.get("b", 9.0) == "2"
