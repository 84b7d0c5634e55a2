"""Both simulated services with this run's firm in them, and the ways in: Concord's clients, people's browsers."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final
from urllib.parse import quote, urlencode

from support.graph_driver import BASE
from support.graph_driver import to_request as to_graph
from support.salesforce_driver import BASE as SALESFORCE_BASE
from support.salesforce_driver import PREFIX as SALESFORCE_PREFIX
from support.salesforce_driver import to_request as to_salesforce

from connectors.exchange import Call, Reply, run
from connectors.graph import directory as graph_directory
from connectors.salesforce import directory as salesforce_directory
from connectors.salesforce import sink as salesforce_sink
from connectors.salesforce.fields import FieldNames
from schemas.directory import DirectoryEntry
from schemas.settings import Settings
from simulation.faults import Faults
from simulation.firm import (
    DESK,
    DOMAIN,
    NO_CALENDAR,
    PLACES,
    Client,
    Person,
    Place,
    before_preflight,
    draw_clients,
    draw_people,
    draw_settings,
    with_desk,
)
from simulation.people import FORBIDDEN
from simulation.transport import (
    Transport,
    created_in_graph,
    created_in_salesforce,
    steps_of_graph,
    steps_of_salesforce,
)
from simulators.clock import SimulatorClock
from simulators.graph.behaviour import Behaviour as GraphBehaviour
from simulators.graph.service import GraphSimulator
from simulators.graph.tenant import App, Room, Tenant, User
from simulators.http import Request
from simulators.salesforce.behaviour import Behaviour as SalesforceBehaviour
from simulators.salesforce.org import Access, Org
from simulators.salesforce.service import SalesforceSimulator

CONCORD: Final = App("aaaaaaaa-1111-4222-8333-444455556666", "Concord")
OUTLOOK: Final = App("bbbbbbbb-1111-4222-8333-444455556666", "Outlook")
GRAPH_TOKENS: Final = {"concord": CONCORD.client_id, "outlook": OUTLOOK.client_id}
# Most firms have a field that says how a record was saved; without one every origin is unknown.
WITH_ORIGIN: Final = FieldNames(origin="Concord_Origin__c")
WITHOUT_ORIGIN: Final = FieldNames()

# A transport rule of the tenant refuses events with this word in the subject, so that some writes can never succeed.
REFUSED: Final = Reply(400, {}, b'{"error":{"code":"ErrorInvalidRequest","message":"Refused by a rule."}}')


class Services:
    """The two simulators of one run."""

    def __init__(
        self, rng: random.Random, clock: SimulatorClock, faults: Faults, tick: Callable[[], None],
        note: Callable[[str], None], extra: random.Random,
    ) -> None:  # fmt: skip
        self._rng = rng
        self._tick = tick
        people, clients = draw_people(rng), draw_clients(rng)
        has_desk = extra.random() < 0.2
        mailboxes = (*people, *([DESK] if has_desk else []))
        users = tuple(User(one.mailbox, one.name, one.address, one.address) for one in mailboxes)
        rooms = tuple(Room(one.mailbox, one.name, one.address) for one in PLACES)
        tenant = Tenant(
            "cccccccc-1111-4222-8333-444455556666", DOMAIN, users=users, rooms=rooms, apps=(CONCORD, OUTLOOK)
        )
        rough = rng.random() < 0.5
        graph = replace(
            GraphBehaviour().rough() if rough else GraphBehaviour().calm(), join_url_s=rng.choice((0.0, 2.0, 90.0))
        )
        self.graph_simulator = GraphSimulator(tenant, clock, random.Random(rng.random()), GRAPH_TOKENS, graph)
        salesforce = SalesforceBehaviour().rough() if rough else SalesforceBehaviour().calm()
        self.salesforce_simulator = SalesforceSimulator(
            Org(keeps_origin=True), clock, random.Random(rng.random()),
            access=Access(static_tokens={"browser": people[0].address}),
            behaviour=replace(salesforce, archive_every_s=0),
        )  # fmt: skip
        self.people = [replace(one, salesforce_id=self._seed_user(one)) for one in people]
        self.clients = [replace(one, contact_id=self._seed_client(one)) for one in clients]
        self.places = [replace(one, calendar_id=self._seed_calendar(one)) for one in PLACES]
        self.salesforce_simulator.seal()
        self.settings: Settings = draw_settings(rng, self.people)
        if has_desk:
            desk = replace(DESK, salesforce_id=extra.choice(self.people).salesforce_id)
            self.people.append(desk)
            self.settings = with_desk(self.settings, desk, extra)
        self.settings = before_preflight(self.settings, extra)
        self.names = WITHOUT_ORIGIN if rng.random() < 0.2 else WITH_ORIGIN
        if not self.names.origin and rng.random() < 0.7:
            self.settings = replace(self.settings, outbound_origins=("ui", "unknown"))
        self.saves_as: Callable[[], str] = lambda: "ui"
        self.graph = Transport(
            "graph", self.graph_simulator, to_graph, lambda: "concord", steps_of_graph, created_in_graph, rng, faults,
            tick, note, self._mails, refused_by_rule,
        )  # fmt: skip
        self.salesforce = Transport(
            "salesforce", self.salesforce_simulator, to_salesforce, self.salesforce_simulator.issue_token,
            steps_of_salesforce, created_in_salesforce, rng, faults, tick, note,
        )  # fmt: skip
        self.salesforce_apply = partial(salesforce_sink.apply_command, names=self.names)

    def calm_down(self) -> None:
        """From here on the services do nothing at random: no replayed rows, no lagging coverage, no second bumps."""
        self.graph_simulator.world.behaviour = self.graph_simulator.world.behaviour.calm()
        self.salesforce_simulator.behaviour = self.salesforce_simulator.behaviour.calm()

    def _mails(self) -> list[Any]:
        """The mails that Concord's writes caused."""
        return [mail for mail in self.graph_simulator.mails if mail.client == CONCORD.client_id]

    def _seed_user(self, person: Person) -> str:
        first, last = person.name.split()
        fields = {"Username": person.address, "Email": person.address, "FirstName": first, "LastName": last}
        return self.salesforce_simulator.insert("User", fields)

    def _seed_client(self, client: Client) -> str:
        fields = {"FirstName": client.first_name, "LastName": client.last_name}
        email = {"Email": client.address} if client.address else {}
        return self.salesforce_simulator.insert("Contact", fields | email)

    def _seed_calendar(self, place: Place) -> str:
        if place.name == NO_CALENDAR:
            return ""
        return self.salesforce_simulator.insert("Calendar", {"Name": place.name, "Type": "Resource"})

    # --- requests -------------------------------------------------------------------------------------------

    def as_outlook(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None, may_refuse: bool = False
    ) -> Any:
        """A request of a person's Outlook. None when it was refused and may be."""
        self._tick()
        headers = {"prefer": 'outlook.timezone="UTC", outlook.body-content-type="text"'}
        target = "/v1.0" + quote(path)
        request = _json_request(method, target, query or {}, body, headers, "outlook", BASE.removesuffix("/v1.0"))
        for _ in range(10):  # the service rewrites items by itself now and then; people try again
            answer = _answer(self.graph_simulator, request, may_refuse or method in {"PATCH", "DELETE"})
            if answer is not None or may_refuse:
                break
        assert answer is not None or may_refuse, f"{method} {path} was refused"
        return answer

    def as_practifi(
        self, method: str, path: str, body: Any = None, query: Mapping[str, str] | None = None, may_refuse: bool = False
    ) -> Any:
        """A request of a person's browser, which Salesforce marks as its own user interface, or of other software."""
        self._tick()
        target = path if path.startswith("/services") else SALESFORCE_PREFIX + path
        headers = {"x-sim-origin": self.saves_as()}
        request = _json_request(method, target, query or {}, body, headers, "browser", SALESFORCE_BASE)
        return _answer(self.salesforce_simulator, request, may_refuse)

    def read_directory(self) -> Iterable[DirectoryEntry]:
        """What the two directory sources publish, read without faults."""

        def send_to(transport: Transport) -> Callable[[Call], Reply]:
            def send(call: Call) -> Reply:
                token = transport.new_token()
                response = transport.service.handle(transport.build(call, token))
                return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, response.body)

            return send

        yield from run(graph_directory.read_directory(), send_to(self.graph))
        yield from run(salesforce_directory.read_directory(self.names), send_to(self.salesforce))


def refused_by_rule(call: Call) -> Reply | None:
    """The answer to a write of Concord's that the tenant's rule refuses."""
    subject = call.body.get("subject", "") if isinstance(call.body, dict) else ""
    return REFUSED if FORBIDDEN in subject else None


def _json_request(
    method: str, path: str, query: Mapping[str, str], body: Any, headers: dict[str, str], token: str, base: str
) -> Request:
    target = path + (f"?{urlencode(query, quote_via=quote)}" if query else "")
    headers = {"authorization": f"Bearer {token}", **{name.lower(): value for name, value in headers.items()}}
    raw = b""
    if body is not None:
        raw = json.dumps(body).encode()
        headers["content-type"] = "application/json"
    return Request(method, target, headers, raw, base)


def _answer(simulator: Any, request: Request, may_refuse: bool) -> Any:
    response = simulator.handle(request)
    assert response.status != 500, simulator.last_fault
    if response.status >= 400 and may_refuse:
        return None
    assert response.status < 300, f"{request.method} {request.target}: {response.status} {response.body!r}"
    return response.json() if response.body else {}
