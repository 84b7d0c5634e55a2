"""Signing in: discovery, the token endpoint and its refusals, tokens that end, callers that are told apart."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import msal
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from support.graph_firm import APP, FIRM, TOM, GraphClient, build_graph, meeting

from simulators.graph.service import GraphSimulator
from simulators.http import Request, Response

TLS = "https://localhost:8902"
SECRET = {
    "client_id": APP.client_id,
    "client_secret": "s3cret",
    "scope": "https://graph.microsoft.com/.default",
    "grant_type": "client_credentials",
}


def ask_token(sim: GraphSimulator, changes: dict[str, str] | None = None, tenant: str = FIRM.id) -> Response:
    """The answer to a token request with these form fields changed; an empty text leaves one out."""
    form = {name: text for name, text in {**SECRET, **(changes or {})}.items() if text}
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return sim.handle(Request("POST", f"/{tenant}/oauth2/v2.0/token", headers, urlencode(form).encode(), TLS))


@pytest.mark.parametrize("path", ["v2.0/.well-known/openid-configuration", ".well-known/openid-configuration"])
@pytest.mark.parametrize("tenant", [FIRM.id, FIRM.domain])
def test_discovery_points_at_the_address_the_request_came_to(path: str, tenant: str) -> None:
    """Both discovery documents name https endpoints on the host the client used."""
    document = build_graph().handle(Request("GET", f"/{tenant}/{path}", base_url=TLS)).json()
    assert document["token_endpoint"] == f"{TLS}/{tenant}/oauth2/v2.0/token"
    assert document["authorization_endpoint"].startswith(f"{TLS}/{tenant}/")
    assert document["issuer"].startswith(TLS)


def test_instance_discovery_names_the_tenant_document() -> None:
    """The instance discovery of a sign-in library leads to the tenant's discovery document."""
    query = urlencode(
        {"authorization_endpoint": f"https://localhost/{FIRM.id}/oauth2/v2.0/authorize", "api-version": "1.0"}
    )
    answer = build_graph().handle(Request("GET", f"/common/discovery/instance?{query}", base_url=TLS)).json()
    assert answer["tenant_discovery_endpoint"] == f"{TLS}/{FIRM.id}/v2.0/.well-known/openid-configuration"


def test_a_secret_buys_a_token_that_ends_by_the_simulators_clock() -> None:
    """A token works for its lifetime and then answers 401 InvalidAuthenticationToken."""
    sim = build_graph()
    answer = ask_token(sim, {"client_info": "1"})
    assert answer.status == 200
    grant = answer.json()
    assert (grant["token_type"], grant["expires_in"]) == ("Bearer", 3599)
    assert "refresh_token" not in grant
    client = GraphClient(sim, grant["access_token"])
    assert client.get(f"/users/{TOM.id}")["id"] == TOM.id
    sim.clock.advance(3600)
    response = client.send("GET", f"/users/{TOM.id}")
    assert client.error(response, 401) == "InvalidAuthenticationToken"
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    ("changes", "tenant", "status", "error", "number"),
    [
        ({"client_secret": "wrong"}, FIRM.id, 401, "invalid_client", 7000215),
        ({"client_secret": ""}, FIRM.id, 401, "invalid_client", 7000218),
        ({"client_secret": "old"}, FIRM.id, 401, "invalid_client", 7000222),
        ({"client_id": "bbbbbbbb-0000-4000-8000-000000000000"}, FIRM.id, 400, "unauthorized_client", 700016),
        ({}, "nowhere.example", 400, "invalid_request", 90002),
        ({"grant_type": ""}, FIRM.id, 400, "invalid_request", 900144),
        ({"scope": ""}, FIRM.id, 400, "invalid_request", 900144),
        ({"scope": "User.Read"}, FIRM.id, 400, "invalid_scope", 1002012),
        ({"scope": "https://other.example/.default"}, FIRM.id, 400, "invalid_resource", 500011),
    ],
)
def test_refusals_carry_their_aadsts_code(
    changes: dict[str, str], tenant: str, status: int, error: str, number: int
) -> None:
    """Each refused token request names the error and the AADSTS code that the documentation lists for it."""
    sim = build_graph()
    sim.put_app(replace(APP, expired_secrets=("old",)))
    answer = ask_token(sim, changes, tenant)
    body = answer.json()
    assert (answer.status, body["error"], body["error_codes"]) == (status, error, [number])
    assert body["error_description"].startswith(f"AADSTS{number}: ")
    assert {"timestamp", "trace_id", "correlation_id"} <= body.keys()


def test_a_disabled_application_is_refused() -> None:
    """A disabled application gets no token, and its tokens stop working."""
    sim = build_graph()
    token = ask_token(sim).json()["access_token"]
    sim.put_app(replace(APP, enabled=False))
    assert ask_token(sim).json()["error_codes"] == [7000112]
    assert GraphClient(sim, token).send("GET", "/users").status == 401


@pytest.mark.parametrize("token", ["", "unknown"])
def test_without_a_known_token_every_call_is_refused(token: str) -> None:
    """Missing and unknown tokens answer 401 before anything else is looked at."""
    sim = build_graph()
    client = GraphClient(sim, token)
    assert client.error(client.send("GET", "/users/nobody/events"), 401) == "InvalidAuthenticationToken"


def test_the_mail_record_names_the_client() -> None:
    """Mails carry the client id of the token, or what X-Sim-Client says."""
    sim = build_graph()
    client = GraphClient(sim, ask_token(sim).json()["access_token"])
    client.create(TOM, meeting("a@client.example"))
    client.create(TOM, meeting("b@client.example"), X_Sim_Client="judge")
    assert [mail.client for mail in sim.mails] == [APP.client_id, "judge"]


def _jwt(key: rsa.RSAPrivateKey, claims: dict[str, Any]) -> str:
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in ({"alg": "RS256"}, claims)
    ]
    signature = key.sign(".".join(parts).encode(), padding.PKCS1v15(), hashes.SHA256())
    return ".".join((*parts, base64.urlsafe_b64encode(signature).decode().rstrip("=")))


def test_client_assertions_are_verified_against_registered_keys() -> None:
    """A signed assertion signs in; another key's signature is 700027, wrong claims are 50012."""
    key, other = (rsa.generate_private_key(public_exponent=65537, key_size=2048) for _ in range(2))
    pem = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    sim = build_graph()
    sim.put_app(replace(APP, public_keys=(pem.decode(),)))
    claims = {
        "aud": f"{TLS}/{FIRM.id}/oauth2/v2.0/token",
        "iss": APP.client_id,
        "sub": APP.client_id,
        "exp": sim.clock.now().timestamp() + 600,
    }
    form = {"client_secret": "", "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}
    assert ask_token(sim, {**form, "client_assertion": _jwt(key, claims)}).status == 200
    assert ask_token(sim, {**form, "client_assertion": _jwt(other, claims)}).json()["error_codes"] == [700027]
    late = {**claims, "exp": sim.clock.now().timestamp() - 3600}
    assert ask_token(sim, {**form, "client_assertion": _jwt(key, late)}).json()["error_codes"] == [50012]


class _Session:
    """What msal needs of an HTTP client, answered by the simulator in process."""

    def __init__(self, sim: GraphSimulator) -> None:
        self._sim = sim

    def get(self, url: str, params: Any = None, headers: Any = None, **kwargs: Any) -> _Reply:
        return self._send("GET", url + (f"?{urlencode(params)}" if params else ""), headers, b"")

    def post(self, url: str, params: Any = None, data: Any = None, headers: Any = None, **kwargs: Any) -> _Reply:
        return self._send("POST", url, headers, urlencode(data or {}).encode())

    def _send(self, method: str, url: str, headers: Any, body: bytes) -> _Reply:
        target = url.removeprefix(TLS)
        named = {name.lower(): text for name, text in (headers or {}).items()}
        return _Reply(self._sim.handle(Request(method, target, named, body, TLS)))

    def close(self) -> None:
        return None


class _Reply:
    def __init__(self, response: Response) -> None:
        self.status_code = response.status
        self.text = response.body.decode()
        self.headers = response.headers

    def raise_for_status(self) -> None:
        assert self.status_code < 400


def test_msal_signs_in() -> None:
    """Microsoft's own library gets a token that the service then knows."""
    sim = build_graph()
    app = msal.ConfidentialClientApplication(
        APP.client_id,
        authority=f"{TLS}/{FIRM.id}",
        client_credential="s3cret",
        instance_discovery=False,
        http_client=_Session(sim),
    )
    grant = app.acquire_token_for_client(["https://graph.microsoft.com/.default"])
    assert GraphClient(sim, grant["access_token"]).get("/users")["value"]
