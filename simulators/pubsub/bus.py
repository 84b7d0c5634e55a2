"""The event bus of one org: what its change log becomes, who may listen, and the faults that a test can ask for.

Synchronous and single-threaded like the org it belongs to, in whose thread it must be used. No sockets.
"""

from __future__ import annotations

import random
import uuid
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from simulators.http import Request
from simulators.pubsub.allocation import Deliveries
from simulators.pubsub.behaviour import PubSubBehaviour
from simulators.pubsub.change_events import ChangeEventBuilder, gap_of
from simulators.pubsub.channels import Channel, ChannelPlan, channels_of
from simulators.pubsub.errors import STATUSES, PubSubError, topic_not_found
from simulators.pubsub.event_log import EventLog, StoredEvent
from simulators.pubsub.event_schema import AddedField, EventSchema, build_schema
from simulators.pubsub.managed import ManagedPlan, ManagedPlans, ManagedSubscription
from simulators.pubsub.streams import Caller, OpenStream, PublishStream, Subscription
from simulators.salesforce.changes import Change
from simulators.salesforce.seeding import SYSTEM_PROFILE
from simulators.salesforce.service import SalesforceSimulator

S = TypeVar("S", bound=OpenStream)

SELECTED: Final = ("Event", "EventRelation", "Contact", "User")
"""The objects on the default channel."""
STREAMS_MAX: Final = 48
"""Open streams of one org. The real service takes a thousand; each costs the edge a thread."""
DUPLICATE_WITHIN_S: Final = 2.0
"""How soon an event is published again."""
_USERINFO: Final = "/services/oauth2/userinfo"


@dataclass(frozen=True)
class BusPlan:
    """What an administrator has set up: objects on the default channel, custom channels, managed subscriptions."""

    selected: tuple[str, ...] = SELECTED
    channels: tuple[ChannelPlan, ...] = ()
    managed: tuple[ManagedPlan, ...] = ()


@dataclass
class Rights:
    """View All Data beyond what profiles give: user ids that have it or lost it."""

    granted: set[str] = field(default_factory=set)
    revoked: set[str] = field(default_factory=set)


class EventBus:
    """Change events of one org.

    `rng` decides ids and everything that varies. `listeners` are called when a stream may have something to send. Reads
    the org's change log whenever `tick` is called.
    """

    def __init__(
        self,
        org: SalesforceSimulator,
        rng: random.Random,
        *,
        plan: BusPlan | None = None,
        behaviour: PubSubBehaviour | None = None,
    ) -> None:
        self.org = org
        self.rng = rng
        self.plan = plan or BusPlan()
        self._first_plan = self.plan
        self.behaviour = behaviour or PubSubBehaviour()
        self._first_behaviour = self.behaviour
        self.listeners: list[Callable[[], None]] = []
        self.streams: list[OpenStream] = []
        self.rights = Rights()
        self.managed = ManagedPlans()
        self.log = EventLog(rng, self.behaviour.retention_s)
        self.deliveries = Deliveries(self.behaviour.deliveries_max)
        self._schema = org.org.schema()
        self._added: dict[str, list[AddedField]] = {}
        self._served: dict[str, EventSchema] = {}
        self._schemas: dict[str, EventSchema] = {}
        self._rows: dict[str, Mapping[str, Any]] = {}
        self._again: list[tuple[datetime, StoredEvent]] = []
        self._refusals: list[str] = []
        self._seen = 0
        self._last = 0
        self.channels: dict[str, Channel] = {}
        self._builder = ChangeEventBuilder(self._schema, rng, self.behaviour, self.schema_of)
        self._deploy()
        self._skip_to_now()

    def set_behaviour(self, behaviour: PubSubBehaviour) -> None:
        """Switch what varies in the real service from now on; what was counted and kept so far stays."""
        self.behaviour = self._builder.behaviour = behaviour
        self.log.retention_s = behaviour.retention_s
        self.deliveries.maximum = behaviour.deliveries_max

    # The clock and the change log

    def now(self) -> datetime:
        """The org's now, in UTC."""
        return self.org.clock.now().astimezone(UTC)

    def tick(self) -> None:
        """Publish what the org has committed since, and wake the edge when a stream has something to do."""
        now = self.now()
        self.log.purge(now)
        news = self._publish_news(now)
        if news or any(stream.is_due(now) for stream in self.streams):
            self._wake()

    @property
    def happened(self) -> Counter[str]:
        """How often each irregularity took place since the start, by the name of its switch."""
        return Counter({**self._builder.happened, "replay_id_refused": self.log.refused})

    # Calls

    def caller(self, metadata: Mapping[str, str]) -> Caller:
        """Who calls, by the metadata of the call (lower-case names). Raises PubSubError."""
        if self._refusals:
            raise PubSubError(self._refusals.pop(0), "The service refuses this call")
        values = {name: metadata.get(name, "").strip() for name in ("accesstoken", "instanceurl", "tenantid")}
        blank = [name for name, value in values.items() if not value]
        if blank:
            raise PubSubError("service.auth.headers.invalid", f"{', '.join(blank)} must not be blank")
        if not values["instanceurl"].startswith(("https://", "http://")):
            raise PubSubError("service.auth.headers.invalid", "instanceurl is no URL")
        if len(values["tenantid"]) != 18:
            raise PubSubError("service.auth.headers.invalid", "tenantid must be an org ID of 18 characters")
        if values["tenantid"] != self.org.org.id:
            raise PubSubError("service.auth.error", "The org is not the one of the token")
        return Caller(self._user_of(values["accesstoken"], "service.auth.error"))

    def refresh(self, token: str) -> None:
        """Take a fresh token in an open stream. Raises PubSubError for a bad one."""
        self._user_of(token, "service.auth.refresh.invalid")

    def channel(self, topic: str) -> Channel:
        """The topic's channel. Raises PubSubError."""
        if topic not in self.channels:
            raise topic_not_found(topic)
        return self.channels[topic]

    def topic_schema(self, topic: str) -> EventSchema:
        """The schema of a topic: of its first object where it has several. Raises PubSubError."""
        if not topic:
            raise PubSubError("topic.validation.empty", "The topic name is blank")
        return self.schema_of(next(iter(self.channel(topic).members)))

    def can_subscribe(self, caller: Caller, topic: str) -> bool:
        """Whether a user gets a stream of this topic."""
        return not self.channel(topic).is_single or self.sees_all(caller)

    def schema_by_id(self, schema_id: str) -> EventSchema:
        """A schema that is or was served. Raises PubSubError."""
        if not schema_id:
            raise PubSubError("schema.validation.failed", "The schema ID is blank")
        if schema_id not in self._schemas:
            raise PubSubError("schema.meta.permission", f"There is no schema {schema_id}")
        return self._schemas[schema_id]

    def subscribe(self, caller: Caller) -> Subscription:
        """Open a stream. Raises PubSubError when there are too many."""
        return self._opened(Subscription(self, caller))

    def subscribe_managed(self, caller: Caller) -> ManagedSubscription:
        """Open a stream of a managed subscription."""
        return self._opened(ManagedSubscription(self, caller))

    def publish_stream(self, caller: Caller) -> PublishStream:
        """Open a stream to publish."""
        return self._opened(PublishStream(self, caller))

    def leave(self, stream: OpenStream) -> None:
        """A stream has ended."""
        if stream in self.streams:
            self.streams.remove(stream)

    def publish(self, topic: str, events: int, auth_refresh: str = "") -> None:
        """Refuse a PublishRequest: nobody but the org itself publishes change events. Raises PubSubError."""
        if not topic:
            raise PubSubError("publish.topic.validation.empty", "The topic name is blank")
        if auth_refresh:
            raise PubSubError("publish.auth.refresh.invalid", "The first request cannot carry a fresh token")
        self.channel(topic)
        if events <= 0:
            raise PubSubError("publish.event.count.invalid", "The request has no events")
        raise PubSubError("topic.meta.permission", f"Change events cannot be published to {topic}")

    # What streams ask

    def sees_all(self, caller: Caller) -> bool:
        """Whether a user has View All Data: by the administrator's profile, unless granted or revoked."""
        if caller.user_id in self.rights.revoked:
            return False
        if caller.user_id in self.rights.granted:
            return True
        profiles = {row["Id"] for row in self.org.records("Profile") if row["Name"] == SYSTEM_PROFILE}
        return any(row["Id"] == caller.user_id and row["ProfileId"] in profiles for row in self.org.records("User"))

    def schema_of(self, entity: str) -> EventSchema:
        """The schema served for an object now."""
        held = self._served.get(entity)
        if held is None:
            held = build_schema(self._schema.object(entity), self._added.get(entity, ()))
            self._served[entity] = held
            self._schemas[held.id] = held
        return held

    def row(self, record_id: str) -> Mapping[str, Any] | None:
        """The last state of a record that has changed since the bus began: what enrichment reads."""
        return self._rows.get(record_id)

    def batch_size(self, wanted: int) -> int:
        """How many of the wanted events the next answer takes."""
        if self.behaviour.batch_events is not None:
            return min(wanted, self.behaviour.batch_events)
        return self.rng.randint(1, wanted)

    # What a test or a demo can ask for

    def cut_streams(self, code: str = "subscription.internal.error", topic: str = "") -> int:
        """End open streams, of one topic or all, with an error. Answers how many. Raises ValueError for a bad code."""
        _check_code(code)
        chosen = [one for one in self.streams if not topic or (isinstance(one, Subscription) and one.topic == topic)]
        for stream in chosen:
            stream.fail(PubSubError(code, "The stream was cut"))
        self._wake()
        return len(chosen)

    def refuse_calls(self, count: int, code: str = "service.unavailable") -> None:
        """Refuse the next calls. Raises ValueError for a bad code."""
        _check_code(code)
        self._refusals = [code] * count

    def gap_next(self, count: int) -> None:
        """Let the next change events become gap events."""
        self._builder.gaps = count

    def gap(self, record_id: str, entity: str = "Event", kind: str = "UPDATE") -> None:
        """Publish a gap event for a record now. `kind` is CREATE, UPDATE, DELETE or UNDELETE."""
        self._publish(self._builder.gap(gap_of(self._made_up(entity, record_id), kind)))

    def overflow(self, entity: str = "Event") -> None:
        """Publish an overflow event for an object now."""
        header = self._builder.gap(self._made_up(entity, "")).header
        self._publish(self._builder.overflow(entity, header))

    def republish(self, count: int) -> int:
        """Publish the last events again: same event ids and payloads, new replay ids. Answers how many."""
        events = self.log.last_events(count)
        for event in events:
            self._publish(event)
        return len(events)

    def expire(self) -> int:
        """Let the retention of everything so far pass. Answers how many events are gone."""
        return self.log.expire()

    def restart(self) -> None:
        """Move the org: the stream begins anew, every replay id is invalid, open streams end."""
        self.log.restart()
        for plan in self.managed.plans.values():
            plan.committed = ""
        self._again = []
        self.cut_streams()

    def add_field(self, entity: str, name: str) -> EventSchema:
        """An administrator makes a text field: the schema and its id change, positions of custom fields move."""
        self._schema.object(entity)
        if not name.endswith("__c") or name in self.schema_of(entity).names:
            raise ValueError(f"{name} is no name of a new custom field of {entity}")
        self._added.setdefault(entity, []).append(AddedField(name))
        self._served.pop(entity, None)
        return self.schema_of(entity)

    def remove_field(self, entity: str, name: str) -> EventSchema:
        """An administrator deletes a field made by `add_field`. Raises ValueError for another one."""
        kept = [one for one in self._added.get(entity, ()) if one.name != name]
        if len(kept) == len(self._added.get(entity, ())):
            raise ValueError(f"{name} was not added to {entity}")
        self._added[entity] = kept
        self._served.pop(entity, None)
        return self.schema_of(entity)

    def deploy_channel(self, channel: ChannelPlan) -> None:
        """Deploy a custom channel, in place of one of the same name. Raises ValueError for one that cannot be."""
        others = tuple(one for one in self.plan.channels if one.name != channel.name)
        plan = replace(self.plan, channels=(*others, channel))
        self.channels = channels_of(self._schema, plan.selected, plan.channels)
        self.plan = plan
        self._serve_schemas()

    def set_managed_state(self, developer_name: str, state: str) -> None:
        """Run or stop a managed subscription; stopping ends its stream and forgets what was committed."""
        plan = next((one for one in self.managed.plans.values() if one.developer_name == developer_name), None)
        if plan is None or state not in {"RUN", "STOP"}:
            raise ValueError(f"there is no managed subscription {developer_name} to {state}")
        plan.state = state
        if state == "STOP":
            plan.committed = ""
            for stream in self.streams:
                if isinstance(stream, ManagedSubscription) and stream.plan is plan:
                    stream.fail(PubSubError("managed.subscription.config.stopped", f"{developer_name} is stopped"))
            self._wake()

    # State

    def reset(self) -> None:
        """Back to an empty stream, as after a move: faults, rights, added fields and counters are forgotten."""
        self.set_behaviour(self._first_behaviour)
        self.rights = Rights()
        self.deliveries = Deliveries(self.behaviour.deliveries_max)
        self._added, self._served, self._rows, self._refusals = {}, {}, {}, []
        self._builder.load({"gaps": 0, "texts": {}})
        self.plan = self._first_plan
        self._deploy()
        self._skip_to_now()
        self.restart()

    def dump(self) -> dict[str, Any]:
        """Everything that can change and outlives a restart, as JSON values. Open streams do not."""
        version, internal, gauss = self.rng.getstate()
        return {
            "rng": [version, list(internal), gauss],
            "log": self.log.dump(),
            "schemas": [schema.text for schema in self._schemas.values()],
            "added": {entity: [one.name for one in added] for entity, added in self._added.items()},
            "builder": self._builder.dump(),
            "deliveries": self.deliveries.dump(),
            "channels": [channel.to_json() for channel in self.plan.channels],
            "managed": self.managed.dump(),
            "rights": {"granted": sorted(self.rights.granted), "revoked": sorted(self.rights.revoked)},
            "rows": {key: dict(row) for key, row in self._rows.items()},
            "again": [[moment.isoformat(), event.to_json()] for moment, event in self._again],
            "last": self._last,
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Replace the state by what `dump` gave, after the org has loaded its own."""
        version, internal, gauss = state["rng"]
        self.log.load(state["log"])
        self._schemas = {schema.id: schema for schema in map(EventSchema, state["schemas"])}
        self._added = {entity: [AddedField(name) for name in names] for entity, names in state["added"].items()}
        self._served = {}
        self._builder.load(state["builder"])
        self.deliveries.load(state["deliveries"])
        self.plan = replace(self.plan, channels=tuple(ChannelPlan.from_json(one) for one in state["channels"]))
        self.channels = channels_of(self._schema, self.plan.selected, self.plan.channels)
        self.managed.load(state["managed"])
        self.rights = Rights(set(state["rights"]["granted"]), set(state["rights"]["revoked"]))
        self._rows = dict(state["rows"])
        self._again = [
            (datetime.fromisoformat(moment), StoredEvent.from_json(event)) for moment, event in state["again"]
        ]
        self._last = state["last"]
        self._seen = bisect_right(self.org.changes, self._last, key=_sequence)
        self.rng.setstate((version, tuple(internal), gauss))

    # Inside

    def _deploy(self) -> None:
        self.channels = channels_of(self._schema, self.plan.selected, self.plan.channels)
        self.managed = ManagedPlans()
        for plan in self.plan.managed:
            self.managed.add(ManagedPlan(**{**vars(plan), "committed": ""}))
        self._serve_schemas()

    def _serve_schemas(self) -> None:
        for channel in self.channels.values():
            for entity in channel.members:
                self.schema_of(entity)

    def _skip_to_now(self) -> None:
        self._seen = len(self.org.changes)
        self._last = self.org.changes[-1].sequence if self.org.changes else 0

    def _publish_news(self, now: datetime) -> bool:
        changes = self._new_changes()
        selected = frozenset(entity for channel in self.channels.values() for entity in channel.members)
        events = list(self._builder.events(changes, selected)) if changes else []
        if self.plan.channels:
            self._rows.update((change.record_id, change.row) for change in changes if change.entity in selected)
        for event in events:
            self.log.append(event, now)
            if self._builder.strikes(self.behaviour.duplicate, "duplicate"):
                delay = timedelta(seconds=self.rng.uniform(0, DUPLICATE_WITHIN_S))
                self._again.append((now + delay, event))
        due = [event for moment, event in self._again if moment <= now]
        if due:
            self._again = [item for item in self._again if item[0] > now]
            for event in due:
                self.log.append(event, now)
        return bool(events or due)

    def _new_changes(self) -> Sequence[Change]:
        changes = self.org.changes
        start = self._seen
        if start > len(changes) or (start and changes[start - 1].sequence != self._last):
            # The log was cut or replaced: what is new has a higher commit number.
            start = bisect_right(changes, self._last, key=_sequence)
        self._seen = len(changes)
        if changes:
            self._last = changes[-1].sequence
        return changes[start:]

    def _publish(self, event: StoredEvent) -> None:
        self._publish_news(self.now())
        self.log.append(event, self.now())
        self._wake()

    def _made_up(self, entity: str, record_id: str) -> Change:
        """A change of the database below the API, at this moment."""
        self.schema_of(entity)
        now_s = int(self.now().timestamp())
        return Change(
            sequence=now_s * 10**9 + self.rng.randrange(10**9),
            entity=entity,
            record_id=record_id,
            change_type="GAP_UPDATE",
            changed_fields=(),
            nulled_fields=(),
            change_origin="",
            origin="system",
            commit_user=self.org.integration_user_id,
            commit_timestamp=now_s * 1000,
            transaction_key=str(uuid.UUID(int=self.rng.getrandbits(128), version=4)),
            sequence_number=1,
            row={},
        )

    def _opened(self, stream: S) -> S:
        if len(self.streams) >= STREAMS_MAX:
            raise PubSubError("concurrent.client.limit.exceeded", f"There are {STREAMS_MAX} open streams already")
        self.streams.append(stream)
        return stream

    def _user_of(self, token: str, code: str) -> str:
        """The user of a token, as REST knows it. Raises PubSubError."""
        answer = self.org.handle(Request("GET", _USERINFO, {"authorization": f"Bearer {token}"}))
        if answer.status != 200:
            raise PubSubError(code, "The access token is invalid or has expired")
        return str(answer.json()["user_id"])

    def _wake(self) -> None:
        for listener in self.listeners:
            listener()


def _sequence(change: Change) -> int:
    return change.sequence


def _check_code(code: str) -> None:
    if code not in STATUSES:
        raise ValueError(f"{code!r} is none of the error codes: {', '.join(sorted(STATUSES))}")
