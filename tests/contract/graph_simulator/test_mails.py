"""Who is mailed for which write, whose copies follow, and how answers come back."""

from __future__ import annotations

import dataclasses
from typing import Any
from urllib.parse import quote

import pytest
from support.graph_firm import ANA, BANKSIA, CLIENT, TOM, WATTLE, GraphClient, attendee, build_graph, meeting

from simulators.graph.behaviour import Behaviour

OTHER = "mia.chen@client.example"


@pytest.fixture
def client() -> GraphClient:
    """A client of the calm firm."""
    return GraphClient(build_graph())


def mails(client: GraphClient, since: int = 0) -> list[tuple[str, str]]:
    """Kind and addressee of every mail from a position on."""
    return [(mail.kind, mail.to) for mail in client.sim.mails[since:]]


def after(client: GraphClient, event_id: str, changes: dict[str, Any]) -> list[tuple[str, str]]:
    """The mails that a PATCH sends."""
    before = len(client.sim.mails)
    assert client.patch(TOM, event_id, changes).status == 200
    return mails(client, before)


# --- §4: the table of mails -----------------------------------------------------------------------------------


@pytest.mark.honest("graph", 13)
def test_creating_a_meeting_invites_everyone(client: GraphClient) -> None:
    """POST with attendees invites each of them once; the organizer is never mailed."""
    event = client.create(TOM, meeting(CLIENT, OTHER, TOM.mail, CLIENT.upper()))
    assert {(kind, to.lower()) for kind, to in mails(client)} == {("invite", CLIENT), ("invite", OTHER)}
    assert len(mails(client)) == 2
    mail = client.sim.mails[0]
    assert (mail.event_id, mail.ical_uid, mail.mailbox) == (event["id"], event["iCalUId"], TOM.id)
    assert mail.cause == "POST event"


@pytest.mark.honest("graph", 13)
def test_nothing_stops_the_mails(client: GraphClient) -> None:
    """Neither a query option nor a header nor a member of the body keeps create, update or delete from mailing."""
    path, quiet = f"/users/{TOM.id}/events", {"Prefer": 'outlook.send-updates="none"'}
    body = meeting(CLIENT, responseRequested=False, isDraft=True)
    event_id = client.send("POST", f"{path}?sendUpdates=none", body, quiet).json()["id"]
    one = f"{path}/{quote(event_id, safe='')}?sendUpdates=none"
    assert client.send("PATCH", one, {"subject": "x", "isDraft": True}, quiet).status == 200
    assert client.send("DELETE", one, None, quiet).status == 204
    assert mails(client) == [("invite", CLIENT), ("update", CLIENT), ("cancel", CLIENT)]


def test_events_without_attendees_mail_nobody(client: GraphClient) -> None:
    """POST, PATCH and DELETE of an appointment send nothing."""
    event = client.create(TOM, meeting())
    client.patch(TOM, event["id"], {"subject": "x"})
    client.delete(TOM, event["id"])
    assert mails(client) == []


@pytest.mark.honest("graph", 12)
def test_changing_only_attendees_mails_only_those_who_changed(client: GraphClient) -> None:
    """Adding invites the added, removing cancels the removed, the others hear nothing."""
    event = client.create(TOM, meeting(CLIENT))
    both = [attendee(CLIENT), attendee(OTHER)]
    assert after(client, event["id"], {"attendees": both}) == [("invite", OTHER)]
    assert after(client, event["id"], {"attendees": both}) == []
    assert after(client, event["id"], {"attendees": [attendee(OTHER)]}) == [("cancel", CLIENT)]
    assert after(client, event["id"], {"attendees": [attendee(OTHER, "optional")]}) == [("update", OTHER)]
    assert after(client, event["id"], {"attendees": []}) == [("cancel", OTHER)]


@pytest.mark.honest("graph", 13)
@pytest.mark.parametrize("name", ["subject", "body", "start", "end", "location", "responseRequested", "isAllDay"])
def test_meeting_properties_mail_everyone_even_with_the_same_value(client: GraphClient, name: str) -> None:
    """A PATCH that contains a meeting property mails all attendees, whether or not the value changed."""
    event = client.create(TOM, meeting(CLIENT, OTHER))
    assert after(client, event["id"], {name: event[name]}) == [("update", CLIENT), ("update", OTHER)]


def test_meeting_properties_and_attendees_together(client: GraphClient) -> None:
    """With other properties in the PATCH, who stays gets an update, the added an invitation, the removed a cancel."""
    event = client.create(TOM, meeting(CLIENT, OTHER))
    changes = {"subject": "x", "attendees": [attendee(OTHER), attendee("new@client.example")]}
    sent = after(client, event["id"], changes)
    assert sorted(sent) == [("cancel", CLIENT), ("invite", "new@client.example"), ("update", OTHER)]


PRIVATE: list[dict[str, Any]] = [
    {"categories": ["A"]}, {"showAs": "oof"}, {"isReminderOn": False}, {"reminderMinutesBeforeStart": 5},
    {"sensitivity": "private"}, {"importance": "high"},
    {"singleValueExtendedProperties": [{"id": "String {6f3d4a52-0c1e-4b7a-9a55-3f1d2c9be401} Name T", "value": "1"}]},
]  # fmt: skip


@pytest.mark.honest("graph", 12)
@pytest.mark.parametrize("changes", PRIVATE)
def test_private_properties_mail_nobody_unless_switched_on(client: GraphClient, changes: dict[str, Any]) -> None:
    """Organizer-private properties send nothing by default, and everyone when the switch says so."""
    event = client.create(TOM, meeting(CLIENT))
    assert after(client, event["id"], changes) == []
    loud = GraphClient(build_graph(dataclasses.replace(Behaviour().calm(), private_changes_mail=True)))
    event = loud.create(TOM, meeting(CLIENT))
    assert after(loud, event["id"], changes) == [("update", CLIENT)]


@pytest.mark.parametrize("how", ["DELETE", "cancel"])
def test_the_organizers_deletion_cancels_for_everyone(client: GraphClient, how: str) -> None:
    """DELETE and cancel by the organizer both send a cancellation to all."""
    event = client.create(TOM, meeting(CLIENT, OTHER))
    before = len(client.sim.mails)
    if how == "DELETE":
        assert client.delete(TOM, event["id"]).status == 204
    else:
        assert client.act(TOM, event["id"], "cancel", {"comment": "Sorry"}).status == 202
    assert mails(client, before) == [("cancel", CLIENT), ("cancel", OTHER)]
    assert client.sim.events_of(TOM.id) == []


def test_forwarding_invites_the_recipients(client: GraphClient) -> None:
    """Forward answers 202 and sends the invitation on."""
    event = client.create(TOM, meeting(CLIENT))
    recipients = {"toRecipients": [{"emailAddress": {"address": OTHER}}], "comment": "FYI"}
    assert client.act(TOM, event["id"], "forward", recipients).status == 202
    assert mails(client, 1) == [("invite", OTHER)]
    assert client.act(TOM, event["id"], "forward", {}).status == 400


@pytest.mark.honest("graph", 12)
def test_statuses_survive_when_attendees_are_replaced(client: GraphClient) -> None:
    """The list is replaced wholesale, but who stays keeps his answer, matched by address in any case."""
    event = client.create(TOM, meeting(CLIENT))
    assert client.sim.answer(TOM.id, event["id"], CLIENT, "accepted")
    changed = client.patch(TOM, event["id"], {"attendees": [attendee(CLIENT.upper()), attendee(OTHER)]}).json()
    assert [one["status"]["response"] for one in changed["attendees"]] == ["accepted", "none"]


def test_a_draft_mails_nobody_until_it_is_sent(client: GraphClient) -> None:
    """A meeting changed in Outlook but not sent is a draft without copies; a Graph PATCH sends it."""
    event_id = client.sim.add_event(TOM.id, meeting(CLIENT, ANA.mail, isDraft=True), mails=True)
    assert client.event(TOM, event_id)["isDraft"]
    assert mails(client) == []
    assert client.sim.events_of(ANA.id) == []
    assert after(client, event_id, {"subject": "x"}) == [("invite", CLIENT), ("invite", ANA.mail)]
    assert not client.event(TOM, event_id)["isDraft"]
    client.sim.edit_event(TOM.id, event_id, {"subject": "y", "isDraft": True})
    assert client.event(TOM, event_id)["isDraft"]
    assert client.sim.events_of(ANA.id)[0]["subject"] == "x"


# --- copies ---------------------------------------------------------------------------------------------------


@pytest.mark.honest("graph", 25)
def test_attendees_of_the_tenant_get_copies_of_their_own(client: GraphClient) -> None:
    """Own id and answer, the same iCalUId, not the organizer, no tags or categories of the organizer."""
    event = client.create(TOM, meeting(ANA.mail, CLIENT, categories=["Mine"], transactionId="t"))
    [copy] = client.get(f"/users/{ANA.id}/events")["value"]
    assert copy["id"] != event["id"]
    assert (copy["iCalUId"], copy["isOrganizer"]) == (event["iCalUId"], False)
    assert copy["responseStatus"]["response"] == "notResponded"
    assert (copy["showAs"], copy["categories"]) == ("tentative", [])
    assert copy["organizer"] == event["organizer"]
    assert "transactionId" not in copy
    assert client.event(ANA, copy["id"])["subject"] == event["subject"]


def test_aliases_reach_the_mailbox(client: GraphClient) -> None:
    """An invitation to a proxy address arrives in the mailbox that has it."""
    client.create(ANA, meeting("TOM@firm.example"))
    assert len(client.sim.events_of(TOM.id)) == 1


def test_hidden_attendees_see_only_themselves(client: GraphClient) -> None:
    """With hideAttendees a copy lists its owner alone."""
    client.create(TOM, meeting(ANA.mail, CLIENT, hideAttendees=True))
    [copy] = client.sim.events_of(ANA.id)
    assert [one["emailAddress"]["address"] for one in copy["attendees"]] == [ANA.mail]


def test_the_organizers_update_overwrites_copies(client: GraphClient) -> None:
    """An attendee's PATCH changes his copy only, mails nobody, and is gone after the organizer's next update."""
    event = client.create(TOM, meeting(ANA.mail))
    [copy] = client.sim.events_of(ANA.id)
    before = len(client.sim.mails)
    assert client.patch(ANA, copy["id"], {"subject": "Mine", "categories": ["Own"]}).status == 200
    assert (client.event(TOM, event["id"])["subject"], len(client.sim.mails)) == ("Portfolio review", before)
    client.patch(TOM, event["id"], {"subject": "Moved"})
    changed = client.event(ANA, copy["id"])
    assert (changed["subject"], changed["categories"]) == ("Moved", ["Own"])


@pytest.mark.honest("graph", 25)
def test_cancelled_copies_stay_marked(client: GraphClient) -> None:
    """After the organizer's deletion the copy is isCancelled with a subject prefix."""
    event = client.create(TOM, meeting(ANA.mail))
    client.delete(TOM, event["id"])
    [copy] = client.sim.events_of(ANA.id)
    assert (copy["isCancelled"], copy["subject"], copy["showAs"]) == (True, "Canceled: Portfolio review", "free")
    assert client.patch(ANA, copy["id"], {"isCancelled": False}).json()["isCancelled"] is True


def test_a_removed_attendee_can_be_invited_again(client: GraphClient) -> None:
    """Removal cancels the copy; a new invitation brings the same copy back to life."""
    event = client.create(TOM, meeting(ANA.mail))
    client.patch(TOM, event["id"], {"attendees": []})
    assert client.sim.events_of(ANA.id)[0]["isCancelled"]
    client.patch(TOM, event["id"], {"attendees": [attendee(ANA.mail)]})
    [copy] = client.sim.events_of(ANA.id)
    assert (copy["isCancelled"], copy["subject"]) == (False, "Portfolio review")


def test_an_attendees_deletion_tells_nobody(client: GraphClient) -> None:
    """Deleting one's copy sends nothing and leaves the organizer's event; the next update brings it back."""
    event = client.create(TOM, meeting(ANA.mail))
    [copy] = client.sim.events_of(ANA.id)
    assert client.delete(ANA, copy["id"]).status == 204
    assert len(client.sim.mails) == 1
    assert client.event(TOM, event["id"])["attendees"][0]["status"]["response"] == "none"
    client.patch(TOM, event["id"], {"subject": "Again"})
    assert client.sim.events_of(ANA.id)[0]["subject"] == "Again"


# --- answers --------------------------------------------------------------------------------------------------


@pytest.mark.honest("graph", 25)
@pytest.mark.parametrize(
    ("action", "reply", "shows"),
    [("accept", "accepted", "busy"), ("tentativelyAccept", "tentativelyAccepted", "tentative")],
)
def test_answers_show_at_once_on_the_copy_and_later_at_the_organizer(
    client: GraphClient, action: str, reply: str, shows: str
) -> None:
    """An answer changes the own copy at once and the organizer's list after a delay."""
    event = client.create(TOM, meeting(ANA.mail))
    [copy] = client.sim.events_of(ANA.id)
    assert client.act(ANA, copy["id"], action, {"comment": "Yes"}).status == 202
    mine = client.event(ANA, copy["id"])
    assert (mine["responseStatus"]["response"], mine["showAs"]) == (reply, shows)
    assert client.event(TOM, event["id"])["attendees"][0]["status"]["response"] == "none"
    client.sim.clock.advance(5)
    assert client.event(TOM, event["id"])["attendees"][0]["status"]["response"] == reply


def test_declining_takes_the_copy_away(client: GraphClient) -> None:
    """Decline answers 202 and removes the copy; without sendResponse the organizer never hears of it."""
    event = client.create(TOM, meeting(ANA.mail))
    [copy] = client.sim.events_of(ANA.id)
    assert client.act(ANA, copy["id"], "decline", {"sendResponse": False}).status == 202
    client.sim.clock.advance(60)
    assert client.sim.events_of(ANA.id) == []
    assert client.event(TOM, event["id"])["attendees"][0]["status"]["response"] == "none"


def test_a_response_is_sent_unless_refused(client: GraphClient) -> None:
    """Without sendResponse, or with null, the organizer hears of the answer."""
    event = client.create(TOM, meeting(ANA.mail))
    [copy] = client.sim.events_of(ANA.id)
    assert client.act(ANA, copy["id"], "accept", {"sendResponse": None}).status == 202
    client.sim.clock.advance(5)
    assert client.event(TOM, event["id"])["attendees"][0]["status"]["response"] == "accepted"
    assert client.act(ANA, copy["id"], "accept", {"sendResponse": "yes"}).status == 400


def test_a_new_time_can_be_proposed(client: GraphClient) -> None:
    """A proposal reaches the organizer's list in the asked zone; it needs permission and a sent response."""
    proposal = {"start": {"dateTime": "2026-03-12T10:00:00", "timeZone": "UTC"},
                "end": {"dateTime": "2026-03-12T11:00:00", "timeZone": "UTC"}}  # fmt: skip
    event = client.create(TOM, meeting(ANA.mail))
    [copy] = client.sim.events_of(ANA.id)
    silent = client.act(ANA, copy["id"], "decline", {"proposedNewTime": proposal, "sendResponse": False})
    assert client.error(silent, 400) == "ErrorInvalidParameter"
    assert client.act(ANA, copy["id"], "tentativelyAccept", {"proposedNewTime": proposal}).status == 202
    client.sim.clock.advance(5)
    read = client.event(TOM, event["id"], Prefer='outlook.timezone="Tokyo Standard Time"')
    assert read["attendees"][0]["proposedNewTime"]["start"]["dateTime"] == "2026-03-12T19:00:00.0000000"
    client.patch(TOM, event["id"], {"allowNewTimeProposals": False})
    refused = client.act(ANA, copy["id"], "tentativelyAccept", {"proposedNewTime": proposal})
    assert refused.status == 400


def test_only_attendees_answer_and_only_organizers_cancel(client: GraphClient) -> None:
    """Answering one's own event and cancelling someone else's are ErrorInvalidRequest."""
    event = client.create(TOM, meeting(ANA.mail))
    [copy] = client.sim.events_of(ANA.id)
    assert client.error(client.act(TOM, event["id"], "accept"), 400) == "ErrorInvalidRequest"
    assert client.error(client.act(ANA, copy["id"], "cancel"), 400) == "ErrorInvalidRequest"


def booked(client: GraphClient, room: Any, **changes: Any) -> dict[str, Any]:
    """A meeting in a room, after the room has answered; the organizer's event."""
    event = client.create(TOM, meeting(attendees=[attendee(room.email_address, "resource")], **changes))
    assert client.event(TOM, event["id"])["attendees"][0]["status"]["response"] == "none"
    client.sim.clock.advance(10)
    return dict(client.event(TOM, event["id"]))


@pytest.mark.honest("graph", 25)
def test_rooms_answer_by_their_free_time(client: GraphClient) -> None:
    """A room accepts when it is free and declines when it is taken, a moment after the invitation."""
    first, second = booked(client, BANKSIA), booked(client, BANKSIA)
    assert first["attendees"][0]["status"]["response"] == "accepted"
    assert second["attendees"][0]["status"]["response"] == "declined"
    assert booked(client, WATTLE)["attendees"][0]["status"]["response"] == "accepted"
    assert [event["iCalUId"] for event in client.sim.events_of(BANKSIA.id)] == [first["iCalUId"]]


def test_rooms_follow_a_move(client: GraphClient) -> None:
    """When the meeting moves, the room answers again for the new time; a cancelled meeting leaves its calendar."""
    event = booked(client, BANKSIA)
    blocking = {"start": {"dateTime": "2026-03-20T10:00:00", "timeZone": "UTC"},
                "end": {"dateTime": "2026-03-20T11:00:00", "timeZone": "UTC"}}  # fmt: skip
    other = booked(client, BANKSIA, **blocking)
    assert other["attendees"][0]["status"]["response"] == "accepted"
    client.patch(TOM, event["id"], blocking)
    client.sim.clock.advance(10)
    assert client.event(TOM, event["id"])["attendees"][0]["status"]["response"] == "declined"
    client.delete(TOM, other["id"])
    assert client.sim.events_of(BANKSIA.id) == []


# --- placing data ---------------------------------------------------------------------------------------------


def test_placed_events_are_silent_and_have_copies(client: GraphClient) -> None:
    """A seeded meeting mails nobody; people of the tenant have copies with the answers of the list."""
    people = [
        {**attendee(ANA.mail), "status": {"response": "accepted"}},
        attendee(BANKSIA.email_address, "resource"),
        {**attendee(CLIENT), "status": {"response": "declined", "time": "2026-02-01T00:00:00Z"}},
    ]
    event_id = client.sim.add_event(TOM.id, meeting(attendees=people))
    assert mails(client) == []
    assert client.sim.due_deliveries() == []
    assert client.sim.events_of(ANA.id)[0]["responseStatus"]["response"] == "accepted"
    replies = [one["status"]["response"] for one in client.event(TOM, event_id)["attendees"]]
    assert replies == ["accepted", "accepted", "declined"]


def test_meetings_of_outside_organizers_are_copies(client: GraphClient) -> None:
    """An event placed with an outside organizer is an attendee's copy that only receives updates and cancellations."""
    organizer = {"emailAddress": {"name": "Ines Park", "address": CLIENT}}
    event_id = client.sim.add_event(TOM.id, meeting(TOM.mail, organizer=organizer))
    copy = client.event(TOM, event_id)
    assert (copy["isOrganizer"], copy["responseStatus"]["response"]) == (False, "notResponded")
    client.sim.receive(TOM.id, event_id, {"subject": "Moved"})
    assert client.event(TOM, event_id)["subject"] == "Moved"
    client.sim.receive(TOM.id, event_id, is_cancelled=True)
    assert client.event(TOM, event_id)["subject"] == "Canceled: Moved"
    assert mails(client) == []


def test_people_edit_in_outlook(client: GraphClient) -> None:
    """Edits and deletions made in Outlook follow the same rules, under another client's name."""
    event = client.create(TOM, meeting(CLIENT))
    client.sim.edit_event(TOM.id, event["id"], {"subject": "By hand"})
    client.sim.remove_event(TOM.id, event["id"])
    assert [(mail.kind, mail.client) for mail in client.sim.mails[1:]] == [("update", "outlook"), ("cancel", "outlook")]
