"""Scenario *reassign, decline, cancel, draft → confirmed, private mailbox disabled, user with two mailboxes*."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.scripted import INVITES, STATUS, Story, day, guest

from schemas.settings import UserSetting


@pytest.mark.rule("10.6")
def test_reassign_in_practifi_is_held_for_review(firm: Story) -> None:
    """A new Assigned To would mean cancel and re-invite: nothing goes out, other edits still do."""
    ann, bob = firm.people[:2]
    made = firm.make(ann, "Review", day(7), attendees=[guest(firm.clients[0].address)])
    firm.settle()
    record = firm.records()[0]["Id"]
    firm.edit(record, OwnerId=bob.salesforce_id)
    assert [write for write in firm.settle() if write.side == "graph"] == []
    assert "owner_changed" in firm.reasons()
    assert firm.mails() == []
    firm.edit(record, Subject="Annual review")
    firm.settle()
    event = firm.event(ann, made)
    assert event is not None
    assert event["subject"] == "Annual review"


@pytest.mark.rule("7.13", "4.responses")
def test_decline_by_a_client_never_removes_the_event(firm: Story) -> None:
    """A decline comes in as an answer; the event and its relation stay, and no answer goes out."""
    ann, client = firm.people[0], firm.clients[0]
    made = firm.make(ann, "Review", day(7), attendees=[guest(client.address)])
    firm.settle()
    firm.world.services.graph_simulator.answer(ann.mailbox, made, client.address, "declined")
    firm.settle()
    record = firm.records()[0]["Id"]
    rows = [one for one in firm.world.practifi.relations() if one["EventId"] == record]
    assert [(one["RelationId"], one["Status"]) for one in rows] == [(client.contact_id, "Declined")]
    firm.edit(record, Subject="Annual review")
    firm.settle()
    event = firm.event(ann, made)
    assert event is not None
    assert event["attendees"][0]["status"]["response"] == "declined"


def test_cancel_by_the_organizer_ends_the_event_once(firm: Story) -> None:
    """The organizer cancels: Practifi's event goes, although an attendee's mailbox still shows a cancelled copy."""
    ann, bob = firm.people[:2]
    made = firm.make(ann, "Review", day(7), attendees=[guest(bob.address)])
    firm.settle()
    assert len(firm.records()) == 1
    firm.world.outlook.request("POST", f"/users/{ann.mailbox}/events/{made}/cancel", {"comment": "Ill"})
    firm.settle()
    assert firm.records() == []
    assert firm.settle() == []


@pytest.mark.rule("7.2")
def test_draft_appears_when_it_is_confirmed(firm: Story) -> None:
    """A draft is no event yet; sent, it is one, with its people."""
    ann, client = firm.people[0], firm.clients[0]
    draft = {"subject": "Plan", "start": {"dateTime": "2026-03-09T09:00:00", "timeZone": "UTC"},
             "end": {"dateTime": "2026-03-09T10:00:00", "timeZone": "UTC"}, "isDraft": True,
             "attendees": [guest(client.address)]}  # fmt: skip
    made = firm.world.services.graph_simulator.add_event(ann.mailbox, draft)
    firm.settle()
    assert firm.records() == []
    assert "draft" in firm.reasons()
    firm.change(ann, made, subject="Plan, final")
    firm.settle()
    assert [one["Subject"] for one in firm.records()] == ["Plan, final"]
    assert firm.related(firm.records()[0]["Id"]) == {client.contact_id}


@pytest.mark.rule("10.7")
def test_private_mailbox_disabled_deletes_nothing_and_goes_on_without_resending(firm: Story) -> None:
    """Ann's mailbox, private event and all, is disabled: nothing is deleted on either side. Enabled again, what changed
    in Outlook meanwhile comes in, what was saved in Practifi meanwhile waits for its next save; nobody is mailed."""
    ann, client = firm.people[0], firm.clients[0]
    secret = firm.make(ann, "Doctor", day(7), sensitivity="private")
    made = firm.make(ann, "Review", day(8), attendees=[guest(client.address)])
    firm.settle()
    counts = firm.counts()
    firm.world.switch_user(ann.mailbox)
    firm.settle()
    firm.change(ann, secret, showAs="free")
    review = next(one["Id"] for one in firm.records("Review"))
    firm.edit(review, Location="Room 4")
    assert firm.settle() == []
    assert firm.counts() == counts
    firm.world.switch_user(ann.mailbox)
    firm.settle()
    assert firm.counts() == counts
    assert firm.records("Doctor")[0]["practifi__Show_Time_As__c"] == "Free"
    event = firm.event(ann, made)
    assert event is not None
    assert event["location"]["displayName"] == ""
    assert firm.mails() == []
    firm.edit(review, Subject="Review again")
    firm.settle()
    event = firm.event(ann, made)
    assert event is not None
    assert (event["subject"], event["location"]["displayName"]) == ("Review again", "Room 4")


@pytest.mark.rule("3.primary", "7.17")
def test_user_with_two_mailboxes_sends_from_the_primary_one(firm: Story) -> None:
    """Ann answers for Bob's mailbox as well: both calendars come in as hers, what she makes goes to the primary one.
    What stands in either calendar is edited where it stands."""
    ann, other = firm.people[:2]
    client = firm.clients[0]
    give_to_ann(firm, primary=other.mailbox)
    firm.make(other, "Front desk", day(7))
    own = firm.make(ann, "Review", day(8))
    firm.settle()
    assert {one["OwnerId"] for one in firm.records()} == {ann.salesforce_id}
    record = firm.save(ann, "Call", day(9), **{INVITES: True})
    firm.invite(record, client.contact_id)
    firm.settle()
    subjects = {p.mailbox: {one["subject"] for one in firm.world.outlook.events(p.mailbox)} for p in (ann, other)}
    assert subjects == {ann.mailbox: {"Review"}, other.mailbox: {"Front desk", "Call"}}
    call = next(one for one in firm.world.outlook.events(other.mailbox) if one["subject"] == "Call")
    assert call["organizer"]["emailAddress"]["address"] == other.address
    assert firm.mails() == [("invite", client.address)]
    firm.edit(firm.records("Review")[0]["Id"], Subject="Review, late")
    firm.settle()
    event = firm.event(ann, own)
    assert event is not None
    assert event["subject"] == "Review, late"


@pytest.mark.rule("3.primary")
def test_user_with_two_mailboxes_and_no_primary_one_makes_nothing(firm: Story) -> None:
    """An older document may lack the choice: what is made in Practifi waits and says why."""
    ann = firm.people[0]
    give_to_ann(firm, primary="")
    firm.save(ann, "Call", day(9))
    assert [write for write in firm.settle() if write.side == "graph"] == []
    assert "no_primary_mailbox" in firm.reasons()
    assert firm.records()[0][STATUS] in (None, "Not Synced")


def give_to_ann(firm: Story, *, primary: str) -> None:
    """The second mailbox belongs to Ann from now on."""
    ann, other = firm.people[:2]

    def given(user: UserSetting) -> UserSetting:
        record = ann.salesforce_id if user.mailbox == other.mailbox else user.salesforce_id
        return replace(user, salesforce_id=record, is_primary=user.mailbox == primary)

    firm.rule(users=tuple(given(user) for user in firm.world.settings.users))
    firm.settle()
