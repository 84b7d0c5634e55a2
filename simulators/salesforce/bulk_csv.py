"""CSV as the Bulk API reads and writes it. Pure."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from simulators.salesforce.errors import SalesforceError

DELIMITERS: Final = {
    "BACKQUOTE": "`",
    "CARET": "^",
    "COMMA": ",",
    "PIPE": "|",
    "SEMICOLON": ";",
    "TAB": "\t",
}
LINE_ENDINGS: Final = {"LF": "\n", "CRLF": "\r\n"}
NULL: Final = "#N/A"
"""What a cell says to clear a field; an empty cell leaves it alone."""


def read_text(data: bytes) -> str:
    """An upload as text, without a byte order mark. Raises SalesforceError when it is not UTF-8."""
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SalesforceError(400, "INVALIDBATCH", "the data is not UTF-8") from None


def read_table(text: str, delimiter: str) -> tuple[list[str], list[list[str]]]:
    """Header and rows of an upload. Raises SalesforceError when a row is longer or shorter than the header."""
    rows = [row for row in csv.reader(io.StringIO(text, newline=""), delimiter=DELIMITERS[delimiter]) if row]
    if not rows:
        return [], []
    header = [name.strip() for name in rows[0]]
    if any(len(row) != len(header) for row in rows[1:]):
        message = f"a row has another number of columns than the header ({len(header)})"
        raise SalesforceError(400, "INVALIDBATCH", message)
    return header, rows[1:]


def body_of(header: Sequence[str], row: Sequence[str]) -> dict[str, Any]:
    """The JSON object that a row stands for; `Owner.Username` becomes a nested object."""
    body: dict[str, Any] = {}
    for name, cell in zip(header, row, strict=True):
        if cell == "":
            continue
        value = None if cell == NULL else cell
        above, dot, field = name.partition(".")
        if dot:
            body[above] = {field: value}
        else:
            body[name] = value
    return body


def write_table(header: Sequence[str], rows: Iterable[Sequence[Any]], delimiter: str, line_ending: str) -> bytes:
    """A table in the form the service writes: every cell quoted."""
    out = io.StringIO(newline="")
    writer = csv.writer(
        out, delimiter=DELIMITERS[delimiter], lineterminator=LINE_ENDINGS[line_ending], quoting=csv.QUOTE_ALL
    )
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode()


def flattened(record: Mapping[str, Any]) -> dict[str, str]:
    """A record's cells by column path. Times end in Z here, unlike in the REST API."""
    cells: dict[str, str] = {}
    for name, value in record.items():
        if name == "attributes":
            continue
        if isinstance(value, Mapping):
            cells.update((f"{name}.{below}", cell) for below, cell in flattened(value).items())
        else:
            cells[name] = cell_of(value)
    return cells


def cell_of(value: Any) -> str:
    """One value as text."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return text.replace("+0000", "Z") if text.endswith(".000+0000") else text
