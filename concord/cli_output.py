"""How the command line speaks: tables for people, JSON for programs, one sentence for an error."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from typing import Any

from rich.console import Console
from rich.table import Table

out = Console()
err = Console(stderr=True)


def print_json(value: Any) -> None:
    """One JSON document on standard output. Dataclasses become objects, times ISO 8601."""
    sys.stdout.write(json.dumps(value, default=_plain, ensure_ascii=False, indent=2) + "\n")


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """A table; numbers are right-aligned, None shows as a dash."""
    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        is_number = bool(rows) and all(isinstance(row[number], (int, float)) for row in rows)
        table.add_column(column, justify="right" if is_number else "left", overflow="fold")
    for row in rows:
        table.add_row(*("-" if cell is None else str(cell) for cell in row))
    out.print(table)
