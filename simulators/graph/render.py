"""An item as Graph returns it: member order, times in the asked zone, body as html or text, selected and expanded."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date
from typing import Any, Final
from urllib.parse import quote

from simulators.graph.body import plain_text
from simulators.graph.prefer import Expansion, Preferences, selected
from simulators.graph.snapshot import Snapshot, occurrence
from simulators.graph.zones import instant_text, utc_of, wall_text, zone

EVENT_TYPE: Final = "microsoft.graph.event"
EVENT_MEMBERS: Final = frozenset(
    {
        "id", "createdDateTime", "lastModifiedDateTime", "changeKey", "categories", "transactionId",
        "originalStartTimeZone", "originalEndTimeZone", "iCalUId", "reminderMinutesBeforeStart", "isReminderOn",
        "hasAttachments", "subject", "bodyPreview", "importance", "sensitivity", "isAllDay", "isCancelled",
        "isOrganizer", "isDraft", "responseRequested", "seriesMasterId", "showAs", "type", "webLink",
        "onlineMeetingUrl", "isOnlineMeeting", "onlineMeetingProvider", "allowNewTimeProposals", "occurrenceId",
        "hideAttendees", "responseStatus", "body", "start", "end", "location", "locations", "recurrence", "attendees",
        "organizer", "onlineMeeting", "originalStart", "cancelledOccurrences", "exceptionOccurrences",
        "singleValueExtendedProperties", "multiValueExtendedProperties", "extensions", "attachments", "calendar",
        "instances",
    }
)  # fmt: skip
"""What `$select` may name on an event."""

_COPIED: Final = (
    "subject", "bodyPreview", "importance", "sensitivity", "isAllDay", "isCancelled",
)  # fmt: skip


@dataclass(frozen=True)
class View:
    """How the caller wants items."""

    prefer: Preferences = Preferences()  # noqa: RUF009  # frozen
    select: frozenset[str] | None = None
    expand: Expansion = Expansion()  # noqa: RUF009  # frozen
    is_single: bool = False
    """Whether one item was asked for by id: only then cancelledOccurrences and exceptionOccurrences are given."""


PLAIN: Final = View()


def etag(item: Snapshot) -> str:
    """The item's @odata.etag. Occurrences share their series' version."""
    return f'W/"{item.event.change_key}"'


def time_in(value: dict[str, str], is_all_day: bool, zone_name: str) -> dict[str, str]:
    """A stored dateTimeTimeZone in the asked zone. All-day values float: their dates stay as they are."""
    if is_all_day or value["timeZone"] == zone_name:
        return {"dateTime": value["dateTime"], "timeZone": zone_name}
    moment = utc_of(value)
    rules = zone(zone_name)
    return {"dateTime": wall_text(moment if rules is UTC else moment.astimezone(rules)), "timeZone": zone_name}


def occurrence_oid(item: Snapshot, immutable: bool) -> str | None:
    """The occurrenceId: the series and the original date in the series' zone."""
    if item.day is None:
        return None
    return f"OID.{item.store.event_id(item.event, immutable)}.{item.day.isoformat()}"


def render_event(item: Snapshot, view: View = PLAIN) -> dict[str, Any]:
    """The item's JSON object, without @odata.context."""
    props, event, prefer = item.props, item.event, view.prefer
    item_id = item.id(prefer.immutable_ids)
    body = props["body"]
    if prefer.text_body:
        body = {"contentType": "text", "content": plain_text(body["content"])}
    result: dict[str, Any] = {
        "@odata.etag": etag(item),
        "id": item_id,
        "createdDateTime": instant_text(event.created),
        "lastModifiedDateTime": instant_text(event.modified),
        "changeKey": event.change_key,
        "categories": props["categories"],
    }
    if event.transaction is not None and item.day is None:
        result["transactionId"] = event.transaction["id"]
    result |= {
        "originalStartTimeZone": props["originalStartTimeZone"],
        "originalEndTimeZone": props["originalEndTimeZone"],
        "iCalUId": item.ical_uid,
        "reminderMinutesBeforeStart": props["reminderMinutesBeforeStart"],
        "isReminderOn": props["isReminderOn"],
        "hasAttachments": False,
        **{name: props[name] for name in _COPIED},
        "isOrganizer": event.is_organizer,
        "isDraft": props["isDraft"],
        "responseRequested": props["responseRequested"],
        "seriesMasterId": None if item.day is None else item.store.event_id(event, prefer.immutable_ids),
        "showAs": props["showAs"],
        "type": item.type,
        "webLink": f"https://outlook.office365.com/owa/?itemid={quote(item_id, safe='')}&exvsurl=1&path=/calendar/item",
        "onlineMeetingUrl": None,
        "isOnlineMeeting": props["isOnlineMeeting"],
        "onlineMeetingProvider": props["onlineMeetingProvider"],
        "allowNewTimeProposals": props["allowNewTimeProposals"],
        "occurrenceId": occurrence_oid(item, prefer.immutable_ids),
        "hideAttendees": props["hideAttendees"],
        "responseStatus": props["responseStatus"],
        "body": body,
        "start": time_in(props["start"], props["isAllDay"], prefer.zone_name),
        "end": time_in(props["end"], props["isAllDay"], prefer.zone_name),
        "location": props["location"],
        "locations": props["locations"],
        "recurrence": props["recurrence"],
        "attendees": _attendees(item, prefer.zone_name),
        "organizer": props["organizer"],
        "onlineMeeting": props["onlineMeeting"],
    }
    if item.day is not None and item.original_start is not None:
        result["originalStart"] = instant_text(item.original_start)
    result = selected(result, view.select)
    return _expanded(item, view, result)


def _attendees(item: Snapshot, zone_name: str) -> list[dict[str, Any]]:
    attendees: list[dict[str, Any]] = item.props["attendees"]
    if not any("proposedNewTime" in attendee for attendee in attendees):
        return attendees
    return [
        {**a, "proposedNewTime": {end: time_in(value, False, zone_name) for end, value in a["proposedNewTime"].items()}}
        if "proposedNewTime" in a
        else a
        for a in attendees
    ]


def _expanded(item: Snapshot, view: View, result: dict[str, Any]) -> dict[str, Any]:
    event, expand = item.event, view.expand
    if expand.single:
        found = [{"id": name, "value": value} for name, value in item.extended.items() if name in expand.single]
        if found:
            result["singleValueExtendedProperties"] = found
    if expand.multi:
        values = [{"id": name, "value": value} for name, value in event.multi_extended.items() if name in expand.multi]
        if values:
            result["multiValueExtendedProperties"] = values
    if expand.extensions is not None:
        result["extensions"] = [
            extension
            for name, extension in event.extensions.items()
            if not expand.extensions
            or name.lower() in expand.extensions
            or extension["id"].lower() in expand.extensions
        ]
    if expand.attachments:
        result["attachments"] = []
    if view.is_single and event.is_series and item.day is None and view.select is not None:
        if "cancelledOccurrences" in view.select:
            series_id = item.store.event_id(event, view.prefer.immutable_ids)
            result["cancelledOccurrences"] = [f"OID.{series_id}.{day}" for day in sorted(event.cancelled)]
        if expand.exceptions:
            changed = (occurrence(item.store, event, date.fromisoformat(text)) for text in sorted(event.exceptions))
            result["exceptionOccurrences"] = [render_event(one, View(view.prefer)) for one in changed]
    return result


def render_thin(item: Snapshot, prefer: Preferences) -> dict[str, Any]:
    """An occurrence as delta sends it: seven members and no more."""
    is_all_day = item.props["isAllDay"]
    return {
        "@odata.type": "#microsoft.graph.event",
        "@odata.etag": etag(item),
        "id": item.id(prefer.immutable_ids),
        "seriesMasterId": item.store.event_id(item.event, prefer.immutable_ids),
        "type": "occurrence",
        "start": time_in(item.props["start"], is_all_day, prefer.zone_name),
        "end": time_in(item.props["end"], is_all_day, prefer.zone_name),
    }


def render_removed(item_id: str) -> dict[str, Any]:
    """What delta says about an item that is gone or lies outside the window."""
    return {"@odata.type": "#microsoft.graph.event", "id": item_id, "@removed": {"reason": "deleted"}}
