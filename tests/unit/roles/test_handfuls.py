"""What of a change stream is handed on when, and from where it would go on after a crash."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from support.builders import NOW

from concord.roles.handfuls import DELETIONS_MAX, LONGEST_S, NEW_S, QUIET_S, Handfuls
from schemas.changes import Notice


def notice(record_id: str, kind: str = "UPDATE") -> Notice:
    """An event about one record."""
    return Notice("Event", (record_id,), kind, NOW)


def taken(handfuls: Handfuls, now: float) -> tuple[list[str], bytes] | None:
    """The ids that are due, and the place behind them."""
    handful = handfuls.take(now)
    return handful and ([one.record_ids[0] for one in handful.notices], handful.replay_id)


def test_saves_are_due_at_once_and_together() -> None:
    """In their order, with the place behind the last."""
    handfuls = Handfuls(b"0")
    assert (handfuls.due_in(0), handfuls.take(0)) == (None, None)
    handfuls.add(notice("a"), b"1", 0)
    handfuls.add(notice("b"), b"2", 0)
    assert handfuls.due_in(0) == 0
    assert taken(handfuls, 0) == (["a", "b"], b"2")
    assert len(handfuls) == 0


def test_deletions_wait_for_each_other_and_hold_the_place() -> None:
    """What came behind them goes ahead; a crash would bring both again."""
    handfuls = Handfuls(b"0")
    handfuls.add(notice("a"), b"1", 0)
    handfuls.add(notice("b", "DELETE"), b"2", 0)
    handfuls.add(notice("c"), b"3", 0)
    assert taken(handfuls, 0) == (["a", "c"], b"1")
    assert handfuls.due_in(0) == QUIET_S
    handfuls.add(notice("d", "GAP_DELETE"), b"4", QUIET_S / 2)
    assert handfuls.due_in(QUIET_S / 2) == QUIET_S
    assert handfuls.take(QUIET_S) is None
    assert taken(handfuls, 1.5 * QUIET_S) == (["b", "d"], b"4")


def test_a_stream_of_deletions_is_handed_on_in_the_end() -> None:
    """After the longest wait, or when there are too many."""
    handfuls = Handfuls(b"")
    now = 0.0
    while handfuls.take(now) is None:
        handfuls.add(notice("a", "DELETE"), b"1", now)
        now += QUIET_S / 2
    assert LONGEST_S <= now <= LONGEST_S + QUIET_S
    for _ in range(DELETIONS_MAX):
        assert handfuls.take(now) is None
        handfuls.add(notice("a", "DELETE"), b"2", now)
    assert handfuls.due_in(now) == 0
    assert handfuls.take(now) is not None


def test_silence_moves_the_place_only_when_nothing_waits() -> None:
    """The id of a keepalive lies behind events that are still in hand."""
    handfuls = Handfuls(b"0")
    assert handfuls.silence(b"1")
    assert not handfuls.silence(b"1")
    assert not handfuls.silence(b"")
    handfuls.add(notice("a", "DELETE"), b"2", 0)
    assert not handfuls.silence(b"3")
    assert handfuls.replay_id == b"1"


@given(st.lists(st.tuples(st.sampled_from(("CREATE", "UPDATE", "DELETE")), st.floats(0, 3), st.booleans())))
def test_nothing_is_lost_and_the_place_never_runs_ahead(steps: list[tuple[str, float, bool]]) -> None:
    """Whatever comes when: everything is taken once, and all behind the place was taken before."""
    handfuls = Handfuls(b"\0\0")
    now, seen = 0.0, []
    for number, (kind, wait, takes) in enumerate(steps, 1):
        now += wait
        handfuls.add(notice(str(number), kind), number.to_bytes(2, "big"), now)
        if takes and (handful := handfuls.take(now)) is not None:
            seen += [int(one.record_ids[0]) for one in handful.notices]
            assert set(range(1, 1 + int.from_bytes(handful.replay_id, "big"))) <= set(seen)
    handful = handfuls.take(now + LONGEST_S)
    seen += [int(one.record_ids[0]) for one in handful.notices] if handful else []
    assert sorted(seen) == list(range(1, len(steps) + 1))
    assert handfuls.replay_id == len(steps).to_bytes(2, "big")


def test_a_new_event_waits_for_its_attendees_and_its_next_save_with_it() -> None:
    """What is saved right behind it is read with it; edits of others go ahead."""
    handfuls = Handfuls(b"0")
    handfuls.add(notice("a", "CREATE"), b"1", 0)
    handfuls.add(notice("b"), b"2", 0)
    handfuls.add(notice("a"), b"3", NEW_S / 2)
    assert taken(handfuls, NEW_S / 2) == (["b"], b"0")
    assert handfuls.due_in(NEW_S / 2) == NEW_S / 2
    assert taken(handfuls, NEW_S) == (["a", "a"], b"3")


def test_attendees_wait_for_each_other() -> None:
    """A relation alone would bring its event too early."""
    handfuls = Handfuls(b"0")
    handfuls.add(Notice("EventRelation", ("r",), "CREATE", NOW), b"1", 0)
    assert handfuls.take(NEW_S / 2) is None
    assert taken(handfuls, NEW_S) == (["r"], b"1")
