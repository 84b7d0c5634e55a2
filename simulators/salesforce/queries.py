"""The query resources: first pages, and further ones behind a locator."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, timedelta
from typing import Any, Final

from simulators.http import Response
from simulators.salesforce.calls import Call, zone_of
from simulators.salesforce.errors import SalesforceError, method_not_allowed
from simulators.salesforce.ids import IdSource
from simulators.salesforce.records import Records
from simulators.salesforce.soql.engine import Plan, Soql, Viewer
from simulators.salesforce.values import datetime_text, read_datetime

BATCH_MIN: Final = 200
BATCH_MAX: Final = 2000
LOCATORS_MAX: Final = 2000
"""Open locators kept; the oldest goes first."""


@dataclass(frozen=True)
class Cursor:
    """An open query: the statement, whose it is, the ids of all its rows, and what the caller asked of page sizes."""

    text: str
    user_id: str
    namespace: str
    all_rows: bool
    ids: tuple[str, ...]
    opened: str
    batch: int


class Queries:
    """Runs statements and keeps what is needed to go on with them."""

    def __init__(self, records: Records, ids: IdSource, rng: random.Random) -> None:
        self._records = records
        self._ids = ids
        self._rng = rng
        self._cursors: dict[str, Cursor] = {}
        self._plans: dict[str, Plan] = {}

    def first_page(self, call: Call, *, all_rows: bool) -> Response:
        """GET /query?q= and /queryAll?q=."""
        if call.request.method not in {"GET", "HEAD"}:
            raise method_not_allowed(call.request.method, ["HEAD", "GET"])
        text = call.request.query.get("q", "")
        if not text.strip():
            raise SalesforceError(400, "MALFORMED_QUERY", "The request is missing the query: parameter q")
        plan = self.plan(call, text, all_rows=all_rows)
        if plan.grouped:
            groups = plan.groups()
            return Response.of_json(200, {"totalSize": len(groups), "done": True, "records": groups})
        rows = plan.rows()
        if plan.counts_only:
            return Response.of_json(200, {"totalSize": len(rows), "done": True, "records": []})
        ids = tuple(row["Id"] for row in rows)
        batch = _batch_size(call.request.header("sforce-query-options"))
        if len(ids) <= (self._records.behaviour.page_rows or BATCH_MIN):
            # All rows fit any page, so that no locator is opened.
            records = [plan.record(row, call.version) for row in rows]
            return Response.of_json(200, {"totalSize": len(ids), "done": True, "records": records})
        now = datetime_text(self._records.clock.now())
        namespace = call.options.get("defaultNamespace", "")
        cursor = Cursor(text, call.session.user_id, namespace, all_rows, ids, now, batch)
        locator = self._ids.next("01g")
        self._cursors[locator] = cursor
        self._plans[locator] = plan
        self._forget_old()
        return self._page(call, locator, cursor, plan, 0)

    def next_page(self, call: Call, tail: str) -> Response:
        """GET /query/{locator}-{offset}. Whether it is a queryAll was decided when it was opened."""
        if call.request.method not in {"GET", "HEAD"}:
            raise method_not_allowed(call.request.method, ["HEAD", "GET"])
        locator, _, offset = tail.rpartition("-")
        cursor = self._cursors.get(locator)
        dead = SalesforceError(400, "INVALID_QUERY_LOCATOR", "invalid query locator")
        if cursor is None or not offset.isdigit() or cursor.user_id != call.session.user_id:
            raise dead
        opened = read_datetime(cursor.opened)
        if self._records.clock.now() > opened + timedelta(seconds=self._records.behaviour.locator_s):
            raise dead
        if int(offset) >= len(cursor.ids):
            raise dead
        plan = self._plans.get(locator)
        if plan is None:
            plan = self.plan(call, cursor.text, all_rows=cursor.all_rows)
            self._plans[locator] = plan
        return self._page(call, locator, cursor, plan, int(offset))

    def plan(self, call: Call, text: str, *, all_rows: bool) -> Plan:
        """A compiled statement as this caller sees the org."""
        user = self._records.store.live("User", call.actor.user_id) or {}
        viewer = Viewer(
            self._records.clock.now().astimezone(UTC), zone_of(user.get("TimeZoneSidKey")), all_rows=all_rows
        )
        return Soql(call.schema, self._records.store, viewer).plan(text)

    def forget(self) -> None:
        """Close every open query."""
        self._cursors.clear()
        self._plans.clear()

    def dump(self) -> dict[str, Any]:
        """The open queries as JSON values."""
        return {locator: {**asdict(cursor), "ids": list(cursor.ids)} for locator, cursor in self._cursors.items()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Replace the open queries by what `dump` gave."""
        self.forget()
        for locator, value in state.items():
            self._cursors[locator] = Cursor(**{**value, "ids": tuple(value["ids"])})

    def _page(self, call: Call, locator: str, cursor: Cursor, plan: Plan, offset: int) -> Response:
        size = self._page_size(cursor.batch, len(cursor.ids) - offset)
        table = self._records.store.tables[plan.sobject.table]
        # Rows are read when their page is asked for; one that was purged since is left out.
        rows = [table.rows[key] for key in cursor.ids[offset : offset + size] if key in table.rows]
        end = offset + size
        body: dict[str, Any] = {"totalSize": len(cursor.ids), "done": end >= len(cursor.ids)}
        if not body["done"]:
            body["nextRecordsUrl"] = f"/services/data/v{call.version}/query/{locator}-{end}"
        body["records"] = [plan.record(row, call.version) for row in rows]
        return Response.of_json(200, body)

    def _page_size(self, batch: int, left: int) -> int:
        fixed = self._records.behaviour.page_rows
        if fixed is not None:
            return min(fixed, left)
        if left <= BATCH_MIN:
            return left
        return min(left, self._rng.randint(min(BATCH_MIN, batch), batch))

    def _forget_old(self) -> None:
        while len(self._cursors) > LOCATORS_MAX:
            oldest = next(iter(self._cursors))
            del self._cursors[oldest]
            self._plans.pop(oldest, None)


def _batch_size(header: str) -> int:
    """The batch size asked for, brought into what the service allows."""
    for part in header.split(","):
        name, _, value = part.partition("=")
        if name.strip().lower() == "batchsize" and value.strip().isdigit():
            return min(BATCH_MAX, max(BATCH_MIN, int(value)))
    return BATCH_MAX
