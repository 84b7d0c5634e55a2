"""The endpoint that Graph posts to: answers at once, and only then wakes up sources. Live.

Graph counts an answer after 3 s as none and soon stops posting to a slow endpoint, so nothing but a check of the
body happens before the answer. What is lost here is found by the timer: a post is a hint, never data.
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

from starlette.applications import Starlette
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from connectors.graph.subscriptions import NOTIFIED, read_notifications
from schemas.changes import Wakeup

NOTIFICATION_PATH: Final = "/graph/notifications"
LIFECYCLE_PATH: Final = "/graph/lifecycle"

# Bytes. A post of notifications without resource data is a few kilobytes; anything this large is not one.
BODY_MAX: Final = 1_000_000
# Characters. Graph's own tokens are below 300.
TOKEN_LENGTH_MAX: Final = 4_000
# Wake-ups that may wait. One per mailbox and reason at most, so this is thousands of mailboxes.
QUEUE_SIZE: Final = 10_000

_LOG: Final = logging.getLogger(__name__)


class Inbox:
    """Wake-ups that were answered for but not passed on yet: each (mailbox, reason) once, oldest first.

    `counts` says how many posts ended how: accepted, rejected (items), full, too_large, failed (wake-ups).
    """

    def __init__(self, on_wakeup: Callable[[Wakeup], Awaitable[None]], size: int) -> None:
        self.counts: Counter[str] = Counter()
        self._on_wakeup = on_wakeup
        self._size = size
        self._waiting: dict[tuple[str, str], Wakeup] = {}
        self._arrived = asyncio.Event()

    def put(self, wakeups: list[Wakeup]) -> bool:
        """Take all of them or, when there is no room, none."""
        fresh = {(w.key, w.reason): w for w in wakeups if (w.key, w.reason) not in self._waiting}
        if len(self._waiting) + len(fresh) > self._size:
            return False
        for wakeup in wakeups:
            place = wakeup.key, wakeup.reason
            if place in self._waiting:
                held = self._waiting[place]
                # One of them that does not say what it is about has everything looked at.
                is_said = held.versions and wakeup.versions
                versions = tuple(dict.fromkeys((*held.versions, *wakeup.versions))) if is_said else ()
                self._waiting[place] = replace(held, versions=versions)
        self._waiting |= fresh
        self._arrived.set()
        return True

    async def pass_on(self) -> None:
        """Hand over wake-ups for ever. One that cannot be handed over is counted and dropped: the timer covers it."""
        while True:
            await self._arrived.wait()
            self._arrived.clear()
            while self._waiting:
                wakeup = self._waiting.pop(next(iter(self._waiting)))
                try:
                    await self._on_wakeup(wakeup)
                except Exception as error:  # noqa: BLE001 - whatever fails behind us, the endpoint must go on
                    self.counts["failed"] += 1
                    _LOG.warning("a wake-up was not passed on: %s", type(error).__name__)


def webhook_app(
    on_wakeup: Callable[[Wakeup], Awaitable[None]],
    secret: str,
    *,
    max_body: int = BODY_MAX,
    queue_size: int = QUEUE_SIZE,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Starlette:
    """The application with both paths, NOTIFICATION_PATH and LIFECYCLE_PATH. `app.state.inbox.counts` counts.

    It passes wake-ups on while its lifespan runs. `secret` is what `subscriptions.client_state` was made with.
    """
    inbox = Inbox(on_wakeup, queue_size)

    async def receive(request: Request) -> Response:
        token = request.query_params.get("validationToken")
        if token is not None:
            return _confirmation(token)
        body = await _read_body(request, max_body)
        if body is None:
            inbox.counts["too_large"] += 1
            return Response(status_code=413)
        notified = read_notifications(body, secret)
        inbox.counts["rejected"] += notified.rejected
        wakeups = [
            Wakeup(mailbox, reason, now(), versions=notified.versions.get(mailbox, ()) if reason == NOTIFIED else ())
            for mailbox, reason in notified.wakeups
        ]
        if not inbox.put(wakeups):
            inbox.counts["full"] += 1
            return Response(status_code=503, headers={"retry-after": "10"})
        inbox.counts["accepted"] += 1
        return Response(status_code=202)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        passing_on = asyncio.create_task(inbox.pass_on())
        try:
            yield
        finally:
            passing_on.cancel()
            with suppress(asyncio.CancelledError):
                await passing_on

    routes = [Route(path, receive, methods=["POST"]) for path in (NOTIFICATION_PATH, LIFECYCLE_PATH)]
    app = Starlette(routes=routes, lifespan=lifespan)
    app.state.inbox = inbox
    return app


def _confirmation(token: str) -> Response:
    """The handshake's answer: the token as plain text, which no browser may take for a page."""
    if len(token) > TOKEN_LENGTH_MAX:
        return Response(status_code=400)
    return PlainTextResponse(token, headers={"x-content-type-options": "nosniff"})


async def _read_body(request: Request, limit: int) -> bytes | None:
    """The body, None when it is longer than `limit` bytes or its sender went away."""
    parts, length = [], 0
    try:
        async for part in request.stream():
            length += len(part)
            if length > limit:
                return None
            parts.append(part)
    except ClientDisconnect:
        return None
    return b"".join(parts)
