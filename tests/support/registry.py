"""A schema registry of a few lines, over HTTP: it hands out ids and refuses what a test tells it to.

It does not judge compatibility; `tests/thirdparty` asks a real registry about that.
"""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class TinyRegistry:
    """A context manager. `refusals` are given in place of answers, in turn: status, and body as text."""

    def __init__(self, first_id: int = 1) -> None:
        self.first_id = first_id
        self.schemas: list[str] = []
        self.subjects: dict[str, list[int]] = {}
        self.compatibility: dict[str, str] = {}
        self.refusals: list[tuple[int, str]] = []
        self.seen: list[tuple[str, str, str | None]] = []

    def __enter__(self) -> TinyRegistry:
        registry = self

        class Answering(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Nothing on the terminal."""

            def answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                status, text = registry.answer(
                    self.command, self.path, self.rfile.read(size), self.headers.get("Authorization")
                )
                self.send_response(status)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_PUT = do_POST = answer  # noqa: N815  # the names that http.server calls

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.02})
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def answer(self, method: str, path: str, body: bytes, authorization: str | None) -> tuple[int, bytes]:
        """Status and body for one request."""
        self.seen.append((method, path, authorization))
        if self.refusals:
            status, text = self.refusals.pop(0)
            return status, text.encode()
        return self._answer(method, path.strip("/").split("/"), json.loads(body or b"{}"))

    def _answer(self, method: str, path: list[str], asked: Any) -> tuple[int, bytes]:
        match method, path:
            case "PUT", ["config", subject]:
                self.compatibility[subject] = asked["compatibility"]
                return 200, json.dumps(asked).encode()
            case "POST", ["subjects", subject, "versions"]:
                if asked["schema"] not in self.schemas:
                    self.schemas.append(asked["schema"])
                number = self.schemas.index(asked["schema"]) + self.first_id
                self.subjects.setdefault(subject, []).append(number)
                return 200, json.dumps({"id": number}).encode()
            case "GET", ["schemas", "ids", number] if 0 <= int(number) - self.first_id < len(self.schemas):
                return 200, json.dumps({"schema": self.schemas[int(number) - self.first_id]}).encode()
        return 404, json.dumps({"error_code": 40403, "message": "Schema not found"}).encode()
