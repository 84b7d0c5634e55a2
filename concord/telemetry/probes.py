"""`/metrics`, `/healthz` and `/readyz` over HTTP, answered by threads of their own: also while the rest is stuck."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Final, Protocol
from urllib.parse import urlsplit

from prometheus_client import REGISTRY, CollectorRegistry
from prometheus_client.exposition import choose_encoder

from schemas.errors import ConfigError

# A client that sends nothing for so long is hung up on, in seconds.
PATIENCE_S: Final = 10.0


class Probed(Protocol):
    """What can be asked how it is. Both answers may be asked for from any thread, and must not wait."""

    def why_not_alive(self) -> list[str]:
        """Why the process should be started again; empty when a restart would not help."""

    def why_not_ready(self) -> list[str]:
        """Why it does not do its work now; empty when it does."""


@contextlib.contextmanager
def probes(host: str, port: int, probed: Probed, registry: CollectorRegistry = REGISTRY) -> Iterator[int]:
    """Answer on this address for the length of a `with` block; gives the port (the one taken, for port 0).

    Raises ConfigError when the address cannot be listened on.
    """
    try:
        server = _Server((host, port), _Answers)
    except (OSError, OverflowError) as error:
        raise ConfigError(
            [f"Metrics cannot be served on {host}:{port}: {getattr(error, 'strerror', None) or 'no such address'}"],
            "Give CONCORD_METRICS_PORT (and CONCORD_METRICS_HOST) an address that is free on this machine.",
        ) from error
    server.probed, server.registry = probed, registry
    thread = threading.Thread(target=server.serve_forever, name="probes", daemon=True)
    thread.start()
    try:
        yield int(server.server_address[1])
    finally:
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    probed: Probed
    registry: CollectorRegistry

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nobody's error."""


class _Answers(BaseHTTPRequestHandler):
    timeout = PATIENCE_S
    server: _Server

    def do_GET(self) -> None:
        """One of the three pages."""
        path = urlsplit(self.path).path
        if path == "/metrics":
            encode, content_type = choose_encoder(self.headers.get("Accept", ""))
            self._answer(200, content_type, encode(self.server.registry))
        elif path == "/healthz":
            self._tell(self.server.probed.why_not_alive())
        elif path == "/readyz":
            self._tell(self.server.probed.why_not_ready())
        else:
            self._answer(404, "text/plain; charset=utf-8", b"/metrics, /healthz and /readyz are here.\n")

    def _tell(self, why_not: list[str]) -> None:
        body = json.dumps({"ok": not why_not, "why_not": why_not}).encode() + b"\n"
        self._answer(503 if why_not else 200, "application/json", body)

    def _answer(self, status: int, content_type: str, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the standard library's name
        """Probes come every few seconds: not a word."""
