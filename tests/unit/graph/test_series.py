"""A series in words, and the date by which each of its instances is known."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest

from connectors.graph.series import WORDS_LENGTH_MAX, as_instance, in_words, is_instance, master_id_of, original_date
from connectors.graph.translate import to_item

NUMBERED = {"type": "numbered", "numberOfOccurrences": 12}
SYDNEY = {"recurrence": {"range": {"recurrenceTimeZone": "AUS Eastern Standard Time"}}}


def series(kind: str, end: dict[str, Any] | None = None, **pattern: Any) -> dict[str, Any]:
    """A recurrence as Graph answers it, fillers included."""
    fillers = {"interval": 1, "month": 0, "dayOfMonth": 0, "index": "first", "firstDayOfWeek": "sunday"}
    return {"pattern": {"type": kind, **fillers, **pattern}, "range": end or {"type": "noEnd"}}


@pytest.mark.parametrize(
    ("recurrence", "words"),
    [
        (series("daily"), "Daily, no end"),
        (series("weekly", {"type": "endDate", "endDate": "2027-06-30"}, interval=2, daysOfWeek=["monday", "wednesday"]),
         "Every 2 weeks on Mon, Wed until 2027-06-30"),
        (series("relativeMonthly", NUMBERED, daysOfWeek=["friday"], index="last"), "Monthly on the last Fri, 12 times"),
        (series("absoluteMonthly", dayOfMonth=15, interval=3), "Every 3 months on day 15, no end"),
        (series("absoluteYearly", dayOfMonth=29, month=2), "Yearly on day 29 of Feb, no end"),
        (series("relativeYearly", daysOfWeek=["sunday"], month=4), "Yearly on the first Sun of Apr, no end"),
        (None, ""),
        ({"pattern": {"type": "lunar"}}, ""),
        ({"pattern": "weekly"}, ""),
    ],
)  # fmt: skip
@pytest.mark.rule("4.recurring")
def test_a_series_reads_as_a_sentence(recurrence: Any, words: str) -> None:
    """Pattern and range become one sentence; what is no series becomes nothing."""
    assert in_words(recurrence) == words


@pytest.mark.rule("4.recurring")
def test_the_sentence_fits_its_field() -> None:
    """A sentence longer than the field ends with an ellipsis at its last character."""
    text = in_words(series("weekly", daysOfWeek=["monday"] * 90))
    assert len(text) == WORDS_LENGTH_MAX
    assert text.endswith("…")


@pytest.mark.parametrize(
    ("event", "master", "day"),
    [
        # The date that Graph itself names wins.
        ({"occurrenceId": "OID.AAMk=.2026-03-24", "originalStart": "2026-03-20T22:00:00Z"}, SYDNEY, date(2026, 3, 24)),
        # 22:00 in UTC is the next morning in Sydney, in summer and in winter time.
        ({"originalStart": "2026-03-23T22:00:00Z"}, SYDNEY, date(2026, 3, 24)),
        ({"originalStart": "2026-06-22T23:00:00.0000000Z"}, SYDNEY, date(2026, 6, 23)),
        ({}, SYDNEY, date(2026, 3, 24)),
        ({"originalStart": "soon"}, SYDNEY, date(2026, 3, 24)),
        # Without a zone of the series the zone of its creation counts, then UTC.
        ({}, {"originalStartTimeZone": "Pacific Standard Time"}, date(2026, 3, 23)),
        ({}, {"originalStartTimeZone": "tzone://Microsoft/Custom"}, date(2026, 3, 23)),
        # Dates of an all-day series float.
        ({}, {**SYDNEY, "isAllDay": True}, date(2026, 3, 23)),
    ],
)
def test_an_instance_has_the_date_its_rule_gave(event: dict[str, Any], master: dict[str, Any], day: date) -> None:
    """The original date counts in the series' own zone, whatever zone the times are read in."""
    assert original_date(event, master, datetime(2026, 3, 23, 22, tzinfo=UTC)) == day


@pytest.mark.rule("10.2")
def test_an_instance_is_known_by_its_series_and_date() -> None:
    """The instance's own iCalUId differs from date to date; the series' iCalUId and the date name it."""
    times = {"start": {"dateTime": "2026-03-24T01:00:00", "timeZone": "UTC"},
             "end": {"dateTime": "2026-03-24T01:30:00", "timeZone": "UTC"}}  # fmt: skip
    event = {"id": "x", "type": "exception", "seriesMasterId": "m", "iCalUId": "own", **times,
             "originalStart": "2026-03-23T22:00:00Z"}  # fmt: skip
    master = {"id": "m", "iCalUId": "series", "recurrence": {**SYDNEY["recurrence"], "pattern": {"type": "daily"}}}
    item = as_instance(to_item(event, "mailbox", "s:the series"), event, master)
    assert item.sync_key == "", "a mark names the series, not the date"
    assert (item.i_cal_uid, item.original_start) == ("series", datetime(2026, 3, 24, tzinfo=UTC))
    assert item.content.recurring == "Daily, no end"


def test_only_instances_have_a_master() -> None:
    """A single event and a master belong to no series, whatever else they carry."""
    assert is_instance({"type": "Occurrence"})
    assert master_id_of({"type": "exception", "seriesMasterId": "m"}) == "m"
    assert master_id_of({"type": "singleInstance", "seriesMasterId": "m"}) == ""
    assert master_id_of({"type": "seriesMaster"}) == ""
