"""Single events: what a create returns, what a change changes, versions, ids, bodies, tags, limits."""

from __future__ import annotations

import dataclasses
import json
from typing import Any
from urllib.parse import quote

import pytest
from support.graph_firm import ANA, TOM, GraphClient, attendee, build_graph, meeting

from simulators.graph.behaviour import Behaviour
from simulators.graph.body import plain_text

TAG = "String {6f3d4a52-0c1e-4b7a-9a55-3f1d2c9be401} Name ConcordPairKey"
EXPAND = f"?$expand=singleValueExtendedProperties($filter=id eq '{TAG}')"
SYDNEY = "AUS Eastern Standard Time"
EVERY_MEMBER = {
    "@odata.etag", "id", "createdDateTime", "lastModifiedDateTime", "changeKey", "categories", "originalStartTimeZone",
    "originalEndTimeZone", "iCalUId", "reminderMinutesBeforeStart", "isReminderOn", "hasAttachments", "subject",
    "bodyPreview", "importance", "sensitivity", "isAllDay", "isCancelled", "isOrganizer", "isDraft",
    "responseRequested", "seriesMasterId", "showAs", "type", "webLink", "onlineMeetingUrl", "isOnlineMeeting",
    "onlineMeetingProvider", "allowNewTimeProposals", "occurrenceId", "hideAttendees", "responseStatus", "body",
    "start", "end", "location", "locations", "recurrence", "attendees", "organizer", "onlineMeeting",
}  # fmt: skip


@pytest.fixture
def client() -> GraphClient:
    """A client of the calm firm."""
    return GraphClient(build_graph())


# --- create ---------------------------------------------------------------------------------------------------


def test_a_created_event_has_every_member_with_its_default(client: GraphClient) -> None:
    """POST answers 201 with the full property set and the documented defaults."""
    response = client.send("POST", f"/users/{TOM.id}/events", meeting())
    event = response.json()
    assert response.status == 201
    assert event.keys() == EVERY_MEMBER | {"@odata.context"}
    defaults = {
        "showAs": "busy", "sensitivity": "normal", "importance": "normal", "categories": [], "isReminderOn": True,
        "reminderMinutesBeforeStart": 15, "responseRequested": True, "allowNewTimeProposals": True, "isAllDay": False,
        "hideAttendees": False, "isCancelled": False, "isDraft": False, "isOrganizer": True, "attendees": [],
        "type": "singleInstance", "isOnlineMeeting": False, "onlineMeetingProvider": "unknown", "onlineMeeting": None,
        "recurrence": None, "seriesMasterId": None,
        "responseStatus": {"response": "organizer", "time": "0001-01-01T00:00:00Z"},
    }  # fmt: skip
    assert {name: event[name] for name in defaults} == defaults
    assert event["@odata.etag"] == f'W/"{event["changeKey"]}"'
    assert event["organizer"]["emailAddress"] == {"name": "Tom Reyes", "address": "tom.reyes@firm.example"}
    assert response.headers["location"].endswith(quote(event["id"], safe=""))


def test_the_same_event_is_reached_by_every_path(client: GraphClient) -> None:
    """/events, /calendar/events, /calendars/{id}/events, keys in parentheses and the UPN lead to the same event."""
    created = client.create(TOM, meeting())
    calendar = client.get(f"/users/{TOM.id}/calendar")["id"]
    event_id = quote(created["id"], safe="")
    for path in (
        f"/users/{TOM.id}/events/{event_id}",
        f"/users/{TOM.user_principal_name}/calendar/events/{event_id}",
        f"/users/{TOM.id}/calendars/{quote(calendar)}/events/{event_id}",
        f"/users('{TOM.id}')/events('{event_id}')",
        f"/users/{TOM.id}/calendarView/{event_id}",
    ):
        assert client.get(path)["id"] == created["id"]


def test_enums_are_read_in_any_case_and_written_in_lower_camel(client: GraphClient) -> None:
    """Input enums are case-insensitive, output is lower camel."""
    event = client.create(
        TOM,
        meeting(showAs="WORKINGELSEWHERE", sensitivity="Private", body={"contentType": "HTML", "content": "x"},
                attendees=[attendee("a@client.example", "Optional")]),
    )  # fmt: skip
    assert (event["showAs"], event["sensitivity"]) == ("workingElsewhere", "private")
    assert event["body"]["contentType"] == "html"
    assert event["attendees"][0]["type"] == "optional"


@pytest.mark.honest("graph", 11)
@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"subjet": "typo"}, "RequestBodyRead"),
        ({"subject": 5}, "RequestBodyRead"),
        ({"isAllDay": "yes"}, "RequestBodyRead"),
        ({"showAs": "sleeping"}, "RequestBodyRead"),
        ({"end": {"dateTime": "2026-03-11T10:00:00", "timeZone": SYDNEY}}, "ErrorPropertyValidationFailure"),
        ({"end": {"dateTime": "2026-03-11T09:00:00", "timeZone": SYDNEY}}, "ErrorPropertyValidationFailure"),
        ({"start": {"dateTime": "2026-03-11T10:00:00", "timeZone": "Shire"}}, "TimeZoneNotSupportedException"),
        ({"start": {"dateTime": "tomorrow", "timeZone": "UTC"}}, "ErrorPropertyValidationFailure"),
        ({"attendees": [{"emailAddress": {"name": "nobody"}}]}, "ErrorInvalidRecipients"),
        ({"attendees": [attendee(f"a{n}@client.example") for n in range(501)]}, "ErrorInvalidRequest"),
    ],
)  # fmt: skip
def test_events_that_break_a_rule_are_refused(client: GraphClient, changes: dict[str, Any], code: str) -> None:
    """A wrong type, enum, time, zone or recipient answers 400 with its code, and nothing is stored or mailed."""
    response = client.send("POST", f"/users/{TOM.id}/events", meeting(**changes))
    assert client.error(response, 400) == code
    assert client.sim.events_of(TOM.id) == []
    assert client.sim.mails == []


def test_five_hundred_attendees_are_accepted(client: GraphClient) -> None:
    """The limit is 500 attendees."""
    event = client.create(TOM, meeting(*(f"a{n}@client.example" for n in range(500))))
    assert len(event["attendees"]) == 500


def test_quoted_booleans_and_numbers_are_taken(client: GraphClient) -> None:
    """Graph's reader converts them; some clients send nothing else."""
    event = client.create(TOM, meeting(isAllDay="false", isReminderOn="True", reminderMinutesBeforeStart="20"))
    assert (event["isAllDay"], event["isReminderOn"], event["reminderMinutesBeforeStart"]) == (False, True, 20)


def test_bodies_that_are_no_json_are_refused(client: GraphClient) -> None:
    """Broken JSON and other media types answer 400 and 415, too large ones 413."""
    from simulators.http import Request

    headers = {"authorization": f"Bearer {client.token}", "content-type": "application/json"}
    broken = Request("POST", f"/v1.0/users/{TOM.id}/events", headers, b"{", "http://x")
    assert client.sim.handle(broken).status == 400
    typed = client.send("POST", f"/users/{TOM.id}/events", {}, {"content-type": "text/plain"})
    assert typed.status == 415
    huge = meeting(body={"contentType": "text", "content": "x" * (4 * 1024 * 1024)})
    assert client.send("POST", f"/users/{TOM.id}/events", huge).status == 413


@pytest.mark.honest("graph", 19)
def test_a_retried_create_returns_the_same_event(client: GraphClient) -> None:
    """Same transactionId and body answer the same event, with no second invitation."""
    body = meeting("a@client.example", transactionId="t-1")
    first, again = client.create(TOM, body), client.create(TOM, body)
    assert (first["id"], first["transactionId"]) == (again["id"], "t-1")
    assert [mail.kind for mail in client.sim.mails] == ["invite"]


@pytest.mark.honest("graph", 19)
def test_a_transaction_id_cannot_create_another_event(client: GraphClient) -> None:
    """The same transactionId with a different body answers 400 and names the existing event."""
    first = client.create(TOM, meeting(transactionId="t-1"))
    response = client.send("POST", f"/users/{TOM.id}/events", meeting(transactionId="t-1", subject="Other"))
    assert client.error(response, 400) == "ErrorDuplicateTransactionId"
    assert response.json()["error"]["@event.existingEventId"] == first["id"]
    assert client.send("POST", f"/users/{ANA.id}/events", meeting(transactionId="t-1")).status == 201


# --- change ---------------------------------------------------------------------------------------------------


def test_a_patch_changes_only_what_it_names(client: GraphClient) -> None:
    """Members that a PATCH does not name stay; read-only ones are ignored; the answer is the full event."""
    event = client.create(TOM, meeting(location={"displayName": "Room 1"}, categories=["Client"]))
    changed = client.patch(TOM, event["id"], {"subject": "New", "iCalUId": "x", "responseStatus": {"response": "none"}})
    assert changed.status == 200
    same = EVERY_MEMBER - {"subject", "@odata.etag", "changeKey", "lastModifiedDateTime"}
    answer = changed.json()
    assert answer["subject"] == "New"
    assert {name: answer[name] for name in same} == {name: event[name] for name in same}


@pytest.mark.honest("graph", 14)
def test_every_write_gives_a_new_version(client: GraphClient) -> None:
    """ChangeKey and etag change with each write, also when the value stays the same."""
    event = client.create(TOM, meeting())
    keys = [event["changeKey"]]
    for _ in range(3):
        keys.append(client.patch(TOM, event["id"], {"subject": "Same"}).json()["changeKey"])
    assert len(set(keys)) == 4


@pytest.mark.honest("graph", 14)
def test_the_service_may_change_the_version_once_more() -> None:
    """When switched on, the changeKey changes again a moment after a write, with the content unchanged."""
    sim = build_graph(dataclasses.replace(Behaviour().calm(), second_bump=1.0))
    client = GraphClient(sim)
    event = client.create(TOM, meeting())
    sim.clock.advance(2)
    later = client.event(TOM, event["id"])
    assert later["changeKey"] != event["changeKey"]
    assert later["subject"] == event["subject"]


@pytest.mark.honest("graph", 15)
def test_a_stale_if_match_is_refused(client: GraphClient) -> None:
    """PATCH and DELETE with an old etag answer 412 and change nothing; with the current one they work."""
    event = client.create(TOM, meeting())
    fresh = client.patch(TOM, event["id"], {"subject": "B"}, If_Match=event["@odata.etag"]).json()
    stale = client.patch(TOM, event["id"], {"subject": "C"}, If_Match=event["@odata.etag"])
    assert client.error(stale, 412) == "ErrorIrresolvableConflict"
    assert client.delete(TOM, event["id"], If_Match=event["@odata.etag"]).status == 412
    assert client.event(TOM, event["id"])["subject"] == "B"
    assert client.patch(TOM, event["id"], {"subject": "D"}, If_Match="*").status == 200
    assert client.patch(TOM, event["id"], {"subject": "E"}).status == 200
    assert client.delete(TOM, event["id"], If_Match=fresh["@odata.etag"]).status == 412


@pytest.mark.honest("graph", 15)
def test_a_conflict_may_come_without_if_match() -> None:
    """When switched on, a write without If-Match may answer 412 too, and nothing was written."""
    client = GraphClient(build_graph(dataclasses.replace(Behaviour().calm(), transient_conflict=1.0)))
    event = client.create(TOM, meeting())
    assert client.error(client.patch(TOM, event["id"], {"subject": "B"}), 412) == "ErrorIrresolvableConflict"
    assert client.event(TOM, event["id"])["subject"] == "Portfolio review"


def test_location_and_locations_stay_consistent(client: GraphClient) -> None:
    """Setting location replaces all of locations; several locations give a joined location."""
    event = client.create(TOM, meeting(locations=[{"displayName": "A"}, {"displayName": "B"}]))
    assert event["location"]["displayName"] == "A; B"
    changed = client.patch(TOM, event["id"], {"location": {"displayName": "C"}}).json()
    assert [place["displayName"] for place in changed["locations"]] == ["C"]
    assert changed["location"]["uniqueId"] == "C"
    same = client.patch(TOM, event["id"], {"location": event["location"], "locations": event["locations"]}).json()
    assert [place["displayName"] for place in same["locations"]] == ["A", "B"]
    assert client.patch(TOM, event["id"], {"location": None}).json()["locations"] == []


def test_collections_are_replaced(client: GraphClient) -> None:
    """A PATCH of categories replaces the whole collection."""
    event = client.create(TOM, meeting(categories=["A", "B"]))
    assert client.patch(TOM, event["id"], {"categories": ["C"]}).json()["categories"] == ["C"]


# --- delete and ids -------------------------------------------------------------------------------------------


@pytest.mark.honest("graph", 24)
def test_a_second_delete_is_not_found(client: GraphClient) -> None:
    """DELETE answers 204, then 404 ErrorItemNotFound."""
    event = client.create(TOM, meeting())
    assert client.delete(TOM, event["id"]).status == 204
    assert client.error(client.delete(TOM, event["id"]), 404) == "ErrorItemNotFound"
    assert client.error(client.patch(TOM, event["id"], {"subject": "x"}), 404) == "ErrorItemNotFound"


@pytest.mark.honest("graph", 24)
def test_ids_that_are_none_are_malformed(client: GraphClient) -> None:
    """Truncated, invented and other mailboxes' ids answer 400 ErrorInvalidIdMalformed, not 404."""
    event = client.create(TOM, meeting())
    for wrong in (event["id"][:-6], "nonsense", "AAMk!", event["id"].lower()):
        response = client.send("GET", f"/users/{TOM.id}/events/{quote(wrong, safe='')}")
        assert client.error(response, 400) == "ErrorInvalidIdMalformed"
    foreign = client.send("GET", f"/users/{ANA.id}/events/{quote(event['id'], safe='')}")
    assert client.error(foreign, 400) == "ErrorInvalidIdMalformed"


def test_immutable_ids_are_given_on_request_and_taken_always(client: GraphClient) -> None:
    """With IdType=ImmutableId answers carry the immutable form; both forms are accepted and can be translated."""
    event = client.create(TOM, meeting())
    immutable = client.event(TOM, event["id"], Prefer='IdType="ImmutableId"')["id"]
    assert immutable != event["id"]
    assert client.event(TOM, immutable)["id"] == event["id"]
    asked = {"inputIds": [event["id"]], "sourceIdType": "restId", "targetIdType": "restImmutableEntryId"}
    translated = client.send("POST", f"/users/{TOM.id}/translateExchangeIds", asked).json()
    assert translated["value"] == [{"sourceId": event["id"], "targetId": immutable}]


def test_events_of_a_second_calendar_stay_there(client: GraphClient) -> None:
    """Events of a secondary calendar are not in the default one, neither in lists nor in views."""
    calendar = client.send("POST", f"/users/{TOM.id}/calendars", {"name": "Holidays"}).json()["id"]
    path = f"/users/{TOM.id}/calendars/{quote(calendar, safe='')}"
    event = client.send("POST", f"{path}/events", meeting()).json()
    window = "startDateTime=2026-03-01&endDateTime=2026-04-01"
    assert client.get(f"/users/{TOM.id}/events")["value"] == []
    assert client.get(f"/users/{TOM.id}/calendarView?{window}")["value"] == []
    assert [one["id"] for one in client.get(f"{path}/calendarView?{window}")["value"]] == [event["id"]]
    assert client.event(TOM, event["id"])["id"] == event["id"]


# --- bodies ---------------------------------------------------------------------------------------------------


@pytest.mark.honest("graph", 16)
def test_bodies_are_stored_as_wrapped_html(client: GraphClient) -> None:
    """Input html is wrapped in a document with CRLF line ends; sending it back does not wrap it twice."""
    event = client.create(TOM, meeting(body={"contentType": "html", "content": "<p>One</p>\n<p>Two</p>"}))
    content = event["body"]["content"]
    assert content.startswith("<html>\r\n<head>")
    assert "<p>One</p>\r\n<p>Two</p>" in content
    assert event["bodyPreview"] == "One\r\nTwo"
    again = client.patch(TOM, event["id"], {"body": event["body"]}).json()
    assert again["body"] == event["body"]


def test_text_bodies_become_html_and_can_be_read_as_text(client: GraphClient) -> None:
    """Text is escaped into html; Prefer text gives it back with CRLF and is confirmed."""
    event = client.create(TOM, meeting(body={"contentType": "text", "content": "1 < 2 & so on\nNext"}))
    assert event["body"]["contentType"] == "html"
    assert "1 &lt; 2 &amp; so on" in event["body"]["content"]
    response = client.send(
        "GET", f"/users/{TOM.id}/events/{event['id']}", headers={"Prefer": 'outlook.body-content-type="text"'}
    )
    assert response.json()["body"] == {"contentType": "text", "content": "1 < 2 & so on\r\nNext"}
    assert 'outlook.body-content-type="text"' in response.headers["preference-applied"]


@pytest.mark.parametrize(
    ("document", "text"),
    [
        ("<p>One</p><p>Two</p>", "One\r\nTwo"),
        ("<ul><li>A</li><li>B <b>bold</b></li></ul>after", "A\r\nB bold\r\nafter"),
        ("<style>p{}</style>  a\n  b<br>c&nbsp;&amp;d", "a b\r\nc\xa0&d"),
        ('<a href="https://x.example/">Join</a> now', "Join<https://x.example/> now"),
        ('<a href="https://x.example/">https://x.example/</a>', "https://x.example/"),
    ],
)
def test_html_reads_as_lines_of_text(document: str, text: str) -> None:
    """Blocks and breaks end lines, runs of white space are one space, a link shows its address."""
    assert plain_text(document) == text


@pytest.mark.parametrize("value", [5, ["x"], {"a": 1}])
def test_extended_properties_are_strings(client: GraphClient, value: Any) -> None:
    """Another type in a single-value extended property is refused."""
    body = meeting(singleValueExtendedProperties=[{"id": TAG, "value": value}])
    assert client.error(client.send("POST", f"/users/{TOM.id}/events", body), 400) == "RequestBodyRead"


def test_the_preview_is_cut(client: GraphClient) -> None:
    """BodyPreview holds at most 255 characters of plain text."""
    event = client.create(TOM, meeting(body={"contentType": "html", "content": f"<b>{'x' * 400}</b>"}))
    assert event["bodyPreview"] == "x" * 255


# --- extended properties --------------------------------------------------------------------------------------


def tagged(value: str = "k-1") -> dict[str, Any]:
    """An event that carries a pair tag."""
    return meeting(singleValueExtendedProperties=[{"id": TAG, "value": value}])


@pytest.mark.honest("graph", 18)
def test_extended_properties_are_invisible_unless_expanded(client: GraphClient) -> None:
    """Not in the answer to a write, not in a plain read, but in a read that expands them."""
    event = client.create(TOM, tagged())
    assert "singleValueExtendedProperties" not in event
    assert "singleValueExtendedProperties" not in client.event(TOM, event["id"])
    patched = client.patch(TOM, event["id"], {"singleValueExtendedProperties": [{"id": TAG, "value": "k-2"}]})
    assert "singleValueExtendedProperties" not in patched.json()
    expanded = client.event(TOM, event["id"], EXPAND)
    assert expanded["singleValueExtendedProperties"] == [{"id": TAG, "value": "k-2"}]
    selected = client.event(TOM, event["id"], f"{EXPAND}&$select=id,subject")
    assert selected["singleValueExtendedProperties"] == [{"id": TAG, "value": "k-2"}]


@pytest.mark.honest("graph", 18)
def test_events_are_found_by_an_extended_property(client: GraphClient) -> None:
    """The Any filter finds events by tag (names by case, values not) and returns them without it."""
    event = client.create(TOM, tagged("Key-1"))
    client.create(TOM, tagged("Key-2"))
    condition = f"singleValueExtendedProperties/Any(ep: ep/id eq '{TAG}' and ep/value eq 'key-1')"
    found = client.get(f"/users/{TOM.id}/events?$filter={quote(condition)}")["value"]
    assert [one["id"] for one in found] == [event["id"]]
    assert "singleValueExtendedProperties" not in found[0]
    with_tag = client.get(f"/users/{TOM.id}/events?$filter={quote(condition)}&{EXPAND[1:]}")["value"]
    assert with_tag[0]["singleValueExtendedProperties"][0]["value"] == "Key-1"
    other = condition.replace("ConcordPairKey", "concordpairkey")
    assert client.get(f"/users/{TOM.id}/events?$filter={quote(other)}")["value"] == []


@pytest.mark.honest("graph", 18)
def test_extended_properties_are_in_no_view_and_no_round(client: GraphClient) -> None:
    """A view shows them expanded alone; delta cannot expand, and never has them."""
    client.create(TOM, tagged())
    days = "startDateTime=2026-03-01T00:00:00Z&endDateTime=2026-04-01T00:00:00Z"
    [plain] = client.get(f"/users/{TOM.id}/calendarView?{days}")["value"]
    [round_item] = client.get(f"/users/{TOM.id}/calendarView/delta?{days}")["value"]
    assert "singleValueExtendedProperties" not in plain.keys() | round_item.keys()
    [shown] = client.get(f"/users/{TOM.id}/calendarView?{days}&{EXPAND[1:]}")["value"]
    assert shown["singleValueExtendedProperties"] == [{"id": TAG, "value": "k-1"}]


def test_expanding_needs_an_id(client: GraphClient) -> None:
    """There is no way to list all extended properties."""
    event = client.create(TOM, tagged())
    path = f"/users/{TOM.id}/events/{event['id']}"
    assert client.send("GET", f"{path}?$expand=singleValueExtendedProperties").status == 400


def test_a_tag_is_of_the_copy_that_carries_it(client: GraphClient) -> None:
    """An attendee's copy does not get the organizer's extended properties."""
    client.create(TOM, tagged() | {"attendees": [attendee(ANA.mail)]})
    copies = client.get(f"/users/{ANA.id}/events{EXPAND}")["value"]
    assert len(copies) == 1
    assert "singleValueExtendedProperties" not in copies[0]


def test_open_extensions_live_beside_the_event(client: GraphClient) -> None:
    """Open extensions come in a POST or alone, are expanded by id, patched and deleted."""
    extension = {"@odata.type": "microsoft.graph.openTypeExtension", "extensionName": "Com.X.Sync", "key": "1"}
    event = client.create(TOM, meeting(extensions=[extension]))
    path = f"/users/{TOM.id}/events/{event['id']}"
    expanded = client.get(f"{path}?$expand=extensions($filter=id eq 'Com.X.Sync')")["extensions"]
    assert expanded[0]["id"] == "microsoft.graph.openTypeExtension.Com.X.Sync"
    assert client.send("PATCH", f"{path}/extensions/Com.X.Sync", {"key": "2"}).json()["key"] == "2"
    found = client.get(f"/users/{TOM.id}/events?$filter=Extensions/any(f:f/id eq 'Com.X.Sync')")["value"]
    assert len(found) == 1
    assert client.send("DELETE", f"{path}/extensions/Com.X.Sync").status == 204
    assert client.send("GET", f"{path}/extensions/Com.X.Sync").status == 404


def test_events_can_be_compared_from_outside(client: GraphClient) -> None:
    """events_of gives every event in full, with its extended properties."""
    event = client.create(TOM, tagged())
    [seen] = client.sim.events_of(TOM.user_principal_name)
    assert seen.pop("singleValueExtendedProperties") == [{"id": TAG, "value": "k-1"}]
    seen.pop("extensions")
    assert json.loads(json.dumps(seen)) == {name: value for name, value in event.items() if name != "@odata.context"}
