"""Subscriptions to changes of a calendar: created after a handshake, renewed, ended by the clock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, quote, urlsplit

from simulators.graph.call import Call, no_content
from simulators.graph.errors import GraphError, resource_not_found, unreadable_body
from simulators.graph.event_query import EVENT_SCHEMA
from simulators.graph.notifications import LifecycleEvent, Notifications
from simulators.graph.odata import compile_filter
from simulators.graph.paths import split_path
from simulators.graph.snapshot import whole
from simulators.graph.store import DEFAULT_FOLDER, MailboxStore, StoredEvent
from simulators.graph.tenant import User
from simulators.graph.world import ChangeType, World
from simulators.graph.zones import instant_text, parse_instant
from simulators.http import Delivery, Response

MINUTES_MAX: Final = 10_070
MINUTES_MIN: Final = 45
CLIENT_STATE_MAX: Final = 128
HANDSHAKE_S: Final = 10.0
REMIND_MINUTES: Final = (30, 15)
"""How long before the end reauthorizationRequired is sent."""
_CHANGES: Final = ("created", "updated", "deleted")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})

OutboundCall = Callable[[Delivery], Response | None]
OpenMailbox = Callable[[Call, str], User]


@dataclass(frozen=True)
class Subscription:
    """Who wants to hear of which changes where. Times as Graph prints them."""

    id: str
    client_id: str
    mailbox: str
    folder: int
    resource: str
    change_types: tuple[str, ...]
    notification_url: str
    lifecycle_url: str | None
    client_state: str | None
    expires: str
    immutable_ids: bool
    condition: str = ""
    """The `$filter` of the resource; events that enter it count as created, those that leave it as deleted."""

    @property
    def end(self) -> datetime:
        """When it ends."""
        moment = parse_instant(self.expires)
        assert moment is not None
        return moment


class Subscriptions:
    """Answers the calls on /subscriptions and turns changes into notifications.

    `send` performs the handshake's call and returns its answer, None for none within the deadline. A notificationUrl
    must be https; http is accepted for loopback hosts only, where no certificate can be had.
    """

    def __init__(self, world: World, notifications: Notifications, send: OutboundCall | None) -> None:
        self._world = world
        self._notifications = notifications
        self._send = send
        self._active: dict[str, Subscription] = {}
        self._inside: dict[str, set[str]] = {}
        """Keys of the events that meet the condition of a subscription, by its id."""
        notifications.find = self.find
        world.observers.append(self._observe)
        world.tasks["subscription_ends"] = self._near_end

    # --- calls ------------------------------------------------------------------------------------------------

    def answer(self, call: Call, open_mailbox: OpenMailbox) -> Response:
        """Everything under /subscriptions."""
        rest, method = call.segments[1:], call.request.method
        if not rest and method == "GET":
            values = [self._json(one) for one in self._of(call)]
            return Response.of_json(200, {"@odata.context": call.context("subscriptions"), "value": values})
        if not rest and method == "POST":
            return self._create(call, open_mailbox)
        if len(rest) == 2 and rest[1].lower() == "reauthorize" and method == "POST":
            self._own(call, rest[0])
            return no_content()
        if len(rest) != 1 or method not in ("GET", "PATCH", "DELETE"):
            raise resource_not_found("No such operation on subscriptions.")
        subscription = self._own(call, rest[0])
        if method == "DELETE":
            del self._active[subscription.id]
            return no_content()
        if method == "PATCH":
            subscription = self._renew(call, subscription)
        context = call.context("subscriptions/$entity")
        return Response.of_json(200, {"@odata.context": context, **self._json(subscription)})

    def _create(self, call: Call, open_mailbox: OpenMailbox) -> Response:
        body = call.body()
        changes = _change_types(body.get("changeType"))
        resource = body.get("resource")
        if not isinstance(resource, str) or not resource:
            raise _invalid("The property 'resource' is missing.")
        (mailbox, folder), condition = self._read_resource(call, resource, open_mailbox), _condition_of(resource)
        if body.get("includeResourceData"):
            raise GraphError(400, "ExtensionError", "Resource data is not offered for events of this service.")
        state = body.get("clientState")
        if state is not None and (not isinstance(state, str) or len(state) > CLIENT_STATE_MAX):
            raise _invalid(f"clientState must be a string of at most {CLIENT_STATE_MAX} characters.")
        url = _check_url(body.get("notificationUrl"), "notificationUrl")
        lifecycle_url = body.get("lifecycleNotificationUrl")
        if lifecycle_url is not None:
            lifecycle_url = _check_url(lifecycle_url, "lifecycleNotificationUrl")
        expires = self._lifetime(body.get("expirationDateTime"))
        self._refuse_identical(call, (resource, changes, url))
        for address in [url] if lifecycle_url is None else [url, lifecycle_url]:
            self._handshake(address)
        subscription = Subscription(
            self._world.mint_guid(),
            call.caller.app.client_id,
            mailbox,
            folder,
            resource,
            changes,
            url,
            lifecycle_url,
            state,
            expires,
            call.prefer.immutable_ids,
            condition,
        )
        if condition:
            store, meets = self._world.store(mailbox), compile_filter(condition, EVENT_SCHEMA)[0]
            self._inside[subscription.id] = {one.key for one in store.in_folder(folder) if meets(whole(store, one))}
        self._put(subscription)
        context = call.context("subscriptions/$entity")
        value = {"@odata.context": context, **self._json(subscription), "clientState": state}
        location = f"{call.root}/subscriptions/{subscription.id}"
        return Response.of_json(201, value, {"location": location})

    def _refuse_identical(self, call: Call, asked: tuple[str, tuple[str, ...], str]) -> None:
        """Raise GraphError 409 for what the application has already, where the service says so."""
        held = {(one.resource, one.change_types, one.notification_url) for one in self._of(call)}
        if self._world.behaviour.notifications.identical_refused and asked in held:
            raise GraphError(409, "Conflict", "A subscription to these changes of this resource exists already.")

    def _renew(self, call: Call, subscription: Subscription) -> Subscription:
        body = call.body()
        if "notificationUrl" in body and body["notificationUrl"] != subscription.notification_url:
            url = _check_url(body["notificationUrl"], "notificationUrl")
            self._handshake(url)
            subscription = replace(subscription, notification_url=url)
        if "expirationDateTime" in body:
            subscription = replace(subscription, expires=self._lifetime(body["expirationDateTime"]))
        self._put(subscription)
        return subscription

    def _read_resource(self, call: Call, resource: str, open_mailbox: OpenMailbox) -> tuple[str, int]:
        """The mailbox and calendar a resource names. Raises GraphError for other resources."""
        parts = split_path(resource.partition("?")[0].removeprefix(call.root))
        lowered = [part.lower() for part in parts]
        if len(parts) < 3 or lowered[0] != "users" or lowered[-1] != "events":
            raise _invalid(f"Resource '{resource}' is not supported for subscriptions.")
        user = open_mailbox(call, parts[1])
        middle = lowered[2:-1]
        if middle in ([], ["calendar"]):
            return user.id.lower(), DEFAULT_FOLDER
        if len(middle) == 2 and middle[0] == "calendars":
            return user.id.lower(), self._world.store(user.id).find_calendar(parts[3]).number
        raise _invalid(f"Resource '{resource}' is not supported for subscriptions.")

    def _lifetime(self, given: Any) -> str:
        """The expirationDateTime that counts. Raises GraphError ExtensionError when it lies too far ahead."""
        moment = parse_instant(given) if isinstance(given, str) else None
        if moment is None:
            raise _invalid("The property 'expirationDateTime' is missing or not valid.")
        now = self._world.now()
        if moment <= now:
            raise GraphError(400, "ExtensionError", "Subscription expiration must lie in the future.")
        if moment > now + timedelta(minutes=MINUTES_MAX):
            message = f"Subscription expiration can only be {MINUTES_MAX} minutes in the future."
            raise GraphError(400, "ExtensionError", message)
        return instant_text(max(moment, now + timedelta(minutes=MINUTES_MIN)))

    def _handshake(self, url: str) -> None:
        """Ask an endpoint whether it wants this. Raises GraphError ValidationError unless it echoes the token."""
        token = f"Validation: Testing client application reachability. Request-Id: {self._world.mint_guid()}"
        separator = "&" if urlsplit(url).query else "?"
        delivery = Delivery(
            self._world.mint_guid(),
            f"{url}{separator}validationToken={quote(token, safe='')}",
            headers={"content-type": "text/plain; charset=utf-8"},
            timeout_s=HANDSHAKE_S,
        )
        answer = self._send(delivery) if self._send is not None else None
        problem = _handshake_problem(answer, token)
        if problem:
            message = "Subscription validation request failed. Notification endpoint must respond with 200 OK to it."
            raise GraphError(400, "ValidationError", f"{message} {problem}")

    # --- looking up -------------------------------------------------------------------------------------------

    def find(self, subscription_id: str) -> Subscription | None:
        """A subscription that has not ended."""
        subscription = self._active.get(subscription_id)
        if subscription is not None and subscription.end <= self._world.now():
            del self._active[subscription_id]
            return None
        return subscription

    def active(self) -> list[Subscription]:
        """Every subscription that has not ended."""
        return [one for name in list(self._active) if (one := self.find(name)) is not None]

    def _of(self, call: Call) -> list[Subscription]:
        return [one for one in self.active() if one.client_id == call.caller.app.client_id]

    def _own(self, call: Call, subscription_id: str) -> Subscription:
        found = self.find(subscription_id.lower())
        if found is None or found.client_id != call.caller.app.client_id:
            raise resource_not_found(f"The object '{subscription_id}' was not found.")
        return found

    def _json(self, one: Subscription) -> dict[str, Any]:
        return {
            "id": one.id,
            "resource": one.resource,
            "applicationId": one.client_id,
            "changeType": ",".join(one.change_types),
            "clientState": None,
            "notificationUrl": one.notification_url,
            "notificationQueryOptions": None,
            "lifecycleNotificationUrl": one.lifecycle_url,
            "expirationDateTime": one.expires,
            "creatorId": one.client_id,
            "includeResourceData": None,
            "latestSupportedTlsVersion": "v1_2",
            "encryptionCertificate": None,
            "encryptionCertificateId": None,
            "notificationUrlAppId": None,
        }

    # --- what happens by itself -------------------------------------------------------------------------------

    def _put(self, subscription: Subscription) -> None:
        self._active[subscription.id] = subscription
        left_s = (subscription.end - self._world.now()).total_seconds()
        for minutes in REMIND_MINUTES:
            if self._world.behaviour.notifications.lifecycle_by_clock and left_s > minutes * 60:
                payload = {"id": subscription.id, "expires": subscription.expires}
                self._world.plan(left_s - minutes * 60, "subscription_ends", payload)

    def _near_end(self, payload: dict[str, Any]) -> None:
        subscription = self.find(payload["id"])
        if subscription is not None and subscription.expires == payload["expires"]:
            self._notifications.tell(subscription, "reauthorizationRequired")

    def lifecycle(self, subscription_id: str, event: LifecycleEvent) -> None:
        """Send a lifecycle event now; `subscriptionRemoved` also removes it. Raises KeyError when there is none."""
        subscription = self.find(subscription_id)
        if subscription is None:
            raise KeyError(subscription_id)
        self._notifications.tell(subscription, event)
        if event == "subscriptionRemoved":
            del self._active[subscription_id]

    def _observe(self, store: MailboxStore, event: StoredEvent, change: ChangeType) -> None:
        for subscription in list(self._active.values()):
            is_meant = subscription.mailbox == store.id and subscription.folder == event.folder
            if not is_meant or self.find(subscription.id) is None:
                continue
            told = self._seen_through(subscription, store, event, change)
            if told is not None:
                item_id = store.event_id(event, subscription.immutable_ids)
                self._notifications.note(subscription, told, item_id, event.change_key)

    def _seen_through(
        self, subscription: Subscription, store: MailboxStore, event: StoredEvent, change: ChangeType
    ) -> ChangeType | None:
        """What a change is to a subscriber who sees only what meets a condition; None when nothing of it shows."""
        if not subscription.condition:
            return change
        inside = self._inside.setdefault(subscription.id, set())
        was = event.key in inside
        meets = change != "deleted" and compile_filter(subscription.condition, EVENT_SCHEMA)[0](whole(store, event))
        (inside.add if meets else inside.discard)(event.key)
        if meets:
            return "updated" if was else "created"
        return "deleted" if was else None

    # --- saving -----------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Forget every subscription."""
        self._active.clear()
        self._inside.clear()

    def to_json(self) -> list[dict[str, Any]]:
        """Every subscription as JSON values."""
        return [
            {
                **asdict(one),
                "change_types": list(one.change_types),
                "inside": sorted(self._inside.get(one.id, ())),
            }
            for one in self._active.values()
        ]

    def from_json(self, value: list[dict[str, Any]]) -> None:
        """The inverse of `to_json`."""
        self.clear()
        for item in value:
            inside = set(item.get("inside", ()))
            known = {name: member for name, member in item.items() if name != "inside"}
            one = Subscription(**{**known, "change_types": tuple(item["change_types"])})
            self._active[one.id] = one
            if inside:
                self._inside[one.id] = inside


def _invalid(message: str) -> GraphError:
    return GraphError(400, "InvalidRequest", message)


def _change_types(given: Any) -> tuple[str, ...]:
    if not isinstance(given, str):
        raise unreadable_body("The property 'changeType' is missing.")
    wanted = tuple(part.strip().lower() for part in given.split(","))
    if not wanted or any(part not in _CHANGES for part in wanted):
        raise _invalid(f"changeType '{given}' must be made of created, updated and deleted.")
    return wanted


def _condition_of(resource: str) -> str:
    """The `$filter` of a resource, "" without one. Raises GraphError for another option or a filter not understood."""
    options = dict(parse_qsl(resource.partition("?")[2], keep_blank_values=True))
    condition = options.pop("$filter", "")
    if options:
        raise _invalid(f"The resource takes $filter and no {', '.join(options)}.")
    if condition:
        compile_filter(condition, EVENT_SCHEMA)
    return condition


def _check_url(given: Any, name: str) -> str:
    if isinstance(given, str):
        parts = urlsplit(given)
        is_loopback = parts.scheme == "http" and (parts.hostname or "") in _LOOPBACK
        if parts.hostname and (parts.scheme == "https" or is_loopback):
            return given
    raise _invalid(f"The property '{name}' must be an https URL.")


def _handshake_problem(answer: Response | None, token: str) -> str:
    if answer is None:
        return "The request timed out or could not be sent."
    if answer.status != 200:
        return f"Received status code {answer.status}."
    headers = {name.lower(): value for name, value in answer.headers.items()}
    if not headers.get("content-type", "").lower().startswith("text/plain"):
        return "The response must be of type text/plain."
    if answer.body.decode("utf-8", "replace") != token:
        return "The response must be the decoded validation token."
    return ""
