"""The network edge over real sockets, with a service of a few lines behind it."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import ssl
import threading
import time
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import httpx
import pytest
from support.tiny_service import TinyService
from support.waiting import wait_until

from schemas.errors import ConfigError
from simulators.certificates import Certificates, load_certificates
from simulators.control import Action
from simulators.hosting import Host, Hosted
from simulators.http import Delivery
from simulators.server import Edge


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """An authority of this module's own."""
    return load_certificates(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def service() -> TinyService:
    """The service behind the edge."""
    return TinyService()


@pytest.fixture
def hosted(service: TinyService, certificates: Certificates) -> Iterator[Hosted]:
    """The service on two free ports."""
    extra = (Action("POST", "shout", "an action of this service alone", lambda request: {"loud": True}),)
    host = Host(certificates.server_context)
    listening = host.add(Edge("tiny", service, service.clock, extra), 0, 0)
    with host:
        yield listening


@pytest.fixture
def client(certificates: Certificates) -> Iterator[httpx.Client]:
    """A client that trusts the authority and keeps connections alive."""
    with httpx.Client(verify=certificates.client_context(), trust_env=False, timeout=10) as client:
        yield client


# --- requests -------------------------------------------------------------------------------------------------


def test_the_service_sees_the_request_as_it_was_sent(hosted: Hosted, client: httpx.Client) -> None:
    """Target still encoded, base URL as the client reached it, on plain HTTP and on TLS."""
    plain = client.get(f"{hosted.url}/a%2Fb/c?x=1%202&y").json()
    assert (plain["target"], plain["base_url"]) == ("/a%2Fb/c?x=1%202&y", hosted.url)
    secure = client.get(f"{hosted.tls_url}/a").json()
    assert secure["base_url"] == hosted.tls_url


def test_one_connection_carries_many_requests(hosted: Hosted) -> None:
    """Keep-alive works."""
    connection = http.client.HTTPConnection("127.0.0.1", hosted.plain_port)
    connection.connect()
    used = connection.sock
    for _ in range(100):
        connection.request("GET", "/a")
        assert connection.getresponse().read()
    assert connection.sock is used
    connection.close()


def test_large_and_chunked_bodies_arrive_whole(hosted: Hosted, client: httpx.Client) -> None:
    """10 MB in one piece over both listeners, and a body of unknown length in chunks."""
    body = b"x" * 10_000_000
    assert client.post(f"{hosted.url}/big", content=body).json()["bytes"] == len(body)
    assert client.post(f"{hosted.tls_url}/big", content=body).json()["bytes"] == len(body)
    assert client.post(f"{hosted.url}/chunks", content=iter([b"ab", b"", b"cde"])).json()["bytes"] == 5


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"abcde", mtime=0)),
        ("deflate", zlib.compress(b"abcde")),
        ("deflate", zlib.compress(b"abcde")[2:-4]),
        ("identity", b"abcde"),
        ("gzip", b"abcde"),
    ],
)
def test_compressed_bodies_are_unpacked(hosted: Hosted, client: httpx.Client, encoding: str, packed: bytes) -> None:
    """Gzip, and deflate with and without its header; what only claims to be compressed arrives as it came."""
    answer = client.post(f"{hosted.url}/packed", content=packed, headers={"content-encoding": encoding})
    assert answer.json()["bytes"] == 5


def test_a_body_announced_with_expect_is_asked_for(hosted: Hosted) -> None:
    """A client that waits for 100 Continue gets it before it sends the body."""
    with socket.create_connection(("127.0.0.1", hosted.plain_port), timeout=10) as raw:
        raw.sendall(b"POST /e HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n")
        assert raw.recv(4096).startswith(b"HTTP/1.1 100")
        raw.sendall(b"abc")
        assert raw.recv(4096).startswith(b"HTTP/1.1 200")


def test_head_and_empty_answers_carry_no_body(hosted: Hosted, client: httpx.Client) -> None:
    """HEAD has the length of the GET and no body; 204 has neither, and the connection stays usable."""
    got, head = client.get(f"{hosted.url}/abcd"), client.head(f"{hosted.url}/abcd")
    assert head.content == b""
    assert head.headers["content-length"] == got.headers["content-length"]
    empty = client.get(f"{hosted.url}/empty")
    assert (empty.status_code, empty.content, "content-length" in empty.headers) == (204, b"", False)
    assert client.get(f"{hosted.url}/after").status_code == 200


def test_a_broken_rule_is_a_500_and_odd_headers_do_no_harm(hosted: Hosted, client: httpx.Client) -> None:
    """An exception in the service is answered, not passed on; a header value with a line break cannot split."""
    assert client.get(f"{hosted.url}/broken").status_code == 500
    assert client.get(f"{hosted.url}/a").headers["x-odd"] == "one two"


def test_the_service_lives_on_one_thread(hosted: Hosted, service: TinyService, client: httpx.Client) -> None:
    """However many clients there are, one thread touches the service."""

    def ask() -> None:
        for _ in range(20):
            httpx.get(f"{hosted.url}/t", trust_env=False)

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert service.threads == {"tiny-simulator_0"}
    assert client.get(f"{hosted.url}/_sim/requests").json()["total"] == 80


# --- faults ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("base", ["url", "tls_url"])
@pytest.mark.parametrize(("cut", "effects"), [("before", 0), ("after", 1)])
def test_a_cut_connection_gives_no_answer(
    hosted: Hosted, service: TinyService, client: httpx.Client, base: str, cut: str, effects: int
) -> None:
    """The client sees a broken connection; whether the effect happened is the plan's choice."""
    url = getattr(hosted, base)
    client.post(f"{url}/_sim/faults", json={"path": "/events", "cut": cut}).raise_for_status()
    with pytest.raises((httpx.RemoteProtocolError, httpx.ReadError)):
        client.post(f"{url}/events", json={})
    assert service.effects == effects
    assert client.post(f"{url}/events", json={}).status_code == 200
    assert service.effects == effects + 1
    listing = client.get(f"{url}/_sim/faults").json()
    assert (listing["faults"][0]["struck"], listing["pending"]) == (1, 0)
    log = client.get(f"{url}/_sim/requests").json()["requests"]
    assert [(entry["status"], entry["fault"]) for entry in log] == [(0, True), (200, False)]


def test_a_planned_status_replaces_the_answer(hosted: Hosted, service: TinyService, client: httpx.Client) -> None:
    """Before the effect nothing happens; after it the effect is there though the answer says 502."""
    faults = [
        {"status": 429, "headers": {"Retry-After": "3"}, "method": "post"},
        {"status": 502, "after_effect": True, "body": "<html>bad gateway</html>"},
    ]
    client.post(f"{hosted.url}/_sim/faults", json=faults).raise_for_status()
    throttled = client.post(f"{hosted.url}/x")
    assert (throttled.status_code, throttled.headers["retry-after"], service.effects) == (429, "3", 0)
    unclear = client.post(f"{hosted.url}/x")
    assert (unclear.status_code, unclear.text, service.effects) == (502, "<html>bad gateway</html>", 1)


def test_a_delayed_answer_holds_up_nobody_else(hosted: Hosted, client: httpx.Client) -> None:
    """While one answer waits, others are served."""
    client.post(f"{hosted.url}/_sim/faults", json={"path": "/slow", "delay_s": 3.0}).raise_for_status()
    finished: list[str] = []

    def ask(name: str) -> None:
        httpx.get(f"{hosted.url}/{name}", trust_env=False, timeout=30).raise_for_status()
        finished.append(name)

    slow = threading.Thread(target=ask, args=("slow",))
    slow.start()
    wait_until(lambda: client.get(f"{hosted.url}/_sim/faults").json()["pending"] == 0)
    ask("quick")
    slow.join()
    assert finished == ["quick", "slow"]


# --- control --------------------------------------------------------------------------------------------------


def test_the_control_surface_explains_itself_and_refuses_nonsense(hosted: Hosted, client: httpx.Client) -> None:
    """The index lists every action; unknown names, methods and bodies get a reason."""
    index = client.get(f"{hosted.url}/_sim/").json()
    assert {"GET /_sim/requests", "POST /_sim/faults", "POST /_sim/clock", "POST /_sim/shout"} <= set(index["actions"])
    assert client.post(f"{hosted.url}/_sim/shout").json() == {"loud": True}
    assert client.get(f"{hosted.url}/_sim/nothing").status_code == 404
    assert "DELETE, GET, POST" in client.put(f"{hosted.url}/_sim/faults").json()["error"]
    assert client.post(f"{hosted.url}/_sim/faults", content=b"{").status_code == 400
    assert client.post(f"{hosted.url}/_sim/clock", json={"set": "noon"}).status_code == 400
    assert client.post(f"{hosted.url}/_sim/clock", json={"advance_s": "1"}).status_code == 400
    assert client.get(f"{hosted.url}/_sim/requests?since=x").status_code == 400


def test_the_clock_moves_and_a_reset_undoes_all(hosted: Hosted, service: TinyService, client: httpx.Client) -> None:
    """advance_s and set move the service's clock; reset clears data, faults and counts."""
    client.post(f"{hosted.url}/_sim/clock", json={"set": "2026-03-02T09:00:00+11:00"}).raise_for_status()
    now = client.post(f"{hosted.url}/_sim/clock", json={"advance_s": 3600}).json()["now"]
    assert now.startswith("2026-03-01T23:00:0")
    client.post(f"{hosted.url}/x")
    assert client.get(f"{hosted.url}/_sim/state").json() == {"effects": 1}
    client.post(f"{hosted.url}/_sim/faults", json={"status": 500})
    client.post(f"{hosted.url}/_sim/reset").raise_for_status()
    assert service.resets == 1
    assert abs((service.clock.now() - datetime.now(UTC)).total_seconds()) < 60
    assert client.get(f"{hosted.url}/_sim/faults").json()["faults"] == []
    assert client.get(f"{hosted.url}/_sim/requests").json()["total"] == 0


# --- webhooks -------------------------------------------------------------------------------------------------


@pytest.fixture
def webhook() -> Iterator[tuple[str, list[tuple[str, bytes]]]]:
    """An endpoint that remembers what it got and answers 202; /slow answers after a second."""
    got: list[tuple[str, bytes]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            if self.path == "/slow":
                time.sleep(1.0)
            got.append((self.path, body))
            self.send_response(202)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Stay quiet."""

    server = HTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", got
    server.shutdown()
    thread.join()
    server.server_close()


def test_webhook_calls_are_sent_and_their_answers_reported(
    hosted: Hosted, service: TinyService, webhook: tuple[str, list[tuple[str, bytes]]]
) -> None:
    """An answer comes back with its status; no answer in time, or none at all, comes back as None."""
    url, got = webhook
    closed = socket.socket()
    closed.bind(("127.0.0.1", 0))
    service.queued = [
        Delivery("good", f"{url}/hook?a=1", body=b'{"value":[]}', headers={"content-type": "application/json"}),
        Delivery("dead", f"http://127.0.0.1:{closed.getsockname()[1]}/hook"),
        Delivery("nonsense", "http://[::bad/hook"),
        Delivery("slow", f"{url}/slow", timeout_s=0.3),
    ]
    wait_until(lambda: len(service.reports) >= 4)
    closed.close()
    statuses = {name: answer.status if answer else None for name, answer in service.reports}
    assert statuses == {"good": 202, "dead": None, "nonsense": None, "slow": None}
    assert ("/hook?a=1", b'{"value":[]}') in got


# --- listening ------------------------------------------------------------------------------------------------


def test_a_taken_port_is_named(service: TinyService, certificates: Certificates) -> None:
    """Starting on a port that something else has says which, and what to do."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"Port {port} is in use.*--port-base"):
            Host(certificates.server_context).add(Edge("tiny", service, service.clock), port, 0)


def test_stopping_waits_for_no_idle_connection(service: TinyService, certificates: Certificates) -> None:
    """Open keep-alive connections do not hold up the stop; afterwards nobody listens."""
    host = Host(certificates.server_context)
    hosted = host.add(Edge("tiny", service, service.clock), 0, 0)
    with host, httpx.Client(trust_env=False) as idle:
        idle.get(f"{hosted.url}/a").raise_for_status()
        stopping = threading.Thread(target=host.stop, daemon=True)
        stopping.start()
        stopping.join(timeout=30)
        assert not stopping.is_alive()
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", hosted.plain_port), timeout=1)


# --- certificates ---------------------------------------------------------------------------------------------


def test_the_authority_is_kept_and_its_servers_verify(tmp_path: Path) -> None:
    """A second start uses the same authority; a damaged one is made anew; the key is for its owner only."""
    first = load_certificates(tmp_path)
    text = first.ca_file.read_text()
    assert load_certificates(tmp_path).ca_file.read_text() == text
    assert (tmp_path / "ca.key").stat().st_mode & 0o077 == 0
    (tmp_path / "ca.key").write_text("damaged")
    assert load_certificates(tmp_path).ca_file.read_text() != text


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_the_certificate_names_this_machine(hosted: Hosted, certificates: Certificates, name: str) -> None:
    """A client that knows only our authority verifies the server under each of its names, and rejects others."""
    context = ssl.create_default_context(cafile=str(certificates.ca_file))
    with (
        socket.create_connection(("127.0.0.1", hosted.tls_port), timeout=10) as raw,
        context.wrap_socket(raw, server_hostname=name) as secure,
    ):
        assert secure.version() in {"TLSv1.2", "TLSv1.3"}
    with socket.create_connection(("127.0.0.1", hosted.tls_port), timeout=10) as raw, pytest.raises(ssl.SSLError):
        context.wrap_socket(raw, server_hostname="elsewhere.example")


def test_the_request_log_is_json_for_tools(hosted: Hosted) -> None:
    """What curl or a test in another language reads is plain JSON."""
    with httpx.Client(trust_env=False, headers={"Sforce-Call-Options": "client=other-tool"}) as client:
        client.get(f"{hosted.url}/a?b=c")
        log = json.loads(client.get(f"{hosted.url}/_sim/requests?since=0").text)
    assert log["by_client"] == {"other-tool": 1}
    assert log["requests"][0]["query"] == "b=c"
