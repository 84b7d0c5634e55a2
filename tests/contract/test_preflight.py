"""Preflight against both simulators: a good firm passes, and what is wrong is told as something to fix."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from support.graph_driver import send_to as graph_to
from support.graph_firm import BASE, TOKEN, TOM, build_graph
from support.salesforce_client import SalesforceClient
from support.salesforce_driver import build_lasting
from support.salesforce_driver import send_to as salesforce_to

from concord import preflight
from concord.config import Config
from concord.preflight import examine, is_clear
from concord.preflight_checks import Finding, Level
from projections.directory import Directory
from schemas.settings import Settings, UserSetting
from simulators.graph.service import GraphSimulator

ENABLED = Settings(users=(UserSetting(TOM.id, TOM.mail, "005TOM", "Tom", is_enabled=True),))


class Firm:
    """Both services, and preflight's way to them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.graph: GraphSimulator = build_graph()
        self.salesforce: SalesforceClient = build_lasting()
        self.asked: list[str] = []
        monkeypatch.setattr(preflight, "current_settings", lambda _: ENABLED)
        monkeypatch.setattr(preflight, "read_directory", lambda _: Directory())
        monkeypatch.setattr(preflight, "Graph", lambda _: self._companion(self._graph))
        monkeypatch.setattr(preflight, "Salesforce", lambda _: self._companion(self._salesforce))

    def _companion(self, send: Any) -> Any:
        async def nothing() -> None:
            """Open or close."""

        async def answer(call: Any) -> Any:
            self.asked.append(f"{call.method} {call.path}")
            return send(call)

        return SimpleNamespace(start=nothing, stop=nothing, client=SimpleNamespace(send=answer, send_async=answer))

    def _graph(self, call: Any) -> Any:
        return graph_to(self.graph, token=TOKEN, base_url=f"{BASE}/v1.0")(call)

    def _salesforce(self, call: Any) -> Any:
        return salesforce_to(self.salesforce.simulator, token=self.salesforce.token)(call)

    def examined(self, **config: Any) -> dict[str, list[Finding]]:
        """The findings by what they are about."""
        findings = asyncio.run(examine(Config(**config)))
        found: dict[str, list[Finding]] = {}
        for finding in findings:
            found.setdefault(finding.what, []).append(finding)
        return found


@pytest.fixture
def firm(monkeypatch: pytest.MonkeyPatch) -> Firm:
    """A calm firm."""
    return Firm(monkeypatch)


def all_of(found: dict[str, list[Finding]]) -> list[Finding]:
    """Every finding."""
    return [finding for findings in found.values() for finding in findings]


def test_a_good_firm_is_clear_and_nothing_was_written(firm: Firm) -> None:
    """Only reads, and of events no more than the signs of others."""
    found = firm.examined()
    assert is_clear(all_of(found))
    assert found["Microsoft 365: mailboxes"][0].text == "1 of 1 calendars may be read"
    assert [asked for asked in firm.asked if not asked.startswith("GET ") and asked != "POST /composite"] == []
    assert firm.salesforce.simulator.records("Event") == []


def test_rooms_without_a_calendar_are_named(firm: Firm) -> None:
    """Two rooms in Microsoft 365, one Resource Calendar of another name."""
    texts = [finding.text for finding in firm.examined()["rooms"]]
    assert texts == [
        "without a Resource Calendar in Practifi: Room Banksia, Room Wattle",
        "Resource Calendars that are no room in Microsoft 365: Room 4",
    ]


def test_a_closed_mailbox_must_be_fixed(firm: Firm) -> None:
    """Named by its address, with what to grant."""
    firm.graph.put_user(dataclasses.replace(TOM, mailbox_enabled=False))
    (finding,) = firm.examined()[f"Microsoft 365: calendar of {TOM.mail}"]
    assert (finding.level, bool(finding.advice)) == (Level.FIX, True)


def test_signs_of_another_sync_are_found(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event with an id of Microsoft 365 but without our key."""
    monkeypatch.setattr(preflight, "RECENT", timedelta(days=10_000))  # the simulator's clock stands in its own year
    firm.salesforce.event(practifi__External_ID__c="AAMkSomebodyElse=")
    found = firm.examined()["another calendar sync"]
    assert [finding.level for finding in found] == [Level.WARNING, Level.LOOK]


def test_a_service_that_refuses_is_one_line_and_the_other_is_still_looked_at(firm: Firm) -> None:
    """The rest of its checks is left out."""
    firm.salesforce.token = "unknown"
    found = firm.examined()
    (finding,) = found["Salesforce: sign-in and objects"]
    assert finding.level is Level.FIX
    assert "Microsoft 365: mailboxes" in found
    assert not {"rooms", "Shared Activities", "clock against Salesforce"} & set(found)
