"""Secrets as a deployment gives them: the value itself, or a file that is read at each use.

A file that somebody replaces counts from the next use on, without a restart.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from schemas.errors import AuthRejected

# Bytes. A key with a long chain of certificates is a few thousand.
SIZE_MAX: Final = 100_000


_NOTHING: Final = SecretStr("")


@dataclass(frozen=True)
class Secret:
    """`name` is what the person who gives it calls it; `file` wins over `value`. Its value does not print."""

    name: str
    value: SecretStr = field(default=_NOTHING)
    file: Path | None = None

    def __bool__(self) -> bool:
        """Whether one was given at all."""
        return self.file is not None or bool(self.value.get_secret_value())

    def read(self) -> str:
        """The value as it is now, without space around it. Raises AuthRejected when a file gives none."""
        trouble = self.trouble()
        if trouble:
            raise AuthRejected(f"{trouble}.", "Put the file right; it is read again by itself.")
        return self._text().strip()

    def trouble(self) -> str:
        """What is wrong with the file at this moment, "" when nothing is."""
        try:
            text = self._text()
        except (OSError, ValueError) as error:
            what = "is not text" if isinstance(error, ValueError) else f"cannot be read ({type(error).__name__})"
            return f"{self.name}: the file {self.file} {what}"
        if self.file is not None and not text.strip():
            return f"{self.name}: the file {self.file} is empty"
        if len(text) > SIZE_MAX:
            return f"{self.name}: the file {self.file} is too large for a secret"
        return ""

    def _text(self) -> str:
        return self.value.get_secret_value() if self.file is None else self.file.read_text(encoding="utf-8")
