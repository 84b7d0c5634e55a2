"""Driving the Graph connector's exchanges in tests: scripted replies, a simulator in the same thread, lost answers."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from support import graph_facts

from connectors.exchange import Call, Reply
from schemas.errors import Unavailable
from simulators.http import Request, Response, Service

BASE = "https://graph.test/v1.0"

Send = Callable[[Call], Reply]


def reply(status: int, value: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
    """An answer with `value` as JSON, or without a body."""
    return Reply(status, dict(headers or {}), b"" if value is None else json.dumps(value).encode())


def refusal(status: int, code: str, headers: Mapping[str, str] | None = None, **extra: Any) -> Reply:
    """An error answer as Graph writes it."""
    return reply(status, {"error": {"code": code, "message": f"About {code}.", **extra}}, headers)


def batch_reply(*items: Reply) -> Reply:
    """A $batch answer with these items, in order."""
    responses = [
        {"id": str(number), "status": item.status, "headers": dict(item.headers)}
        | ({"body": json.loads(item.body)} if item.body else {})
        for number, item in enumerate(items)
    ]
    return reply(200, {"responses": responses})


@dataclass
class Script:
    """A `send` that answers from a list, in order; an exception in the list is raised. `calls` is what was asked."""

    answers: Iterable[Reply | Exception]
    calls: list[Call] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._rest = list(self.answers)

    def __call__(self, call: Call) -> Reply:
        """Answer one call. Fails the test when the script is at its end."""
        self.calls.append(call)
        assert self._rest, f"the script has no answer to {call.method} {call.path}"
        answer = self._rest.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    @property
    def is_used_up(self) -> bool:
        """Whether every answer was asked for."""
        return not self._rest

    def methods(self) -> list[str]:
        """The methods of the calls, in order."""
        return [call.method for call in self.calls]


def to_request(call: Call, token: str, base_url: str = BASE) -> Request:
    """The HTTP request that the live client would send for this call, whose body the metadata must let pass."""
    call = graph_facts.checked(call)
    address = urlsplit(base_url)
    if call.path.startswith("/"):
        target = address.path.rstrip("/") + call.path
        target += f"?{urlencode(call.params, quote_via=quote)}" if call.params else ""
    else:
        link = urlsplit(call.path)
        assert (link.scheme, link.netloc) == (address.scheme, address.netloc), "a link to another host"
        target = link.path + (f"?{link.query}" if link.query else "")
    headers = {name.lower(): value for name, value in call.headers.items()}
    headers |= {"authorization": f"Bearer {token}", "accept": "application/json"}
    body = b""
    if call.body is not None:
        headers["content-type"] = "application/json"
        body = json.dumps(call.body).encode()
    return Request(call.method, target, headers, body, f"{address.scheme}://{address.netloc}")


def send_to(service: Service, *, token: str, base_url: str = BASE) -> Send:
    """A `send` for exchanges that calls the simulated service in the same thread."""

    def send(call: Call) -> Reply:
        response: Response = service.handle(to_request(call, token, base_url))
        return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, response.body)

    return send


@dataclass
class LossyWire:
    """A `send` that loses what it is told to: {number of the call (from 0): "before" | "after" the effect}.

    "gone" loses the connection before anything was sent, so the caller knows that nothing happened. `between` is
    called after each lost answer, where a test lets something else happen.
    """

    send: Send
    lose: Mapping[int, str]
    between: Callable[[], None] | None = None
    calls: list[Call] = field(default_factory=list)

    def __call__(self, call: Call) -> Reply:
        """Pass one call on, or lose it as told."""
        number = len(self.calls)
        self.calls.append(call)
        how = self.lose.get(number)
        if how is None:
            return self.send(call)
        if how == "after":
            self.send(call)
        if self.between is not None:
            self.between()
        raise Unavailable("The connection broke.", was_sent=how != "gone")
