"""What a source saw: an item as read, or its confirmed removal."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from schemas.calendar import CalendarEvent

# The `cause` of a change that a sink reports about its own write (ADR 5).
WRITE: Final = "write"


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
class Wakeup:
    """ "Look at this": key is a mailbox id or a Salesforce object name. `reason`: timer, notification, operator."""

    key: str
    reason: str
    at: datetime
