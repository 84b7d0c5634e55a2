"""The nightly check: every event of the org, read anew and compared with what the log holds. Pure exchanges.

Change events and polls see what changed. What neither saw, because a transaction committed later than every overlap or
a deletion left the log of deletions early, only a look at everything finds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any, Final

from connectors.exchange import Exchange
from connectors.salesforce import wire
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.fresh import Fresh, Unreadable
from connectors.salesforce.source import by_event, read_records, relation_queries
from connectors.salesforce.translate import event_fields, moment, to_item
from schemas.changes import Change, Item

CAUSE: Final = "drift"
# Later than every save.
EVER: Final = datetime.max.replace(tzinfo=UTC)
_DIGEST_BYTES: Final = 12


@dataclass(frozen=True)
class DriftPage:
    """A part of the check. `position` continues it, "" at its end. `seen` are the ids it brought, all of them."""

    changes: tuple[Change, ...]
    unreadable: tuple[Unreadable, ...]
    seen: frozenset[str]
    position: str


def fingerprint(item: Item) -> bytes:
    """What tells whether an event is as it was told: its content and our mark, not when it was saved."""
    return blake2b(repr((item.content, item.sync_key)).encode(errors="replace"), digest_size=_DIGEST_BYTES).digest()


def compare_page(
    told: Mapping[str, bytes], names: FieldNames, *, now: datetime, before: datetime, position: str = ""
) -> Exchange[DriftPage]:
    """The next page, from the beginning when `position` is "". `told` has the fingerprints of what the log holds.

    What was saved from `before` on is left to change events and polls, which may be about to tell it. Raises
    ResyncNeeded when the query's locator died: begin again.
    """
    fields = ", ".join(event_fields(names))
    call = wire.next_page(position) if position else wire.soql(f"SELECT {fields} FROM Event WHERE IsChild = false")
    answer = wire.read((yield call))
    rows: list[dict[str, Any]] = answer["records"]
    queries = relation_queries([row["Id"] for row in rows], names)
    relations = by_event([row for found in (yield from wire.rows_of_each(queries)) for row in found])
    fresh = Fresh(names, now, {})
    for row in rows:
        attending = relations.get(row["Id"], [])
        if moment(row["SystemModstamp"]) < before and _is_other(row, attending, names, told):
            fresh.add(row, attending, CAUSE, row["SystemModstamp"])
    return _page(rows, fresh, "" if answer["done"] else answer["nextRecordsUrl"])


def read_page(names: FieldNames, *, now: datetime, position: str = "") -> Exchange[DriftPage]:
    """The next page of every event there is, told one by one. Raises ResyncNeeded as `compare_page` does."""
    return (yield from compare_page({}, names, now=now, before=EVER, position=position))


def read_some(
    owner_ids: Sequence[str], event_ids: Sequence[str], names: FieldNames, *, now: datetime
) -> Exchange[DriftPage]:
    """These events as they are now, and every other one of these owners. What does not exist is not among `seen`."""
    ids = set(event_ids)
    for owners in wire.chunks(owner_ids, wire.IDS_MAX):
        found = yield from wire.rows_of(
            f"SELECT Id FROM Event WHERE IsChild = false AND OwnerId IN {wire.in_list(owners)}"
        )
        ids |= {row["Id"] for row in found}
    rows, relations = yield from read_records(sorted(ids), names)
    alive = [row for row in rows if not row["IsDeleted"]]
    fresh = Fresh(names, now, {})
    for row in alive:
        fresh.add(row, relations.get(row["Id"], []), CAUSE, row["SystemModstamp"])
    return _page(alive, fresh, "")


def _page(rows: list[dict[str, Any]], fresh: Fresh, position: str) -> DriftPage:
    return DriftPage(fresh.changes, fresh.unreadable, frozenset(row["Id"] for row in rows), position)


def _is_other(
    row: dict[str, Any], relations: list[dict[str, Any]], names: FieldNames, told: Mapping[str, bytes]
) -> bool:
    """Whether the log holds something else of this event, or nothing. An unreadable one counts, once it is new."""
    try:
        return told.get(row["Id"]) != fingerprint(to_item(row, relations, names))
    except (KeyError, ValueError, TypeError, OverflowError):
        return row["Id"] not in told
