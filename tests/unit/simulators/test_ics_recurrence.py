"""Rules of iCalendar in Graph's words: the same dates, or a reason."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

import icalendar
import pytest

from simulators.graph.recurrence import rule_days
from simulators.ics_events import Unusable
from simulators.ics_recurrence import Recurrence, in_graphs_words


def at(day: str) -> datetime:
    """Nine in the morning of a day, on the clocks of a series."""
    return datetime.fromisoformat(f"{day}T09:00:00")


MONDAY = at("2026-03-09")


def said(text: str, start: datetime = MONDAY) -> Recurrence:
    """A rule in Graph's words."""
    rule = {str(name).upper(): list(value) for name, value in icalendar.vRecur.from_ical(text).items()}
    return in_graphs_words(rule, text, start, "Europe/Paris")


@pytest.mark.parametrize(
    ("text", "start", "pattern"),
    [
        ("FREQ=DAILY", MONDAY, {"type": "daily", "interval": 1}),
        ("FREQ=DAILY;INTERVAL=3;COUNT=5", MONDAY, {"type": "daily", "interval": 3}),
        ("FREQ=DAILY;BYDAY=MO,TU,WE,TH,FR", MONDAY,
         {"type": "weekly", "interval": 1, "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"]}),
        ("FREQ=WEEKLY;UNTIL=20260601T090000", MONDAY, {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"]}),
        ("FREQ=WEEKLY;INTERVAL=2;BYDAY=MO,SU;WKST=SU", MONDAY,
         {"type": "weekly", "interval": 2, "daysOfWeek": ["monday", "sunday"], "firstDayOfWeek": "sunday"}),
        ("FREQ=MONTHLY", MONDAY, {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 9}),
        ("FREQ=MONTHLY;BYMONTHDAY=-1", at("2026-01-31"),
         {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 31}),
        ("FREQ=MONTHLY;BYDAY=2MO", MONDAY,
         {"type": "relativeMonthly", "interval": 1, "index": "second", "daysOfWeek": ["monday"]}),
        ("FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-1", at("2026-03-31"),
         {"type": "relativeMonthly", "interval": 1, "index": "last",
          "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"]}),
        ("FREQ=YEARLY", MONDAY, {"type": "absoluteYearly", "interval": 1, "dayOfMonth": 9, "month": 3}),
        ("FREQ=YEARLY;BYMONTH=10;BYDAY=-1SU", at("2026-10-25"),
         {"type": "relativeYearly", "interval": 1, "index": "last", "daysOfWeek": ["sunday"], "month": 10}),
    ],
)  # fmt: skip
def test_recurrence_makes_the_same_dates(text: str, start: datetime, pattern: dict[str, Any]) -> None:
    """The pattern that Outlook would write, and no date that the rule has not."""
    found = said(text, start)
    assert pattern.items() <= found.recurrence["pattern"].items()
    assert found.surplus == ()
    assert found.first == start.date()


def test_recurrence_on_the_31st_deletes_what_graph_makes_of_short_months() -> None:
    """The standard passes short months over, Graph takes their last day: those dates are deleted, if the rule ends."""
    found = said("FREQ=MONTHLY;BYMONTHDAY=31;COUNT=3", at("2026-01-31"))
    assert found.surplus == (date(2026, 2, 28), date(2026, 4, 30))
    assert found.recurrence["range"]["endDate"] == "2026-05-31"
    filled = found.recurrence["pattern"] | {"firstDayOfWeek": "monday", "index": "first"}
    made = set(rule_days({"pattern": filled, "range": found.recurrence["range"]}, date(2027, 1, 1)))
    assert made - set(found.surplus) == {date(2026, 1, 31), date(2026, 3, 31), date(2026, 5, 31)}
    with pytest.raises(Unusable, match="other dates of its rule, as 28 Feb 2026"):
        said("FREQ=MONTHLY;BYMONTHDAY=31", at("2026-01-31"))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("FREQ=HOURLY;COUNT=3", "several times on one day"),
        ("FREQ=DAILY;BYHOUR=9,10;COUNT=4", "BYHOUR"),
        ("FREQ=YEARLY;BYWEEKNO=11;BYDAY=MO", "BYWEEKNO"),
        ("FREQ=MONTHLY;BYMONTHDAY=9,20", "several days of the month"),
        ("FREQ=MONTHLY;BYMONTHDAY=-23", "from the end of the month"),
        ("FREQ=MONTHLY;BYDAY=2MO,4MO", "several weeks of the month"),
        ("FREQ=MONTHLY;BYDAY=5MO", "begins on a day that is not one of its rule's"),
        ("FREQ=YEARLY;BYMONTH=3,9", "several months"),
        ("FREQ=WEEKLY;BYDAY=TU", "begins on a day that is not one of its rule's"),
        ("FREQ=DAILY;BYMONTH=3", "other dates of its rule"),
        ("FREQ=WEEKLY;UNTIL=20250101T000000", "has no date"),
    ],
)
def test_recurrence_that_graph_cannot_say_is_refused_with_what_it_is(text: str, reason: str) -> None:
    """No series is put in that would have other dates than the file says."""
    with pytest.raises(Unusable, match=reason):
        said(text)
