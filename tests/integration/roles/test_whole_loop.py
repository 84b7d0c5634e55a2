"""The main job on real Kafka, real processes and both simulators over TLS: each change of either side, both ways."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from support.running import Running, invited

from concord.comparison import INVITES
from concord.demo_players import graph_time, practifi_time
from schemas.commands import Decision
from schemas.topics import SYNC_DECISIONS

pytestmark = pytest.mark.broker

SHOW_AS = "practifi__Show_Time_As__c"


def test_enabling_exchanges_what_exists_and_writes_nothing_to_microsoft(firm: Running) -> None:
    """Enabling everybody brings the existing Microsoft 365 events to Practifi and records Practifi's own. Not one write
    reaches Graph and no mail leaves (rule 7.5)."""
    assert firm.first.graph_writes == []
    assert firm.first.mails == 0
    before = {record["Id"] for record in firm.first.records_before}
    assert before
    assert before < {row["Id"] for row in firm.practifi.query("SELECT Id FROM Event")}
    recorded = {state.salesforce.item.id for state in firm.pairs().values() if state.salesforce.item is not None}
    assert {record["Id"] for record in firm.first.records_before if not record["IsChild"]} <= recorded
    kept = {row["Id"]: row for row in firm.practifi.query("SELECT FIELDS(ALL) FROM Event LIMIT 200")}
    for record in firm.first.records_before:
        assert kept[record["Id"]]["SystemModstamp"] == record["SystemModstamp"], "enabling wrote to an existing record"


@pytest.mark.rule("7.16")
def test_each_edit_in_outlook_arrives_in_practifi(firm: Running) -> None:
    """A meeting made in Outlook appears in Practifi; each group of its content follows when edited; its deletion
    deletes the record. Microsoft 365 is never written."""
    adviser, day = firm.users[0], firm.a_free_day()
    marks = firm.marks()
    made = firm.outlook.create(adviser.address, firm.meeting("Annual review", day, 2))
    record = firm.record_of(made["id"], Subject="Annual review", Location="Harbour House", IsPrivate=False)
    assert record["OwnerId"] == adviser.salesforce_id
    first = {one[0] for one in firm.people[:2]}
    firm.until(lambda: firm.invitees(record["Id"]) == first, "the attendees")

    def edit(changes: dict[str, Any], **wanted: Any) -> None:
        firm.outlook.edit(adviser.address, made["id"], changes)
        assert firm.record_of(made["id"], **wanted)["Id"] == record["Id"]

    later = day + timedelta(days=1, hours=2)
    edit({"subject": "Annual review, moved"}, Subject="Annual review, moved")
    edit({"body": {"contentType": "html", "content": "<p>Bring <b>forms</b></p>"}}, Description="Bring forms")
    edit({"location": {"displayName": "Room 2"}}, Location="Room 2")
    edit({"showAs": "oof"}, **{SHOW_AS: "Out of Office"})
    edit(
        {"start": graph_time(later), "end": graph_time(later + timedelta(minutes=30))},
        StartDateTime=f"{later:%Y-%m-%dT%H:%M:%S}.000+0000", DurationInMinutes=30,
    )  # fmt: skip
    edit({"isReminderOn": True, "reminderMinutesBeforeStart": 45}, IsReminderSet=True)
    edit({"isReminderOn": False}, IsReminderSet=False)
    edit({"attendees": [invited(name, address) for _, name, address in firm.people[1:4]]})
    wanted = {one[0] for one in firm.people[1:4]}
    firm.until(lambda: firm.invitees(record["Id"]) == wanted, "the new list of attendees")
    firm.control("graph", "answer", {"mailbox": adviser.mailbox, "event": made["id"], "address": firm.people[2][2],
                                     "reply": "accepted"})  # fmt: skip
    accepted = f"SELECT RelationId FROM EventRelation WHERE EventId = '{record['Id']}' AND Status = 'Accepted'"
    firm.until(lambda: [r["RelationId"] for r in firm.practifi.query(accepted)] == [firm.people[2][0]], "the answer")
    edit({"sensitivity": "private"}, IsPrivate=True)
    firm.until(lambda: firm.invitees(record["Id"]) == set(), "a private event without attendees")
    firm.outlook.delete(adviser.address, made["id"])
    firm.until(lambda: firm.practifi.get(record["Id"]) is None, "the deletion")
    assert firm.graph_writes(marks) == []


@pytest.mark.rule("7.16")
def test_each_edit_in_practifi_arrives_in_outlook(firm: Running) -> None:
    """An event made in Practifi is created in the owner's calendar and invites its attendees; each group follows when
    edited; attendees alone send nothing (rule 7.6); its deletion deletes the event there."""
    adviser, day = firm.users[1], firm.a_free_day()
    record_id = firm.practifi.create(
        firm.entry("Strategy call", day, adviser, **{INVITES: True}), tuple(one[0] for one in firm.people[4:6])
    )
    made = firm.event_of(adviser, record_id, subject="Strategy call", isOrganizer=True)
    invited_now = {firm.people[4][2], firm.people[5][2]}

    def addresses() -> set[str]:
        event = firm.outlook.get(adviser.address, made["id"])
        assert event is not None
        return {one["emailAddress"]["address"].lower() for one in event["attendees"]}

    def edit(changes: dict[str, Any], **wanted: Any) -> None:
        firm.practifi.edit(record_id, changes)
        firm.event_of(adviser, record_id, **wanted)

    edit({"Subject": "Strategy call, part 2"}, subject="Strategy call, part 2")
    firm.until(lambda: addresses() == invited_now, "both invited")
    later = day + timedelta(hours=3)
    edit(
        {"StartDateTime": practifi_time(later), "EndDateTime": practifi_time(later + timedelta(minutes=30))},
        start={"dateTime": f"{later:%Y-%m-%dT%H:%M:%S}.0000000", "timeZone": "UTC"},
    )
    edit({SHOW_AS: "Tentative"}, showAs="tentative")
    edit({"Description": "Bring the forms."})
    firm.until(
        lambda: "Bring the forms." in (firm.outlook.get(adviser.address, made["id"]) or {})["body"]["content"],
        "the new body",
    )
    edit({"Location": "Room 3"})
    firm.until(
        lambda: (firm.outlook.get(adviser.address, made["id"]) or {})["location"]["displayName"] == "Room 3",
        "the new location",
    )
    reminder = later - timedelta(minutes=20)
    edit(
        {"IsReminderSet": True, "ReminderDateTime": practifi_time(reminder)},
        isReminderOn=True, reminderMinutesBeforeStart=20,
    )  # fmt: skip
    firm.settle()
    sent = firm.mails_sent()
    firm.practifi.invite(record_id, (firm.people[6][0],))
    firm.settle()
    assert firm.mails_sent() == sent, "a changed attendee list alone mailed somebody"
    assert addresses() == invited_now
    firm.practifi.delete(record_id)
    firm.until(lambda: firm.outlook.get(adviser.address, made["id"]) is None, "the deletion")
    firm.settle()
    cancelled = firm.mails_sent() - sent
    assert {address for kind, address in cancelled if kind == "cancel"} == invited_now
    firm.assert_mails_as_predicted()


@pytest.mark.rule("7.15")
def test_microsoft_wins_a_conflict_and_the_losing_value_is_kept(firm: Running) -> None:
    """The subject edited on both sides at once becomes Microsoft's on both; the location, edited in Practifi only, is
    carried over; the decision keeps what was overruled (rule 7.15)."""
    adviser, day = firm.users[0], firm.a_free_day()
    made = firm.outlook.create(adviser.address, firm.meeting("Quarterly talk", day))
    record = firm.record_of(made["id"], Subject="Quarterly talk")
    firm.settle()
    firm.practifi.edit(record["Id"], {"Subject": "Practifi's quarterly talk", "Location": "Room 9"})
    firm.outlook.edit(adviser.address, made["id"], {"subject": "Microsoft's quarterly talk"})
    firm.record_of(made["id"], Subject="Microsoft's quarterly talk", Location="Room 9")
    firm.event_of(adviser, record["Id"], subject="Microsoft's quarterly talk")
    firm.settle()
    event, after = firm.outlook.get(adviser.address, made["id"]), firm.practifi.get(record["Id"])
    assert event is not None
    assert after is not None
    assert (event["subject"], after["Subject"]) == ("Microsoft's quarterly talk", "Microsoft's quarterly talk")
    assert (event["location"]["displayName"], after["Location"]) == ("Room 9", "Room 9")
    (pair_key,) = (key for key, state in firm.pairs().items() if state.graph.item and state.graph.item.id == made["id"])
    decisions = [d for d in firm.decoded(Decision, SYNC_DECISIONS) if d.pair_key == pair_key]
    lost = [one.before for decision in decisions for one in decision.lost]
    assert lost in ([], ["Practifi's quarterly talk"]), "read one after another, or as a conflict"


@pytest.mark.rule("7.7")
def test_all_day_and_private_entries_cross_both_ways(firm: Running) -> None:
    """All-day entries keep their dates (Salesforce names the last day, Graph the midnight after it); private ones
    cross without their attendees."""
    adviser, day = firm.users[2], firm.a_free_day().replace(hour=0)
    conference = firm.outlook.create(
        adviser.address,
        {
            "subject": "Conference", "isAllDay": True, "sensitivity": "private",
            "start": {"dateTime": f"{day:%F}T00:00:00", "timeZone": "Australia/Sydney"},
            "end": {"dateTime": f"{day + timedelta(days=2):%F}T00:00:00", "timeZone": "Australia/Sydney"},
            "attendees": [invited(firm.people[0][1], firm.people[0][2])],
        },
    )  # fmt: skip
    record = firm.record_of(conference["id"], IsAllDayEvent=True, IsPrivate=True)
    assert (record["StartDateTime"][:10], record["EndDateTime"][:10]) == (f"{day:%F}", f"{day + timedelta(days=1):%F}")
    assert firm.invitees(record["Id"]) == set()
    leave = firm.practifi.create(
        {
            "Subject": "Leave", "OwnerId": adviser.salesforce_id, "IsAllDayEvent": True, "IsPrivate": True,
            "ActivityDate": f"{day:%F}", "EndDateTime": practifi_time(day + timedelta(days=1)), INVITES: True,
            "StartDateTime": practifi_time(day),
        }
    )  # fmt: skip
    made = firm.event_of(adviser, leave, isAllDay=True, sensitivity="private", attendees=[])
    assert (made["start"]["dateTime"][:10], made["end"]["dateTime"][:10]) == (
        f"{day:%F}", f"{day + timedelta(days=2):%F}",
    )  # fmt: skip


@pytest.mark.long
def test_a_dead_cursor_costs_a_full_read_and_no_event(firm: Running) -> None:
    """While the Graph source is away every delta token dies, one meeting is deleted and one edited. The full read finds
    both, and nothing else is touched: what it does not bring is asked for by its id (rule 7.19)."""
    adviser, day = firm.users[1], firm.a_free_day()
    gone, kept = (firm.outlook.create(adviser.address, firm.meeting(f"Cursor {n}", day))["id"] for n in range(2))
    records = [firm.record_of(graph_id)["Id"] for graph_id in (gone, kept)]
    firm.settle()
    assert firm.env.roles.halt("source-graph") == 0
    marks = firm.marks()
    firm.outlook.delete(adviser.address, gone)
    firm.outlook.edit(adviser.address, kept, {"subject": "Cursor 1, edited"})
    firm.control("graph", "expire-delta-tokens")
    firm.env.roles.resume("source-graph")
    firm.record_of(kept, Subject="Cursor 1, edited")
    firm.until(lambda: firm.practifi.get(records[0]) is None, "the deletion")
    firm.come_to_agreement()
    written = {write for write in firm.practifi_writes(marks) if " Event " in write}
    assert written == {f"DELETE Event {records[0]}", f"UPDATE Event {records[1]}"}
    assert firm.graph_writes(marks) == []


def test_a_settled_firm_agrees_and_stays_quiet(firm: Running) -> None:
    """When people stop, both sides are equal, nothing is there twice, exactly the predicted mails were sent, and
    looking at both services again and again writes nothing (I1, I2, I4, I7)."""
    adviser, day = firm.users[0], firm.a_free_day()
    for number in range(3):
        firm.outlook.create(adviser.address, firm.meeting(f"Outlook {number}", day + timedelta(hours=number), number))
        firm.practifi.create(
            firm.entry(f"Practifi {number}", day + timedelta(hours=number), adviser, **{INVITES: True}),
            (firm.people[number][0],),
        )
    firm.come_to_agreement()
    firm.assert_no_duplicates()
    firm.assert_mails_as_predicted()
    assert sum(firm.mails_sent().values()) >= 3
    firm.assert_quiet(5.5)
