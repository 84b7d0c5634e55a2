"""Everything the simulated service holds, and the few things every part of it does: mint ids, record changes, run
what has become due. No HTTP here."""

from __future__ import annotations

import base64
import heapq
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal, Protocol

from simulators.graph import ids
from simulators.graph.behaviour import Behaviour
from simulators.graph.store import MailboxStore, StoredEvent
from simulators.graph.tenant import App, Room, RoomList, Tenant, User

MailKind = Literal["invite", "update", "cancel"]
ChangeType = Literal["created", "updated", "deleted"]


class Clock(Protocol):
    """Where the service's time comes from."""

    def now(self) -> datetime:
        """An aware time in UTC."""


@dataclass(frozen=True)
class Mail:
    """One mail that Exchange would have sent on the organizer's behalf.

    `mailbox` is the organizer's mailbox id, `event_id` the id in that mailbox, `client` whose write caused it and
    `cause` what the write was: the operation and, for a PATCH, the members it named.
    """

    kind: MailKind
    to: str
    event_id: str
    ical_uid: str
    mailbox: str
    when: datetime
    client: str
    cause: str

    def to_json(self) -> dict[str, Any]:
        """The mail as JSON values."""
        return {**asdict(self), "when": self.when.isoformat()}

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Mail:
        """The inverse of `to_json`."""
        return cls(**{**value, "when": datetime.fromisoformat(value["when"])})


@dataclass(frozen=True)
class Origin:
    """Who causes a write, for the mail record; `mails` and `notifies` are off while existing data is placed."""

    client: str
    cause: str
    mails: bool = True
    notifies: bool = True


Observer = Callable[[MailboxStore, StoredEvent, ChangeType], None]
Task = Callable[[dict[str, Any]], None]


class World:
    """The state of one simulated service. Single-threaded; all randomness from `rng`, all time from `clock`."""

    def __init__(self, tenant: Tenant, clock: Clock, rng: random.Random, behaviour: Behaviour) -> None:
        self.tenant = tenant
        self.clock = clock
        self.rng = rng
        self.behaviour = behaviour
        self.observers: list[Observer] = []
        self.tasks: dict[str, Task] = {}
        self._moment: datetime | None = None
        self.clear()

    def clear(self) -> None:
        """Forget everything but the tenant as it was given."""
        self.users: dict[str, User] = {user.id.lower(): user for user in self.tenant.users}
        self.rooms: dict[str, Room] = {room.id.lower(): room for room in self.tenant.rooms}
        self.room_lists: tuple[RoomList, ...] = self.tenant.room_lists
        self.apps: dict[str, App] = {app.client_id.lower(): app for app in self.tenant.apps}
        self.stores: dict[str, MailboxStore] = {}
        self.mails: list[Mail] = []
        self.happened: Counter[str] = Counter()
        """How often each irregularity took place since the start, by the name of its switch."""
        self.out_of_scope: set[str] = set()
        self.delta_generation = 1
        self._agenda: list[tuple[float, int, str, dict[str, Any]]] = []
        self._planned = 0
        self._index()

    def _index(self) -> None:
        """Who is reached by which address or name."""
        self._by_address: dict[str, str] = {}
        self._by_name: dict[str, str] = {}
        for user in (*self.users.values(), *(room.as_user() for room in self.rooms.values())):
            for address in user.addresses:
                self._by_address.setdefault(address, user.id.lower())
            self._by_name[user.user_principal_name.lower()] = user.id.lower()

    # --- time -------------------------------------------------------------------------------------------------

    def now(self) -> datetime:
        """The time of what is happening: the clock's, or the due time of a task that is being run late."""
        return self._moment or self.clock.now()

    def plan(self, delay_s: float, task: str, payload: dict[str, Any]) -> None:
        """Run `task` with a JSON payload once the clock has moved on by `delay_s` seconds."""
        self._planned += 1
        heapq.heappush(self._agenda, (self.now().timestamp() + delay_s, self._planned, task, payload))

    def run_due(self) -> None:
        """Run what has become due, in order of its time."""
        now = self.clock.now().timestamp()
        while self._agenda and self._agenda[0][0] <= now:
            due, _, task, payload = heapq.heappop(self._agenda)
            self._moment = datetime.fromtimestamp(due, UTC)
            try:
                self.tasks[task](payload)
            finally:
                self._moment = None

    @property
    def next_due(self) -> datetime | None:
        """When the next planned thing happens."""
        return datetime.fromtimestamp(self._agenda[0][0], UTC) if self._agenda else None

    # --- directory --------------------------------------------------------------------------------------------

    def user(self, name: str) -> User | None:
        """The user or room mailbox with this id or user principal name."""
        key = name.lower()
        key = self._by_name.get(key, key)
        if key in self.users:
            return self.users[key]
        return self.rooms[key].as_user() if key in self.rooms else None

    def mailbox_at(self, address: str) -> str | None:
        """Id of the working mailbox that mail to this address reaches; None for an outside address."""
        found = self._by_address.get(address.strip().lower())
        if found is None or (found in self.users and not self.users[found].mailbox_enabled):
            return None
        return found

    def all_users(self) -> list[User]:
        """Every user object of the directory, rooms included."""
        return [*self.users.values(), *(room.as_user() for room in self.rooms.values())]

    def put_user(self, user: User) -> None:
        """Add a user or replace the one with the same id."""
        self.users[user.id.lower()] = user
        self._index()

    def put_room(self, room: Room) -> None:
        """Add a room or replace the one with the same id."""
        self.rooms[room.id.lower()] = room
        self._index()

    def put_app(self, app: App) -> None:
        """Register an application or replace the one with the same client id."""
        self.apps[app.client_id.lower()] = app

    def store(self, mailbox_id: str) -> MailboxStore:
        """The mailbox's content."""
        key = mailbox_id.lower()
        store = self.stores.get(key)
        if store is None:
            store = self.stores[key] = MailboxStore(key)
        return store

    # --- changes ----------------------------------------------------------------------------------------------

    def mint_change_key(self) -> str:
        """A changeKey that no item has had."""
        return base64.b64encode(self.rng.getrandbits(176).to_bytes(22, "big")).decode()

    def mint_guid(self) -> str:
        """A random GUID."""
        return ids.mint_guid(self.rng)

    def record(self, store: MailboxStore, event: StoredEvent, change: ChangeType, notifies: bool = True) -> None:
        """Note a finished change of an event: new version, a place in the delta log, notifications."""
        if change == "deleted":
            store.remove(event)
        else:
            event.change_key = self.mint_change_key()
            event.modified = self.now()
            store.put(event)
        lag = self.behaviour.delta.lag_s_max
        visible = self.now().timestamp() + (self.rng.uniform(0.0, lag) if lag and notifies else 0.0)
        store.log_change(event, visible)
        if not notifies:
            return
        for observer in self.observers:
            observer(store, event, change)
        if change != "deleted" and self.chance(self.behaviour.second_bump, "second_bump"):
            self.plan(self.behaviour.second_bump_s, "bump", {"mailbox": store.id, "key": event.key})

    def bump(self, payload: dict[str, Any]) -> None:
        """Give an event another version without changing it, as the service does on its own."""
        store = self.store(payload["mailbox"])
        event = store.events.get(payload["key"])
        if event is None:
            return
        event.change_key = self.mint_change_key()
        event.modified = self.now()
        store.log_change(event, self.now().timestamp())
        for observer in self.observers:
            observer(store, event, "updated")

    def chance(self, probability: float, what: str) -> bool:
        """Draw once, if there is anything to draw; what happens is counted under its name."""
        happens = probability > 0.0 and self.rng.random() < probability
        self.happened[what] += happens
        return happens

    # --- saving -----------------------------------------------------------------------------------------------

    def to_json(self) -> dict[str, Any]:
        """Everything that changed since the start, as JSON values."""
        state = self.rng.getstate()
        return {
            "users": [_plain(user) for user in self.users.values()],
            "rooms": [_plain(room) for room in self.rooms.values()],
            "room_lists": [_plain(room_list) for room_list in self.room_lists],
            "apps": [_plain(app) for app in self.apps.values()],
            "stores": {key: store.to_json() for key, store in self.stores.items()},
            "mails": [mail.to_json() for mail in self.mails],
            "out_of_scope": sorted(self.out_of_scope),
            "delta_generation": self.delta_generation,
            "agenda": [list(entry) for entry in sorted(self._agenda)],
            "planned": self._planned,
            "random": [state[0], list(state[1]), state[2]],
        }

    def from_json(self, value: dict[str, Any]) -> None:
        """Replace everything by what `to_json` returned."""
        users = (User(**_tupled(item)) for item in value["users"])
        rooms = (Room(**_tupled(item)) for item in value["rooms"])
        self.users = {user.id.lower(): user for user in users}
        self.rooms = {room.id.lower(): room for room in rooms}
        self.room_lists = tuple(RoomList(**_tupled(item)) for item in value["room_lists"])
        self.apps = {item["client_id"].lower(): _app(item) for item in value["apps"]}
        self.stores = {key: MailboxStore.from_json(key, item) for key, item in value["stores"].items()}
        self.mails = [Mail.from_json(item) for item in value["mails"]]
        self.out_of_scope = set(value["out_of_scope"])
        self.delta_generation = value["delta_generation"]
        self._agenda = [(due, number, task, payload) for due, number, task, payload in value["agenda"]]
        heapq.heapify(self._agenda)
        self._planned = value["planned"]
        version, numbers, gauss = value["random"]
        self.rng.setstate((version, tuple(numbers), gauss))
        self._index()


def _plain(value: Any) -> dict[str, Any]:
    """A frozen value as JSON values: sets sorted, tuples as lists."""
    return {
        name: sorted(member) if isinstance(member, frozenset) else list(member) if isinstance(member, tuple) else member
        for name, member in asdict(value).items()
    }


def _tupled(value: dict[str, Any]) -> dict[str, Any]:
    return {name: tuple(member) if isinstance(member, list) else member for name, member in value.items()}


def _app(value: dict[str, Any]) -> App:
    fields = _tupled(value)
    scope = fields["mailboxes"]
    return App(
        **{**fields, "roles": frozenset(fields["roles"]), "mailboxes": None if scope is None else frozenset(scope)}
    )
