"""What goes wrong in both services during a storm: each kind of fault, how it is brought about, how often it struck.

Planned faults strike the next request of Concord's that fits. Commanded ones happen to the service as a whole. The rest
is what the services do by themselves, as often as their roughest switches say. The people are spared as far as they
use clients of their own, so that what they did is known.
"""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import TracebackType
from typing import Final, Self

from bench.traffic import MICROSOFT, SALESFORCE
from connectors.salesforce.marks import CLIENT_NAME
from simulators.faults import Cut, Fault
from simulators.launch import Simulators
from simulators.seeding_graph import CLIENT_ID

# How far the services' clocks are from ours, in seconds: behind in Salesforce, ahead in Microsoft 365.
SKEW_S: Final = 60.0
# How often it is looked what is due, in seconds.
LOOK_S: Final = 0.25
# Rows of a page of a query: the fewest that Salesforce gives.
PAGE_ROWS: Final = 200

_JSON: Final = "application/json; charset=utf-8"
_WAIT: Final = {"Retry-After": "2", "content-type": _JSON}
_THROTTLED: Final = '{"error": {"code": "ApplicationThrottled", "message": "Application is over its limit."}}'
_UNAVAILABLE: Final = '{"error": {"code": "serviceNotAvailable", "message": "Service is temporarily unavailable."}}'
_INTERNAL: Final = '{"error": {"code": "internalServerError", "message": "Something went wrong."}}'
_LIMIT: Final = (
    '[{"errorCode": "REQUEST_LIMIT_EXCEEDED", '
    '"message": "ConcurrentRequests (Concurrent API Requests) Limit exceeded."}]'
)
_SERVER: Final = '[{"errorCode": "SERVER_UNAVAILABLE", "message": "Server is too busy."}]'
_UNKNOWN: Final = '[{"errorCode": "UNKNOWN_EXCEPTION", "message": "An unexpected error occurred."}]'
_GATEWAY: Final = "<html><body>Bad gateway</body></html>"
_EVENTS: Final = r"/events(/|$)"
_WRITES: Final = r"/composite"

# By service and name; each is planned anew a while after it struck.
PLANNED: Final[dict[tuple[str, str], Fault]] = {
    (MICROSOFT, "429 with Retry-After"): Fault(status=429, headers=_WAIT, body=_THROTTLED),
    (MICROSOFT, "503 with Retry-After"): Fault(status=503, headers=_WAIT, body=_UNAVAILABLE),
    (MICROSOFT, "500"): Fault(status=500, body=_INTERNAL),
    (MICROSOFT, "502 without JSON"): Fault(status=502, body=_GATEWAY),
    (MICROSOFT, "504 after a create took effect"): Fault(_EVENTS, "POST", status=504, after_effect=True),
    (MICROSOFT, "504 after an edit took effect"): Fault(_EVENTS, "PATCH", status=504, after_effect=True),
    (MICROSOFT, "connection cut before the effect"): Fault(cut=Cut.BEFORE),
    (MICROSOFT, "connection cut after the effect"): Fault(cut=Cut.AFTER),
    (MICROSOFT, "cut after a create took effect"): Fault(_EVENTS, "POST", cut=Cut.AFTER),
    (MICROSOFT, "cut after an edit took effect"): Fault(_EVENTS, "PATCH", cut=Cut.AFTER),
    (MICROSOFT, "cut after a deletion took effect"): Fault(_EVENTS, "DELETE", cut=Cut.AFTER),
    (MICROSOFT, "slow answer"): Fault(delay_s=3.0),
    (SALESFORCE, "too many requests at once"): Fault(status=403, body=_LIMIT),
    (SALESFORCE, "503"): Fault(status=503, body=_SERVER),
    (SALESFORCE, "500"): Fault(status=500, body=_UNKNOWN),
    (SALESFORCE, "502 without JSON"): Fault(status=502, body=_GATEWAY),
    (SALESFORCE, "504 after writes took effect"): Fault(_WRITES, "POST", status=504, after_effect=True),
    (SALESFORCE, "connection cut before the effect"): Fault(cut=Cut.BEFORE),
    (SALESFORCE, "connection cut after the effect"): Fault(cut=Cut.AFTER),
    (SALESFORCE, "cut after writes took effect"): Fault(_WRITES, "POST", cut=Cut.AFTER),
    (SALESFORCE, "slow answer"): Fault(delay_s=3.0),
}
_CLIENTS: Final = {MICROSOFT: CLIENT_ID, SALESFORCE: CLIENT_NAME}
# Seconds between a strike and the next of its kind, at random up to twice as long.
AGAIN_S: Final = 10.0

# What the services do by themselves: by service and switch, in words.
BY_ITSELF: Final[dict[tuple[str, str], str]] = {
    (MICROSOFT, "batch_throttling"): "429 with Retry-After inside a batch",
    (MICROSOFT, "late"): "notification late",
    (MICROSOFT, "duplicate"): "notification twice",
    (MICROSOFT, "lost"): "notifications lost, then `missed`",
    (MICROSOFT, "replay"): "delta told again",
    (MICROSOFT, "duplicate_item"): "delta item twice",
    (MICROSOFT, "empty_page"): "empty delta page",
    (MICROSOFT, "second_bump"): "version changed once more after a write",
    (MICROSOFT, "transient_conflict"): "412 without a reason",
    (MICROSOFT, "expire-delta-tokens"): "410 for a delta token",
    (SALESFORCE, "replication_hold"): "deletion log covers less than asked",
    (SALESFORCE, "lock-writes"): "row locked",
    (SALESFORCE, "merge"): "change events merged",
    (SALESFORCE, "duplicate"): "change event twice",
    (SALESFORCE, "gap"): "gap event",
    (SALESFORCE, "replay_id_refused"): "replay id refused: past its retention, or of before a move",
}


@dataclass(frozen=True)
class Command:
    """What happens to a service as a whole, `times` in a storm; `act` says how many things it struck."""

    service: str
    name: str
    times: int
    act: Callable[[Simulators, random.Random], int]


def _tokens_of_microsoft(on: Simulators, _: random.Random) -> int:
    return on.on_graph(on.graph.expire_tokens)


def _delta_tokens(on: Simulators, _: random.Random) -> int:
    on.on_graph(on.graph.expire_delta_tokens)
    return 0  # counted where it is met


def _mailbox(on: Simulators, rng: random.Random) -> int:
    def throttle() -> int:
        mailbox = rng.choice(sorted(on.graph.world.users))
        on.graph.throttle_mailbox(mailbox, on.graph.clock.now() + timedelta(seconds=4))
        return 1

    return on.on_graph(throttle)


def _lifecycle(event: str) -> Callable[[Simulators, random.Random], int]:
    def tell(on: Simulators, rng: random.Random) -> int:
        def one() -> int:
            held = on.graph.subscriptions
            if held:
                on.graph.lifecycle(rng.choice(held).id, event)  # type: ignore[arg-type]
            return int(bool(held))

        return on.on_graph(one)

    return tell


def _tokens_of_salesforce(on: Simulators, _: random.Random) -> int:
    return on.on_salesforce(on.salesforce.expire_tokens)


def _locks(on: Simulators, _: random.Random) -> int:
    on.on_salesforce(lambda: setattr(on.salesforce.faults, "lock_writes", on.salesforce.faults.lock_writes + 1))
    return 0  # counted where it is met


def _gaps(on: Simulators, _: random.Random) -> int:
    on.on_salesforce(on.bus.gap_next, 3)
    return 0  # counted where it is met


def _overflow(on: Simulators, _: random.Random) -> int:
    on.on_salesforce(on.bus.overflow)
    return 1


def _again(on: Simulators, _: random.Random) -> int:
    return on.on_salesforce(on.bus.republish, 10)


def _cut(on: Simulators, _: random.Random) -> int:
    return on.on_salesforce(on.bus.cut_streams)


def _refuse(on: Simulators, _: random.Random) -> int:
    def refuse() -> int:
        on.bus.refuse_calls(2)
        return 2 if on.bus.cut_streams() else 0

    return on.on_salesforce(refuse)


def _retention(on: Simulators, _: random.Random) -> int:
    def expire() -> None:
        on.bus.expire()
        on.bus.cut_streams()

    on.on_salesforce(expire)
    return 0  # counted where it is met


def _move(on: Simulators, _: random.Random) -> int:
    on.on_salesforce(on.bus.restart)
    return 0  # counted where it is met


COMMANDS: Final = (
    Command(MICROSOFT, "tokens expired", 4, _tokens_of_microsoft),
    Command(MICROSOFT, "delta tokens dropped", 2, _delta_tokens),
    Command(MICROSOFT, "mailbox throttled for seconds", 10, _mailbox),
    Command(MICROSOFT, "`missed`", 6, _lifecycle("missed")),
    Command(MICROSOFT, "`reauthorizationRequired`", 4, _lifecycle("reauthorizationRequired")),
    Command(MICROSOFT, "subscription lost", 6, _lifecycle("subscriptionRemoved")),
    Command(SALESFORCE, "sessions expired", 4, _tokens_of_salesforce),
    Command(SALESFORCE, "rows locked", 20, _locks),
    Command(SALESFORCE, "gaps", 6, _gaps),
    Command(SALESFORCE, "overflow event", 3, _overflow),
    Command(SALESFORCE, "change events told again", 4, _again),
    Command(SALESFORCE, "event stream cut", 4, _cut),
    Command(SALESFORCE, "event stream refused", 3, _refuse),
    Command(SALESFORCE, "retention passed", 3, _retention),
    Command(SALESFORCE, "org moved", 2, _move),
)
# Of these the effect is counted where it is met, under a name of BY_ITSELF.
_UNCOUNTED: Final = frozenset({"delta tokens dropped", "rows locked", "gaps", "retention passed", "org moved"})


def kinds() -> tuple[tuple[str, str], ...]:
    """Every kind of fault that must strike, by service and name. Pure."""
    commanded = ((one.service, one.name) for one in COMMANDS if one.name not in _UNCOUNTED)
    by_itself = ((service, words) for (service, _), words in BY_ITSELF.items())
    return (*PLANNED, *commanded, *by_itself, (MICROSOFT, "clock ahead"), (SALESFORCE, "clock behind"))


def schedule(seconds: float, rng: random.Random) -> list[tuple[float, Command]]:
    """When each command happens, in seconds from the start: spread over the storm, none in its last tenth. Pure."""
    plan = [
        ((turn + rng.uniform(0.2, 0.8)) / one.times * seconds * 0.9, one)
        for one in COMMANDS
        for turn in range(one.times)
    ]
    return sorted(plan, key=lambda due: due[0])


@dataclass
class Storm:
    """Both services at their worst for the length of a `with` block, which is to take `seconds`.

    `struck` says afterwards how often each kind struck.
    """

    simulators: Simulators
    seconds: float
    seed: int = 1
    struck: Counter[tuple[str, str]] = field(default_factory=Counter)
    _planned: dict[tuple[str, str], int] = field(default_factory=dict)
    _kinds: dict[tuple[str, int], tuple[str, str]] = field(default_factory=dict)
    _due: dict[tuple[str, str], float] = field(default_factory=dict)
    _ending: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        on = self.simulators
        self._rng = random.Random(self.seed)
        self._edges = {MICROSOFT: on.graph_hosted.edge, SALESFORCE: on.salesforce_hosted.edge}
        self._before = (on.graph.behaviour, on.salesforce.behaviour, on.bus.behaviour)
        self._at_start = self._happened()
        rough = replace(on.salesforce.behaviour.rough(), page_rows=PAGE_ROWS)
        on.on_graph(on.graph.set_behaviour, on.graph.behaviour.rough())
        on.on_salesforce(on.salesforce.set_behaviour, rough)
        on.on_salesforce(on.bus.set_behaviour, on.bus.behaviour.rough())
        for (service, name), sign in (((MICROSOFT, "clock ahead"), 1), ((SALESFORCE, "clock behind"), -1)):
            clock = on.graph.clock if service == MICROSOFT else on.salesforce.clock
            self.struck[service, name] = int(sign * (clock.now().timestamp() - time.time()) > SKEW_S / 2)
        self._thread = threading.Thread(target=self._blow, name="storm", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ending.set()
        if self._thread is not None:
            self._thread.join()
        on = self.simulators
        self._count_planned()
        for edge in self._edges.values():
            edge.faults.clear()
        graph, salesforce, bus = self._before
        on.on_graph(on.graph.set_behaviour, graph.calm())
        on.on_salesforce(setattr, on.salesforce.faults, "lock_writes", 0)
        on.on_salesforce(on.salesforce.set_behaviour, salesforce.calm())
        on.on_salesforce(on.bus.set_behaviour, bus.calm())
        happened = self._happened()
        for key, words in BY_ITSELF.items():
            self.struck[key[0], words] += happened[key] - self._at_start[key]

    def _blow(self) -> None:
        begun = time.monotonic()
        plan = schedule(self.seconds, self._rng)
        while not self._ending.wait(LOOK_S):
            now = time.monotonic()
            while plan and plan[0][0] <= now - begun:
                _, command = plan.pop(0)
                self.struck[command.service, command.name] += command.act(self.simulators, self._rng)
            self._plan(now)

    def _plan(self, now: float) -> None:
        """Plan each fault again whose last one struck a while ago: a heap of them would strike all at once."""
        pending = {service: _pending(edge.faults.listing()) for service, edge in self._edges.items()}
        for key, fault in PLANNED.items():
            service = key[0]
            if self._planned.get(key) in pending[service]:
                self._due.pop(key, None)
                continue
            due = self._due.setdefault(key, now + self._rng.uniform(0.0, 2 * AGAIN_S))
            if now >= due:
                number = self._edges[service].faults.add(replace(fault, client=_CLIENTS[service]))
                self._planned[key], self._kinds[service, number] = number, key
                del self._due[key]

    def _count_planned(self) -> None:
        for service, edge in self._edges.items():
            for planned in edge.faults.listing():
                self.struck[self._kinds[service, planned["id"]]] += planned["struck"]

    def _happened(self) -> Counter[tuple[str, str]]:
        on = self.simulators
        graph = on.on_graph(lambda: Counter(on.graph.world.happened))
        salesforce = on.on_salesforce(lambda: on.salesforce.happened + on.bus.happened)
        return Counter(
            {
                (side, name): count
                for side, of in ((MICROSOFT, graph), (SALESFORCE, salesforce))
                for name, count in of.items()
            }
        )


def _pending(listing: list[dict[str, object]]) -> set[object]:
    return {one["id"] for one in listing if one["struck"] == 0}
