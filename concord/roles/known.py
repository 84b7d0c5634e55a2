"""Which items the log says exist: a fold of a change topic's partition, for the rare moment a cursor died or very much
was deleted."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable

from concord.guard import GuardedApp
from schemas.changes import Change
from schemas.codec import decode
from schemas.errors import UnreadableRecord


class Owners:
    """The items whose last change was no removal, and whose they are: the mailbox they stand in, or their owner."""

    def __init__(self, mailbox: str = "") -> None:
        self.alive: dict[str, str] = {}
        self._mailbox = mailbox

    def take(self, values: Iterable[bytes | None]) -> None:
        """Fold records, those of other mailboxes and unreadable ones aside."""
        for value in values:
            with contextlib.suppress(UnreadableRecord):
                change = decode(Change, value)
                if self._mailbox not in ("", change.mailbox):
                    continue
                if change.item is None:
                    self.alive.pop(change.id, None)
                else:
                    self.alive[change.id] = change.mailbox or change.item.content.owner_id


async def known_owners(app: GuardedApp, topic: str, partition: int | None, mailbox: str = "") -> dict[str, str]:
    """Id -> whose it is, for each item the log holds alive: in one partition or in all, of one mailbox or of all."""
    owners = Owners(mailbox)
    for number in range(app.partitions) if partition is None else (partition,):
        earliest, end = await app.reader.earliest_and_end(topic, number)
        if earliest >= end:
            continue
        async for record in app.reader.read(topic, number, earliest, end - 1):
            owners.take((record.value,))
    return owners.alive
