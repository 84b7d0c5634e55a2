"""Everything on one machine: broker, simulators, every role, fast polling. For `concord dev` and the demo."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Final
from urllib.parse import urlsplit

from concord.broker import DevelopmentBroker, start_broker
from concord.processes import RoleProcesses
from concord.topics import create_topics
from schemas.topics import DEFAULT_PARTITIONS
from simulators.launch import SimulatorOptions, Simulators, report_lines, running_simulators
from simulators.seed import Seed

STATE_DIR: Final = Path(".concord")
PID_FILE: Final = "dev.pid"

# Fast enough to watch; production's own figures are the defaults of `concord.config`.
FAST: Final = {
    "CONCORD_GRAPH_TIMER_S": "5",
    "CONCORD_SALESFORCE_POLL_S": "0.5",
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


@dataclass(frozen=True)
class Environment:
    """What runs: the broker, both simulators, the roles, and the variables that reach them."""

    broker: DevelopmentBroker
    simulators: Simulators
    roles: RoleProcesses
    variables: dict[str, str]


def free_port() -> int:
    """A port that is free now on the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def role_variables(broker: str, simulators: Simulators, state_dir: Path) -> dict[str, str]:
    """The configuration that points the roles at this broker and at the simulators over TLS."""
    env = simulators.environment()
    webhook = f"127.0.0.1:{free_port()}"
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
        "CONCORD_SALESFORCE_URL": env["SF_TLS_URL"],
        "CONCORD_SALESFORCE_CLIENT_ID": env["SF_CLIENT_ID"],
        "CONCORD_SALESFORCE_CLIENT_SECRET": env["SF_CLIENT_SECRET"],
        "CONCORD_CA_FILE": env["CONCORD_CA_FILE"],
        "CONCORD_WEBHOOK_URL": f"http://{webhook}",
        "CONCORD_WEBHOOK_LISTEN": webhook,
        **FAST,
    }


@contextmanager
def environment(options: DevOptions) -> Iterator[Environment]:
    """Everything, for the length of a `with` block. Raises ConfigError before anything runs half."""
    options.state_dir.mkdir(parents=True, exist_ok=True)
    state_dir = options.state_dir.resolve()
    with ExitStack() as stack:
        broker = stack.enter_context(start_broker())
        simulators = stack.enter_context(
            running_simulators(
                SimulatorOptions(
                    port_base=options.port_base, seed_file=options.seed_file, ics=options.ics,
                    persist=options.persist, seed=options.seed,
                )
            )
        )  # fmt: skip
        create_topics(broker.address, partitions=DEFAULT_PARTITIONS, replication=1)
        variables = role_variables(broker.address, simulators, state_dir)
        roles = RoleProcesses(variables, state_dir / "logs")
        stack.callback(roles.stop)
        roles.start()
        yield Environment(broker, simulators, roles, variables)


def run_dev(options: DevOptions) -> int:
    """Run until a signal comes. Returns the exit code."""
    done = threading.Event()

    def end(_: int, __: FrameType | None) -> None:
        done.set()

    previous = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    pid_file = options.state_dir / PID_FILE
    try:
        with environment(options) as env:
            pid_file.write_text(f"{os.getpid()}\n")
            lines = [f"{name}={value}" for name, value in env.simulators.environment().items()]
            lines.append(f"CONCORD_BROKER={env.broker.address}")
            sys.stdout.write("\n".join(lines) + "\n" if options.print_env else _welcome(options, env))
            sys.stdout.flush()
            for line in report_lines(env.simulators.reports):
                sys.stderr.write(line + "\n")
            done.wait()
    finally:
        pid_file.unlink(missing_ok=True)
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0


def _welcome(options: DevOptions, env: Environment) -> str:
    return f"""Concord runs against the bundled simulators. Ctrl-C ends it.

  Microsoft Graph   {env.simulators.graph_url}
  Salesforce        {env.simulators.salesforce_url}
  Kafka             {env.broker.address}
  logs              {options.state_dir / "logs"}

In another terminal:
  export CONCORD_BROKER={env.broker.address}
  concord users list
  concord users enable --all
  concord settings set direction=two_way
  concord status
"""


def stop_dev(state_dir: Path = STATE_DIR) -> int:
    """End what an earlier `concord dev` of this folder left running. Returns 0, also when nothing ran."""
    pid_file = state_dir / PID_FILE
    try:
        pid = int(pid_file.read_text())
        os.kill(pid, signal.SIGTERM)
    except (OSError, ValueError):
        pid_file.unlink(missing_ok=True)
        sys.stdout.write("Nothing is running.\n")
        return 0
    sys.stdout.write(f"Asked process {pid} to stop.\n")
    return 0
