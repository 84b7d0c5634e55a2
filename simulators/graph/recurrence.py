"""Recurrence rules: checked on the way in, expanded into days. Pure; knows no mailbox and no clock."""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import count
from typing import Any, Final

from simulators.graph.errors import GraphError, unreadable_body, validation_failed
from simulators.graph.event_input import enum_of
from simulators.graph.primitives import read_int32
from simulators.graph.zones import zone

DAYS: Final = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
INDEXES: Final = ("first", "second", "third", "fourth", "last")
PATTERNS: Final = ("daily", "weekly", "absoluteMonthly", "relativeMonthly", "absoluteYearly", "relativeYearly")
RANGES: Final = ("endDate", "noEnd", "numbered")
LAST_END: Final = date(4500, 9, 1)
_NO_DATE: Final = "0001-01-01"
_NEEDS_DAYS: Final = frozenset({"weekly", "relativeMonthly", "relativeYearly"})
_NEEDS_DAY_OF_MONTH: Final = frozenset({"absoluteMonthly", "absoluteYearly"})
_NEEDS_MONTH: Final = frozenset({"absoluteYearly", "relativeYearly"})


def read_recurrence(value: dict[str, Any], default_zone: str) -> dict[str, Any]:
    """A patternedRecurrence in canonical form, fillers included. Raises GraphError for what breaks a rule."""
    pattern, bounds = value.get("pattern"), value.get("range")
    if not isinstance(pattern, dict) or not isinstance(bounds, dict):
        raise validation_failed(" A recurrence needs a pattern and a range.")
    return {"pattern": _read_pattern(pattern), "range": _read_range(bounds, default_zone)}


def _read_pattern(value: dict[str, Any]) -> dict[str, Any]:
    kind = enum_of(value.get("type"), PATTERNS, "recurrencePattern.type")
    days = value.get("daysOfWeek") or []
    if not isinstance(days, list):
        raise unreadable_body("Cannot read 'daysOfWeek' as a collection.")
    days = [enum_of(day, DAYS, "daysOfWeek") for day in days]
    month, day_of_month = _whole(value, "month", 0, 12), _whole(value, "dayOfMonth", 0, 31)
    if _whole(value, "interval", 0, 999) < 1:
        raise validation_failed(" The recurrence interval must be at least 1.")
    if kind in _NEEDS_DAYS and not days:
        raise validation_failed(f" A {kind} pattern needs daysOfWeek.")
    if kind in _NEEDS_DAY_OF_MONTH and not day_of_month:
        raise validation_failed(f" A {kind} pattern needs dayOfMonth.")
    if kind in _NEEDS_MONTH and not month:
        raise validation_failed(f" A {kind} pattern needs month.")
    result: dict[str, Any] = {
        "type": kind,
        "interval": value["interval"],
        "month": month,
        "dayOfMonth": day_of_month,
    }
    if days:
        result["daysOfWeek"] = days
    result["firstDayOfWeek"] = enum_of(value.get("firstDayOfWeek") or "sunday", DAYS, "firstDayOfWeek")
    result["index"] = enum_of(value.get("index") or "first", INDEXES, "index")
    return result


def _whole(value: dict[str, Any], name: str, least: int, most: int) -> int:
    number = value.get(name, 0)
    if number is None:
        return 0
    number = read_int32(number, name)
    if not least <= number <= most:
        raise validation_failed(f" The value of '{name}' is out of range.")
    return number


def _read_range(value: dict[str, Any], default_zone: str) -> dict[str, Any]:
    kind = enum_of(value.get("type"), RANGES, "recurrenceRange.type")
    start = _read_date(value.get("startDate"), "startDate")
    zone_name = value.get("recurrenceTimeZone") or default_zone
    zone(zone_name)
    end_date, occurrences = _NO_DATE, 0
    if kind == "endDate":
        end = _read_date(value.get("endDate"), "endDate", end_of_range=True)
        if end < start:
            raise validation_failed(" The recurrence ends before it starts.")
        end_date = end.isoformat()
    elif kind == "numbered":
        occurrences = _whole(value, "numberOfOccurrences", 0, 999)
        if occurrences < 1:
            raise validation_failed(" A numbered range needs numberOfOccurrences above 0.")
    return {
        "type": kind,
        "startDate": start.isoformat(),
        "endDate": end_date,
        "recurrenceTimeZone": zone_name,
        "numberOfOccurrences": occurrences,
    }


def _read_date(value: Any, name: str, end_of_range: bool = False) -> date:
    too_big = GraphError(400, "ErrorRecurrenceEndDateTooBig", "The recurrence end date is missing or too far ahead.")
    try:
        day = date.fromisoformat(str(value)[:10])
    except ValueError:
        raise (too_big if end_of_range else validation_failed(f" The date '{name}' is missing or not valid.")) from None
    if end_of_range and (day > LAST_END or day.year < 1601):
        raise too_big
    return day


def rule_days(recurrence: dict[str, Any], until: date) -> Iterator[date]:
    """The original days of a series in order, from its first to `until` (inclusive) or its own end."""
    bounds = recurrence["range"]
    start = date.fromisoformat(bounds["startDate"])
    last = min(until, date.fromisoformat(bounds["endDate"])) if bounds["type"] == "endDate" else until
    left = bounds["numberOfOccurrences"] if bounds["type"] == "numbered" else None
    for day in _pattern_days(recurrence["pattern"], start, last):
        if day < start:
            continue
        if day > last or left == 0:
            return
        yield day
        left = None if left is None else left - 1


def first_day(recurrence: dict[str, Any]) -> date | None:
    """The day of the first occurrence; None when the range holds none."""
    start = date.fromisoformat(recurrence["range"]["startDate"])
    horizon = start + timedelta(days=366 * 8 * recurrence["pattern"]["interval"])
    return next(rule_days(recurrence, min(horizon, LAST_END)), None)


def _pattern_days(pattern: dict[str, Any], start: date, last: date) -> Iterator[date]:
    kind, interval = pattern["type"], pattern["interval"]
    if kind == "daily":
        yield from (start + timedelta(days=step) for step in range(0, (last - start).days + 1, interval))
    elif kind == "weekly":
        yield from _weekly(pattern, start, last)
    else:
        monthly = kind.endswith("Monthly")
        first = start.year * 12 + (start.month if monthly else pattern["month"]) - 1
        for step in count(0, interval if monthly else interval * 12):
            year, month = divmod(first + step, 12)
            if date(year, month + 1, 1) > last:
                return
            yield _day_in_month(pattern, year, month + 1)


def _weekly(pattern: dict[str, Any], start: date, last: date) -> Iterator[date]:
    first = DAYS.index(pattern["firstDayOfWeek"])
    wanted = sorted((DAYS.index(day) - first) % 7 for day in pattern["daysOfWeek"])
    week = start - timedelta(days=(_weekday(start) - first) % 7)
    while week <= last:
        yield from (week + timedelta(days=offset) for offset in wanted)
        week += timedelta(days=7 * pattern["interval"])


def _weekday(day: date) -> int:
    """Sunday is 0, as in DAYS."""
    return day.isoweekday() % 7


def _day_in_month(pattern: dict[str, Any], year: int, month: int) -> date:
    length = monthrange(year, month)[1]
    if pattern["type"].startswith("absolute"):
        # A short month takes its last day, where RFC 5545 would skip the month.
        return date(year, month, min(pattern["dayOfMonth"], length))
    wanted = {DAYS.index(day) for day in pattern["daysOfWeek"]}
    fitting = [day for n in range(1, length + 1) if _weekday(day := date(year, month, n)) in wanted]
    return fitting[-1] if pattern["index"] == "last" else fitting[INDEXES.index(pattern["index"])]
