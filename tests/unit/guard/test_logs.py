"""Complaints of Kafka's clients are thinned, everything else is printed."""

from __future__ import annotations

import logging

from concord.guard.logs import OncePerWhile


def said(name: str, message: str, level: int = logging.WARNING) -> logging.LogRecord:
    """A log record."""
    return logging.LogRecord(name, level, "file.py", 1, message, None, None)


def test_the_same_complaint_is_let_through_once() -> None:
    """One of many is printed; other wordings, other loggers and information pass."""
    thin = OncePerWhile("aiokafka")
    printed = [thin.filter(said("aiokafka.conn", "Unable to connect")) for _ in range(5)]
    assert printed == [True, False, False, False, False]
    assert thin.filter(said("aiokafka.conn", "Something else"))
    assert thin.filter(said("aiokafka.consumer", "Unable to connect"))
    assert all(thin.filter(said("concord.guard", "hole")) for _ in range(3))
    assert all(thin.filter(said("aiokafka.conn", "joined", logging.INFO)) for _ in range(3))


def test_the_next_one_says_how_many_were_left_out() -> None:
    """Nothing is hidden: the count comes with the next line."""
    thin = OncePerWhile("kafka", every_s=0.0)
    thin._seen["kafka", "away"] = (float("inf"), 0)
    assert not thin.filter(said("kafka", "away"))
    assert not thin.filter(said("kafka", "away"))
    thin._seen["kafka", "away"] = (0.0, 2)
    last = said("kafka", "away")
    assert thin.filter(last)
    assert last.msg == "away (and 2 times more before)"
