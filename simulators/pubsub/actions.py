"""What the control surface of Salesforce offers for its event bus: everything that goes wrong there, on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from simulators.actions import behaviour_actions
from simulators.control import Action, BadControl, json_of
from simulators.http import Request
from simulators.pubsub.bus import EventBus
from simulators.pubsub.channels import ChannelPlan, Member
from simulators.pubsub.managed import ManagedPlan
from simulators.pubsub.streams import Subscription
from simulators.salesforce.errors import SalesforceError
from simulators.salesforce.ids import to18


def pubsub_actions(bus: EventBus) -> tuple[Action, ...]:
    """The actions of the event bus. Each POST takes a JSON object."""
    acts = _Acts(bus)
    posts: tuple[tuple[str, str, Callable[[dict[str, Any]], Any]], ...] = (
        ("cut", 'end open streams: {"code": "subscription.internal.error", "topic": ""}', acts.cut),
        ("refuse", 'refuse the next calls: {"count", "code": "service.unavailable"}', acts.refuse),
        ("gap", 'gap events: {"count"} of the next changes, or now {"record", "object", "kind"}', acts.gap),
        ("overflow", 'an overflow event now: {"object": "Event"}', acts.overflow),
        ("duplicates", 'publish the last events again: {"count"}', acts.duplicates),
        ("expire", "every event and replay id so far is past its retention", acts.expire),
        ("restart", "the org moves: a new stream, every replay id invalid, open streams end", acts.restart),
        ("deliveries", 'events delivered in the last 24 hours: {"spent", "maximum"}', acts.set_deliveries),
        ("rights", 'View All Data of a user: {"user", "view_all": false}', acts.set_rights),
        ("add-field", 'a new custom field, a new schema id: {"object", "name"}', acts.add_field),
        ("remove-field", 'the field goes away again: {"object", "name"}', acts.remove_field),
        (
            "channel",
            'deploy a custom channel: {"name": "X__chn", "members": [{"object", "enriched", "filter"}]}',
            acts.deploy,
        ),
        ("managed", 'deploy or change a managed subscription: {"developer_name", "topic", "state"}', acts.manage),
    )
    made = (Action("POST", f"pubsub-{name}", what, _with_body(act)) for name, what, act in posts)
    switches = behaviour_actions(lambda: bus.behaviour, bus.set_behaviour, "pubsub-behaviour")
    return (Action("GET", "pubsub", "topics, streams, events kept, deliveries", acts.status), *made, *switches)


class _Acts:
    def __init__(self, bus: EventBus) -> None:
        self._bus = bus

    def status(self, request: Request) -> Any:
        """What there is."""
        bus = self._bus
        bus.tick()
        return {
            "topics": sorted(bus.channels),
            "streams": [stream.topic for stream in bus.streams if isinstance(stream, Subscription)],
            "events": bus.log.count,
            "latest_replay_id": bus.log.mark(bus.now()).hex(),
            "delivered": bus.deliveries.used,
            "deliveries_max": bus.deliveries.maximum,
            "schemas": {topic: bus.topic_schema(topic).id for topic in sorted(bus.channels)},
            "managed": bus.managed.dump(),
            "happened": dict(bus.happened),
        }

    def cut(self, value: dict[str, Any]) -> Any:
        """End streams."""
        given = _read(value, code="subscription.internal.error", topic="")
        return {"cut": self._bus.cut_streams(given["code"], given["topic"])}

    def refuse(self, value: dict[str, Any]) -> Any:
        """Refuse calls."""
        given = _read(value, count=1, code="service.unavailable")
        self._bus.refuse_calls(given["count"], given["code"])
        return {"refused": given["count"]}

    def gap(self, value: dict[str, Any]) -> Any:
        """Gap events."""
        if "record" in value:
            given = _read(value, record="", object="Event", kind="UPDATE")
            if given["kind"] not in {"CREATE", "UPDATE", "DELETE", "UNDELETE"}:
                raise BadControl(f"kind is {given['kind']!r}, which is no kind of change")
            self._bus.gap(given["record"], given["object"], given["kind"])
            return {"published": 1}
        given = _read(value, count=1)
        self._bus.gap_next(given["count"])
        return {"next": given["count"]}

    def overflow(self, value: dict[str, Any]) -> Any:
        """An overflow event."""
        self._bus.overflow(_read(value, object="Event")["object"])
        return {"published": 1}

    def duplicates(self, value: dict[str, Any]) -> Any:
        """Publish again."""
        return {"published": self._bus.republish(_read(value, count=1)["count"])}

    def expire(self, value: dict[str, Any]) -> Any:
        """Pass the retention."""
        _read(value)
        return {"expired": self._bus.expire()}

    def restart(self, value: dict[str, Any]) -> Any:
        """Begin a new stream."""
        _read(value)
        self._bus.restart()
        return {"restarted": True}

    def set_deliveries(self, value: dict[str, Any]) -> Any:
        """Come near the allocation, or away from it."""
        deliveries = self._bus.deliveries
        given = _read(value, spent=deliveries.spent, maximum=deliveries.maximum)
        deliveries.spent, deliveries.maximum = given["spent"], given["maximum"]
        return {"delivered": deliveries.used, "maximum": deliveries.maximum}

    def set_rights(self, value: dict[str, Any]) -> Any:
        """Grant or revoke View All Data."""
        given = _read(value, user="", view_all=False)
        named = given["user"].lower()
        users = self._bus.org.records("User")
        found = next((row["Id"] for row in users if named in {row["Id"].lower(), row["Username"].lower()}), None)
        if found is None:
            raise BadControl(f"there is no user {given['user']!r}")
        rights = self._bus.rights
        (rights.granted if given["view_all"] else rights.revoked).add(found)
        (rights.revoked if given["view_all"] else rights.granted).discard(found)
        return {"user": found, "view_all": given["view_all"]}

    def add_field(self, value: dict[str, Any]) -> Any:
        """A new field."""
        given = _read(value, object="Event", name="")
        return {"schema_id": self._bus.add_field(given["object"], given["name"]).id}

    def remove_field(self, value: dict[str, Any]) -> Any:
        """A field less."""
        given = _read(value, object="Event", name="")
        return {"schema_id": self._bus.remove_field(given["object"], given["name"]).id}

    def deploy(self, value: dict[str, Any]) -> Any:
        """Deploy a custom channel."""
        given = _read(value, name="", members=[])
        members = []
        for one in given["members"]:
            member = _read(one, object="Event", enriched=[], filter="") if isinstance(one, dict) else {}
            if not member:
                raise BadControl("each of members is an object")
            members.append(Member(member["object"], tuple(map(str, member["enriched"])), member["filter"]))
        self._bus.deploy_channel(ChannelPlan(given["name"], tuple(members)))
        return {"topics": sorted(self._bus.channels)}

    def manage(self, value: dict[str, Any]) -> Any:
        """Deploy a managed subscription, or run or stop one that there is."""
        given = _read(value, developer_name="", topic="", state="RUN", default_replay="LATEST")
        bus = self._bus
        name = given["developer_name"]
        if not given["topic"]:
            bus.set_managed_state(name, given["state"])
        else:
            number = f"18xQH{len(bus.managed.plans) + 1:010d}"
            bus.managed.add(
                ManagedPlan(to18(number), name, given["topic"], given["default_replay"], state=given["state"])
            )
        return next(plan for plan in bus.managed.dump() if plan["developer_name"] == name)


def _with_body(act: Callable[[dict[str, Any]], Any]) -> Callable[[Request], Any]:
    def run(request: Request) -> Any:
        value = json_of(request) if request.body else {}
        if not isinstance(value, dict):
            raise BadControl("the body is not a JSON object")
        try:
            return act(value)
        except (ValueError, SalesforceError) as problem:
            raise BadControl(str(problem)) from None

    return run


def _read(value: dict[str, Any], **defaults: Any) -> dict[str, Any]:
    """The members of a body, each of the type of its default; whole numbers from 0 up. Raises BadControl."""
    unknown = sorted(value.keys() - defaults.keys())
    if unknown:
        raise BadControl(f"unknown {', '.join(unknown)}")
    given = {**defaults, **value}
    for name, default in defaults.items():
        is_fit = type(given[name]) is type(default) and not (isinstance(default, int) and given[name] < 0)
        if not is_fit:
            raise BadControl(f"{name} is {given[name]!r}, not like {default!r}")
    return given
