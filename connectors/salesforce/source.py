"""Reading Salesforce events: what changed since the last poll, who attends, what was deleted. Pure exchanges.

A poll is read page by page; each page carries the cursor to save once its changes are on the log. Records are found by
SystemModstamp with an overlap, because a long transaction commits late under an old stamp; the overlap is not sent
twice. A deletion counts only after a direct read says so.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from connectors.exchange import Call, Exchange, Reply
from connectors.salesforce import wire
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.fresh import Fresh, Rows, Unreadable
from connectors.salesforce.marks import mark_from
from connectors.salesforce.translate import event_fields, moment, relation_fields, to_item
from schemas.changes import Change, Item, Side
from schemas.cursors import SalesforceCursor
from schemas.errors import Gone

OBJECT: Final = "Event"

# The deletion log drops seconds and may lag: each read begins this much before the last one ended.
DELETION_OVERLAP: Final = timedelta(minutes=5)
# The deletion log reaches back 15 days by Salesforce's clock; ours may differ.
DELETION_REACH: Final = timedelta(days=14)
# How much of the log the first poll asks for, only to learn up to when Salesforce has all: our clock may be ahead.
FIRST_REACH: Final = timedelta(hours=1)

# Before anything was told.
NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC)

# Records remembered so that the overlap is not sent twice. Forgotten ones are sent again with every poll that meets
# them, so there is room for some 300 bytes each of an hour in which 25 a second change and nothing says how.
RECENT_MAX: Final = 100_000


@dataclass(frozen=True)
class Page:
    """A part of a poll. `position` continues it; `cursor` may be saved once `changes` are on the log.

    `needs_full_read`: the deletion log no longer reaches back to where it was last read, so every id known from the log
    must be asked for (`verify_missing`) before `cursor` is saved.
    """

    changes: tuple[Change, ...]
    unreadable: tuple[Unreadable, ...]
    cursor: SalesforceCursor
    position: str
    is_last: bool
    needs_full_read: bool = False


Told = Callable[[datetime], datetime | None]
"""Given up to when a poll sees everything, up to when change events have told all they ever will; None: not known."""


def poll_page(
    cursor: SalesforceCursor, names: FieldNames, *, now: datetime, overlap_s: float, wanted: str = "",
    position: str = "", told: Told | None = None,
) -> Exchange[Page]:  # fmt: skip
    """The next page of a poll; begins one when `position` is "". A different `wanted` reads everything again.

    With `told`, change events tell how each record was saved: what they may still tell of goes with an origin that is
    not told yet, and `since` stays behind it, so that a later poll finds out. Raises ResyncNeeded when the query's
    locator died: begin the poll again.
    """
    if cursor.wanted != wanted:
        recent = {record_id: mark_from(text).untold().to_text() for record_id, text in cursor.recent.items()}
        cursor = replace(cursor, since=None, recent=recent, wanted=wanted, read_at=None)
    fresh = Fresh(names, now, dict(cursor.recent))
    overlap = timedelta(seconds=overlap_s)
    if not position:
        return (yield from _first_page(cursor, fresh, overlap, told))
    place = json.loads(position)
    answer = wire.read((yield wire.next_page(place["next"])))
    fresh.told_until = moment(place["told"]) if place["told"] else None
    yield from _with_relations(answer["records"], fresh)
    return _page(answer, cursor, moment(place["sure"]), fresh, overlap)


def _first_page(cursor: SalesforceCursor, fresh: Fresh, overlap: timedelta, told: Told | None) -> Exchange[Page]:
    """Deletions, the first rows, and attendees that changed: asked for together, in this order.

    What the deletion log covers is the one moment of Salesforce's clock up to which everything is known to be visible
    to the queries behind it; `since` never passes it. A clock of ours takes no part.
    """
    start, needs_full_read = _deletions_from(cursor, fresh.now)
    calls = [wire.deleted(OBJECT, start, fresh.now), _changed_events(cursor, fresh.names, overlap)]
    if cursor.deleted_since is not None:
        # During a first read that was interrupted, only what changed since it began can have been read already.
        known = cursor.since if cursor.since is not None and cursor.read_at is not None else cursor.deleted_since
        calls.append(_changed_relations(known - overlap))
    replies = yield from wire.together(calls)
    log, answer = (wire.read(reply) for reply in replies[:2])
    covered = moment(log["latestDateCovered"])
    if told is not None:
        known_until = [moment for moment in (cursor.since, told(covered)) if moment is not None]
        fresh.told_until = min(covered, max(known_until, default=NEVER))
    if cursor.deleted_since is not None:
        earliest = log.get("earliestDateAvailable")
        needs_full_read = needs_full_read or (bool(earliest) and moment(earliest) > cursor.deleted_since)
        at = {row["id"]: row["deletedDate"] for row in log["deletedRecords"]}
        for record_id in (yield from confirmed([key for key in sorted(at) if not fresh.is_known_deleted(key)])):
            fresh.add_deleted(record_id, at[record_id])
        yield from _with_relations(answer["records"], fresh, replies[2])
    else:
        yield from _with_relations(answer["records"], fresh)
    deleted_since = covered if cursor.deleted_since is None else max(cursor.deleted_since, covered)
    cursor = replace(cursor, deleted_since=deleted_since)
    return replace(_page(answer, cursor, covered, fresh, overlap), needs_full_read=needs_full_read)


def _deletions_from(cursor: SalesforceCursor, now: datetime) -> tuple[datetime, bool]:
    """From when the deletion log is to be read, and whether a part of it is lost by now."""
    if cursor.deleted_since is None:
        return now - FIRST_REACH, False
    is_lost = now - cursor.deleted_since > DELETION_REACH
    start = max(cursor.deleted_since - DELETION_OVERLAP, now - DELETION_REACH)
    return min(start, now - DELETION_OVERLAP), is_lost  # a clock that was put back leaves a window all the same


def _page(answer: dict[str, Any], cursor: SalesforceCursor, sure: datetime, fresh: Fresh, overlap: timedelta) -> Page:
    """The page and the cursor behind it.

    Rows come in the order of their stamps when the query ran, but as they are when their page is read: one that
    changed meanwhile carries a stamp beyond `sure` and says nothing about the rows before it.
    """
    stamps = [stamp for stamp in (moment(row["SystemModstamp"]) for row in answer["records"]) if stamp <= sure]
    is_last = bool(answer["done"])
    since = max(
        [*stamps, *([sure] if is_last else []), *([] if cursor.since is None else [cursor.since])], default=None
    )
    if fresh.told_until is not None and since is not None:
        since = min(since, fresh.told_until)
    saved = replace(
        cursor, since=since, recent=_pruned(fresh.recent, since, cursor.deleted_since, overlap),
        read_at=fresh.now if is_last else cursor.read_at,
    )  # fmt: skip
    position = "" if is_last else json.dumps({
        "next": answer["nextRecordsUrl"], "sure": sure.isoformat(),
        "told": "" if fresh.told_until is None else fresh.told_until.isoformat(),
    })  # fmt: skip
    return Page(fresh.changes, fresh.unreadable, saved, position, is_last)


def _pruned(
    recent: Mapping[str, str], since: datetime | None, deleted_since: datetime | None, overlap: timedelta
) -> dict[str, str]:
    """Only what the next poll can meet again, the latest first if it is too much."""
    kept = dict(recent)
    oldest = min((moment for moment in (since, deleted_since) if moment is not None), default=None)
    if oldest is not None:
        # A minute more: the deletion log drops seconds.
        edge = oldest - max(overlap, DELETION_OVERLAP + timedelta(minutes=1))
        kept = {key: mark for key, mark in recent.items() if moment(mark.partition("|")[0]) >= edge}
    if len(kept) <= RECENT_MAX:
        return kept
    return dict(sorted(kept.items(), key=lambda pair: pair[1], reverse=True)[:RECENT_MAX])


def _changed_events(cursor: SalesforceCursor, names: FieldNames, overlap: timedelta) -> Call:
    """What changed: with deleted and archived rows, except when everything is being read for the first time."""
    since = "" if cursor.since is None else f" AND SystemModstamp >= {wire.instant(cursor.since - overlap)}"
    fields = ", ".join(event_fields(names))
    query = f"SELECT {fields} FROM Event WHERE IsChild = false{since} ORDER BY SystemModstamp ASC, Id ASC"
    return wire.soql(query, everything=cursor.read_at is not None)


def _changed_relations(since: datetime) -> Call:
    """Attendees that changed or were removed, which does not touch their event."""
    query = f"SELECT EventId, SystemModstamp FROM EventRelation WHERE SystemModstamp >= {wire.instant(since)}"
    return wire.soql(query, everything=True)


def _with_relations(rows: Rows, fresh: Fresh, changed: Reply | None = None) -> Exchange[None]:
    """Add these rows with their attendees, and the events behind `changed` attendees."""
    stamps: dict[str, str] = {}
    if changed is not None:
        for row in (yield from wire.all_rows(changed)):
            stamps[row["EventId"]] = max(stamps.get(row["EventId"], ""), row["SystemModstamp"])
    alive = [row["Id"] for row in rows if not row["IsDeleted"]]
    others = sorted(stamps.keys() - {row["Id"] for row in rows})
    found, relations = yield from _read(others, alive + others, fresh.names)
    for row in rows:
        stamp = max(row["SystemModstamp"], stamps.get(row["Id"], ""))
        fresh.add(row, relations.get(row["Id"], []), "poll", stamp)
    for row in found:
        stamp = max(row["SystemModstamp"], stamps[row["Id"]])
        fresh.add(row, relations.get(row["Id"], []), "attendees", stamp)


def events_where(condition: str, names: FieldNames) -> str:
    """A query for events, but no invitees' copies of them."""
    return f"SELECT {', '.join(event_fields(names))} FROM Event WHERE IsChild = false AND {condition}"


def event_queries(event_ids: Sequence[str], names: FieldNames) -> list[Call]:
    """Queries for these events as they are now, archived and deleted ones included."""
    return [
        wire.soql(events_where(f"Id IN {wire.in_list(some)}", names), everything=True)
        for some in wire.chunks(event_ids, wire.IDS_MAX)
    ]


def relation_queries(event_ids: Sequence[str], names: FieldNames) -> list[Call]:
    """Queries for the relation rows of these events."""
    fields = ", ".join(relation_fields(names))
    where = "WHERE IsDeleted = false AND EventId IN"
    return [
        wire.soql(f"SELECT {fields} FROM EventRelation {where} {wire.in_list(some)}", everything=True)
        for some in wire.chunks(event_ids, wire.IDS_MAX)
    ]


def by_event(rows: Iterable[dict[str, Any]]) -> dict[str, Rows]:
    """Relation rows by event, in a stable order."""
    found: dict[str, Rows] = {}
    for row in sorted(rows, key=lambda row: str(row["Id"])):
        row.pop("attributes", None)
        found.setdefault(row["EventId"], []).append(row)
    return found


def _read(
    event_ids: Sequence[str], with_relations: Sequence[str], names: FieldNames
) -> Exchange[tuple[Rows, dict[str, Rows]]]:
    events, relations = event_queries(event_ids, names), relation_queries(with_relations, names)
    answers = yield from wire.rows_of_each([*events, *relations])
    found = [row for rows in answers[: len(events)] for row in rows]
    return found, by_event(row for rows in answers[len(events) :] for row in rows)


def read_records(event_ids: Sequence[str], names: FieldNames) -> Exchange[tuple[Rows, dict[str, Rows]]]:
    """These events as they are now, with their relation rows by event.

    Deleted ones come with IsDeleted true; ids that do not exist at all are left out.
    """
    return (yield from _read(event_ids, event_ids, names))


def read_items(event_ids: Sequence[str], names: FieldNames) -> Exchange[dict[str, Item]]:
    """These events as items, by id; ids that do not exist are left out."""
    rows, relations = yield from read_records(event_ids, names)
    return {row["Id"]: to_item(row, relations.get(row["Id"], []), names) for row in rows if not row["IsDeleted"]}


def confirmed(record_ids: Sequence[str]) -> Exchange[list[str]]:
    """Which of these ids a direct read says are deleted: not those restored since, nor invitees' copies."""
    rest: set[str] = set()
    queries = [
        wire.soql(f"SELECT Id, IsDeleted, IsChild FROM Event WHERE Id IN {wire.in_list(some)}", everything=True)
        for some in wire.chunks(record_ids, wire.IDS_MAX)
    ]
    for rows in (yield from wire.rows_of_each(queries)):
        rest |= {row["Id"] for row in rows if row["IsChild"] or not row["IsDeleted"]}
    return [record_id for record_id in record_ids if record_id not in rest]


def missing(record_ids: Sequence[str]) -> Exchange[set[str]]:
    """Those of these ids of which two direct reads, a query and a GET, say that they do not exist."""
    suspects = yield from confirmed(record_ids)
    gone = set()
    replies = yield from wire.together([wire.get(OBJECT, record_id, ("Id",)) for record_id in suspects])
    for record_id, reply in zip(suspects, replies, strict=True):
        try:
            wire.read(reply)
        except Gone:
            gone.add(record_id)
    return gone


def verify_missing(record_ids: Iterable[str], *, now: datetime) -> Exchange[tuple[Change, ...]]:
    """Removals for those ids, known from the log, that a direct read of each says do not exist."""
    gone = yield from missing(sorted(record_ids))
    return tuple(Change(Side.SALESFORCE, record_id, now, cause="deletion") for record_id in sorted(gone))
