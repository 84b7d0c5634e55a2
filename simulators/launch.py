"""Both simulators on their ports: for the command line until a signal comes, for tests and demos as a `with` block."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import FrameType
from typing import Final, ParamSpec, TextIO, TypeVar

import httpx

from schemas.errors import ConfigError
from simulators.actions import graph_actions, salesforce_actions
from simulators.certificates import Certificates, load_certificates, state_folder
from simulators.clock import SimulatorClock
from simulators.firm import build_firm
from simulators.graph.errors import GraphError
from simulators.graph.service import GraphSimulator
from simulators.hosting import Host, Hosted
from simulators.http import Delivery, Response
from simulators.ics import ImportReport, import_ics
from simulators.persistence import Parts, load, save
from simulators.pubsub.actions import pubsub_actions
from simulators.pubsub.behaviour import PubSubBehaviour
from simulators.pubsub.bus import BusPlan, EventBus
from simulators.pubsub.server import Listening, PubSubServer
from simulators.pubsub.service import StreamingOrg
from simulators.salesforce.errors import SalesforceError
from simulators.salesforce.service import SalesforceSimulator
from simulators.seed import Seed, read_seed
from simulators.seeding_graph import CLIENT_ID as GRAPH_CLIENT_ID
from simulators.seeding_graph import CLIENT_SECRET as GRAPH_CLIENT_SECRET
from simulators.seeding_graph import CONSOLE_CLIENT_ID, CONSOLE_CLIENT_SECRET, build_graph
from simulators.seeding_graph import STATIC_TOKEN as GRAPH_TOKEN
from simulators.seeding_salesforce import CLIENT_ID as SF_CLIENT_ID
from simulators.seeding_salesforce import CLIENT_SECRET as SF_CLIENT_SECRET
from simulators.seeding_salesforce import STATIC_TOKEN as SF_TOKEN
from simulators.seeding_salesforce import build_salesforce
from simulators.server import Edge

P = ParamSpec("P")
T = TypeVar("T")

# Ports above the base: plain for Graph, Salesforce and its Pub/Sub API, and the same over TLS ten further on.
GRAPH_PORT: Final = 1
SALESFORCE_PORT: Final = 2
PUBSUB_PORT: Final = 3
TLS_OFFSET: Final = 10

BUS_RNG_SEED: Final = 3


@dataclass(frozen=True)
class SimulatorOptions:
    """How to start. `port_base` 0 takes free ports; `seed` wins over `seed_file`, without either the small firm stands.

    `state_dir` holds the certificate authority, None takes the user's state folder. `persist` names a file in which
    both services' data are kept from one start to the next: what it holds wins over the seed.
    """

    host: str = "127.0.0.1"
    port_base: int = 8900
    seed_file: Path | None = None
    ics: tuple[Path, ...] = ()
    print_env: bool = False
    persist: Path | None = None
    seed: Seed | None = None
    state_dir: Path | None = None
    pubsub_behaviour: PubSubBehaviour | None = None
    pubsub_plan: BusPlan | None = None
    graph_ahead_s: float = 0.0
    """How far Graph's clock is ahead of this machine's, in seconds; negative: behind."""
    salesforce_ahead_s: float = 0.0


@dataclass(frozen=True)
class Simulators:
    """Both services, listening. Touch `graph` only through `on_graph`, `salesforce` and `bus` by `on_salesforce`."""

    graph_hosted: Hosted
    salesforce_hosted: Hosted
    graph: GraphSimulator
    salesforce: SalesforceSimulator
    certificates: Certificates
    bus: EventBus
    pubsub: Listening
    reports: tuple[ImportReport, ...] = ()
    """What became of the iCalendar files."""

    @property
    def graph_url(self) -> str:
        """Graph's base URL over plain HTTP, ending in /v1.0."""
        return f"{self.graph_hosted.url}/v1.0"

    @property
    def graph_tls_url(self) -> str:
        """Graph's base URL over TLS, ending in /v1.0."""
        return f"{self.graph_hosted.tls_url}/v1.0"

    @property
    def salesforce_url(self) -> str:
        """The org's URL over plain HTTP."""
        return self.salesforce_hosted.url

    @property
    def salesforce_tls_url(self) -> str:
        """The org's URL over TLS."""
        return self.salesforce_hosted.tls_url

    def on_graph(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call a function on Graph's own thread, e.g. `on_graph(sims.graph.events_of, address)`. Blocks."""
        return self.graph_hosted.edge.call(lambda: function(*arguments, **named))

    def on_salesforce(self, function: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call a function on Salesforce's own thread. Blocks."""
        return self.salesforce_hosted.edge.call(lambda: function(*arguments, **named))

    def environment(self) -> dict[str, str]:
        """What a client needs to know, as environment variables."""
        tenant = self.graph.tenant
        return {
            "GRAPH_URL": self.graph_url,
            "GRAPH_TOKEN": GRAPH_TOKEN,
            "GRAPH_USER": first_mailbox(self.graph),
            "GRAPH_TENANT": tenant.id,
            "GRAPH_CLIENT_ID": GRAPH_CLIENT_ID,
            "GRAPH_CLIENT_SECRET": GRAPH_CLIENT_SECRET,
            "GRAPH_CONSOLE_CLIENT_ID": CONSOLE_CLIENT_ID,
            "GRAPH_CONSOLE_CLIENT_SECRET": CONSOLE_CLIENT_SECRET,
            "GRAPH_AUTHORITY": f"{self.graph_hosted.tls_url}/{tenant.id}",
            "GRAPH_TLS_URL": self.graph_tls_url,
            "SF_URL": self.salesforce_url,
            "SF_TOKEN": SF_TOKEN,
            "SF_CLIENT_ID": SF_CLIENT_ID,
            "SF_CLIENT_SECRET": SF_CLIENT_SECRET,
            "SF_ORG": self.salesforce.org.id,
            "SF_VERSION": self.salesforce.org.release,
            "SF_TLS_URL": self.salesforce_tls_url,
            "PUBSUB_ADDR": self.pubsub.address,
            "PUBSUB_TLS_ADDR": self.pubsub.tls_address,
            "CONCORD_CA_FILE": str(self.certificates.ca_file),
        }


def first_mailbox(graph: GraphSimulator) -> str:
    """The address of the first user: GRAPH_USER, and where iCalendar files go."""
    return next(user.user_principal_name for user in graph.world.users.values())


@contextmanager
def running_simulators(options: SimulatorOptions | None = None) -> Iterator[Simulators]:
    """Both simulators for the length of a `with` block; without options on free ports with the small firm.

    Raises ConfigError before anything listens: a taken port, a bad seed file, a bad persist file.
    """
    options = options or SimulatorOptions(port_base=0)
    certificates = load_certificates(options.state_dir or state_folder(os.environ))
    seed = options.seed or _seed_of(options)
    graph_clock, salesforce_clock = SimulatorClock(), SimulatorClock()
    graph_clock.advance(options.graph_ahead_s)
    salesforce_clock.advance(options.salesforce_ahead_s)
    with httpx.Client(verify=certificates.client_context(), trust_env=False) as webhooks:
        try:
            graph = build_graph(seed, graph_clock, call=lambda delivery: _send(webhooks, delivery))
            salesforce = build_salesforce(seed, salesforce_clock)
        except (GraphError, SalesforceError) as problem:
            raise ConfigError([f"the seed breaks a rule of the service: {problem}"]) from None
        bus = EventBus(
            salesforce, random.Random(BUS_RNG_SEED), plan=options.pubsub_plan, behaviour=options.pubsub_behaviour
        )
        streaming = StreamingOrg(salesforce, bus)
        parts: Parts = {"graph": (graph, graph_clock), "salesforce": (streaming, salesforce_clock)}
        reports = _fill(options, graph, parts)
        graph_edge = Edge("graph", graph, graph_clock, graph_actions(graph), certificates.client_context())
        actions = (*salesforce_actions(salesforce), *pubsub_actions(bus))
        salesforce_edge = Edge("salesforce", streaming, salesforce_clock, actions)
        pubsub = PubSubServer(bus, salesforce_edge.call)
        host = Host(certificates.server_context, options.host)
        is_running = False
        try:
            graph_hosted = host.add(graph_edge, *_ports(options.port_base, GRAPH_PORT))
            salesforce_hosted = host.add(salesforce_edge, *_ports(options.port_base, SALESFORCE_PORT))
            listening = pubsub.listen(
                options.host, *_ports(options.port_base, PUBSUB_PORT), certificate=certificates.server_pem
            )
            host.start()
            pubsub.start()
            is_running = True
            yield Simulators(
                graph_hosted, salesforce_hosted, graph, salesforce, certificates, bus, listening, reports=reports
            )
        finally:
            # Its calls run on the edge's thread, which must outlive them.
            pubsub.stop()
            host.stop()
            if options.persist is not None and is_running:
                save(options.persist, parts)


def run_simulators(options: SimulatorOptions, output: TextIO | None = None) -> int:
    """Serve until SIGINT or SIGTERM, from the main thread; returns the exit code. Raises ConfigError before serving.

    With `print_env` the environment goes to standard output once everything listens; all else to standard error.
    """
    output = output or sys.stdout
    stopping = threading.Event()

    def stop(number: int, frame: FrameType | None) -> None:
        stopping.set()

    previous = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with running_simulators(options) as simulators:
            for line in report_lines(simulators.reports):
                _say(line)
            if options.print_env:
                output.write("".join(f"{name}={value}\n" for name, value in simulators.environment().items()))
                output.flush()
            _say(f"Microsoft Graph at {simulators.graph_url}, over TLS at {simulators.graph_tls_url}")
            _say(f"Salesforce at {simulators.salesforce_url}, over TLS at {simulators.salesforce_tls_url}")
            listening = simulators.pubsub
            _say(f"Its Pub/Sub API (gRPC) at {listening.address}, over TLS at {listening.tls_address}")
            _say("What they were asked and did is at /_sim/ on each. Ctrl-C stops them.")
            stopping.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0


def report_lines(reports: tuple[ImportReport, ...]) -> Iterator[str]:
    """What became of iCalendar files, for a person: the counts of each, then every refusal and note. Pure."""
    for report in reports:
        yield report.sentence()
        for refusal in report.refused:
            yield f"  refused {refusal.subject or refusal.uid or '(no subject)'}: {refusal.reason}"
        for note in report.notes:
            yield f"  {note}"


def _seed_of(options: SimulatorOptions) -> Seed:
    now = datetime.now(UTC)
    if options.seed_file is None:
        return build_firm(now)
    try:
        text = options.seed_file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as problem:
        raise ConfigError([f"the seed file {options.seed_file} cannot be read: {problem}"]) from None
    return read_seed(text, now)


def _fill(options: SimulatorOptions, graph: GraphSimulator, parts: Parts) -> tuple[ImportReport, ...]:
    """Import the iCalendar files; what was persisted comes first, so that a file is not imported twice."""
    is_restored = options.persist is not None and load(options.persist, parts)
    mailbox = first_mailbox(graph)
    reports = tuple(import_ics(graph, path, mailbox) for path in options.ics)
    if not is_restored:
        graph.mark_seeded()
    return reports


def _ports(base: int, offset: int) -> tuple[int, int]:
    return (base + offset, base + TLS_OFFSET + offset) if base else (0, 0)


def _send(client: httpx.Client, delivery: Delivery) -> Response | None:
    """Send one request of the service's own; None when no answer came in time."""
    try:
        reply = client.request(
            delivery.method,
            delivery.url,
            headers=dict(delivery.headers),
            content=delivery.body,
            timeout=delivery.timeout_s,
        )
    except (httpx.HTTPError, httpx.InvalidURL, OSError):
        return None
    return Response(reply.status_code, dict(reply.headers), reply.content)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
