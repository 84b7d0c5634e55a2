"""Simulated services listening on this machine's ports, in a thread of their own, until told to stop."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

from schemas.errors import ConfigError
from simulators.server import Edge

# Longest wait for the listeners to come up, in seconds; it takes milliseconds.
START_DEADLINE_S: Final = 20.0

# Longest wait for the listeners to go down, in seconds: DRAIN_S for open requests, and room for a busy machine.
STOP_DEADLINE_S: Final = 10.0


class PortInUse(ConfigError):
    """A wanted port is taken; the text names it."""


@dataclass(frozen=True)
class Hosted:
    """One service and the ports it listens on."""

    edge: Edge
    plain_port: int
    tls_port: int
    host: str = "127.0.0.1"

    @property
    def url(self) -> str:
        """Base URL over plain HTTP, no slash at the end."""
        host = "127.0.0.1" if self.host in {"0.0.0.0", "::"} else self.host  # noqa: S104  # compared, not bound
        return f"http://{host}:{self.plain_port}"

    @property
    def tls_url(self) -> str:
        """Base URL over TLS, no slash at the end. Says localhost: some clients check names, not addresses."""
        return f"https://localhost:{self.tls_port}"


def bind(host: str, port: int) -> list[socket.socket]:
    """Bound sockets for one port: IPv4, and IPv6 beside it for clients that resolve localhost to ::1 first.

    `port` 0 takes a free one. Raises PortInUse.
    """
    # asyncio turns Nagle's delay off only where the protocol is named; with it, an answer took 44 ms instead of 1.
    first = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    first.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        first.bind((host, port))
    except OSError as problem:
        first.close()
        if problem.errno in {errno.EADDRINUSE, errno.EACCES}:
            raise PortInUse([f"Port {port} is in use by another program."], "Choose others with --port-base.") from None
        raise
    sockets = [first]
    if host == "127.0.0.1" and socket.has_ipv6:
        second = socket.socket(socket.AF_INET6, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        second.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        second.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        try:
            second.bind(("::1", first.getsockname()[1]))
        except OSError:
            # No IPv6 here, or the port is someone else's there: 127.0.0.1 is what we promise.
            second.close()
        else:
            sockets.append(second)
    return sockets


class Host:
    """Listens for several services in one background thread. Use as a context manager."""

    def __init__(self, context: ssl.SSLContext, host: str = "127.0.0.1") -> None:
        self._context = context
        self._host = host
        self._planned: list[tuple[Hosted, list[socket.socket], list[socket.socket]]] = []
        self._thread: threading.Thread | None = None
        self._failure: BaseException | None = None

    def add(self, edge: Edge, plain_port: int, tls_port: int) -> Hosted:
        """Bind the ports of one service (0 takes free ones). Before `start`. Raises PortInUse."""
        plain = bind(self._host, plain_port)
        try:
            tls = bind(self._host, tls_port)
        except (PortInUse, OSError):
            _close(plain)
            raise
        hosted = Hosted(edge, plain[0].getsockname()[1], tls[0].getsockname()[1], self._host)
        self._planned.append((hosted, plain, tls))
        return hosted

    def start(self) -> None:
        """Listen; returns once every port takes connections."""
        self._thread = threading.Thread(target=self._run, name="simulators", daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_DEADLINE_S
        while not all(hosted.edge.is_listening for hosted, _, _ in self._planned):
            if self._failure is not None:
                raise RuntimeError("the simulators could not listen") from self._failure
            if time.monotonic() > deadline:
                raise RuntimeError(f"the simulators did not listen within {START_DEADLINE_S:.0f} s")
            time.sleep(0.01)

    def stop(self) -> None:
        """Stop listening, let open requests end, close every socket. Harmless when called again."""
        for hosted, _, _ in self._planned:
            hosted.edge.stop()
        if self._thread is not None:
            self._thread.join(STOP_DEADLINE_S)
            self._thread = None
        for hosted, plain, tls in self._planned:
            hosted.edge.close()
            _close([*plain, *tls])
        self._planned = []

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as problem:
            self._failure = problem
            raise

    async def _serve(self) -> None:
        async with asyncio.TaskGroup() as group:
            for hosted, plain, tls in self._planned:
                group.create_task(hosted.edge.serve(plain, tls, self._context))

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _close(sockets: Sequence[socket.socket]) -> None:
    for one in sockets:
        one.close()
