"""Parts of a series: which date of the series an instance is, and the series in words. Pure.

An instance is known by its series and its original date in the series' own zone. Its id is not: Exchange makes ids from
master and time, so a re-timed series has new ids for the same dates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, time, tzinfo
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from icalendar.timezone.windows_to_olson import WINDOWS_TO_OLSON

from schemas.changes import Item

INSTANCE_TYPES: Final = frozenset({"occurrence", "exception"})
MASTER_TYPE: Final = "seriesmaster"
SINGLE_TYPE: Final = "singleinstance"

# Practifi's field for the words holds so many characters.
WORDS_LENGTH_MAX: Final = 255

# `OID.{seriesMasterId}.{yyyy-MM-dd}`: the date in the zone of the series.
_DATED: Final = re.compile(r"\.(\d{4}-\d{2}-\d{2})\Z")
_UNITS: Final = {
    "daily": "day",
    "weekly": "week",
    "absolutemonthly": "month",
    "relativemonthly": "month",
    "absoluteyearly": "year",
    "relativeyearly": "year",
}
_ADVERBS: Final = {"day": "Daily", "week": "Weekly", "month": "Monthly", "year": "Yearly"}
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def kind_of(event: Mapping[str, Any]) -> str:
    """The event's type in lower case, "" when it has none."""
    kind = event.get("type")
    return kind.lower() if isinstance(kind, str) else ""


def is_instance(event: Mapping[str, Any]) -> bool:
    """Whether this is one date of a series."""
    return kind_of(event) in INSTANCE_TYPES


def master_id_of(event: Mapping[str, Any]) -> str:
    """The id of the series an instance belongs to, "" for anything else."""
    master_id = event.get("seriesMasterId")
    return master_id if isinstance(master_id, str) and is_instance(event) else ""


def as_instance(item: Item, event: Mapping[str, Any], master: Mapping[str, Any]) -> Item:
    """The item of an instance, named by its series and original date, with the series in words.

    `original_start` is that date as a midnight in UTC: like an all-day date it floats. A mark of ours that it shows is
    its series': a single event was marked, and repeated afterwards. It names no date, so it is left out.
    """
    uid = master.get("iCalUId")
    day = original_date(event, master, item.content.span.start_utc)
    return replace(
        item,
        i_cal_uid=uid if isinstance(uid, str) and uid else item.i_cal_uid,
        original_start=datetime.combine(day, time(), UTC),
        sync_key="",
        content=replace(item.content, recurring=in_words(master.get("recurrence"))),
    )


def original_date(event: Mapping[str, Any], master: Mapping[str, Any], start_utc: datetime) -> date:
    """The date on which the series' rule put this instance, in the series' zone."""
    dated = _DATED.search(str(event.get("occurrenceId") or ""))
    if dated:
        return date.fromisoformat(dated[1])
    original = event.get("originalStart")
    moment = start_utc
    if isinstance(original, str):
        try:
            moment = datetime.fromisoformat(re.sub(r"\.\d+", "", original).replace("Z", "+00:00"))
        except ValueError:
            moment = start_utc
    if master.get("isAllDay") is True:  # dates float: they are midnights in UTC already
        return moment.date()
    return moment.astimezone(_zone_of(master)).date()


def _zone_of(master: Mapping[str, Any]) -> tzinfo:
    recurrence = master.get("recurrence")
    span = recurrence.get("range") if isinstance(recurrence, dict) else None
    named = span.get("recurrenceTimeZone") if isinstance(span, dict) else None
    for name in (named, master.get("originalStartTimeZone")):
        if isinstance(name, str) and name:
            try:
                return ZoneInfo(WINDOWS_TO_OLSON.get(name, name))
            except (ZoneInfoNotFoundError, ValueError, OSError):
                continue
    return UTC


def in_words(recurrence: Any) -> str:
    """A series as a sentence, e.g. `Every 2 weeks on Mon, Wed until 2027-06-30`. "" for what is no series."""
    if not isinstance(recurrence, dict) or not isinstance(recurrence.get("pattern"), dict):
        return ""
    pattern, span = recurrence["pattern"], recurrence.get("range") or {}
    unit = _UNITS.get(str(pattern.get("type", "")).lower())
    if unit is None:
        return ""
    interval = pattern.get("interval") or 1
    words = _ADVERBS[unit] if interval == 1 else f"Every {interval} {unit}s"
    text = f"{words}{_on(pattern)}{_ending(span)}"
    return text if len(text) <= WORDS_LENGTH_MAX else text[: WORDS_LENGTH_MAX - 1] + "…"


def _on(pattern: Mapping[str, Any]) -> str:
    days = ", ".join(str(day)[:3].capitalize() for day in pattern.get("daysOfWeek") or ())
    month = pattern.get("month") or 0
    of_month = f" of {_MONTHS[month - 1]}" if isinstance(month, int) and 1 <= month <= 12 else ""
    match str(pattern.get("type", "")).lower():
        case "weekly":
            return f" on {days}" if days else ""
        case "absolutemonthly":
            return f" on day {pattern.get('dayOfMonth')}"
        case "relativemonthly":
            return f" on the {pattern.get('index', 'first')} {days}"
        case "absoluteyearly":
            return f" on day {pattern.get('dayOfMonth')}{of_month}"
        case "relativeyearly":
            return f" on the {pattern.get('index', 'first')} {days}{of_month}"
        case _:
            return ""


def _ending(span: Mapping[str, Any]) -> str:
    match str(span.get("type", "")).lower():
        case "enddate":
            return f" until {span.get('endDate')}"
        case "numbered":
            return f", {span.get('numberOfOccurrences')} times"
        case _:
            return ", no end"
