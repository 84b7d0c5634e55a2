"""Requests and what their answers mean."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graph_driver import Script
from support.salesforce_driver import refusal, reply, rows, saved, to_request, together, unsaved

from connectors.exchange import Call, Reply, run
from connectors.salesforce import wire
from schemas.errors import (
    AuthRejected,
    Gone,
    Refused,
    ResyncNeeded,
    ServiceError,
    Stale,
    Throttled,
    Unavailable,
)

MEANINGS: list[tuple[int, str, type[ServiceError]]] = [
    (400, "UNABLE_TO_LOCK_ROW", Throttled),
    (403, "REQUEST_LIMIT_EXCEEDED", Throttled),
    (500, "REQUEST_RUNNING_TOO_LONG", Throttled),
    (503, "SERVER_UNAVAILABLE", Throttled),
    (400, "QUERY_TIMEOUT", Throttled),
    (400, "PROCESSING_HALTED", Throttled),
    (400, "ALL_OR_NONE_OPERATION_ROLLED_BACK", Throttled),
    (401, "INVALID_SESSION_ID", AuthRejected),
    (401, "", AuthRejected),
    (403, "API_DISABLED_FOR_ORG", AuthRejected),
    (400, "INVALID_FIELD", AuthRejected),
    (400, "INVALID_TYPE", AuthRejected),
    (400, "INVALID_QUERY_LOCATOR", ResyncNeeded),
    (412, "PRECONDITION_FAILED", Stale),
    (404, "NOT_FOUND", Gone),
    (404, "ENTITY_IS_DELETED", Gone),
    (400, "ENTITY_IS_DELETED", Gone),
    (404, "INVALID_CROSS_REFERENCE_KEY", Gone),
    (400, "INVALID_CROSS_REFERENCE_KEY", Refused),
    (400, "FIELD_INTEGRITY_EXCEPTION", Refused),
    (400, "STRING_TOO_LONG", Refused),
    (403, "INSUFFICIENT_ACCESS", Refused),
    (414, "URI_TOO_LONG", Refused),
    (500, "UNKNOWN_EXCEPTION", Unavailable),
    (502, "", Unavailable),
    (420, "", Unavailable),
    (400, "UNKNOWN_EXCEPTION", Refused),
]


@pytest.mark.parametrize(("status", "code", "kind"), MEANINGS)
def test_what_an_error_means(status: int, code: str, kind: type[ServiceError]) -> None:
    """Wait, let a person act, read again, give up, or ask what became of it."""
    with pytest.raises(ServiceError) as caught:
        wire.read(refusal(status, code, "In their words.") if code else Reply(status, {}, b"[]"))
    assert type(caught.value) is kind
    assert caught.value.status == status
    if code:
        assert caught.value.code == code
        assert caught.value.what == "In their words."


def test_waits_differ() -> None:
    """The day's allowance comes back slowly, a row lock and too many requests at one moment pass quickly."""
    daily = wire.error_of("REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.", 403)
    moment = wire.error_of(
        "REQUEST_LIMIT_EXCEEDED", "ConcurrentRequests (Concurrent API Requests) Limit exceeded.", 403
    )
    lock = wire.error_of("UNABLE_TO_LOCK_ROW", "", 400)
    waits = [error.wait_s for error in (lock, moment, daily) if isinstance(error, Throttled)]
    assert waits == sorted(waits)
    assert len(set(waits)) == 3


def test_a_lock_that_a_trigger_met_is_a_lock() -> None:
    """The code is then that of the trigger."""
    words = "EventTrigger: execution of AfterUpdate caused by: UNABLE_TO_LOCK_ROW, unable to obtain exclusive access"
    assert isinstance(wire.error_of("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", words), Throttled)


def test_only_a_503_says_that_nothing_was_done() -> None:
    """Any other answer from an edge leaves it open."""
    for status, was_sent in ((503, False), (500, True), (502, True), (504, True)):
        error = wire.error_of("", "", status)
        assert isinstance(error, Unavailable)
        assert error.was_sent is was_sent


@pytest.mark.parametrize("status", [200, 201, 400, 401, 404, 500, 502])
def test_an_answer_that_is_not_json_is_unclear(status: int) -> None:
    """An error page of something in between says nothing about the request."""
    with pytest.raises(Unavailable) as caught:
        wire.read(Reply(status, {}, b"<html>"))
    assert caught.value.was_sent
    assert caught.value.status == status


def test_long_words_are_cut() -> None:
    """A refused text must not reach the log whole."""
    error = wire.error_of("STRING_TOO_LONG", "Subject: data value too large: " + "x" * 40_000)
    assert len(error.what) == wire.MESSAGE_LENGTH_MAX


def test_collection_items_each_have_their_own_end() -> None:
    """In their order; one without words or code is refused too."""
    answer = reply(
        200, [saved("1"), unsaved("ENTITY_IS_DELETED"), {"success": False, "errors": []}, unsaved("X", "why")]
    )
    found = wire.read_saved(answer)
    assert [(item.id, type(item.error)) for item in found] == [
        ("1", type(None)), ("", Gone), ("", Refused), ("", Refused),
    ]  # fmt: skip
    assert [type(error) for error in wire.errors_in(answer)] == [Gone, Refused, Refused]
    assert wire.errors_in(Reply(204)) == []
    assert [type(error) for error in wire.errors_in(refusal(412, "X"))] == [Stale]


@pytest.mark.parametrize("value", [{"hello": 1}, {}, {"compositeResponse": []}, {"compositeResponse": {}}])
def test_an_answer_of_another_kind_is_unclear(value: Any) -> None:
    """A collection or composite that is answered with something else."""
    with pytest.raises(Unavailable):
        wire.read_saved(reply(200, value))
    with pytest.raises(Unavailable):
        wire.read_composite(reply(200, value), 2)


@given(st.text(max_size=40))
def test_a_quoted_text_holds_its_literal_together(text: str) -> None:
    """No quote ends it, no backslash escapes what follows, no line ends inside."""
    literal = wire.quoted(text)
    assert (literal[0], literal[-1]) == ("'", "'")
    inner = literal[1:-1]
    assert "\n" not in inner
    assert "\r" not in inner
    plain, position = "", 0
    while position < len(inner):
        if inner[position] == "\\":
            plain += {"n": "\n", "r": "\r"}.get(inner[position + 1], inner[position + 1])
            position += 2
        else:
            assert inner[position] != "'"
            plain += inner[position]
            position += 1
    assert plain == text


@given(st.lists(st.text(min_size=1, max_size=255), max_size=60))
def test_lists_of_texts_fit_into_a_uri(values: list[str]) -> None:
    """None is left out, none comes twice, and each list stays below what a URI may have."""
    runs = wire.text_chunks(values)
    assert [value for run_ in runs for value in run_] == values
    for run_ in runs:
        size = len(quote(wire.in_list(run_), safe=""))
        assert len(run_) == 1 or size <= wire.LIST_BYTES_MAX + 10


def test_times_are_written_in_utc() -> None:
    """Whatever zone they come in; the deletion log takes an offset that a URI must encode."""
    sydney = datetime(2026, 5, 21, 23, 30, 15, 999_000, timezone(timedelta(hours=10)))
    assert wire.instant(sydney) == "2026-05-21T13:30:15Z"
    call = wire.deleted("Event", sydney, sydney + timedelta(hours=1))
    target = to_request(call, "t").target
    assert "start=2026-05-21T13%3A30%3A15%2B00%3A00" in target
    change = wire.change("Event", "1", {}, unmodified_since=sydney)
    assert change.headers == {"If-Unmodified-Since": "Thu, 21 May 2026 13:30:15 GMT"}


def query(number: int) -> Call:
    """One of several queries."""
    return wire.soql(f"SELECT Id FROM User WHERE Name = '{number} + %'", everything=number % 2 == 1)


def test_requests_go_together_in_their_order() -> None:
    """A composite names each with its version, method, encoded query, headers and body."""
    calls = [
        query(1),
        wire.change("Event", "1", {"Location": None}, unmodified_since=datetime(2026, 5, 21, tzinfo=UTC)),
        wire.delete(["1", "2"]),
        wire.next_page("/services/data/v66.0/query/01g-200"),
    ]
    body = wire.composite(calls, all_or_none=True).body
    assert body["allOrNone"] is True
    first, second, third, fourth = body["compositeRequest"]
    assert parse_qs(urlsplit(first["url"]).query) == {"q": ["SELECT Id FROM User WHERE Name = '1 + %'"]}
    assert first["url"].startswith("/services/data/v66.0/queryAll?q=SELECT%20Id")
    assert (second["method"], second["body"]) == ("PATCH", {"Location": None})
    assert second["httpHeaders"]["If-Unmodified-Since"].endswith("GMT")
    assert (third["method"], "body" in third) == ("DELETE", False)
    assert fourth["url"] == "/services/data/v66.0/query/01g-200"
    assert len({request["referenceId"] for request in body["compositeRequest"]}) == 4


def send_all(calls: list[Call]) -> tuple[list[list[int]], list[Any]]:
    """Which of these calls go together, and the answers in order."""
    sent: list[list[int]] = []
    numbers = {id(call): number for number, call in enumerate(calls)}

    def send(call: Call) -> Reply:
        if call.path != wire.COMPOSITE:
            sent.append([numbers[id(call)]])
            return reply(200, {"n": numbers[id(call)]})
        start = sum(map(len, sent))
        inside = list(range(start, start + len(call.body["compositeRequest"])))
        sent.append(inside)
        return together(*(reply(200, {"n": number}) for number in inside))

    answers = [answer.json()["n"] for answer in run(wire.together(calls), send)]
    return sent, answers


@given(st.lists(st.sampled_from(["query", "get", "collection", "reference"]), max_size=60))
def test_composites_stay_within_the_limits(kinds: list[str]) -> None:
    """At most 25 requests, five of them queries or collections; no answer is lost or out of place."""
    make = {
        "query": lambda: query(1),
        "get": lambda: wire.get("Event", "1", ("Id",)),
        "collection": lambda: wire.delete(["1"]),
        "reference": lambda: wire.change("Event", "1", {"Subject": "@{r0.id}"}),
    }
    calls = [make[kind]() for kind in kinds]
    sent, answers = send_all(calls)
    assert answers == list(range(len(calls)))
    for group in sent:
        assert len(group) <= wire.COMPOSITE_MAX
        assert sum(kinds[number] in {"query", "collection"} for number in group) <= wire.COSTLY_MAX
        assert len(group) == 1 or "reference" not in {kinds[number] for number in group}


def test_few_requests_are_one() -> None:
    """Nothing is sent when there is nothing to ask; a single request goes by itself."""
    assert send_all([])[0] == []
    assert send_all([query(1)])[0] == [[0]]
    assert send_all([query(1), query(2), query(3)])[0] == [[0, 1, 2]]


def test_rows_of_several_queries_go_on_behind_their_pages() -> None:
    """Each query's own rows, whichever of them have more pages."""
    first = reply(200, {"done": False, "nextRecordsUrl": "/services/data/v66.0/query/01gA-1", "records": [{"n": 1}]})
    script = Script([together(first, rows({"n": 5})), rows({"n": 2})])
    assert run(wire.rows_of_each([query(1), query(2)]), script) == [[{"n": 1}, {"n": 2}], [{"n": 5}]]
    assert script.is_used_up


def test_an_error_inside_a_composite_is_that_requests_own() -> None:
    """The others keep their answers."""
    script = Script([together(rows({"n": 1}), refusal(400, "QUERY_TIMEOUT"))])
    good, bad = run(wire.together([query(1), query(2)]), script)
    assert wire.read(good)["records"] == [{"n": 1}]
    with pytest.raises(Throttled):
        wire.read(bad)
