"""`concord audit` on a real broker and both simulators: what was done behind Concord's back is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from integration.cli.firm import Firm
from support import graph_firm
from support.graph_driver import BASE
from support.graph_driver import send_to as graph_to
from support.graph_firm import TOKEN, TOM, GraphClient, build_graph
from support.salesforce_client import SalesforceClient
from support.salesforce_driver import build_lasting
from support.salesforce_driver import send_to as salesforce_to
from typer.testing import CliRunner, Result

from concord import auditing
from concord.changing import current_settings
from concord.cli import app
from connectors.exchange import Call, Reply, run
from connectors.graph.source import verify_missing
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.org import adapted
from projections.directory import Directory
from schemas.journal import Position, SettingsChanged
from schemas.settings import UserSetting, change_users
from schemas.topics import FIRM_KEY, SETTINGS_CHANGES, SYNC_JOURNAL
from streams.intake import SETTINGS_KEY, entry_of_change, entry_of_settings

pytestmark = pytest.mark.broker

ENVIRON = {
    "CONCORD_GRAPH_TENANT": "t", "CONCORD_GRAPH_CLIENT_ID": "c", "CONCORD_GRAPH_CLIENT_SECRET": "s",
    "CONCORD_SALESFORCE_URL": "https://org.example", "CONCORD_SALESFORCE_CLIENT_ID": "c",
    "CONCORD_SALESFORCE_CLIENT_SECRET": "s",
}  # fmt: skip


class Services:
    """Both simulators, and the audit's way to them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.graph = build_graph()
        self.salesforce: SalesforceClient = build_lasting()
        self.outlook = GraphClient(self.graph)
        self.calls: list[Call] = []
        self.to_graph = graph_to(self.graph, token=TOKEN, base_url=BASE)
        to_salesforce = salesforce_to(self.salesforce.simulator, token=self.salesforce.token)
        names = run(adapted(FieldNames()), to_salesforce)
        monkeypatch.setattr(auditing, "Graph", lambda _: self._companion(self.to_graph, names))
        monkeypatch.setattr(auditing, "Salesforce", lambda _: self._companion(to_salesforce, names))

    def _companion(self, send: Callable[[Call], Reply], names: FieldNames) -> Any:
        async def nothing() -> None:
            """Open or close."""

        async def learned() -> FieldNames:
            return names

        async def answer(call: Call) -> Reply:
            self.calls.append(call)
            return send(call)

        client = SimpleNamespace(send=answer, send_async=answer, api_usage="")
        return SimpleNamespace(start=nothing, stop=nothing, names=learned, client=client)


def event_at(days: int, subject: str) -> dict[str, Any]:
    """An hour in Tom's calendar, so many days from now."""
    start = datetime.now(UTC).replace(microsecond=0, tzinfo=None) + timedelta(days=days)
    times = {"start": start, "end": start + timedelta(hours=1)}
    return graph_firm.meeting(
        subject=subject, **{name: {"dateTime": at.isoformat(), "timeZone": "UTC"} for name, at in times.items()}
    )


def tell(firm: Firm, services: Services, event_id: str) -> None:
    """Let the log hold an event of Tom's as it stands in Microsoft 365 now; Tom takes part."""
    current = current_settings(firm.address)
    tom = UserSetting(TOM.id, TOM.mail, services.salesforce.ids["ada"], "Tom", is_enabled=True)
    settings = change_users(current, [tom], by="test", now=datetime.now(UTC))
    settings = replace(settings, licences=0, direction="two_way", shadow=False)
    (change,) = run(verify_missing(TOM.id, [event_id], now=datetime.now(UTC)), services.to_graph).changes
    seen = entry_of_change(change, None, Directory(), Position("graph.changes", 3, 0))
    assert seen is not None
    in_force = entry_of_settings(settings, Position(SETTINGS_CHANGES, 0, settings.number), 4)
    assert isinstance(in_force.what, SettingsChanged)
    firm.write({
        SETTINGS_CHANGES: [(FIRM_KEY, settings)],
        SYNC_JOURNAL: [(SETTINGS_KEY, in_force), (seen.pair_key, seen)],
    })  # fmt: skip


def audited(firm: Firm, *words: str) -> Result:
    """Run the command."""
    return CliRunner().invoke(app, ["audit", *words], env={"CONCORD_BROKER": firm.address, **ENVIRON})


def test_what_was_done_behind_concords_back_is_named(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    """One event was edited, one made on either side, and nobody told the log; nothing is written to find that out."""
    services = Services(monkeypatch)
    told = services.outlook.create(TOM, event_at(30, "Review"))["id"]
    tell(firm, services, told)
    services.outlook.patch(TOM, told, {"subject": "Review, moved"})
    made = services.outlook.create(TOM, event_at(40, "Never told"))["id"]
    record = services.salesforce.event(Subject="Neither", OwnerId=services.salesforce.ids["ada"])
    before = len(services.calls)

    done = audited(firm, "--user", TOM.mail, "--json")
    assert done.exit_code == 1, done.output
    report = json.loads(done.stdout)
    (tom,) = report["users"]
    found = {(row["cause"], row["side"], row["id"] or "", tuple(row["fields"])) for row in tom["drift"]}
    assert found == {
        ("missed", "graph", "", ("subject",)),
        ("unknown", "graph", made, ()),
        ("unknown", "salesforce", record, ()),
    }
    sent = services.calls[before:]
    assert sum(report["requests"].values()) == len(sent)
    assert [call.path for call in sent if call.method != "GET" and call.path not in ("/$batch", "/composite")] == []
    assert "saved there, and the log does not hold it" in audited(firm, "--user", TOM.mail).stdout


def test_an_audit_keeps_to_what_it_was_allowed(firm: Firm, monkeypatch: pytest.MonkeyPatch) -> None:
    """One request too many ends it with a sentence; a user who takes no part is refused before anything is asked."""
    services = Services(monkeypatch)
    refused = audited(firm, "--user", TOM.mail, "--max-requests", "1")
    assert (refused.exit_code, len(services.calls)) == (1, 1)
    assert "more than 1 requests to Microsoft 365" in str(refused.exception)
    outside = audited(firm, "--user", "cleo@firm.example")
    assert "cleo@firm.example is not enabled" in str(outside.exception)
