"""What changed in a mailbox's default calendar, page by page: pure exchanges, nothing sent here, no clock.

A delta row is only a hint. It lacks our tag, and its removals also name events that merely left the window (rule
7.19). So every row is read again, twenty a request or with the list that comes before a window is read from its start,
and only an event whose own address answers "not found" counts as deleted. A read that fails half-way raises and moves
nothing: the cursor advances only in the returned page.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from connectors.exchange import Exchange, Reply
from connectors.graph import wire
from connectors.graph.echoes import naming
from connectors.graph.listing import Listed, as_listed, list_singles
from connectors.graph.series import MASTER_TYPE, SINGLE_TYPE, as_instance, is_instance, kind_of, master_id_of
from connectors.graph.translate import UnreadableEvent, is_cancelled_copy, to_item, to_native
from schemas.changes import Change, Side
from schemas.cursors import DeltaWindow, GraphCursor
from schemas.errors import Gone, ResyncNeeded, ServiceError, Throttled, Unavailable

# How often the throttled or failed items of a batch are asked for before the page is given up for now. The live
# client waits as long as the service said in between; what was read of the page is read again next time.
BATCH_ATTEMPTS: Final = 3

NOTHING: Final[Mapping[str, Reply]] = {}
UNLISTED: Final[Listed] = {}


@dataclass(frozen=True)
class Reach:
    """What is read of each mailbox: events from `start_utc` (inclusive) to `end_utc` (exclusive).

    `wanted` is the fingerprint of the settings behind it. An end that moves on adds a window; a start that moves or
    another fingerprint has everything read again, so both are best rounded to whole months. `window_days` is the
    widest window Graph accepts, `page_size` the rows asked for per page.
    """

    start_utc: datetime
    end_utc: datetime
    wanted: str
    window_days: int = 1825
    page_size: int = 50
    lists_first: bool = True
    """Whether a window that is read from its start is listed before (`connectors.graph.listing`)."""
    series_until_utc: datetime | None = None
    """Instances of a series that start later are left for another day (`read_instances`); None reads them all."""


@dataclass(frozen=True)
class Unreadable:
    """An event that cannot be read or put into our words: for quarantine. `native` is its JSON, or names its id."""

    id: str
    mailbox: str
    native: str
    reason: str


@dataclass(frozen=True)
class Readings:
    """What reading some events brought. `skipped`: instances beyond the horizon, or whose series is gone."""

    changes: tuple[Change, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    skipped: int = 0


@dataclass(frozen=True)
class Page:
    """One page of a mailbox's round, and where to go on.

    Publish the changes, then save `cursor`; ask for the next page with both `cursor` and `position` until `is_last`.
    `seen_ids` are the ids this page spoke of. While `cursor.is_resync`, ids known from before that no page spoke of
    must go through `verify_missing` once the round is over: their absence alone deletes nothing. A page that `begins`
    its window takes back what pages of the same window said earlier in the round.
    """

    changes: tuple[Change, ...]
    unreadable: tuple[Unreadable, ...]
    skipped: int
    cursor: GraphCursor
    position: int
    is_last: bool
    seen_ids: frozenset[str]
    alive_ids: frozenset[str] = frozenset()
    """Those of `seen_ids` that the page last showed as events of this window."""
    window: DeltaWindow | None = None
    begins: bool = False
    listed: Listed = field(default_factory=dict)
    """What was listed of the window; goes to `read_page` with the next page of it."""
    series: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """Each series that was sent anew -> its instances in `window`: id -> start. Those known from before that start in
    the window and are not among them have vanished and must go through `verify_missing`."""


def is_in_reach(event: Mapping[str, Any], until: datetime | None) -> bool:
    """Whether an event is read now: everything but instances of a series beyond the horizon."""
    if until is None or not is_instance(event):
        return True
    return _start_of(event) < _plain(until)


def _start_of(row: Mapping[str, Any]) -> str:
    """A row's start in UTC, in a form that sorts; rows are asked for in UTC. "" when there is none."""
    start = row.get("start")
    text = start.get("dateTime") if isinstance(start, dict) else None
    return text[:19] if isinstance(text, str) else ""


def look_ahead(cursor: GraphCursor, reach: Reach) -> Exchange[dict[str, Reply]]:
    """The next page of every window, asked for in one request: good answers by link, for `read_page` to take."""
    links = [window.link for window in cursor.windows if window.link]
    calls = [wire.follow_below(link, cursor.mailbox, reach.page_size) for link in links]
    if not _covers(cursor, reach) or len(links) < 2 or len(links) > wire.BATCH_MAX or None in calls:
        return {}
    reply = yield wire.batch([call for call in calls if call is not None])
    answers = zip(links, wire.read_batch(reply, len(links)), strict=True)
    return {link: answer for link, answer in answers if answer is not None and _error(answer) is None}


def read_page(
    cursor: GraphCursor, reach: Reach, *, now: datetime, position: int = 0, ahead: Mapping[str, Reply] = NOTHING,
    own: Container[str] = frozenset(), elsewhere: Container[str] = frozenset(), listed: Listed = UNLISTED,
) -> Exchange[Page]:  # fmt: skip
    """Read one page. `position` is the window to read, as the page before said; 0 begins a round.

    `ahead` holds answers by link that `look_ahead` got; `own` the versions (`echoes.naming`) that writes of ours left:
    their outcomes told what the events hold, so they are not read, unless everything is to be read anew. `elsewhere`
    are the ids that windows before this one showed alive in this round: that they are removed from this one says only
    that they are not in it, and should they be deleted meanwhile, the window that showed them will say so.

    A dead token (410) has the window read again from its start and sets `is_resync`. Raises Throttled, Unavailable,
    AuthRejected or Refused when the service does not play along, ResyncNeeded when it drops even a fresh token.
    """
    if not _covers(cursor, reach):
        fresh = plan_windows(reach.start_utc, reach.end_utc, reach.window_days)
        cursor, position = replace(cursor, windows=fresh, wanted=reach.wanted, is_resync=True), 0
    if not cursor.windows:
        return Page((), (), 0, replace(cursor, read_at=now), 0, is_last=True, seen_ids=frozenset())
    more = plan_windows(cursor.windows[-1].end_utc, reach.end_utc, reach.window_days)
    cursor = replace(cursor, windows=(*cursor.windows, *more))
    window = cursor.windows[position]
    if window.link:
        known = ahead.get(window.link)
        reply = known if known is not None else (yield wire.follow(window.link, cursor.mailbox, reach.page_size))
        if isinstance(_error(reply), ResyncNeeded):
            cursor, window = replace(cursor, is_resync=True), replace(window, link="")
    if not window.link:
        listed = UNLISTED
        if reach.lists_first:
            listed = yield from list_singles(cursor.mailbox, window.start_utc, window.end_utc)
        reply = yield wire.delta(cursor.mailbox, window.start_utc, window.end_utc, reach.page_size)
    rows, next_link, delta_link = _read_rows(reply)
    begins = not window.link
    if next_link and next_link == window.link:
        raise Unavailable("Microsoft Graph answered a page that leads back to itself.", was_sent=False)
    told = frozenset() if cursor.is_resync else own
    news = [row for row in rows if not _is_own(row, told) and not ("@removed" in row and row.get("id") in elsewhere)]
    readings = yield from _hydrate(cursor.mailbox, news, reach, now, listed)
    window = replace(window, link=next_link or delta_link)
    windows = (*cursor.windows[:position], window, *cursor.windows[position + 1 :])
    is_last = not next_link and position == len(windows) - 1
    cursor = replace(cursor, windows=windows, read_at=now if is_last else cursor.read_at)
    following = position if next_link else 0 if is_last else position + 1
    latest = {row["id"]: "@removed" in row for row in rows if isinstance(row.get("id"), str)}
    alive = frozenset(event_id for event_id, is_removed in latest.items() if not is_removed)
    return Page(
        readings.changes, readings.unreadable, readings.skipped, cursor, following, is_last, frozenset(latest), alive,
        window, begins, listed if next_link else UNLISTED, _series_in(rows, reach.series_until_utc),
    )  # fmt: skip


def _is_own(row: Mapping[str, Any], own: Container[str]) -> bool:
    """Whether a row shows a single event just as a write of ours left it."""
    return kind_of(row) == SINGLE_TYPE and naming(str(row.get("id")), str(row.get("@odata.etag"))) in own


def _series_in(rows: Sequence[Mapping[str, Any]], until: datetime | None) -> dict[str, dict[str, str]]:
    """The series whose master was sent, each with the instances that were sent along with it."""
    series: dict[str, dict[str, str]] = {
        str(row["id"]): {} for row in rows if kind_of(row) == MASTER_TYPE and "@removed" not in row
    }
    for row in rows:
        master_id = master_id_of(row)
        if master_id in series and is_in_reach(row, until):
            series[master_id][str(row["id"])] = _start_of(row)
    return series


def read_instances(mailbox: str, start: datetime, end: datetime, *, now: datetime) -> Exchange[Readings]:
    """The instances of series that start between two moments: what the horizon has reached since the last look."""
    reply = yield wire.calendar_view(mailbox, start, end)
    ids: list[str] = []
    while True:
        page = wire.read(reply)
        ids += [row["id"] for row in page.get("value", ()) if is_instance(row) and _start_of(row) >= _plain(start)]
        link = page.get("@odata.nextLink")
        if not isinstance(link, str):
            break
        reply = yield wire.view_page(link, mailbox)
    return (yield from _read_events(mailbox, list(dict.fromkeys(ids)), now))


def _plain(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}"


def verify_missing(mailbox: str, ids: Iterable[str], *, now: datetime) -> Exchange[Readings]:
    """Read these events one by one: those that do not exist become removals, the others come as they are now.

    For ids known from before that a full re-read did not bring. Ask for a few hundred at a time.
    """
    return (yield from _read_events(mailbox, list(dict.fromkeys(ids)), now))


def restart(cursor: GraphCursor) -> GraphCursor:
    """The cursor with every window to be read from its start: what to do when ResyncNeeded came out of a read."""
    windows = tuple(replace(window, link="") for window in cursor.windows)
    return replace(cursor, windows=windows, is_resync=True)


def finish_resync(cursor: GraphCursor) -> GraphCursor:
    """The cursor once everything that a full re-read did not bring has been verified."""
    return replace(cursor, is_resync=False)


def plan_windows(start: datetime, end: datetime, window_days: int) -> tuple[DeltaWindow, ...]:
    """The range in windows that Graph accepts, without gaps. Empty when the range is."""
    windows, width = [], timedelta(days=window_days)
    while start < end:
        until = end if end - start <= width else start + width
        windows.append(DeltaWindow(start, until))
        start = until
    return tuple(windows)


def _covers(cursor: GraphCursor, reach: Reach) -> bool:
    """Whether the cursor's windows are of this range, apart from an end that moved on."""
    return bool(cursor.windows) and cursor.wanted == reach.wanted and cursor.windows[0].start_utc == reach.start_utc


def _error(reply: Reply) -> ServiceError | None:
    return None if 200 <= reply.status < 300 else wire.error_of(reply)


def _read_rows(reply: Reply) -> tuple[tuple[Mapping[str, Any], ...], str, str]:
    """Rows of a delta page, its nextLink and its deltaLink. A page that has neither link was cut off: Unavailable."""
    page = wire.read(reply)
    rows = page.get("value") if isinstance(page, dict) else None
    if not isinstance(rows, list):
        raise Unavailable("Microsoft Graph answered a page without its rows.", was_sent=False, status=reply.status)
    links = [page.get(name) for name in ("@odata.nextLink", "@odata.deltaLink")]
    next_link, delta_link = (link if isinstance(link, str) else "" for link in links)
    if not next_link and not delta_link:
        raise Unavailable("Microsoft Graph answered a page without a link.", was_sent=False, status=reply.status)
    return tuple(row for row in rows if isinstance(row, dict)), next_link, delta_link


def _hydrate(
    mailbox: str, rows: Sequence[Mapping[str, Any]], reach: Reach, now: datetime, listed: Listed
) -> Exchange[Readings]:
    """Read each row's event again, unless it was listed as it is. The same id may stand in a page several times; the
    last row counts."""
    latest: dict[str, Mapping[str, Any]] = {}
    unreadable = []
    for row in rows:
        event_id = row.get("id")
        if isinstance(event_id, str) and event_id:
            latest.pop(event_id, None)
            latest[event_id] = row
        else:
            unreadable.append(Unreadable("", mailbox, to_native(row), "The row has no id."))
    wanted = [
        event_id for event_id, row in latest.items() if "@removed" in row or is_in_reach(row, reach.series_until_utc)
    ]
    known = {event_id: event for event_id in wanted if (event := as_listed(latest[event_id], listed)) is not None}
    read = yield from _read_events(mailbox, wanted, now, known)
    skipped = len(latest) - len(wanted) + read.skipped
    return Readings(read.changes, (*unreadable, *read.unreadable), skipped)


def _read_events(
    mailbox: str, ids: Sequence[str], now: datetime, known: Mapping[str, Mapping[str, Any]] | None = None
) -> Exchange[Readings]:
    """Each event as it is now, those `known` aside by batches; items that were throttled or failed are asked for again,
    a few times."""
    known = known or {}
    read = yield from _read_each(mailbox, [event_id for event_id in ids if event_id not in known])
    found = {**known, **read}
    masters = {master_id_of(event) for event in found.values() if isinstance(event, dict)} - {""}
    series = yield from _read_each(mailbox, sorted(masters - found.keys()))
    return _sort(mailbox, ids, found, {**series, **found}, now)


def _read_each(mailbox: str, ids: Sequence[str]) -> Exchange[dict[str, Mapping[str, Any] | ServiceError]]:
    found: dict[str, Mapping[str, Any] | ServiceError] = {}
    waiting = list(ids)
    for _ in range(BATCH_ATTEMPTS):
        for chunk in _chunks(waiting, wire.BATCH_MAX):
            reply = yield wire.batch([wire.get_event(mailbox, event_id) for event_id in chunk])
            for event_id, answer in zip(chunk, wire.read_batch(reply, len(chunk)), strict=True):
                found[event_id] = _read_item(answer)
        waiting = [event_id for event_id in waiting if isinstance(found[event_id], Throttled | Unavailable)]
    for event_id in waiting:
        error = found[event_id]
        assert isinstance(error, ServiceError)
        raise error
    return found


def _chunks(ids: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(ids), size):
        yield ids[start : start + size]


def _read_item(answer: Reply | None) -> Mapping[str, Any] | ServiceError:
    """One event of a batch, or the error that stands for it. Raises what concerns the mailbox as a whole."""
    if answer is None:
        return Unavailable("Microsoft Graph left an item out of a batch.", was_sent=False)
    error = _error(answer)
    if error is None:
        event = answer.json()
        if isinstance(event, dict) and event:
            return event
        return Unavailable("Microsoft Graph answered an item without its event.", was_sent=False)
    if isinstance(error, Gone | Throttled | Unavailable) or error.status == 400:
        return error
    raise error


def _sort(
    mailbox: str, ids: Sequence[str], found: Mapping[str, Mapping[str, Any] | ServiceError],
    series: Mapping[str, Mapping[str, Any] | ServiceError], now: datetime,
) -> Readings:  # fmt: skip
    """What was read, as changes. An instance whose series is gone is left to the series' own removal."""
    changes: list[Change] = []
    unreadable: list[Unreadable] = []
    skipped = 0
    for event_id in ids:
        match found[event_id]:
            case Gone():
                changes.append(Change(Side.GRAPH, event_id, now, None, mailbox, cause="deletion"))
            case ServiceError() as error:
                named = json.dumps({"id": event_id})
                unreadable.append(Unreadable(event_id, mailbox, named, f"{error.code}: {error.what}"))
            case event:
                master_id = master_id_of(event)
                master = series.get(master_id) if master_id else None
                if master_id and not isinstance(master, dict):
                    skipped += 1
                    continue
                read = _read_one(event_id, event, master, mailbox, now)
                if isinstance(read, Change):
                    changes.append(read)
                else:
                    unreadable.append(read)
    return Readings(tuple(changes), tuple(unreadable), skipped)


def _read_one(event_id: str, event: Mapping[str, Any], master: Any, mailbox: str, now: datetime) -> Change | Unreadable:
    native = to_native(event)
    if is_cancelled_copy(event):
        return Change(Side.GRAPH, event_id, now, None, mailbox, cause="deletion", native=native)
    try:
        item = to_item(event, mailbox)
        item = item if master is None else as_instance(item, event, master)
    except UnreadableEvent as error:
        return Unreadable(event_id, mailbox, native or json.dumps({"id": event_id}), error.what)
    return Change(Side.GRAPH, event_id, now, item, mailbox, cause="delta", native=native)
