"""From what change events say to what is told: every record they name is read anew. A pure exchange.

They say how a record was saved; what it holds is read by SOQL, so that the nulls of an UPDATE are never taken for
cleared values. A deletion counts only after the same direct read that polling asks for.
"""

from __future__ import annotations

from collections import ChainMap
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, cast

from connectors.exchange import Exchange
from connectors.salesforce import wire
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.fresh import Fresh, Unreadable
from connectors.salesforce.marks import is_own
from connectors.salesforce.source import OBJECT, confirmed, read_records
from schemas.changes import Change, Notice
from schemas.state import UNTOLD

RELATION: Final = "EventRelation"


@dataclass(frozen=True)
class Heard:
    """What change events led to. `marks` are those that changed, as text by record id, to be kept once `changes` are on
    the log. `is_incomplete`: more changed than was told, so a poll must find it."""

    changes: tuple[Change, ...]
    unreadable: tuple[Unreadable, ...]
    marks: Mapping[str, str]
    is_incomplete: bool


def hear(
    notices: Sequence[Notice], names: FieldNames, marks: Mapping[str, str], *,
    now: datetime, told_until: datetime, own_user: str = "",
) -> Exchange[Heard]:  # fmt: skip
    """Read what these notices name. `marks` are those kept of the records named, as text by id.

    What we saved ourselves is not read: the sink told what the record held behind its write, flows of that save
    included, and the next poll looks again. A gap says too little to be taken for ours. `told_until` is up to when
    everything was told before; `own_user` is the id of our user, "" when unknown.
    """
    changed: dict[str, str] = {}
    fresh = Fresh(names, now, ChainMap(changed, cast("MutableMapping[str, str]", marks)))
    fresh.told_until = told_until
    saved, deleted = _note(fresh, notices, own_user)
    invited = [one for one in notices if one.entity == RELATION and not _is_told(one, own_user)]
    attended = yield from _events_of(invited)
    wanted = sorted(saved | deleted.keys() | attended)
    rows, relations = yield from read_records(wanted, names)
    for row in rows:
        cause = "event" if row["Id"] in saved else "attendees"
        fresh.add(row, relations.get(row["Id"], []), cause, row["SystemModstamp"])
    unread = sorted(deleted.keys() - {row["Id"] for row in rows})
    for record_id in (yield from confirmed([one for one in unread if not fresh.is_known_deleted(one)])):
        fresh.add_deleted(record_id, wire.instant(deleted[record_id]))
    return Heard(fresh.changes, fresh.unreadable, changed, any(one.is_overflow for one in notices))


def _is_told(notice: Notice, own_user: str) -> bool:
    """Whether the sink told of this change: our own, and no gap."""
    return is_own(notice, own_user) and not notice.is_gap


def _note(fresh: Fresh, notices: Iterable[Notice], own_user: str) -> tuple[set[str], dict[str, datetime]]:
    """Note how events were saved. Which are to be read, and which of them are said to be deleted, and when."""
    saved: set[str] = set()
    deleted: dict[str, datetime] = {}
    for notice in notices:
        if notice.entity != OBJECT:
            continue
        for record_id in notice.record_ids:
            mark = fresh.mark(record_id)
            if mark.is_repeat(notice):
                continue
            fresh.recent[record_id] = mark.hearing(notice, own_user).to_text()
            if not _is_told(notice, own_user) or mark.sent == UNTOLD:
                saved.add(record_id)
            if notice.is_deletion:
                deleted[record_id] = notice.committed_at
    return saved, deleted


def _events_of(notices: Sequence[Notice]) -> Exchange[set[str]]:
    """The events whose attendees these notices are about: an update of a relation does not name its event."""
    found = {event_id for notice in notices for event_id in notice.event_ids}
    unnamed = sorted({one for notice in notices if not notice.event_ids for one in notice.record_ids})
    queries = [
        wire.soql(f"SELECT EventId FROM EventRelation WHERE Id IN {wire.in_list(some)}", everything=True)
        for some in wire.chunks(unnamed, wire.IDS_MAX)
    ]
    for rows in (yield from wire.rows_of_each(queries)):
        found |= {row["EventId"] for row in rows}
    return found
