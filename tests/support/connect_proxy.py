"""A forward proxy on this machine that only tunnels (CONNECT), and remembers where to."""

from __future__ import annotations

import base64
import contextlib
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager

TIMEOUT_S = 30.0


class ConnectProxy(socketserver.ThreadingTCPServer):
    """`tunnels` lists host:port of each tunnel that was opened; `login` (user:password) is asked for when given."""

    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, login: str = "") -> None:
        super().__init__(("127.0.0.1", 0), _Tunnel)
        self.login = login
        self.tunnels: list[str] = []
        self.refused = 0
        self.passed_on = 0

    @property
    def url(self) -> str:
        """As a client is told."""
        user = f"{self.login}@" if self.login else ""
        return f"http://{user}127.0.0.1:{self.server_address[1]}"


class _Tunnel(socketserver.BaseRequestHandler):
    server: ConnectProxy

    def handle(self) -> None:
        """One CONNECT, then bytes both ways until either side ends. A broken connection is the client's affair."""
        with contextlib.suppress(OSError):
            self._connect()

    def _connect(self) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            received = self.request.recv(4096)
            if not received:
                return
            head += received
        line, *headers = head.decode("latin-1").split("\r\n")
        method, target, _ = line.split(" ")
        wanted = "proxy-authorization: basic " + base64.b64encode(self.server.login.encode()).decode().lower()
        if method != "CONNECT":
            self.request.sendall(b"HTTP/1.1 405 Only CONNECT\r\nContent-Length: 0\r\n\r\n")
            return
        if self.server.login and wanted not in (header.lower() for header in headers):
            self.server.refused += 1
            self.request.sendall(b"HTTP/1.1 407 Who are you\r\nProxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n")
            return
        host, _, port = target.rpartition(":")
        with socket.create_connection((host.strip("[]"), int(port)), TIMEOUT_S) as onward:
            self.server.tunnels.append(target)
            self.request.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=self._pump, args=(onward, self.request), daemon=True)
            back.start()
            self._pump(self.request, onward)
            back.join(TIMEOUT_S)

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                self.server.passed_on += len(data)
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)


@contextmanager
def running_proxy(login: str = "") -> Iterator[ConnectProxy]:
    """A proxy for the length of a `with` block."""
    with ConnectProxy(login) as proxy:
        thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield proxy
        finally:
            proxy.shutdown()
            thread.join(TIMEOUT_S)
