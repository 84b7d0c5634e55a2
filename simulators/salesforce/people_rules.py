"""Rules of people: composed names, and the calendar that every user has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from simulators.salesforce.draft import Draft

if TYPE_CHECKING:
    from simulators.salesforce.changes import Transaction
    from simulators.salesforce.records import Records
    from simulators.salesforce.store import Row


class PersonRules:
    """Contact and Lead: Name is first and last name."""

    def before_save(self, records: Records, draft: Draft) -> None:
        """Compose the name."""
        first, last = draft.after.get("FirstName"), draft.after.get("LastName")
        draft.after["Name"] = " ".join(part for part in (first, last) if part) or None

    def after_save(self, records: Records, draft: Draft) -> None:
        """Let events follow a contact that moved to another account, without touching their dates."""
        if draft.sobject.table != "Contact" or draft.before is None or not draft.changes("AccountId"):
            return
        event = records.schema.object("Event")
        for row in list(records.store.find("Event", "WhoId", draft.after["Id"])):
            if row["WhatId"] is None:
                draft.tx.write_silently(event, {**row, "AccountId": draft.after["AccountId"]})

    def after_delete(self, records: Records, tx: Transaction, row: Row) -> None:
        """Nothing follows."""


class UserRules(PersonRules):
    """User: a name, and a calendar of type User from the first day."""

    def after_save(self, records: Records, draft: Draft) -> None:
        """Give a new user a calendar."""
        if draft.before is not None:
            return
        body = {"Name": draft.after["Name"], "Type": "User", "UserId": draft.after["Id"]}
        records.create(draft.tx, records.schema.object("Calendar"), body, privileged=True)
