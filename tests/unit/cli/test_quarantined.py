"""The quarantine folded: what is open, what was settled, what a filter means, what is written back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from concord.guard.quarantine import AT, OMITTED
from concord.quarantined import (
    BY,
    ERRORS,
    FROM,
    RETRIES,
    SETTLES,
    VERB,
    Quarantined,
    Wanted,
    _note,
    _written_back,
    choose,
    fold,
    shelve,
)
from concord.reading import Read
from schemas.errors import ConfigError
from schemas.topics import GRAPH_CHANGES, SYNC_JOURNAL, SYNC_QUARANTINE

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)


def put(offset: int, partition: int = 0, at: datetime = NOW, **headers: str) -> Read:
    """A quarantined record; names of error headers without their prefix, __ for a dot."""
    usual = {"topic": SYNC_JOURNAL, "partition": "2", "offset": "41", "exception.class.name": "schemas.errors.Refused"}
    usual |= {name.replace("__", "."): text for name, text in headers.items() if name != "own"}
    named = [("trace", b"7"), *((ERRORS + name, text.encode()) for name, text in usual.items())]
    return Read(
        SYNC_QUARANTINE, partition, offset, round(at.timestamp() * 1000), b"k", b"v", tuple(named)
    )  # fmt: skip


def with_own(read: Read, **headers: str) -> Read:
    """The record with headers of ours, __ for a dot."""
    more = tuple((name.replace("__", "."), text.encode()) for name, text in headers.items())
    return Read(**{**vars(read), "headers": (*read.headers, *more)})


def note(where: str, verb: str = "retry", partition: int = 0) -> Read:
    """What an action appends."""
    headers = {SETTLES: where, VERB: verb, BY: "olga"}
    return Read(
        SYNC_QUARANTINE, partition, 99, round(NOW.timestamp() * 1000), b"k", None,
        tuple((name, text.encode()) for name, text in headers.items()),
    )  # fmt: skip


def test_open_is_what_no_note_settles_in_whatever_order_they_are_read() -> None:
    """A note may stand in another partition and be read first."""
    reads = [note("1/5"), put(3), put(4), note("0/3", "drop"), put(5, partition=1)]
    assert [row.where for row in fold(reads)] == ["0/4"]


def test_settled_ones_are_kept_with_who_and_when_if_wanted() -> None:
    """For the list of what was done."""
    reads = [put(3), note("0/3", "drop"), put(4)]
    (one,) = shelve(reads, keeps_settled=True).settled
    assert (one.row.where, one.verb, one.by, one.at) == ("0/3", "drop", "olga", NOW)
    assert shelve(reads).settled == []


def test_a_record_tells_when_it_was_quarantined_and_how_often_it_was_retried() -> None:
    """By the header of the guard; its own time is that of the record. Nonsense in headers counts as nothing."""
    old = put(3, at=NOW - timedelta(days=100))
    (row,) = fold([with_own(old, **{AT: "2026-11-30T11:59:00+00:00", RETRIES: "2"})])
    assert (row.at, row.retries, row.reason) == (NOW - timedelta(minutes=1), 2, "Refused")
    (row,) = fold([with_own(old, **{AT: "soon", RETRIES: "many"})])
    assert (row.at, row.retries) == (NOW - timedelta(days=100), 0)


@pytest.mark.parametrize(
    ("wanted", "places"),
    [
        (Wanted(), ["0/1", "0/2", "0/3"]),
        (Wanted(topic=GRAPH_CHANGES), ["0/2"]),
        (Wanted(reason="unreadablerecord"), ["0/3"]),
        (Wanted(reason="Unreadable"), []),
        (Wanted(since=NOW - timedelta(days=30)), ["0/2", "0/3"]),
        (Wanted(until=NOW), ["0/1", "0/2"]),
        (Wanted(since=NOW - timedelta(days=30), until=NOW), ["0/2"]),
        (Wanted(topic=SYNC_JOURNAL, reason="Refused"), ["0/1"]),
    ],
)
def test_a_filter_means_what_fits_all_of_it(wanted: Wanted, places: list[str]) -> None:
    """Topic, kind of error, and when: since is included, until is not."""
    rows = fold(
        [
            put(1, at=NOW - timedelta(days=31)),
            put(2, at=NOW - timedelta(days=30), topic=GRAPH_CHANGES),
            put(3, exception__class__name="schemas.errors.UnreadableRecord"),
        ]
    )
    assert [row.where for row in rows if wanted.fits(row)] == places


def test_places_are_meant_once_and_unknown_ones_are_all_named() -> None:
    """One sentence lists every place where nothing stands."""
    rows = fold([put(1), put(2)])
    assert [row.where for row in choose(rows, ["0/2", "0/1", "0/2"])] == ["0/2", "0/1"]
    with pytest.raises(ConfigError) as caught:
        choose(rows, ["0/1", "0/9", "7/7"])
    assert caught.value.problems == ["0/9: no open record", "7/7: no open record"]


def back(read: Read) -> dict[str, Any]:
    """What is written for a record, headers as a list."""
    (row,) = fold([read])
    return _written_back(row, "olga")


def test_what_is_written_back_is_the_record_with_one_more_retry() -> None:
    """Key, bytes, time, partition and own headers as they were; of ours only the newest; no error headers."""
    read = with_own(
        put(3, at=NOW - timedelta(days=9)), **{RETRIES: "2", FROM: "0/1", BY: "ann", AT: NOW.isoformat(), OMITTED: "x"}
    )
    written = back(read)
    assert (written["topic"], written["partition"], written["key"], written["value"]) == (SYNC_JOURNAL, 2, b"k", b"v")
    assert written["timestamp_ms"] == read.timestamp_ms
    assert written["headers"] == [("trace", b"7"), (BY, b"olga"), (FROM, b"0/3"), (RETRIES, b"3")]


def test_a_note_stands_beside_its_record_and_has_a_key_or_a_value() -> None:
    """So that it is read after it, and the broker takes it."""
    (row,) = fold([put(3, partition=1)])
    written = _note(row, "drop", "olga")
    assert (written["partition"], written["key"], written["value"]) == (1, b"k", None)
    bare: Quarantined = fold([Read(**{**vars(put(3)), "key": None})])[0]
    assert _note(bare, "drop", "olga")["value"] == b""
