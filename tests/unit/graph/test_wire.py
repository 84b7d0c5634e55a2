"""What each of Graph's answers means, and how its requests are written."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from support.graph_driver import batch_reply, refusal, reply

from connectors.exchange import Reply
from connectors.graph import wire
from schemas.errors import AuthRejected, Gone, Refused, ResyncNeeded, ServiceError, Stale, Throttled, Unavailable

START = datetime(2026, 3, 1, tzinfo=UTC)

MEANINGS = [
    (400, "ErrorInvalidRequest", Refused),
    (400, "ErrorPropertyValidationFailure", Refused),
    (400, "ErrorInvalidIdMalformed", Refused),
    (400, "ErrorDuplicateTransactionId", wire.DuplicateCreate),
    (409, "ErrorDuplicateTransactionId", wire.DuplicateCreate),
    (400, "SyncStateInvalid", ResyncNeeded),
    (401, "InvalidAuthenticationToken", AuthRejected),
    (403, "ErrorAccessDenied", AuthRejected),
    (404, "ErrorItemNotFound", Gone),
    (404, "MailboxNotEnabledForRESTAPI", Refused),
    (404, "ErrorInvalidUser", Refused),
    (404, "ResourceNotFound", Refused),
    (408, "RequestTimeout", Unavailable),
    (409, "ErrorFolderExists", Refused),
    (409, "ErrorIrresolvableConflict", Stale),
    (410, "SyncStateNotFound", ResyncNeeded),
    (410, "anythingElse", ResyncNeeded),
    (412, "ErrorIrresolvableConflict", Stale),
    (413, "RequestEntityTooLarge", Refused),
    (424, "FailedDependency", Throttled),
    (429, "ApplicationThrottled", Throttled),
    (500, "ErrorInternalServerError", Unavailable),
    (502, "BadGateway", Unavailable),
    (503, "ServiceUnavailable", Unavailable),
    (504, "UnknownError", Unavailable),
    (507, "ErrorQuotaExceeded", Refused),
    (509, "BandwidthLimitExceeded", Throttled),
]


@pytest.mark.parametrize(("status", "code", "kind"), MEANINGS)
@pytest.mark.parametrize("spell", [str, str.lower, str.upper])
def test_each_answer_means_one_error(status: int, code: str, kind: type[ServiceError], spell: type[str]) -> None:
    """Status and code decide the error, whatever the case of the code; code and status are kept as sent."""
    error = wire.error_of(refusal(status, spell(code)))
    assert type(error) is kind
    assert (error.code, error.status) == (spell(code), status)


@pytest.mark.parametrize("status", [400, 404, 405, 413, 415, 429, 500, 502, 503, 504, 302, 0])
@pytest.mark.parametrize("body", [b"", b"<html>Bad Gateway</html>", b"[]", b'{"error": null}', b"\xff\xfe"])
def test_an_answer_without_graphs_error_never_counts_as_not_found(status: int, body: bytes) -> None:
    """A proxy's page or an empty body is never a deleted event and never a dead cursor."""
    error = wire.error_of(Reply(status, {}, body))
    assert not isinstance(error, Gone | ResyncNeeded | Stale)


@pytest.mark.parametrize(("status", "was_sent"), [(500, True), (502, True), (504, True), (503, False), (404, False)])
def test_an_unavailable_service_says_whether_the_write_may_have_happened(status: int, was_sent: bool) -> None:
    """5xx leaves a write unclear; 503 and a stray 4xx say that it was not carried out."""
    error = wire.error_of(Reply(status, {}, b"<html>"))
    assert isinstance(error, Unavailable)
    assert error.was_sent is was_sent


@pytest.mark.parametrize(
    ("header", "wait_s"),
    [("5", 5.0), ("2.128", 2.128), ("0", 0.0), ("", 10.0), ("soon", 10.0), ("-3", 10.0), ("inf", 10.0), ("nan", 10.0)],
)
def test_retry_after_is_read_as_fractional_seconds(header: str, wait_s: float) -> None:
    """Fractions occur; what is no number of seconds counts as the default wait."""
    error = wire.error_of(refusal(429, "TooManyRequests", {"retry-after": header}))
    assert isinstance(error, Throttled)
    assert error.wait_s == wait_s


def test_a_503_that_names_a_time_is_obeyed_like_throttling() -> None:
    """503 with Retry-After is a wait, so that the service is left alone for that long."""
    error = wire.error_of(refusal(503, "ServiceUnavailable", {"retry-after": "7"}))
    assert isinstance(error, Throttled)
    assert error.wait_s == 7.0


def test_a_good_answer_that_is_not_json_is_unclear() -> None:
    """A 200 from something in between says nothing about whether Graph did the work."""
    with pytest.raises(Unavailable) as caught:
        wire.read(Reply(200, {}, b"<html>welcome</html>"))
    assert caught.value.was_sent


@pytest.mark.parametrize("where", ["beside", "inner", "inner_lower", "nowhere"])
def test_the_event_behind_a_used_transaction_id_is_found(where: str) -> None:
    """Graph names it beside the code or inside the inner error, or not at all."""
    named = {"@event.existingEventId": "AAMk="}
    extra = {"beside": named, "inner": {"innerError": named}, "inner_lower": {"innererror": named}, "nowhere": {}}
    error = wire.error_of(refusal(400, "ErrorDuplicateTransactionId", **extra[where]))
    assert isinstance(error, wire.DuplicateCreate)
    assert error.existing_id == ("" if where == "nowhere" else "AAMk=")


def test_ids_are_encoded_in_paths() -> None:
    """Item ids may hold slashes and plus signs, and an address may stand in for a user id."""
    call = wire.get_event("tom o'neil@firm.example", "AA/k+D=?")
    assert call.path == "/users/tom%20o%27neil%40firm.example/events/AA%2Fk%2BD%3D%3F"


def test_every_read_of_an_event_asks_for_utc_text_and_our_tag() -> None:
    """Otherwise times come in the mailbox's zone, bodies as html, and the tag not at all."""
    for call in (wire.get_event("m", "e"), wire.find_tagged("m", "k")):
        assert call.headers["prefer"] == 'outlook.timezone="UTC", outlook.body-content-type="text"'
        assert wire.PAIR_TAG in call.params["$expand"]
    assert 'outlook.body-content-type="html"' in wire.get_event_html("m", "e").headers["prefer"]


def test_the_delta_window_is_written_in_utc() -> None:
    """The window's offset counts, so it must be UTC; years below 1000 keep four digits."""
    eastern = timezone(timedelta(hours=10))
    call = wire.delta("m", datetime(2026, 3, 1, 10, tzinfo=eastern), datetime(999, 1, 1, tzinfo=UTC), 25)
    assert call.params == {"startDateTime": "2026-03-01T00:00:00Z", "endDateTime": "0999-01-01T00:00:00Z"}
    assert call.headers["prefer"].endswith("odata.maxpagesize=25")
    assert not {"$select", "$expand", "$filter"} & set(call.params)


def test_a_link_goes_back_unchanged() -> None:
    """Links are opaque: no option of ours is added."""
    link = "https://graph.test/v1.0/users/m/calendarView/delta?$deltatoken=a%2Fb"
    call = wire.follow(link, "m", 10)
    assert (call.path, call.params) == (link, {})


def test_a_pair_key_is_quoted_for_the_filter() -> None:
    """A quote in a key is doubled, so it cannot end the literal."""
    assert "ep/value eq 'a''b'" in wire.find_tagged("m", "a'b").params["$filter"]


def test_the_tag_is_read_whatever_the_case_of_its_id() -> None:
    """Graph returns the property's GUID in its own spelling; other properties are not ours."""
    other = {"id": "String {00000000-0000-0000-0000-000000000000} Name X", "value": "no"}
    ours = {"id": wire.PAIR_TAG.replace("6f3d", "6F3D"), "value": "s:00U1"}
    assert wire.tag_of({"singleValueExtendedProperties": [None, other, ours]}) == "s:00U1"
    for absent in ({}, {"singleValueExtendedProperties": None}, {"singleValueExtendedProperties": [other]}):
        assert wire.tag_of(absent) == ""


def test_a_create_needs_its_key() -> None:
    """A create without a transactionId could not be repeated, so it is not built."""
    with pytest.raises(AssertionError):
        wire.create_event("m", {"subject": "x"})


def test_a_batch_carries_path_query_headers_and_body_of_each_call() -> None:
    """Items are relative to the version root, with their own Prefer; a body brings its content type."""
    call = wire.batch([wire.get_event("m", "e 1"), wire.patch_event("m", "e2", {"subject": "x"}, 'W/"1"')])
    first, second = call.body["requests"]
    assert (call.method, call.path, call.mailbox) == ("POST", "/$batch", "m")
    assert first["url"].startswith("/users/m/events/e%201?%24expand=singleValueExtendedProperties")
    assert "outlook.timezone" in first["headers"]["prefer"]
    assert second["headers"]["if-match"] == 'W/"1"'
    assert second["headers"]["content-type"] == "application/json"
    assert second["body"] == {"subject": "x"}


@pytest.mark.parametrize("count", [0, 21])
def test_a_batch_holds_one_to_twenty(count: int) -> None:
    """Graph refuses more, and an empty one says nothing."""
    with pytest.raises(AssertionError):
        wire.batch([wire.get_event("m", "e")] * count)


def test_batch_answers_are_put_in_order_and_missing_ones_shown() -> None:
    """Answers come in any order, may lack one, and may name an id that was never asked."""
    responses = [
        {"id": "2", "status": 404, "headers": {"Retry-After": "3"}, "body": {"error": {"code": "x"}}},
        {"id": "0", "status": 200, "body": {"id": "a"}},
        {"id": "7", "status": 200},
        {"id": None},
        "nonsense",
    ]
    answers = wire.read_batch(reply(200, {"responses": responses}), 3)
    assert [answer.status if answer else None for answer in answers] == [200, None, 404]
    assert answers[2] is not None
    assert answers[2].headers == {"retry-after": "3"}
    assert answers[2].json() == {"error": {"code": "x"}}


@pytest.mark.parametrize("body", [b"", b"[]", b'{"responses": 1}', b"<html>"])
def test_a_batch_answer_without_responses_is_unavailable(body: bytes) -> None:
    """A cut-off answer must not read as twenty missing events."""
    with pytest.raises(Unavailable):
        wire.read_batch(Reply(200, {}, body), 2)


def test_a_refused_batch_raises_as_a_whole() -> None:
    """400 for the envelope concerns every item."""
    with pytest.raises(Refused):
        wire.read_batch(refusal(400, "BadRequest"), 2)


def test_the_longest_wait_of_a_batch_counts() -> None:
    """Throttled items carry their own Retry-After; the mailbox rests for the longest of them."""
    items = [
        refusal(429, "x", {"Retry-After": "2"}),
        reply(200, {"id": "429"}),
        refusal(429, "x", {"Retry-After": "4.5"}),
    ]
    assert wire.asked_wait_s(batch_reply(*items)) == 4.5
    assert wire.asked_wait_s(batch_reply(reply(200, {"id": "429"}))) == 0.0
    assert wire.asked_wait_s(refusal(429, "x", {"retry-after": "3"})) == 3.0
    assert wire.asked_wait_s(reply(200, {"subject": "429"})) == 0.0
    assert wire.asked_wait_s(Reply(200, {}, b'"responses" 429')) == 0.0


def test_kinds_of_requests_name_nobody() -> None:
    """Kinds are for counting: no id and no address appears in them."""
    link = "https://graph.test/v1.0/users/m/calendarView/delta?$deltatoken=x"
    calls = [
        (wire.delta("tom@x", START, START, 5), "delta"),
        (wire.follow(link, "m", 5), "delta"),
        (wire.get_event("tom@x", "e"), "event get"),
        (wire.patch_event("m", "e", {}, ""), "event patch"),
        (wire.delete_event("m", "e", ""), "event delete"),
        (wire.find_tagged("m", "k"), "event get"),
        (wire.batch([wire.get_event("m", "e")]), "batch"),
        (wire.get_calendar("m"), "calendar"),
        (wire.users(), "users"),
        (wire.rooms(), "rooms"),
        (wire.delete_subscription("s", "m"), "subscription delete"),
    ]
    assert [wire.kind_of(call) for call, _ in calls] == [kind for _, kind in calls]
