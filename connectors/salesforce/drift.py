"""The nightly check: every event of the org, read anew and compared with what the log holds. Pure exchanges.

Change events and polls see what changed. What neither saw, because a transaction committed later than every overlap or
a deletion left the log of deletions early, only a look at everything finds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any, Final

from connectors.exchange import Exchange
from connectors.salesforce import wire
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.fresh import Fresh, Unreadable
from connectors.salesforce.source import by_event, relation_queries
from connectors.salesforce.translate import event_fields, moment, to_item
from schemas.changes import Change, Item

CAUSE: Final = "drift"
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
    seen = frozenset(row["Id"] for row in rows)
    return DriftPage(fresh.changes, fresh.unreadable, seen, "" if answer["done"] else answer["nextRecordsUrl"])


def _is_other(
    row: dict[str, Any], relations: list[dict[str, Any]], names: FieldNames, told: Mapping[str, bytes]
) -> bool:
    """Whether the log holds something else of this event, or nothing. An unreadable one counts, once it is new."""
    try:
        return told.get(row["Id"]) != fingerprint(to_item(row, relations, names))
    except (KeyError, ValueError, TypeError, OverflowError):
        return row["Id"] not in told
