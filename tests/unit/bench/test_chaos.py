"""The verdict over a storm fails for whatever is wrong, and every kind of fault is brought about."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

pytest.importorskip("bench", reason="the benchmark is not part of the wheel")

from bench.chaos import Outcome, verdict_of
from bench.losses import losses
from bench.memory import FLAT_MIB_PER_MINUTE, Trend, growing, trends
from bench.plan import Kind
from bench.storms import BY_ITSELF, COMMANDS, PLANNED, kinds, schedule
from bench.watching import Expected, Meeting
from concord.comparison import Firm
from concord.demo_evidence import Evidence, Log
from schemas.changes import Side

START = datetime(2026, 3, 10, 9, 0, tzinfo=UTC)
LATER = START + timedelta(days=1)
OWN = "tessa@firm.example"


def firm(outlook: dict[str, tuple[str, datetime]], practifi: dict[str, tuple[str, datetime]]) -> Firm:
    """Both sides, with no more than what is asked for here: subject and start by iCalUId and by record id."""
    events = [
        {"id": uid, "iCalUId": uid, "subject": subject, "isOrganizer": True, "type": "singleInstance", "text": "",
         "start": {"dateTime": f"{start:%Y-%m-%dT%H:%M:%S}"}}
        for uid, (subject, start) in outlook.items()
    ]  # fmt: skip
    records = [
        {"Id": key, "Subject": subject, "StartDateTime": start.isoformat()}
        for key, (subject, start) in practifi.items()
    ]
    return Firm({OWN: events}, records, [], {}, {OWN: "005u"}, START, START, LATER)


def change(
    kind: Kind, meeting: Meeting, subject: str = "a", start: datetime = START, accepted: float | None = 1.0
) -> Expected:
    """A change of a meeting, accepted unless it is said."""
    return Expected(kind, Side.SALESFORCE, meeting, subject, start, accepted=accepted, is_refused=accepted is None)


def known() -> Meeting:
    """An event with its ids on both sides."""
    return Meeting("a", START, timedelta(hours=1), "m", "uid", "gid", "rec")


HELD = {"uid": ("a", START)}, {"rec": ("a", START)}


@pytest.mark.parametrize(
    ("changes", "held", "problems"),
    [
        ([(Kind.EDIT, "a", START)], HELD, 0),
        ([(Kind.EDIT, "b", START)], HELD, 2),
        ([(Kind.MOVE, "a", LATER)], ({"uid": ("a", LATER)}, {"rec": ("a", START)}), 1),
        ([(Kind.EDIT, "b", START), (Kind.EDIT, "a", START)], HELD, 0),
        ([(Kind.DELETE, "a", START)], HELD, 2),
        ([(Kind.DELETE, "a", START)], ({}, {}), 0),
        ([(Kind.CREATE, "a", START)], ({"uid": ("a", START)}, {}), 1),
    ],
    ids=["stands", "lost", "on one side", "the last counts", "still there", "gone", "not arrived"],
)
def test_every_accepted_change_must_stand(
    changes: list[tuple[Kind, str, datetime]], held: tuple[dict[str, Any], dict[str, Any]], problems: int
) -> None:
    """On both sides, the last of each event."""
    meeting = known()
    assert (
        len(losses([change(kind, meeting, subject, start) for kind, subject, start in changes], firm(*held)))
        == problems
    )


def test_a_refused_change_need_not_stand() -> None:
    """What a service did not accept never happened."""
    assert losses([change(Kind.EDIT, known(), "b", accepted=None)], firm(*HELD)) == []


@pytest.mark.parametrize(
    ("towards", "won", "is_lost"),
    [
        (Side.GRAPH, {"m:uid"}, False),
        (Side.GRAPH, {"s:rec"}, False),
        (Side.GRAPH, {"m:other"}, True),
        (Side.SALESFORCE, {"m:uid"}, True),
    ],
)
def test_only_practifi_may_lose_and_only_in_a_conflict(towards: Side, won: set[str], is_lost: bool) -> None:
    """What was done in Microsoft 365 stands whatever a decision says."""
    made = change(Kind.EDIT, known(), "b")
    made.towards = towards
    assert bool(losses([made], firm(*HELD), won)) is is_lost


def test_an_event_that_never_showed_is_looked_for_by_its_subject() -> None:
    """Its id on the other side is not known."""
    meeting = Meeting("a", START, timedelta(hours=1), "m", ical_uid="uid")
    made = [change(Kind.CREATE, meeting)]
    assert losses(made, firm({"uid": ("a", START)}, {"any": ("a", START)})) == []
    assert len(losses(made, firm({"uid": ("a", START)}, {}))) == 1


def test_memory_that_grows_is_told() -> None:
    """By the slope of the second half: what is taken at the start is no leak."""
    samples = [(float(at), {"steady": 100.0 + min(at, 100), "leaking": 50.0 + at / 30}) for at in range(0, 601, 5)]
    found = trends(samples)
    assert found["steady"] == Trend(100.0, 200.0, 200.0, 0.0)
    assert found["leaking"].slope == pytest.approx(2.0)
    (told,) = growing(found, ("steady", "leaking", "away"))
    assert told.startswith("memory of leaking grows by 2.0 MiB a minute")
    assert growing(trends(samples[:20]), ("steady", "leaking")) == []
    assert growing({"flat": Trend(1.0, 1.0, 1.0, FLAT_MIB_PER_MINUTE)}, ("flat",)) == []


def outcome(**other: Any) -> Outcome:
    """A storm after which all is well."""
    empty = firm({}, {})
    evidence = Evidence(empty, empty, Log(0, {}, {}, {}, Counter()), Counter())
    usual: dict[str, Any] = {"struck": dict.fromkeys(kinds(), 1), "memory": {}, "seconds": 10.0, "settled_s": 5.0}
    return Outcome(evidence, (), **(usual | other))


def test_all_is_well_when_nothing_is_wrong() -> None:
    """And only then."""
    assert verdict_of(outcome()).problems == ()


@pytest.mark.parametrize(
    ("other", "told"),
    [
        ({"struck": dict.fromkeys(kinds()[1:], 1)}, f"{kinds()[0][1]} of {kinds()[0][0]} never struck"),
        ({"settled_s": None}, "not settled"),
        ({"memory": {"reconcile": Trend(1.0, 1.0, 9.0, 2.0)}}, "memory of reconcile grows"),
        ({"changes": [change(Kind.EDIT, known())]}, "edit accepted, and not there"),
    ],
    ids=["a fault that never struck", "no rest", "memory", "loss"],
)
def test_whatever_is_wrong_is_told(other: dict[str, Any], told: str) -> None:
    """One problem each, so that the exit code is not 0."""
    changes = other.pop("changes", ())
    result = outcome(**other)
    result.changes = changes
    assert any(told in problem for problem in verdict_of(result).problems)


def test_each_kind_of_fault_is_named_once() -> None:
    """By service and name, planned, commanded or by itself."""
    assert len(set(kinds())) == len(kinds()) >= len(PLANNED) + len(BY_ITSELF)


def test_commands_are_spread_over_the_storm() -> None:
    """Each as often as it says, the last one early enough to be met."""
    plan = schedule(100.0, random.Random(1))
    assert Counter(one.name for _, one in plan) == {one.name: one.times for one in COMMANDS}
    assert 0.0 < plan[0][0] <= plan[-1][0] <= 90.0
    assert [at for at, _ in plan] == sorted(at for at, _ in plan)
