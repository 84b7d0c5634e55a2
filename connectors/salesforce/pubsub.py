"""The live edge to the Pub/Sub API: subscriptions over gRPC, events read into notices, refusals as our errors."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import grpc
from pydantic import SecretStr

from connectors.salesforce.change_events import EventSchema, moment_of
from connectors.salesforce.client import Session
from connectors.salesforce.pubsub_messages import (
    REPLAY_PRESETS,
    SERVICE,
    FetchRequest,
    FetchResponse,
    SchemaInfo,
    SchemaRequest,
)
from schemas.changes import GAP, Notice
from schemas.errors import AuthRejected, Refused, ResyncNeeded, ServiceError, Throttled, Unavailable, UnreadableRecord

OUTSTANDING_MAX: Final = 100  # events that a stream may have asked for and not got, Salesforce's limit
# Salesforce speaks at least every 270 s on a stream that has asked for events; longer silence is a dead connection.
SILENCE_S: Final = 330.0
# An event that nobody can read counts as a gap that names no record.
UNREADABLE: Final = f"{GAP}UNREADABLE"

# What grpc raises on a call that has ended.
_OVER: Final = (grpc.aio.UsageError, grpc.aio.InternalError, asyncio.InvalidStateError)

_PREFIX: Final = "sfdc.platform.eventbus.grpc."
_LOST: Final = frozenset({"subscription.fetch.replayid.corrupted", "subscription.fetch.replayid.validation.failed"})
_AUTH: Final = frozenset({"service.auth.error", "service.auth.headers.invalid", "service.auth.refresh.invalid"})
# Seconds to wait: the allocation of deliveries frees up over 24 hours.
_WAITS_S: Final = {
    "subscription.limit.exceeded": 900.0,
    "service.protection.triggered": 60.0,
    "service.protection.stream.limit.triggered": 60.0,
    "concurrent.client.limit.exceeded": 60.0,
}
_FORBIDDEN: Final = frozenset({
    "topic.not.found", "topic.meta.permission", "subscription.topic.cannot.subscribe", "service.tenant.license",
})  # fmt: skip


@dataclass(frozen=True)
class PubSubConnection:
    """How to reach the service. `address` is host:port; `is_plain` sends the token unencrypted, for a test service.

    `proxy` is the URL of an HTTP proxy, perhaps with a password in it.
    """

    address: str
    ca_file: Path | None = None
    proxy: SecretStr | None = None
    is_plain: bool = False
    timeout_s: float = 30.0


@dataclass(frozen=True)
class Told:
    """One event: what it says, and the place behind it."""

    notice: Notice
    replay_id: bytes


@dataclass(frozen=True)
class Batch:
    """One answer. Without events it says only that nothing happened up to `replay_id`."""

    events: tuple[Told, ...]
    replay_id: bytes


Sign = Callable[[Session | None], Awaitable[Session]]
"""Gives the session; a new one instead of the one given."""


class PubSubClient:
    """Opens subscriptions; schemas are asked for once. Raises ServiceErrors (see `trouble_of`)."""

    def __init__(self, connection: PubSubConnection, sign_in: Sign) -> None:
        self._connection = connection
        self._sign_in = sign_in
        self._channel: Any = None
        self._schemas: dict[str, EventSchema] = {}
        self._session: Session | None = None
        self._rejected: Session | None = None

    async def close(self) -> None:
        """Close the connection and all its streams."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    async def subscribe(self, topic: str, replay_id: bytes) -> Subscription:
        """A stream behind this place, of everything kept when it is empty. It sends nothing until it is asked."""
        metadata = await self._metadata()
        call = self._method("stream_stream", "Subscribe", FetchRequest, FetchResponse)(metadata=metadata)
        return Subscription(self, call, topic, replay_id)

    async def read(self, event: Any) -> Notice:
        """What an event says; one that cannot be read is a gap."""
        try:
            schema = await self._schema(event.schema_id)
            return schema.read(event.payload)
        except UnreadableRecord:
            return Notice("", (), UNREADABLE, moment_of(0))

    async def _schema(self, schema_id: str) -> EventSchema:
        schema = self._schemas.get(schema_id)
        if schema is None:
            ask = self._method("unary_unary", "GetSchema", SchemaRequest, SchemaInfo)
            request = SchemaRequest(schema_id=schema_id)
            answer = await self.attempt(
                ask(request, metadata=await self._metadata(), timeout=self._connection.timeout_s)
            )
            schema = self._schemas[schema_id] = EventSchema(answer.schema_json)
        return schema

    async def attempt(self, answer: Awaitable[Any]) -> Any:
        """An answer, its refusal as our error."""
        try:
            return await answer
        except grpc.aio.AioRpcError as error:
            trailers = {key: str(value) for key, value in error.trailing_metadata() or ()}
            trouble = trouble_of(trailers.get("error-code", ""), error.code().name, str(error.details() or ""))
        except _OVER:
            trouble = Unavailable("The stream of change events is over.")
        if isinstance(trouble, AuthRejected):
            self._rejected = self._session
        raise trouble  # out here, so that it does not carry the call along: its token

    async def _metadata(self) -> tuple[tuple[str, str], ...]:
        session = self._session = await self._sign_in(self._rejected)
        self._rejected = None
        return (
            ("accesstoken", session.token.get_secret_value()),
            ("instanceurl", session.instance_url),
            ("tenantid", session.org_id),
        )

    def _method(self, kind: str, name: str, request: Any, response: Any) -> Any:
        if self._channel is None:
            self._channel = self._open()
        return getattr(self._channel, kind)(
            f"/{SERVICE}/{name}",
            request_serializer=request.SerializeToString,
            response_deserializer=response.FromString,
        )

    def _open(self) -> Any:
        proxy = self._connection.proxy
        options: tuple[tuple[str, Any], ...] = (("grpc.enable_http_proxy", 0),)
        if proxy is not None:
            options = (("grpc.enable_http_proxy", 1), ("grpc.http_proxy", proxy.get_secret_value()))
        if self._connection.is_plain:
            return grpc.aio.insecure_channel(self._connection.address, options=options)
        ca_file = self._connection.ca_file
        roots = None if ca_file is None else ca_file.read_bytes()
        return grpc.aio.secure_channel(self._connection.address, grpc.ssl_channel_credentials(roots), options=options)


class Subscription:
    """One open stream of one topic."""

    def __init__(self, client: PubSubClient, call: Any, topic: str, replay_id: bytes) -> None:
        self._client = client
        self._call = call
        self._topic = topic
        self._replay_id = replay_id
        self._has_begun = False

    async def ask(self, count: int) -> None:
        """Ask for so many more events: first for those behind the place, without one for all that are kept, because how
        a save came about only its event says. When the stream is over, `next` says why."""
        request = FetchRequest(topic_name=self._topic, num_requested=count)
        if not self._has_begun:
            self._has_begun = True
            request.replay_preset = REPLAY_PRESETS["CUSTOM" if self._replay_id else "EARLIEST"]
            request.replay_id = self._replay_id
        with contextlib.suppress(grpc.aio.AioRpcError, *_OVER):
            await self._call.write(request)

    async def next(self) -> Batch | None:
        """The next answer, None when the service ended the stream. Raises ServiceErrors."""
        try:
            async with asyncio.timeout(SILENCE_S):
                answer = await self._client.attempt(self._call.read())
        except TimeoutError:
            raise Unavailable("The stream of change events is silent.") from None
        if answer is grpc.aio.EOF:
            return None
        events = [Told(await self._client.read(one.event), one.replay_id) for one in answer.events]
        return Batch(tuple(events), answer.latest_replay_id)

    def close(self) -> None:
        """Give the stream up."""
        self._call.cancel()


def trouble_of(error_code: str, status: str, words: str) -> ServiceError:
    """The error that a refusal stands for: by the code of its trailer, else by its gRPC status.

    ResyncNeeded: the replay id is worth nothing. Refused: a person must act, until then there is only polling.
    """
    code = error_code.removeprefix(_PREFIX)
    said = f"The Pub/Sub API said {code or status}."
    if code in _LOST:
        return ResyncNeeded(said, code=code)
    if code in _AUTH or (not code and status == "UNAUTHENTICATED"):
        return AuthRejected(said, "Check the connected app and its execution user.", code=code)
    if code in _WAITS_S:
        return Throttled(said, _WAITS_S[code], code=code)
    if code in _FORBIDDEN or (not code and status in {"PERMISSION_DENIED", "NOT_FOUND", "UNIMPLEMENTED"}):
        fix = "Enable change data capture for Event and EventRelation, and give the execution user View All Data."
        return Refused(f"{said} {fix}", code=code)
    return Unavailable(f"{said} {words[:200]}" if not code else said, code=code)
