"""Which items the log says exist: a fold of a change topic's partition, for the rare moment a cursor died."""

from __future__ import annotations

import contextlib

from concord.guard import GuardedApp
from schemas.changes import Change
from schemas.codec import decode
from schemas.errors import UnreadableRecord


async def known_ids(app: GuardedApp, topic: str, partition: int | None, mailbox: str = "") -> set[str]:
    """The ids whose last change was no removal: in one partition or in all, of one mailbox or of all."""
    alive: set[str] = set()
    for number in range(app.partitions) if partition is None else (partition,):
        earliest, end = await app.reader.earliest_and_end(topic, number)
        if earliest >= end:
            continue
        async for record in app.reader.read(topic, number, earliest, end - 1):
            with contextlib.suppress(UnreadableRecord):
                change = decode(Change, record.value)
                if mailbox in ("", change.mailbox):
                    (alive.add if change.item is not None else alive.discard)(change.id)
    return alive
