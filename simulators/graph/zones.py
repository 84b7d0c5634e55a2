"""Time zone names as Outlook takes them: Windows names and IANA names, and the wall-clock values that use them."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, tzinfo
from functools import cache, lru_cache
from importlib.resources import files
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from simulators.graph.errors import unreadable_body, unsupported_zone, validation_failed

WINDOWS_ZONES: Final[dict[str, str]] = json.loads(
    (files("simulators.graph") / "data" / "windows_zones.json").read_text()
)["zones"]
"""Windows zone name to the IANA name of its reference city, from Unicode CLDR."""

_BY_LOWER_NAME: Final = {name.lower(): iana for name, iana in WINDOWS_ZONES.items()}
_IANA_SHAPE: Final = re.compile(r"^[A-Za-z0-9_+\-]+(/[A-Za-z0-9_+\-]+)+$")
_WALL_SHAPE: Final = re.compile(
    r"^(\d{4}-\d{2}-\d{2})(?:[T ](\d{2}:\d{2})(?::(\d{2})(?:\.(\d{1,9}))?)?)?(Z|z|[+-]\d{2}:?\d{2})?$"
)


@cache
def _known_zone(name: str) -> tzinfo | None:
    if name.upper() in ("UTC", "GMT", "Z", "TZONE://MICROSOFT/UTC"):
        return UTC
    iana = _BY_LOWER_NAME.get(name.lower())
    if iana is None:
        if not _IANA_SHAPE.match(name):
            return None
        iana = name
    try:
        return ZoneInfo(iana)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


def zone(name: str) -> tzinfo:
    """The rules of a Windows or IANA zone. Raises GraphError TimeZoneNotSupportedException for any other name."""
    found = _known_zone(name)
    if found is None:
        raise unsupported_zone(name)
    return found


def is_zone(name: str) -> bool:
    """Whether `name` is a Windows or IANA zone name."""
    return _known_zone(name) is not None


def wall_text(wall: datetime) -> str:
    """A wall-clock value as Graph prints it: no offset, always seven fraction digits."""
    return wall.replace(tzinfo=None).isoformat(timespec="microseconds") + "0"


@lru_cache(maxsize=4096)
def instant_text(moment: datetime) -> str:
    """A DateTimeOffset value as Graph prints it: UTC with a Z and up to seven fraction digits."""
    text = moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds")
    return f"{text}0Z" if moment.microsecond else f"{text[:19]}Z"


def parse_wall(text: str) -> tuple[datetime, timedelta | None] | None:
    """Read `yyyy-MM-dd[THH:mm[:ss[.fffffff]]][offset]` into a naive value and its offset. None when it is neither."""
    match = _WALL_SHAPE.match(text.strip())
    if match is None:
        return None
    day, clock, seconds, fraction, offset = match.groups()
    micro = (fraction or "0")[:6].ljust(6, "0")
    try:
        wall = datetime.fromisoformat(f"{day}T{clock or '00:00'}:{seconds or '00'}.{micro}")
    except ValueError:
        return None
    if offset is None:
        return wall, None
    if offset in "Zz":
        return wall, timedelta()
    sign = -1 if offset[0] == "-" else 1
    return wall, sign * timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))


def parse_instant(text: str) -> datetime | None:
    """Read a query parameter such as startDateTime: its own offset counts, none means UTC. None when unreadable."""
    parsed = parse_wall(text)
    if parsed is None:
        return None
    wall, offset = parsed
    return (wall - (offset or timedelta())).replace(tzinfo=UTC)


def read_date_time_zone(value: Any, name: str) -> dict[str, str]:
    """Check a dateTimeTimeZone from a request and return it with seven fraction digits.

    A missing zone means UTC. A dateTime that carries an offset of its own is an instant and is restated in the zone.
    """
    if not isinstance(value, dict) or not isinstance(value.get("dateTime"), str):
        raise unreadable_body(f"The property '{name}' needs a dateTime and a timeZone.")
    zone_name = value.get("timeZone") or "UTC"
    if not isinstance(zone_name, str):
        raise unreadable_body(f"The timeZone of '{name}' must be a string.")
    rules = zone(zone_name)
    parsed = parse_wall(value["dateTime"])
    if parsed is None:
        raise validation_failed(f" {name}: the dateTime '{value['dateTime']}' is not valid.")
    wall, offset = parsed
    if offset is not None:
        wall = (wall - offset).replace(tzinfo=UTC).astimezone(rules).replace(tzinfo=None)
    return {"dateTime": wall_text(wall), "timeZone": zone_name}


def wall_of(value: dict[str, str]) -> datetime:
    """The naive wall-clock value of a stored dateTimeTimeZone."""
    return datetime.fromisoformat(value["dateTime"][:26])


def utc_of(value: dict[str, str]) -> datetime:
    """The instant of a stored dateTimeTimeZone."""
    return _utc_of(value["dateTime"], value["timeZone"])


@lru_cache(maxsize=4096)
def _utc_of(wall: str, zone_name: str) -> datetime:
    return datetime.fromisoformat(wall[:26]).replace(tzinfo=zone(zone_name)).astimezone(UTC)
