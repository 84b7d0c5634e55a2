"""Server-sent events: open pages are told that something changed, and that they are still heard.

One task looks at what pages show, while anybody listens; a stream costs no thread. What is sent names no content.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Final

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.responses import PlainTextResponse, Response, StreamingResponse

from concord.console.accounts import Role
from concord.console.pages import Page, Visit
from schemas.errors import ConcordError

log: Final = structlog.get_logger(__name__)

KIND: Final = "text/event-stream"
# Seconds between two looks, and between two signs of life on a stream.
LOOK_S: Final = 2.0
BEAT_S: Final = 10.0
# The read models follow the log by some seconds: what changed is told once more after so many looks.
AGAIN_LOOKS: Final = 3
# Streams open at a time, and of one session; browsers give one host six connections.
STREAMS_MAX: Final = 100
OWN_MAX: Final = 5


@dataclass(eq=False)
class _Listener:
    """One open stream. `told` is the version that the page shows."""

    token: str
    told: str
    woken: asyncio.Event = field(default_factory=asyncio.Event)


class Live:
    """Who listens, and what they are told. `version` blocks and says whether anything changed; for one event loop."""

    def __init__(self, version: Callable[[], str], *, look_s: float = LOOK_S, beat_s: float = BEAT_S) -> None:
        self._version = version
        self._look_s = look_s
        self._beat_s = beat_s
        self._listeners: set[_Listener] = set()
        self._watcher: asyncio.Task[None] | None = None
        self._now = ""
        self._round = 0
        self._is_closed = False

    @property
    def open(self) -> int:
        """How many streams are open."""
        return len(self._listeners)

    def is_full(self, token: str) -> bool:
        """Whether one more stream of this session is one too many."""
        own = Counter(one.token for one in self._listeners)
        return len(self._listeners) >= STREAMS_MAX or own[token] >= OWN_MAX

    def close(self) -> None:
        """End every stream, now and from now on."""
        self._is_closed = True
        for one in self._listeners:
            one.woken.set()

    async def stream(self, token: str, since: str, is_signed_in: Callable[[], bool]) -> AsyncIterator[str]:
        """What a page is told, until it goes away, its session ends or the console does."""
        listener = _Listener(token, since)
        self._listeners.add(listener)
        try:
            if self._watcher is None or self._watcher.done():
                self._watcher = asyncio.create_task(self._watch())
            while not self._is_closed:
                if not await run_in_threadpool(is_signed_in):
                    yield _event("over", "")
                    return
                if self._now:
                    is_new = listener.told not in ("", self._now)
                    listener.told = self._now
                    yield _event("changed" if is_new else "beat", self._now)
                listener.woken.clear()
                try:
                    await asyncio.wait_for(listener.woken.wait(), self._beat_s)
                except TimeoutError:
                    continue
        finally:
            self._listeners.discard(listener)

    async def _watch(self) -> None:
        """Look for as long as anybody listens. What cannot be seen is not told as if it were new."""
        again = 0
        while self._listeners and not self._is_closed:
            try:
                seen = await run_in_threadpool(self._version)
            except ConcordError as error:
                if self._now:
                    log.warning("open pages cannot be kept up to date", why=error.what)
                self._now = ""
            else:
                is_other = bool(self._now) and not self._now.startswith(_name(seen))
                again = AGAIN_LOOKS if is_other else again - 1
                self._round += again == 0
                name = f"{_name(seen)}{self._round}"
                if name != self._now:
                    self._now = name
                    for one in self._listeners:
                        one.woken.set()
            await asyncio.sleep(self._look_s)


def _name(version: str) -> str:
    return hashlib.sha256(version.encode()).hexdigest()[:16] + "."


def _event(kind: str, name: str) -> str:
    return f"event: {kind}\nid: {name}\ndata: {name}\n\n"


def listen(visit: Visit) -> Response:
    """A stream of events for one page."""
    live, token, sessions = visit.site.live, visit.cookie, visit.site.sessions
    if live.is_full(token):
        return PlainTextResponse("Too many pages are open.\n", 503, {"retry-after": "30"})
    stream = live.stream(
        token, visit.query.one("since")[:64], lambda: sessions.of(token, is_sign_of_life=False) is not None
    )
    return StreamingResponse(stream, media_type=KIND, headers={"x-accel-buffering": "no"})


def pages() -> tuple[Page, ...]:
    """The pages of this module."""
    return (Page("/live", listen, Role.VIEWER, is_part=True),)
