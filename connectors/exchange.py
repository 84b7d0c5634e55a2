"""Talking to a service without sending: an `Exchange` yields requests, receives replies, returns what it learned.

The same exchange is driven by the live edge (`connectors.graph.client`, `connectors.salesforce.client`), by tests
with plain bytes and by the seeded simulation in one thread. A lost reply is thrown into the exchange as
`Unavailable(was_sent=True)`, so what happens after an unclear answer is decided, and tested, here and nowhere else.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from schemas.errors import Unavailable

T = TypeVar("T")


@dataclass(frozen=True)
class Call:
    """One request: `path` below the service's base (or an absolute URL that the service itself gave)."""

    method: str
    path: str
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: Any = None
    """JSON value, or None for no body."""
    mailbox: str = ""
    """Graph only: the mailbox whose limits this call counts against."""


@dataclass(frozen=True)
class Reply:
    """One answer. Header names are lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    value: Any = None
    """What the body says, of an answer that stood in another one: its bytes were read there."""

    @property
    def is_empty(self) -> bool:
        """Whether it has no body."""
        return not self.body and self.value is None

    def json(self) -> Any:
        """The body as JSON; {} when there is none. Raises Unavailable when it is not JSON (an edge's error page)."""
        if self.value is not None:
            return self.value
        if not self.body:
            return {}
        try:
            return json.loads(self.body)
        except ValueError:
            raise Unavailable("The service answered with something that is not JSON.", status=self.status) from None


Exchange = Generator[Call, Reply, T]


def run(exchange: Exchange[T], send: Callable[[Call], Reply]) -> T:
    """Drive an exchange to its end with a synchronous `send`. What `send` raises is thrown into the exchange."""
    try:
        call = next(exchange)
        while True:
            try:
                reply = send(call)
            except Unavailable as error:
                call = exchange.throw(error)
            else:
                call = exchange.send(reply)
    except StopIteration as stop:
        result: T = stop.value
        return result


async def run_async(exchange: Exchange[T], send: Callable[[Call], Awaitable[Reply]]) -> T:
    """Drive an exchange to its end with an asynchronous `send`."""
    try:
        call = next(exchange)
        while True:
            try:
                reply = await send(call)
            except Unavailable as error:
                call = exchange.throw(error)
            else:
                call = exchange.send(reply)
    except StopIteration as stop:
        result: T = stop.value
        return result
