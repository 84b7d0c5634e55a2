"""A requests adapter that hands requests to a Salesforce simulator without sockets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import requests
from requests.adapters import BaseAdapter
from requests.models import PreparedRequest
from requests.structures import CaseInsensitiveDict

from simulators.http import Request
from simulators.salesforce.service import SalesforceSimulator


class SimulatorAdapter(BaseAdapter):
    """Answers every https request from the simulator and keeps (method, target, headers) of each in `seen`."""

    def __init__(self, simulator: SalesforceSimulator) -> None:
        super().__init__()
        self.simulator = simulator
        self.seen: list[tuple[str, str, dict[str, str]]] = []

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: Any = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        """Turn the request over and make a requests.Response of the answer."""
        parts = urlsplit(str(request.url))
        target = parts.path + (f"?{parts.query}" if parts.query else "")
        headers = {name.lower(): str(value) for name, value in request.headers.items()}
        body = request.body or b""
        raw = body.encode() if isinstance(body, str) else bytes(body)
        self.seen.append((str(request.method), target, headers))
        base = f"{parts.scheme}://{parts.netloc}"
        answer = self.simulator.handle(Request(str(request.method), target, headers, raw, base))
        response = requests.Response()
        response.status_code = answer.status
        response.headers = CaseInsensitiveDict(answer.headers)
        response._content = answer.body
        response._content_consumed = True
        response.encoding = "utf-8"
        response.url = str(request.url)
        response.request = request
        return response

    def close(self) -> None:
        """Nothing is held open."""


def session_on(simulator: SalesforceSimulator) -> tuple[requests.Session, SimulatorAdapter]:
    """A session whose https requests reach the simulator, and its adapter."""
    adapter = SimulatorAdapter(simulator)
    session = requests.Session()
    session.mount("https://", adapter)
    return session, adapter
