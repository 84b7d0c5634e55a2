"""What we send, judged by the published metadata: every call that the tests make goes through the same tables."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support import graph_facts, salesforce_facts
from support.graph_driver import send_to
from support.graph_firm import ANA, BANKSIA, BASE, CLIENT, TOKEN, TOM, build_graph
from support.salesforce_client import build_org
from support.salesforce_driver import (
    build_lasting,
    calls_to,
    carry_out,
    content,
    delete,
    made,
    reading,
    to_request,
    update,
)

from connectors.exchange import Call, run
from connectors.graph import wire
from connectors.graph.sink import apply_command
from connectors.graph.subscriptions import Endpoint, keep_subscription
from connectors.graph.translate import to_item
from schemas.calendar import Attendee, AttendeeKind, CalendarEvent, Response, Sensitivity, ShowAs, TimeSpan
from schemas.changes import Side
from schemas.commands import Action, Command, Result
from schemas.cursors import GraphCursor
from schemas.groups import ALL
from simulators.graph import event_input
from simulators.graph.recurrence import DAYS, INDEXES, PATTERNS, RANGES
from simulators.graph.render import EVENT_MEMBERS
from simulators.salesforce.org import Org

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
START = datetime(2026, 3, 11, 10, tzinfo=UTC)
PEOPLE = (
    Attendee(CLIENT, "Ines Park"),
    Attendee(ANA.mail, "", AttendeeKind.OPTIONAL),
    Attendee(BANKSIA.email_address, BANKSIA.display_name, AttendeeKind.RESOURCE),
)
FULL = CalendarEvent(
    TimeSpan(START, START + timedelta(hours=1)), "Review", "Text", "Level 4", reminder_minutes=30, attendees=PEOPLE,
    is_teams=True,
)  # fmt: skip
DAY = TimeSpan(START.replace(hour=0), START.replace(hour=0) + timedelta(days=1), is_all_day=True)
HOOK = Endpoint("https://hook.example/notify", "https://hook.example/life", "the secret")
WALL = {"dateTime": "2026-03-11T10:00:00", "timeZone": "UTC"}
EVENT_PATH = f"/users/{TOM.id}/events"


def command(action: Action, wanted: CalendarEvent, number: int, **members: Any) -> Command:
    """A command of every group."""
    usual: dict[str, Any] = {"mailbox": TOM.id, "fields": ALL, "content": wanted, "target": wanted}
    return Command(f"c#{number}", f"s:{number}", Side.GRAPH, action, NOW, number, generation=1, **(usual | members))


def test_everything_that_graph_is_sent_is_in_its_metadata() -> None:
    """Creates and updates of every group and value, subscriptions and batches: just these properties, no others."""
    sim = build_graph()
    send = send_to(sim, token=TOKEN, base_url=f"{BASE}/v1.0")
    before = graph_facts.SENT.copy()
    wanted = [replace(FULL, show_as=show_as) for show_as in ShowAs]
    wanted += [replace(FULL, sensitivity=one, reminder_minutes=None) for one in Sensitivity]
    wanted += [replace(FULL, span=DAY, location=BANKSIA.display_name, rooms=(PEOPLE[2],))]
    for number, one in enumerate(wanted):
        made_by = run(apply_command(command(Action.CREATE, one, number), now=NOW), send)
        assert made_by.result is Result.APPLIED
        assert made_by.item is not None
        held = to_item(send(wire.get_event(TOM.id, made_by.item.id)).json(), TOM.id)
        changed = replace(held.content, subject="Other", body="Other", reminder_minutes=5)
        update_ = command(
            Action.UPDATE, changed, number, id=held.id, version=held.version, basis=held.content, source=changed
        )
        assert run(apply_command(update_, now=NOW), send).result is Result.APPLIED
    run(keep_subscription(GraphCursor(TOM.id), HOOK, now=sim.clock.now()), send)
    send(wire.batch([wire.get_event(TOM.id, held.id), wire.patch_event(TOM.id, held.id, {"subject": "x"}, "")]))
    event = (
        "subject body start end isAllDay location locations attendees showAs sensitivity isReminderOn"
        " reminderMinutesBeforeStart isOnlineMeeting onlineMeetingProvider transactionId singleValueExtendedProperties"
    )
    expected = {f"event.{name}" for name in event.split()}
    expected |= {f"subscription.{name}" for name in (
        "changeType", "notificationUrl", "lifecycleNotificationUrl", "resource", "expirationDateTime", "clientState",
    )}  # fmt: skip
    sent = graph_facts.SENT - before
    assert {name for name in sent if name.startswith(("event.", "subscription."))} == expected
    assert {"attendee.type", "location.locationEmailAddress", "batchRequest.body"} <= sent.keys()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (Call("POST", EVENT_PATH, body={"subjet": "x"}), "has no property subjet"),
        (Call("POST", EVENT_PATH, body={"iCalUId": "x"}), "cannot be set on create"),
        (Call("PATCH", f"{EVENT_PATH}/a", body={"transactionId": "x"}), "cannot be set by update"),
        (Call("PATCH", f"{EVENT_PATH}/a", body={"showAs": "Busy"}), "is no freeBusyStatus"),
        (Call("PATCH", f"{EVENT_PATH}/a", body={"isAllDay": "true"}), "is no Boolean"),
        (Call("PATCH", f"{EVENT_PATH}/a", body={"start": {**WALL, "dateTime": "2026-03-11T10:00:00Z"}}), "WallClock"),
        (Call("PATCH", f"{EVENT_PATH}/a", body={"start": {**WALL, "zone": "UTC"}}), "start has no property zone"),
        (Call("PATCH", f"{EVENT_PATH}/a", body={"attendees": {"type": "required"}}), "is no collection"),
        (Call("PATCH", f"{EVENT_PATH}/a", body={"attendees": [{"type": "host"}]}), "attendees.type is no attendeeType"),
        (Call("POST", f"{EVENT_PATH}/a/cancle", body={}), "no body is known"),
        (
            wire.batch([Call("PATCH", f"{EVENT_PATH}/a", body={"body": {"contentType": "markdown"}})]),
            "body.contentType is no bodyType",
        ),
    ],
)
def test_what_the_metadata_of_graph_does_not_know_is_told(call: Call, words: str) -> None:
    """A wrong name, place, type or enum member; also inside a batch."""
    [problem] = graph_facts.problems(call)
    assert words in problem


def test_the_graph_simulator_knows_the_same_members() -> None:
    """What may be read, what is read-only, and each enumeration are those of the tables."""
    assert graph_facts.TYPES["event"].keys() == EVENT_MEMBERS
    fixed = {name for name, (_, letters) in graph_facts.TYPES["event"].items() if letters == "-"}
    assert event_input.READ_ONLY - {"uid"} == fixed - {"attachments"}
    for name, words in (
        ("freeBusyStatus", event_input.SHOW_AS), ("sensitivity", event_input.SENSITIVITY),
        ("importance", event_input.IMPORTANCE), ("attendeeType", event_input.ATTENDEE_TYPES),
        ("onlineMeetingProviderType", event_input.PROVIDERS), ("locationType", event_input.LOCATION_TYPES),
        ("dayOfWeek", DAYS), ("weekIndex", INDEXES),
        ("recurrencePatternType", PATTERNS), ("recurrenceRangeType", RANGES),
    ):  # fmt: skip
        assert set(graph_facts.ENUMS[name].split()) == set(words), name


# --- Salesforce -----------------------------------------------------------------------------------------------


def test_everything_that_salesforce_is_sent_is_in_describe() -> None:
    """Creates and updates of every group, with people of every answer: just these fields, no others."""
    org = build_lasting()
    before = salesforce_facts.SENT.copy()
    everything = {"is_teams": True, "join_url": "https://teams.example/1", "recurring": "Every week"}
    item = made(org, content(org, **everything, send_invitations=True))
    for answer in Response:
        people = (Attendee("", record_id=org.ids["contact"], response=answer),)
        item = reading(org, item.id)
        outcome = carry_out(update(item, "people", "subject", attendees=people, subject=answer.name), calls_to(org))
        assert outcome.result is Result.APPLIED, outcome
    for show_as in ShowAs:
        item = reading(org, item.id)
        outcome = carry_out(update(item, "show_as", "time", show_as=show_as, span=DAY), calls_to(org))
        assert outcome.result is Result.APPLIED, outcome
    assert carry_out(delete(reading(org, item.id)), calls_to(org)).result is Result.APPLIED
    sent = salesforce_facts.SENT - before
    event = (
        "Subject Description Location StartDateTime EndDateTime IsAllDayEvent IsPrivate OwnerId IsReminderSet"
        " ReminderDateTime Concord_Sync_Key__c External_ID__c Microsoft_365_Sync_Status__c Show_Time_As__c"
        " Send_Invitations_to_Attendees__c Recurring_in_Microsoft_365__c Teams_Meeting__c Teams_Meeting_URL__c"
    )
    expected = {f"Event.{name}" for name in event.split()}
    expected |= {f"EventRelation.{name}" for name in ("EventId", "RelationId", "Status", "Response")}
    assert sent.keys() == expected


def record(sobject: str = "Event", **members: Any) -> Call:
    """A create of one record."""
    body = {"allOrNone": False, "records": [{"attributes": {"type": sobject}, **members}]}
    return Call("POST", "/composite/sobjects", body=body)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (record(Titel="x"), "has no field Titel"),
        (record("Meeting"), "describe knows no Meeting"),
        (record(AccountId="001000000000001AAA"), "cannot be set on create"),
        (Call("PATCH", "/sobjects/Event/00U1", body={"IsRecurrence": True}), "cannot be set by update"),
        (record(ShowAs="Out of Office"), "has no value 'Out of Office'"),
        (record(IsPrivate="true"), "is no boolean"),
        (record(IsPrivate=None), "cannot be null"),
        (record(StartDateTime="2026-03-11 10:00"), "is no datetime"),
        (record(OwnerId="somebody"), "is no reference"),
        (record(Subject="x" * 256), "takes 255 characters, not 256"),
        (record(practifi__Show_Time_As__c="Away"), "has no value 'Away'"),
        (Call("POST", "/composite", body={"compositeRequest": [
            {"method": "PATCH", "url": "/services/data/v66.0/sobjects/EventRelation/0RE1", "body": {"EventId": "x"}}
        ]}), "EventId cannot be set by update"),
        (Call("POST", "/jobs/ingest", body={}), "no body is known"),
    ],
)  # fmt: skip
def test_what_describe_does_not_know_is_told(call: Call, words: str) -> None:
    """A wrong name, object, time of writing, value or length; also inside a composite request."""
    [problem] = salesforce_facts.problems(call)
    assert words in problem


def test_a_bad_body_fails_the_test_that_sends_it() -> None:
    """The drivers judge before they send."""
    with pytest.raises(AssertionError, match="has no field Titel"):
        to_request(record(Titel="x"), "token")
    with salesforce_facts.bad_on_purpose():
        to_request(record(Titel="x"), "token")
    with pytest.raises(AssertionError, match="has no property subjet"):
        send_to(build_graph(), token=TOKEN)(Call("POST", EVENT_PATH, body={"subjet": "x"}))


@pytest.mark.parametrize("is_shared", [False, True])
def test_describe_says_what_the_table_says(is_shared: bool) -> None:
    """Every standard field with its type, length and rights, in the order of the table; restricted values as well."""
    org = build_org(Org(shared_activities=True)) if is_shared else build_org()
    relation = salesforce_facts.RELATION | (salesforce_facts.SHARED if is_shared else {})
    for sobject, table in (("Event", salesforce_facts.EVENT), ("EventRelation", relation)):
        described = {one["name"]: one for one in org.get(f"/sobjects/{sobject}/describe").json()["fields"]}
        standard = {name for name, one in described.items() if not one["custom"]}
        assert standard - {"WhoCount", "WhatCount"} == table.keys()
        for name, fact in table.items():
            one = described[name]
            letters = "".join(
                letter
                for letter, is_set in (
                    ("N", one["nillable"]), ("C", one["createable"]), ("U", one["updateable"]),
                    ("X", not one["filterable"] and not one["sortable"]),
                )
                if is_set
            )  # fmt: skip
            assert (name, one["type"], one["length"], letters) == (name, fact.type, fact.length, fact.flags)
            if fact.values:
                assert [choice["value"] for choice in one["picklistValues"]] == list(fact.values)
                assert one["restrictedPicklist"]
