"""A Salesforce simulator with a few records in it, and a minimal client that hands requests to `handle`."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from simulators.clock import SimulatorClock
from simulators.http import Request, Response
from simulators.salesforce.behaviour import Behaviour
from simulators.salesforce.org import Access, ConnectedApp, Org
from simulators.salesforce.service import SalesforceSimulator

START = datetime(2026, 5, 20, 12, 0, tzinfo=UTC)
"""The virtual moment at which every simulator of these tests begins, a Wednesday."""
KEY, SECRET = "consumer-key", "consumer-secret"
PREFIX = "/services/data/v66.0"


@dataclass
class SalesforceClient:
    """Sends JSON to a simulator and answers what came back. `headers` go with every request."""

    simulator: SalesforceSimulator
    clock: SimulatorClock
    token: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    ids: dict[str, str] = field(default_factory=dict)
    """The records of `build_org` by name: ada, bob, cleo, account, contact, other_contact, room, public."""

    def call(self, method: str, path: str, body: Any = None, **headers: str) -> Response:
        """One call; a path that does not begin with /services is taken below the version. Inner faults fail loudly."""
        target = path if path.startswith(("/services", "/id")) else PREFIX + path
        sent = {"authorization": f"Bearer {self.token}", **self.headers}
        sent.update({name.replace("_", "-").lower(): value for name, value in headers.items()})
        raw = b""
        if body is not None:
            raw = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent.setdefault("content-type", "application/json")
        response = self.simulator.handle(Request(method, target, sent, raw, "https://concord.my.salesforce.com"))
        assert response.status != 500, self.simulator.last_fault
        return response

    def get(self, path: str, **headers: str) -> Response:
        """GET."""
        return self.call("GET", path, **headers)

    def post(self, path: str, body: Any, **headers: str) -> Response:
        """POST of JSON."""
        return self.call("POST", path, body, **headers)

    def patch(self, path: str, body: Any, **headers: str) -> Response:
        """PATCH of JSON."""
        return self.call("PATCH", path, body, **headers)

    def delete(self, path: str, **headers: str) -> Response:
        """DELETE."""
        return self.call("DELETE", path, **headers)

    def create(self, sobject: str, body: dict[str, Any], **headers: str) -> str:
        """POST a record that must be accepted; its id."""
        response = self.post(f"/sobjects/{sobject}", body, **headers)
        assert response.status == 201, response.body
        return str(response.json()["id"])

    def event(self, **fields: Any) -> str:
        """Create an event of an hour on the day after START unless the fields say otherwise; its id."""
        return self.create("Event", event_body(**fields))

    def read(self, sobject: str, record_id: str) -> dict[str, Any]:
        """All fields of a record that must be readable."""
        response = self.get(f"/sobjects/{sobject}/{record_id}")
        assert response.status == 200, response.body
        return dict(response.json())

    def query(self, soql: str, *, all_rows: bool = False) -> list[dict[str, Any]]:
        """The records of a statement that must be accepted, all pages."""
        page = self.page(soql, all_rows=all_rows)
        found = list(page["records"])
        while not page["done"]:
            page = self.get(page["nextRecordsUrl"]).json()
            found += page["records"]
        return found

    def page(self, soql: str, *, all_rows: bool = False) -> dict[str, Any]:
        """The first page of a statement that must be accepted."""
        response = self.get(f"/{'queryAll' if all_rows else 'query'}?q={quote(soql)}")
        assert response.status == 200, response.body
        return dict(response.json())

    def refused(self, soql: str) -> tuple[str, str]:
        """Error code and message of a statement that must be refused."""
        response = self.get(f"/query?q={quote(soql)}")
        assert response.status == 400, response.body
        (error,) = response.json()
        return error["errorCode"], error["message"]

    def window(self, which: str, start: datetime, end: datetime, sobject: str = "Event") -> Response:
        """The answer of getUpdated (`updated`) or getDeleted (`deleted`)."""
        times = "&".join(f"{name}={quote(value.isoformat())}" for name, value in (("start", start), ("end", end)))
        return self.get(f"/sobjects/{sobject}/{which}/?{times}")


def event_body(**fields: Any) -> dict[str, Any]:
    """The JSON of an event of an hour on the day after START; a field given as None is left out."""
    body = {"Subject": "Review", "StartDateTime": "2026-05-21T10:00:00Z", "EndDateTime": "2026-05-21T11:00:00Z"}
    return {name: value for name, value in {**body, **fields}.items() if value is not None}


def error_of(response: Response) -> tuple[int, str, list[str]]:
    """Status, error code and fields of a refused single call."""
    (error,) = response.json()
    assert set(error) <= {"message", "errorCode", "fields"}, error
    return response.status, error["errorCode"], error.get("fields", [])


def build_org(org: Org | None = None, behaviour: Behaviour | None = None, *, seed: int = 1) -> SalesforceClient:
    """A calm simulator with three users, two contacts, an account, a room and a public calendar, and a client of it."""
    clock = SimulatorClock(START)
    app = ConnectedApp(KEY, SECRET, "Concord", execution_user="integration@concord.example")
    access = Access(apps=(app,), static_tokens={"static-token": "integration@concord.example"})
    simulator = SalesforceSimulator(
        org or Org(), clock, random.Random(seed), access=access, behaviour=behaviour or Behaviour().calm()
    )
    names = (("ada", "Ada", "Lovelace"), ("bob", "Bob", "Marsh"), ("cleo", "Cleo", "Nile"))
    ids = {
        name: simulator.insert("User", {"Username": f"{name}@firm.example", "FirstName": first, "LastName": last})
        for name, first, last in names
    }
    ids["account"] = simulator.insert("Account", {"Name": "Kim Family"})
    contact = {"FirstName": "Sun", "LastName": "Kim", "Email": "sun@kim.example", "AccountId": ids["account"]}
    ids["contact"] = simulator.insert("Contact", contact)
    ids["other_contact"] = simulator.insert("Contact", {"LastName": "Ode", "Email": "ode@client.example"})
    ids["room"] = simulator.insert("Calendar", {"Name": "Room 4", "Type": "Resource"})
    ids["public"] = simulator.insert("Calendar", {"Name": "Team", "Type": "Public"})
    simulator.seal()
    return SalesforceClient(simulator, clock, simulator.issue_token(), ids=ids)


def later(**delta: float) -> datetime:
    """START plus a time."""
    return START + timedelta(**delta)
