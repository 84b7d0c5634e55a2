"""Managed subscriptions: the service keeps the replay id that the client commits (beta)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Final

from simulators.pubsub.errors import PubSubError
from simulators.pubsub.event_log import milliseconds
from simulators.pubsub.streams import EARLIEST, LATEST, Batch, Caller, CommitReply, Subscription

if TYPE_CHECKING:
    from simulators.pubsub.bus import EventBus

PRESETS: Final = (LATEST, EARLIEST)
STATES: Final = ("RUN", "STOP")
_ID_LENGTHS: Final = (15, 18)


@dataclass
class ManagedPlan:
    """A ManagedEventSubscription. `committed` is the replay id that the client committed last, in hexadecimal."""

    id: str
    developer_name: str
    topic: str
    default_replay: str = LATEST
    error_recovery_replay: str = EARLIEST
    state: str = "RUN"
    committed: str = ""


@dataclass(frozen=True)
class ManagedFetch:
    """A ManagedFetchRequest. `commit` is (request id, replay id)."""

    subscription_id: str = ""
    developer_name: str = ""
    count: int = 0
    auth_refresh: str = ""
    commit: tuple[str, bytes] | None = None


@dataclass
class ManagedPlans:
    """The managed subscriptions of an org by id."""

    plans: dict[str, ManagedPlan] = field(default_factory=dict)

    def add(self, plan: ManagedPlan) -> None:
        """Deploy one. Raises ValueError for values that metadata could not have."""
        if plan.default_replay not in PRESETS or plan.error_recovery_replay not in PRESETS:
            raise ValueError(f"a replay preset of a managed subscription is one of {', '.join(PRESETS)}")
        if plan.state not in STATES:
            raise ValueError(f"the state of a managed subscription is one of {', '.join(STATES)}")
        self.plans[plan.id] = plan

    def find(self, fetch: ManagedFetch) -> ManagedPlan:
        """The subscription that a first request names. Raises PubSubError."""
        wanted, name = fetch.subscription_id, fetch.developer_name
        if bool(wanted) == bool(name):
            text = "Give the subscription's ID or its developer name, one of them"
            raise PubSubError("managed.subscription.id.or.developer.name.empty", text)
        if name:
            found = next((plan for plan in self.plans.values() if plan.developer_name == name), None)
            if found is None:
                raise PubSubError("managed.subscription.developer.name.not.found", f"There is no {name}")
            return found
        if len(wanted) not in _ID_LENGTHS:
            raise PubSubError("managed.subscription.subscription.id.invalid", f"{wanted} is no ID")
        found = next((plan for plan in self.plans.values() if plan.id[:15] == wanted[:15]), None)
        if found is None:
            raise PubSubError("managed.subscription.subscription.id.not.found", f"There is no {wanted}")
        return found

    def dump(self) -> list[dict[str, Any]]:
        """All of them as JSON values."""
        return [asdict(plan) for plan in self.plans.values()]

    def load(self, state: list[Mapping[str, Any]]) -> None:
        """Replace them by what `dump` gave."""
        self.plans = {value["id"]: ManagedPlan(**value) for value in state}


class ManagedSubscription(Subscription):
    """A ManagedSubscribe call."""

    def __init__(self, bus: EventBus, caller: Caller) -> None:
        super().__init__(bus, caller)
        self.plan: ManagedPlan | None = None
        self._commits: list[CommitReply] = []

    def fetch(self, fetch: ManagedFetch) -> None:
        """Take a ManagedFetchRequest."""
        plan = self.plan
        if plan is None:
            self._begin(fetch)
            return
        if fetch.auth_refresh:
            self.bus.refresh(fetch.auth_refresh)
        if fetch.count < 0:
            raise PubSubError("managed.subscription.fetch.request.events.invalid", "Request no fewer than 0 events")
        if not fetch.count and fetch.commit is None and not fetch.auth_refresh:
            text = "A request for no events needs a commit or a fresh token"
            raise PubSubError("managed.subscription.fetch.request.invalid", text)
        if fetch.commit is not None:
            self._commits.append(self._commit(plan, *fetch.commit))
        self._ask(fetch.count)

    def step(self) -> list[Batch]:
        """Answers to commits, then what any subscription sends."""
        replies = self._replies()
        return [*replies, *super().step()]

    def _begin(self, fetch: ManagedFetch) -> None:
        if fetch.commit is not None:
            code = "managed.subscription.fetch.request.commit.request.restricted"
            raise PubSubError(code, "The first request cannot commit")
        if fetch.auth_refresh:
            code = "managed.subscription.fetch.request.auth.request.restricted"
            raise PubSubError(code, "The first request cannot carry a fresh token")
        if fetch.count < 0:
            raise PubSubError("managed.subscription.fetch.request.events.invalid", "Request no fewer than 0 events")
        plan = self.bus.managed.find(fetch)
        if plan.state != "RUN":
            raise PubSubError("managed.subscription.config.stopped", f"{plan.developer_name} is stopped")
        if any(isinstance(other, ManagedSubscription) and other.plan is plan for other in self.bus.streams):
            raise PubSubError("managed.subscription.already.active", f"{plan.developer_name} has a subscriber already")
        self._start(plan.topic, lambda: self._resume(plan))
        self.plan = plan
        self._ask(fetch.count)

    def _resume(self, plan: ManagedPlan) -> int:
        log = self.bus.log
        log.purge(self.bus.now())
        preset = plan.default_replay
        if plan.committed:
            try:
                return log.number_of(bytes.fromhex(plan.committed), self.bus.now())
            except PubSubError:
                preset = plan.error_recovery_replay
        return log.tip if preset == LATEST else log.lost_until

    def _commit(self, plan: ManagedPlan, request_id: str, given: bytes) -> CommitReply:
        """A commit that cannot be taken is answered with its error; the stream goes on."""
        now = self.bus.now()
        error = ""
        if not given:
            error = "The replay ID is missing"
        else:
            try:
                number = self.bus.log.number_of(given, now)
            except PubSubError:
                error = "The replay ID is invalid or outside of the retention window"
            else:
                if number > self._delivered:
                    error = "The event was not delivered yet"
                elif plan.committed and given < bytes.fromhex(plan.committed):
                    error = "A later replay ID is committed already"
        if not error:
            plan.committed = given.hex()
        return CommitReply(request_id, given, error, milliseconds(now))

    def _replies(self) -> list[Batch]:
        """One answer a commit, or one for several: the newest answer then stands for those before it."""
        replies, self._commits = self._commits, []
        taken = [reply for reply in replies if not reply.error]
        if self.bus.behaviour.batch_events is None and len(taken) > 1:
            replies = [reply for reply in replies if reply.error or reply is taken[-1]]
        return [Batch((), reply.replay_id, self._pending, reply) for reply in replies]
