"""Rules of a series that a write must keep: where it starts, its zone, how far an occurrence may move."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import Any

from simulators.graph.errors import GraphError, validation_failed
from simulators.graph.recurrence import first_day, read_recurrence, rule_days
from simulators.graph.snapshot import occurrence
from simulators.graph.store import MailboxStore, StoredEvent
from simulators.graph.zones import utc_of, wall_of, wall_text, zone


def settle_series(props: dict[str, Any], known_start: str | None = None) -> dict[str, Any]:
    """The members of a series master with its rule checked: times in the recurrence's zone, on the first real day.

    `known_start` is a startDate that is accepted although the event starts later. Raises GraphError.
    """
    recurrence = read_recurrence(props["recurrence"], props["start"]["timeZone"])
    given_day = wall_of(props["start"]).date().isoformat()
    props = {**props, **_in_zone(props, recurrence["range"]["recurrenceTimeZone"]), "recurrence": recurrence}
    start, end = wall_of(props["start"]), wall_of(props["end"])
    start_date = recurrence["range"]["startDate"]
    if start_date not in (given_day, start.date().isoformat(), known_start):
        raise validation_failed(" The recurrence's startDate must be the date of the event's start.")
    first = first_day(recurrence)
    if first is None:
        raise validation_failed(" The recurrence has no occurrence.")
    moved = datetime.combine(first, start.time())
    return {
        **props,
        "start": {**props["start"], "dateTime": wall_text(moved)},
        "end": {**props["end"], "dateTime": wall_text(moved + (end - start))},
    }


def _in_zone(props: dict[str, Any], zone_name: str) -> dict[str, Any]:
    if props["isAllDay"] or props["start"]["timeZone"] == zone_name == props["end"]["timeZone"]:
        return {}
    rules = zone(zone_name)
    return {
        name: {"dateTime": wall_text(utc_of(props[name]).astimezone(rules)), "timeZone": zone_name}
        for name in ("start", "end")
    }


def restarted(recurrence: dict[str, Any], start: dict[str, str]) -> dict[str, Any]:
    """A rule whose series was moved to start at another time: it begins on that day."""
    rules = zone(recurrence["range"]["recurrenceTimeZone"])
    day = utc_of(start).astimezone(rules).date()
    return {**recurrence, "range": {**recurrence["range"], "startDate": day.isoformat()}}


def check_boundary(store: MailboxStore, event: StoredEvent, day: date, start: dict[str, str]) -> None:
    """Raise GraphError ErrorOccurrenceCrossingBoundary when an occurrence would move onto or past a neighbour."""
    days = [found for found in _days_around(event, day) if found == day or found.isoformat() not in event.cancelled]
    target = utc_of(start).astimezone(zone(event.props["start"]["timeZone"])).date()
    for before, after in pairwise(days):
        if after == day and target <= _effective_day(store, event, before):
            raise _crossing()
        if before == day and target >= _effective_day(store, event, after):
            raise _crossing()


def _days_around(event: StoredEvent, day: date) -> list[date]:
    pattern = event.props["recurrence"]["pattern"]
    return list(rule_days(event.props["recurrence"], day + timedelta(days=366 * max(1, pattern["interval"]) + 31)))


def _effective_day(store: MailboxStore, event: StoredEvent, day: date) -> date:
    if day.isoformat() not in event.exceptions:
        return day
    return wall_of(occurrence(store, event, day).props["start"]).date()


def _crossing() -> GraphError:
    return GraphError(
        400,
        "ErrorOccurrenceCrossingBoundary",
        "Modified occurrence is crossing or overlapping adjacent occurrence.",
    )
