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

# Events that are kept of a window, at some 3 kB each, while the window is read. The rest is read by id.
LISTED_MAX: Final = 5_000

Listed = Mapping[str, str]
"""Events as JSON, by id."""


def list_singles(mailbox: str, start: datetime, end: datetime) -> Exchange[dict[str, str]]:
    """The single events that start in a window, at most LISTED_MAX.

    A service that refuses such a list is asked for each event instead. Raises Throttled, Unavailable or AuthRejected.
    """
    listed: dict[str, str] = {}
    reply = yield wire.list_events(mailbox, start, end)
    while True:
        try:
            page = wire.read(reply)
        except Refused:
            return listed
        rows = page.get("value", ())
        listed |= {row["id"]: json.dumps(row) for row in rows if row.get("id") and kind_of(row) == SINGLE_TYPE}
        link = page.get("@odata.nextLink")
        if not isinstance(link, str) or not rows or len(listed) >= LISTED_MAX:
            return listed
        reply = yield wire.view_page(link, mailbox)


def as_listed(row: Mapping[str, Any], listed: Listed) -> dict[str, Any] | None:
    """The event of a delta row, if it was listed at the version that the row names."""
    text = listed.get(str(row.get("id")))
    if text is None or "@removed" in row or not row.get("@odata.etag"):
        return None
    event: dict[str, Any] = json.loads(text)
    return event if event.get("@odata.etag") == row["@odata.etag"] else None
