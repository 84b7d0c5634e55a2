"""`python -m bench.cost`: what Concord asks of the services at production's own intervals, and what it weighs.

Three figures: HTTP requests per event at a first exchange, per single edit on the written side, and per hour with many
mailboxes at rest.
"""

from __future__ import annotations

import logging
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bench.footprint import Footprint, footprints
from bench.plan import Act, Kind
from bench.playing import Players
from bench.run import BY, SETTINGS, meetings_of
from bench.traffic import MICROSOFT, READ, SALESFORCE, SIGN_IN, WRITE, Meter, Requests
from bench.watching import Observer
from concord.changing import confirm, read_directory, set_settings, switch_users
from concord.cli_output import err, out, print_json
from concord.demo_players import Outlook, Practifi
from concord.dev import DevOptions, Environment, environment
from concord.observing import configure_logs
from concord.reading import fold_journal
from concord.settling import wait_settled
from schemas.changes import Side
from schemas.errors import ConcordError
from simulators.firm import build_firm

# The defaults of `concord.config` in place of the development environment's.
PRODUCTION: Final = {
    "CONCORD_GRAPH_TIMER_S": "300",
    "CONCORD_SALESFORCE_POLL_S": "300",
    "CONCORD_SALESFORCE_OVERLAP_S": "120",
    "CONCORD_DIRECTORY_S": "600",
    "CONCORD_SWEEP_S": "60",
}
# Of so many events in the calendars of a firm two thirds are still to come to be in Practifi.
SEEDED_PER_SYNCED: Final = 1.5
USERS: Final = 10
# Nothing asked for so long: the stretch is over, in seconds.
QUIET_S: Final = 15.0
# Longest waits, in seconds.
DIRECTORY_S: Final = 180.0
EXCHANGE_S: Final = 3_600.0
SHOW_S: Final = 60.0
# What follows a single edit, its echoes among it, has passed then, in seconds.
ECHO_S: Final = 6.0
# A round of the mailboxes' timer at rest, in seconds.
ROUND_S: Final = 300.0


@dataclass
class Costs:
    """What was measured. Requests are by (service, kind), memory is by process."""

    synced: int = 0
    seconds: float = 0.0
    exchange: Requests = field(default_factory=Counter)
    exchange_inner: Counter[str] = field(default_factory=Counter)
    """By service: the same with what stands inside a batch or a composite request counted one by one."""
    edits: dict[str, tuple[int, Requests]] = field(default_factory=dict)
    """By the written side: how many edits, and what they cost."""
    mailboxes: int = 0
    idle_s: float = 0.0
    idle: Requests = field(default_factory=Counter)
    memory: Mapping[str, Footprint] = field(default_factory=dict)
    routes: dict[str, dict[str, int]] = field(default_factory=dict)
    """By service, of the first exchange: requests by method and path."""

    def as_json(self) -> dict[str, Any]:
        """As JSON values, per event, edit and hour."""
        return {
            "first exchange": {"synced": self.synced, "seconds": self.seconds, **_shares(self.exchange, self.synced),
                               "with inner": {service: round(count / max(1, self.synced), 4)
                                              for service, count in self.exchange_inner.items()}},
            "single edits": {side: _shares(spent, number) for side, (number, spent) in self.edits.items()},
            "at rest": {"mailboxes": self.mailboxes, "seconds": self.idle_s,
                        "per hour": _shares(self.idle, self.idle_s / 3_600.0)},
            "memory MiB": {name: one.now_mib for name, one in self.memory.items()},
            "routes": self.routes,
        }  # fmt: skip


def _shares(spent: Requests, parts: float) -> dict[str, float]:
    """Requests of each service and kind, divided. Pure."""
    return {f"{service} {kind}": round(count / parts, 4) for (service, kind), count in sorted(spent.items()) if parts}


def measure(events: int, mailboxes: int, say: Any) -> Costs:
    """Measure what is asked for; 0 leaves a part out. Raises ConcordError when something does not come up."""
    costs = Costs()
    if events:
        with _running(USERS, int(events * SEEDED_PER_SYNCED), say) as env:
            _Busy(env, costs, say).run()
    if mailboxes:
        with _running(mailboxes, mailboxes, say) as env:
            _at_rest(env, mailboxes, costs, say)
    return costs


@contextmanager
def _running(users: int, events: int, say: Any) -> Iterator[Environment]:
    """A firm of that size, with production's intervals."""
    state_dir = Path(tempfile.mkdtemp(prefix="concord-cost-"))
    seed = build_firm(datetime.now(UTC), users, 100, events)
    say(f"Starting everything for {users:,} mailboxes and {events:,} events")
    try:
        options = DevOptions(port_base=0, seed=seed, state_dir=state_dir, variables=PRODUCTION)
        with environment(options) as env:
            broker, begun = env.broker.address, time.monotonic()
            while len(read_directory(broker).complete_sides) < 2:
                if time.monotonic() - begun > DIRECTORY_S:
                    raise ConcordError(f"The directories were not read within {DIRECTORY_S:.0f} s.")
                time.sleep(1.0)
            yield env
    finally:
        shutil.rmtree(state_dir, ignore_errors=True)


def _enable(env: Environment) -> Any:
    broker = env.broker.address
    confirm(broker, by=BY)
    set_settings(broker, SETTINGS, by=BY)
    return switch_users(broker, [], enable=True, every=True, by=BY)


def _until_quiet(meter: Meter, limit_s: float, quiet_s: float = QUIET_S) -> float:
    """Wait until nothing was asked for a while; the moment of the last request."""
    begun = last = time.monotonic()
    was = meter.read()
    while time.monotonic() - last < quiet_s:
        if time.monotonic() - begun > limit_s:
            raise ConcordError(f"It did not come to rest within {limit_s:.0f} s.")
        time.sleep(0.5)
        now = meter.read()
        if now != was:
            was, last = now, time.monotonic()
    return last


class _Busy:
    """The first exchange, then edits one at a time."""

    def __init__(self, env: Environment, costs: Costs, say: Any) -> None:
        variables = env.simulators.environment()
        outlook = Outlook(env.simulators.graph_url, variables["GRAPH_TOKEN"])
        practifi = Practifi(env.simulators.salesforce_url, variables["SF_TOKEN"], variables["SF_VERSION"])
        self._env = env
        self._costs = costs
        self._say = say
        self._players = Players(outlook, practifi)
        self._observer = Observer(env.simulators, lambda _: None)
        self._meter = Meter(env.simulators)

    def run(self) -> None:
        """Both, in turn."""
        players = self._players
        with ExitStack() as stack:
            stack.callback(players.outlook.close)
            stack.callback(players.practifi.close)
            stack.enter_context(self._observer)
            self._exchange()
            pairs = [pair for one in fold_journal(self._env.broker.address).values() for pair in one.pairs.values()]
            players.pool.seed(meetings_of(pairs))
            players.contacts = players.practifi_contacts()
            self._edits()

    def _exchange(self) -> None:
        self._say("First exchange")
        before, inner, begun = self._meter.read(), self._meter.inner(), time.monotonic()
        self._players.users = [user for user in _enable(self._env).users if user.is_enabled]
        while not self._observer.salesforce_creates and time.monotonic() - begun < EXCHANGE_S:
            time.sleep(0.5)
        # A busy machine asks nothing for a while in the middle of the work.
        wait_settled(self._env.broker.address, EXCHANGE_S)
        ended = _until_quiet(self._meter, EXCHANGE_S)
        costs = self._costs
        costs.synced, costs.seconds = self._observer.salesforce_creates, ended - begun
        costs.exchange, costs.exchange_inner = self._meter.read() - before, self._meter.inner() - inner
        costs.routes = self._meter.routes()
        costs.memory = footprints(self._env.roles)

    def _edits(self, number: int = 5) -> None:
        for side in Side:
            written = SALESFORCE if side is Side.GRAPH else MICROSOFT
            self._say(f"{number} single edits that are written to {written}")
            spent: Requests = Counter()
            for place in range(number):
                before = self._meter.read()
                expected = self._players.expect(Act(place + 1, 0.0, side, Kind.EDIT), "Cost")
                self._players.perform(expected, self._observer)
                self._observer.wait(SHOW_S)
                self._observer.forget(expected)
                time.sleep(ECHO_S)
                spent += self._meter.read() - before
            self._costs.edits[written] = number, Counter({key: n for key, n in spent.items() if key[0] == written})


def _at_rest(env: Environment, mailboxes: int, costs: Costs, say: Any) -> None:
    meter = Meter(env.simulators)
    say(f"First look at {mailboxes:,} mailboxes")
    _enable(env)
    while sum(meter.read().values()) < mailboxes:
        time.sleep(1.0)
    _until_quiet(meter, EXCHANGE_S, 5.0)
    say(f"{mailboxes:,} mailboxes at rest, for {ROUND_S:.0f} s")
    before = meter.read()
    time.sleep(ROUND_S)
    costs.mailboxes, costs.idle_s, costs.idle = mailboxes, ROUND_S, meter.read() - before
    costs.memory = footprints(env.roles)


def lines(costs: Costs) -> Iterator[str]:
    """The figures in words. Pure."""
    if costs.synced:
        yield f"First exchange: {costs.synced:,} events came to be in Practifi in {costs.seconds:,.0f} s."
        for service in (MICROSOFT, SALESFORCE):
            kinds = {kind: costs.exchange[service, kind] for kind in (READ, WRITE, SIGN_IN)}
            told = ", ".join(f"{kind} {count / costs.synced:.4f}" for kind, count in kinds.items())
            yield f"  {service}: {sum(kinds.values()) / costs.synced:.4f} requests an event ({told})"
            yield f"    with those inside others {costs.exchange_inner[service] / costs.synced:.2f}"
    for written, (number, spent) in costs.edits.items():
        kinds = ", ".join(f"{kind} {count / number:.1f}" for (_, kind), count in sorted(spent.items()))
        yield f"Single edits written to {written}: {sum(spent.values()) / number:.1f} requests an edit ({kinds})"
    if costs.mailboxes:
        yield f"{costs.mailboxes:,} mailboxes at rest for {costs.idle_s:.0f} s:"
        for service in (MICROSOFT, SALESFORCE):
            count = sum(n for (of, _), n in costs.idle.items() if of == service)
            yield f"  {service}: {count * 3_600 / costs.idle_s:,.0f} requests an hour"
    for name, one in costs.memory.items():
        yield f"  {name}: {one.now_mib or 0:.0f} MiB resident, {one.peak_mib or 0:.0f} at its highest"


def main(
    events: Annotated[int, typer.Option(min=0, help="Events of the first exchange; 0: none.")] = 20_000,
    mailboxes: Annotated[int, typer.Option(min=0, help="Mailboxes at rest; 0: none.")] = 2_000,
    as_document: Annotated[bool, typer.Option("--json", help="Print JSON, with requests by path.")] = False,
) -> None:
    """Measure HTTP requests per event, per edit and at rest. With the defaults this takes half an hour and more."""
    configure_logs("WARNING")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    try:
        costs = measure(events, mailboxes, lambda line: err.print(f"{line} ..."))
    except ConcordError as error:
        err.print(str(error), highlight=False)
        raise typer.Exit(1) from None
    if as_document:
        print_json(costs.as_json())
    else:
        for line in lines(costs):
            out.print(line, highlight=False, markup=False)


if __name__ == "__main__":
    typer.run(main)
