"""Which versions of events are our own writes, so that their coming back costs nothing. Pure.

A write's answer says which version it left. A notification and a delta row that name that very version say nothing
that the write's outcome has not told. Whoever changes the event next gives it another one.
"""

from __future__ import annotations

from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from typing import Final

from schemas.changes import WRITTEN, Wakeup

# Remembered per mailbox. What is forgotten is read once more.
REMEMBERED_MAX: Final = 500


def naming(event_id: str, version: str) -> str:
    """One version of one event as a text: instances of a series share versions, so the id belongs to it."""
    return f"{version} {event_id}"


class OwnVersions:
    """What our writes left, the latest of each mailbox."""

    def __init__(self) -> None:
        self._held: defaultdict[str, OrderedDict[str, None]] = defaultdict(OrderedDict)

    def note(self, mailbox: str, versions: Iterable[str]) -> None:
        """Writes of ours left these."""
        held = self._held[mailbox]
        for version in versions:
            held[version] = None
            held.move_to_end(version)
        while len(held) > REMEMBERED_MAX:
            held.popitem(last=False)

    def of(self, mailbox: str) -> frozenset[str]:
        """Those of one mailbox."""
        return frozenset(self._held.get(mailbox, ()))

    def settles(self, wakeup: Wakeup) -> bool:
        """Take note of what a write of ours left. Whether a wake-up names nothing else, so that nothing is to be read:
        the outcomes of these writes told it all, and what is lost here the timer finds."""
        if wakeup.reason == WRITTEN:
            self.note(wakeup.key, wakeup.versions)
            return True
        named = set(wakeup.versions)
        return bool(named) and named <= self._held.get(wakeup.key, {}).keys()
