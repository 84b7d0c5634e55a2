"""Driving the Salesforce connector's exchanges in tests: made-up replies, a simulator in the same thread."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any
from urllib.parse import quote, unquote, urlencode

from support import salesforce_facts
from support.salesforce_client import START, SalesforceClient, build_org, later

from connectors.exchange import Call, Reply, run
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.sink import apply_command
from connectors.salesforce.source import Told, poll_page, read_items
from schemas.calendar import Attendee, CalendarEvent, Response, ShowAs, TimeSpan
from schemas.changes import Change, Item, Side
from schemas.commands import Action, Command, Outcome, Result
from schemas.cursors import SalesforceCursor
from schemas.groups import ALL
from simulators.http import Request, Service
from simulators.http import Response as HttpResponse
from simulators.salesforce.behaviour import Behaviour
from simulators.salesforce.org import Org

NAMES = FieldNames()

BASE = "https://concord.my.salesforce.com"
PREFIX = "/services/data/v66.0"

Send = Callable[[Call], Reply]


def reply(status: int, value: Any = None) -> Reply:
    """An answer with `value` as JSON, or without a body."""
    return Reply(status, {}, b"" if value is None else json.dumps(value).encode())


def refusal(status: int, code: str, message: str = "") -> Reply:
    """An error answer as Salesforce writes it."""
    return reply(status, [{"message": message or f"About {code}.", "errorCode": code}])


def saved(record_id: str) -> dict[str, Any]:
    """One item of a collections answer that went well."""
    return {"id": record_id, "success": True, "errors": []}


def unsaved(code: str, message: str = "") -> dict[str, Any]:
    """One item of a collections answer that failed."""
    error = {"statusCode": code, "message": message or f"About {code}.", "fields": []}
    return {"success": False, "errors": [error]}


def rows(*records: Mapping[str, Any]) -> Reply:
    """The only page of a query."""
    return reply(200, {"totalSize": len(records), "done": True, "records": list(records)})


def together(*replies: Reply) -> Reply:
    """A composite answer with these answers in it, in order."""
    results: list[dict[str, Any]] = [
        {
            "body": json.loads(item.body) if item.body else None,
            "httpHeaders": {},
            "httpStatusCode": item.status,
            "referenceId": f"r{number}",
        }
        for number, item in enumerate(replies)
    ]
    return reply(200, {"compositeResponse": results})


def to_request(call: Call, token: str) -> Request:
    """The HTTP request that the live client would send for this call, whose fields describe must know."""
    call = salesforce_facts.checked(call)
    target = call.path if call.path.startswith("/services/") else PREFIX + call.path
    target += f"?{urlencode(call.params, quote_via=quote)}" if call.params else ""
    headers = {name.lower(): value for name, value in call.headers.items()} | {"authorization": f"Bearer {token}"}
    body = b""
    if call.body is not None:
        headers["content-type"] = "application/json"
        body = json.dumps(call.body).encode()
    return Request(call.method, target, headers, body, BASE)


def send_to(service: Service, *, token: str) -> Send:
    """A `send` for exchanges that calls the simulated service in the same thread."""

    def send(call: Call) -> Reply:
        response: HttpResponse = service.handle(to_request(call, token))
        return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, response.body)

    return send


@dataclass
class Recorded:
    """A `send` that keeps the calls it passes on."""

    send: Send
    calls: list[Call] = field(default_factory=list)

    def __call__(self, call: Call) -> Reply:
        """Pass one call on."""
        self.calls.append(call)
        return self.send(call)


def steps_of(call: Call) -> Iterator[tuple[str, str, Any]]:
    """Method, decoded path and body of a call, or of each request inside a composite one."""
    if call.path == "/composite":
        for item in call.body["compositeRequest"]:
            yield item["method"], _unquoted(item["url"]).removeprefix(PREFIX), item.get("body")
    else:
        yield call.method, call.path, call.body


@lru_cache(maxsize=256)
def _unquoted(url: str) -> str:
    return unquote(url)


def created(call: Call, answer: Reply) -> list[tuple[str, str]]:
    """(object, id) of every record that this call created."""
    bodies: Sequence[Any] = [json.loads(answer.body)] if answer.body else [None]
    if call.path == "/composite":
        bodies = [item["body"] for item in bodies[0]["compositeResponse"]]
    found: list[tuple[str, str]] = []
    for (method, path, body), answered in zip(steps_of(call), bodies, strict=True):
        if method == "POST" and path == "/composite/sobjects":
            pairs = zip(body["records"], answered, strict=True)
            found += [(item["attributes"]["type"], row["id"]) for item, row in pairs if row.get("success")]
    return found


KEY = "m:040000008200E00074C5B7101A82E00800000000O'Hara\\1"
"""A pair key with what a SOQL literal has to escape."""


def build_lasting(org: Org | None = None, behaviour: Behaviour | None = None, *, seed: int = 1) -> SalesforceClient:
    """The org of `build_org`, with a session that outlives days of its clock."""
    client = build_org(org, behaviour, seed=seed)
    client.token = "static-token"
    return client


def content(client: SalesforceClient, **members: Any) -> CalendarEvent:
    """An event of Ada's of an hour, three days after START, with a contact and Bob invited; all groups filled."""
    start = later(days=3)
    usual: dict[str, Any] = {
        "span": TimeSpan(start, start + timedelta(hours=1)),
        "subject": "Portfolio review",
        "body": "First line\nsecond < & > line",
        "location": "Level 4",
        "show_as": ShowAs.OUT_OF_OFFICE,
        "reminder_minutes": 30,
        "attendees": (
            Attendee("", record_id=client.ids["contact"]),
            Attendee("", record_id=client.ids["bob"], response=Response.ACCEPTED, is_user=True),
        ),
        "owner_id": client.ids["ada"],
        "sync_status": "Synced",
        "external_id": "AAMkAGI1=",
    }
    return CalendarEvent(**(usual | members))


def create(wanted: CalendarEvent, *, pair_key: str = KEY, **members: Any) -> Command:
    """A create of everything."""
    usual: dict[str, Any] = {"generation": 1, "fields": ALL, "content": wanted, "source": wanted}
    return Command(f"{pair_key}#1", pair_key, Side.SALESFORCE, Action.CREATE, START, 1, **(usual | members))


def update(item: Item, *groups: str, pair_key: str = KEY, **members: Any) -> Command:
    """An update of these groups from what the item holds."""
    wanted = replace(item.content, **members)
    return Command(
        f"{pair_key}#2", pair_key, Side.SALESFORCE, Action.UPDATE, START, 2, id=item.id, version=item.version,
        fields=groups, content=wanted, basis=item.content, source=wanted,
    )  # fmt: skip


def delete(item: Item, *, pair_key: str = KEY) -> Command:
    """The deletion of what the item holds."""
    return Command(
        f"{pair_key}#3", pair_key, Side.SALESFORCE, Action.DELETE, START, 3, id=item.id, version=item.version,
        basis=item.content,
    )  # fmt: skip


def carry_out(command: Command, send: Send, names: FieldNames = NAMES) -> Outcome:
    """One try."""
    return run(apply_command(command, now=START, names=names), send)


def made(client: SalesforceClient, wanted: CalendarEvent | None = None, names: FieldNames = NAMES) -> Item:
    """What a create made."""
    outcome = carry_out(create(wanted or content(client)), calls_to(client), names)
    assert outcome.result is Result.APPLIED, outcome
    assert outcome.item is not None
    return outcome.item


def calls_to(client: SalesforceClient) -> Send:
    """Calls to the client's simulator; what broke inside it shows as itself."""
    inner = send_to(client.simulator, token=client.token)

    def checked(call: Call) -> Reply:
        answer = inner(call)
        assert answer.status != 500, client.simulator.last_fault
        return answer

    return checked


def reading(client: SalesforceClient, event_id: str, names: FieldNames = NAMES) -> Item:
    """The event as the source would read it now."""
    return run(read_items([event_id], names), calls_to(client))[event_id]


def people(client: SalesforceClient, event_id: str) -> dict[str, tuple[str, str | None]]:
    """Who is invited to an event: Status and Response by record id."""
    rows_now = client.simulator.records("EventRelation")
    return {r["RelationId"]: (r["Status"], r["Response"]) for r in rows_now if r["EventId"] == event_id}


def own_events(client: SalesforceClient) -> list[dict[str, Any]]:
    """The org's events, invitees' copies left out."""
    return [row for row in client.simulator.records("Event") if not row["IsChild"]]


@dataclass
class Poller:
    """Polls one org. `cursor` is what was saved last, `changes` what was sent so far, by poll."""

    client: SalesforceClient
    names: FieldNames = NAMES
    overlap_s: float = 120
    cursor: SalesforceCursor = field(default_factory=lambda: SalesforceCursor("Event"))
    wanted: str = ""
    pages: int = 0
    told: Told | None = None

    def poll(
        self, send: Send | None = None, *, stop_after: int | None = None, now: datetime | None = None
    ) -> list[Change]:
        """The changes of a poll; with `stop_after` only of its first pages, as if the process had died then."""
        send = send or calls_to(self.client)
        changes: list[Change] = []
        position = ""
        self.pages = 0
        while True:
            page = run(
                poll_page(
                    self.cursor, self.names, now=now or self.client.clock.now(), overlap_s=self.overlap_s,
                    wanted=self.wanted, position=position, told=self.told,
                ),
                send,
            )  # fmt: skip
            assert not page.unreadable, page.unreadable
            changes += page.changes
            self.pages += 1
            self.cursor, position = page.cursor, page.position
            if page.is_last or self.pages == stop_after:
                return changes

    def wait_and_poll(self, seconds: float = 60, **options: Any) -> list[Change]:
        """The changes of a poll some time later."""
        self.client.clock.advance(seconds)
        return self.poll(**options)


def told(changes: Sequence[Change]) -> list[tuple[str, str]]:
    """Changes as (cause, subject, or the id of what was removed)."""
    return [(change.cause, change.item.content.subject if change.item is not None else change.id) for change in changes]
