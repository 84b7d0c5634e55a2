"""Programs that use the API: access tokens with a name, a role and an end, in a file that holds only their digests.

A token is random and long: its digest needs no slow hash, and guessing none of the throttle of passwords.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from concord.console.accounts import NAME, Role, read_role
from concord.console.sessions import Session
from schemas.errors import ConfigError

FILE: Final = "console-tokens.json"
# What every token begins with, so that scanners of sources find one that was committed.
PREFIX: Final = "concord_"
TOKEN_MAX: Final = 200
# What a program is called in records and logs: no account has such a name.
CALLED: Final = "token:"


@dataclass(frozen=True)
class Program:
    """One token: whose, what it may do, until when (aware)."""

    name: str
    role: Role
    digest: str
    ends: datetime


class Programs:
    """The file. It is read anew each time: a change counts at once, in every process."""

    def __init__(self, path: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path = path
        self._now = now

    def all(self) -> dict[str, Program]:
        """Every token by its name. Raises ConfigError when the file cannot be read."""
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            found = [
                Program(name, read_role(row["role"]), row["digest"], datetime.fromisoformat(row["ends"]))
                for name, row in rows.items()
            ]
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                [f"The access tokens of the console cannot be read from {self._path}: {type(error).__name__}"],
                "Put the file right, or remove it and make new tokens.",
            ) from error
        return {program.name: program for program in found}

    def add(self, name: str, role: Role, life: timedelta) -> str:
        """Make a token; it is returned and kept nowhere. Raises ConfigError for a name that is taken or none."""
        if NAME.fullmatch(name) is None:
            raise ConfigError([f"{name!r} is no name"], "Use small letters, digits and . _ @ - (at most 100).")
        programs = self.all()
        if name in programs:
            raise ConfigError([f"There is a token {name!r} already"], "Remove it first, or choose another name.")
        token = PREFIX + secrets.token_urlsafe(32)
        self._write(programs | {name: Program(name, role, _digest(token), self._now() + life)})
        return token

    def remove(self, name: str) -> None:
        """Take a token away. Raises ConfigError when there is none of this name."""
        programs = self.all()
        if programs.pop(name, None) is None:
            raise ConfigError([f"There is no token {name!r}"], "`concord console token list` shows all.")
        self._write(programs)

    def session_of(self, token: str) -> Session | None:
        """Who sends this token, None when it does not count."""
        if not token.startswith(PREFIX) or len(token) > TOKEN_MAX:
            return None
        digest = _digest(token)
        for one in self.all().values():
            if secrets.compare_digest(one.digest, digest) and self._now() < one.ends:
                return Session(CALLED + one.name, one.role, "", 0.0, 0.0)
        return None

    def _write(self, programs: dict[str, Program]) -> None:
        """Replace the file at once; only its owner may read it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        rows = {
            one.name: {"role": one.role.word, "digest": one.digest, "ends": one.ends.isoformat()}
            for one in programs.values()
        }
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=2)
        beside.replace(self._path)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
