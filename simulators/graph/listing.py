"""Collections of events: `/events`, `/calendarView` and `/instances`, filtered, ordered and paged by `$skip`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Final

from simulators.graph.call import Call, key_text
from simulators.graph.errors import bad_query, invalid_parameter, invalid_request
from simulators.graph.event_query import EVENT_SCHEMA
from simulators.graph.odata import Schema, compile_filter, sort_items
from simulators.graph.prefer import read_count
from simulators.graph.render import View, render_event
from simulators.graph.snapshot import Snapshot, in_window, instances, whole
from simulators.graph.store import MailboxStore
from simulators.graph.zones import parse_instant
from simulators.http import Response

PAGE_SIZE: Final = 10
PAGE_MAX: Final = 1000
VIEW_DAYS_MAX: Final = 1825


def list_events(call: Call, store: MailboxStore, folder: int) -> Response:
    """GET /events: single events and series masters of one calendar."""
    items = [whole(store, event) for event in store.in_folder(folder)]
    return _answer(call, items, call.view(), f"users('{key_text(call.segments[1])}')/events")


def count_events(call: Call, store: MailboxStore, folder: int) -> Response:
    """GET /events/$count."""
    items = [whole(store, event) for event in store.in_folder(folder)]
    return Response.of_text(200, str(len(_filtered(call, items, EVENT_SCHEMA))))


def list_view(call: Call, store: MailboxStore, folder: int) -> Response:
    """GET /calendarView: what happens in a window, without series masters."""
    start, end = read_window(call)
    view = call.view()
    if view.select is not None:
        # These two cannot be selected in a view; and the join information comes only beside its flag.
        dropped = {"createdDateTime", "lastModifiedDateTime"}
        if "isOnlineMeeting" not in view.select:
            dropped.add("onlineMeeting")
        view = replace(view, select=view.select - dropped)
    items = in_window(store, folder, start, end)
    return _answer(call, items, view, f"users('{key_text(call.segments[1])}')/calendarView")


def list_instances(call: Call, item: Snapshot) -> Response:
    """GET /events/{id}/instances: occurrences and exceptions of one series in a window."""
    start, end = read_window(call)
    if item.day is not None or not item.event.is_series:
        raise invalid_request("Your request can't be completed. The instances of a single event cannot be listed.")
    found = sorted(instances(item.store, item.event, start, end), key=lambda one: one.span[0])
    user, event = key_text(call.segments[1]), key_text(item.id(call.prefer.immutable_ids))
    return _answer(call, found, call.view(), f"users('{user}')/events('{event}')/instances")


def read_window(call: Call) -> tuple[datetime, datetime]:
    """The parameters startDateTime and endDateTime. Raises GraphError: missing, unreadable, reversed or too long."""
    bounds = []
    for name in ("startDateTime", "endDateTime"):
        text = call.options.get(name.lower())
        if text is None:
            raise invalid_parameter(
                "This request needs a time window: the query parameters startDateTime and endDateTime."
            )
        moment = parse_instant(text)
        if moment is None:
            raise invalid_parameter(f"The value '{text}' of the parameter '{name}' is not a valid date and time.")
        bounds.append(moment)
    start, end = bounds
    if end < start:
        raise invalid_parameter("The EndDateTime must not lie before the StartDateTime.")
    if end - start > timedelta(days=VIEW_DAYS_MAX):
        raise invalid_request(f"Your request can't be completed. The window may span at most {VIEW_DAYS_MAX} days.")
    return start, end


def _filtered(call: Call, items: list[Any], schema: Schema) -> list[Any]:
    text = call.options.get("$filter")
    if not text:
        return items
    predicate, _ = compile_filter(text, schema)
    return [item for item in items if predicate(item)]


def _answer(call: Call, items: list[Snapshot], view: View, context: str) -> Response:
    if "$search" in call.options:
        raise bad_query("The query option $search is not supported here.")
    if view.expand.relations:
        raise bad_query(f"{', '.join(sorted(view.expand.relations))} can be expanded on one event only.")
    items = _filtered(call, items, EVENT_SCHEMA)
    if order := call.options.get("$orderby"):
        items = sort_items(items, order, EVENT_SCHEMA)
    return paged(call, items, lambda item: render_event(item, view), context, PAGE_SIZE)


def paged(call: Call, items: list[Any], render: Callable[[Any], dict[str, Any]], context: str, size: int) -> Response:
    """One page of a collection by `$top` and `$skip`; the next page's link repeats every other option."""
    top = read_count(call.options, "$top", size, PAGE_MAX)
    skip = read_count(call.options, "$skip", 0, 2**31)
    value: dict[str, Any] = {"@odata.context": call.context(context)}
    if call.options.get("$count", "").lower() == "true":
        value["@odata.count"] = len(items)
    value["value"] = [render(item) for item in items[skip : skip + top]]
    if top and skip + top < len(items):
        value["@odata.nextLink"] = call.link({"$skip": str(skip + top)})
    return Response.of_json(200, value)
