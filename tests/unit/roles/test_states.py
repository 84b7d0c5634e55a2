"""States that are remembered are those that were written, or they are not used."""

from __future__ import annotations

import pytest

from concord.roles import states as module
from concord.roles.states import States
from schemas.codec import encode
from schemas.state import PairState

FIRST, SECOND = PairState("m:one", revision=1), PairState("m:one", revision=2)


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """Every row that had to be read anew."""
    rows: list[bytes] = []

    def counting(kind: type, raw: bytes) -> object:
        rows.append(raw)
        return kept(kind, raw)

    kept = module.decode
    monkeypatch.setattr(module, "decode", counting)
    return rows


def test_what_was_written_is_the_state_itself(decoded: list[bytes]) -> None:
    """The same object, so that what did not change need not be written anew."""
    states = States()
    states.keep(b"m:one", encode(FIRST), FIRST)
    assert states.read(b"m:one", bytes(bytearray(encode(FIRST)))) is FIRST
    assert not decoded


def test_another_row_is_read_anew(decoded: list[bytes]) -> None:
    """As after a rebalance, when another worker has gone on with the pair in the meantime."""
    states = States()
    states.keep(b"m:one", encode(FIRST), FIRST)
    assert states.read(b"m:one", encode(SECOND)) == SECOND
    assert decoded == [encode(SECOND)]


def test_a_pair_has_one_place_however_often_it_is_written() -> None:
    """The newest row counts."""
    states = States(half=2)
    for revision in range(50):
        state = PairState("m:one", revision=revision)
        states.keep(b"m:one", encode(state), state)
        assert states.read(b"m:one", encode(state)) is state
    assert len(states) == 1


def test_what_was_used_least_lately_is_forgotten() -> None:
    """Never more than two halves, whatever comes."""
    states = States(half=10)
    for number in range(500):
        state = PairState(f"m:{number}")
        states.keep(b"m:%d" % number, encode(state), state)
        assert len(states) <= 20
    last = PairState("m:499")
    assert states.read(b"m:499", encode(last)) == last
