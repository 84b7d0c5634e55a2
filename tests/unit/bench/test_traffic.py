"""Which requests are counted, and as what."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import pytest

pytest.importorskip("bench", reason="the benchmark is not part of the wheel")

from bench.traffic import MICROSOFT, READ, SALESFORCE, SIGN_IN, WRITE, KindLog, costs, kind_of, rates
from simulators.http import Request

VERSION = "/services/data/v66.0"


def _bundle(member: str, *methods: str) -> bytes:
    return json.dumps({member: [{"method": method, "url": "/x"} for method in methods]}).encode()


@pytest.mark.parametrize(
    ("method", "path", "body", "kind"),
    [
        ("GET", "/v1.0/users/u/calendarView/delta", b"", READ),
        ("POST", "/v1.0/users/u/events", b"{}", WRITE),
        ("PATCH", "/v1.0/users/u/events/e", b"{}", WRITE),
        ("DELETE", "/v1.0/users/u/events/e", b"", WRITE),
        ("POST", "/v1.0/$batch", _bundle("requests", "GET", "GET"), READ),
        ("POST", "/v1.0/$batch", _bundle("requests", "GET", "PATCH"), WRITE),
        ("POST", f"{VERSION}/composite", _bundle("compositeRequest", "GET"), READ),
        ("POST", f"{VERSION}/composite", _bundle("compositeRequest", "GET", "POST"), WRITE),
        ("POST", f"{VERSION}/composite/sobjects", b"{}", WRITE),
        ("POST", "/t/oauth2/v2.0/token", b"grant_type=client_credentials", SIGN_IN),
        ("GET", "/t/v2.0/.well-known/openid-configuration", b"", SIGN_IN),
    ],
)
def test_a_request_is_known_by_what_it_does(method: str, path: str, body: bytes, kind: str) -> None:
    """A bundle of reads is a read although it is posted; one write among them makes it a write."""
    assert kind_of(method, path, body) == kind


def _record(log: KindLog, client: str, method: str = "GET") -> None:
    request = Request(method, "/v1.0/users", {}, b"", "http://localhost")
    log.record(request, 200, client, datetime(2026, 1, 1, tzinfo=UTC), (1.0, False))


def test_the_people_are_not_counted() -> None:
    """Requests of the measurement's own clients stay in the log, but not in what Concord costs."""
    log = KindLog()
    for client in ("concord", "5d0c0bd4", "outlook", "long-lived-token", "python-httpx/0.28.1"):
        _record(log, client)
    _record(log, "concord", "PATCH")
    assert log.kinds == {READ: 2, WRITE: 1}
    assert log.last_number == 6


def test_what_stands_inside_others_is_counted_one_by_one() -> None:
    """A batch of three and a plain request are four."""
    log = KindLog()
    _record(log, "concord")
    request = Request("POST", "/v1.0/$batch", {}, _bundle("requests", "GET", "GET", "PATCH"), "http://localhost")
    log.record(request, 200, "concord", datetime(2026, 1, 1, tzinfo=UTC), (1.0, False))
    assert (log.inner, log.kinds) == (4, {READ: 1, WRITE: 1})


def test_what_an_idle_concord_asks_is_taken_off_a_change() -> None:
    """60 reads in 10 s of which 2 a second come anyway are 40 for 20 changes; nothing goes below zero."""
    spent = Counter({(MICROSOFT, READ): 60, (SALESFORCE, WRITE): 30})
    idle = {(MICROSOFT, READ): 2.0, (SALESFORCE, READ): 5.0}
    rows: dict[Any, Any] = {(cost.service, cost.kind): cost for cost in costs(spent, idle, 10.0, 20)}
    assert rows[MICROSOFT, READ].per_change == 2.0
    assert rows[SALESFORCE, WRITE].per_change == 1.5
    assert rows[SALESFORCE, READ].per_change == 0.0
    assert len(rows) == 6


def test_no_change_costs_nothing() -> None:
    """A stretch in which nothing was accepted has no cost per change, rather than an endless one."""
    assert {cost.per_change for cost in costs(Counter({(MICROSOFT, READ): 5}), {}, 1.0, 0)} == {0.0}


def test_rates_are_per_second() -> None:
    """Ten requests in 20 s are half a request a second."""
    assert rates(Counter({(MICROSOFT, READ): 10}), 20.0) == {(MICROSOFT, READ): 0.5}
