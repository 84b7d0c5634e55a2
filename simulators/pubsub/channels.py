"""Channels: which objects' events a topic carries, filtered and enriched or as they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from simulators.pubsub.change_events import body_of
from simulators.pubsub.event_log import StoredEvent
from simulators.pubsub.event_schema import HEADER, EventSchema, event_name
from simulators.pubsub.filters import compile_filter
from simulators.salesforce.schema import Schema, SObject

PREFIX: Final = "/data/"
DEFAULT: Final = "/data/ChangeEvents"
ENRICHED_MAX: Final = 10
ENTITIES_MAX: Final = 5
"""Objects that may be selected over all channels, those of managed packages apart."""
_CHANGES: Final = frozenset({"UPDATE", "DELETE"})
"""Change types that are enriched."""

Lookup = Callable[[str], Mapping[str, Any] | None]
"""The present row of a record id."""


@dataclass(frozen=True)
class Member:
    """An object on a channel. `enriched` are columns that UPDATE and DELETE carry whatever changed."""

    entity: str
    enriched: tuple[str, ...] = ()
    filter: str = ""


@dataclass(frozen=True)
class ChannelPlan:
    """A custom channel as it is deployed: `name` without `/data/`, ending in __chn."""

    name: str
    members: tuple[Member, ...]

    def to_json(self) -> dict[str, Any]:
        """The plan as JSON values."""
        return {"name": self.name, "members": [[one.entity, list(one.enriched), one.filter] for one in self.members]}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> ChannelPlan:
        """The inverse of `to_json`."""
        members = (Member(entity, tuple(enriched), text) for entity, enriched, text in value["members"])
        return cls(value["name"], tuple(members))


class Channel:
    """One topic. `is_single` says that it carries one object's events by its own name."""

    def __init__(self, topic: str, members: Sequence[Member], org: Schema, *, is_single: bool = False) -> None:
        self.topic = topic
        self.is_single = is_single
        self.members = {member.entity: member for member in members}
        self._objects = {member.entity: org.object(member.entity) for member in members}
        self._filters = {
            member.entity: compile_filter(member.filter, self._objects[member.entity])
            for member in members
            if member.filter
        }
        for member in members:
            self._check(member)

    def views(self, event: StoredEvent, schema: EventSchema, row_of: Lookup) -> Iterator[StoredEvent]:
        """What this channel delivers of an event: nothing, the event, or one event per record where it is enriched."""
        member = self.members.get(event.entity)
        if member is None:
            return
        # Gap and overflow events are never enriched, and a filter has nothing to judge them by.
        if event.is_gap:
            yield event
            return
        chosen = self._filters.get(event.entity)
        columns = (*member.enriched, *(sorted(chosen.columns) if chosen else ()))
        if not columns:
            if chosen is None or chosen.passes(values_of(event.header, {})):
                yield event
            return
        for record_id in event.header["recordIds"]:
            row = row_of(record_id) or {}
            if chosen is not None and not chosen.passes(values_of(event.header, row)):
                continue
            yield self._enriched(event.with_records([record_id]), schema, row, columns)

    def _enriched(
        self, event: StoredEvent, schema: EventSchema, row: Mapping[str, Any], columns: Sequence[str]
    ) -> StoredEvent:
        body = dict(event.body)
        if event.header["changeType"] in _CHANGES:
            now = body_of(self._objects[event.entity], schema, row, columns)
            body = {**now, **{name: value for name, value in body.items() if value is not None}}
        payload = schema.encode(event.header, body)
        return StoredEvent(event.event_id, event.entity, event.schema_id, event.header, body, payload)

    def _check(self, member: Member) -> None:
        sobject = self._objects[member.entity]
        bad = [name for name in member.enriched if not _can_enrich(sobject, name)]
        if bad:
            raise ValueError(f"{self.topic}: {', '.join(bad)} of {member.entity} cannot be enriched")
        if len(member.enriched) > ENRICHED_MAX:
            raise ValueError(f"{self.topic}: {member.entity} enriches more than {ENRICHED_MAX} fields")


def values_of(header: Mapping[str, Any], row: Mapping[str, Any]) -> dict[str, Any]:
    """What a filter judges: the record as it is now, and the header's members under their full name."""
    return {**row, **{f"{HEADER}.{name}": value for name, value in header.items()}}


def channels_of(org: Schema, selected: Sequence[str], custom: Sequence[ChannelPlan]) -> dict[str, Channel]:
    """Every topic of an org by name. Raises ValueError for a plan that could not be deployed.

    `selected` are the objects on the default channel; what a custom channel selects is enabled too.
    """
    default = [Member(entity) for entity in selected]
    enabled = list(dict.fromkeys([*selected, *(member.entity for plan in custom for member in plan.members)]))
    own = [entity for entity in enabled if not entity.endswith("__c")]
    if len(own) > ENTITIES_MAX:
        raise ValueError(f"{len(own)} objects are selected for change data capture, more than {ENTITIES_MAX}")
    found = {DEFAULT: Channel(DEFAULT, default, org)}
    for entity in enabled:
        topic = f"{PREFIX}{event_name(entity)}"
        found[topic] = Channel(topic, [Member(entity)], org, is_single=True)
    for plan in custom:
        if not plan.name.endswith("__chn"):
            raise ValueError(f"the name of channel {plan.name} does not end in __chn")
        found[PREFIX + plan.name] = Channel(PREFIX + plan.name, plan.members, org)
    return found


def _can_enrich(sobject: SObject, name: str) -> bool:
    field = sobject.field(name)
    return field is not None and field.column == name and field.type != "textarea"
