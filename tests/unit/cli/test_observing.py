"""Logs: one line each on standard error, no private text, no chatter of libraries."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest
import structlog
from support.log_lines import lines, restored_logging

from concord.observing import configure_logs
from schemas.errors import ConcordError


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    """Other tests share the process."""
    with restored_logging():
        yield


def test_one_json_object_a_line_when_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    """What structlog and the standard library say comes out alike, with time, level and logger."""
    configure_logs("INFO", is_terminal=False)
    structlog.get_logger("concord.x").info("caught up", offset=7)
    logging.getLogger("concord.guard").warning("held %d records", 3)
    first, second = lines(capsys)
    assert (first["message"], first["offset"], first["level"], first["logger"]) == ("caught up", 7, "info", "concord.x")
    assert (second["message"], second["level"]) == ("held 3 records", "warning")
    assert first["timestamp"].endswith("Z")


def test_level_holds_for_both_kinds_of_logger(capsys: pytest.CaptureFixture[str]) -> None:
    """Below the level nothing comes out."""
    configure_logs("WARNING", is_terminal=False)
    structlog.get_logger("concord.x").info("quiet")
    logging.getLogger("concord.guard").info("quiet")
    structlog.get_logger("concord.x").warning("loud")
    assert [line["message"] for line in lines(capsys)] == ["loud"]


@pytest.mark.parametrize(
    "name", ["httpx", "httpcore.connection", "msal.application", "faust.app", "mode", "aiokafka.x"]
)
def test_libraries_are_heard_from_warning_on(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """At INFO httpx prints URLs with ids, and msal claims of tokens; even at DEBUG, and even if a library lowers its
    own level afterwards, they do not come out."""
    configure_logs("DEBUG", is_terminal=False)
    logging.getLogger(name).setLevel(logging.DEBUG)
    logging.getLogger(name).info("GET /users/ann@firm.example")
    logging.getLogger(name).warning("connection lost")
    logging.getLogger(name).setLevel(logging.NOTSET)
    assert [line["message"] for line in lines(capsys)] == ["connection lost"]


@pytest.mark.parametrize("is_terminal", [True, False])
def test_exception_is_told_by_class_and_place_not_by_its_text(
    is_terminal: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """The text of somebody's exception may quote a record (I9)."""
    configure_logs("INFO", is_terminal=is_terminal)
    try:
        int("Surgery with Dr Grey")
    except ValueError:
        structlog.get_logger("concord.x").exception("step failed")
        logging.getLogger("concord.guard").exception("step failed")
    err = capsys.readouterr().err
    assert "Surgery" not in err
    assert err.count("ValueError") == 2
    assert __name__ in err


def test_our_own_errors_keep_their_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    """A ConcordError was written for people and holds nothing private."""
    configure_logs("INFO", is_terminal=False)
    try:
        raise ConcordError("The broker is away.", "Wait.")
    except ConcordError:
        structlog.get_logger("concord.x").exception("stopped")
    [line] = lines(capsys)
    assert (line["error"], line["problem"]) == ("ConcordError", "The broker is away.")


def test_a_second_call_replaces_the_first(capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is logged twice."""
    configure_logs("INFO", is_terminal=False)
    configure_logs("INFO", is_terminal=False)
    structlog.get_logger("concord.x").info("once")
    assert len(lines(capsys)) == 1


@pytest.mark.parametrize(
    ("form", "is_terminal", "is_json"),
    [("", False, True), ("", True, False), ("json", True, True), ("text", False, False)],
)
def test_the_form_is_as_asked_for_else_by_who_watches(
    form: str, is_terminal: bool, is_json: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    """JSON where a machine collects it, whatever standard error is; text for a person who looks at a file."""
    configure_logs("INFO", form, is_terminal=is_terminal)
    structlog.get_logger("concord.x").info("caught up", offset=7)
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("{") == is_json
    assert "caught up" in line


def test_what_a_line_says_beside_its_words_comes_out_as_fields(capsys: pytest.CaptureFixture[str]) -> None:
    """Also from the standard library's loggers, which the guard uses."""
    configure_logs("INFO", "json")
    logging.getLogger("concord.guard").warning("goes to quarantine", extra={"pair_key": "m:one", "decision": "0/42"})
    (line,) = lines(capsys)
    assert (line["pair_key"], line["decision"]) == ("m:one", "0/42")
