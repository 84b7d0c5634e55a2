"""The broker in development and tests: one call that gives a Kafka broker, whatever this machine has.

First that fits: the address in CONCORD_BROKER; the official image where a Docker daemon answers; Apache Kafka itself
on Java, fetched once through Maven. Production never comes here: it names its brokers in the settings.
"""

from __future__ import annotations

import logging
import os
import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Literal, Protocol, Self

from concord.broker_cache import has_kafka_jars, kafka_jars
from concord.broker_docker import DockerBroker, docker_answers
from concord.broker_jvm import JvmBroker
from concord.broker_settings import BrokerError, cache_folder, is_ready

__all__ = ["BrokerError", "BrokerKind", "DevelopmentBroker", "choose_kind", "start_broker"]

log = logging.getLogger(__name__)

BrokerKind = Literal["given", "docker", "jvm"]

# Longest wait for the broker named in CONCORD_BROKER, in seconds.
GIVEN_DEADLINE_S = 15.0


class _Node(Protocol):
    """What the Docker and the Java way have in common."""

    @property
    def address(self) -> str: ...

    def start(self) -> None: ...

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def kill(self) -> None: ...

    def restart(self) -> None: ...

    def stop(self) -> None: ...


class DevelopmentBroker:
    """A running broker. Leaving the `with` block stops it, unless it was given by address.

    `pause`, `resume`, `kill` and `restart` are for fault tests; a given broker refuses them with BrokerError.
    """

    def __init__(self, kind: BrokerKind, address: str, node: _Node | None) -> None:
        self.kind = kind
        self.address = address
        """host:port for bootstrap, several by comma."""
        self._node = node

    @property
    def is_controllable(self) -> bool:
        """Whether faults can be made: false for a broker given by address."""
        return self._node is not None

    def pause(self) -> None:
        """Freeze the broker: connections stay open, nothing answers until `resume`."""
        self._controlled().pause()

    def resume(self) -> None:
        """Let a paused broker go on."""
        self._controlled().resume()

    def kill(self) -> None:
        """End the broker at once, as a crash would; its data stay for `restart`."""
        self._controlled().kill()

    def restart(self) -> None:
        """Stop if it runs, then start on the same address and data; returns once it answers."""
        self._controlled().restart()

    def stop(self) -> None:
        """Stop the broker and drop temporary data. Harmless when called again; does nothing to a given broker."""
        if self._node is not None:
            self._node.stop()

    def _controlled(self) -> _Node:
        if self._node is None:
            raise BrokerError(f"The broker at {self.address} was given by CONCORD_BROKER and is not ours to control.")
        return self._node

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def choose_kind(environ: Mapping[str, str] | None = None) -> BrokerKind:
    """Which of the three ways fits here. Raises BrokerError, one sentence naming what to install, when none does."""
    environ = os.environ if environ is None else environ
    if environ.get("CONCORD_BROKER", "").strip():
        return "given"
    if docker_answers():
        return "docker"
    missing = _missing_for_java(environ)
    if not missing:
        return "jvm"
    raise BrokerError(
        f"No Kafka broker can be started here: no Docker daemon answers and {' and '.join(missing)} "
        f"{'is' if len(missing) == 1 else 'are'} not installed.",
        "Install Java 17 or newer together with Maven, or start Docker, or set CONCORD_BROKER=host:port.",
    )


def start_broker(
    data_dir: Path | None = None,
    port: int | None = None,
    kind: BrokerKind | None = None,
    environ: Mapping[str, str] | None = None,
) -> DevelopmentBroker:
    """Give a broker that answers. Blocks for seconds; the very first Java start downloads 54 MB.

    `data_dir` keeps topics between runs (a Docker volume stands for it there), None forgets them at the end;
    `port` None takes a free one; `kind` None chooses by `choose_kind`. Raises BrokerError.
    """
    environ = os.environ if environ is None else environ
    wanted = kind or choose_kind(environ)
    if wanted == "given":
        return _given(environ)
    if wanted == "docker":
        try:
            return _started("docker", DockerBroker(data_dir, port))
        except BrokerError as problem:
            # A daemon that cannot get the image is common behind a firewall; Maven may still work.
            if kind == "docker" or _missing_for_java(environ):
                raise
            log.warning("the Docker way failed, using Java instead: %s", problem)
    return _started("jvm", JvmBroker(kafka_jars(cache_folder(environ)), data_dir, port))


def _given(environ: Mapping[str, str]) -> DevelopmentBroker:
    address = environ.get("CONCORD_BROKER", "").strip().removeprefix("kafka://").replace(";", ",")
    if not address or not all(re.fullmatch(r".+:\d+", one.strip()) for one in address.split(",")):
        raise BrokerError(f"CONCORD_BROKER is {address!r}, which is no broker address.", "Set it to host:port.")
    if not is_ready(address, GIVEN_DEADLINE_S):
        raise BrokerError(
            f"No Kafka broker answers at {address} (from CONCORD_BROKER).",
            "Start it, correct the address, or unset CONCORD_BROKER to let one be started.",
        )
    return DevelopmentBroker("given", address, None)


def _started(kind: BrokerKind, node: _Node) -> DevelopmentBroker:
    try:
        node.start()
    except BaseException:  # also when interrupted: nothing half started is left behind
        node.stop()
        raise
    return DevelopmentBroker(kind, node.address, node)


def _missing_for_java(environ: Mapping[str, str]) -> list[str]:
    """The programs that the Java way lacks here. Maven is needed only until its download is in the cache."""
    needed = ("java",) if has_kafka_jars(cache_folder(environ)) else ("java", "mvn")
    path = environ.get("PATH")
    return [program for program in needed if shutil.which(program, path=path) is None]
