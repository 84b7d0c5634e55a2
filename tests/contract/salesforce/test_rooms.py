"""Resource Calendars against the Salesforce simulator: booked by a relation, refused when taken; the event stays."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.salesforce_client import SalesforceClient
from support.salesforce_driver import NAMES, build_lasting, calls_to, carry_out, content, create, made, reading, update

from schemas.calendar import Attendee, AttendeeKind, CalendarEvent, Sensitivity, TimeSpan
from schemas.changes import Item
from schemas.commands import Result
from simulators.salesforce.org import Org


@pytest.fixture(params=[False, True])
def org(request: pytest.FixtureRequest) -> SalesforceClient:
    """A calm org, without and with Shared Activities."""
    return build_lasting(Org(shared_activities=request.param))


def room(org: SalesforceClient) -> Attendee:
    """The org's Resource Calendar, as a command names it."""
    return Attendee("room4@firm.example", "Room 4", AttendeeKind.RESOURCE, record_id=org.ids["room"])


def in_room(org: SalesforceClient, **members: object) -> CalendarEvent:
    """An event in the room."""
    return content(org, rooms=(room(org),), **members)


def rooms_of(item: Item | None) -> list[str]:
    """Which calendars an item books."""
    assert item is not None
    return [one.record_id for one in item.content.rooms]


def taken(org: SalesforceClient, days: float = 0) -> str:
    """Somebody's event in the room, at the usual time or so many days later; returns its id."""
    span = content(org).span
    start = span.start_utc + timedelta(days=days)
    event = org.event(
        StartDateTime=f"{start:%Y-%m-%dT%H:%M:%SZ}", EndDateTime=f"{start + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
    )
    org.create("EventRelation", {"EventId": event, "RelationId": org.ids["room"]})
    return event


def test_a_room_is_booked_with_the_event_and_read_back(org: SalesforceClient) -> None:
    """Beside the people, who are not changed by it; a second try changes nothing."""
    wanted = in_room(org)
    item = made(org, wanted)
    assert rooms_of(item) == [org.ids["room"]]
    assert len(item.content.attendees) == 2
    assert rooms_of(reading(org, item.id)) == [org.ids["room"]]
    again = carry_out(create(wanted), calls_to(org))
    assert (again.result, rooms_of(again.item), again.warning) == (Result.APPLIED, [org.ids["room"]], "")


def test_rooms_come_and_go_by_themselves(org: SalesforceClient) -> None:
    """The group alone: people, texts and times are not touched."""
    item = made(org)
    added = carry_out(update(item, "rooms", rooms=(room(org),)), calls_to(org))
    assert rooms_of(added.item) == [org.ids["room"]]
    assert added.item is not None
    assert added.item.content.attendees == item.content.attendees
    removed = carry_out(update(added.item, "rooms", rooms=()), calls_to(org))
    assert rooms_of(removed.item) == []
    assert removed.item is not None
    assert removed.item.content.attendees == item.content.attendees


def test_a_taken_room_is_a_warning(org: SalesforceClient) -> None:
    """The event is made with its people; the room is left out and named."""
    taken(org)
    outcome = carry_out(create(in_room(org)), calls_to(org))
    assert (outcome.result, rooms_of(outcome.item)) == (Result.APPLIED, [])
    assert outcome.warning == f"room {org.ids['room']}: FIELD_INTEGRITY_EXCEPTION"
    assert outcome.item is not None
    assert len(outcome.item.content.attendees) == 2


def test_an_event_moves_although_its_room_is_taken_then(org: SalesforceClient) -> None:
    """Salesforce refuses the time as long as the room hangs on it: the event leaves the room and moves."""
    item = made(org, in_room(org))
    taken(org, days=1)
    span = item.content.span
    later = TimeSpan(span.start_utc + timedelta(days=1), span.end_utc + timedelta(days=1))
    outcome = carry_out(update(item, "time", "subject", "rooms", span=later, subject="Moved"), calls_to(org))
    assert (outcome.result, rooms_of(outcome.item)) == (Result.APPLIED, [])
    assert outcome.item is not None
    assert (outcome.item.content.span, outcome.item.content.subject) == (later, "Moved")
    assert outcome.warning.startswith("room ")
    assert len(outcome.item.content.attendees) == 2


def test_a_refusal_for_another_reason_keeps_the_room(org: SalesforceClient) -> None:
    """Too long for Salesforce with or without a room."""
    item = made(org, in_room(org))
    span = item.content.span
    endless = TimeSpan(span.start_utc, span.end_utc + timedelta(days=30))
    outcome = carry_out(update(item, "time", "rooms", span=endless), calls_to(org))
    assert outcome.result is Result.REFUSED
    assert rooms_of(reading(org, item.id)) == [org.ids["room"]]


def test_an_event_that_turns_private_leaves_its_room(org: SalesforceClient) -> None:
    """As it loses its people."""
    item = made(org, in_room(org))
    outcome = carry_out(
        update(item, "privacy", "people", "rooms", sensitivity=Sensitivity.PRIVATE, attendees=(), rooms=()),
        calls_to(org),
    )
    assert (outcome.result, rooms_of(outcome.item)) == (Result.APPLIED, [])


def test_without_a_prefix_rooms_are_left_alone(org: SalesforceClient) -> None:
    """An org whose calendars are not known by their ids: what stands there stays."""
    names = replace(NAMES, calendar_prefix="")
    item = made(org, in_room(org))
    outcome = carry_out(update(item, "rooms", rooms=()), calls_to(org), names)
    assert outcome.result is Result.APPLIED
    assert rooms_of(reading(org, item.id)) == [org.ids["room"]]
