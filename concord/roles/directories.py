"""Publishing a side's directory: only what differs from the topic, and nothing forgotten because of an empty read."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from concord.guard import Lane
from projections.directory import Directory, is_graph_room
from schemas.codec import encode
from schemas.directory import DirectoryEntry, EntryKind
from schemas.topics import DIRECTORY_CHANGES


def publish(
    lane: Lane, read: Iterable[DirectoryEntry], known: Directory, is_ours: Callable[[DirectoryEntry], bool]
) -> int:
    """Send new and changed facts, tombstones for those that are gone, the completion mark last. Returns how many.

    A kind of fact that came back wholly empty is not forgotten: an empty read proves nothing.
    """
    entries = {entry.key: entry for entry in read}
    kinds = {entry.kind for entry in entries.values()}
    changed = [(key, entry) for key, entry in entries.items() if known.entries.get(key) != entry]
    gone = [
        key
        for key, entry in known.entries.items()
        if is_ours(entry) and entry.kind in kinds and entry.kind is not EntryKind.COMPLETE and key not in entries
    ]
    changed.sort(key=lambda pair: pair[1].kind is EntryKind.COMPLETE)
    for key in gone:
        lane.send(DIRECTORY_CHANGES, key.encode(), None, partition=0)
    for key, entry in changed:
        lane.send(DIRECTORY_CHANGES, key.encode(), encode(entry), partition=0)
    return len(gone) + len(changed)


def is_graphs(entry: DirectoryEntry) -> bool:
    """Whether a fact comes from Microsoft 365: mailboxes, and rooms, whose id there is an address."""
    return entry.kind is EntryKind.MAILBOX or (entry.kind is EntryKind.ROOM and is_graph_room(entry))


def is_salesforces(entry: DirectoryEntry) -> bool:
    """Whether a fact comes from Salesforce: people's addresses, and resource calendars."""
    return entry.kind is EntryKind.ADDRESS or (entry.kind is EntryKind.ROOM and not is_graph_room(entry))
