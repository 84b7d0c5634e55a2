"""Where a source stands: kept in the source's own table, written only after what was read is on the log."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True)
class DeltaWindow:
    """One calendarView/delta window, start inclusive, end exclusive; `link` continues it ("" = not read yet)."""

    start_utc: datetime
    end_utc: datetime
    link: str = ""


@dataclass(frozen=True)
class GraphCursor:
    """Where the reading of one mailbox stands.

    `wanted` is the fingerprint of the settings that decide what is read; when it differs from the present one, the
    whole range is read again. `subscription_id` and `subscription_expires` belong to the mailbox's change
    notifications ("" / None without one). `is_resync`: the whole range is being read again; ids known from before
    that it does not bring must be read one by one before this is cleared.
    """

    mailbox: str
    windows: tuple[DeltaWindow, ...] = ()
    wanted: str = ""
    read_at: datetime | None = None
    subscription_id: str = ""
    subscription_expires: datetime | None = None
    is_resync: bool = False


@dataclass(frozen=True)
class SeriesInstances:
    """The instances of one series that were last seen in a mailbox: id -> start (ISO 8601, UTC).

    A deleted or re-timed instance vanishes from the delta without a word; only this list says that it was there.
    """

    master_id: str
    starts: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class SalesforceCursor:
    """Where the polling of one object stands.

    `since` is the highest SystemModstamp read (None = nothing yet, read everything); the next read starts an overlap
    earlier, because a long transaction commits late under an old stamp. `recent` maps record id -> mark of what was
    sent for stamps inside the overlap, so that the overlap is not sent twice: filled while a poll lasts, each mark is
    kept in a row of its own. `deleted_since` is where the deletion log was read up to.
    """

    name: str
    since: datetime | None = None
    deleted_since: datetime | None = None
    recent: dict[str, str] = field(default_factory=dict)
    wanted: str = ""
    read_at: datetime | None = None
