"""Users, places, settings and calendars as the directory and the mailbox show them."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import quote

import pytest
from support.graph_firm import ANA, APP, BANKSIA, FIRM, OLD, TOM, WATTLE, GraphClient, build_graph

EVENTUAL = {"ConsistencyLevel": "eventual"}


@pytest.fixture
def client() -> GraphClient:
    """A client of the calm firm."""
    return GraphClient(build_graph())


def test_users_come_in_pages_with_the_default_members(client: GraphClient) -> None:
    """The list has the default set only, and nextLinks with $skiptoken lead through every user once."""
    seen, link = [], "/users?$top=2"
    while link:
        page = client.get(link)
        assert all("accountEnabled" not in user and "proxyAddresses" not in user for user in page["value"])
        seen += [user["id"] for user in page["value"]]
        link = page.get("@odata.nextLink", "")
        assert not link or "$skiptoken=" in link
    assert len(seen) == len(set(seen)) == len(FIRM.users) + len(FIRM.rooms)


def test_select_gives_what_the_default_set_lacks(client: GraphClient) -> None:
    """$select returns accountEnabled and proxyAddresses, for one user and for the list."""
    user = client.get(f"/users/{TOM.user_principal_name}?$select=id,accountEnabled,proxyAddresses")
    assert user["proxyAddresses"] == ["SMTP:tom.reyes@firm.example", "smtp:tom@firm.example"]
    users = client.get("/users?$select=id,accountEnabled")["value"]
    assert {one["id"]: one["accountEnabled"] for one in users}[OLD.id] is False


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("mail eq 'ANA.LIM@firm.example'", {ANA.id}),
        ("startsWith(displayName,'Tom')", {TOM.id}),
        ("userPrincipalName in ('ana.lim@firm.example','tom.reyes@firm.example')", {ANA.id, TOM.id}),
        ("proxyAddresses/any(p:p eq 'smtp:tom@firm.example')", {TOM.id}),
        ("accountEnabled eq false and startsWith(mail,'old')", {OLD.id}),
        ("(mail eq 'x@y.example' or displayName eq 'Ana Lim')", {ANA.id}),
    ],
)
def test_users_can_be_filtered(client: GraphClient, condition: str, expected: set[str]) -> None:
    """The documented operators find users, whatever the case of the text."""
    assert {user["id"] for user in client.get(f"/users?$filter={condition}")["value"]} == expected


def test_advanced_filters_need_their_header_and_count(client: GraphClient) -> None:
    """Without ConsistencyLevel and $count, endsWith and not are refused; with them they work and are counted."""
    path = "/users?$filter=endsWith(mail,'lim@firm.example')"
    assert client.error(client.send("GET", path), 400) == "Request_UnsupportedQuery"
    answer = client.send("GET", f"{path}&$count=true", headers=EVENTUAL).json()
    assert (answer["@odata.count"], answer["value"][0]["id"]) == (1, ANA.id)
    response = client.send("GET", "/users?$filter=not startsWith(mail,'a')", headers=EVENTUAL)
    assert response.status == 400


@pytest.mark.parametrize(
    ("search", "expected"),
    [
        ('"displayName:ana"', {ANA.id}),
        ('"mail:tom.reyes@firm"', {TOM.id}),
        ('"displayName:reyes" OR "displayName:lim"', {TOM.id, ANA.id}),
        ('"displayName:room" AND "displayName:wat"', {WATTLE.id}),
        ('"displayName:eyes"', set()),
    ],
)
def test_users_can_be_searched(client: GraphClient, search: str, expected: set[str]) -> None:
    """By the beginnings of words, with the header of advanced queries."""
    path = f"/users?$search={quote(search)}&$count=true"
    found = client.send("GET", path, headers=EVENTUAL).json()
    assert {user["id"] for user in found["value"]} == expected
    assert found["@odata.count"] == len(expected)
    assert client.error(client.send("GET", path), 400) == "Request_UnsupportedQuery"


@pytest.mark.parametrize("search", ["ana", '"ana"', '"shoe:9"', '"mail:a" OR', '"mail:a" "mail:b"', '"mail:"'])
def test_a_search_that_is_not_understood_is_refused(client: GraphClient, search: str) -> None:
    """Clauses are `"property:words"`, joined by AND and OR."""
    assert client.send("GET", f"/users?$search={quote(search)}", headers=EVENTUAL).status == 400


@pytest.mark.parametrize("condition", ["manager eq 'x'", "mail eq", "mail like 'x'", "mail eq 'x' or", "foo(mail,'x')"])
def test_a_filter_that_is_not_understood_is_refused(client: GraphClient, condition: str) -> None:
    """No unknown member, operator or broken syntax is ignored silently."""
    assert client.send("GET", f"/users?$filter={condition}").status == 400


@pytest.mark.honest("graph", 24)
def test_unknown_users_are_named_differently_in_directory_and_mailbox_paths(client: GraphClient) -> None:
    """Request_ResourceNotFound in the directory, ErrorInvalidUser below a mailbox."""
    assert client.error(client.send("GET", "/users/nobody"), 404) == "Request_ResourceNotFound"
    assert client.error(client.send("GET", "/users/nobody/events"), 404) == "ErrorInvalidUser"


@pytest.mark.honest("graph", 24)
def test_a_user_without_mailbox_is_no_deleted_event(client: GraphClient) -> None:
    """Calls on a user without a working mailbox answer 404 MailboxNotEnabledForRESTAPI."""
    code = client.error(client.send("GET", f"/users/{OLD.id}/events"), 404)
    assert code == "MailboxNotEnabledForRESTAPI"


@pytest.mark.honest("graph", 24)
def test_mailboxes_out_of_scope_are_denied() -> None:
    """An access policy answers 403 ErrorAccessDenied, per application or for all."""
    sim = build_graph()
    client = GraphClient(sim)
    sim.put_out_of_scope(ANA.id)
    assert client.error(client.send("GET", f"/users/{ANA.id}/events"), 403) == "ErrorAccessDenied"
    sim.put_out_of_scope(ANA.id, is_out=False)
    assert client.send("GET", f"/users/{ANA.id}/events").status == 200
    sim.put_app(replace(APP, mailboxes=frozenset({TOM.id})))
    assert client.error(client.send("GET", f"/users/{ANA.id}/events"), 403) == "ErrorAccessDenied"
    assert client.send("GET", f"/users/{TOM.id}/events").status == 200
    assert client.send("GET", f"/users/{ANA.id}").status == 200


def test_missing_permissions_are_refused_by_area() -> None:
    """Directory and mailbox answer a missing permission with their own codes."""
    sim = build_graph()
    sim.put_app(replace(APP, roles=frozenset({"Calendars.ReadWrite"})))
    client = GraphClient(sim)
    assert client.error(client.send("GET", "/users"), 403) == "Authorization_RequestDenied"
    assert client.error(client.send("GET", f"/users/{TOM.id}/mailboxSettings"), 403) == "ErrorAccessDenied"
    assert client.send("GET", f"/users/{TOM.id}/events").status == 200


def test_there_is_no_me_without_a_user(client: GraphClient) -> None:
    """Application tokens have no /me."""
    assert client.error(client.send("GET", "/me/events"), 400) == "BadRequest"


def test_mailbox_settings_tell_zone_and_purpose(client: GraphClient) -> None:
    """The mailbox's zone stands in its settings and alone under /timeZone; a room says that it is one."""
    assert client.get(f"/users/{TOM.id}/mailboxSettings")["timeZone"] == "AUS Eastern Standard Time"
    assert client.get(f"/users/{TOM.id}/mailboxSettings/timeZone")["value"] == "AUS Eastern Standard Time"
    assert client.get(f"/users/{BANKSIA.id}/mailboxSettings/userPurpose")["value"] == "room"


@pytest.mark.parametrize(
    ("function", "name"),
    [
        ("supportedTimeZones", "W. Europe Standard Time"),
        ("supportedTimeZones()", "AUS Eastern Standard Time"),
        ("supportedTimeZones(TimeZoneStandard=microsoft.graph.timeZoneStandard'Iana')", "Australia/Sydney"),
        ("microsoft.graph.supportedTimeZones(TimeZoneStandard='Windows')", "E. Australia Standard Time"),
    ],
)
def test_supported_zones_come_in_either_standard(client: GraphClient, function: str, name: str) -> None:
    """Zone names are listed in the Windows spelling, or as IANA names when asked for."""
    aliases = {zone["alias"] for zone in client.get(f"/users/{TOM.id}/outlook/{function}")["value"]}
    assert name in aliases


def test_rooms_are_places_found_by_id_and_address(client: GraphClient) -> None:
    """Rooms and room lists can be listed, filtered, paged and fetched alone; a list's rooms need its address."""
    rooms = client.get("/places/microsoft.graph.room?$count=true&$top=1")
    assert (rooms["@odata.count"], len(rooms["value"])) == (2, 1)
    assert len(client.get(rooms["@odata.nextLink"])["value"]) == 1
    found = client.get("/places/microsoft.graph.room?$filter=capacity ge 8")["value"]
    assert [(room["id"], room["emailAddress"]) for room in found] == [(BANKSIA.id, BANKSIA.email_address)]
    assert client.get("/places/graph.room/$count", Accept="text/plain") == 2
    assert client.get("/places/microsoft.graph.roomList")["value"][0]["displayName"] == "HQ"
    inside = client.get("/places/hq@firm.example/microsoft.graph.roomlist/rooms")["value"]
    assert [room["displayName"] for room in inside] == ["Room Banksia"]
    by_id = f"/places/{FIRM.room_lists[0].id}/microsoft.graph.roomlist/rooms"
    assert client.send("GET", by_id).status == 404
    assert client.get(f"/places/{BANKSIA.id}")["@odata.type"] == "#microsoft.graph.room"
    assert client.get("/places/banksia@firm.example")["capacity"] == 8


def test_the_default_calendar_tells_its_providers(client: GraphClient) -> None:
    """The default calendar is marked, cannot be deleted, and lists the online-meeting providers it allows."""
    calendar = client.get(f"/users/{TOM.id}/calendar")
    assert calendar["isDefaultCalendar"]
    assert calendar["allowedOnlineMeetingProviders"] == ["teamsForBusiness"]
    assert calendar["owner"]["address"] == TOM.mail
    assert client.get(f"/users/{TOM.id}/calendars")["value"][0]["id"] == calendar["id"]
    assert client.get(f"/users/{TOM.id}/calendars/{calendar['id']}")["name"] == "Calendar"
    assert client.error(client.send("DELETE", f"/users/{TOM.id}/calendar"), 400) == "ErrorInvalidRequest"


def test_every_answer_carries_the_diagnostic_headers(client: GraphClient) -> None:
    """Answers and errors carry request-id, the echoed client-request-id, Date and the diagnostic header."""
    for path in ("/users", "/users/nobody"):
        headers = client.send("GET", path, headers={"client-request-id": "abc"}).headers
        assert headers["client-request-id"] == "abc"
        assert headers["cache-control"] == "private"
        assert {"request-id", "date", "x-ms-ags-diagnostic"} <= headers.keys()
