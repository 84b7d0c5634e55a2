"""The bus on the network: gRPC, plain and over TLS. Knows no rule of the service; each stream has a thread of its own.

The synchronous server is used on purpose: grpc's asyncio side has one poller a process, and a client that runs in the
same process, as in tests, needs it for its own event loop.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import grpc

from simulators.hosting import PortInUse
from simulators.pubsub.bus import STREAMS_MAX, EventBus
from simulators.pubsub.errors import PubSubError
from simulators.pubsub.messages import SERVICE, SchemaInfo, TopicInfo, message, methods
from simulators.pubsub.streams import Batch, Caller, OpenStream
from simulators.pubsub.wire import fetch_of, fetch_response, managed_fetch_of, managed_fetch_response

T = TypeVar("T")
S = TypeVar("S", bound=OpenStream)

SPARE_THREADS: Final = 16
"""Threads beyond those of open streams: for single calls, and to refuse further streams."""
WAIT_S: Final = 1.0
"""How often a waiting stream looks whether its client is still there, in seconds; news wakes it at once."""
STOP_S: Final = 2.0
"""Longest wait for open calls to end."""
_OPTIONS: Final = (
    # A port that another program serves must be refused, not shared.
    ("grpc.so_reuseport", 0),
    # Clients of long streams ping more often than the library's default allows.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
    ("grpc.http2.max_ping_strikes", 0),
)


@dataclass(frozen=True)
class Listening:
    """Where the service listens."""

    address: str
    """host:port, plain."""
    tls_address: str
    """host:port over TLS; says localhost, the name in the certificate that every client checks."""


class ServerStopped(Exception):
    """The simulator is being stopped while a call was in it."""


class PubSubServer:
    """Serves one bus. `call` runs a function on the thread that owns the bus and its org, and returns its result."""

    def __init__(self, bus: EventBus, call: Callable[[Callable[[], Any]], Any]) -> None:
        self._bus = bus
        self._run = call
        self._news = threading.Condition()
        self._generation = 0
        self._is_stopping = False
        self._threads = ThreadPoolExecutor(STREAMS_MAX + SPARE_THREADS, thread_name_prefix="pubsub")
        self._server = grpc.server(self._threads, options=_OPTIONS)
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, self._handlers()),))
        bus.listeners.append(self._wake)

    def listen(self, host: str, plain_port: int, tls_port: int, certificate: tuple[bytes, bytes]) -> Listening:
        """Bind both ports (0 takes free ones). `certificate` is (private key, chain) in PEM. Raises PortInUse."""
        credentials = grpc.ssl_server_credentials((certificate,))
        plain = self._bind(host, plain_port, None)
        tls = self._bind(host, tls_port, credentials)
        shown = "127.0.0.1" if host in {"0.0.0.0", "::"} else host  # noqa: S104  # compared, not bound
        return Listening(f"{shown}:{plain}", f"localhost:{tls}")

    def start(self) -> None:
        """Take calls."""
        self._server.start()

    def stop(self) -> None:
        """End every call and close the ports. Harmless when called again."""
        self._is_stopping = True
        self._wake()
        self._server.stop(0).wait(STOP_S)
        self._threads.shutdown(wait=True, cancel_futures=True)
        if self._wake in self._bus.listeners:
            self._bus.listeners.remove(self._wake)

    # Inside

    def _bind(self, host: str, port: int, credentials: Any) -> int:
        def add(where: str, wanted: int) -> int:
            if credentials is None:
                return int(self._server.add_insecure_port(f"{where}:{wanted}"))
            return int(self._server.add_secure_port(f"{where}:{wanted}", credentials))

        try:
            bound = add(host, port)
        except RuntimeError:
            bound = 0
        if not bound:
            raise PortInUse([f"Port {port} is in use by another program."], "Choose others with --port-base.")
        if host == "127.0.0.1":
            # For clients that resolve localhost to ::1 first. 127.0.0.1 is what we promise.
            with suppress(RuntimeError):
                add("[::1]", bound)
        return bound

    def _handlers(self) -> dict[str, Any]:
        answers: dict[str, Callable[[Any, Any], Any]] = {
            "GetTopic": self._get_topic,
            "GetSchema": self._get_schema,
            "Publish": self._publish,
            "Subscribe": self._subscribe,
            "ManagedSubscribe": self._managed_subscribe,
            "PublishStream": self._publish_stream,
        }
        return {
            method.name: _handler_kind(method)(
                answers[method.name],
                request_deserializer=message(method.input_type.name).FromString,
                response_serializer=message(method.output_type.name).SerializeToString,
            )
            for method in methods()
        }

    def _get_topic(self, request: Any, context: Any) -> Any:
        def answer(caller: Caller, rpc_id: str) -> Any:
            schema = self._bus.topic_schema(request.topic_name)
            return TopicInfo(
                topic_name=request.topic_name,
                tenant_guid=f"core/sim1/{self._bus.org.org.id}",
                can_publish=False,
                can_subscribe=self._bus.can_subscribe(caller, request.topic_name),
                schema_id=schema.id,
                rpc_id=rpc_id,
            )

        return self._single(context, answer)

    def _get_schema(self, request: Any, context: Any) -> Any:
        def answer(caller: Caller, rpc_id: str) -> Any:
            schema = self._bus.schema_by_id(request.schema_id)
            return SchemaInfo(schema_json=schema.text, schema_id=schema.id, rpc_id=rpc_id)

        return self._single(context, answer)

    def _publish(self, request: Any, context: Any) -> Any:
        def answer(caller: Caller, rpc_id: str) -> Any:
            self._bus.publish(request.topic_name, len(request.events), request.auth_refresh)

        return self._single(context, answer)

    def _subscribe(self, requests: Any, context: Any) -> Iterator[Any]:
        return self._stream(
            requests, context, self._bus.subscribe, (lambda stream, one: stream.request(fetch_of(one)), fetch_response)
        )

    def _managed_subscribe(self, requests: Any, context: Any) -> Iterator[Any]:
        return self._stream(
            requests,
            context,
            self._bus.subscribe_managed,
            (lambda stream, one: stream.fetch(managed_fetch_of(one)), managed_fetch_response),
        )

    def _publish_stream(self, requests: Any, context: Any) -> Iterator[Any]:
        return self._stream(
            requests,
            context,
            self._bus.publish_stream,
            (lambda stream, one: stream.request(one.topic_name, len(one.events), one.auth_refresh), fetch_response),
        )

    def _single(self, context: Any, answer: Callable[[Caller, str], Any]) -> Any:
        rpc_id = str(uuid.uuid4())
        try:
            return self._on_bus(lambda: answer(self._bus.caller(_metadata(context)), rpc_id))
        except PubSubError as problem:
            return _abort(context, problem, rpc_id)
        except ServerStopped:
            return context.abort(grpc.StatusCode.UNAVAILABLE, "the simulator stops")

    def _stream(
        self,
        requests: Any,
        context: Any,
        opening: Callable[[Caller], S],
        wire: tuple[Callable[[S, Any], None], Callable[[Batch, str], Any]],
    ) -> Iterator[Any]:
        """One stream from opening to end. `wire` takes a request into the stream, and renders a batch."""
        take, render = wire
        rpc_id = str(uuid.uuid4())
        stream: S | None = None
        try:
            stream = self._on_bus(lambda: opening(self._bus.caller(_metadata(context))))
            feed = threading.Thread(target=self._feed, args=(requests, stream, take), name="pubsub-feed", daemon=True)
            feed.start()
            for batch in self._batches(stream, context):
                yield render(batch, rpc_id)
        except PubSubError as problem:
            _abort(context, problem, rpc_id)
        except ServerStopped:
            context.abort(grpc.StatusCode.UNAVAILABLE, "the simulator stops")
        finally:
            if stream is not None:
                self._leave(stream)

    def _batches(self, stream: OpenStream, context: Any) -> Iterator[Batch]:
        context.add_callback(self._wake)
        while context.is_active():
            seen = self._generation
            yield from self._on_bus(stream.step)
            if stream.is_over:
                return
            with self._news:
                self._news.wait_for(lambda seen=seen: self._generation != seen or self._is_stopping, WAIT_S)  # type: ignore[misc]
            if self._is_stopping:
                raise ServerStopped

    def _feed(self, requests: Any, stream: S, take: Callable[[S, Any], None]) -> None:
        """Take a stream's requests as they come, in a thread of its own."""
        try:
            for request in requests:
                self._on_bus(lambda request=request: take(stream, request))  # type: ignore[misc]
                self._wake()
            self._on_bus(stream.close_requests)
        except PubSubError as problem:
            stream.fail(problem)
        except (grpc.RpcError, ServerStopped):
            # The call is over; its own thread sees that by itself.
            stream.is_over = True
        self._wake()

    def _leave(self, stream: OpenStream) -> None:
        try:
            self._on_bus(lambda: self._bus.leave(stream))
        except ServerStopped:
            self._bus.leave(stream)

    def _on_bus(self, function: Callable[[], T]) -> T:
        if self._is_stopping:
            raise ServerStopped
        result: T = self._run(function)
        return result

    def _wake(self) -> None:
        with self._news:
            self._generation += 1
            self._news.notify_all()


def _handler_kind(method: Any) -> Any:
    return grpc.stream_stream_rpc_method_handler if method.server_streaming else grpc.unary_unary_rpc_method_handler


def _metadata(context: Any) -> dict[str, str]:
    return {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}


def _abort(context: Any, problem: PubSubError, rpc_id: str) -> Any:
    """End a call by an error: the code in the trailers, the id of the call in both places."""
    context.set_trailing_metadata((("error-code", problem.error_code), ("rpc-id", rpc_id)))
    return context.abort(grpc.StatusCode[problem.status], f"{problem.message} rpcId: {rpc_id}")
