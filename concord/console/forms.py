"""Forms and queries as pairs of names and values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl

FIELDS_MAX: Final = 5_000
KIND: Final = "application/x-www-form-urlencoded"


class BadForm(Exception):
    """Not a form of ours: another encoding, bad UTF-8 or too many fields."""


@dataclass(frozen=True)
class Form:
    """Fields in their order; a name may come several times."""

    pairs: tuple[tuple[str, str], ...] = ()

    def one(self, name: str, default: str = "") -> str:
        """The first value of a name, trimmed."""
        return next((value.strip() for key, value in self.pairs if key == name), default)

    def all(self, name: str) -> tuple[str, ...]:
        """Every value of a name."""
        return tuple(value for key, value in self.pairs if key == name)

    def __contains__(self, name: str) -> bool:
        return any(key == name for key, _ in self.pairs)


def read_form(body: bytes, kind: str) -> Form:
    """The fields of a body. Raises BadForm."""
    if body and kind.partition(";")[0].strip().casefold() != KIND:
        raise BadForm
    return read_query(body)


def read_query(text: bytes) -> Form:
    """The fields of a query string. Raises BadForm."""
    try:
        rows = parse_qsl(text.decode("ascii"), keep_blank_values=True, errors="strict", max_num_fields=FIELDS_MAX)
    except ValueError:
        raise BadForm from None
    return Form(tuple(rows))
