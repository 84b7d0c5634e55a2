"""The moment at which a change shows on the other side."""

from __future__ import annotations

import pytest

pytest.importorskip("bench", reason="the benchmark is not part of the wheel")

from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from threading import RLock
from types import SimpleNamespace
from typing import Any, cast

from support.graph_firm import TOM, GraphClient, build_graph
from support.salesforce_client import SalesforceClient, build_org

from bench.plan import Kind
from bench.watching import Expected, Meeting, Observer
from schemas.changes import Side
from simulators.launch import Simulators

DAY = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Firm:
    """Both simulators in this process behind one lock, an observer, and what it told."""

    def __init__(self) -> None:
        self.graph = GraphClient(build_graph())
        self.org: SalesforceClient = build_org()
        self.told: list[Expected] = []
        lock = RLock()

        def one_at_a_time(function: Callable[..., Any], *arguments: Any) -> Any:
            with lock:
                return function(*arguments)

        self.on_salesforce = one_at_a_time
        simulators = SimpleNamespace(
            graph=self.graph.sim, salesforce=self.org.simulator, on_graph=one_at_a_time, on_salesforce=one_at_a_time
        )
        self.observer = Observer(cast(Simulators, simulators), self.told.append)

    def expect(self, kind: Kind, towards: Side, meeting: Meeting, subject: str, start: datetime = DAY) -> Expected:
        """Wait for a change from now on."""
        expected = Expected(kind, towards, meeting, subject, start)
        self.observer.expect(expected)
        return expected

    def in_outlook(self, subject: str) -> Meeting:
        """An event that Microsoft 365 holds already, as seen from Practifi."""
        event_id = self.graph.sim.add_event(TOM.id, _graph_json(subject, DAY))
        held = next(event for event in self.graph.sim.events_of(TOM.id) if event["id"] == event_id)
        return Meeting(subject, DAY, HOUR, TOM.id, held["iCalUId"], event_id)

    def in_practifi(self, subject: str) -> Meeting:
        """An event that Salesforce holds already, as seen from Outlook."""
        return Meeting(subject, DAY, HOUR, TOM.id, record_id=self.save(_record(subject, DAY)))

    def save(self, fields: dict[str, Any]) -> str:
        """A record made in Salesforce."""
        return str(self.on_salesforce(self.org.simulator.insert, "Event", fields))

    def change(self, record_id: str, fields: dict[str, Any]) -> None:
        """A record changed in Salesforce."""
        self.on_salesforce(self.org.simulator.update, "Event", record_id, fields)


def _graph_json(subject: str, start: datetime) -> dict[str, Any]:
    return {"subject": subject, "start": _graph_time(start), "end": _graph_time(start + HOUR)}


def _graph_time(moment: datetime) -> dict[str, str]:
    return {"dateTime": f"{moment:%Y-%m-%dT%H:%M:%S}", "timeZone": "UTC"}


def _record(subject: str, start: datetime) -> dict[str, Any]:
    return {"Subject": subject, "StartDateTime": start.isoformat(), "EndDateTime": (start + HOUR).isoformat()}


@pytest.fixture
def firm() -> Iterator[Firm]:
    """Both sides with a running observer."""
    firm = Firm()
    with firm.observer:
        yield firm


def test_a_create_shows_in_microsoft_365_and_tells_its_ids(firm: Firm) -> None:
    """Found by its subject; afterwards the meeting can be edited through Graph."""
    meeting = Meeting("New", DAY, HOUR, TOM.id, record_id="00U")
    expected = firm.expect(Kind.CREATE, Side.GRAPH, meeting, "New")
    firm.in_outlook("Another")
    assert expected.seen is None
    response = firm.graph.send("POST", f"/users/{TOM.id}/events", _graph_json("New", DAY))
    assert firm.told == [expected]
    assert expected.seen is not None
    assert (meeting.graph_id, meeting.ical_uid) == (response.json()["id"], response.json()["iCalUId"])


def test_an_edit_in_microsoft_365_shows_only_once_it_is_the_expected_one(firm: Firm) -> None:
    """An unrelated write to the same event, such as our mark on it, is not the change that is waited for."""
    meeting = firm.in_outlook("Before")
    expected = firm.expect(Kind.EDIT, Side.GRAPH, meeting, "After")
    firm.graph.sim.edit_event(TOM.id, meeting.graph_id, {"location": {"displayName": "Room"}})
    assert expected.seen is None
    firm.graph.sim.edit_event(TOM.id, meeting.graph_id, {"subject": "After"})
    assert firm.told == [expected]
    assert firm.observer.open == 0


def test_a_deletion_in_microsoft_365_shows_when_the_event_is_gone(firm: Firm) -> None:
    """An edit in between does not count."""
    meeting = firm.in_outlook("Doomed")
    expected = firm.expect(Kind.DELETE, Side.GRAPH, meeting, "Doomed")
    firm.graph.sim.edit_event(TOM.id, meeting.graph_id, {"subject": "Doomed indeed"})
    assert expected.seen is None
    firm.graph.sim.remove_event(TOM.id, meeting.graph_id)
    assert firm.told == [expected]


def test_changes_show_in_salesforce(firm: Firm) -> None:
    """A create, a move and a deletion, each noticed by looking at the log of changes."""
    made = Meeting("New", DAY, HOUR, TOM.id)
    create = firm.expect(Kind.CREATE, Side.SALESFORCE, made, "New")
    record_id = firm.save(_record("New", DAY))
    assert firm.observer.wait(5.0)
    assert made.record_id == record_id
    move = firm.expect(Kind.MOVE, Side.SALESFORCE, made, "New", DAY + HOUR)
    firm.change(record_id, {"Subject": "New", "StartDateTime": (DAY + HOUR).isoformat()})
    assert firm.observer.wait(5.0)
    delete = firm.expect(Kind.DELETE, Side.SALESFORCE, made, "New", DAY + HOUR)
    firm.on_salesforce(firm.org.simulator.delete, "Event", record_id)
    assert firm.observer.wait(5.0)
    assert firm.told == [create, move, delete]
    assert firm.observer.salesforce_creates == 1


def test_what_never_shows_stays_open(firm: Firm) -> None:
    """Waiting gives up in time; a forgotten change is no longer waited for and may show unnoticed."""
    meeting = firm.in_practifi("Still")
    expected = firm.expect(Kind.EDIT, Side.SALESFORCE, meeting, "Moving")
    assert not firm.observer.wait(0.05)
    firm.observer.forget(expected)
    assert firm.observer.wait(0.05)
    firm.change(meeting.record_id, {"Subject": "Moving"})
    assert expected.seen is None


def test_latency_counts_from_the_answer() -> None:
    """Nothing is known before both ends are; a change that shows before its answer was read took no time."""
    expected = Expected(Kind.EDIT, Side.GRAPH, Meeting("s", DAY, HOUR, "m"), "s", DAY)
    assert expected.latency_s is None
    expected.seen = 10.0
    assert expected.latency_s is None
    expected.accepted = 9.5
    assert expected.latency_s == 0.5
    expected.accepted = 10.5
    assert expected.latency_s == 0.0
