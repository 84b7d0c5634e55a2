"""What a window's first read costs: its single events come by the list, and only what the list does not prove by id."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.graph_driver import Send, refusal, reply, send_to
from support.graph_firm import BASE, CLIENT, TOKEN, TOM, build_graph, meeting

from connectors.exchange import Call, Reply, run
from connectors.graph import listing, wire
from connectors.graph.source import Reach, read_page
from schemas.changes import Change
from schemas.cursors import GraphCursor
from schemas.errors import Throttled
from simulators.graph.behaviour import Behaviour
from simulators.graph.service import GraphSimulator

NOW = datetime(2026, 3, 2, tzinfo=UTC)
REACH = Reach(datetime(2026, 3, 1, tzinfo=UTC), datetime(2026, 5, 1, tzinfo=UTC), wanted="w", page_size=40)
LISTED = f"/users/{TOM.id}/calendar/events"


@dataclass
class Reading:
    """A first read of TOM's mailbox. `between` is done once the list is complete, `refuses` answers the list."""

    sim: GraphSimulator
    between: Any = None
    refuses: Reply | None = None
    asked: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._send: Send = send_to(self.sim, token=TOKEN, base_url=f"{BASE}/v1.0")

    def ask(self, call: Call) -> Reply:
        """Send one call."""
        path = call.path.partition("?")[0].removeprefix(f"{BASE}/v1.0")
        if path.endswith("/calendarView/delta") and self.between is not None:
            self.between()
            self.between = None
        self.asked.append(path)
        return self.refuses if self.refuses is not None and path == LISTED else self._send(call)

    def whole(self) -> list[Change]:
        """Every page."""
        cursor, changes, position, is_last = GraphCursor(TOM.id), [], 0, False
        known: Any = {}
        while not is_last:
            page = run(read_page(cursor, REACH, now=NOW, position=position, listed=known), self.ask)
            cursor, position, is_last, known = page.cursor, page.position, page.is_last, page.listed
            changes += page.changes
        return changes

    @property
    def counts(self) -> Counter[str]:
        """How often each address was asked."""
        return Counter(self.asked)


def firm(count: int) -> tuple[GraphSimulator, list[str]]:
    """A calendar with so many meetings, two a day."""
    sim = build_graph(behaviour=Behaviour().calm())
    ids = []
    for number in range(count):
        start = datetime(2026, 3, 2, 8, tzinfo=UTC) + timedelta(hours=12 * number)
        span = {"start": _at(start), "end": _at(start + timedelta(hours=1))}
        ids.append(sim.add_event(TOM.id, meeting(CLIENT, subject=f"M{number:03}", **span)))
    return sim, ids


def _at(moment: datetime) -> dict[str, str]:
    return {"dateTime": f"{moment:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"}


def subjects(changes: list[Change]) -> list[str]:
    """What was told, sorted."""
    return sorted(change.item.content.subject for change in changes if change.item)


def test_what_the_list_shows_is_not_read_by_its_id() -> None:
    """100 meetings, 40 rows a page: one list, three pages, no batch. Tags come with the list."""
    sim, _ = firm(100)
    reading = Reading(sim)
    changes = reading.whole()
    assert subjects(changes) == [f"M{number:03}" for number in range(100)]
    assert reading.counts == {LISTED: 1, f"/users/{TOM.id}/calendarView/delta": 3}
    assert all(change.item is not None and change.item.content.attendees for change in changes)


def test_what_the_list_shows_reads_like_what_its_id_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same items, whichever way they came."""
    sim, _ = firm(30)
    sim.add_event(TOM.id, meeting(subject="Tagged") | wire.with_tag({}, "s:1"))
    by_list = Reading(sim).whole()
    assert [change.item.sync_key for change in by_list if change.item and change.item.sync_key] == ["s:1"]
    monkeypatch.setattr("connectors.graph.source.as_listed", lambda *_: None)
    by_id = Reading(sim)
    assert [change.item for change in by_id.whole()] == [change.item for change in by_list]
    assert by_id.counts["/$batch"] == 2


def test_what_changed_since_the_list_is_read_by_its_id() -> None:
    """Edited, deleted and new: the delta names a version that the list does not show."""
    sim, ids = firm(12)

    def meanwhile() -> None:
        sim.edit_event(TOM.id, ids[3], {"subject": "Edited"})
        sim.remove_event(TOM.id, ids[4])
        sim.add_event(TOM.id, meeting(subject="New"))

    reading = Reading(sim, between=meanwhile)
    told = subjects(reading.whole())
    assert ("Edited" in told, "New" in told, "M003" in told, "M004" in told) == (True, True, False, False)
    assert reading.counts["/$batch"] == 1


def test_series_and_their_dates_are_read_by_their_ids() -> None:
    """The list shows a series without what was cancelled in it, and none of its dates."""
    sim, _ = firm(1)
    daily = {"pattern": {"type": "daily", "interval": 1}, "range": {"type": "numbered", "startDate": "2026-03-09",
                                                                    "numberOfOccurrences": 3}}  # fmt: skip
    start = datetime(2026, 3, 9, 9, tzinfo=UTC)
    span = {"start": _at(start), "end": _at(start + timedelta(hours=1))}
    sim.add_event(TOM.id, meeting(subject="Daily", recurrence=daily, **span))
    reading = Reading(sim)
    assert len(reading.whole()) == 5
    assert reading.counts["/$batch"] >= 1


def test_service_that_refuses_the_list_is_asked_for_each_event() -> None:
    """Whatever a tenant thinks of the query, everything is read."""
    sim, _ = firm(25)
    reading = Reading(sim, refuses=refusal(400, "ErrorInvalidUrlQuery"))
    assert len(reading.whole()) == 25
    assert reading.counts["/$batch"] == 2


def test_throttled_list_has_the_read_tried_again() -> None:
    """Asking for each event instead would be what the service just asked not to do."""
    sim, _ = firm(3)
    with pytest.raises(Throttled):
        Reading(sim, refuses=refusal(429, "ApplicationThrottled", {"Retry-After": "3"})).whole()


def test_only_so_much_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """Behind the limit events are read by their ids; nothing is left out."""
    monkeypatch.setattr(listing, "PAGES_MAX", 2)
    monkeypatch.setattr("connectors.graph.wire.VIEW_PAGE", 5)
    sim, _ = firm(30)
    reading = Reading(sim)
    assert len(reading.whole()) == 30
    assert (reading.counts[LISTED], reading.counts["/$batch"]) == (2, 1)


@pytest.mark.parametrize(
    "answer",
    [
        {"value": [], "@odata.nextLink": f"{BASE}/v1.0{LISTED}?$skip=0"},
        {"value": ["?", None, {"id": "x"}, {"id": 7, "type": "singleInstance", "@odata.etag": "W"}]},
        {"value": None},
        ["no page"],
    ],
    ids=["leads back to itself", "rows without a meaning", "no rows", "no page"],
)
def test_list_without_sense_is_no_list(answer: Any) -> None:
    """It spares nothing then, ends, and decides nothing."""
    sim, _ = firm(3)
    reading = Reading(sim, refuses=reply(200, answer))
    assert subjects(reading.whole()) == ["M000", "M001", "M002"]
    assert reading.counts["/$batch"] == 1
    assert reading.counts[LISTED] <= listing.PAGES_MAX
