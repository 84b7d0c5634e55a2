"""A series of an iCalendar file as the Graph JSON of its master: rule, deleted dates, changed dates. Pure."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any
from zoneinfo import ZoneInfo

from simulators.graph.tenant import User
from simulators.graph.zones import is_zone, zone
from simulators.ics_events import IcsEvent, Moment, Unusable
from simulators.ics_recurrence import Recurrence, in_graphs_words


def series_json(
    event: IcsEvent, user: User, as_json: Callable[[IcsEvent], dict[str, Any]]
) -> tuple[dict[str, Any], list[str]]:
    """The members that make a series of an event, and what was left out. `as_json` writes a changed date.

    Raises Unusable that says what of it a Graph series cannot express.
    """
    repeats = event.repeats
    assert repeats is not None
    if not repeats.rule:
        raise Unusable("it lists its dates (RDATE) instead of a rule, which a Graph series cannot")
    zone_name = _zone_name(event, user)
    found = in_graphs_words(repeats.rule, repeats.text, event.start.wall, zone_name)
    days = _Days(event, found)
    extra = [moment.wall for moment in repeats.added if not days.has(moment)]
    if extra:
        raise Unusable("it has dates beside its rule (RDATE), which a Graph series cannot have")
    notes: list[str] = []
    deleted = {*found.surplus, *(moment.wall.date() for moment in repeats.excluded if days.has(moment))}
    changed: list[dict[str, Any]] = []
    for one in event.overrides:
        assert one.instead_of is not None
        day = days.day_of(one.instead_of)
        if day is None:
            notes.append(f"left out a change of {one.instead_of.wall:%d %b %Y}, which is none of its dates")
        elif one.is_cancelled:
            deleted.add(day)
        elif day in deleted:
            notes.append(f"left out a change of {day:%d %b %Y}, which it leaves out")
        else:
            changed.append({**as_json(one), "originalStart": days.original_start(day, zone_name)})
    members = {"recurrence": found.recurrence, "cancelledOccurrences": [f"OID.{day}" for day in sorted(deleted)],
               "exceptionOccurrences": changed}  # fmt: skip
    return members, notes


class _Days:
    """The dates of a series, as they are named in the file."""

    def __init__(self, event: IcsEvent, found: Recurrence) -> None:
        from dateutil.rrule import rrulestr

        assert event.repeats is not None
        self._event = event
        self._rule = rrulestr(event.repeats.text, dtstart=event.start.wall)
        self._surplus = found.surplus

    def has(self, moment: Moment) -> bool:
        """Whether the rule has this date; one that names a time names the rule's."""
        return self.day_of(moment) is not None

    def day_of(self, moment: Moment) -> date | None:
        """The original day that a moment names, None for one that is none."""
        wall = moment.wall
        if moment.zone is not None and self._event.start.zone is not None and moment.zone != self._event.start.zone:
            wall = wall.replace(tzinfo=moment.zone).astimezone(self._event.start.zone).replace(tzinfo=None)
        begins = datetime.combine(wall.date(), self._event.start.wall.time())
        is_named = wall.time() in (begins.time(), time())
        return begins.date() if is_named and self._rule.between(begins, begins, inc=True) else None

    def original_start(self, day: date, zone_name: str) -> str:
        """When the rule begins that day, as Graph writes an instant."""
        begins = datetime.combine(day, self._event.start.wall.time())
        rules = UTC if self._event.is_all_day else zone(zone_name)
        return f"{begins.replace(tzinfo=rules).astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _zone_name(event: IcsEvent, user: User) -> str:
    """The zone whose clocks a series follows; floating ones and all-day ones follow the reader's."""
    if event.start.zone is None or event.is_all_day:
        return user.time_zone
    name = getattr(event.start.zone, "key", None)
    if isinstance(name, str) and is_zone(name) and zone(name) == event.start.zone:
        return name
    if event.start.zone in (UTC, ZoneInfo("UTC")):
        return "UTC"
    raise Unusable("it follows the clocks of a time zone that a mailbox does not know")
