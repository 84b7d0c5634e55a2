"""What the control surface offers of one service alone: mails sent, people at work in Outlook and in the browser."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from typing import Any, TypeVar, get_args

from simulators.control import Action, BadControl, json_of
from simulators.credentials import graph_credentials, salesforce_credentials
from simulators.graph.errors import GraphError
from simulators.graph.notifications import LifecycleEvent
from simulators.graph.service import GraphSimulator
from simulators.http import Request
from simulators.salesforce.errors import SalesforceError
from simulators.salesforce.service import SalesforceSimulator
from simulators.switches import switched, switches_as_json

T = TypeVar("T")


def graph_actions(graph: GraphSimulator) -> tuple[Action, ...]:
    """The actions of the Graph simulator."""
    acts = _GraphActs(graph)
    return (
        Action("GET", "mails", "mails Exchange would have sent, oldest first; ?since=N skips the first N", acts.mails),
        Action("DELETE", "mails", "forget the mails so far", acts.forget_mails),
        Action("GET", "events", "every event of ?mailbox=M as full Graph JSON", acts.events),
        Action("POST", "events", 'place an event: {"mailbox", "event", "mails": false}', acts.add_event),
        Action("POST", "edit", 'an edit in Outlook: {"mailbox", "event", "changes", "mails": true}', acts.edit),
        Action("POST", "remove", 'a deletion in Outlook: {"mailbox", "event"}', acts.remove),
        Action(
            "POST",
            "receive",
            'an outside organizer writes: {"mailbox", "event", "changes", "is_cancelled"}',
            acts.receive,
        ),
        Action("POST", "answer", 'an attendee answers: {"mailbox", "event", "address", "reply"}', acts.answer),
        Action("POST", "expire-delta-tokens", "every delta token so far answers 410", acts.expire_delta_tokens),
        Action("POST", "expire-tokens", "end every token but the long-lived one", acts.expire_tokens),
        Action("GET", "happened", "how often each of what varies took place, by switch", acts.happened),
        Action("POST", "throttle", '429 for a mailbox: {"mailbox", "seconds"}', acts.throttle),
        graph_credentials(graph),
        Action("GET", "subscriptions", "subscriptions that have not ended", acts.subscriptions),
        Action("POST", "lifecycle", 'a lifecycle event: {"subscription", "event": "missed"}', acts.lifecycle),
        Action("POST", "scope", 'a mailbox out of scope (403) or in again: {"mailbox", "out": true}', acts.scope),
        *behaviour_actions(lambda: graph.behaviour, graph.set_behaviour),
    )


class _GraphActs:
    def __init__(self, graph: GraphSimulator) -> None:
        self._graph = graph

    def mails(self, request: Request) -> Any:
        """One object a mail: who, kind, event, mailbox, when, client and what else is known."""
        since = request.query.get("since", "0")
        if not since.isdigit():
            raise BadControl(f"since is {since!r}, which is not a whole number")
        return [self._mail(mail.to_json()) for mail in self._graph.mails[int(since) :]]

    def _mail(self, mail: dict[str, Any]) -> dict[str, Any]:
        user = self._graph.world.user(mail["mailbox"])
        return {
            "who": mail.pop("to"),
            "kind": mail.pop("kind"),
            "event": mail.pop("event_id"),
            "mailbox": user.mail if user is not None else mail["mailbox"],
            "mailbox_id": mail.pop("mailbox"),
            **mail,
        }

    def forget_mails(self, request: Request) -> Any:
        """Empty the list."""
        self._graph.mails.clear()
        return {"cleared": True}

    def events(self, request: Request) -> Any:
        """Every event of one mailbox."""
        mailbox = request.query.get("mailbox", "")
        return _guarded(lambda: self._graph.events_of(mailbox))

    def add_event(self, request: Request) -> Any:
        """Place an existing event."""
        value = _members(request, ("mailbox", "event"), ("mails",))
        mails = bool(value.get("mails", False))
        return {"id": _guarded(lambda: self._graph.add_event(value["mailbox"], value["event"], mails=mails))}

    def edit(self, request: Request) -> Any:
        """Someone edits in Outlook."""
        value = _members(request, ("mailbox", "event", "changes"), ("mails",))
        mails = bool(value.get("mails", True))
        _guarded(lambda: self._graph.edit_event(value["mailbox"], value["event"], value["changes"], mails=mails))
        return {"done": True}

    def remove(self, request: Request) -> Any:
        """Someone deletes in Outlook."""
        value = _members(request, ("mailbox", "event"))
        _guarded(lambda: self._graph.remove_event(value["mailbox"], value["event"]))
        return {"done": True}

    def receive(self, request: Request) -> Any:
        """An outside organizer's update or cancellation arrives."""
        value = _members(request, ("mailbox", "event"), ("changes", "is_cancelled"))
        cancelled = bool(value.get("is_cancelled", False))
        _guarded(lambda: self._graph.receive(value["mailbox"], value["event"], value.get("changes"), cancelled))
        return {"done": True}

    def answer(self, request: Request) -> Any:
        """An attendee's answer arrives."""
        value = _members(request, ("mailbox", "event", "address", "reply"))
        return {
            "attends": _guarded(
                lambda: self._graph.answer(value["mailbox"], value["event"], value["address"], value["reply"])
            )
        }

    def expire_delta_tokens(self, request: Request) -> Any:
        """Make every delta token stale."""
        self._graph.expire_delta_tokens()
        return {"expired": True}

    def expire_tokens(self, request: Request) -> Any:
        """End tokens."""
        return {"ended": self._graph.expire_tokens()}

    def happened(self, request: Request) -> Any:
        """Counts since the start or the last reset."""
        return dict(self._graph.world.happened)

    def throttle(self, request: Request) -> Any:
        """Throttle one mailbox for a while."""
        value = _members(request, ("mailbox", "seconds"))
        seconds = value["seconds"]
        if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= 86_400:
            raise BadControl(f"seconds is {seconds!r}, which is not between 0 and 86400")
        until = self._graph.clock.now() + timedelta(seconds=seconds)
        _guarded(lambda: self._graph.throttle_mailbox(value["mailbox"], until))
        return {"until": until.isoformat()}

    def subscriptions(self, request: Request) -> Any:
        """Who hears of what, and until when."""
        return [
            {
                "id": one.id,
                "mailbox": one.mailbox,
                "resource": one.resource,
                "changes": list(one.change_types),
                "notification_url": one.notification_url,
                "lifecycle_url": one.lifecycle_url,
                "expires": one.expires,
            }
            for one in self._graph.subscriptions
        ]

    def lifecycle(self, request: Request) -> Any:
        """Send a lifecycle event to a subscription that has an address for them."""
        value = _members(request, ("subscription", "event"))
        if value["event"] not in get_args(LifecycleEvent):
            raise BadControl(f"event is {value['event']!r}, which is none of {', '.join(get_args(LifecycleEvent))}")
        _guarded(lambda: self._graph.lifecycle(value["subscription"], value["event"]))
        return {"sent": True}

    def scope(self, request: Request) -> Any:
        """Deny every application a mailbox, or allow it again."""
        value = _members(request, ("mailbox",), ("out",))
        is_out = bool(value.get("out", True))
        _guarded(lambda: self._graph.put_out_of_scope(value["mailbox"], is_out))
        return {"out": is_out}


def behaviour_actions(held: Callable[[], T], put: Callable[[T], None], name: str = "behaviour") -> tuple[Action, ...]:
    """The switches of a service: shown, and set until the next reset."""

    def change(request: Request) -> Any:
        try:
            put(switched(held(), json_of(request)))
        except ValueError as problem:
            raise BadControl(str(problem)) from None
        return switches_as_json(held())

    what = 'set switches until the next reset: {"preset": "rough"} or single ones by name'
    return (
        Action("GET", name, "the switches of what varies in the real service", lambda _: switches_as_json(held())),
        Action("POST", name, what, change),
    )


def salesforce_actions(salesforce: SalesforceSimulator) -> tuple[Action, ...]:
    """The actions of the Salesforce simulator. People in the browser use the REST API with X-Sim-Origin: ui."""
    acts = _SalesforceActs(salesforce)
    return (
        Action(
            "GET", "records", "every live record of ?object=O, all fields; &deleted=true adds the bin", acts.records
        ),
        Action("GET", "changes", "every committed change; ?since=N skips the first N", acts.changes),
        Action("POST", "expire-tokens", "end every session but the long-lived one", acts.expire_tokens),
        Action("GET", "happened", "how often each of what varies took place, by switch", acts.happened),
        Action("POST", "lock-writes", 'the next writes meet UNABLE_TO_LOCK_ROW: {"count"}', acts.lock_writes),
        Action("POST", "archive", "run the archiving job now", acts.archive),
        Action("POST", "usage", 'API calls counted so far: {"spent"}', acts.set_usage),
        salesforce_credentials(salesforce),
        *behaviour_actions(lambda: salesforce.behaviour, salesforce.set_behaviour),
    )


class _SalesforceActs:
    def __init__(self, salesforce: SalesforceSimulator) -> None:
        self._salesforce = salesforce

    def records(self, request: Request) -> Any:
        """Every record of one object."""
        query = request.query
        deleted = query.get("deleted", "").lower() == "true"
        return _guarded(lambda: self._salesforce.records(query.get("object", ""), deleted=deleted))

    def changes(self, request: Request) -> Any:
        """The change log."""
        since = request.query.get("since", "0")
        if not since.isdigit():
            raise BadControl(f"since is {since!r}, which is not a whole number")
        return [asdict(change) for change in self._salesforce.changes[int(since) :]]

    def expire_tokens(self, request: Request) -> Any:
        """End sessions."""
        return {"ended": self._salesforce.expire_tokens()}

    def happened(self, request: Request) -> Any:
        """Counts since the start."""
        return dict(self._salesforce.happened)

    def lock_writes(self, request: Request) -> Any:
        """Let the next writes meet a locked row."""
        count = _whole(_members(request, ("count",)), "count")
        self._salesforce.faults.lock_writes = count
        return {"locked": count}

    def archive(self, request: Request) -> Any:
        """Run the archiving job."""
        return {"archived": self._salesforce.archive()}

    def set_usage(self, request: Request) -> Any:
        """Come near the daily limit, or away from it."""
        spent = _whole(_members(request, ("spent",)), "spent")
        self._salesforce.usage.spent = spent
        return {"spent": spent, "maximum": self._salesforce.usage.maximum}


def _members(request: Request, needed: tuple[str, ...], optional: tuple[str, ...] = ()) -> dict[str, Any]:
    """The body as an object with these members. Raises BadControl."""
    value = json_of(request)
    if not isinstance(value, dict):
        raise BadControl("the body is not a JSON object")
    missing = [name for name in needed if name not in value]
    unknown = [name for name in value if name not in (*needed, *optional)]
    if missing or unknown:
        raise BadControl(
            "; ".join([f"{name} is missing" for name in missing] + [f"unknown {name}" for name in unknown])
        )
    return value


def _whole(value: dict[str, Any], name: str) -> int:
    number = value[name]
    if isinstance(number, bool) or not isinstance(number, int) or number < 0:
        raise BadControl(f"{name} is {number!r}, which is not a whole number from 0 up")
    return number


def _guarded(act: Callable[[], Any]) -> Any:
    """What the service says to an impossible act becomes the answer."""
    try:
        return act()
    except (GraphError, SalesforceError) as problem:
        raise BadControl(str(problem)) from None
    except KeyError as problem:
        raise BadControl(f"there is no {problem.args[0]!r}") from None
    except (TypeError, ValueError, AttributeError) as problem:
        raise BadControl(f"the service cannot make sense of it: {problem}") from None
