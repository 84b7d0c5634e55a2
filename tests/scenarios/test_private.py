"""Scenario *private*: normal → private → normal on each side, the setting on and off."""

from __future__ import annotations

import pytest
from support.scripted import Story, as_text, day, guest, story

from schemas.topics import SYNC_DECISIONS, SYNC_QUARANTINE

SECRET = "Operation Heron"


def assert_nothing_leaks(firm: Story) -> None:
    """No text of a private event in a log line or in quarantine."""
    assert not [line for line in firm.world.captured_logs() if SECRET in line]
    assert not [one for one in firm.world.log.whole(SYNC_QUARANTINE) if SECRET in as_text(one)]


@pytest.mark.rule("7.7", "7.7a")
def test_private_and_normal_again_in_outlook(firm: Story) -> None:
    """The relations go and come back; nobody is told that anything was cancelled."""
    ann, client = firm.people[0], firm.clients[0]
    made = firm.make(ann, SECRET, day(7), attendees=[guest(client.address)])
    firm.settle()
    record = firm.records()[0]["Id"]
    assert firm.related(record) == {client.contact_id}
    firm.change(ann, made, sensitivity="private")
    firm.settle()
    assert (firm.records()[0]["IsPrivate"], firm.related(record)) == (True, set())
    firm.change(ann, made, sensitivity="normal")
    firm.settle()
    assert (firm.records()[0]["IsPrivate"], firm.related(record)) == (False, {client.contact_id})
    assert firm.mails() == []
    event = firm.event(ann, made)
    assert event is not None
    assert len(event["attendees"]) == 1, "Outlook keeps its attendees"
    assert_nothing_leaks(firm)


@pytest.mark.rule("7.7a")
def test_private_and_normal_again_in_practifi(firm: Story) -> None:
    """Practifi makes it private: Outlook's attendees stay as they are, none of them is cancelled."""
    ann, client = firm.people[0], firm.clients[0]
    made = firm.make(ann, SECRET, day(7), attendees=[guest(client.address)])
    firm.settle()
    record = firm.records()[0]["Id"]
    for one in firm.world.practifi.relations():
        firm.world.practifi.request("DELETE", f"/sobjects/EventRelation/{one['Id']}", None)
    firm.edit(record, IsPrivate=True)
    firm.settle()
    event = firm.event(ann, made)
    assert event is not None
    assert (event["sensitivity"], len(event["attendees"])) == ("private", 1)
    assert firm.related(record) == set()
    firm.edit(record, IsPrivate=False)
    firm.settle()
    event = firm.event(ann, made)
    assert event is not None
    assert (event["sensitivity"], len(event["attendees"])) == ("normal", 1)
    assert "cancel" not in {kind for kind, _ in firm.mails()}
    assert firm.settle() == []
    assert_nothing_leaks(firm)


@pytest.mark.rule("7.7")
def test_private_event_of_practifi_goes_out_without_attendees(firm: Story) -> None:
    """Made private with invitations ticked: it is created without anybody, so nobody is mailed."""
    ann = firm.people[0]
    firm.save(ann, SECRET, day(7), IsPrivate=True, practifi__Send_Invitations_to_Attendees__c=True)
    firm.settle()
    event = firm.world.outlook.events(ann.mailbox)[0]
    assert (event["sensitivity"], event["attendees"]) == ("private", [])
    assert firm.mails() == []
    assert_nothing_leaks(firm)


@pytest.mark.rule("2a.sync_private_events")
def test_private_events_stay_out_while_the_setting_is_off() -> None:
    """They come once the setting is turned on; turned off again they stay as they last were."""
    with story(sync_private_events=False) as firm:
        ann = firm.people[0]
        made = firm.make(ann, SECRET, day(7), sensitivity="private")
        record = firm.save(ann, SECRET, day(8), IsPrivate=True)
        firm.settle()
        assert [one["Id"] for one in firm.records()] == [record]
        assert len(firm.world.outlook.events(ann.mailbox)) == 1
        firm.rule(sync_private_events=True)
        firm.settle()
        assert firm.counts() == (1, 2), "what was saved before waits for its next save"
        firm.rule(sync_private_events=False)
        firm.settle()
        assert firm.counts() == (1, 2)
        firm.change(ann, made, subject=f"{SECRET} II")
        firm.settle()
        assert f"{SECRET} II" not in {one["Subject"] for one in firm.records()}
        assert_nothing_leaks(firm)


def test_private_text_stands_in_no_decision_that_people_are_shown(firm: Story) -> None:
    """The journal keeps what is needed to sync; what operators are shown of it names the groups only."""
    ann = firm.people[0]
    made = firm.make(ann, SECRET, day(7), sensitivity="private", attendees=[guest(firm.clients[0].address)])
    firm.settle()
    firm.change(ann, made, location={"displayName": SECRET})
    firm.settle()
    assert len(firm.world.log.whole(SYNC_DECISIONS)) >= 2
    people = [row for one in firm.decisions() for row in one.changes if row.field == "people"]
    assert {row.after for row in people} <= {"", "[]"}, "a private event's attendees cross nowhere"
    assert_nothing_leaks(firm)
