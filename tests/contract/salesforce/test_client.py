"""The live client over TLS sockets: sessions that end, connections that break, and what each says of the request."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pydantic import SecretStr

from connectors.exchange import Reply, run, run_async
from connectors.salesforce import wire
from connectors.salesforce.client import SalesforceClient, SalesforceConnection
from connectors.salesforce.credentials import ConsumerSecret
from connectors.salesforce.directory import read_directory
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.source import poll_page
from connectors.secret import Secret
from schemas.cursors import SalesforceCursor
from schemas.errors import AuthRejected, Unavailable
from simulators.faults import Cut, Fault
from simulators.launch import SimulatorOptions, Simulators, running_simulators

USERS = wire.soql("SELECT Id FROM User")


def by_secret(value: str) -> ConsumerSecret:
    """A consumer secret."""
    return ConsumerSecret(Secret("CONCORD_SALESFORCE_CLIENT_SECRET", SecretStr(value)))


@pytest.fixture(scope="module")
def simulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    """Both simulators on free ports."""
    options = SimulatorOptions(port_base=0, state_dir=tmp_path_factory.mktemp("state"))
    with running_simulators(options) as running:
        yield running


@pytest.fixture
def connection(simulators: Simulators) -> SalesforceConnection:
    """How to reach the org over TLS; no faults are left from before."""
    simulators.salesforce_hosted.edge.faults.clear()
    env = simulators.environment()
    return SalesforceConnection(
        env["SF_TLS_URL"], env["SF_CLIENT_ID"], by_secret(env["SF_CLIENT_SECRET"]),
        ca_file=simulators.certificates.ca_file, timeout_s=5,
    )  # fmt: skip


@pytest.fixture
def client(connection: SalesforceConnection) -> Iterator[SalesforceClient]:
    """A client of it."""
    client = SalesforceClient(connection)
    yield client
    client.close()


def plan(simulators: Simulators, **members: object) -> None:
    """Let the next matching request go wrong."""
    simulators.salesforce_hosted.edge.faults.add(Fault(**members))  # type: ignore[arg-type]


def signed_in(simulators: Simulators) -> int:
    """How often somebody signed in."""
    counts = simulators.salesforce_hosted.edge.traffic.as_json()["counts"]
    return sum(entry["count"] for entry in counts if entry["route"].endswith("/oauth2/token"))


def test_exchanges_run_over_sockets(client: SalesforceClient) -> None:
    """A poll and the directory, one sign-in; the allowance that Salesforce tells is kept."""
    page = run(poll_page(SalesforceCursor("Event"), FieldNames(), now=datetime.now(UTC), overlap_s=60), client.send)
    assert page.is_last
    entries = asyncio.run(run_async(read_directory(FieldNames()), client.send_async))
    assert entries[-1].id == "salesforce"
    assert client.api_usage.startswith("api-usage=")
    assert client.counts["POST", "200"] == 1
    assert client.counts["GET", "200"] >= 4


def test_our_writes_carry_our_name(simulators: Simulators, client: SalesforceClient) -> None:
    """So that they are told from those of people when they come back."""
    body = {"Subject": "By us", "StartDateTime": "2026-05-21T10:00:00Z", "DurationInMinutes": 5}
    (made,) = wire.read_saved(client.send(wire.insert("Event", [body])))
    assert made.error is None
    changes = simulators.on_salesforce(lambda: [c.change_origin for c in simulators.salesforce.changes])
    assert changes[-1].endswith(";client=concord")


def test_a_session_that_ended_is_renewed_once(simulators: Simulators, client: SalesforceClient) -> None:
    """The call goes out again with the new token, and has its effect once."""
    assert client.send(USERS).status == 200
    simulators.on_salesforce(simulators.salesforce.expire_tokens)
    assert client.send(USERS).status == 200
    assert client.counts["GET", "401"] == 1


def test_a_permanent_401_is_answered_not_repeated(simulators: Simulators, client: SalesforceClient) -> None:
    """Two tries, then the caller is told that a person must act."""
    body = json.dumps([{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}])
    plan(simulators, path="/query", status=401, body=body, count=2)
    with pytest.raises(AuthRejected, match="Session expired"):
        wire.read(client.send(USERS))
    assert client.counts["GET", "401"] == 2


def test_trouble_and_throttles_are_told_until_they_pass(simulators: Simulators, client: SalesforceClient) -> None:
    """A call without an answer, one that is refused for now, and then all is well; a plain refusal is neither."""
    plan(simulators, path="/query", cut=Cut.BEFORE, count=1)
    with pytest.raises(Unavailable):
        client.send(USERS)
    assert "Salesforce" in client.trouble
    assert client.counts["GET", "unavailable"] == 1
    for code, status, throttled in (("REQUEST_LIMIT_EXCEEDED", 403, 1), ("MALFORMED_QUERY", 400, 1)):
        body = json.dumps([{"message": "No.", "errorCode": code}])
        plan(simulators, path="/query", status=status, body=body, count=1)
        assert client.send(USERS).status == status
        assert (client.throttled, client.trouble) == (throttled, "")


def test_many_threads_sign_in_once(simulators: Simulators, client: SalesforceClient) -> None:
    """Also when the session of all of them ends."""
    before = signed_in(simulators)
    with ThreadPoolExecutor(8) as pool:
        assert {reply.status for reply in pool.map(client.send, [USERS] * 16)} == {200}
        assert signed_in(simulators) == before + 1
        simulators.on_salesforce(simulators.salesforce.expire_tokens)
        assert {reply.status for reply in pool.map(client.send, [USERS] * 16)} == {200}
    assert signed_in(simulators) == before + 2


@pytest.mark.parametrize("cut", list(Cut))
def test_a_cut_connection_may_have_had_its_effect(simulators: Simulators, client: SalesforceClient, cut: Cut) -> None:
    """Nobody can tell from here, so the exchange is told that it was sent; the next call finds a way."""
    client.send(USERS)
    plan(simulators, path="/query", cut=cut)
    with pytest.raises(Unavailable) as caught:
        client.send(USERS)
    assert caught.value.was_sent
    assert caught.value.__context__ is None  # its frames would hold the token, and connections open
    assert client.send(USERS).status == 200


def test_an_answer_that_does_not_come_in_time_is_unclear(
    simulators: Simulators, connection: SalesforceConnection
) -> None:
    """The wait is bounded."""
    client = SalesforceClient(replace(connection, timeout_s=0.5))
    client.send(USERS)
    plan(simulators, path="/query", delay_s=1.5)
    with pytest.raises(Unavailable, match="ReadTimeout") as caught:
        client.send(USERS)
    assert caught.value.was_sent
    client.close()


def test_a_gateways_page_is_no_answer(simulators: Simulators, client: SalesforceClient) -> None:
    """Whatever status it carries."""
    plan(simulators, path="/query", status=502, body="<html>Bad gateway</html>")
    with pytest.raises(Unavailable) as caught:
        wire.read(client.send(USERS))
    assert (caught.value.status, caught.value.was_sent) == (502, True)


def test_where_nobody_listens_nothing_was_sent(connection: SalesforceConnection) -> None:
    """Neither the sign-in nor a call of a session from before."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        url = f"https://127.0.0.1:{taken.getsockname()[1]}"
        client = SalesforceClient(replace(connection, url=url))
        with pytest.raises(Unavailable, match="cannot be signed in") as caught:
            client.send(USERS)
        assert not caught.value.was_sent
        session = SalesforceClient(connection)._sign_in()
        client._signed_in = session
        with pytest.raises(Unavailable) as caught:
            client.send(USERS)
        assert not caught.value.was_sent
        client.close()


def test_a_certificate_of_nobody_is_not_trusted(connection: SalesforceConnection) -> None:
    """Nothing is sent to whom we do not know: neither the secret nor a call."""
    client = SalesforceClient(replace(connection, ca_file=None))
    for session in (None, SalesforceClient(connection)._sign_in()):
        client._signed_in = session
        with pytest.raises(Unavailable, match="SSLError") as caught:
            client.send(USERS)
        assert not caught.value.was_sent
    client.close()


def test_a_wrong_secret_is_for_a_person_to_mend(connection: SalesforceConnection) -> None:
    """And is not repeated in any message."""
    client = SalesforceClient(replace(connection, credential=by_secret("not-the-secret")))
    with pytest.raises(AuthRejected) as caught:
        client.send(USERS)
    assert "not-the-secret" not in str(caught.value)
    assert "not-the-secret" not in repr(client._connection)
    assert caught.value.__context__ is None  # its frames would hold the secret, and the connection open
    client.close()


TOKEN_TROUBLES = [
    (503, ""),
    (200, "<html>Maintenance</html>"),
    (500, '{"error":"server_error","error_description":"try again"}'),
    (429, '{"error":"rate_limit_exceeded"}'),
]


@pytest.mark.parametrize(("status", "body"), TOKEN_TROUBLES)
def test_a_sign_in_that_fails_by_itself_is_tried_again_later(
    simulators: Simulators, client: SalesforceClient, status: int, body: str
) -> None:
    """It says nothing about our secret."""
    plan(simulators, path="/oauth2/token", status=status, body=body)
    with pytest.raises(Unavailable) as caught:
        client.send(USERS)
    assert not caught.value.was_sent
    assert client.send(USERS).status == 200


def test_the_configured_version_is_asked_for_everywhere(
    simulators: Simulators, connection: SalesforceConnection
) -> None:
    """Also inside a composite; a link to a next page keeps its own."""
    client = SalesforceClient(replace(connection, version="64.0", url=connection.url + "/"))
    replies = wire.read_composite(client.send(wire.composite([USERS, wire.describe("Contact")])), 2)
    (first, *_) = replies[0].json()["records"]
    assert first["attributes"]["url"].startswith("/services/data/v64.0/")
    record = wire.read(client.send(USERS))["records"][0]
    assert record["attributes"]["url"].startswith("/services/data/v64.0/")
    assert isinstance(client.send(wire.next_page("/services/data/v66.0/query/01gNone-200")), Reply)
    client.close()


def test_the_environment_has_no_say(client: SalesforceClient, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Proxies and CA bundles of the shell do not reach the client."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path / "none.pem"))
    assert client.send(USERS).status == 200
