"""The control actions of one service alone: people in Outlook and in the browser, and the service's own switches."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest

from simulators.actions import graph_actions, salesforce_actions
from simulators.clock import SimulatorClock
from simulators.control import Control
from simulators.faults import FaultPlan
from simulators.firm import build_firm
from simulators.http import Request
from simulators.seeding_graph import build_graph
from simulators.seeding_salesforce import STATIC_TOKEN, build_salesforce
from simulators.traffic import RequestLog

NOW = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)
OWN = "tessa.marlowe@harbourlight.example"
GUEST = "kit@clients.example"
MEETING = {
    "subject": "Review",
    "start": {"dateTime": "2026-03-10T09:00:00", "timeZone": "UTC"},
    "end": {"dateTime": "2026-03-10T10:00:00", "timeZone": "UTC"},
    "attendees": [{"emailAddress": {"address": GUEST}, "type": "required"}],
}


class Caller:
    """Asks a control surface; a refused request fails the test unless its status is expected."""

    def __init__(self, control: Control) -> None:
        self._control = control

    def get(self, target: str) -> Any:
        """The answer to a GET."""
        answer = self._control.answer(Request("GET", f"/_sim/{target}"))
        assert answer.status == 200, answer.body
        return answer.json()

    def post(self, target: str, value: object = None, status: int = 200) -> Any:
        """The answer to a POST."""
        answer = self._control.answer(Request("POST", f"/_sim/{target}", body=json.dumps(value).encode()))
        assert answer.status == status, answer.body
        return answer.json()


@pytest.fixture
def graph() -> Caller:
    """The control surface of Graph with the built-in firm, without events."""
    clock = SimulatorClock(NOW)
    service = build_graph(build_firm(NOW, events=0), clock)
    return Caller(Control("graph", service, clock, FaultPlan(), RequestLog(), graph_actions(service)))


@pytest.fixture
def salesforce() -> Caller:
    """The control surface of Salesforce with the built-in firm."""
    clock = SimulatorClock(NOW)
    service = build_salesforce(build_firm(NOW), clock)
    return Caller(Control("salesforce", service, clock, FaultPlan(), RequestLog(), salesforce_actions(service)))


def test_people_in_outlook_can_be_played(graph: Caller) -> None:
    """Placing mails nobody; an edit mails the guest unless told not to; a deletion cancels."""
    placed = graph.post("events", {"mailbox": OWN, "event": MEETING})["id"]
    assert graph.get("mails") == []
    graph.post("edit", {"mailbox": OWN, "event": placed, "changes": {"subject": "Quietly"}, "mails": False})
    graph.post("edit", {"mailbox": OWN, "event": placed, "changes": {"subject": "Loudly"}})
    assert graph.post("answer", {"mailbox": OWN, "event": placed, "address": GUEST, "reply": "accepted"})["attends"]
    held = graph.get(f"events?mailbox={OWN}")
    assert (held[0]["subject"], held[0]["attendees"][0]["status"]["response"]) == ("Loudly", "accepted")
    graph.post("remove", {"mailbox": OWN, "event": placed})
    assert [(mail["kind"], mail["who"], mail["client"]) for mail in graph.get("mails")] == [
        ("update", GUEST, "outlook"),
        ("cancel", GUEST, "outlook"),
    ]


def test_an_outside_organizer_can_be_played(graph: Caller) -> None:
    """An update and a cancellation reach the attendee's copy; nobody of ours is mailed."""
    outside = {**MEETING, "organizer": {"emailAddress": {"address": "otto@elsewhere.example"}}}
    placed = graph.post("events", {"mailbox": OWN, "event": outside})["id"]
    graph.post("receive", {"mailbox": OWN, "event": placed, "changes": {"subject": "Moved"}})
    assert graph.get(f"events?mailbox={OWN}")[0]["subject"] == "Moved"
    graph.post("receive", {"mailbox": OWN, "event": placed, "is_cancelled": True})
    assert graph.get(f"events?mailbox={OWN}")[0]["isCancelled"] is True
    assert graph.get("mails") == []


def test_switches_are_shown_set_and_reset(graph: Caller, salesforce: Caller) -> None:
    """What varies in the real service can be asked for by name; nonsense is refused; a reset takes it back."""
    assert graph.get("behaviour")["delta"]["replay"] < 1
    changed = graph.post("behaviour", {"preset": "calm", "delta": {"replay": 1}, "second_bump": 1})
    assert (changed["delta"]["replay"], changed["delta"]["empty_page"], changed["second_bump"]) == (1, 0, 1)
    assert "nonsense" in graph.post("behaviour", {"nonsense": 1}, status=400)["error"]
    graph.post("reset")
    assert graph.get("behaviour")["second_bump"] == 0
    assert salesforce.post("behaviour", {"page_rows": 7})["page_rows"] == 7
    salesforce.post("reset")
    assert salesforce.get("behaviour")["page_rows"] is None


def test_a_mailbox_can_leave_the_scope(graph: Caller) -> None:
    """And come back; one that does not exist is told."""
    assert graph.post("scope", {"mailbox": OWN})["out"] is True
    assert graph.post("scope", {"mailbox": OWN, "out": False})["out"] is False
    assert "nobody" in graph.post("scope", {"mailbox": "nobody"}, status=400)["error"]
    assert graph.get("subscriptions") == []
    assert graph.post("lifecycle", {"subscription": "x", "event": "missed"}, status=400)["error"]
    assert "none of" in graph.post("lifecycle", {"subscription": "x", "event": "lost"}, status=400)["error"]


def test_records_and_changes_of_the_org_can_be_read(salesforce: Caller) -> None:
    """All fields of all records of an object; nothing has changed since the seed; an unknown object is refused."""
    contacts = salesforce.get("records?object=Contact")
    assert len(contacts) == 40
    assert {"Email", "practifi__Alternative_Email__c", "AccountId"} <= contacts[0].keys()
    assert salesforce.get("changes") == []


@pytest.mark.parametrize("target", ["records?object=Nothing", "changes?since=x"])
def test_an_unknown_object_or_number_is_refused(salesforce: Caller, target: str) -> None:
    """A reason, not a failure of the simulator."""
    answer = salesforce._control.answer(Request("GET", f"/_sim/{target}"))
    assert answer.status == 400
    assert answer.json()["error"]


def test_the_orgs_switches_work() -> None:
    """Locked rows, the daily limit and ended sessions show in what clients get."""
    clock = SimulatorClock(NOW)
    service = build_salesforce(build_firm(NOW), clock)
    caller = Caller(Control("salesforce", service, clock, FaultPlan(), RequestLog(), salesforce_actions(service)))
    headers = {"authorization": f"Bearer {STATIC_TOKEN}", "content-type": "application/json"}
    event = json.dumps({"Subject": "x", "ActivityDateTime": "2026-03-10T09:00:00Z", "DurationInMinutes": 30}).encode()

    def create(token: str | None = None) -> tuple[int, str]:
        sent = headers if token is None else {**headers, "authorization": f"Bearer {token}"}
        answer = service.handle(Request("POST", "/services/data/v66.0/sobjects/Event", sent, event))
        body = answer.json()
        return answer.status, body[0]["errorCode"] if isinstance(body, list) else "none"

    caller.post("lock-writes", {"count": 1})
    assert create()[1] == "UNABLE_TO_LOCK_ROW"
    assert create() == (201, "none")
    assert [change["entity"] for change in caller.get("changes")] == ["Event"]
    issued = service.issue_token()
    assert create(issued) == (201, "none")
    assert caller.post("expire-tokens")["ended"] == 1
    assert create(issued) == (401, "INVALID_SESSION_ID")
    caller.post("usage", {"spent": service.usage.maximum})
    assert create() == (403, "REQUEST_LIMIT_EXCEEDED")
    assert caller.post("archive") == {"archived": 0}


@pytest.mark.parametrize(
    ("target", "value"),
    [("lock-writes", {"count": -1}), ("lock-writes", {"number": 1}), ("usage", {"spent": "many"}), ("usage", None)],
)
def test_nonsense_is_refused(salesforce: Caller, target: str, value: object) -> None:
    """Numbers that are none and members that are unknown get a reason."""
    assert salesforce.post(target, value, status=400)["error"]


def test_tokens_of_graph_are_ended(graph: Caller) -> None:
    """As an administrator who revokes sessions does; nobody had signed in."""
    assert graph.post("expire-tokens") == {"ended": 0}


def test_what_took_place_is_counted(graph: Caller, salesforce: Caller) -> None:
    """By the name of its switch, from nothing."""
    graph.post("behaviour", {"second_bump": 1.0})
    made = graph.post("events", {"mailbox": OWN, "event": MEETING})
    before = graph.get("happened").get("second_bump", 0)
    graph.post("edit", {"mailbox": OWN, "event": made["id"], "changes": {"subject": "Other"}})
    assert graph.get("happened")["second_bump"] == before + 1
    assert salesforce.get("happened") == {"replication_hold": 0, "lock-writes": 0}
