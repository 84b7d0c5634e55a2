"""Who is signed in, kept in this process: the browser holds only a random token, this side only its digest.

A restart signs everybody out.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from concord.console.accounts import Account, Role
from concord.console.draft import Draft

# A session ends after so long without a request, and after so long in any case, in seconds.
IDLE_S: Final = 30 * 60.0
LIFE_S: Final = 12 * 3600.0
# Sessions kept; beyond, the one that was silent the longest ends.
SESSIONS_MAX: Final = 10_000


@dataclass
class Session:
    """Somebody signed in with the password of this hash.

    `notice` is a sentence for the next page that is shown to them, `draft` what they ticked on Users & Mailboxes and
    did not save.
    """

    name: str
    role: Role
    hashed: str
    began: float
    seen: float
    notice: str = ""
    draft: Draft = field(default_factory=Draft)


class Sessions:
    """Every session by the digest of its token. For any thread. `clock` counts seconds and never goes back."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, Session] = {}
        self._lock = threading.Lock()

    def begin(self, account: Account) -> str:
        """A new session's token."""
        token = secrets.token_urlsafe(32)
        now = self._clock()
        with self._lock:
            self._drop_old(now)
            if len(self._kept) >= SESSIONS_MAX:
                del self._kept[min(self._kept, key=lambda digest: self._kept[digest].seen)]
            self._kept[_digest(token)] = Session(account.name, account.role, account.hashed, now, now)
        return token

    def of(self, token: str, *, is_sign_of_life: bool = True) -> Session | None:
        """The session of a token, None when there is none any more."""
        now = self._clock()
        with self._lock:
            session = self._kept.get(_digest(token))
            if session is None or _is_over(session, now):
                return None
            if is_sign_of_life:
                session.seen = now
            return session

    def end(self, token: str) -> None:
        """Sign out."""
        with self._lock:
            self._kept.pop(_digest(token), None)

    def _drop_old(self, now: float) -> None:
        self._kept = {digest: session for digest, session in self._kept.items() if not _is_over(session, now)}


def _is_over(session: Session, now: float) -> bool:
    return now - session.seen > IDLE_S or now - session.began > LIFE_S


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


class FormTokens:
    """What a form must bring along: bound to the cookie of whom it was shown to, and to this process."""

    def __init__(self) -> None:
        self._key = secrets.token_bytes(32)

    def of(self, cookie: str) -> str:
        """The token of the forms shown to whoever holds this cookie."""
        return hmac.new(self._key, cookie.encode(), hashlib.sha256).hexdigest()

    def is_right(self, cookie: str, given: str) -> bool:
        """Whether a form was made for this cookie."""
        return bool(cookie) and hmac.compare_digest(self.of(cookie).encode(), given.encode())
