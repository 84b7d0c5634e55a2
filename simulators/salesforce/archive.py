"""The background job that archives old events: hidden from queries and reads, still writable, shown by queryAll."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from simulators.salesforce.changes import Change
from simulators.salesforce.records import Records
from simulators.salesforce.values import datetime_text, read_datetime


class ArchiveJob:
    """Runs by the clock. `last_run` is wire text."""

    def __init__(self, records: Records, now: datetime) -> None:
        self._records = records
        self.last_run = datetime_text(now)

    def run_if_due(self, now: datetime) -> int:
        """Archive when the interval has passed. Answers how many events were archived."""
        every = self._records.behaviour.archive_every_s
        if not every or now < read_datetime(self.last_run) + timedelta(seconds=every):
            return 0
        return self.run(now)

    def run(self, now: datetime) -> int:
        """Archive every event that began long enough ago; each one is announced as a gap in the change log."""
        self.last_run = datetime_text(now)
        edge = (now.astimezone(UTC) - timedelta(days=self._records.behaviour.archive_after_days)).date().isoformat()
        table = self._records.store.tables["Event"]
        old = [
            table.rows[record_id]
            for record_id in table.between("ActivityDate", None, edge)
            if not table.rows[record_id]["IsDeleted"] and not table.rows[record_id]["IsArchived"]
        ]
        if not old:
            return 0
        log = self._records.log
        first = log.take_commit_numbers(now, len(old))
        key = log.new_key()
        for place, row in enumerate(old):
            archived = {**row, "IsArchived": True}
            self._records.store.put("Event", archived)
            log.changes.append(_gap(archived, first + place, place + 1, key, now))
        return len(old)


def _gap(row: dict[str, object], sequence: int, place: int, key: str, now: datetime) -> Change:
    """Archiving changes the database below the API: a GAP_UPDATE without an origin."""
    return Change(
        sequence=sequence,
        entity="Event",
        record_id=str(row["Id"]),
        change_type="GAP_UPDATE",
        changed_fields=(),
        nulled_fields=(),
        change_origin="",
        origin="system",
        commit_user=str(row["LastModifiedById"]),
        commit_timestamp=int(now.timestamp()) * 1000,
        transaction_key=key,
        sequence_number=place,
        row=row,
    )
