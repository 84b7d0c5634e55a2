"""Which members of an event `$filter` and `$orderby` may name on a list."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from simulators.graph.odata import Member, Schema
from simulators.graph.prefer import property_id
from simulators.graph.render import EVENT_TYPE
from simulators.graph.snapshot import Snapshot


def _prop(name: str) -> Callable[[Snapshot], Any]:
    return lambda item: item.props[name]


def _organizer(part: str) -> Callable[[Snapshot], Any]:
    return lambda item: item.props["organizer"]["emailAddress"][part]


EVENT_SCHEMA: Final = Schema(
    EVENT_TYPE,
    {
        "subject": Member(_prop("subject")),
        "icaluid": Member(lambda item: item.ical_uid),
        "transactionid": Member(lambda item: (item.event.transaction or {}).get("id"), "exact"),
        "start/datetime": Member(lambda item: item.span[0], "instant"),
        "end/datetime": Member(lambda item: item.span[1], "instant"),
        "createddatetime": Member(lambda item: item.event.created, "instant"),
        "lastmodifieddatetime": Member(lambda item: item.event.modified, "instant"),
        "isallday": Member(_prop("isAllDay"), "bool"),
        "iscancelled": Member(_prop("isCancelled"), "bool"),
        "isdraft": Member(_prop("isDraft"), "bool"),
        "isonlinemeeting": Member(_prop("isOnlineMeeting"), "bool"),
        "isorganizer": Member(lambda item: item.event.is_organizer, "bool"),
        "isreminderon": Member(_prop("isReminderOn"), "bool"),
        "reminderminutesbeforestart": Member(_prop("reminderMinutesBeforeStart"), "int"),
        "type": Member(lambda item: item.type),
        "showas": Member(_prop("showAs")),
        "sensitivity": Member(_prop("sensitivity")),
        "importance": Member(_prop("importance")),
        "seriesmasterid": Member(
            lambda item: None if item.day is None else item.store.event_id(item.event), "exact", sortable=False
        ),
        "id": Member(lambda item: item.id(), "exact", sortable=False),
        "organizer/emailaddress/address": Member(_organizer("address")),
        "organizer/emailaddress/name": Member(_organizer("name")),
        "location/displayname": Member(lambda item: item.props["location"]["displayName"]),
    },
    {
        "categories": (_prop("categories"), {"": Member(lambda value: value)}),
        "singlevalueextendedproperties": (
            lambda item: list(item.extended.items()),
            {
                "id": Member(lambda pair: pair[0], "exact", normalise=property_id),
                "value": Member(lambda pair: pair[1]),
            },
        ),
        "extensions": (
            lambda item: list(item.event.extensions),
            {
                "id": Member(
                    lambda name: name,
                    normalise=lambda text: text.lower().removeprefix("microsoft.graph.opentypeextension."),
                )
            },
        ),
    },
)
