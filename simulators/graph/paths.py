"""Paths of Graph calls, taken apart."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

_KEYED: Final = re.compile(r"^([A-Za-z$]+)\('(.*)'\)$")


def split_path(raw_path: str) -> list[str]:
    """The decoded segments of a path; `users('x')` counts as two, type names before functions are dropped."""
    segments: list[str] = []
    for raw in raw_path.split("/"):
        if not raw:
            continue
        segment = unquote(raw)
        keyed = _KEYED.match(segment)
        if keyed is not None:
            segments.extend((keyed.group(1), keyed.group(2).replace("''", "'")))
        else:
            segments.append(segment.removesuffix("()"))
    return segments


def mailbox_in(segments: list[str]) -> str | None:
    """The user named by a Graph path that opens his mailbox; None for directory paths."""
    if len(segments) >= 3 and segments[0].lower() == "users":
        return segments[1]
    return None
