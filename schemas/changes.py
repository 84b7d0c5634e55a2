"""What a source saw: an item as read, or its confirmed removal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from schemas.calendar import CalendarEvent

# The `cause` of a change that a sink reports about its own write (ADR 5).
WRITE: Final = "write"
# The `reason` of a wake-up by which a sink says what its write left.
WRITTEN: Final = "written"
# What the type of a change event begins with that says only that something changed.
GAP: Final = "GAP_"


class Side(StrEnum):
    """One of the two services."""

    GRAPH = "graph"
    SALESFORCE = "salesforce"


class Kind(StrEnum):
    """What sort of entry an item is. Salesforce items are always `single`."""

    SINGLE = "single"
    OCCURRENCE = "occurrence"
    EXCEPTION = "exception"
    SERIES_MASTER = "series_master"


@dataclass(frozen=True)
class Item:
    """One native record as read: where it stands, which version, and what it holds.

    `mailbox` is the Graph user id ("" for Salesforce). `version` is the etag or SystemModstamp. `sync_key` is the
    pair key that our own mark on the item carries ("" when unmarked). `organizer_mailbox` is the mailbox of the
    tenant that the organizer's address belongs to ("" when outside), filled in by intake, as is `origin`: how its last
    save came about, where the source knows ("" = unknown).
    """

    side: Side
    id: str
    version: str
    modified_at: datetime
    created_at: datetime
    content: CalendarEvent
    mailbox: str = ""
    kind: Kind = Kind.SINGLE
    i_cal_uid: str = ""
    series_master_id: str = ""
    original_start: datetime | None = None
    sync_key: str = ""
    is_organizer: bool = True
    is_draft: bool = False
    organizer_mailbox: str = ""
    origin: str = ""


@dataclass(frozen=True)
class Change:
    """One record of `graph.changes` or `salesforce.changes`: `item` as read, or None for a confirmed removal.

    `origin` says how the change came about, where the source knows ("" = unknown). `native` is the JSON as read
    ("" when it was too large to keep). `cause` names the read: delta, poll, deletion, write. `in_burst`: one of so many
    removals in one run of the source that an operator is to look first (rule 7.20).
    """

    side: Side
    id: str
    observed_at: datetime
    item: Item | None = None
    mailbox: str = ""
    origin: str = ""
    cause: str = ""
    native: str = ""
    in_burst: bool = False


@dataclass(frozen=True)
class Notice:
    """What a change event of Salesforce says beside the content, which is always read anew.

    `entity` is Event or EventRelation, `change_type` CREATE, UPDATE, DELETE, UNDELETE, or one of these after GAP_.
    `record_ids` are those of the event, several when equal changes were merged; none where it names none (overflow, a
    wildcard). `origin` and `user` say how it was saved and by whom ("" where the event does not say), `saved_at` is
    LastModifiedDate where the body has it. `commit` rises with each transaction, `sequence` counts inside it.
    `event_ids` are the events of relations, where the body names them; `changed` the names of the changed fields.
    """

    entity: str
    record_ids: tuple[str, ...]
    change_type: str
    committed_at: datetime
    origin: str = ""
    user: str = ""
    saved_at: datetime | None = None
    transaction: str = ""
    sequence: int = 0
    commit: int = 0
    event_ids: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def is_gap(self) -> bool:
        """Whether it only says that something changed: neither how, nor by whom."""
        return self.change_type.startswith(GAP)

    @property
    def is_new(self) -> bool:
        """Whether the records were made."""
        return self.change_type.removeprefix(GAP) == "CREATE"

    @property
    def is_deletion(self) -> bool:
        """Whether the records were deleted."""
        return self.change_type.removeprefix(GAP) == "DELETE"

    @property
    def is_overflow(self) -> bool:
        """Whether more changed than is told: an overflow, or a gap that names no record."""
        return not self.record_ids


@dataclass(frozen=True)
class Wakeup:
    """ "Look at this": key is a mailbox id or an object name. `reason`: timer, notification, operator, WRITTEN, and for
    a change stream `events`, `silence` and `lost`.

    `topic`, `notices` and `replay_id` are those of a change stream: what it told, and the place behind it in
    hexadecimal. `versions`: all that a notification names, or what a write of ours left; empty when it does not say.
    """

    key: str
    reason: str
    at: datetime
    topic: str = ""
    replay_id: str = ""
    notices: tuple[Notice, ...] = ()
    versions: tuple[str, ...] = ()
