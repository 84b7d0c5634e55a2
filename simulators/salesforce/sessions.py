"""Access tokens: issued, found, expired by the clock, revoked. The token answer never says when a token dies."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from simulators.salesforce.values import datetime_text

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._"


@dataclass(frozen=True)
class Session:
    """A token's user and end. `expires` is wire text; None never ends. `app` is the consumer key, "" for none."""

    token: str
    user_id: str
    expires: str | None
    app: str = ""


class Sessions:
    """All tokens of an org."""

    def __init__(self, org_id: str, rng: random.Random, static_user: Callable[[str], str | None]) -> None:
        self._org_id = org_id
        self._static_user = static_user
        self._rng = rng
        self._held: dict[str, Session] = {}

    def issue(self, user_id: str, app: str, until: datetime) -> Session:
        """A fresh token."""
        secret = "".join(self._rng.choices(_LETTERS, k=96))
        session = Session(f"{self._org_id[:15]}!{secret}", user_id, datetime_text(until), app)
        self._held[session.token] = session
        return session

    def find(self, token: str, now: datetime) -> Session | None:
        """The session of a token that is alive at this moment."""
        session = self._held.get(token)
        if session is None:
            user_id = self._static_user(token)
            return None if user_id is None else Session(token, user_id, None)
        if session.expires is not None and session.expires <= datetime_text(now):
            del self._held[token]
            return None
        return session

    def revoke(self, token: str) -> bool:
        """End a token. Answers whether it was known."""
        return self._held.pop(token, None) is not None

    def expire_all(self) -> int:
        """End every token that has an end, as an administrator who clears sessions does. Answers how many."""
        ending = [token for token, session in self._held.items() if session.expires is not None]
        for token in ending:
            del self._held[token]
        return len(ending)

    def dump(self) -> list[dict[str, Any]]:
        """All sessions as JSON values."""
        return [asdict(session) for session in self._held.values()]

    def load(self, state: list[Mapping[str, Any]]) -> None:
        """Replace all sessions by what `dump` gave."""
        sessions = (Session(**value) for value in state)
        self._held = {session.token: session for session in sessions}
