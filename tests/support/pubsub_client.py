"""An org with an event bus on a virtual clock, and a subscriber that reads the bus without sockets."""

from __future__ import annotations

import io
import json
import random
from dataclasses import dataclass, field
from typing import Any

import fastavro
from support.salesforce_client import SalesforceClient, build_org

from simulators.pubsub.behaviour import PubSubBehaviour
from simulators.pubsub.bus import BusPlan, EventBus
from simulators.pubsub.event_log import StoredEvent
from simulators.pubsub.streams import Batch, Fetch, Subscription
from simulators.salesforce.behaviour import Behaviour
from simulators.salesforce.org import Org

EVENTS = "/data/EventChangeEvent"
RELATIONS = "/data/EventRelationChangeEvent"
ALL = "/data/ChangeEvents"
HEADER = "ChangeEventHeader"


def decode(schema_json: str, payload: bytes) -> dict[str, Any]:
    """A bare Avro datum as fastavro reads it, all of it: nothing may be left over."""
    stream = io.BytesIO(payload)
    value = fastavro.schemaless_reader(stream, fastavro.parse_schema(json.loads(schema_json)))
    assert stream.read() == b""
    assert isinstance(value, dict)
    return value


def names_of(schema_json: str, bitmaps: list[str]) -> list[str]:
    """The field names that bitmaps stand for, read the way that a client does."""
    fields = json.loads(schema_json)["fields"]
    found: list[str] = []
    for text in bitmaps:
        place, _, digits = text.rpartition("-")
        inside = fields
        prefix = ""
        if place:
            parent = fields[int(place)]
            inside = next(kind for kind in parent["type"] if isinstance(kind, dict))["fields"]
            prefix = f"{parent['name']}."
        number = int(digits, 16)
        found += [prefix + one["name"] for at, one in enumerate(inside) if number >> at & 1]
    return found


@dataclass
class Received:
    """One event as a subscriber got it."""

    event: StoredEvent
    replay_id: bytes
    value: dict[str, Any]
    schema_json: str

    @property
    def header(self) -> dict[str, Any]:
        """The ChangeEventHeader."""
        return dict(self.value[HEADER])

    @property
    def kind(self) -> str:
        """The change type."""
        return str(self.header["changeType"])

    @property
    def changed(self) -> list[str]:
        """Names of the changed fields."""
        return names_of(self.schema_json, self.header["changedFields"])

    @property
    def nulled(self) -> list[str]:
        """Names of the cleared fields."""
        return names_of(self.schema_json, self.header["nulledFields"])

    @property
    def filled(self) -> dict[str, Any]:
        """The fields that have a value."""
        return {name: value for name, value in self.value.items() if value is not None and name != HEADER}


@dataclass
class Listener:
    """A subscription that keeps what it got."""

    bus: EventBus
    stream: Subscription
    topic: str
    batches: list[Batch] = field(default_factory=list)

    def ask(self, count: int, **more: Any) -> None:
        """Send a further request."""
        self.stream.request(Fetch(count=count, **more))

    def step(self) -> list[Batch]:
        """Let the org publish, and take what the stream sends."""
        self.bus.tick()
        sent = self.stream.step()
        self.batches += sent
        return sent

    def take(self) -> list[Received]:
        """The events of one step, decoded."""
        return [self._received(event, replay) for batch in self.step() for event, replay in batch.events]

    def one(self) -> Received:
        """The only event of one step."""
        (received,) = self.take()
        return received

    def _received(self, event: StoredEvent, replay: bytes) -> Received:
        schema_json = self.bus.schema_by_id(event.schema_id).text
        return Received(event, replay, decode(schema_json, event.payload), schema_json)


@dataclass
class BusOrg:
    """A client of an org, and its bus."""

    org: SalesforceClient
    bus: EventBus

    def metadata(self, **changed: str) -> dict[str, str]:
        """The metadata of a call of the integration user."""
        own = {"accesstoken": self.org.token, "instanceurl": "https://concord.my.salesforce.com"}
        return {**own, "tenantid": self.bus.org.org.id, **changed}

    def listen(self, topic: str = EVENTS, count: int = 100, user: str = "", **fetch: Any) -> Listener:
        """Subscribe and ask for events; from now on unless told otherwise."""
        token = self.org.simulator.issue_token(user) if user else self.org.token
        stream = self.bus.subscribe(self.bus.caller(self.metadata(accesstoken=token)))
        stream.request(Fetch(topic=topic, count=count, **fetch))
        return Listener(self.bus, stream, topic)

    def wait(self, seconds: float) -> None:
        """Let time pass, and the bus notice. REST goes on with a fresh token."""
        self.org.clock.advance(seconds)
        self.org.token = self.org.simulator.issue_token()
        self.bus.tick()


def build_bus(
    org: Org | None = None,
    behaviour: PubSubBehaviour | None = None,
    plan: BusPlan | None = None,
    org_behaviour: Behaviour | None = None,
) -> BusOrg:
    """A calm org and a calm bus unless told otherwise."""
    client = build_org(org, org_behaviour)
    bus = EventBus(client.simulator, random.Random(7), plan=plan, behaviour=behaviour or PubSubBehaviour().calm())
    return BusOrg(client, bus)
