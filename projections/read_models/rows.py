"""What a read model's fold does to rows. Plain data: who keeps the rows carries it out, in order.

Values are what JSON knows. Times are milliseconds since 1970 (UTC): every database compares those alike.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

Values = dict[str, Any]


@dataclass(frozen=True)
class Put:
    """A row stands in the table: made, or these columns of it replaced. `values` has the whole key."""

    table: str
    values: Values


@dataclass(frozen=True)
class Count:
    """These columns of the row grow by so much; the row is made if it is not there."""

    table: str
    key: Values
    amounts: dict[str, int]


@dataclass(frozen=True)
class Remove:
    """No row with these values stands in the table."""

    table: str
    where: Values


@dataclass(frozen=True)
class Rewrite:
    """One column of every row with these values is what `change` makes of it."""

    table: str
    where: Values
    column: str
    change: Callable[[Any], Any] = field(compare=False)


RowChange = Put | Count | Remove | Rewrite


def ms_of(moment: datetime) -> int:
    """A moment as milliseconds since 1970."""
    return round(moment.timestamp() * 1000)
