"""The headers of quarantined records say where and why, and nothing private."""

from __future__ import annotations

import pytest

from concord.guard.performing import FIRST_WAIT_S, LONGEST_WAIT_S, waiting_time
from concord.guard.quarantine import PREFIX, Reporter, error_headers, stack_places
from concord.guard.record import Record, from_faust, from_kafka
from schemas.errors import Refused, Throttled, Unavailable, UnreadableRecord

REPORTER = Reporter("concord-sink-graph", "worker-3", "concord.roles.sink.step", "TASK_PUT")
RECORD = Record("graph.commands", 2, 41, 1000, b"key", b"value", (("kept", b"\xff"), (PREFIX + "offset", b"old")))


def failed(error: Exception, private: str = "Lunch with Ada") -> Exception:
    """The error, raised in a frame that holds private text."""
    try:
        assert private
        raise error
    except type(error) as raised:
        return raised


def headers_of(error: Exception) -> dict[str, str]:
    """The error headers, without the prefix."""
    added = error_headers(RECORD, failed(error), REPORTER)
    return {name.removeprefix(PREFIX): value.decode() for name, value in added if name.startswith(PREFIX)}


def test_the_headers_name_place_stage_and_error() -> None:
    """Every header that Kafka Connect's tools read is there."""
    headers = headers_of(Refused("The service refuses the change."))
    assert headers.pop("exception.stacktrace").endswith(" failed")
    assert headers == {
        "topic": "graph.commands",
        "partition": "2",
        "offset": "41",
        "connector.name": "concord-sink-graph",
        "task.id": "worker-3",
        "stage": "TASK_PUT",
        "class.name": "concord.roles.sink.step",
        "exception.class.name": "schemas.errors.Refused",
        "exception.message": "The service refuses the change.",
    }


def test_words_of_a_service_stay_out_its_code_is_told() -> None:
    """Salesforce quotes the value that is too long; a code says what happened without it."""
    headers = headers_of(Refused("Subject: data value too large: Lunch with Ada", code="STRING_TOO_LONG"))
    assert headers["exception.message"] == "The service answered STRING_TOO_LONG."
    assert "Ada" not in repr(headers)


def test_unreadable_bytes_fail_in_the_converter() -> None:
    """What could not be decoded is told apart from what could not be done."""
    assert headers_of(UnreadableRecord("noise"))["stage"] == "VALUE_CONVERTER"


def test_foreign_messages_stay_out() -> None:
    """The text of an error that is not ours may hold anything: only its class is told, and places without values."""
    headers = headers_of(ValueError("Lunch with Ada"))
    assert headers["exception.message"] == "ValueError"
    assert headers["exception.class.name"] == "builtins.ValueError"
    assert "Ada" not in repr(headers)
    assert "test_quarantine" in headers["exception.stacktrace"]


def test_own_headers_stay_and_old_error_headers_go() -> None:
    """A record that is quarantined again keeps what it came with and tells of the newest failure only."""
    headers = error_headers(RECORD, failed(KeyError("x")), REPORTER)
    assert headers[0] == ("kept", b"\xff")
    assert [value for name, value in headers if name == PREFIX + "offset"] == [b"41"]


def test_a_deep_stack_keeps_its_innermost_places() -> None:
    """Headers stay small, and the line that failed is in them."""

    def deep(level: int) -> None:
        if level == 0:
            raise KeyError("x")
        deep(level - 1)

    with pytest.raises(KeyError) as caught:
        deep(100)
    places = stack_places(caught.value).splitlines()
    assert len(places) == 25
    assert places[-1].endswith(" deep")


def test_the_wait_doubles_with_jitter_and_obeys_the_service() -> None:
    """300 ms doubling to 60 s; Retry-After is a lower bound."""
    for tries, full in ((0, FIRST_WAIT_S), (3, FIRST_WAIT_S * 8), (50, LONGEST_WAIT_S)):
        waits = [waiting_time(Unavailable("away"), tries) for _ in range(50)]
        assert all(full * 0.75 <= wait <= full for wait in waits)
        assert len(set(waits)) > 1
    assert all(7.0 <= waiting_time(Throttled("slow", 7.0), 9) < 8.0 for _ in range(50))
    assert waiting_time(Throttled("slow", 0.0), 0) <= FIRST_WAIT_S


class Message:
    """What Faust and aiokafka hand over, as far as it is read."""

    def __init__(self, timestamp: float | None, headers: object) -> None:
        self.topic, self.partition, self.offset = "t", 1, 2
        self.key, self.value = b"k", None
        self.timestamp, self.headers = timestamp, headers


def test_a_record_is_the_same_however_it_came() -> None:
    """Faust counts seconds and may give headers as a mapping; the plain consumer counts milliseconds."""
    expected = Record("t", 1, 2, 1732470000123, b"k", None, (("id", b"7"),))
    assert from_faust(Message(1732470000.123, {"id": b"7"})) == expected
    assert from_faust(Message(1732470000.123, [("id", b"7")])) == expected
    assert from_kafka(Message(1732470000123, (("id", b"7"),))) == expected
    assert from_faust(Message(None, None)) == from_kafka(Message(None, ()))
