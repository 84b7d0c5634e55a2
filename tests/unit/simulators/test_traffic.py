"""The request log: routes, totals, and reading on from a number."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from simulators.http import Request
from simulators.traffic import RequestLog, route

NOW = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1.0/users/7d1f5b0e-2c44-4e0b-9a51-0c9c3b1f7a10/events", "/v1.0/users/{id}/events"),
        ("/v1.0/users/tom.reyes@firm.example/calendarView/delta", "/v1.0/users/{id}/calendarView/delta"),
        ("/v1.0/users/x/events/AAMkADQxEvt1AAAAAAAAAAAAAAAAAAA=", "/v1.0/users/x/events/{id}"),
        ("/services/data/v66.0/sobjects/Event/00U5g00000AbCdEEAV", "/services/data/v66.0/sobjects/Event/{id}"),
        ("/services/data/v66.0/sobjects/Event/describe", "/services/data/v66.0/sobjects/Event/describe"),
        ("/services/data/v66.0/composite/sobjects", "/services/data/v66.0/composite/sobjects"),
        ("/services/oauth2/token", "/services/oauth2/token"),
    ],
)
def test_ids_are_folded_and_words_are_kept(path: str, expected: str) -> None:
    """Calls of one kind count under one route."""
    assert route(path) == expected


def test_totals_outlive_the_kept_requests() -> None:
    """Only the latest requests are kept one by one; totals count all, by client and status."""
    log = RequestLog(kept=3)
    for number in range(5):
        log.record(Request("GET", f"/a?n={number}"), 200, "tester", NOW, (1.0, False))
    log.record(Request("POST", "/b"), 503, "other", NOW, (1.0, True))
    answer = log.as_json()
    assert answer["total"] == 6
    assert answer["by_client"] == {"other": 1, "tester": 5}
    assert answer["by_status"] == {"200": 5, "503": 1}
    assert [entry["query"] for entry in answer["requests"]] == ["n=3", "n=4", ""]
    assert answer["requests"][-1]["fault"]


def test_a_reader_goes_on_where_it_stopped() -> None:
    """`since` gives what came later, oldest first, also across a clear."""
    log = RequestLog()
    for number in range(4):
        log.record(Request("GET", f"/{number}"), 200, "tester", NOW, (1.0, False))
    assert [entry["path"] for entry in log.as_json(since=2)["requests"]] == ["/2", "/3"]
    assert [entry["path"] for entry in log.as_json(since=0, limit=2)["requests"]] == ["/0", "/1"]
    mark = log.last_number
    log.clear()
    log.record(Request("GET", "/later"), 200, "tester", NOW, (1.0, False))
    assert [entry["path"] for entry in log.as_json(since=mark)["requests"]] == ["/later"]
    assert log.as_json(client="nobody")["requests"] == []
