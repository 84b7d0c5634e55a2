"""The live edge to Microsoft Graph: sends one call, returns one reply. Meaning is in `wire`; nothing is logged."""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from types import TracebackType
from typing import Final
from urllib.parse import urlsplit
from uuid import uuid4

import httpx

from connectors.exchange import Call, Reply
from connectors.graph import wire
from connectors.graph.tokens import GraphConnection, TokenSource
from schemas.errors import AuthRejected, ResyncNeeded, Throttled, Unavailable

__all__ = ["GraphClient", "GraphConnection"]

# Seconds. When a mailbox must wait longer than this, the caller is told (Throttled) and can do other work meanwhile.
PAUSE_MAX_S: Final = 10.0

# Errors that httpx raises before anything of the request was sent.
_NOT_SENT: Final = (
    httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError, httpx.UnsupportedProtocol,
)  # fmt: skip


class _Lane:
    """What one mailbox may have in flight, and until when it must rest (a reading of `time.monotonic`)."""

    def __init__(self, width: int) -> None:
        self.width = width
        self.rest_until = 0.0
        self._free = asyncio.Semaphore(width)
        self._batching = asyncio.Lock()

    @asynccontextmanager
    async def slot(self, is_batch: bool) -> AsyncIterator[None]:
        """Room for one request. A batch runs its items four at a time, so it takes the whole width."""
        taken = 0
        try:
            if is_batch:
                # One batch at a time collects slots: two that each hold half would wait for each other for ever.
                async with self._batching:
                    while taken < self.width:
                        await self._free.acquire()
                        taken += 1
            else:
                await self._free.acquire()
                taken = 1
            yield
        finally:
            for _ in range(taken):
                self._free.release()

    async def rest(self) -> None:
        """Wait as the service asked, if that is short. Raises Throttled with the time left when it is long."""
        while (left := self.rest_until - time.monotonic()) > 0:
            if left > PAUSE_MAX_S:
                raise Throttled("This mailbox still has to wait.", left)
            await asyncio.sleep(left)


class GraphClient:
    """Sends calls with a token, at most `in_flight_per_mailbox` at a time per mailbox, resting when throttled.

    `counts` maps (kind of request, status or "unavailable") to how many were sent, `throttled` counts the answers that
    asked to wait, `trouble` says why the last request got no answer ("" when it did). One instance belongs to one
    event loop; close it with `close` or use it as an async context manager.
    """

    def __init__(
        self,
        connection: GraphConnection,
        *,
        tokens: TokenSource | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.throttled = 0
        self.trouble = ""
        self._base = connection.base_url.rstrip("/")
        self._tokens = tokens or TokenSource(connection)
        self._http = httpx.AsyncClient(
            verify=connection.verify(), timeout=connection.timeout_s, transport=transport, proxy=connection.through(),
            trust_env=False,
        )  # fmt: skip
        self._lanes: defaultdict[str, _Lane] = defaultdict(lambda: _Lane(connection.in_flight_per_mailbox))

    async def __aenter__(self) -> GraphClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()
        self._tokens.close()

    async def send(self, call: Call) -> Reply:
        """Send one call and return the answer, whatever its status.

        Raises Unavailable when there was no answer (`was_sent` says whether the request may have arrived), Throttled
        while the mailbox must rest, AuthRejected when no token is to be had, and ResyncNeeded for a link that does
        not lead to the configured service.
        """
        url = self._url(call.path)
        kind = wire.kind_of(call)
        lane = self._lanes[call.mailbox]
        async with lane.slot(kind == "batch"):
            await lane.rest()
            try:
                reply = await self._answer(call, url, kind)
            except (AuthRejected, Unavailable) as error:
                self.trouble = error.what
                raise
            self.trouble = ""
            wait_s = wire.asked_wait_s(reply)
            if wait_s > 0:
                self.throttled += 1
                lane.rest_until = max(lane.rest_until, time.monotonic() + wait_s)
        return reply

    async def _answer(self, call: Call, url: str, kind: str) -> Reply:
        token = await self._tokens.token()
        reply = await self._send_once(call, url, token, kind)
        if reply.status == 401:  # revoked, or rotated early: one more try with a fresh one
            self._tokens.discard(token)
            reply = await self._send_once(call, url, await self._tokens.token(), kind)
        return reply

    async def _send_once(self, call: Call, url: str, token: str, kind: str) -> Reply:
        headers = {
            "accept": "application/json",
            **call.headers,
            "authorization": f"Bearer {token}",
            "client-request-id": str(uuid4()),
        }
        content = None
        if call.body is not None:
            headers["content-type"] = "application/json"
            content = json.dumps(call.body, separators=(",", ":")).encode()
        try:
            answer = await self._http.request(
                call.method, url, params=dict(call.params) or None, headers=headers, content=content
            )
        except httpx.HTTPError as error:
            self.counts[kind, "unavailable"] += 1
            was_sent = not isinstance(error, _NOT_SENT)
            what = "did not answer" if was_sent else "cannot be reached"
            host = urlsplit(self._base).netloc
            raise Unavailable(
                f"Microsoft Graph at {host} {what} ({type(error).__name__}).", was_sent=was_sent
            ) from error
        self.counts[kind, str(answer.status_code)] += 1
        return Reply(answer.status_code, {k.lower(): v for k, v in answer.headers.items()}, answer.content)

    def _url(self, path: str) -> str:
        """The address of a call. Our token must not go anywhere but to the configured service."""
        if path.startswith("/"):
            return self._base + path
        ours, theirs = urlsplit(self._base), urlsplit(path)
        is_ours = (ours.scheme, ours.netloc) == (theirs.scheme, theirs.netloc)
        if not is_ours or not theirs.path.startswith(f"{ours.path}/") or "/.." in theirs.path:
            raise ResyncNeeded("A stored link leads to another service than the configured one.", code="ForeignLink")
        return path
