"""After a refused sign-in: no more tries with the same credentials for a while, at once with other ones.

Hundreds of mailboxes wait for one token. Without this each of them would ask again with what was just refused, and a
service may lock an application out that tries too often.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from schemas.errors import AuthRejected

# Seconds to the next try with the same credentials: doubling.
FIRST_WAIT_S: Final = 5.0
LONGEST_WAIT_S: Final = 300.0

_LOG: Final = logging.getLogger(__name__)


class Patience:
    """Remembers the last refusal. Logs when sign-ins begin to be refused, and when they work again."""

    def __init__(self, service: str, *, now: Callable[[], float] = time.monotonic) -> None:
        self._service = service
        self._now = now
        self._refusal: AuthRejected | None = None
        self._refused = b""
        self._again_at = 0.0
        self._wait_s = 0.0

    def check(self, credentials: str) -> None:
        """Raises the last refusal again, when these credentials met it and it is too early for another try."""
        if self._refusal is not None and self._refused == _digest(credentials) and self._now() < self._again_at:
            raise _again(self._refusal)

    def refused(self, credentials: str, refusal: AuthRejected) -> None:
        """These credentials were refused; "" stands for none that could be read."""
        digest = _digest(credentials)
        is_new = self._refusal is None or self._refused != digest or self._refusal.what != refusal.what
        self._wait_s = FIRST_WAIT_S if is_new else min(LONGEST_WAIT_S, 2.0 * self._wait_s)
        self._again_at = self._now() + self._wait_s
        self._refusal, self._refused = _again(refusal), digest
        if is_new:
            _LOG.error(
                "%s: %s %s Tried again after %.0f s, then ever more rarely, and at once with other credentials.",
                self._service, refusal.what, refusal.fix, self._wait_s,
            )  # fmt: skip

    def accepted(self) -> None:
        """A sign-in worked."""
        if self._refusal is not None:
            _LOG.warning("%s: signed in again.", self._service)
        self._refusal = None


def _digest(credentials: str) -> bytes:
    """What tells credentials apart without keeping them."""
    return sha256(credentials.encode()).digest()


def _again(refusal: AuthRejected) -> AuthRejected:
    """The same error without where it came from."""
    return AuthRejected(refusal.what, refusal.fix, code=refusal.code, status=refusal.status)
