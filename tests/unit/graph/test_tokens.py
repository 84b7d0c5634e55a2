"""Tokens by msal, against an authority in the same process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
from pydantic import SecretStr

from connectors.graph.credentials import ClientSecret
from connectors.graph.tokens import GraphConnection, TokenSource
from connectors.secret import Secret
from schemas.errors import AuthRejected, ConcordError, Unavailable

SECRET = ClientSecret(Secret("CONCORD_GRAPH_CLIENT_SECRET", SecretStr("very-secret")))
CONNECTION = GraphConnection("https://graph.test/v1.0", "https://login.test", "tenant-1", "client-1", SECRET)


class Authority:
    """Discovery and token endpoint; `answer` makes each token answer. `forms` is what was posted."""

    def __init__(self, answer: Callable[[int], tuple[int, dict[str, Any]]], discovery: int = 200) -> None:
        self.forms: list[dict[str, list[str]]] = []
        self._answer = answer
        self._discovery = discovery

    def __call__(self, request: httpx.Request) -> httpx.Response:
        """Answer discovery and token requests."""
        if request.method == "GET":
            endpoints = {
                "authorization_endpoint": "https://login.test/tenant-1/oauth2/v2.0/authorize",
                "token_endpoint": "https://login.test/tenant-1/oauth2/v2.0/token",
                "issuer": "https://login.test/tenant-1/v2.0",
            }
            assert request.url.path == "/tenant-1/v2.0/.well-known/openid-configuration"
            return httpx.Response(self._discovery, json=endpoints)
        self.forms.append(parse_qs(request.content.decode()))
        status, body = self._answer(len(self.forms))
        return httpx.Response(status, json=body)


def granted(number: int, expires_in: int = 3599) -> tuple[int, dict[str, Any]]:
    """A token answer."""
    return 200, {"token_type": "Bearer", "expires_in": expires_in, "access_token": f"token-{number}"}


def source(
    authority: Callable[[httpx.Request], httpx.Response], connection: GraphConnection = CONNECTION
) -> TokenSource:
    """A token source that talks to this authority."""
    return TokenSource(connection, transport=httpx.MockTransport(authority))


def test_one_token_serves_many() -> None:
    """However many wait for it, one fetch runs, with the client credentials that msal sends."""
    authority = Authority(granted)

    async def go() -> list[str]:
        tokens = source(authority)
        found = list(await asyncio.gather(*(tokens.token() for _ in range(20))))
        tokens.close()
        return found

    assert set(asyncio.run(go())) == {"token-1"}
    (form,) = authority.forms
    assert form["grant_type"] == ["client_credentials"]
    assert form["scope"] == ["https://graph.microsoft.com/.default"]
    assert form["client_secret"] == ["very-secret"]


def test_a_rejected_token_is_replaced_once() -> None:
    """Discarding a token fetches another; discarding the old one again leaves the new one alone."""
    authority = Authority(granted)

    async def go() -> list[str]:
        tokens = source(authority)
        first = await tokens.token()
        tokens.discard(first)
        second = await tokens.token()
        tokens.discard(first)
        return [first, second, await tokens.token()]

    assert asyncio.run(go()) == ["token-1", "token-2", "token-2"]


def test_a_token_near_its_end_is_not_used() -> None:
    """Below the margin a token is fetched anew, so none expires on its way."""
    authority = Authority(lambda number: granted(number, expires_in=200))

    async def go() -> list[str]:
        tokens = source(authority)
        return [await tokens.token(), await tokens.token()]

    assert asyncio.run(go()) == ["token-1", "token-2"]


def fails(
    authority: Callable[[httpx.Request], httpx.Response], connection: GraphConnection = CONNECTION
) -> ConcordError:
    """The error instead of a token."""

    async def go() -> None:
        await source(authority, connection).token()

    with pytest.raises(ConcordError) as caught:
        asyncio.run(go())
    assert "very-secret" not in f"{caught.value} {caught.value!r} {caught.value.__cause__!r}"
    return caught.value


@pytest.mark.parametrize(
    ("status", "word", "number", "fix"),
    [
        (401, "invalid_client", 7000215, "Use the client secret's value, not its id."),
        (401, "invalid_client", 7000222, "The client secret has expired: make a new one."),
        (400, "unauthorized_client", 700016, "Check the application id and that the application is in this tenant."),
        (400, "invalid_request", 90002, "Check the tenant id."),
        (400, "invalid_scope", 70011, "Check tenant, application id and credential."),
    ],
)
def test_bad_credentials_name_their_number_and_what_to_do(status: int, word: str, number: int, fix: str) -> None:
    """Decided by word and number; Entra's text, which repeats what was sent, is not passed on."""
    body = {"error": word, "error_codes": [number], "error_description": f"AADSTS{number}: client-1 very-secret"}
    error = fails(Authority(lambda _: (status, body)))
    assert isinstance(error, AuthRejected)
    assert error.what == f"Entra refused a token (AADSTS{number})."
    assert error.fix == fix


@pytest.mark.parametrize(
    "answer",
    [
        (400, {"error": "temporarily_unavailable", "error_codes": [90055]}),
        (400, {"error": "invalid_request", "error_codes": [90090]}),
        (429, {"error": "too_many_requests"}),
        (200, {}),
        (503, {}),
    ],
)
def test_a_busy_authority_is_for_later(answer: tuple[int, dict[str, Any]]) -> None:
    """Throttled or failing, nothing is wrong with the credentials, and nothing was sent to Graph."""
    error = fails(Authority(lambda _: answer))
    assert isinstance(error, Unavailable)
    assert not error.was_sent


def test_an_authority_out_of_reach_is_for_later() -> None:
    """A refused connection is no matter of credentials."""

    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    error = fails(refuse)
    assert isinstance(error, Unavailable)
    assert not error.was_sent


def test_an_unknown_tenant_or_plain_http_needs_a_person() -> None:
    """Discovery answers 4xx for a tenant that does not exist; msal takes no http address."""
    assert isinstance(fails(Authority(granted, discovery=400)), AuthRejected)
    plain = GraphConnection("http://g/v1.0", "http://login.test", "tenant-1", "client-1", SECRET)
    assert isinstance(fails(Authority(granted), plain), AuthRejected)


def test_the_secret_does_not_print() -> None:
    """A connection in a log line shows stars."""
    assert "very-secret" not in repr(CONNECTION)
    assert "**" in repr(CONNECTION)


def test_neither_token_nor_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Also at the most talkative level, msal and httpx included."""
    caplog.set_level("DEBUG")

    async def go() -> str:
        return await source(Authority(granted)).token()

    assert asyncio.run(go()) == "token-1"
    assert "token-1" not in caplog.text
    assert "very-secret" not in caplog.text
