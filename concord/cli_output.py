"""How the command line speaks: tables and sentences for people, JSON for programs, one sentence for an error."""

from __future__ import annotations

import json
import os
import sys
import textwrap
import unicodedata
from collections.abc import Sequence
from dataclasses import asdict, is_dataclass
from datetime import date, datetime
from typing import Any, Final, TextIO

from rich.console import Console
from rich.table import Table
from rich.text import Text

# Width of what is piped or written to a file, in columns: nothing is folded for the sake of a screen.
WIDE: Final = 500
# Shown instead of a character that would steer the terminal or turn the direction of a line.
STRANGE: Final = "\N{REPLACEMENT CHARACTER}"
_BIDI: Final = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def _console(stream: TextIO, *, is_stderr: bool) -> Console:
    width = None if stream.isatty() or "COLUMNS" in os.environ else WIDE
    return Console(stderr=is_stderr, width=width, highlight=False, markup=False, emoji=False)


out = _console(sys.stdout, is_stderr=False)
err = _console(sys.stderr, is_stderr=True)


def safe(text: str, *, one_line: bool = True) -> str:
    """Text of others as it may go to a terminal: no control characters, no change of direction."""
    kept = "" if one_line else "\n"
    return "".join(
        char if char in kept or (unicodedata.category(char) != "Cc" and char not in _BIDI) else STRANGE for char in text
    )


def say(text: str, *, indent: int = 0, hang: int = 2, style: str = "", whole: bool = False) -> None:
    """One line or sentence on standard output, folded only to a terminal's width; further lines are indented by `hang`
    more. `whole`: not even there, so that it can be copied."""
    line = " " * indent + safe(text)
    if out.is_terminal and not whole:
        line = textwrap.fill(
            line, out.width, subsequent_indent=" " * (indent + hang), break_long_words=False, break_on_hyphens=False
        )
    out.print(Text(line, style=style), soft_wrap=True)


def complain(text: str) -> None:
    """One sentence on standard error."""
    err.print(Text(safe(text)), soft_wrap=True)


def complain_of_all(problems: Sequence[str], fix: str = "") -> None:
    """Several problems on standard error, one a line, then what can be done."""
    complain("Not possible:")
    for problem in problems:
        complain(f"  - {problem}")
    if fix:
        complain(fix)


def print_json(value: Any) -> None:
    """One JSON document on standard output. Dataclasses become objects, times ISO 8601."""
    sys.stdout.write(json.dumps(value, default=plain_json, ensure_ascii=False, indent=2) + "\n")


def plain_json(value: Any) -> Any:
    """What `json` cannot write by itself: dataclasses as objects, times as ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    raise TypeError(f"{type(value).__name__} has no JSON form")


def print_table(
    columns: Sequence[str], rows: Sequence[Sequence[Any]], *, title: str = "", total: bool = False, cut: str = ""
) -> None:
    """A table; numbers are right-aligned, None shows as a dash.

    `total`: the last row sums up the others. `cut` names the column that is shortened, not folded, on a narrow screen.
    """
    table = Table(title=title or None, title_justify="left", header_style="bold", box=None, pad_edge=False)
    for number, column in enumerate(columns):
        cells = [row[number] for row in rows if row[number] is not None]
        is_number = bool(cells) and all(isinstance(cell, (int, float)) for cell in cells)
        table.add_column(
            column,
            justify="right" if is_number else "left",
            overflow="ellipsis" if column == cut else "fold",
            no_wrap=bool(cut) and column != cut,  # rich narrows columns that may wrap first
        )
    for number, row in enumerate(rows):
        cells = ["-" if cell is None else safe(str(cell)) for cell in row]
        table.add_row(*cells, style="bold" if total and number == len(rows) - 1 else None)
    out.print(table)


def ago(seconds: float) -> str:
    """A length of time in the largest unit that fits: `3 s`, `4 min`, `2 h`, `5 days`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.0f} h" if seconds < 172_800 else f"{seconds / 86_400:.0f} days"


def plural(count: int, one: str, many: str = "") -> str:
    """`1 pair`, `2 pairs`."""
    return f"{count} {one if count == 1 else many or one + 's'}"
