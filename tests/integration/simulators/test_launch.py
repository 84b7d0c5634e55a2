"""Both simulators as others meet them: over sockets, with the libraries that the product uses and from a shell."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import msal
import pytest
import requests
from simple_salesforce import Salesforce
from simple_salesforce.exceptions import SalesforceAuthenticationFailed
from support.waiting import wait_until

from schemas.errors import ConfigError
from simulators.launch import SimulatorOptions, Simulators, running_simulators

EVENT = {
    "subject": "Portfolio review",
    "start": {"dateTime": "2026-03-10T09:00:00", "timeZone": "Australia/Sydney"},
    "end": {"dateTime": "2026-03-10T10:00:00", "timeZone": "Australia/Sydney"},
    "attendees": [{"emailAddress": {"address": "kit@clients.example", "name": "Kit"}, "type": "required"}],
}
ICS = """BEGIN:VCALENDAR
VERSION:2.0
PRODID:-//x//y//
BEGIN:VEVENT
UID:one@elsewhere.example
SUMMARY:From a file
DTSTART:20260302T090000Z
DTEND:20260302T100000Z
END:VEVENT
BEGIN:VEVENT
UID:two@elsewhere.example
SUMMARY:Every day
DTSTART:20260302T090000Z
RRULE:FREQ=DAILY
RDATE:20260302T120000Z
END:VEVENT
END:VCALENDAR
"""


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A state folder of this module's own."""
    return tmp_path_factory.mktemp("state")


@pytest.fixture(scope="module")
def shared(state_dir: Path) -> Iterator[Simulators]:
    """The simulators on free ports with the built-in firm."""
    with running_simulators(SimulatorOptions(port_base=0, state_dir=state_dir)) as simulators:
        yield simulators


@pytest.fixture
def simulators(shared: Simulators) -> Simulators:
    """The simulators, back at their seed."""
    for url in (shared.graph_hosted.url, shared.salesforce_url):
        httpx.post(f"{url}/_sim/reset", trust_env=False).raise_for_status()
    return shared


@pytest.fixture
def env(simulators: Simulators) -> dict[str, str]:
    """What --print-env would print."""
    return simulators.environment()


@pytest.fixture
def http(simulators: Simulators, env: dict[str, str]) -> Iterator[httpx.Client]:
    """A client with the long-lived Graph token."""
    headers = {"authorization": f"Bearer {env['GRAPH_TOKEN']}"}
    context = simulators.certificates.client_context()
    with httpx.Client(verify=context, trust_env=False, headers=headers, timeout=15) as client:
        yield client


@pytest.fixture
def no_ca_override(monkeypatch: pytest.MonkeyPatch) -> None:
    """These variables would override the authority given to requests."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.delenv(name, raising=False)


# --- the clients that the product uses ------------------------------------------------------------------------


@pytest.mark.usefixtures("no_ca_override")
def test_msal_gets_a_token_that_graph_accepts(env: dict[str, str], http: httpx.Client) -> None:
    """The ordinary confidential client against the https authority; httpx uses the token on both listeners."""
    app = msal.ConfidentialClientApplication(
        env["GRAPH_CLIENT_ID"],
        client_credential=env["GRAPH_CLIENT_SECRET"],
        authority=env["GRAPH_AUTHORITY"],
        instance_discovery=False,
        verify=env["CONCORD_CA_FILE"],
    )
    try:
        granted = app.acquire_token_for_client(scopes=["https://graph.microsoft.com/.default"])
    finally:
        app.http_client.close()
    assert "access_token" in granted, granted
    for base in (env["GRAPH_URL"], env["GRAPH_TLS_URL"]):
        headers = {"authorization": f"Bearer {granted['access_token']}"}
        answer = http.get(f"{base}/users/{env['GRAPH_USER']}/calendar", headers=headers)
        assert answer.json()["isDefaultCalendar"] is True
    log = http.get(env["GRAPH_URL"].replace("/v1.0", "/_sim/requests")).json()
    assert log["by_client"][env["GRAPH_CLIENT_ID"]] == 2


@pytest.mark.usefixtures("no_ca_override")
def test_a_wrong_secret_is_msals_ordinary_error(env: dict[str, str]) -> None:
    """The library returns its error dictionary, as it does for Microsoft's own answer."""
    app = msal.ConfidentialClientApplication(
        env["GRAPH_CLIENT_ID"],
        client_credential="wrong",
        authority=env["GRAPH_AUTHORITY"],
        instance_discovery=False,
        verify=env["CONCORD_CA_FILE"],
    )
    try:
        refused = app.acquire_token_for_client(scopes=["https://graph.microsoft.com/.default"])
    finally:
        app.http_client.close()
    assert (refused["error"], refused["error_codes"]) == ("invalid_client", [7000215])


class ToSimulator(requests.adapters.HTTPAdapter):
    """Sends what simple-salesforce addresses to a My Domain host to the simulator instead."""

    def __init__(self, base: str, verify: str | bool) -> None:
        super().__init__()
        self.base = urlsplit(base)
        self.trusts = verify

    def send(self, request: requests.PreparedRequest, *args: Any, **named: Any) -> requests.Response:
        """Swap scheme and host, keep the path."""
        parts = urlsplit(str(request.url))
        request.url = parts._replace(scheme=self.base.scheme, netloc=self.base.netloc).geturl()
        request.headers["Host"] = self.base.netloc
        named["verify"] = self.trusts
        return super().send(request, *args, **named)


@pytest.mark.usefixtures("no_ca_override")
@pytest.mark.parametrize("base", ["SF_URL", "SF_TLS_URL"])
def test_simple_salesforce_logs_in_and_works(env: dict[str, str], base: str) -> None:
    """Client credentials through an adapter, on plain HTTP and on TLS, then describe, create, query, delete."""
    with requests.Session() as session:
        session.mount("https://", ToSimulator(env[base], env["CONCORD_CA_FILE"]))
        org = Salesforce(
            consumer_key=env["SF_CLIENT_ID"],
            consumer_secret=env["SF_CLIENT_SECRET"],
            domain="concord.my",
            version=env["SF_VERSION"],
            session=session,
        )
        names = {field["name"] for field in org.Event.describe()["fields"]}
        assert {"Concord_Sync_Key__c", "practifi__External_ID__c"} <= names
        start = "2026-03-10T09:00:00Z"
        made = org.Event.create({"Subject": "Call", "ActivityDateTime": start, "DurationInMinutes": 30})
        found = org.query(f"SELECT Id, Subject FROM Event WHERE Id = '{made['id']}'")
        assert [record["Subject"] for record in found["records"]] == ["Call"]
        assert org.Event.delete(made["id"]) == 204


@pytest.mark.usefixtures("no_ca_override")
def test_simple_salesforce_works_over_tls_with_the_long_lived_token(env: dict[str, str]) -> None:
    """A session id and an instance URL need no adapter: session.verify names the authority."""
    with requests.Session() as session:
        session.verify = env["CONCORD_CA_FILE"]
        org = Salesforce(
            session_id=env["SF_TOKEN"], instance_url=env["SF_TLS_URL"], version=env["SF_VERSION"], session=session
        )
        users = org.query_all("SELECT Email FROM User WHERE IsActive = true")
        assert env["GRAPH_USER"] in [user["Email"] for user in users["records"]]


@pytest.mark.usefixtures("no_ca_override")
def test_a_wrong_consumer_secret_is_refused(env: dict[str, str]) -> None:
    """The library raises its own authentication error."""
    with requests.Session() as session:
        session.mount("https://", ToSimulator(env["SF_TLS_URL"], env["CONCORD_CA_FILE"]))
        with pytest.raises(SalesforceAuthenticationFailed):
            Salesforce(consumer_key=env["SF_CLIENT_ID"], consumer_secret="no", domain="concord.my", session=session)


# --- Graph over the wire --------------------------------------------------------------------------------------


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An endpoint that passes validation and remembers notifications."""
    got: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length") or 0))
            token = parse_qs(urlsplit(self.path).query).get("validationToken")
            if token is None:
                got.extend(json.loads(body)["value"])
            answer = token[0].encode() if token else b""
            self.send_response(200 if token else 202)
            self.send_header("content-type", "text/plain")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            """Stay quiet."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/graph", got
    server.shutdown()
    thread.join()
    server.server_close()


def subscription(env: dict[str, str], url: str) -> dict[str, str]:
    """A request for notifications about one mailbox."""
    expires = (datetime.now(UTC) + timedelta(hours=2)).isoformat().replace("+00:00", "Z")
    return {
        "changeType": "created,updated,deleted",
        "notificationUrl": url,
        "resource": f"users/{env['GRAPH_USER']}/events",
        "expirationDateTime": expires,
        "clientState": "a secret",
    }


@pytest.mark.honest("graph", 20)
def test_a_subscription_is_validated_and_its_notifications_arrive(
    env: dict[str, str], http: httpx.Client, webhook: tuple[str, list[dict[str, Any]]]
) -> None:
    """The handshake happens before 201; a new event is then posted to the endpoint with the client's secret."""
    url, got = webhook
    made = http.post(f"{env['GRAPH_URL']}/subscriptions", json=subscription(env, url))
    assert made.status_code == 201, made.text
    created = http.post(f"{env['GRAPH_URL']}/users/{env['GRAPH_USER']}/events", json=EVENT).json()
    http.post(env["GRAPH_URL"].replace("/v1.0", "/_sim/clock"), json={"advance_s": 60}).raise_for_status()
    wait_until(lambda: bool(got))
    assert got[0]["clientState"] == "a secret"
    assert got[0]["resourceData"]["id"] == created["id"]


@pytest.mark.honest("graph", 20)
def test_a_dead_endpoint_gets_no_subscription(env: dict[str, str], http: httpx.Client) -> None:
    """Nobody answers the handshake: 400, as from the real service."""
    refused = http.post(f"{env['GRAPH_URL']}/subscriptions", json=subscription(env, "http://127.0.0.1:9/graph"))
    assert refused.status_code == 400
    assert refused.json()["error"]["code"] == "ValidationError"


def test_every_answer_has_one_date(env: dict[str, str], http: httpx.Client) -> None:
    """The service's own clock where it tells the date, the wall clock elsewhere; never both."""
    http.post(env["GRAPH_URL"].replace("/v1.0", "/_sim/clock"), json={"set": "2030-01-02T03:04:05Z"})
    graph = http.get(f"{env['GRAPH_URL']}/users").headers.get_list("date")
    assert [text[:16] for text in graph] == ["Wed, 02 Jan 2030"]
    assert len(http.get(f"{env['SF_URL']}/services/data/").headers.get_list("date")) == 1


@pytest.mark.honest("graph", 12)
def test_mails_name_who_caused_them(env: dict[str, str], http: httpx.Client) -> None:
    """One invitation and one cancellation for the one guest, caused by the client that wrote."""
    control = env["GRAPH_URL"].replace("/v1.0", "/_sim")
    assert http.get(f"{control}/mails").json() == []
    events = f"{env['GRAPH_URL']}/users/{env['GRAPH_USER']}/events"
    made = http.post(events, json=EVENT).json()
    assert http.delete(f"{events}/{made['id']}").status_code == 204
    mails = http.get(f"{control}/mails").json()
    assert [(mail["kind"], mail["who"], mail["event"]) for mail in mails] == [
        ("invite", "kit@clients.example", made["id"]),
        ("cancel", "kit@clients.example", made["id"]),
    ]
    assert {mail["mailbox"] for mail in mails} == {env["GRAPH_USER"]}
    assert {mail["client"] for mail in mails} == {"long-lived-token"}
    assert all(datetime.fromisoformat(mail["when"]).tzinfo for mail in mails)
    assert len(http.get(f"{control}/mails?since=1").json()) == 1


@pytest.mark.honest("graph", 19)
def test_a_lost_answer_leaves_one_event_and_a_retry_finds_it(env: dict[str, str], http: httpx.Client) -> None:
    """Cut after the effect, the same create again with its transactionId: one event, one mail."""
    events = f"{env['GRAPH_URL']}/users/{env['GRAPH_USER']}/events"
    control = env["GRAPH_URL"].replace("/v1.0", "/_sim")
    before = len(http.get(f"{control}/events?mailbox={env['GRAPH_USER']}").json())
    http.post(f"{control}/faults", json={"path": "/events", "method": "POST", "cut": "after"}).raise_for_status()
    value = {**EVENT, "transactionId": "try-1"}
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        http.post(events, json=value)
    assert http.post(events, json=value).status_code in {200, 201}
    assert len(http.get(f"{control}/events?mailbox={env['GRAPH_USER']}").json()) == before + 1
    assert len(http.get(f"{control}/mails").json()) == 1


@pytest.mark.honest("graph", 7)
def test_expired_delta_tokens_and_throttled_mailboxes_can_be_asked_for(env: dict[str, str], http: httpx.Client) -> None:
    """The control surface reaches the service's own switches."""
    control = env["GRAPH_URL"].replace("/v1.0", "/_sim")
    link = f"{env['GRAPH_URL']}/users/{env['GRAPH_USER']}/calendarView/delta"
    page = http.get(link, params={"startDateTime": "2026-01-01T00:00:00Z", "endDateTime": "2028-01-01T00:00:00Z"})
    while "@odata.deltaLink" not in page.json():
        page = http.get(page.json()["@odata.nextLink"])
    http.post(f"{control}/expire-delta-tokens").raise_for_status()
    assert http.get(page.json()["@odata.deltaLink"]).status_code == 410
    http.post(f"{control}/throttle", json={"mailbox": env["GRAPH_USER"], "seconds": 30}).raise_for_status()
    throttled = http.get(f"{env['GRAPH_URL']}/users/{env['GRAPH_USER']}/events")
    assert throttled.status_code == 429
    assert 25 <= int(throttled.headers["retry-after"]) <= 30


@pytest.mark.honest("graph", 23)
def test_the_fifth_concurrent_call_to_a_mailbox_is_refused(env: dict[str, str], http: httpx.Client) -> None:
    """While four answers are under way, the fifth gets 429 at once; another mailbox is free."""
    control = env["GRAPH_URL"].replace("/v1.0", "/_sim")
    http.post(f"{control}/faults", json={"path": "/calendar", "count": 4, "delay_s": 2.0}).raise_for_status()
    url = f"{env['GRAPH_URL']}/users/{env['GRAPH_USER']}/calendar"
    slow = [threading.Thread(target=httpx.get, args=(url,), kwargs={"headers": http.headers}) for _ in range(4)]
    for thread in slow:
        thread.start()
    wait_until(lambda: http.get(f"{control}/faults").json()["pending"] == 0)
    assert http.get(url).status_code == 429
    assert http.get(f"{env['GRAPH_URL']}/users").status_code == 200
    for thread in slow:
        thread.join()
    assert http.get(url).status_code == 200


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("events", {"mailbox": "nobody@x.example", "event": {}}),
        ("events", {"mailbox": "tessa.marlowe@harbourlight.example", "event": {"subject": "no times"}}),
        ("edit", {"mailbox": "tessa.marlowe@harbourlight.example", "event": "x", "changes": {}}),
        ("answer", {"mailbox": "tessa.marlowe@harbourlight.example"}),
        ("throttle", {"mailbox": "tessa.marlowe@harbourlight.example", "seconds": -1}),
        ("remove", []),
    ],
)
def test_impossible_acts_are_refused_in_words(env: dict[str, str], http: httpx.Client, path: str, body: object) -> None:
    """A control request that makes no sense is a 400 with a reason, never a 500."""
    answer = http.post(f"{env['GRAPH_URL'].replace('/v1.0', '/_sim')}/{path}", json=body)
    assert answer.status_code == 400
    assert answer.json()["error"]


# --- the firm, files, persistence -----------------------------------------------------------------------------


def test_the_seed_stands_on_both_sides(simulators: Simulators, env: dict[str, str]) -> None:
    """Users, contacts, rooms and events of the firm; nobody was mailed; both long-lived tokens name their users."""
    assert len(simulators.graph.tenant.users) == 5
    assert len(simulators.graph.tenant.rooms) == 3
    assert len(simulators.on_salesforce(simulators.salesforce.records, "Contact")) == 40
    resources = [
        row for row in simulators.on_salesforce(simulators.salesforce.records, "Calendar") if row["Type"] == "Resource"
    ]
    assert len(resources) == 3
    in_graph = sum(
        len(simulators.on_graph(simulators.graph.events_of, user.id)) for user in simulators.graph.tenant.users
    )
    in_salesforce = [
        row for row in simulators.on_salesforce(simulators.salesforce.records, "Event") if not row["IsChild"]
    ]
    assert in_graph >= 8
    assert len(in_salesforce) == 4
    assert simulators.graph.mails == []
    assert env["GRAPH_USER"] == "tessa.marlowe@harbourlight.example"


def test_data_outlive_a_restart_when_asked_to(tmp_path: Path, state_dir: Path) -> None:
    """What was written before the stop is there after the next start; the file of events is not imported twice."""
    calendar = tmp_path / "own.ics"
    calendar.write_text(ICS)
    options = SimulatorOptions(port_base=0, state_dir=state_dir, persist=tmp_path / "data.json", ics=(calendar,))
    with running_simulators(options) as first:
        assert first.reports[0].sentence() == "own.ics: 2 events read, 1 imported, 1 refused"
        env = first.environment()
        headers = {"authorization": f"Bearer {env['GRAPH_TOKEN']}"}
        events = f"{env['GRAPH_URL']}/users/{env['GRAPH_USER']}/events"
        made = httpx.post(events, json=EVENT, headers=headers, trust_env=False).json()
        httpx.post(f"{first.graph_hosted.url}/_sim/clock", json={"advance_s": 86_400}, trust_env=False)
        before = first.on_graph(first.graph.events_of, env["GRAPH_USER"])
    with running_simulators(options) as second:
        assert [refusal.reason for refusal in second.reports[0].refused] == [
            "the mailbox holds it already (same UID)",
            "it has dates beside its rule (RDATE), which a Graph series cannot have",
        ]
        assert second.on_graph(second.graph.events_of, env["GRAPH_USER"]) == before
        assert [mail.event_id for mail in second.graph.mails] == [made["id"]]
        assert second.graph.clock.now() - datetime.now(UTC) > timedelta(hours=23)


@pytest.mark.parametrize("text", ["{", "[]", '{"format": 99}', '{"format": 1}'])
def test_a_foreign_persist_file_is_refused_and_kept(tmp_path: Path, state_dir: Path, text: str) -> None:
    """A file of something else is neither loaded nor overwritten."""
    path = tmp_path / "data.json"
    path.write_text(text)
    options = SimulatorOptions(port_base=0, state_dir=state_dir, persist=path)
    with pytest.raises(ConfigError), running_simulators(options):
        pass
    assert path.read_text() == text


def test_a_bad_seed_file_starts_nothing(tmp_path: Path, state_dir: Path) -> None:
    """All its problems come in one error."""
    path = tmp_path / "seed.json"
    path.write_text('{"users": [{"name": "A"}], "events": [{}]}')
    options = SimulatorOptions(port_base=0, state_dir=state_dir, seed_file=path)
    with pytest.raises(ConfigError) as caught, running_simulators(options):
        pass
    assert len(caught.value.problems) > 3


# --- from a shell ---------------------------------------------------------------------------------------------

PROGRAM = (
    "import sys; from pathlib import Path; from simulators.launch import SimulatorOptions, run_simulators\n"
    "sys.exit(run_simulators(SimulatorOptions("
    "port_base=int(sys.argv[1]), state_dir=Path(sys.argv[2]), print_env=True, ics=(Path(sys.argv[3]),))))"
)


def free_port_base() -> int:
    """A base above which the four ports are free now."""
    import socket

    for base in range(21_000, 29_000, 20):
        sockets = [socket.socket() for _ in range(4)]
        try:
            for one, offset in zip(sockets, (1, 2, 11, 12), strict=True):
                one.bind(("127.0.0.1", base + offset))
        except OSError:
            continue
        else:
            return base
        finally:
            for one in sockets:
                one.close()
    raise AssertionError("no four free ports")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_program_prints_its_environment_and_stops_on_a_signal(
    tmp_path: Path, state_dir: Path, number: signal.Signals
) -> None:
    """Standard output carries NAME=value lines only, once everything listens; a signal ends it within seconds."""
    calendar = tmp_path / "own.ics"
    calendar.write_text(ICS)
    base = free_port_base()
    command = [sys.executable, "-c", PROGRAM, str(base), str(state_dir), str(calendar)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as program:
        assert program.stdout is not None
        env: dict[str, str] = {}
        while "CONCORD_CA_FILE" not in env:
            line = program.stdout.readline()
            assert line, "it ended early"
            name, _, value = line.rstrip("\n").partition("=")
            env[name] = value
        assert env["GRAPH_URL"] == f"http://127.0.0.1:{base + 1}/v1.0"
        assert env["SF_URL"] == f"http://127.0.0.1:{base + 2}"
        assert (env["GRAPH_TLS_URL"], env["SF_TLS_URL"]) == (
            f"https://localhost:{base + 11}/v1.0",
            f"https://localhost:{base + 12}",
        )
        with httpx.Client(trust_env=False) as client:
            versions = client.get(f"{env['SF_URL']}/services/data/").json()
            assert env["SF_VERSION"] in [entry["version"] for entry in versions]
            assert env["SF_ORG"].startswith("00D")
            program.send_signal(number)
            out, err = program.communicate(timeout=15)
        assert (program.returncode, out) == (0, "")
        assert "own.ics: 2 events read, 1 imported" in err


def test_standard_output_of_the_program_is_for_shells(env: dict[str, str]) -> None:
    """Every value is one word without quotes, so that `export $(concord simulators --print-env)` style use works."""
    assert set(env) >= {
        "GRAPH_URL", "GRAPH_TOKEN", "GRAPH_USER", "GRAPH_TENANT", "GRAPH_CLIENT_ID", "GRAPH_CLIENT_SECRET",
        "GRAPH_AUTHORITY", "SF_URL", "SF_CLIENT_ID", "SF_CLIENT_SECRET", "SF_TOKEN", "SF_ORG", "SF_VERSION",
        "GRAPH_TLS_URL", "SF_TLS_URL", "CONCORD_CA_FILE",
    }  # fmt: skip
    # The bang of a Salesforce session id only matters to interactive shells.
    assert [name for name, value in env.items() if not value or any(sign in value for sign in " \"'`$\n")] == []
    assert os.path.exists(env["CONCORD_CA_FILE"])
