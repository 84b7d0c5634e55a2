"""Reminders that fire: by its clock the service turns IsReminderSet off, and keeps the time."""

from __future__ import annotations

from datetime import datetime

from simulators.salesforce.records import Records
from simulators.salesforce.values import datetime_text


class Reminders:
    """`fired_until` (wire text) is up to when reminders have fired; one that is set for an earlier time stays set."""

    def __init__(self, records: Records, now: datetime) -> None:
        self._records = records
        self.fired_until = datetime_text(now)

    def fire(self, now: datetime) -> None:
        """Let the reminders fire that became due. Unverified: that this is no save, without a stamp and an event."""
        since, self.fired_until = self.fired_until, max(self.fired_until, datetime_text(now))
        if not self._records.behaviour.reminders_fire or since == self.fired_until:
            return
        table = self._records.store.tables["Event"]
        for record_id in list(table.between("ReminderDateTime", since, self.fired_until)):
            row = table.rows[record_id]
            if row["IsReminderSet"] and row["ReminderDateTime"] > since:
                self._records.store.put("Event", {**row, "IsReminderSet": False})
