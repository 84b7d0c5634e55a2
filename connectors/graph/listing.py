"""A window's single events, hundreds a request with our tag, ahead of a delta that names them all.

A list says nothing about what is there: it is paged by place, so what others add or delete meanwhile shifts it. It only
spares the reading of an event by its id, and only where it shows the very version that the delta names.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from connectors.exchange import Exchange
from connectors.graph import wire
from connectors.graph.series import SINGLE_TYPE, kind_of
from schemas.errors import Refused

# Pages of a list, of `wire.VIEW_PAGE` events at some 3 kB each, that are kept while their window is read. What stands
# behind them is read by id.
PAGES_MAX: Final = 20

Listed = Mapping[str, str]
"""Events as JSON, by id."""


def list_singles(mailbox: str, start: datetime, end: datetime) -> Exchange[dict[str, str]]:
    """The single events that start in a window, as far as PAGES_MAX pages go.

    A service that refuses such a list is asked for each event instead. Raises Throttled, Unavailable or AuthRejected.
    """
    listed: dict[str, str] = {}
    call = wire.list_events(mailbox, start, end)
    for _ in range(PAGES_MAX):
        try:
            page = wire.read((yield call))
        except Refused:
            break
        rows, link = (page.get("value"), page.get("@odata.nextLink")) if isinstance(page, dict) else (None, None)
        for row in rows if isinstance(rows, list) else ():
            if isinstance(row, dict) and row.get("id") and kind_of(row) == SINGLE_TYPE:
                listed[str(row["id"])] = json.dumps(row)
        if not isinstance(link, str):
            break
        call = wire.view_page(link, mailbox)
    return listed


def as_listed(row: Mapping[str, Any], listed: Listed) -> dict[str, Any] | None:
    """The event of a delta row, if it was listed at the version that the row names."""
    text = listed.get(str(row.get("id")))
    if text is None or "@removed" in row or not row.get("@odata.etag"):
        return None
    event: dict[str, Any] = json.loads(text)
    return event if event.get("@odata.etag") == row["@odata.etag"] else None
