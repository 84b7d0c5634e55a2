"""Who is signed in, kept in the console's store: the browser holds a random token, the store only its digest.

Sessions outlive a restart, and every process of the console knows them.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import Engine

from concord.console.accounts import Account, Role
from concord.console.draft import Draft
from concord.console.store import Kept

# A session ends after so long without a request, and after so long in any case, in seconds.
IDLE_S: Final = 30 * 60.0
LIFE_S: Final = 12 * 3600.0
# Sessions kept; beyond, the one that was silent the longest ends.
SESSIONS_MAX: Final = 10_000
# A sign of life is written down only when the last one is older than this, in seconds.
NOTED_S: Final = 30.0
# The key of forms is kept for so long, in seconds.
KEY_LIFE_S: Final = 100 * 365 * 86_400.0


@dataclass
class Session:
    """Somebody signed in: with the password of whose hash `proof` is the digest, or by Entra as the user `user_id`.

    `notice` is a sentence for the next page that is shown to them, `draft` what they ticked on Users & Mailboxes and
    did not save. `began` and `seen` are seconds since 1970.
    """

    name: str
    role: Role
    proof: str
    began: float
    seen: float
    user_id: str = ""
    notice: str = ""
    draft: Draft = field(default_factory=Draft)
    kept: str = field(default="", repr=False, compare=False)
    """As it stands in the store."""

    @property
    def ends(self) -> float:
        """When it ends unless there is a sign of life, in seconds since 1970."""
        return min(self.seen + IDLE_S, self.began + LIFE_S)


def proof_of(account: Account) -> str:
    """What a session keeps of the password it was begun with."""
    return digest(account.hashed)


class Sessions:
    """Every session by the digest of its token. For any thread. `clock` tells seconds since 1970."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept = Kept(engine, "session")

    def begin(self, name: str, role: Role, *, proof: str = "", user_id: str = "") -> str:
        """A new session's token."""
        token, now = secrets.token_urlsafe(32), self._clock()
        session = Session(name, role, proof, now, now, user_id)
        self._kept.make_room(now, SESSIONS_MAX)
        self._kept.put(digest(token), _written(session), session.ends)
        return token

    def of(self, token: str, *, is_sign_of_life: bool = True) -> Session | None:
        """The session of a token, None when there is none any more."""
        now = self._clock()
        text = self._kept.get(digest(token), now - 1e-3) if token else None
        session = _read(text) if text is not None else None
        if session is not None and is_sign_of_life and now - session.seen >= NOTED_S:
            session.seen = now
            self.save(token, session)
        return session

    def save(self, token: str, session: Session) -> None:
        """Keep what was changed in a session, if it has not ended meanwhile."""
        text = _written(session)
        if text != session.kept:
            self._kept.change(digest(token), text, session.ends)
            session.kept = text

    def end(self, token: str) -> None:
        """Sign out."""
        self._kept.drop(digest(token))


def _written(session: Session) -> str:
    return json.dumps({
        "name": session.name, "role": session.role.word, "proof": session.proof, "began": session.began,
        "seen": session.seen, "user_id": session.user_id, "notice": session.notice,
        "enabled": session.draft.enabled, "primary": session.draft.primary,
    })  # fmt: skip


def _read(text: str) -> Session:
    held = json.loads(text)
    draft = Draft(held["enabled"], held["primary"])
    role = Role[held["role"].upper()]
    return Session(
        held["name"], role, held["proof"], held["began"], held["seen"], held["user_id"], held["notice"], draft, text
    )  # fmt: skip


def digest(token: str) -> str:
    """What a token is known by in the store."""
    return hashlib.sha256(token.encode()).hexdigest()


class FormTokens:
    """What a form must bring along: bound to the cookie of whom it was shown to, and to the console's own key."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def of(self, cookie: str) -> str:
        """The token of the forms shown to whoever holds this cookie."""
        return hmac.new(self._key, cookie.encode(), hashlib.sha256).hexdigest()

    def is_right(self, cookie: str, given: str) -> bool:
        """Whether a form was made for this cookie."""
        return bool(cookie) and hmac.compare_digest(self.of(cookie).encode(), given.encode())


def form_tokens(engine: Engine, now: float) -> FormTokens:
    """The same for every process: the first one makes the key."""
    key = Kept(engine, "key").keep_first("forms", secrets.token_hex(32), now + KEY_LIFE_S)
    return FormTokens(bytes.fromhex(key))
