"""Paths of Graph calls, taken apart."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final
from urllib.parse import unquote

from simulators.http import Request

_KEYED: Final = re.compile(r"^([A-Za-z$]+)\('(.*)'\)$")
_NAMESPACES: Final = ("microsoft.graph.", "graph.")


def direct(request: Request) -> Request:
    """The request itself, or the one meant by a target that holds a whole link of this service behind the version.

    Microsoft's JavaScript client knows links only by `https://`: over plain http it appends a nextLink to the root.
    """
    head, mark, link = request.target.partition(f"/{request.base_url}/")
    if not mark or head.count("/") != 1:
        return request
    return replace(request, target=f"/{link}")


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


def without_namespace(segment: str) -> str:
    """A type, function or action without its namespace, which is `microsoft.graph` or its alias `graph`."""
    for prefix in _NAMESPACES:
        if segment.lower().startswith(prefix):
            return segment[len(prefix) :]
    return segment


def mailbox_in(segments: list[str]) -> str | None:
    """The user named by a Graph path that opens his mailbox; None for directory paths."""
    if len(segments) >= 3 and segments[0].lower() == "users":
        return segments[1]
    return None
