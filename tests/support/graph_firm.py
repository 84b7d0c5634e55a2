"""A small firm in the Graph simulator and a client that calls it in process."""

from __future__ import annotations

import json
import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, unquote, urlsplit

from simulators.clock import SimulatorClock
from simulators.graph.behaviour import Behaviour
from simulators.graph.service import GraphSimulator
from simulators.graph.tenant import App, Room, RoomList, Tenant, User
from simulators.http import Delivery, Request, Response

BASE = "http://127.0.0.1:8901"
START = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
TOM = User(
    "7d1f5b0e-2c44-4e0b-9a51-0c9c3b1f7a10",
    "Tom Reyes",
    "tom.reyes@firm.example",
    "tom.reyes@firm.example",
    time_zone="AUS Eastern Standard Time",
    proxy_addresses=("SMTP:tom.reyes@firm.example", "smtp:tom@firm.example"),
)
ANA = User("1b2c3d4e-0000-4111-8222-000000000002", "Ana Lim", "ana.lim@firm.example", "ana.lim@firm.example")
OLD = User(
    "1b2c3d4e-0000-4111-8222-000000000003",
    "Old Hand",
    "old.hand@firm.example",
    "old.hand@firm.example",
    account_enabled=False,
    mailbox_enabled=False,
)
BANKSIA = Room(
    "9a000000-0000-4111-8222-00000000000a", "Room Banksia", "banksia@firm.example", capacity=8, building="HQ"
)
WATTLE = Room("9a000000-0000-4111-8222-00000000000b", "Room Wattle", "wattle@firm.example", capacity=4)
APP = App("aaaaaaaa-1111-4222-8333-444455556666", "Concord", secrets=("s3cret",))
FIRM = Tenant(
    "c0ffee00-1111-4222-8333-444455556666",
    "firm.example",
    users=(TOM, ANA, OLD),
    rooms=(BANKSIA, WATTLE),
    room_lists=(RoomList("9b000000-0000-4111-8222-00000000000c", "HQ", "hq@firm.example", ("banksia@firm.example",)),),
    apps=(APP,),
)
TOKEN = "static-token"
CLIENT = "ines.park@client.example"


class Webhooks:
    """Stands for the outside world: remembers the calls made to it and answers as told."""

    def __init__(self) -> None:
        self.calls: list[Delivery] = []
        self.answers: dict[str, Response | None] = {}

    def __call__(self, delivery: Delivery) -> Response | None:
        """The answer told for the address, else the echoed validation token."""
        self.calls.append(delivery)
        url = delivery.url.split("?")[0]
        if url in self.answers:
            return self.answers[url]
        query = dict(pair.split("=", 1) for pair in urlsplit(delivery.url).query.split("&"))
        return Response.of_text(200, unquote(query.get("validationToken", "")))


class GraphClient:
    """Calls a simulator as an application with a static token does."""

    def __init__(self, sim: GraphSimulator, token: str = TOKEN) -> None:
        self.sim = sim
        self.token = token

    def send(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Response:
        """One call. `path` is below /v1.0, or an absolute link as the service gave it. Inner faults raise."""
        target = path.removeprefix(BASE) if path.startswith(BASE) else f"/v1.0{path}"
        raw = b"" if body is None else json.dumps(body).encode()
        sent = {
            "authorization": f"Bearer {self.token}",
            **{name.lower(): text for name, text in (headers or {}).items()},
        }
        if raw:
            sent.setdefault("content-type", "application/json")
        response = self.sim.handle(Request(method, target, sent, raw, BASE))
        assert self.sim.last_fault is None, self.sim.last_fault
        return response

    def get(self, path: str, **headers: str) -> Any:
        """The JSON of a successful GET. Header names are given with underscores."""
        response = self.send("GET", path, headers={name.replace("_", "-"): text for name, text in headers.items()})
        assert response.status == 200, response.body
        return response.json()

    def create(self, user: User, event: dict[str, Any], **headers: str) -> Any:
        """The JSON of a created event."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        response = self.send("POST", f"/users/{user.id}/events", event, named)
        assert response.status == 201, response.body
        return response.json()

    def event(self, user: User | Room, event_id: str, query: str = "", **headers: str) -> Any:
        """The JSON of an event."""
        return self.get(f"/users/{user.id}/events/{quote(event_id, safe='')}{query}", **headers)

    def patch(self, user: User | Room, event_id: str, changes: dict[str, Any], **headers: str) -> Response:
        """The answer to a PATCH of an event."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.send("PATCH", f"/users/{user.id}/events/{quote(event_id, safe='')}", changes, named)

    def delete(self, user: User | Room, event_id: str, **headers: str) -> Response:
        """The answer to a DELETE of an event."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return self.send("DELETE", f"/users/{user.id}/events/{quote(event_id, safe='')}", headers=named)

    def act(self, user: User | Room, event_id: str, action: str, body: Any = None) -> Response:
        """The answer to an action on an event."""
        return self.send("POST", f"/users/{user.id}/events/{quote(event_id, safe='')}/{action}", body)

    def error(self, response: Response, status: int) -> str:
        """The error code of a refused call."""
        assert response.status == status, (response.status, response.body)
        return str(response.json()["error"]["code"])

    def round(self, link: str, **headers: str) -> tuple[list[dict[str, Any]], str, int]:
        """Follow a delta round to its end: the items, the deltaLink and the number of pages."""
        items: list[dict[str, Any]] = []
        pages = 0
        while True:
            page = self.get(link, **headers)
            pages += 1
            items.extend(page["value"])
            if "@odata.deltaLink" in page:
                assert "@odata.nextLink" not in page
                return items, page["@odata.deltaLink"], pages
            link = page["@odata.nextLink"]


def window(user: User | Room, start: str = "2026-03-01T00:00:00Z", end: str = "2026-05-01T00:00:00Z") -> str:
    """The path of a first delta call."""
    return f"/users/{user.id}/calendarView/delta?startDateTime={start}&endDateTime={end}"


def build_graph(behaviour: Behaviour | None = None, seed: int = 1, tenant: Tenant = FIRM) -> GraphSimulator:
    """The firm at a virtual clock, without anything random unless a behaviour is given."""
    clock = SimulatorClock(START)
    calm = behaviour if behaviour is not None else Behaviour().calm()
    return GraphSimulator(tenant, clock, random.Random(seed), {TOKEN: APP.client_id}, calm, Webhooks())


def meeting(*addresses: str, **changes: Any) -> dict[str, Any]:
    """An event of one hour with these attendees."""
    event: dict[str, Any] = {
        "subject": "Portfolio review",
        "body": {"contentType": "html", "content": "Agenda attached."},
        "start": {"dateTime": "2026-03-11T10:00:00", "timeZone": "AUS Eastern Standard Time"},
        "end": {"dateTime": "2026-03-11T11:00:00", "timeZone": "AUS Eastern Standard Time"},
    }
    if addresses:
        event["attendees"] = [attendee(address) for address in addresses]
    return {**event, **changes}


def attendee(address: str, kind: str = "required") -> dict[str, Any]:
    """One attendee as a client sends it."""
    return {"type": kind, "emailAddress": {"address": address, "name": address.split("@")[0]}}
