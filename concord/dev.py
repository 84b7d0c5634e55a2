"""Everything on one machine: broker, simulators, every role, fast polling. For `concord dev` and the demo."""

from __future__ import annotations

import contextlib
import json
import os
import random
import shlex
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import Final, Literal
from urllib.parse import urlsplit

from concord.broker import DevelopmentBroker, start_broker
from concord.broker_settings import process_started
from concord.changing import confirm, current_settings, read_directory
from concord.console.accounts import FILE, FIRST, Accounts
from concord.processes import CONSOLE, EXPORTER, PROJECT, ROLES, RoleProcesses, end_leftovers, order
from concord.registry import install
from concord.registry.client import registry_of
from concord.registry.ids import current_config, provision
from concord.topics import create_topics
from schemas.errors import ConfigError
from schemas.topics import DEFAULT_PARTITIONS, TOPICS
from simulators.launch import SimulatorOptions, Simulators, report_lines, running_simulators
from simulators.salesforce.objects.practifi import ORIGIN
from simulators.seed import Seed

STATE_DIR: Final = Path(".concord")
PID_FILE: Final = "dev.pid"
ENV_FILE: Final = "env"
ORDERS_FILE: Final = "away"
ROLES_FILE: Final = "roles.json"
TARGETS_FILE: Final = "targets.json"

# Metrics of the exporter are served on the port base and this, those of each role on the ports after it.
METRICS_OFFSET: Final = 30
# The console is served on the port base and this.
CONSOLE_OFFSET: Final = 40
# Ports below those that Linux and macOS give to outgoing connections.
LISTENING: Final = (20_000, 32_000)

# Longest wait for both directories before the welcome, in seconds: it takes eight on two idle cores.
PEOPLE_S: Final = 60.0
# Longest wait for an earlier `concord dev` to end, in seconds: roles, simulators and broker together.
STOP_S: Final = 40.0

# Seconds between two polls of Salesforce.
POLL_S: Final = {"cdc": "2", "polling": "0.5"}
# Fast enough to watch; production's own figures are the defaults of `concord.config`.
FAST: Final = {
    "CONCORD_GRAPH_TIMER_S": "5",
    "CONCORD_SALESFORCE_OVERLAP_S": "5",
    "CONCORD_DIRECTORY_S": "10",
    "CONCORD_SWEEP_S": "20",
}


@dataclass(frozen=True)
class DevOptions:
    """How to start. `state_dir` holds worker state, logs and the process id; `port_base` 0 takes free ports."""

    port_base: int = 8900
    seed_file: Path | None = None
    ics: tuple[Path, ...] = ()
    persist: Path | None = None
    print_env: bool = False
    seed: Seed | None = None
    state_dir: Path = STATE_DIR
    needs_empty_broker: bool = False
    """Refuse a broker on which Concord's topics stand already."""
    changes: Literal["cdc", "polling"] = "cdc"
    """How changes in Salesforce are noticed."""
    exporter: bool = False
    """Whether the exporter runs as well."""
    read_models: bool = False
    """Keep the read models too: one process more."""
    console: bool = False
    """Whether the administrator's console runs as well."""
    graph_ahead_s: float = 0.0
    """How far the clock of the Graph simulator is ahead, in seconds; negative: behind."""
    salesforce_ahead_s: float = 0.0
    variables: Mapping[str, str] = field(default_factory=dict)
    """Variables of the roles in place of the usual ones."""


@dataclass(frozen=True)
class Environment:
    """What runs: the broker, both simulators, the roles, the variables that reach them, where each role serves its
    metrics (a port), and the first password of the console when it has just been made."""

    broker: DevelopmentBroker
    simulators: Simulators
    roles: RoleProcesses
    variables: dict[str, str]
    metrics: dict[str, int]
    password: str | None = None


def metrics_ports(port_base: int, roles: Iterable[str]) -> dict[str, int]:
    """Where each role serves its metrics: the same port in every run, or free ones for a port base of 0."""
    order = (EXPORTER, *ROLES, PROJECT)
    first = port_base + METRICS_OFFSET if port_base else _first_of_free_ports(len(order))
    return {role: first + order.index(role) for role in roles}


def _first_of_free_ports(count: int) -> int:
    """Where so many ports in a row are free that no outgoing connection takes: a role that starts again needs its own
    again."""
    while True:
        first = random.randrange(*LISTENING)
        with ExitStack() as stack, contextlib.suppress(OSError):
            for port in range(first, first + count):
                stack.enter_context(socket.socket()).bind(("127.0.0.1", port))
            return first


def write_targets(path: Path, metrics: Mapping[str, int]) -> None:
    """What to scrape, as Prometheus reads it from a file (`file_sd_configs`)."""
    found = [{"targets": [f"127.0.0.1:{port}"], "labels": {"role": role}} for role, port in metrics.items()]
    path.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


def free_port() -> int:
    """A port that is free now on the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def role_variables(
    broker: str, simulators: Simulators, state_dir: Path, changes: Literal["cdc", "polling"] = "cdc"
) -> dict[str, str]:
    """The configuration that points the roles at this broker and at the simulators over TLS.

    Change events say how a record was saved; polls alone read it from a field of the org.
    """
    env = simulators.environment()
    webhook = f"127.0.0.1:{free_port()}"
    fields = state_dir / "fields.json"
    fields.write_text(json.dumps({} if changes == "cdc" else {"origin": ORIGIN}), encoding="utf-8")
    authority = urlsplit(env["GRAPH_AUTHORITY"])
    return {
        "CONCORD_BROKER": broker,
        "CONCORD_PARTITIONS": str(DEFAULT_PARTITIONS),
        "CONCORD_DATA_DIR": str(state_dir / "data"),
        "CONCORD_GRAPH_URL": env["GRAPH_TLS_URL"],
        "CONCORD_GRAPH_AUTHORITY": f"{authority.scheme}://{authority.netloc}",
        "CONCORD_GRAPH_TENANT": env["GRAPH_TENANT"],
        "CONCORD_GRAPH_CLIENT_ID": env["GRAPH_CLIENT_ID"],
        "CONCORD_GRAPH_CLIENT_SECRET": env["GRAPH_CLIENT_SECRET"],
        "CONCORD_CONSOLE_CLIENT_ID": env["GRAPH_CONSOLE_CLIENT_ID"],
        "CONCORD_CONSOLE_CLIENT_SECRET": env["GRAPH_CONSOLE_CLIENT_SECRET"],
        "CONCORD_SALESFORCE_URL": env["SF_TLS_URL"],
        "CONCORD_SALESFORCE_CLIENT_ID": env["SF_CLIENT_ID"],
        "CONCORD_SALESFORCE_CLIENT_SECRET": env["SF_CLIENT_SECRET"],
        "CONCORD_SALESFORCE_FIELDS": str(fields),
        "CONCORD_SALESFORCE_CHANGES": changes,
        "CONCORD_SALESFORCE_POLL_S": POLL_S[changes],
        "CONCORD_PUBSUB_ADDR": env["PUBSUB_TLS_ADDR"],
        "CONCORD_CA_FILE": env["CONCORD_CA_FILE"],
        "CONCORD_WEBHOOK_URL": f"http://{webhook}",
        "CONCORD_WEBHOOK_LISTEN": webhook,
        **FAST,
    }


def _unheard(_: str) -> None:
    """Nobody wants to know what is ready."""


@contextmanager
def environment(options: DevOptions, on_ready: Callable[[str], None] = _unheard) -> Iterator[Environment]:
    """Everything, for the length of a `with` block; `on_ready` is told each part that has started.

    Raises ConfigError before anything runs half.
    """
    options.state_dir.mkdir(parents=True, exist_ok=True)
    state_dir = options.state_dir.resolve()
    with ExitStack() as stack:
        broker = stack.enter_context(start_broker())
        on_ready("Kafka")
        install(broker.address)
        if broker.kind != "given":
            # Its topics are new: what workers kept of an earlier broker's would be taken for this one's.
            shutil.rmtree(state_dir / "data", ignore_errors=True)
        simulators = stack.enter_context(
            running_simulators(
                SimulatorOptions(
                    port_base=options.port_base, seed_file=options.seed_file, ics=options.ics,
                    persist=options.persist, seed=options.seed, graph_ahead_s=options.graph_ahead_s,
                    salesforce_ahead_s=options.salesforce_ahead_s,
                )
            )
        )  # fmt: skip
        on_ready("simulators")
        created = create_topics(broker.address, partitions=DEFAULT_PARTITIONS, replication=1)
        if options.needs_empty_broker and len(created) < len(TOPICS):
            raise ConfigError(
                [f"Concord's topics stand already on the broker at {broker.address}, and this needs one without"],
                "Unset CONCORD_BROKER to let one be started.",
            )
        _register_schemas(broker.address)
        on_ready("topics")
        variables = role_variables(broker.address, simulators, state_dir, options.changes) | dict(options.variables)
        end_leftovers(state_dir / ROLES_FILE)
        more = ((EXPORTER, options.exporter), (PROJECT, options.read_models))
        names = (*ROLES, *(name for name, is_asked_for in more if is_asked_for))
        metrics = metrics_ports(options.port_base, names)
        write_targets(state_dir / TARGETS_FILE, metrics)
        own = {role: {"CONCORD_METRICS_PORT": str(port)} for role, port in metrics.items()}
        password = None
        if options.console:
            names = (*names, CONSOLE)
            port = options.port_base + CONSOLE_OFFSET if options.port_base else free_port()
            variables["CONCORD_CONSOLE_LISTEN"] = f"127.0.0.1:{port}"
            password = Accounts(state_dir / "data" / FILE).first_password()  # here, so that no log holds it
        (state_dir / ORDERS_FILE).unlink(missing_ok=True)
        roles = RoleProcesses(
            variables, state_dir / "logs", names, state_dir / ROLES_FILE, own, state_dir / ORDERS_FILE
        )
        stack.callback(roles.stop)
        roles.start()
        on_ready("roles")
        yield Environment(broker, simulators, roles, variables, metrics, password)


def _register_schemas(broker: str) -> None:
    """With the schema registry that this environment names, if it names one. Raises ConcordError."""
    registry = registry_of(current_config())
    if registry is not None:
        provision(broker, registry)


class Interruptions:
    """Signals that ask this process to end: the first raises KeyboardInterrupt, later ones are not heard."""

    def __init__(self) -> None:
        self._is_heard = True

    def ignore(self) -> None:
        """From now on none is heard: what stops everything in order must not be cut short."""
        self._is_heard = False

    def __call__(self, _: int, __: FrameType | None) -> None:
        """The signal handler."""
        if self._is_heard:
            self._is_heard = False
            raise KeyboardInterrupt


@contextmanager
def ended_by_signals() -> Iterator[Interruptions]:
    """SIGINT, SIGTERM and SIGHUP end a `with` block by KeyboardInterrupt. For the main thread."""
    interruptions = Interruptions()
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    previous = {number: signal.signal(number, interruptions) for number in numbers}
    try:
        yield interruptions
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def run_dev(options: DevOptions) -> int:
    """Run until a signal comes. Returns the exit code. Raises ConfigError when this folder's own runs already."""
    pid_file = options.state_dir / PID_FILE
    env_file = options.state_dir / ENV_FILE
    pid = _running_dev(pid_file)
    if pid is not None:
        raise ConfigError(
            [f"Concord runs here already, as process {pid}"], "`make down` (`concord dev --stop`) ends it."
        )
    with ended_by_signals() as interruptions, contextlib.suppress(KeyboardInterrupt):
        try:
            _say("Starting Kafka, the simulators and every role ...")
            options.state_dir.mkdir(parents=True, exist_ok=True)
            pid_file.write_text(f"{os.getpid()} {process_started(os.getpid())}\n", encoding="utf-8")
            with environment(options) as env:
                if not options.print_env:
                    _wait_for_people(env.broker.address)
                if current_settings(env.broker.address).preflight_at is None:
                    confirm(env.broker.address, by="dev")  # nobody's mails leave the simulators
                write_env_file(env_file, env.variables)
                lines = [f"{name}={value}" for name, value in env.simulators.environment().items()]
                lines.append(f"CONCORD_BROKER={env.broker.address}")
                sys.stdout.write("\n".join(lines) + "\n" if options.print_env else _welcome(options, env))
                sys.stdout.flush()
                for line in report_lines(env.simulators.reports):
                    _say(line)
                try:
                    threading.Event().wait()
                finally:
                    interruptions.ignore()
                    _say("Stopping ...")
        finally:
            pid_file.unlink(missing_ok=True)
            env_file.unlink(missing_ok=True)
    return 0


def write_env_file(path: Path, variables: dict[str, str]) -> None:
    """What a shell sources so that every command talks to what runs here; only its owner may read it."""
    path.touch(mode=0o600)
    lines = (f"export {name}={shlex.quote(value)}\n" for name, value in variables.items())
    path.write_text("".join(lines), encoding="utf-8")


def _wait_for_people(broker: str) -> None:
    """Wait until both sides' people are known, a while at most: the first thing that is tried by hand needs them."""
    deadline = time.monotonic() + PEOPLE_S
    while len(read_directory(broker).complete_sides) < 2 and time.monotonic() < deadline:
        time.sleep(0.5)


def _say(line: str) -> None:
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()


def _welcome(options: DevOptions, env: Environment) -> str:
    return f"""Concord runs against the bundled simulators. Ctrl-C ends it.

  Microsoft Graph   {env.simulators.graph_url}
  Salesforce        {env.simulators.salesforce_url}
  Kafka             {env.broker.address}
  console           {_console_words(env)}
  logs              {options.state_dir / "logs"}
  metrics           http://127.0.0.1:{env.metrics[EXPORTER]}/metrics, each role's in {options.state_dir / TARGETS_FILE}

In another terminal:
  source {options.state_dir / ENV_FILE}
  concord users list
  concord users enable --all
  concord preflight
  concord settings set direction=two_way
  concord status --wait 60
"""


def _console_words(env: Environment) -> str:
    """Where the console is, and how to sign in."""
    with_what = f"with the password {env.password} (shown only now)"
    if env.password is None:
        with_what = "(`concord console reset` makes a new password)"
    return f"http://{env.variables['CONCORD_CONSOLE_LISTEN']}, sign in as {FIRST} {with_what}"


def _running_dev(pid_file: Path) -> int | None:
    """The process that a file names, None when there is none or its number belongs to another process by now."""
    try:
        pid, started = pid_file.read_text(encoding="utf-8").split()
        return int(pid) if process_started(int(pid)) == started else None
    except (OSError, ValueError):
        return None


def halt_role(role: str, *, away: bool, state_dir: Path = STATE_DIR) -> None:
    """Stop one role of this folder's `concord dev`, or start it again, and wait for it. Raises ConfigError."""
    if role not in ROLES:
        raise ConfigError([f"There is no role {role}"], f"Roles: {', '.join(ROLES)}.")
    if _running_dev(state_dir / PID_FILE) is None:
        raise ConfigError(["No `concord dev` runs in this folder"], "Start one with `make up`.")
    if not order(state_dir / ORDERS_FILE, state_dir / ROLES_FILE, role, away=away):
        raise ConfigError([f"{role} did not {'stop' if away else 'start'} in time"], "Look into .concord/logs.")


def stop_dev(state_dir: Path = STATE_DIR) -> int:
    """End what an earlier `concord dev` of this folder left running, and wait for its end.

    Returns 0, also when nothing ran; 1 when it does not end.
    """
    pid_file = state_dir / PID_FILE
    pid = _running_dev(pid_file)
    orphans = end_leftovers(state_dir / ROLES_FILE) if pid is None else 0
    if pid is None:
        pid_file.unlink(missing_ok=True)
        sys.stdout.write(f"Ended {orphans} roles that were left over.\n" if orphans else "Nothing is running.\n")
        return 0
    os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_S
    while _running_dev(pid_file) is not None:
        if time.monotonic() > deadline:
            sys.stdout.write(f"Process {pid} has not stopped within {STOP_S:.0f} s.\n")
            return 1
        time.sleep(0.1)
    sys.stdout.write(f"Stopped process {pid}.\n")
    return 0
