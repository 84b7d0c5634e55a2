"""What a reading found that was not told before, with the origin of each save as far as it is known. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from connectors.salesforce.fields import FieldNames
from connectors.salesforce.marks import DELETED, Mark, mark_from, second_of
from connectors.salesforce.translate import moment, native, to_item
from schemas.changes import Change, Side
from schemas.state import UNTOLD

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Unreadable:
    """A record that cannot be translated: its JSON and why, for `sync.quarantine`."""

    id: str
    native: str
    reason: str


class Fresh:
    """Collects changes. `recent` holds the marks by record id, as text, and is kept up to date.

    `told_until`: up to when change events have told how records were saved; None where there are none to wait for.
    """

    def __init__(self, names: FieldNames, now: datetime, recent: MutableMapping[str, str]) -> None:
        self.names = names
        self.now = now
        self.recent = recent
        self.told_until: datetime | None = None
        self._changes: list[Change] = []
        self._unreadable: list[Unreadable] = []

    @property
    def changes(self) -> tuple[Change, ...]:
        """What is to be told."""
        return tuple(self._changes)

    @property
    def unreadable(self) -> tuple[Unreadable, ...]:
        """What no item can be made of."""
        return tuple(self._unreadable)

    def mark(self, record_id: str) -> Mark:
        """What is remembered of a record."""
        return mark_from(self.recent.get(record_id, ""))

    def add(self, row: dict[str, Any], relations: Rows, cause: str, stamp: str) -> None:
        """An event as read; `stamp` is when it, or who attends it, last changed."""
        record_id = row["Id"]
        if row["IsDeleted"]:
            self.add_deleted(record_id, stamp)
            return
        text = native(row, relations)
        digest = hashlib.sha256((text or repr((row, relations))).encode(errors="replace")).hexdigest()[:20]
        mark = self.mark(record_id)
        origin = self._origin_of(row, mark)
        is_known = mark.digest == digest and not knows_more(origin, mark.sent)
        sent = mark.sent if is_known else origin
        self.recent[record_id] = replace(mark, stamp=max(stamp, mark.stamp), digest=digest, sent=sent).to_text()
        if is_known:
            return
        try:
            item = to_item(row, relations, self.names)
        except (KeyError, ValueError, TypeError, OverflowError) as error:
            self._unreadable.append(Unreadable(record_id, text, f"no readable Event: {type(error).__name__}"))
            return
        self._changes.append(
            Change(Side.SALESFORCE, record_id, self.now, item, origin=origin, cause=cause, native=text)
        )

    def is_known_deleted(self, record_id: str) -> bool:
        """Whether its removal was sent and nothing since."""
        return self.mark(record_id).digest == DELETED

    def add_deleted(self, record_id: str, at: str) -> None:
        """A record that a direct read said is deleted."""
        if not self.is_known_deleted(record_id):
            self.recent[record_id] = replace(self.mark(record_id), stamp=at, digest=DELETED, sent="").to_text()
            self._changes.append(Change(Side.SALESFORCE, record_id, self.now, cause="deletion"))

    def _origin_of(self, row: dict[str, Any], mark: Mark) -> str:
        """How a record was last saved: as a field says, else as change events told; UNTOLD while they may."""
        named = str(row.get(self.names.origin) or "") if self.names.origin else ""
        if named:
            return named
        try:
            saved = moment(row["LastModifiedDate"])
        except (KeyError, ValueError, TypeError):
            return ""
        if mark.accounts_for(saved):
            return mark.origin
        is_final = self.told_until is None or second_of(saved) <= self.told_until
        return "" if is_final else UNTOLD


def knows_more(origin: str, than: str) -> bool:
    """Whether an origin says more about the same save than another: unknown more than not yet told, a name most."""
    return origin != than and (origin not in ("", UNTOLD) or than == UNTOLD)
