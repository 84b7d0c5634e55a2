"""SOQL's date literals: TODAY, LAST_N_DAYS:n and their kin as ranges of days. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from simulators.salesforce.values import datetime_text

Days = tuple[date, date]
"""First day, and the day after the last one."""


def _days(first: int, after: int) -> Callable[[date, int], Days]:
    return lambda today, _n: (today + timedelta(days=first), today + timedelta(days=after))


def _week(today: date) -> date:
    """The Sunday that begins the week of the en_US locale."""
    return today - timedelta(days=(today.weekday() + 1) % 7)


def _month(today: date, shift: int) -> date:
    count = today.year * 12 + today.month - 1 + shift
    return date(count // 12, count % 12 + 1, 1)


def _quarter(today: date, shift: int) -> date:
    return _month(today, -((today.month - 1) % 3) + 3 * shift)


def _year(today: date, shift: int) -> date:
    return date(today.year + shift, 1, 1)


def _weeks(today: date, shift: int) -> date:
    return _week(today) + timedelta(weeks=shift)


Unit = Callable[[date, int], date]
_UNITS: Final[dict[str, Unit]] = {"WEEK": _weeks, "MONTH": _month, "QUARTER": _quarter, "YEAR": _year}

PERIODS: Final[dict[str, Callable[[date, int], Days]]] = {
    "YESTERDAY": _days(-1, 0),
    "TODAY": _days(0, 1),
    "TOMORROW": _days(1, 2),
    "LAST_90_DAYS": _days(-90, 1),
    "NEXT_90_DAYS": _days(1, 91),
}
"""Literals without a number."""
PERIODS_OF_N: Final[dict[str, Callable[[date, int], Days]]] = {
    "LAST_N_DAYS": lambda today, n: (today - timedelta(days=n), today + timedelta(days=1)),
    "NEXT_N_DAYS": lambda today, n: (today + timedelta(days=1), today + timedelta(days=n + 1)),
    "N_DAYS_AGO": lambda today, n: (today - timedelta(days=n), today - timedelta(days=n - 1)),
}
"""Literals with a number after a colon."""


def _add_unit(name: str, begin: Unit) -> None:
    PERIODS[f"LAST_{name}"] = lambda today, _n: (begin(today, -1), begin(today, 0))
    PERIODS[f"THIS_{name}"] = lambda today, _n: (begin(today, 0), begin(today, 1))
    PERIODS[f"NEXT_{name}"] = lambda today, _n: (begin(today, 1), begin(today, 2))
    PERIODS_OF_N[f"LAST_N_{name}S"] = lambda today, n: (begin(today, -n), begin(today, 0))
    PERIODS_OF_N[f"NEXT_N_{name}S"] = lambda today, n: (begin(today, 1), begin(today, n + 1))
    PERIODS_OF_N[f"N_{name}S_AGO"] = lambda today, n: (begin(today, -n), begin(today, 1 - n))


for _name, _begin in _UNITS.items():
    _add_unit(_name, _begin)


def days_of(name: str, count: int, now: datetime, zone: ZoneInfo) -> Days:
    """The days of a literal for somebody in this time zone."""
    today = now.astimezone(zone).date()
    period = PERIODS.get(name) or PERIODS_OF_N[name]
    return period(today, count)


def instants_of(days: Days, zone: ZoneInfo) -> tuple[str, str]:
    """The instants (wire text) at which these days begin and end in this time zone."""
    first, after = (datetime_text(datetime.combine(day, time(), zone).astimezone(UTC)) for day in days)
    return first, after
