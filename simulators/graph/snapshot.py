"""One calendar item as it stands: a single event, a master, or one occurrence with its series' members filled in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from simulators.graph import ids
from simulators.graph.errors import item_not_found
from simulators.graph.recurrence import rule_days
from simulators.graph.store import MailboxStore, StoredEvent, overlaps, span_of
from simulators.graph.zones import utc_of, wall_of, wall_text, zone


@dataclass(frozen=True)
class Snapshot:
    """An item to look at. `day` is the original day of an occurrence, None for single events and masters."""

    store: MailboxStore
    event: StoredEvent
    props: dict[str, Any]
    span: tuple[datetime, datetime]
    day: date | None = None

    @property
    def type(self) -> str:
        """Graph's eventType."""
        if self.day is not None:
            return "exception" if self.day.isoformat() in self.event.exceptions else "occurrence"
        return "seriesMaster" if self.event.is_series else "singleInstance"

    def id(self, immutable: bool = False) -> str:
        """The item's id in the wanted form."""
        if immutable:
            return ids.immutable_id(self.store.tag, self.event.key, self.day)
        return ids.rest_id(self.store.tag, ids.folder_tag(self.event.folder), self.event.key, self.day)

    @property
    def ical_uid(self) -> str:
        """The item's iCalUId: the meeting's own, or one for each occurrence."""
        if self.day is None:
            return self.event.ical_uid
        return ids.occurrence_ical_uid(self.event.ical_uid, self.day)

    @property
    def original_start(self) -> datetime | None:
        """The UTC start that the rule gave an occurrence."""
        return None if self.day is None else original_span(self.event, self.day)[0]

    @property
    def extended(self) -> dict[str, str]:
        """Single-value extended properties: an occurrence has its series' unless it has own ones."""
        own: dict[str, str] = self.props.get("_extended", {})
        return {**self.event.extended, **own} if own else self.event.extended


def whole(store: MailboxStore, event: StoredEvent) -> Snapshot:
    """A single event or a master."""
    return Snapshot(store, event, event.props, event.span)


def original_times(event: StoredEvent, day: date) -> dict[str, Any]:
    """The start and end members that the rule gives the occurrence of `day`."""
    start, end = wall_of(event.props["start"]), wall_of(event.props["end"])
    moved = datetime.combine(day, start.time())
    return {
        "start": {**event.props["start"], "dateTime": wall_text(moved)},
        "end": {**event.props["end"], "dateTime": wall_text(moved + (end - start))},
    }


def original_span(event: StoredEvent, day: date) -> tuple[datetime, datetime]:
    """The times that the rule gives the occurrence of `day`, as instants."""
    times = original_times(event, day)
    if event.props["isAllDay"]:
        return wall_of(times["start"]).replace(tzinfo=UTC), wall_of(times["end"]).replace(tzinfo=UTC)
    return utc_of(times["start"]), utc_of(times["end"])


def original_day(event: StoredEvent, start: datetime) -> date:
    """The original day of the occurrence that the rule starts at this instant."""
    if event.props["isAllDay"]:
        return start.astimezone(UTC).date()
    return start.astimezone(zone(event.props["start"]["timeZone"])).date()


def occurrence(store: MailboxStore, event: StoredEvent, day: date) -> Snapshot:
    """The occurrence of a series on its original day, changed or not. The caller has checked that it exists."""
    changes = event.exceptions.get(day.isoformat(), {})
    props = {**event.props, **original_times(event, day), "recurrence": None, **changes}
    return Snapshot(store, event, props, span_of(props), day)


def has_day(event: StoredEvent, day: date) -> bool:
    """Whether the series has an occurrence with this original day that was not deleted."""
    if not event.is_series or day.isoformat() in event.cancelled:
        return False
    return any(found == day for found in rule_days(event.props["recurrence"], day))


def instances(store: MailboxStore, event: StoredEvent, start: datetime, end: datetime) -> Iterator[Snapshot]:
    """Occurrences and exceptions of one series that overlap the window, by original day."""
    margin = event.span[1] - event.span[0] + timedelta(days=2)
    last = (end + timedelta(days=2)).date()
    # An exception may have been moved into the window from a day beyond it.
    moved = [date.fromisoformat(day) for day in event.exceptions]
    for day in rule_days(event.props["recurrence"], max([last, *moved])):
        text = day.isoformat()
        if text in event.cancelled:
            continue
        if text in event.exceptions or (start - margin).date() <= day <= last:
            item = occurrence(store, event, day)
            if overlaps(item.span, start, end):
                yield item


def find_item(store: MailboxStore, item_id: str) -> Snapshot:
    """The item that an id names. Raises GraphError: malformed id, or no such item."""
    event, parsed = store.find(item_id)
    if parsed.day is None:
        return whole(store, event)
    if not has_day(event, parsed.day):
        raise item_not_found()
    return occurrence(store, event, parsed.day)


def in_window(store: MailboxStore, folder: int, start: datetime, end: datetime) -> list[Snapshot]:
    """What a calendar view shows: single events, occurrences and exceptions, by start."""
    items = [whole(store, event) for event in store.singles_between(folder, start, end)]
    series = store.series(folder)
    if series:
        for event in series:
            items.extend(instances(store, event, start, end))
        items.sort(key=lambda item: (item.span[0], item.event.key, item.day or date.min))
    return items
