"""The times of an event: one start, one end and one duration from whatever subset of the six fields was sent. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

from simulators.salesforce.errors import SalesforceError, integrity, required_missing
from simulators.salesforce.values import datetime_text, read_date, read_datetime

DAY: Final = 1440
"""Minutes of a day: the longest timed event of an org without multiday events."""
MULTIDAY_MAX: Final = 14 * DAY
"""Minutes of the longest event of an org with multiday events."""
START_COLUMNS: Final = ("StartDateTime", "ActivityDateTime", "ActivityDate")
TIME_COLUMNS: Final = (*START_COLUMNS, "EndDateTime", "DurationInMinutes", "IsAllDayEvent")


@dataclass(frozen=True)
class TimeRules:
    """What an org allows and how it moves events."""

    multiday: bool = True
    move_keeps_duration: bool = True
    all_day_has_activity_datetime: bool = False

    @property
    def minutes_max(self) -> int:
        """Longest duration in minutes."""
        return MULTIDAY_MAX if self.multiday else DAY


def settle_times(sent: Mapping[str, Any], before: Mapping[str, Any] | None, rules: TimeRules) -> dict[str, Any]:
    """The time columns of an event after a write.

    `sent` holds the coerced values of the write by column, `before` the stored row (None for a create). Raises
    SalesforceError when a needed value is missing, two values disagree, or the event is too long or ends too early.
    """
    given = {name: value for name, value in sent.items() if value is not None}
    all_day = bool(given.get("IsAllDayEvent", before["IsAllDayEvent"] if before else False))
    return _all_day(given, before, rules) if all_day else _timed(given, before, rules)


def _timed(given: Mapping[str, Any], before: Mapping[str, Any] | None, rules: TimeRules) -> dict[str, Any]:
    stated = [read_datetime(given[name]) for name in ("StartDateTime", "ActivityDateTime") if name in given]
    if len(set(stated)) > 1:
        raise _start_conflict("ActivityDateTime")
    if stated:
        start = stated[0]
    elif before is not None:
        start = read_datetime(before["StartDateTime"])
    else:
        raise required_missing(["ActivityDateTime"])
    if "ActivityDate" in given and read_date(given["ActivityDate"]) != start.date():
        raise _start_conflict("ActivityDate")
    minutes = _timed_minutes(given, before, start, rules)
    if not 0 <= minutes <= rules.minutes_max:
        raise _too_long(given, rules)
    end = start + timedelta(minutes=minutes)
    return {
        "IsAllDayEvent": False,
        "StartDateTime": datetime_text(start),
        "ActivityDateTime": datetime_text(start),
        "ActivityDate": start.date().isoformat(),
        "DurationInMinutes": minutes,
        "EndDateTime": datetime_text(end),
        "EndDate": end.date().isoformat(),
    }


def _timed_minutes(
    given: Mapping[str, Any], before: Mapping[str, Any] | None, start: datetime, rules: TimeRules
) -> int:
    by_end = None
    if "EndDateTime" in given:
        by_end = _minutes_between(start, read_datetime(given["EndDateTime"]))
    if "DurationInMinutes" in given:
        minutes = int(given["DurationInMinutes"])
        if by_end is not None and by_end != minutes:
            raise _end_conflict()
        return minutes
    if by_end is not None:
        return by_end
    if before is None:
        raise required_missing(["DurationInMinutes"])
    if rules.move_keeps_duration or before["IsAllDayEvent"]:
        return int(before["DurationInMinutes"])
    return _minutes_between(start, read_datetime(before["EndDateTime"]))


def _all_day(given: Mapping[str, Any], before: Mapping[str, Any] | None, rules: TimeRules) -> dict[str, Any]:
    stated = {name: _date_of(given[name]) for name in START_COLUMNS if name in given}
    if len(set(stated.values())) > 1:
        raise _start_conflict("ActivityDate")
    if stated:
        first = next(iter(stated.values()))
    elif before is not None:
        first = _date_of(before["StartDateTime"])
    else:
        raise required_missing(["ActivityDate"])
    days = _all_day_length(given, before, first, rules)
    if not 0 < days * DAY <= rules.minutes_max:
        raise _too_long(given, rules)
    last = first + timedelta(days=days - 1)
    return {
        "IsAllDayEvent": True,
        "StartDateTime": _midnight(first),
        "ActivityDateTime": _midnight(first) if rules.all_day_has_activity_datetime else None,
        "ActivityDate": first.isoformat(),
        "DurationInMinutes": days * DAY,
        # The end is the midnight that begins the last day, not the one that ends it.
        "EndDateTime": _midnight(last),
        "EndDate": last.isoformat(),
    }


def _all_day_length(given: Mapping[str, Any], before: Mapping[str, Any] | None, first: date, rules: TimeRules) -> int:
    by_end = None
    if "EndDateTime" in given:
        by_end = (_date_of(given["EndDateTime"]) - first).days + 1
    if "DurationInMinutes" in given:
        days = _whole_days(int(given["DurationInMinutes"]))
        if by_end is not None and by_end != days:
            raise _end_conflict()
        return days
    if by_end is not None:
        return by_end
    if before is None:
        return 1
    if rules.move_keeps_duration or not before["IsAllDayEvent"]:
        return max(1, _whole_days(int(before["DurationInMinutes"])))
    return (_date_of(before["EndDateTime"]) - first).days + 1


def _whole_days(minutes: int) -> int:
    """Days that a duration covers, begun ones counted; a duration of nothing is a day too."""
    return 1 if minutes == 0 else -(-minutes // DAY)


def _minutes_between(start: datetime, end: datetime) -> int:
    return (end - start) // timedelta(minutes=1)


def _date_of(text: str) -> date:
    return read_date(text) if len(text) == 10 else read_datetime(text).date()


def _midnight(day: date) -> str:
    return datetime_text(datetime.combine(day, time(), UTC))


def _start_conflict(field: str) -> SalesforceError:
    return integrity("Start date/time and due date/time must be the same, or one of them must be empty", [field])


def _end_conflict() -> SalesforceError:
    return integrity("Duration and end date/time do not agree", ["DurationInMinutes"])


def _too_long(given: Mapping[str, Any], rules: TimeRules) -> SalesforceError:
    field = "DurationInMinutes" if "DurationInMinutes" in given else "EndDateTime"
    return integrity(f"Duration must be between 0 and {rules.minutes_max} minutes", [field])


def occupied(row: Mapping[str, Any]) -> tuple[datetime, datetime]:
    """The instants from which to which an event occupies its participants, end excluded."""
    start, end = read_datetime(row["StartDateTime"]), read_datetime(row["EndDateTime"])
    return (start, end + timedelta(days=1)) if row["IsAllDayEvent"] else (start, end)
