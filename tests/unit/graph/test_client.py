"""The live client against a transport in the same process: limits, tokens, lost connections, foreign links."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest
from pydantic import SecretStr

from connectors.exchange import Call, Reply
from connectors.graph import client as client_module
from connectors.graph import wire
from connectors.graph.client import GraphClient, GraphConnection
from connectors.graph.credentials import ClientSecret
from connectors.secret import Secret
from schemas.errors import AuthRejected, ResyncNeeded, Throttled, Unavailable

CONNECTION = GraphConnection(
    "https://graph.test/v1.0/", "https://login.test", "t", "c", ClientSecret(Secret("X", SecretStr("very-secret")))
)
Answer = Callable[[httpx.Request], Awaitable[httpx.Response]]


class Tokens:
    """Hands out token-1, and the next one after each discard."""

    def __init__(self) -> None:
        self.number = 1

    async def token(self) -> str:
        """The current token."""
        return f"token-{self.number}"

    def discard(self, token: str) -> None:
        """Move on if it is the current one."""
        self.number += token == f"token-{self.number}"

    def close(self) -> None:
        """Nothing to close."""


def talk(answer: Answer, *calls: Call, connection: GraphConnection = CONNECTION) -> tuple[list[Any], GraphClient]:
    """Send all calls at once; results are replies or the errors that were raised."""

    async def go() -> tuple[list[Any], GraphClient]:
        client = GraphClient(connection, tokens=Tokens(), transport=httpx.MockTransport(answer))  # type: ignore[arg-type]
        async with client:
            return list(await asyncio.gather(*map(client.send, calls), return_exceptions=True)), client

    return asyncio.run(go())


def event_call(mailbox: str = "m") -> Call:
    """A read of one event."""
    return wire.get_event(mailbox, "e/1")


def test_a_call_goes_out_as_built() -> None:
    """Path, query, headers and body are the call's own; the token is added and the reply is taken whole."""
    seen: list[httpx.Request] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"id": "e"}, headers={"Retry-After-X": "1"})

    body = {"subject": "sch\u00f6n \ud83d"}
    (first, second), client = talk(answer, event_call(), wire.patch_event("m", "e", body, 'W/"1"'))
    assert seen[0].url.raw_path.startswith(b"/v1.0/users/m/events/e%2F1?%24expand=")
    assert seen[0].headers["authorization"] == "Bearer token-1"
    assert "outlook.timezone" in seen[0].headers["prefer"]
    assert seen[1].headers["if-match"] == 'W/"1"'
    assert seen[1].headers["content-type"] == "application/json"
    assert json.loads(seen[1].content) == body
    assert (first.status, first.json(), first.headers["retry-after-x"]) == (200, {"id": "e"}, "1")
    assert isinstance(second, Reply)
    assert client.counts == {("event get", "200"): 1, ("event patch", "200"): 1}


def test_a_rejected_token_is_replaced_and_the_call_sent_once_more() -> None:
    """401 means that nothing was done: one more try with a fresh token, then the answer stands."""

    async def once(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200 if request.headers["authorization"] == "Bearer token-2" else 401)

    (reply,), client = talk(once, event_call())
    assert reply.status == 200
    assert client.counts == {("event get", "401"): 1, ("event get", "200"): 1}

    async def never(_: httpx.Request) -> httpx.Response:
        return httpx.Response(401)

    (reply,), client = talk(never, event_call())
    assert reply.status == 401
    assert client.counts == {("event get", "401"): 2}


def test_trouble_and_throttles_are_told_until_they_pass() -> None:
    """A request without an answer, one that has to wait, and then all is well."""
    answers: list[httpx.Response | Exception] = [
        httpx.ReadTimeout("x"),
        httpx.Response(429, headers={"Retry-After": "0.01"}),
        httpx.Response(200),
    ]
    troubles = []

    async def answer(_: httpx.Request) -> httpx.Response:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return found

    async def scenario() -> None:
        async with GraphClient(CONNECTION, tokens=Tokens(), transport=httpx.MockTransport(answer)) as client:  # type: ignore[arg-type]
            with pytest.raises(Unavailable):
                await client.send(event_call())
            troubles.append((client.trouble != "", client.throttled))
            for _ in range(2):
                await client.send(event_call())
                troubles.append((client.trouble != "", client.throttled))

    asyncio.run(scenario())
    assert troubles == [(True, 0), (False, 1), (False, 1)]


@pytest.mark.parametrize(
    ("error", "was_sent"),
    [
        (httpx.ConnectError("x"), False),
        (httpx.ConnectTimeout("x"), False),
        (httpx.PoolTimeout("x"), False),
        (httpx.ReadTimeout("x"), True),
        (httpx.WriteTimeout("x"), True),
        (httpx.ReadError("x"), True),
        (httpx.WriteError("x"), True),
        (httpx.RemoteProtocolError("x"), True),
        (httpx.DecodingError("x"), True),
    ],
)
def test_a_lost_connection_says_whether_the_request_may_have_arrived(error: httpx.HTTPError, was_sent: bool) -> None:
    """Only what failed before the first byte left is certain to have had no effect."""

    async def answer(_: httpx.Request) -> httpx.Response:
        raise error

    (found,), client = talk(answer, event_call())
    assert isinstance(found, Unavailable)
    assert found.was_sent is was_sent
    assert "graph.test" in found.what
    assert client.counts == {("event get", "unavailable"): 1}


class Gauge:
    """Answers after a moment and measures how many requests ran at the same time per mailbox."""

    def __init__(self) -> None:
        self.running: dict[str, int] = {}
        self.most: dict[str, int] = {}
        self.beside_batch = 0

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        """One request."""
        is_batch = request.url.path.endswith("$batch")
        mailbox = "m1" if is_batch else request.url.path.split("/")[3]
        self.running[mailbox] = self.running.get(mailbox, 0) + 1
        self.most[mailbox] = max(self.most.get(mailbox, 0), self.running[mailbox])
        if is_batch:
            self.beside_batch = max(self.beside_batch, self.running[mailbox] - 1)
        await asyncio.sleep(0.005)
        self.running[mailbox] -= 1
        return httpx.Response(200, json={})


def test_a_mailbox_never_sees_more_than_four_requests_at_once() -> None:
    """The fifth would be throttled. Other mailboxes do not wait for it."""
    gauge = Gauge()
    talk(gauge, *[event_call(f"m{n % 2}") for n in range(40)])
    assert gauge.most == {"m0": 4, "m1": 4}


def test_a_batch_has_its_mailbox_to_itself() -> None:
    """Its items run four at a time, so nothing runs beside it, and several batches do not block each other."""
    gauge = Gauge()
    batch = wire.batch([event_call("m1")])
    replies, _ = talk(gauge, *[event_call("m1"), batch] * 6)
    assert [reply.status for reply in replies] == [200] * 12
    assert gauge.beside_batch == 0
    assert gauge.most["m1"] <= 4


def test_a_throttled_mailbox_rests_and_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Retry-After holds for the mailbox it was given for, also when an item of a batch was throttled."""
    slept: list[float] = []
    real_sleep, here = asyncio.sleep, threading.get_ident()

    async def sleep(seconds: float) -> None:
        if threading.get_ident() == here:  # servers of other tests may run loops of their own beside this one
            slept.append(seconds)
        await real_sleep(seconds)

    monkeypatch.setattr(client_module.asyncio, "sleep", sleep)

    async def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path.endswith("$batch"):
            item = {"id": "0", "status": 429, "headers": {"Retry-After": "0.05"}, "body": {}}
            return httpx.Response(200, json={"responses": [item]})
        return httpx.Response(200)

    async def go() -> None:
        async with GraphClient(CONNECTION, tokens=Tokens(), transport=httpx.MockTransport(answer)) as client:  # type: ignore[arg-type]  # type: ignore[arg-type]
            await client.send(wire.batch([event_call("m")]))
            await client.send(event_call("other"))
            assert slept == []
            await client.send(event_call("m"))
            assert 0 < slept[0] <= 0.05

    asyncio.run(go())


def test_a_long_rest_is_told_instead_of_waited_for() -> None:
    """The caller can do other work; the service is left alone for as long as it asked."""
    sent = 0

    async def answer(_: httpx.Request) -> httpx.Response:
        nonlocal sent
        sent += 1
        return httpx.Response(429, headers={"Retry-After": "120"})

    async def go() -> None:
        async with GraphClient(CONNECTION, tokens=Tokens(), transport=httpx.MockTransport(answer)) as client:  # type: ignore[arg-type]  # type: ignore[arg-type]
            assert (await client.send(event_call())).status == 429
            with pytest.raises(Throttled) as caught:
                await client.send(event_call())
            assert 110 < caught.value.wait_s <= 120

    asyncio.run(go())
    assert sent == 1


@pytest.mark.parametrize(
    "link",
    [
        "https://graph.test.evil.example/v1.0/users",
        "https://evil.example/v1.0/users",
        "http://graph.test/v1.0/users",
        "https://graph.test:444/v1.0/users",
        "https://user@graph.test/v1.0/users",
        "https://graph.test/beta/users",
        "https://graph.test/v1.0evil/users",
        "https://graph.test/v1.0/../beta/users",
        "ftp://graph.test/v1.0/x",
        "users/m",
    ],
)
def test_our_token_goes_nowhere_else(link: str) -> None:
    """A stored link that leads elsewhere is not followed: the cursor behind it has to be read anew."""

    async def answer(_: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing may be sent")

    (found,), _ = talk(answer, wire.follow(link, "m", 10))
    assert isinstance(found, ResyncNeeded)


def test_a_link_of_the_service_is_followed_as_it_is() -> None:
    """Its query is not touched."""
    seen: list[bytes] = []

    async def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.url.raw_path)
        return httpx.Response(200)

    talk(answer, wire.follow("https://graph.test/v1.0/users/m/calendarView/delta?$deltatoken=a%2Fb%3D-_", "m", 10))
    assert seen == [b"/v1.0/users/m/calendarView/delta?$deltatoken=a%2Fb%3D-_"]


def test_a_redirect_is_not_followed() -> None:
    """It would carry the token to wherever it points."""

    async def answer(request: httpx.Request) -> httpx.Response:
        assert request.url.host == "graph.test"
        return httpx.Response(302, headers={"location": "https://evil.example/"})

    (reply,), _ = talk(answer, event_call())
    assert isinstance(wire.error_of(reply), Unavailable)


def test_without_a_token_nothing_is_sent() -> None:
    """Refused credentials surface as they are."""

    class Refusing(Tokens):
        async def token(self) -> str:
            """No token."""
            raise AuthRejected("no")

    async def answer(_: httpx.Request) -> httpx.Response:
        raise AssertionError("nothing may be sent")

    async def go() -> None:
        async with GraphClient(CONNECTION, tokens=Refusing(), transport=httpx.MockTransport(answer)) as client:  # type: ignore[arg-type]
            for _ in range(6):  # a failure gives its slot back
                with pytest.raises(AuthRejected):
                    await client.send(event_call())

    asyncio.run(go())
