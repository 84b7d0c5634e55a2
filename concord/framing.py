"""The frame that a record has on a topic, where that is not the one it was encoded in."""

from __future__ import annotations

from collections.abc import Callable

Frame = Callable[[str, bytes | None], bytes | None]
"""Topic and value -> what is written there."""


def unchanged(_: str, value: bytes | None) -> bytes | None:
    """The frame that records have already."""
    return value
