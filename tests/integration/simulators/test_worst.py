"""Both services at their worst, over real sockets: what a client in any language meets."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
import pytest

from simulators.launch import SimulatorOptions, running_simulators


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Both simulators on free ports, as `--print-env` tells of them."""
    options = SimulatorOptions(port_base=0, state_dir=tmp_path_factory.mktemp("state"))
    with running_simulators(options) as simulators:
        yield simulators.environment()


@pytest.fixture
def http(env: dict[str, str]) -> Iterator[httpx.Client]:
    """A client with Graph's long-lived token; both services are back at their seed."""
    with httpx.Client(headers={"authorization": f"Bearer {env['GRAPH_TOKEN']}"}, trust_env=False) as client:
        for url in (env["GRAPH_URL"].replace("/v1.0", ""), env["SF_URL"]):
            client.post(f"{url}/_sim/reset").raise_for_status()
        yield client


@pytest.mark.honest("salesforce", 25)
def test_salesforce_fails_as_it_does(env: dict[str, str], http: httpx.Client) -> None:
    """A 502 that is no JSON, a 503 and a row lock have no effect; a write whose answer is lost has; gone is gone."""
    control, own = f"{env['SF_URL']}/_sim", {"authorization": f"Bearer {env['SF_TOKEN']}"}
    events = f"{env['SF_URL']}/services/data/v66.0/sobjects/Event"
    body = {"Subject": "Fault", "ActivityDateTime": "2026-05-21T10:00:00Z", "DurationInMinutes": 30}

    def made() -> list[str]:
        return [one["Id"] for one in http.get(f"{control}/records?object=Event").json() if one["Subject"] == "Fault"]

    unavailable = {"status": 503, "body": '[{"message": "Server unavailable", "errorCode": "SERVER_UNAVAILABLE"}]'}
    faults = [{"status": 502, "body": "<html>Bad Gateway</html>"}, unavailable, {"cut": "after"}]
    planned = [{"path": "/sobjects/Event", "method": "POST", **fault} for fault in faults]
    http.post(f"{control}/faults", json=planned).raise_for_status()
    http.post(f"{control}/lock-writes", json={"count": 1}).raise_for_status()
    edge = http.post(events, json=body, headers=own)
    assert (edge.status_code, edge.headers["content-type"].startswith("text/plain")) == (502, True)
    gone = http.post(events, json=body, headers=own)
    assert (gone.status_code, gone.json()[0]["errorCode"]) == (503, "SERVER_UNAVAILABLE")
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        http.post(events, json=body, headers=own)
    assert made() == []
    http.post(f"{control}/faults", json={"path": "/sobjects/Event", "method": "POST", "cut": "after"})
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        http.post(events, json=body, headers=own)
    [event_id] = made()
    statuses = [http.delete(f"{events}/{event_id}", headers=own) for _ in range(2)]
    assert [answer.status_code for answer in statuses] == [204, 404]
    assert statuses[1].json()[0]["errorCode"] == "ENTITY_IS_DELETED"


@pytest.mark.honest("graph", 8, 14, 15)
def test_graph_varies_as_it_is_told(env: dict[str, str], http: httpx.Client) -> None:
    """Second versions, conflicts without If-Match and repeated items can be switched on from outside."""
    control, user = env["GRAPH_URL"].replace("/v1.0", "/_sim"), f"{env['GRAPH_URL']}/users/{env['GRAPH_USER']}"
    start = datetime.now(UTC).replace(microsecond=0, tzinfo=None) + timedelta(days=1)
    times = {
        name: {"dateTime": moment.isoformat(), "timeZone": "UTC"}
        for name, moment in (("start", start), ("end", start + timedelta(hours=1)))
    }

    def switch(**changes: object) -> None:
        http.post(f"{control}/behaviour", json={"preset": "calm", **changes}).raise_for_status()

    switch(second_bump=1, second_bump_s=5)
    made = http.post(f"{user}/events", json={"subject": "Varies", **times}).json()
    http.post(f"{control}/clock", json={"advance_s": 6}).raise_for_status()
    event = f"{user}/events/{made['id']}"
    assert http.get(event).json()["changeKey"] != made["changeKey"]
    switch(transient_conflict=1)
    refused = http.patch(event, json={"subject": "x"})
    assert (refused.status_code, refused.json()["error"]["code"]) == (412, "ErrorIrresolvableConflict")
    switch(delta={"duplicate_item": 1})
    window = {
        "startDateTime": start.isoformat(),
        "endDateTime": (start + timedelta(hours=1)).isoformat(),
    }
    ids = [item["id"] for item in http.get(f"{user}/calendarView/delta", params=window).json()["value"]]
    assert ids.count(made["id"]) == 2
