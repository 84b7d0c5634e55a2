"""What a development broker is configured with and how it is asked whether it is ready; starts no process itself.

For the `concord.broker*` modules only.
"""

from __future__ import annotations

import os
import re
import socket
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from string import Template
from typing import Any

from kafka import KafkaAdminClient
from kafka.errors import KafkaError
from kafka.net.compat import KafkaNetClient

from schemas.errors import ConfigError

KAFKA_VERSION = "4.3.1"

# Longest wait for a broker that was just started, in seconds. Alone on two cores it answers after 1.5 s, when it was
# killed before after 5.5 s (its old registration must expire); beside a test suite it was ten times slower.
READY_DEADLINE_S = 90.0

# How often a starting broker's port is tried, in seconds: a connection attempt costs microseconds.
READY_POLL_S = 0.1


class BrokerError(ConfigError):
    """A development broker cannot be started, reached or controlled: `what` happened, `fix` says what to do."""

    def __init__(self, what: str, fix: str = "") -> None:
        super().__init__([what], fix)


class PortTaken(BrokerError):
    """Another process took a port between its choice and the broker's start."""


def kafka_files() -> Path:
    """The folder with pom.xml, server.properties.template and log4j2.properties. Raises BrokerError if absent."""
    here = Path(__file__).resolve().parent
    for folder in (here / "kafka", here.parent / "deploy" / "kafka"):
        if (folder / "pom.xml").is_file():
            return folder
    raise BrokerError(
        "The files that start a development broker (deploy/kafka) are not installed.",
        "Run from a clone of the repository, or set CONCORD_BROKER to the address of a Kafka broker.",
    )


def cache_folder(environ: Mapping[str, str]) -> Path:
    """Where downloaded jars stay between runs: $XDG_CACHE_HOME/concord or ~/.cache/concord."""
    base = environ.get("XDG_CACHE_HOME") or str(Path(environ.get("HOME") or Path.home()) / ".cache")
    return Path(base) / "concord"


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nothing listens on now. Another process may take it before it is used."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def server_properties(port: int, controller_port: int, log_dirs: str, listen_host: str = "127.0.0.1") -> str:
    """The text of server.properties for one node that clients reach at 127.0.0.1:`port`."""
    template = Template((kafka_files() / "server.properties.template").read_text(encoding="utf-8"))
    return template.substitute(port=port, controller_port=controller_port, log_dirs=log_dirs, listen_host=listen_host)


def environment_of(properties: str) -> dict[str, str]:
    """The same settings as the environment variables that the official image reads. Pure."""
    settings: dict[str, str] = {}
    for line in properties.splitlines():
        name, separator, value = line.strip().partition("=")
        if separator and not name.startswith("#"):
            settings["KAFKA_" + re.sub(r"\.", "_", name).upper()] = value
    return settings


def is_ready(address: str, timeout_s: float) -> bool:
    """Whether a Kafka broker answers at `address` (host:port, several by comma) and has registered itself."""
    # kafka-python leaks a socket for each refused connection, so refusal is noticed without it.
    if not any(_accepts(one, timeout_s) for one in address.split(",")):
        return False
    clients: list[Any] = []

    def remembered(**settings: Any) -> Any:
        clients.append(KafkaNetClient(**settings))
        return clients[-1]

    try:
        admin = KafkaAdminClient(
            bootstrap_servers=address.split(","),
            bootstrap_timeout_ms=int(timeout_s * 1000),
            request_timeout_ms=int(timeout_s * 1000),
            client_id="concord-readiness",
            kafka_client=remembered,
        )
        brokers = admin.describe_cluster()["brokers"]
        return any(not broker.get("is_fenced") for broker in brokers)
    except (KafkaError, OSError, ValueError):
        return False
    finally:
        # The admin client's constructor keeps its thread and sockets when it raises, so its inner client is closed.
        for client in clients:
            client.close()


def _accepts(address: str, timeout_s: float) -> bool:
    """Whether something takes connections at host:port."""
    host, _, port = address.strip().rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=timeout_s):
            return True
    except (OSError, ValueError):
        return False


def wait_until_ready(port: int, exited: Callable[[], int | None], deadline_s: float = READY_DEADLINE_S) -> bool:
    """Wait for the broker at 127.0.0.1:`port`; False once `exited()` gives a code or the deadline has passed."""
    end = time.monotonic() + deadline_s
    while time.monotonic() < end:
        if exited() is not None:
            return False
        # The port opens before the broker has registered: only a real answer counts.
        if is_ready(f"127.0.0.1:{port}", timeout_s=5.0):
            return True
        time.sleep(READY_POLL_S)
    return False


def last_lines(path: Path, count: int = 30) -> str:
    """The end of a log file, for an error message; empty when there is no file."""
    try:
        return "\n".join(path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:])
    except OSError:
        return ""


def process_started(pid: int) -> str | None:
    """A mark of when process `pid` began, so that a reused id is not taken for it; None when it is gone.

    Reads /proc; where there is none (macOS) the mark is only that the process exists.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        if Path("/proc/self/stat").exists():
            return None
        try:
            os.kill(pid, 0)
        except OSError:
            return None
        return "running"
    fields = stat.rpartition(")")[2].split()
    # A zombie has ended; its id is only kept until its parent asks.
    return None if fields[0] == "Z" else fields[19]
