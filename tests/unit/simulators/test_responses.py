"""Answers of a simulated service as values: when they become bytes, and what may still change them."""

from __future__ import annotations

from simulators.http import Response


def test_json_becomes_bytes_once_and_stays_as_it_was_then() -> None:
    """Whoever reads an answer reads what it said then, whatever the service does to its own values afterwards."""
    row = {"name": "Ann"}
    sealed = Response.of_json(200, {"row": row}).sealed()
    sent = Response.of_json(200, {"row": row})
    assert sent.body == b'{"row":{"name":"Ann"}}'
    row["name"] = "Bob"
    assert [answer.json() for answer in (sealed, sent)] == [{"row": {"name": "Ann"}}] * 2


def test_other_headers_leave_status_and_body() -> None:
    """A JSON answer, a text and an empty one."""
    for answer in (Response.of_json(201, {"id": "1"}), Response.of_text(400, "No."), Response(204)):
        changed = answer.with_headers({"x": "y"})
        assert (changed.status, changed.headers, changed.body) == (answer.status, {"x": "y"}, answer.body)
        assert changed.is_empty is (answer.status == 204)


def test_what_is_held_reads_like_the_json() -> None:
    """For answers made of a value and for those made of bytes."""
    assert Response.of_json(200, [1]).held() == Response(200, {}, b"[1]").held() == [1]
