"""Free/busy: POST /calendar/getSchedule."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Final

from simulators.graph.call import Call
from simulators.graph.errors import GraphError, invalid_parameter
from simulators.graph.render import time_in
from simulators.graph.snapshot import Snapshot, in_window
from simulators.graph.store import DEFAULT_FOLDER
from simulators.graph.world import World
from simulators.graph.zones import read_date_time_zone, utc_of
from simulators.http import Response

SCHEDULES_MAX: Final = 20
DAYS_MAX: Final = 62
_DIGITS: Final = {"free": 0, "unknown": 0, "workingElsewhere": 0, "tentative": 1, "busy": 2, "oof": 3}


def get_schedule(call: Call, world: World) -> Response:
    """Answer getSchedule for up to 20 addresses. Raises GraphError for a bad window, interval or list."""
    given = call.parameters()
    schedules = given.get("schedules")
    if not isinstance(schedules, list) or not 1 <= len(schedules) <= SCHEDULES_MAX:
        raise invalid_parameter(f"Between 1 and {SCHEDULES_MAX} schedules can be asked for at once.")
    start = utc_of(read_date_time_zone(given.get("starttime"), "startTime"))
    end = utc_of(read_date_time_zone(given.get("endtime"), "endTime"))
    interval = given.get("availabilityviewinterval") or 30
    if not isinstance(interval, int) or not 5 <= interval <= 1440:
        raise invalid_parameter("availabilityViewInterval must lie between 5 and 1440.")
    if end - start > timedelta(days=DAYS_MAX):
        raise GraphError(400, "ErrorTimeIntervalTooBig", f"The requested time duration is longer than {DAYS_MAX} days.")
    if end <= start:
        raise invalid_parameter("The end of the window must come after its start.")
    value = [_one(call, world, str(address), (start, end), interval) for address in schedules]
    context = call.context("Collection(microsoft.graph.scheduleInformation)")
    return Response.of_json(200, {"@odata.context": context, "value": value})


def _one(call: Call, world: World, address: str, window: tuple[datetime, datetime], interval: int) -> dict[str, Any]:
    mailbox = world.mailbox_at(address)
    if mailbox is None:
        error = {"message": "Unable to resolve e-mail address to an Active Directory object.", "responseCode": "5016"}
        return {
            "scheduleId": address,
            "availabilityView": "",
            "scheduleItems": None,
            "workingHours": None,
            "error": error,
        }
    items = [one for one in in_window(world.store(mailbox), DEFAULT_FOLDER, *window) if not one.props["isCancelled"]]
    user = world.user(mailbox)
    zone_name = call.prefer.zone_name
    return {
        "scheduleId": address,
        "availabilityView": _view(items, window, interval),
        "scheduleItems": [_item(one, zone_name) for one in items],
        "workingHours": {
            "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"],
            "startTime": "08:00:00.0000000",
            "endTime": "17:00:00.0000000",
            "timeZone": {"name": user.time_zone if user is not None else "UTC"},
        },
    }


def _item(item: Snapshot, zone_name: str) -> dict[str, Any]:
    props = item.props
    is_private = props["sensitivity"] in ("private", "confidential")
    result: dict[str, Any] = {"isPrivate": is_private, "status": props["showAs"]}
    if not is_private:
        result |= {"subject": props["subject"], "location": props["location"]["displayName"]}
    times = {name: time_in(props[name], props["isAllDay"], zone_name) for name in ("start", "end")}
    return {**result, "isMeeting": bool(props["attendees"]), "isRecurring": item.day is not None, **times}


def _view(items: list[Snapshot], window: tuple[datetime, datetime], interval: int) -> str:
    start, end = window
    step = timedelta(minutes=interval)
    digits = []
    while start < end:
        upto = min(start + step, end)
        taken = (_DIGITS[one.props["showAs"]] for one in items if one.span[0] < upto and one.span[1] > start)
        digits.append(str(max(taken, default=0)))
        start = upto
    return "".join(digits)
