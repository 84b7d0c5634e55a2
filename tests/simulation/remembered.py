"""Records read once: bytes that this run encoded need not be decoded again to know what they say.

Decoding takes a third of a run otherwise. Every so often the bytes are decoded all the same and compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final
from unittest.mock import patch

from schemas import codec

CHECKED_EVERY: Final = 50
_USERS: Final = (
    "concord.roles.known", "concord.roles.mailbox", "concord.roles.poll", "concord.roles.reconcile",
    "concord.roles.sinks", "simulation.deciding", "simulation.stages", "simulation.outcome", "simulation.world",
)  # fmt: skip


@contextmanager
def remembered() -> Iterator[None]:
    """While this is open, the simulation's stages decode what they encoded by looking it up."""
    known: dict[bytes, Any] = {}
    count = 0

    def encode(value: Any) -> bytes:
        raw = codec.encode(value)
        known[raw] = value
        return raw

    def decode(kind: type, raw: bytes | None) -> Any:
        nonlocal count
        found = known.get(raw or b"")
        count += 1
        if type(found) is not kind or count % CHECKED_EVERY == 0:
            read = codec.decode(kind, raw)
            assert type(found) is not kind or read == found, f"{read} was written as {found}"
            return read
        return found

    with ExitStack() as stack:
        for module in _USERS:
            stack.enter_context(patch(f"{module}.decode", decode, create=True))
            stack.enter_context(patch(f"{module}.encode", encode, create=True))
        yield
