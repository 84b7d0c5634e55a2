"""calendarView/delta: rounds of pages over a calendar's change log, with tokens that hold the whole state of a round.

A token carries the window, the options and the last change the caller has had. So a page costs as much as the changes
it looks at, however large the calendar, and nothing is kept per round.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import zlib
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any, Final

from simulators.graph.call import Call
from simulators.graph.errors import GraphError, invalid_parameter
from simulators.graph.listing import read_window
from simulators.graph.prefer import Preferences
from simulators.graph.render import View, render_event, render_removed, render_thin
from simulators.graph.snapshot import Snapshot, instances, whole
from simulators.graph.store import MailboxStore, StoredEvent, overlaps
from simulators.graph.world import World
from simulators.http import Response

_REFUSED: Final = ("$select", "$expand", "$filter", "$orderby", "$search")

# Changes looked at for one page, in pages' worth: a page of changes that all lie outside the window ends here, empty.
SCAN_PAGES: Final = 20


@dataclass(frozen=True)
class RoundState:
    """Where a round stands; everything a token says.

    `seen` is the last change delivered. Changes after `head` are told with their removals: those before it were never
    told to this caller, so nothing of them can be missing.
    """

    kind: str
    tag: str
    folder: int
    start: str
    end: str
    seen: int
    head: int
    generation: int
    page_size: int
    zone_name: str = "UTC"
    text_body: bool = False
    immutable: bool = False
    was_empty: bool = False


class DeltaReader:
    """Answers calendarView/delta of any mailbox."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._secret = hashlib.sha256(f"delta {world.tenant.id}".encode()).digest()

    def answer(self, call: Call, store: MailboxStore, folder: int) -> Response:
        """One page of a round. Raises GraphError: 400 for options, 410 SyncStateNotFound for a dead token."""
        refused = [name for name in _REFUSED if name in call.options]
        if refused:
            raise GraphError(
                400,
                "ErrorInvalidUrlQuery",
                "The following parameters are not supported with change tracking over the 'CalendarView' resource: "
                f"'{', '.join(refused)}'.",
            )
        state, view = self._read_state(call, store, folder)
        behaviour = self._world.behaviour.delta
        call.applied.insert(0, "odata.track-changes")
        if call.prefer.page_size is not None:
            call.applied.append(f"odata.maxpagesize={call.prefer.page_size}")
        if state.kind == "delta" and self._world.chance(behaviour.replay, "replay"):
            state = replace(state, seen=store.logs[folder].before(state.seen, behaviour.replay_span))
        if not state.was_empty and self._world.chance(behaviour.empty_page, "empty_page"):
            return self._page(call, [], replace(state, kind="skip", was_empty=True))
        items, state = self._collect(store, replace(state, was_empty=False), view)
        return self._page(call, items, state)

    def _read_state(self, call: Call, store: MailboxStore, folder: int) -> tuple[RoundState, View]:
        prefer = call.prefer
        token = call.options.get("$skiptoken") or call.options.get("$deltatoken")
        if token:
            state = self._decode(token, store, folder)
            # A header on a later request counts; without one the round's own options stand.
            prefer = replace(
                prefer,
                zone_name=prefer.zone_name if prefer.has_zone else state.zone_name,
                text_body=prefer.text_body if prefer.has_body_type else state.text_body,
                immutable_ids=prefer.immutable_ids or state.immutable,
            )
            state = replace(state, page_size=prefer.page_size or state.page_size)
        else:
            start, end = read_window(call)
            state = RoundState(
                "first",
                store.tag,
                folder,
                start.isoformat(),
                end.isoformat(),
                0,
                store.logs[folder].last,
                self._world.delta_generation,
                prefer.page_size or self._world.behaviour.delta.page_size,
            )
        state = replace(state, zone_name=prefer.zone_name, text_body=prefer.text_body, immutable=prefer.immutable_ids)
        return state, View(prefer)

    # --- items ------------------------------------------------------------------------------------------------

    def _collect(self, store: MailboxStore, state: RoundState, view: View) -> tuple[list[dict[str, Any]], RoundState]:
        """The next items of a round and where it stands then: kind `skip` with more to come, else `delta`."""
        start, end = datetime.fromisoformat(state.start), datetime.fromisoformat(state.end)
        result: list[dict[str, Any]] = []
        now = self._world.clock.now().timestamp()
        for scanned, (number, key) in enumerate(store.logs[state.folder].after(state.seen, now)):
            if scanned >= state.page_size * SCAN_PAGES:
                return result, replace(state, kind="skip")
            items = self._changes(store, store.events.get(key), start, end, view)
            if items is None:
                items = self._removals(store, state.folder, key, view.prefer) if number > state.head else []
            if result and len(result) + len(items) > state.page_size:
                return result, replace(state, kind="skip")
            result.extend(items)
            result.extend(item for item in items if self._is_repeated())
            state = replace(state, seen=number)
        # All that was visible is told; from here on removals matter.
        return result, replace(state, kind="delta", head=0)

    def _is_repeated(self) -> bool:
        return self._world.chance(self._world.behaviour.delta.duplicate_item, "duplicate_item")

    def _changes(
        self, store: MailboxStore, event: StoredEvent | None, start: datetime, end: datetime, view: View
    ) -> list[dict[str, Any]] | None:
        """What a changed event looks like inside the window; None when nothing of it lies there."""
        if event is None:
            return None
        if not event.is_series:
            return [_full(whole(store, event), view)] if overlaps(event.span, start, end) else None
        found = list(instances(store, event, start, end))
        if not found:
            return None
        master = _full(whole(store, event), view)
        return [
            master,
            *(render_thin(one, view.prefer) if one.type == "occurrence" else _full(one, view) for one in found),
        ]

    def _removals(self, store: MailboxStore, folder: int, key: str, prefer: Preferences) -> list[dict[str, Any]]:
        result = [render_removed(store.item_id(key, folder, prefer.immutable_ids))]
        series = store.gone_series.get(key)
        if series is not None and self._world.behaviour.delta.series_removal_names_instances:
            far = series.span[0].replace(year=series.span[0].year + 2)
            known = instances(store, series, series.span[0], far)
            result.extend(render_removed(one.id(prefer.immutable_ids)) for one in known)
        return result

    # --- tokens -----------------------------------------------------------------------------------------------

    def _page(self, call: Call, items: list[dict[str, Any]], state: RoundState) -> Response:
        name, link = ("$skiptoken", "nextLink") if state.kind == "skip" else ("$deltatoken", "deltaLink")
        value = {
            "@odata.context": call.context("Collection(event)"),
            f"@odata.{link}": call.link({name: self._encode(state)}, keep=False),
            "value": items,
        }
        return Response.of_json(200, value)

    def _encode(self, state: RoundState) -> str:
        packed = zlib.compress(json.dumps(list(asdict(state).values()), separators=(",", ":")).encode())
        return base64.urlsafe_b64encode(self._seal(packed) + packed).decode().rstrip("=")

    def _seal(self, packed: bytes) -> bytes:
        return hmac.new(self._secret, packed, hashlib.sha256).digest()[:9]

    def _decode(self, token: str, store: MailboxStore, folder: int) -> RoundState:
        try:
            raw = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
        except ValueError:
            raise _invalid_state() from None
        if not hmac.compare_digest(raw[:9], self._seal(raw[9:])):
            raise _invalid_state()
        state = RoundState(*json.loads(zlib.decompress(raw[9:])))
        if state.tag != store.tag or state.folder != folder:
            raise invalid_parameter("The token was issued for another calendar.")
        if state.generation != self._world.delta_generation or state.seen > store.sequence:
            highest = self._world.delta_generation
            self._world.happened["expire-delta-tokens"] += 1
            raise GraphError(
                410,
                "SyncStateNotFound",
                f"The sync state generation is not found; generation={state.generation};[highest={highest}].",
            )
        return state


def _full(item: Snapshot, view: View) -> dict[str, Any]:
    return {"@odata.type": "#microsoft.graph.event", **render_event(item, view)}


def _invalid_state() -> GraphError:
    return GraphError(410, "SyncStateInvalid", "The sync state is invalid.")
