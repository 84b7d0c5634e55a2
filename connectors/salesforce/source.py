"""Reading Salesforce events: what changed since the last poll, who attends, what was deleted. Pure exchanges.

A poll is read page by page; each page carries the cursor to save once its changes are on the log. Records are found by
SystemModstamp with an overlap, because a long transaction commits late under an old stamp; the overlap is not sent
twice. A deletion counts only after a direct read says so.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.exchange import Exchange
from connectors.salesforce import wire
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.translate import RELATION_FIELDS, event_fields, moment, native, to_item
from schemas.changes import Change, Item, Side
from schemas.cursors import SalesforceCursor
from schemas.errors import Gone

OBJECT: Final = "Event"

# The deletion log drops seconds and may lag: each read begins this much before the last one ended.
DELETION_OVERLAP: Final = timedelta(minutes=5)
# The deletion log reaches back 15 days; a little less is asked for.
DELETION_REACH: Final = timedelta(days=14, hours=23)

_DELETED: Final = "deleted"


@dataclass(frozen=True)
class Unreadable:
    """A record that cannot be translated: its JSON and why, for `sync.quarantine`."""

    id: str
    native: str
    reason: str


@dataclass(frozen=True)
class Page:
    """A part of a poll. `position` continues it; `cursor` may be saved once `changes` are on the log.

    `needs_full_read`: the deletion log no longer reaches back to where it was last read, so every id known from the log
    must be asked for (`verify_missing`).
    """

    changes: tuple[Change, ...]
    unreadable: tuple[Unreadable, ...]
    cursor: SalesforceCursor
    position: str
    is_last: bool
    needs_full_read: bool = False


def poll_page(
    cursor: SalesforceCursor, names: FieldNames, *, now: datetime, overlap_s: float, wanted: str = "",
    position: str = "",
) -> Exchange[Page]:  # fmt: skip
    """The next page of a poll; begins one when `position` is "". A different `wanted` reads everything again.

    Raises ResyncNeeded when the query's locator died: begin the poll again.
    """
    if cursor.wanted != wanted:
        cursor = replace(cursor, since=None, recent={}, wanted=wanted)
    overlap = timedelta(seconds=overlap_s)
    if position:
        answer = wire.read((yield wire.next_page(position)))
    else:
        answer = wire.read((yield wire.soql(_changed_events(cursor, names, overlap))))
    rows: list[dict[str, Any]] = list(answer["records"])
    relations = yield from _relations([row["Id"] for row in rows])
    fresh = _Fresh(names, now, dict(cursor.recent))
    fresh.add(rows, relations, "poll")
    stamps = [moment(row["SystemModstamp"]) for row in rows]
    since = max([*stamps, cursor.since], key=lambda stamp: stamp or _EVER) if stamps else cursor.since
    if not answer["done"]:
        saved = replace(cursor, since=since, recent=_pruned(fresh.recent, since, overlap))
        # While pages are open the stamp must not run ahead of rows not read yet: ties are read again after a crash.
        return Page(fresh.changes, fresh.unreadable, saved, answer["nextRecordsUrl"], is_last=False)
    if cursor.since is not None:
        yield from _other_attendees(cursor.since - overlap, {row["Id"] for row in rows}, fresh)
    deleted_since, needs_full_read = yield from _deletions(cursor, now, fresh)
    saved = replace(
        cursor, since=since or now, deleted_since=deleted_since, read_at=now,
        recent=_pruned(fresh.recent, since or now, overlap),
    )  # fmt: skip
    return Page(fresh.changes, fresh.unreadable, saved, "", is_last=True, needs_full_read=needs_full_read)


_EVER: Final = moment("1970-01-01T00:00:00+00:00")


class _Fresh:
    """What a page found that was not sent before."""

    def __init__(self, names: FieldNames, now: datetime, recent: dict[str, str]) -> None:
        self.names = names
        self._now = now
        self._changes: list[Change] = []
        self._unreadable: list[Unreadable] = []
        self.recent = recent

    @property
    def changes(self) -> tuple[Change, ...]:
        return tuple(self._changes)

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        return tuple(self._unreadable)

    def add(self, rows: Sequence[dict[str, Any]], relations: dict[str, list[dict[str, Any]]], cause: str) -> None:
        for row in rows:
            record_id, own = row["Id"], relations.get(row["Id"], [])
            text = native(row, own)
            stamp = row["SystemModstamp"]
            mark = f"{stamp}|{hashlib.sha256((text or repr((row, own))).encode()).hexdigest()[:20]}"
            if self.recent.get(record_id) == mark:
                continue
            self.recent[record_id] = mark
            try:
                item = to_item(row, own, self.names)
            except (KeyError, ValueError, TypeError, OverflowError) as error:
                self._unreadable.append(Unreadable(record_id, text, f"no readable Event: {type(error).__name__}"))
                continue
            origin = str(row.get(self.names.origin) or "") if self.names.origin else ""
            self._changes.append(
                Change(Side.SALESFORCE, record_id, self._now, item, origin=origin, cause=cause, native=text)
            )

    def add_deleted(self, record_id: str, at: str) -> None:
        if self.recent.get(record_id, "").partition("|")[2] != _DELETED:
            self.recent[record_id] = f"{at}|{_DELETED}"
            self._changes.append(Change(Side.SALESFORCE, record_id, self._now, cause="deletion"))


def _pruned(recent: dict[str, str], since: datetime | None, overlap: timedelta) -> dict[str, str]:
    """Only what the next poll can meet again."""
    if since is None:
        return {}
    oldest = since - overlap - DELETION_OVERLAP
    return {key: mark for key, mark in recent.items() if moment(mark.partition("|")[0]) >= oldest}


def _changed_events(cursor: SalesforceCursor, names: FieldNames, overlap: timedelta) -> str:
    since = "" if cursor.since is None else f" AND SystemModstamp >= {wire.instant(cursor.since - overlap)}"
    fields = ", ".join(event_fields(names))
    return f"SELECT {fields} FROM Event WHERE IsChild = false{since} ORDER BY SystemModstamp ASC, Id ASC"


def _relations(event_ids: Sequence[str]) -> Exchange[dict[str, list[dict[str, Any]]]]:
    """The attendee rows of these events, in a stable order, by event."""
    found: dict[str, list[dict[str, Any]]] = {}
    for some in wire.chunks(event_ids):
        query = f"SELECT {', '.join(RELATION_FIELDS)} FROM EventRelation WHERE EventId IN {wire.in_list(some)}"
        for row in (yield from wire.rows_of(query)):
            row.pop("attributes", None)
            found.setdefault(row["EventId"], []).append(row)
    for rows in found.values():
        rows.sort(key=lambda row: str(row["Id"]))
    return found


def _other_attendees(since: datetime, seen: set[str], fresh: _Fresh) -> Exchange[None]:
    """Events whose attendees changed although the event itself did not: an EventRelation does not touch its parent."""
    query = f"SELECT EventId FROM EventRelation WHERE SystemModstamp >= {wire.instant(since)}"
    rows = yield from wire.rows_of(query)
    parents = sorted({row["EventId"] for row in rows} - seen)
    found, relations = yield from read_records(parents, fresh.names)
    fresh.add(found, relations, "attendees")


def read_records(
    event_ids: Sequence[str], names: FieldNames
) -> Exchange[tuple[list[dict[str, Any]], dict[str, list[dict[str, Any]]]]]:
    """These events as they are now, with their attendee rows; ids that do not exist are left out."""
    rows: list[dict[str, Any]] = []
    for some in wire.chunks(event_ids):
        query = f"SELECT {', '.join(event_fields(names))} FROM Event WHERE Id IN {wire.in_list(some)}"
        rows += yield from wire.rows_of(query + " AND IsChild = false")
    relations = yield from _relations([row["Id"] for row in rows])
    return rows, relations


def read_items(event_ids: Sequence[str], names: FieldNames) -> Exchange[dict[str, Item]]:
    """These events as items, by id; ids that do not exist are left out."""
    rows, relations = yield from read_records(event_ids, names)
    return {row["Id"]: to_item(row, relations.get(row["Id"], []), names) for row in rows}


def _deletions(cursor: SalesforceCursor, now: datetime, fresh: _Fresh) -> Exchange[tuple[datetime, bool]]:
    """The deletion log since it was last read; returns up to where it is read, and whether a part of it is lost."""
    if cursor.deleted_since is None:
        return now, False  # the first poll read what exists: what was deleted before it never was ours to delete
    needs_full_read = now - cursor.deleted_since > DELETION_REACH
    start = max(cursor.deleted_since - DELETION_OVERLAP, now - DELETION_REACH)
    answer = wire.read((yield wire.deleted(OBJECT, start, now + timedelta(minutes=2))))
    earliest = answer.get("earliestDateAvailable")
    needs_full_read = needs_full_read or (bool(earliest) and moment(earliest) > cursor.deleted_since)
    at = {row["id"]: row["deletedDate"] for row in answer["deletedRecords"]}
    for record_id in (yield from _confirmed(sorted(at))):
        fresh.add_deleted(record_id, at[record_id])
    covered = moment(answer["latestDateCovered"])
    return max(cursor.deleted_since, min(covered, now)), needs_full_read


def _confirmed(record_ids: Sequence[str]) -> Exchange[list[str]]:
    """Which of these ids a direct read says are deleted (an undeleted one is alive again)."""
    alive: set[str] = set()
    for some in wire.chunks(record_ids):
        query = f"SELECT Id, IsDeleted FROM Event WHERE Id IN {wire.in_list(some)}"
        rows = yield from wire.rows_of(query, everything=True)
        alive |= {row["Id"] for row in rows if not row["IsDeleted"]}
    return [record_id for record_id in record_ids if record_id not in alive]


def verify_missing(record_ids: Iterable[str], *, now: datetime) -> Exchange[tuple[Change, ...]]:
    """Removals for those ids, known from the log, that a direct read of each says do not exist."""
    changes = []
    for record_id in (yield from _confirmed(sorted(record_ids))):
        try:
            wire.read((yield wire.get(OBJECT, record_id, ("Id",))))
        except Gone:
            changes.append(Change(Side.SALESFORCE, record_id, now, cause="deletion"))
    return tuple(changes)
