"""Who may sign in with a password on this machine: a file of names, roles and hashes.

A password is generated here and shown once; nobody can choose a weak one, and no file holds it.
"""

from __future__ import annotations

import json
import os
import re
import secrets
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Final

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from schemas.errors import ConfigError

FILE: Final = "console-accounts.json"
# Who is there on the first day.
FIRST: Final = "administrator"
NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@-]{0,99}")
# Four groups of five from letters and digits that are not mistaken for each other: 99 bits.
ALPHABET: Final = "abcdefghjkmnpqrstuvwxyz23456789"
GROUPS: Final = (4, 5)
# Argon2id as RFC 9106 recommends it where memory is dear: 3 passes over 64 MiB, in KiB.
PASSES: Final = 3
MEMORY_KIB: Final = 64 * 1024
# Longer input is not hashed.
PASSWORD_MAX: Final = 200


class Role(IntEnum):
    """What somebody may do; each may do what the ones before it may."""

    VIEWER = 1
    OPERATOR = 2
    ADMINISTRATOR = 3

    @property
    def word(self) -> str:
        """As people write it."""
        return self.name.lower()


@dataclass(frozen=True)
class Account:
    """One name, its role and the hash of its password (PHC string)."""

    name: str
    role: Role
    hashed: str


def read_role(text: str) -> Role:
    """A role by its word. Raises ConfigError."""
    try:
        return Role[text.upper()]
    except KeyError:
        known = ", ".join(role.word for role in Role)
        raise ConfigError([f"{text!r} is not a role"], f"Use one of: {known}.") from None


def new_password() -> str:
    """A password that can be read out, typed, and not guessed."""
    count, length = GROUPS
    return "-".join("".join(secrets.choice(ALPHABET) for _ in range(length)) for _ in range(count))


def hashed(password: str) -> str:
    """A password as it is kept."""
    kdf = Argon2id(
        salt=secrets.token_bytes(16), length=32, iterations=PASSES, lanes=1, memory_cost=MEMORY_KIB
    )  # fmt: skip
    return kdf.derive_phc_encoded(password.encode())


def is_password(password: str, kept: str) -> bool:
    """Whether this is the password that was hashed."""
    if len(password) > PASSWORD_MAX:
        return False
    try:
        Argon2id.verify_phc_encoded(password.encode(), kept)
    except (InvalidKey, ValueError):
        return False
    return True


class Accounts:
    """The file. It is read anew each time: a change counts at once, in every process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._nobodys: str = ""

    def all(self) -> dict[str, Account]:
        """Every account by name; none when there is no file. Raises ConfigError when it cannot be read."""
        try:
            rows = json.loads(self._path.read_text(encoding="utf-8"))
            found = [Account(name, read_role(row["role"]), row["hash"]) for name, row in rows.items()]
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ConfigError(
                [f"The accounts of the console cannot be read from {self._path}: {type(error).__name__}"],
                "Put the file right, or remove it: the next `concord console` makes a new first password.",
            ) from error
        return {account.name: account for account in found}

    def check(self, name: str, password: str) -> Account | None:
        """The account with this name and password. An unknown name takes as long as a wrong password."""
        account = self.all().get(name)
        if account is None:
            self._nobodys = self._nobodys or hashed(new_password())
            is_password(password, self._nobodys)
            return None
        return account if is_password(password, account.hashed) else None

    def set(self, name: str, role: Role) -> str:
        """Add an account, or give it a new role and password. Returns the password. Raises ConfigError."""
        if NAME.fullmatch(name) is None:
            raise ConfigError(
                [f"{name!r} is no name for an account"], "Use small letters, digits and . _ @ - (at most 100)."
            )
        password = new_password()
        self._write(self.all() | {name: Account(name, role, hashed(password))})
        return password

    def remove(self, name: str) -> None:
        """Remove an account. Raises ConfigError when there is none, or no administrator would be left."""
        left = self.all()
        if left.pop(name, None) is None:
            raise ConfigError([f"There is no account {name!r}"], "`concord console list` shows all.")
        if not any(account.role is Role.ADMINISTRATOR for account in left.values()):
            raise ConfigError(["No administrator would be left"], "Add another one first.")
        self._write(left)

    def first_password(self) -> str | None:
        """Make the first administrator when there is nobody; returns the password then."""
        return None if self.all() else self.set(FIRST, Role.ADMINISTRATOR)

    def _write(self, accounts: dict[str, Account]) -> None:
        """Replace the file at once; only its owner may read it."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        rows = {account.name: {"role": account.role.word, "hash": account.hashed} for account in accounts.values()}
        beside = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        beside.unlink(missing_ok=True)
        with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            json.dump(rows, file, indent=2)
        beside.replace(self._path)
