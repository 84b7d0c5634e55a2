"""Planned faults: which request they strike, how often, and what a bad plan is told."""

from __future__ import annotations

import pytest

from simulators.faults import Cut, Fault, FaultPlan, read_fault
from simulators.http import Request


def asked(target: str, method: str = "GET") -> Request:
    """A request for `target`."""
    return Request(method, target)


def test_a_fault_strikes_the_next_n_matching_requests() -> None:
    """After `skip` matching requests pass, `count` are struck; others do not use it up."""
    plan = FaultPlan()
    fault = Fault(path="/events", method="POST", count=2, skip=1, status=503)
    plan.add(fault)
    assert plan.match(asked("/users", "POST")) is None
    assert plan.match(asked("/events")) is None
    struck = [plan.match(asked("/events", "POST")) for _ in range(5)]
    assert struck == [None, fault, fault, None, None]
    assert plan.pending == 0
    assert plan.listing()[0]["struck"] == 2


def test_a_fault_may_be_meant_for_one_client() -> None:
    """Others pass and do not use it up."""
    plan = FaultPlan()
    plan.add(Fault(client="concord", status=503))
    assert [plan.match(asked("/a"), who) is not None for who in ("outlook", "", "concord/1", "concord")] == [
        False, False, True, False,
    ]  # fmt: skip


def test_the_first_planned_of_two_strikes_first() -> None:
    """Faults are used up in the order they were planned, one per request."""
    plan = FaultPlan()
    first, second = Fault(status=500), Fault(status=429)
    plan.add(first)
    plan.add(second)
    assert [plan.match(asked("/a")), plan.match(asked("/a")), plan.match(asked("/a"))] == [first, second, None]


@pytest.mark.parametrize(
    ("path", "target", "matches"),
    [
        ("", "/anything", True),
        ("/$batch", "/v1.0/$batch", True),
        ("/delta?$deltatoken", "/v1.0/users/1/calendarView/delta?$deltatoken=x", True),
        (r"/users/[^/]+/events$", "/v1.0/users/tom/events", True),
        (r"/users/[^/]+/events$", "/v1.0/users/tom/events/1", False),
    ],
)
def test_a_path_is_plain_text_or_a_regular_expression(path: str, target: str, matches: bool) -> None:
    """Paths with a dollar or a question mark work as they are written."""
    assert Fault(path=path, status=500).matches(asked(target)) is matches


def test_only_an_answer_before_the_effect_spares_the_service() -> None:
    """A status or cut before the effect means that nothing happened; after it, that it did."""
    assert not Fault(status=500).has_effect
    assert Fault(status=500, after_effect=True).has_effect
    assert not Fault(cut=Cut.BEFORE).has_effect
    assert Fault(cut=Cut.AFTER).has_effect
    assert Fault(delay_s=1).has_effect


def test_a_planned_answer_is_what_was_asked() -> None:
    """Status, headers and body are the plan's; a JSON body is sent as JSON."""
    fault = read_fault({"status": 429, "headers": {"Retry-After": "2"}, "body": {"error": {"code": "x"}}})
    answer = fault.answer()
    assert answer is not None
    assert (answer.status, answer.headers["retry-after"]) == (429, "2")
    assert answer.json() == {"error": {"code": "x"}}
    assert "json" in answer.headers["content-type"]


@pytest.mark.parametrize(
    ("plan", "words"),
    [
        (3, ["JSON object"]),
        ({}, ["one of status, cut and delay_s"]),
        ({"stauts": 500, "count": "two"}, ["unknown member 'stauts'", "count is 'two'"]),
        ({"status": 99, "count": 0, "delay_s": -1}, ["status is not", "count is below 1", "delay_s is not"]),
        ({"cut": "middle"}, ["not before or after"]),
        ({"status": 500, "path": "("}, ["not a regular expression"]),
        ({"status": True}, ["status is True"]),
    ],
)
def test_a_bad_plan_names_every_problem(plan: object, words: list[str]) -> None:
    """All problems of a plan are in one message."""
    with pytest.raises(ValueError) as caught:  # noqa: PT011  # the words are checked below
        read_fault(plan)
    assert [word for word in words if word not in str(caught.value)] == []
