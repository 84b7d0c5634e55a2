"""getUpdated and getDeleted: which records changed in a window, and how far the answer reaches."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Final

from simulators.http import Response
from simulators.salesforce.calls import Call
from simulators.salesforce.errors import SalesforceError
from simulators.salesforce.records import Records, fits_view
from simulators.salesforce.schema import SObject
from simulators.salesforce.values import datetime_text, read_datetime

UPDATED_DAYS: Final = 30
DELETED_DAYS: Final = 15
IDS_MAX: Final = 600_000
PURGE_EVERY: Final = timedelta(hours=2)
"""How often the delete log is cut back, and the age below which an entry is safe."""


class Replication:
    """The replication windows of an org."""

    def __init__(self, records: Records, rng: random.Random) -> None:
        self._records = records
        self._rng = rng
        self.held = 0
        """How often coverage ended before the window's end."""
        self.purged_at: str = ""
        """When the delete log was last cut back (wire text)."""

    def answer(self, call: Call, sobject: SObject, which: str) -> Response:
        """GET /sobjects/{name}/updated or /deleted with start and end."""
        if "replicate" not in sobject.calls:
            text = f"entity type {sobject.name} does not support replication"
            raise SalesforceError(400, "INVALID_TYPE_FOR_OPERATION", text)
        now = self._records.clock.now().astimezone(UTC)
        start, end = (_minute_of(call, name) for name in ("start", "end"))
        self._check_window(start, end, now, deleted=which == "deleted")
        covered = self._covered(start, min(end, now.replace(second=0, microsecond=0)))
        low, high = datetime_text(start), datetime_text(covered)
        return self._deleted(sobject, low, high, now) if which == "deleted" else self._updated(sobject, low, high)

    def purge(self, now: datetime) -> None:
        """Cut the delete log back to its limit, oldest entries first; entries of the last two hours stay."""
        text = datetime_text(now)
        if self.purged_at and datetime_text(read_datetime(self.purged_at) + PURGE_EVERY) > text:
            return
        self.purged_at = text
        store = self._records.store
        surplus = len(store.deletions) - self._records.behaviour.delete_log_rows_max
        young = datetime_text(now - PURGE_EVERY)
        cut = 0
        while cut < surplus and store.deletions[cut].deleted < young:
            cut += 1
        if cut:
            store.purged_until = store.deletions[cut - 1].deleted
            del store.deletions[:cut]

    def _updated(self, sobject: SObject, low: str, high: str) -> Response:
        table = self._records.store.tables[sobject.table]
        ids = [
            record_id
            for record_id in table.between("SystemModstamp", low, high)
            if not table.rows[record_id].get("IsDeleted") and fits_view(sobject, table.rows[record_id])
        ]
        self._check_count(len(ids))
        return Response.of_json(200, {"ids": ids, "latestDateCovered": high})

    def _deleted(self, sobject: SObject, low: str, high: str, now: datetime) -> Response:
        store = self._records.store
        found = [
            {"id": item.record_id, "deletedDate": item.deleted}
            for item in store.deletions
            if item.sobject == sobject.table
            and low <= item.deleted <= high
            and (store.row(sobject.table, item.record_id) or {}).get("IsDeleted")
        ]
        self._check_count(len(found))
        oldest = datetime_text(now - timedelta(days=DELETED_DAYS))
        body = {
            "deletedRecords": found,
            "earliestDateAvailable": max(oldest, store.purged_until or oldest),
            "latestDateCovered": high,
        }
        return Response.of_json(200, body)

    def _covered(self, start: datetime, end: datetime) -> datetime:
        """Where coverage ends: at the window's end, or before it while a long transaction runs."""
        behaviour = self._records.behaviour
        if end <= start or self._rng.random() >= behaviour.replication_hold:
            return max(start, end)
        self.held += 1
        held = end - timedelta(minutes=self._rng.randint(1, max(1, behaviour.replication_hold_s // 60)))
        return max(start, held)

    @staticmethod
    def _check_window(start: datetime, end: datetime, now: datetime, *, deleted: bool) -> None:
        days = DELETED_DAYS if deleted else UPDATED_DAYS
        if start >= end or (deleted and end - start <= timedelta(minutes=1)):
            raise SalesforceError(400, "INVALID_REPLICATION_DATE", "startDate must be before endDate")
        if start < now - timedelta(days=days):
            text = f"startDate cannot be more than {days} days ago"
            raise SalesforceError(400, "INVALID_REPLICATION_DATE", text)
        if start > now:
            raise SalesforceError(400, "INVALID_REPLICATION_DATE", "startDate cannot be in the future")

    @staticmethod
    def _check_count(count: int) -> None:
        if count > IDS_MAX:
            raise SalesforceError(400, "EXCEEDED_ID_LIMIT", f"more than {IDS_MAX} ids found")


def _minute_of(call: Call, name: str) -> datetime:
    text = call.request.query.get(name, "")
    try:
        return read_datetime(text).replace(second=0)
    except ValueError:
        message = f"{name}: invalid date: {text}" if text else f"{name} is required"
        raise SalesforceError(400, "INVALID_REPLICATION_DATE" if text else "MISSING_ARGUMENT", message) from None
