"""Requests to one service by a command that only looks: counted, at a pace, and never more than allowed."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from connectors.exchange import Call, Exchange, Reply, run_async
from schemas.errors import ConcordError, Throttled

T = TypeVar("T")

# How often the same is asked again after the service said to wait, and the longest such wait, in seconds.
PATIENCE: Final = 5
WAIT_MAX_S: Final = 120.0


class Asking:
    """Asks one service. `per_second` and `most` bound the requests, `is_short` says whether it has too few left today.

    `count` is how many were sent.
    """

    def __init__(
        self, name: str, send: Callable[[Call], Awaitable[Reply]], *, per_second: float, most: int,
        is_short: Callable[[], bool] = lambda: False,
    ) -> None:  # fmt: skip
        self.name = name
        self.count = 0
        self._send = send
        self._pause_s = 1 / per_second
        self._most = most
        self._is_short = is_short
        self._next = 0.0

    async def ask(self, make: Callable[[], Exchange[T]]) -> T:
        """What an exchange learns, made anew when the service asked to wait. Raises what exchanges do, and ConcordError
        when it takes more requests than allowed."""
        for _ in range(PATIENCE - 1):
            try:
                return await run_async(make(), self._paced)
            except Throttled as error:
                if error.wait_s > WAIT_MAX_S:
                    raise
                await asyncio.sleep(error.wait_s)
        return await run_async(make(), self._paced)

    async def _paced(self, call: Call) -> Reply:
        if self.count >= self._most:
            raise ConcordError(
                f"This takes more than {self._most} requests to {self.name}.",
                "Name users with --user, or allow more with --max-requests.",
            )
        if self._is_short():
            raise ConcordError(
                f"{self.name} has too few requests left today.",
                "Try again tomorrow, or lower CONCORD_SALESFORCE_RESERVE_PERCENT.",
            )
        now = time.monotonic()
        self._next = max(now, self._next) + self._pause_s
        await asyncio.sleep(max(0.0, self._next - self._pause_s - now))
        self.count += 1
        return await self._send(call)
