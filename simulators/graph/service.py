"""The simulated Microsoft Graph: one synchronous object that the network edge, the seeded simulation and tests drive.

Sign-in paths and Graph paths are served side by side: everything below `/v1.0` is Graph, the rest is sign-in.
"""

from __future__ import annotations

import json
import random
import traceback
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import format_datetime
from typing import Any

from simulators.clock import SimulatorClock
from simulators.graph.answers import Answers, Reply
from simulators.graph.batch import answer_batch
from simulators.graph.behaviour import Behaviour
from simulators.graph.call import VERSION, Call
from simulators.graph.copies import Copies
from simulators.graph.delta import DeltaReader
from simulators.graph.directory import Directory
from simulators.graph.errors import GraphError
from simulators.graph.events_api import EventsApi
from simulators.graph.ids import mint_guid
from simulators.graph.meetings import Meetings
from simulators.graph.notifications import LifecycleEvent, Notifications
from simulators.graph.paths import direct, mailbox_in, split_path
from simulators.graph.routes import Router
from simulators.graph.seeding import Seeding, utc_now_text, whole_json
from simulators.graph.sign_in import SignIn
from simulators.graph.store import DEFAULT_FOLDER
from simulators.graph.subscriptions import OutboundCall, Subscription, Subscriptions
from simulators.graph.tenant import App, Room, Tenant, User
from simulators.graph.throttle import Slot, Throttle, too_many
from simulators.graph.world import Mail, World
from simulators.http import Delivery, Request, Response

__all__ = ["GraphSimulator", "OutboundCall"]

_DIAGNOSTIC = json.dumps(
    {
        "ServerInfo": {
            "DataCenter": "Simulated",
            "Slice": "E",
            "Ring": "5",
            "ScaleUnit": "000",
            "RoleInstance": "SIM000",
        }
    },
    separators=(",", ":"),
)


class GraphSimulator:
    """Microsoft Graph v1.0 (calendar, users, places, subscriptions) and the sign-in endpoints of one tenant.

    `clock` is the only source of time and `rng` the only source of randomness: the same seed and the same calls give
    the same answers. `static_tokens` maps bearer tokens that never expire to a client name or client id. `call` sends
    a webhook request and returns its answer within the delivery's timeout, None for no answer; it is used for the
    validation of subscriptions. Not thread-safe, except `begin` and `end`.
    """

    def __init__(
        self,
        tenant: Tenant,
        clock: SimulatorClock,
        rng: random.Random,
        static_tokens: Mapping[str, str] | None = None,
        behaviour: Behaviour | None = None,
        call: OutboundCall | None = None,
    ) -> None:
        self.clock = clock
        self.last_fault: str | None = None
        """Traceback of the last inner fault that was answered with 500; tests look at it."""
        self.world = World(tenant, clock, rng, behaviour or Behaviour())
        self._start_of_random = rng.getstate()
        self._start_behaviour = self.world.behaviour
        self._slots: dict[int, Slot] = {}
        self.throttle = Throttle(self.world.behaviour)
        meetings = Meetings(self.world, Copies(self.world))
        answers = Answers(self.world)
        self._sign_in = SignIn(self.world, static_tokens or {})
        self._seeding = Seeding(self.world, meetings, answers)
        self._notifications = Notifications(self.world)
        self._subscriptions = Subscriptions(self.world, self._notifications, call)
        self._router = Router(
            self.world,
            EventsApi(self.world, meetings, answers),
            DeltaReader(self.world),
            Directory(self.world),
            self._subscriptions,
        )
        self._seed: dict[str, Any] | None = None

    # --- requests ---------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """Answer one request. Never raises."""
        request = direct(request)
        try:
            self.world.run_due()
            segments = split_path(request.raw_path)
            if segments[:1] == [VERSION]:
                return self._graph(request, segments[1:])
            return self._with_headers(request, self._sign_in.handle(request, segments))
        except Exception:  # noqa: BLE001  # an inner fault must look like the service's own; tests read last_fault
            self.last_fault = traceback.format_exc()
            failure = GraphError(500, "InternalServerError", "An internal server error occurred.")
            return self._refused(failure, request)

    def _graph(self, request: Request, segments: list[str]) -> Response:
        try:
            caller = self._sign_in.caller(request)
            self._check_size_and_type(request)
            call = Call(request, caller, segments)
            if segments == ["$batch"]:
                if request.method != "POST":
                    raise GraphError(405, "MethodNotAllowed", "A batch must be posted.")
                response = answer_batch(call, self.world, self._batch_item, self._refused)
            else:
                self._check_throttled_mailbox(segments)
                response = self._router.answer(call)
        except GraphError as refused:
            return self._refused(refused, request)
        headers = {} if response.is_empty else {"odata-version": "4.0"}
        if call.applied:
            headers["preference-applied"] = ", ".join(call.applied)
        return self._with_headers(request, response, headers)

    def _batch_item(self, request: Request) -> Response:
        """Answer one request of a batch. It takes a place at its mailbox like any other call, and may find none."""
        slot = self._slot_of(request)
        refused = self.throttle.enter(slot, self.clock.now()) if slot is not None else None
        if refused is not None:
            return self._refused(refused, request)
        try:
            return self.handle(request)
        finally:
            if slot is not None:
                self.throttle.leave(slot)

    def _check_size_and_type(self, request: Request) -> None:
        if len(request.body) > self.world.behaviour.body_bytes_max:
            raise GraphError(413, "RequestEntityTooLarge", "The request body is too large.")
        if request.body and request.method in ("POST", "PATCH", "PUT"):
            content_type = request.header("content-type").split(";")[0].strip().lower()
            if not content_type:
                raise GraphError(
                    400,
                    "RequestBodyRead",
                    "The content type header is missing or empty.",
                )
            if content_type != "application/json":
                raise GraphError(415, "UnsupportedMediaType", f"The content type '{content_type}' is not supported.")

    def _check_throttled_mailbox(self, segments: list[str]) -> None:
        mailbox = self._mailbox_id(segments)
        until = self.throttle.until.get(mailbox) if mailbox is not None else None
        if until is not None and until > self.clock.now():
            raise too_many("RequestLimit", (until - self.clock.now()).total_seconds())

    def _mailbox_id(self, segments: list[str]) -> str | None:
        name = mailbox_in(segments)
        user = self.world.user(name) if name is not None else None
        return user.id.lower() if user is not None else None

    def _refused(self, error: GraphError, request: Request) -> Response:
        request_id = mint_guid(self.world.rng)
        asked = request.header("client-request-id")
        inner = {
            "date": utc_now_text(self.clock.now()),
            "request-id": request_id,
            "client-request-id": asked or request_id,
        }
        body = {"error": {"code": error.code, "message": error.message, **error.extra, "innerError": inner}}
        response = Response.of_json(error.status, body, error.headers)
        return self._with_headers(request, response, {"request-id": request_id})

    def _with_headers(self, request: Request, response: Response, extra: Mapping[str, str] | None = None) -> Response:
        request_id = (extra or {}).get("request-id") or mint_guid(self.world.rng)
        headers = {
            "date": format_datetime(self.clock.now(), usegmt=True),
            "cache-control": "private",
            **response.headers,
            "request-id": request_id,
            "client-request-id": request.header("client-request-id") or request_id,
            "x-ms-ags-diagnostic": _DIAGNOSTIC,
            **(extra or {}),
        }
        return response.with_headers(headers)

    def client_of(self, request: Request) -> str:
        """Who sends a request, as the mail record names it; `unknown` without a valid token."""
        try:
            return self._sign_in.caller(request).name
        except GraphError:
            return "unknown"

    # --- limits -----------------------------------------------------------------------------------------------

    def begin(self, request: Request) -> Response | None:
        """Take a place for a call that starts; an answer when there is none. May run beside `handle`.

        A batch takes no place, its items do. `end` must follow, also after a refusal.
        """
        slot = self._slot_of(request)
        if slot is None:
            return None
        refused = self.throttle.enter(slot, self.clock.now())
        if refused is None:
            self._slots[id(request)] = slot
            return None
        inner = self._inner(request)
        body = {"error": {"code": refused.code, "message": refused.message, "innerError": inner}}
        headers = {
            **refused.headers,
            "date": format_datetime(self.clock.now(), usegmt=True),
            "cache-control": "private",
            "request-id": inner["request-id"],
            "client-request-id": inner["client-request-id"],
            "x-ms-ags-diagnostic": _DIAGNOSTIC,
        }
        return Response.of_json(429, body, headers)

    def _slot_of(self, request: Request) -> Slot | None:
        """The application and mailbox whose places a call takes; None for calls that open no mailbox."""
        segments = split_path(direct(request).raw_path)
        mailbox = self._mailbox_id(segments[1:]) if segments[:1] == [VERSION] else None
        if mailbox is None:
            return None
        try:
            return self._sign_in.caller(request).app.client_id, mailbox
        except GraphError:
            return None

    def _inner(self, request: Request) -> dict[str, str]:
        """The innerError of a refusal at the door, where no random source may be touched."""
        asked = request.header("client-request-id") or "00000000-0000-4000-8000-000000000429"
        return {"date": utc_now_text(self.clock.now()), "request-id": asked, "client-request-id": asked}

    def end(self, request: Request) -> None:
        """Give back the place taken by `begin`."""
        slot = self._slots.pop(id(request), None)
        if slot is not None:
            self.throttle.leave(slot)

    def throttle_mailbox(self, mailbox: str, until: datetime) -> None:
        """Answer every call to this mailbox with 429 until the clock reads `until`."""
        self.throttle.until[self._id(mailbox)] = until

    def expire_tokens(self) -> int:
        """End every token but the long-lived ones. Answers how many."""
        return self._sign_in.expire_all()

    # --- webhook calls ----------------------------------------------------------------------------------------

    def due_deliveries(self) -> Sequence[Delivery]:
        """Notifications due by the clock and not handed out yet."""
        self.world.run_due()
        return self._notifications.due()

    def delivered(self, delivery_id: str, response: Response | None) -> None:
        """Report the answer to a notification; None when there was none in time."""
        self._notifications.delivered(delivery_id, response)

    @property
    def subscriptions(self) -> list[Subscription]:
        """Every subscription that has not ended."""
        return self._subscriptions.active()

    def lifecycle(self, subscription_id: str, event: LifecycleEvent) -> None:
        """Send a lifecycle event; `subscriptionRemoved` also removes the subscription. KeyError when there is none."""
        self._subscriptions.lifecycle(subscription_id, event)

    # --- tenant and mailboxes ---------------------------------------------------------------------------------

    @property
    def tenant(self) -> Tenant:
        """The tenant as it was given at the start."""
        return self.world.tenant

    @property
    def mails(self) -> list[Mail]:
        """Every mail that Exchange would have sent, oldest first."""
        return self.world.mails

    @property
    def behaviour(self) -> Behaviour:
        """How the service behaves where the real one varies."""
        return self.world.behaviour

    def set_behaviour(self, behaviour: Behaviour) -> None:
        """Switch the service's irregularities from now on."""
        self.world.behaviour = behaviour
        self.throttle.behaviour = behaviour

    def put_user(self, user: User) -> None:
        """Add a user or replace the one with the same id."""
        self.world.put_user(user)

    def put_room(self, room: Room) -> None:
        """Add a room or replace the one with the same id."""
        self.world.put_room(room)

    def put_app(self, app: App) -> None:
        """Register an application or replace the one with the same client id."""
        self.world.put_app(app)

    def put_out_of_scope(self, mailbox: str, is_out: bool = True) -> None:
        """Deny every application this mailbox (403 ErrorAccessDenied), or allow it again."""
        (self.world.out_of_scope.add if is_out else self.world.out_of_scope.discard)(self._id(mailbox))

    def add_event(self, mailbox: str, event: dict[str, Any], mails: bool = False, calendar: str | None = None) -> str:
        """Place an event given as Graph JSON into a mailbox and return its id; see Seeding.add_event."""
        store = self.world.store(self._id(mailbox))
        folder = store.find_calendar(calendar).number if calendar is not None else DEFAULT_FOLDER
        return self._seeding.add_event(store.id, event, mails, folder)

    def add_calendar(self, mailbox: str, name: str) -> str:
        """A secondary calendar; returns its id."""
        store = self.world.store(self._id(mailbox))
        return store.calendar_id(store.add_calendar(name, self.world.mint_change_key()).number)

    def edit_event(
        self, mailbox: str, event_id: str, changes: dict[str, Any], mails: bool = True, client: str = "outlook"
    ) -> None:
        """Someone edits an event in Outlook: like a PATCH; see Seeding.edit_event."""
        self._seeding.edit_event(self._id(mailbox), event_id, changes, mails, client)

    def remove_event(self, mailbox: str, event_id: str, client: str = "outlook") -> None:
        """Someone deletes an event in Outlook; an organizer's meeting is cancelled, with mails."""
        self._seeding.remove_event(self._id(mailbox), event_id, client)

    def receive(
        self, mailbox: str, event_id: str, changes: dict[str, Any] | None = None, is_cancelled: bool = False
    ) -> None:
        """An outside organizer's update or cancellation reaches the copy in this mailbox."""
        self._seeding.receive(self._id(mailbox), event_id, changes or {}, is_cancelled)

    def answer(self, mailbox: str, event_id: str, address: str, reply: Reply) -> bool:
        """An attendee's answer reaches the organizer's copy now. False when the address does not attend."""
        return self._seeding.answer(self._id(mailbox), event_id, address, reply)

    def events_of(self, mailbox: str) -> list[dict[str, Any]]:
        """Every single event and series of a mailbox as full Graph JSON in UTC, extended properties included.

        A series also has `cancelledOccurrences` and `exceptionOccurrences`.
        """
        self.world.run_due()
        store = self.world.store(self._id(mailbox))
        values = [whole_json(store, event) for event in store.events.values()]
        return json.loads(json.dumps(values))  # type: ignore[no-any-return]

    def expire_delta_tokens(self) -> None:
        """Make every delta token handed out so far answer 410 SyncStateNotFound."""
        self.world.delta_generation += 1

    def _id(self, mailbox: str) -> str:
        """A mailbox id from an id or user principal name. Raises KeyError for an unknown one."""
        user = self.world.user(mailbox)
        if user is None:
            raise KeyError(mailbox)
        return user.id.lower()

    # --- saving -----------------------------------------------------------------------------------------------

    def dump(self) -> dict[str, Any]:
        """Everything it holds, as JSON values."""
        return {
            "world": self.world.to_json(),
            "tokens": {token: list(entry) for token, entry in self._sign_in.tokens.items()},
            "subscriptions": self._subscriptions.to_json(),
            "notifications": self._notifications.to_json(),
            "throttled": {mailbox: until.isoformat() for mailbox, until in self.throttle.until.items()},
        }

    def load(self, state: dict[str, Any]) -> None:
        """Replace everything by what `dump` returned."""
        state = json.loads(json.dumps(state))
        self.world.from_json(state["world"])
        self._sign_in.tokens = {token: (client, expires) for token, (client, expires) in state["tokens"].items()}
        self._subscriptions.from_json(state["subscriptions"])
        self._notifications.from_json(state["notifications"])
        self.throttle.clear()
        self.throttle.until.update(
            {mailbox: datetime.fromisoformat(until) for mailbox, until in state["throttled"].items()}
        )

    def mark_seeded(self) -> None:
        """Make the present state the one that `reset` goes back to."""
        self._seed = json.loads(json.dumps(self.dump()))

    def reset(self) -> None:
        """Back to the state of `mark_seeded`, or to the bare tenant, and to the first behaviour.

        The clock is its owner's to set.
        """
        self.last_fault = None
        self.set_behaviour(self._start_behaviour)
        if self._seed is not None:
            self.load(self._seed)
            return
        self.world.clear()
        self.world.rng.setstate(self._start_of_random)
        self._sign_in.tokens = {}
        self._subscriptions.clear()
        self._notifications.clear()
        self.throttle.clear()
