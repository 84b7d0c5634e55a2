"""The network edge of a simulated service: sockets, TLS, planned faults, webhook delivery. Knows no service's rules.

One thread touches the service, whatever the number of connections: handle() and its kin run there one after another,
while the event loop goes on reading and writing. A handle() that waits for an answer from outside (the validation of a
subscription) therefore blocks the service, not the connections.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from email.utils import formatdate
from socket import socket
from typing import Any, TypeVar

import httpx
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from simulators.clock import SimulatorClock
from simulators.control import CONTROL_PREFIX, Action, Control, ControlledService
from simulators.faults import Fault, FaultPlan
from simulators.http import Delivery, Request, Response, unpacked
from simulators.traffic import RequestLog

log = logging.getLogger(__name__)

T = TypeVar("T")

# How often the service is asked for webhook calls that have become due, in seconds.
DELIVERY_POLL_S = 0.05

# Webhook calls under way at once. A slow endpoint must not hold up the others.
DELIVERIES_MAX = 32

# Wait for open requests at the end, in seconds; then connections are cut.
DRAIN_S = 2

# Idle keep-alive connections are kept this long, in seconds: longer than the pools of httpx and requests keep theirs,
# so that it is the client who closes and no request meets a closing connection.
KEEP_ALIVE_S = 75

# Longest request line plus headers, in bytes. Salesforce itself answers 414 and 431 above 16,384.
HEAD_BYTES_MAX = 128 * 1024

_NO_BODY = frozenset({204, 205, 304})


class _CuttableProtocol(H11Protocol):
    """Hands the connection's transport to the application, which alone decides to cut it."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Server(uvicorn.Server):
    """Leaves signals to whoever runs several of these in one process."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class Edge:
    """One simulated service on the network. An ASGI application; `serve` also listens.

    `service` is only ever touched on the edge's own thread: use `call` from elsewhere.
    """

    def __init__(
        self,
        name: str,
        service: ControlledService,
        clock: SimulatorClock,
        actions: Sequence[Action] = (),
        webhook_tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self.service = service
        self.faults = FaultPlan()
        self.traffic = RequestLog()
        self._control = Control(name, service, clock, self.faults, self.traffic, actions)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=f"{name}-simulator")
        self._webhook_tls = webhook_tls if webhook_tls is not None else ssl.create_default_context()
        self._servers: list[_Server] = []
        self._begin: Callable[[Request], Response | None] = getattr(service, "begin", lambda request: None)
        self._end: Callable[[Request], None] = getattr(service, "end", lambda request: None)
        self._named_client: Callable[[Request], str] = getattr(service, "client_of", lambda request: "unknown")

    def call(self, function: Callable[[], T]) -> T:
        """Run `function` on the service's thread and return its result. For tests and for saving; blocks."""
        return self._thread.submit(function).result()

    async def _run(self, function: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    # --- one request ------------------------------------------------------------------------------------------

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """ASGI entry."""
        if scope["type"] != "http":
            return
        body = await _read_body(receive)
        if body is None:
            return
        request = _request_of(scope, body)
        started = time.perf_counter()
        if request.target.startswith(CONTROL_PREFIX):
            await _send(send, await self._control_answer(request), request.method)
            return
        client = self._client_of(request)
        fault = self.faults.match(request, client)
        response = await self._answer(request, fault)
        took = ((time.perf_counter() - started) * 1000, fault is not None)
        status = response.status if response is not None else 0
        self.traffic.record(request, status, client, datetime.now(UTC), took)
        if response is None:
            await _cut(scope["state"]["transport"])
            return
        await _send(send, response, request.method)

    def _client_of(self, request: Request) -> str:
        """Who asks: as the service knows the caller, else as the headers say."""
        name = self._named_client(request)
        return name if name and name != "unknown" else client_of(request)

    async def _control_answer(self, request: Request) -> Response:
        if self._control.needs_service(request):
            return await self._run(lambda: self._control.answer(request))
        return self._control.answer(request)

    async def _answer(self, request: Request, fault: Fault | None) -> Response | None:
        """The service's answer as a planned fault lets it through; None when the connection is to be cut."""
        refused = self._begin(request)
        try:
            if refused is not None:
                return refused
            if fault is None:
                return await self._run(lambda: self._carry_out(request))
            response = await self._run(lambda: self._carry_out(request)) if fault.has_effect else None
            if fault.delay_s:
                await asyncio.sleep(fault.delay_s)
            if fault.cut is not None:
                return None
            return fault.answer() or response
        finally:
            self._end(request)

    def _carry_out(self, request: Request) -> Response:
        try:
            # A HEAD is a GET whose body is not sent; the services need not know it.
            asked = request if request.method != "HEAD" else _as_get(request)
            return self.service.handle(asked)
        except Exception:  # a broken rule of a simulator must look like a broken service, not a dead one
            log.exception("%s: %s %s raised", self.name, request.method, request.target)
            return Response.of_text(500, "the simulator failed; its log says why")

    # --- webhook calls ----------------------------------------------------------------------------------------

    async def deliver(self) -> None:
        """Send the webhook calls that become due, for ever; cancel to stop."""
        under_way: set[asyncio.Task[None]] = set()
        limit = asyncio.Semaphore(DELIVERIES_MAX)
        async with httpx.AsyncClient(verify=self._webhook_tls, trust_env=False, follow_redirects=False) as client:
            try:
                while True:
                    for delivery in await self._run(self.service.due_deliveries):
                        task = asyncio.create_task(self._deliver_one(client, delivery, limit))
                        under_way.add(task)
                        task.add_done_callback(under_way.discard)
                    await asyncio.sleep(DELIVERY_POLL_S)
            finally:
                for task in under_way:
                    task.cancel()
                await asyncio.gather(*under_way, return_exceptions=True)

    async def _deliver_one(self, client: httpx.AsyncClient, delivery: Delivery, limit: asyncio.Semaphore) -> None:
        answer: Response | None = None
        async with limit:
            try:
                async with asyncio.timeout(delivery.timeout_s):
                    reply = await client.request(
                        delivery.method, delivery.url, headers=dict(delivery.headers), content=delivery.body
                    )
                answer = Response(reply.status_code, dict(reply.headers), reply.content)
            except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, OSError) as problem:
                log.debug("%s: webhook %s: %s", self.name, delivery.url, problem)
        await self._run(lambda: self.service.delivered(delivery.delivery_id, answer))

    # --- listening --------------------------------------------------------------------------------------------

    async def serve(self, plain: Sequence[socket], tls: Sequence[socket], context: ssl.SSLContext | None) -> None:
        """Listen until `stop`. `plain` and `tls` are bound sockets; `context` serves the latter."""
        self._servers = [_Server(self._config(None))]
        sockets = [list(plain)]
        if tls and context is not None:
            self._servers.append(_Server(self._config(context)))
            sockets.append(list(tls))
        courier = asyncio.create_task(self.deliver())
        try:
            await asyncio.gather(*(server.serve(own) for server, own in zip(self._servers, sockets, strict=True)))
        finally:
            courier.cancel()
            with suppress(asyncio.CancelledError):
                await courier
            self._servers = []

    @property
    def is_listening(self) -> bool:
        """Whether every socket given to `serve` takes connections."""
        return bool(self._servers) and all(server.started for server in self._servers)

    def stop(self) -> None:
        """Ask `serve` to end: open requests get `DRAIN_S` seconds."""
        for server in self._servers:
            server.should_exit = True

    def close(self) -> None:
        """End the service's thread, after `serve` has ended."""
        self._thread.shutdown(wait=True)

    def _config(self, context: ssl.SSLContext | None) -> uvicorn.Config:
        config = uvicorn.Config(
            self,
            http=_CuttableProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            proxy_headers=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=DRAIN_S,
            h11_max_incomplete_event_size=HEAD_BYTES_MAX,
            ssl_context_factory=None if context is None else lambda config, default: context,
        )
        config.load()
        return config


def client_of(request: Request) -> str:
    """Who sent a request, as far as its headers say: the named Salesforce client, else the program. Pure."""
    for part in request.header("sforce-call-options").split(","):
        name, _, value = part.strip().partition("=")
        if name == "client" and value:
            return value
    return request.header("user-agent").split(" ")[0] or "unknown"


async def _read_body(receive: Callable[[], Awaitable[Any]]) -> bytes | None:
    """The whole request body; None when the client went away before it was complete."""
    chunks: list[bytes] = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


def _request_of(scope: Any, body: bytes) -> Request:
    headers: dict[str, str] = {}
    for raw_name, raw_value in scope["headers"]:
        name, value = raw_name.decode("latin-1"), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    target = scope["raw_path"].decode("latin-1")
    if scope["query_string"]:
        target = f"{target}?{scope['query_string'].decode('latin-1')}"
    server = scope.get("server") or ("localhost", None)
    host = headers.get("host") or f"{server[0]}:{server[1]}"
    return Request(scope["method"], target, headers, unpacked(headers, body), f"{scope['scheme']}://{host}")


def _as_get(request: Request) -> Request:
    return Request("GET", request.target, request.headers, request.body, request.base_url)


async def _send(send: Callable[[Any], Awaitable[None]], response: Response, method: str) -> None:
    body = b"" if response.status in _NO_BODY else response.body
    headers = [
        (name.lower().encode("latin-1"), _one_line(value).encode("latin-1", "replace"))
        for name, value in response.headers.items()
        if name.lower() not in {"content-length", "transfer-encoding", "connection"}
    ]
    if not any(name == b"date" for name, _ in headers):
        headers.append((b"date", formatdate(usegmt=True).encode()))
    if response.status not in _NO_BODY:
        headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else body})


def _one_line(value: str) -> str:
    return " ".join(value.splitlines()) if "\n" in value or "\r" in value else value


async def _cut(transport: asyncio.Transport) -> None:
    """Drop the connection without an answer and without an orderly end."""
    transport.abort()
    # The loop reports the loss in its next turns; until then uvicorn would take the missing answer for our bug.
    for _ in range(3):
        await asyncio.sleep(0)
