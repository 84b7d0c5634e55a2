"""Recurrence rules of iCalendar files in Graph's words. Pure.

Graph knows six patterns where RFC 5545 knows hundreds. What a rule means is decided by expanding it: a pattern is good
when Graph makes the same dates of it. Dates that Graph would make beyond them are left to the caller to delete.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from itertools import islice, takewhile
from typing import Any, Final

from dateutil.rrule import rrulestr

from simulators.graph.recurrence import rule_days
from simulators.ics_events import Unusable

# Dates that are compared of a rule without end, and the most that a rule with one may have.
COMPARED: Final = 400
DATES_MAX: Final = 5_000
# The most occurrences that Graph counts; a longer series ends by its date.
COUNTED_MAX: Final = 999
# The last day that is looked at: Exchange's calendar goes on until the year 4500, dateutil's until 9999.
LAST: Final = date(4400, 1, 1)

_DAYS: Final = {"MO": "monday", "TU": "tuesday", "WE": "wednesday", "TH": "thursday", "FR": "friday",
                "SA": "saturday", "SU": "sunday"}  # fmt: skip
_INDEXES: Final = {1: "first", 2: "second", 3: "third", 4: "fourth", -1: "last"}
_SAID: Final = frozenset({"FREQ", "INTERVAL", "COUNT", "UNTIL", "BYDAY", "BYMONTHDAY", "BYMONTH", "BYSETPOS", "WKST"})

Rule = Mapping[str, list[Any]]
"""The parts of an RRULE as icalendar reads them: lists of values by upper-case name."""


@dataclass(frozen=True)
class Recurrence:
    """A rule as Graph's `patternedRecurrence`, its first date, and the dates that only Graph would make of it."""

    recurrence: dict[str, Any]
    first: date
    surplus: tuple[date, ...]


def in_graphs_words(rule: Rule, text: str, start: datetime, zone_name: str) -> Recurrence:
    """A rule that begins at a wall-clock time. `text` is the RRULE as it stands in the file, without UNTIL's zone.

    Raises Unusable that says what of it Graph cannot express.
    """
    unsaid = sorted(rule.keys() - _SAID)
    if unsaid:
        raise Unusable(f"its rule has {', '.join(unsaid)}, which a Graph pattern cannot say")
    is_endless = not rule.get("COUNT") and not rule.get("UNTIL")
    dates = _dates(text, start, is_endless)
    if not dates:
        raise Unusable("its rule has no date")
    if dates[0] != start.date():
        raise Unusable("it begins on a day that is not one of its rule's, and a Graph series begins with its rule")
    pattern = _pattern(rule, start)
    bounds: dict[str, Any] = {"type": "noEnd", "startDate": f"{dates[0]}", "recurrenceTimeZone": zone_name}
    if not is_endless:
        bounds |= {"type": "endDate", "endDate": f"{dates[-1]}"}
    filled = {"firstDayOfWeek": "monday", "index": "first", **pattern}
    made = list(islice(rule_days({"pattern": filled, "range": bounds}, dates[-1]), DATES_MAX + 1))
    surplus = sorted(set(made) - set(dates))
    missing = sorted(set(dates) - set(made))
    if missing or (is_endless and surplus):
        raise Unusable(f"Graph would make other dates of its rule, as {(*missing, *surplus)[0]:%d %b %Y} shows")
    if rule.get("COUNT") and not surplus and len(dates) <= COUNTED_MAX:
        del bounds["endDate"]
        bounds |= {"type": "numbered", "numberOfOccurrences": len(dates)}
    return Recurrence({"pattern": pattern, "range": bounds}, dates[0], tuple(surplus))


def _dates(text: str, start: datetime, is_endless: bool) -> list[date]:
    """The dates of a rule: all of them, or the first of an endless one."""
    try:
        moments: Iterator[datetime] = iter(rrulestr(text, dtstart=start))
        limit = COMPARED if is_endless else DATES_MAX + 1
        days = list(islice(takewhile(lambda day: day < LAST, (moment.date() for moment in moments)), limit))
    except (ValueError, TypeError, OverflowError) as problem:
        raise Unusable(f"its rule cannot be read: {' '.join(str(problem).split())[:100]}") from problem
    if len(days) > DATES_MAX:
        raise Unusable(f"its rule has more than {DATES_MAX} dates")
    if len(set(days)) != len(days):
        raise Unusable("its rule has several times on one day, and a Graph series has one")
    return days


def _pattern(rule: Rule, start: datetime) -> dict[str, Any]:
    """The nearest pattern; whether it is the same is for the dates to say. Raises Unusable."""
    interval = int((rule.get("INTERVAL") or [1])[0])
    if not 1 <= interval <= 999:
        raise Unusable(f"its rule has the interval {interval}, and Graph takes 1 to 999")
    frequency = str((rule.get("FREQ") or [""])[0]).upper()
    days = [str(day).upper() for day in rule.get("BYDAY") or []]
    match frequency:
        case "DAILY" if days and interval == 1:
            return _weekly(1, days, rule)
        case "DAILY" if not days:
            return {"type": "daily", "interval": interval}
        case "WEEKLY":
            return _weekly(interval, days or [list(_DAYS)[start.weekday()]], rule)
        case "MONTHLY":
            return _in_month("Monthly", interval, days, rule, start)
        case "YEARLY":
            months = [int(month) for month in rule.get("BYMONTH") or [start.month]]
            if len(months) == 12:
                return _in_month("Monthly", 1, days, rule, start)
            if len(months) != 1:
                raise Unusable("its rule names several months, and a Graph pattern has one")
            return _in_month("Yearly", interval, days, rule, start) | {"month": months[0]}
    raise Unusable(f"a Graph pattern cannot say what its rule says ({frequency.lower() or 'no frequency'})")


def _weekly(interval: int, days: list[str], rule: Rule) -> dict[str, Any]:
    if any(day not in _DAYS for day in days):
        raise Unusable("its rule names a weekday that is none")
    first = str((rule.get("WKST") or ["MO"])[0]).upper()
    return {"type": "weekly", "interval": interval, "daysOfWeek": [_DAYS[day] for day in days],
            "firstDayOfWeek": _DAYS.get(first, "monday")}  # fmt: skip


def _in_month(unit: str, interval: int, days: list[str], rule: Rule, start: datetime) -> dict[str, Any]:
    by_day = [int(day) for day in rule.get("BYMONTHDAY") or []]
    if not days:
        if len(by_day) > 1:
            raise Unusable("its rule names several days of the month, and a Graph pattern has one")
        day = by_day[0] if by_day else start.day
        if day < -1:
            raise Unusable("its rule counts days from the end of the month, and Graph only knows the last one")
        return {"type": f"absolute{unit}", "interval": interval, "dayOfMonth": 31 if day == -1 else day}
    if by_day:
        raise Unusable("its rule wants a weekday on certain days of the month, and a Graph pattern has either")
    positions = {int(day[:-2]) for day in days if len(day) > 2}
    names = [day[-2:] for day in days]
    counted = [int(position) for position in rule.get("BYSETPOS") or []]
    if len(positions) > 1 or (positions and (counted or any(len(day) == 2 for day in days))):
        raise Unusable("its rule names several weeks of the month, and a Graph pattern has one")
    which = [*positions, *counted]
    if len(which) != 1 or which[0] not in _INDEXES or (positions and len(names) > 1):
        raise Unusable("its rule names weekdays of the month in a way that a Graph pattern cannot")
    return {"type": f"relative{unit}", "interval": interval, "index": _INDEXES[which[0]],
            "daysOfWeek": [_DAYS[name] for name in names]}  # fmt: skip
