"""Signing in: discovery, the token endpoint and its refusals, tokens that end, callers that are told apart."""

from __future__ import annotations

from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

import msal
import pytest
from support.graph_firm import APP, FIRM, TOM, GraphClient, build_graph, meeting
from support.identities import identity

from simulators.graph.service import GraphSimulator
from simulators.graph.tenant import Federation
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


ISSUER = "https://oidc.cluster.example/firm"
POD = "system:serviceaccount:concord:source"
ASSERTION = {"client_secret": "", "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}


def own_claims(sim: GraphSimulator, **changes: Any) -> dict[str, Any]:
    """What an application says in an assertion of its own; None leaves a claim out."""
    now = sim.clock.now().timestamp()
    claims = {
        "aud": f"{TLS}/{FIRM.id}/oauth2/v2.0/token", "iss": APP.client_id, "sub": APP.client_id, "jti": "1",
        "nbf": now, "exp": now + 600, **changes,
    }  # fmt: skip
    return {name: value for name, value in claims.items() if value is not None}


def codes(answer: Response) -> list[int]:
    """The AADSTS numbers of a refusal, none of a grant. A refused assertion is an invalid client."""
    if answer.status == 200:
        return []
    assert (answer.status, answer.json()["error"]) == (401, "invalid_client")
    return answer.json()["error_codes"]  # type: ignore[no-any-return]


@pytest.mark.parametrize("algorithm", ["PS256", "RS256"])
def test_an_assertion_by_a_registered_certificate_signs_in(algorithm: str) -> None:
    """Named by its SHA-256 thumbprint as is current, or by the SHA-1 one as was."""
    sim, ours = build_graph(), identity("ours")
    sim.put_app(replace(APP, public_keys=(ours.certificate,)))
    for header in (None, {"x5t": urlsafe_b64encode(bytes.fromhex(ours.thumbprint)).decode().rstrip("=")}):
        signed = ours.sign(own_claims(sim), header, algorithm)
        assert codes(ask_token(sim, {**ASSERTION, "client_assertion": signed})) == []


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"aud": "https://login.elsewhere.example/t/oauth2/v2.0/token"}, 700023),
        ({"sub": "bbbbbbbb-0000-4000-8000-000000000000"}, 700021),
        ({"iss": "bbbbbbbb-0000-4000-8000-000000000000", "sub": "bbbbbbbb-0000-4000-8000-000000000000"}, 700021),
        ({"exp": 0}, 700024),
        ({"exp": None}, 700024),
        ({"nbf": 32503680000}, 700024),
        ({"jti": None}, 50027),
    ],
)
def test_a_wrong_claim_of_an_assertion_is_refused(changes: dict[str, Any], number: int) -> None:
    """Each by the number of its own."""
    sim, ours = build_graph(), identity("ours")
    sim.put_app(replace(APP, public_keys=(ours.certificate,)))
    signed = ours.sign(own_claims(sim, **changes))
    assert codes(ask_token(sim, {**ASSERTION, "client_assertion": signed})) == [number]


def test_an_assertion_must_be_signed_by_the_certificate_it_names() -> None:
    """Another key, another name, no name at all, no certificate registered, no JWT."""
    sim, ours, other = build_graph(), identity("ours"), identity("other")
    claims = own_claims(sim)
    assert codes(ask_token(sim, {**ASSERTION, "client_assertion": ours.sign(claims)})) == [700027]
    sim.put_app(replace(APP, public_keys=(ours.certificate,)))
    for signed in (
        other.sign(claims),
        other.sign(claims, ours.named),
        ours.sign(claims, other.named),
        ours.sign(claims, {}),
    ):
        assert codes(ask_token(sim, {**ASSERTION, "client_assertion": signed})) == [700027]
    for broken in ("a.b", "a.b.c", ours.sign(claims) + ".d"):
        assert codes(ask_token(sim, {**ASSERTION, "client_assertion": broken})) == [50027]


@pytest.mark.parametrize(
    ("changes", "numbers"),
    [
        ({}, []),
        ({"aud": ["other", "api://AzureADTokenExchange"]}, []),
        ({"iss": ISSUER + "/"}, [700211]),
        ({"sub": POD.upper()}, [700213]),
        ({"aud": "api://other"}, [700212]),
        ({"exp": 0}, [700024]),
    ],
)
def test_a_token_of_a_trusted_identity_provider_signs_in(changes: dict[str, Any], numbers: list[int]) -> None:
    """Issuer, subject and audience as registered, to the letter; it names no certificate."""
    sim, cluster = build_graph(), identity("cluster")
    sim.put_app(replace(APP, federated=(Federation(ISSUER, POD, public_keys=(cluster.certificate,)),)))
    claims = {"iss": ISSUER, "sub": POD, "aud": "api://AzureADTokenExchange", "exp": sim.clock.now().timestamp() + 60}
    signed = cluster.sign({**claims, **changes}, {"kid": "1"}, "RS256")
    assert codes(ask_token(sim, {**ASSERTION, "client_assertion": signed})) == numbers


def test_a_forged_token_of_a_trusted_identity_provider_is_refused() -> None:
    """It says all the right things; another key signed it."""
    sim = build_graph()
    sim.put_app(replace(APP, federated=(Federation(ISSUER, POD, public_keys=(identity("cluster").certificate,)),)))
    claims = {"iss": ISSUER, "sub": POD, "aud": "api://AzureADTokenExchange", "exp": sim.clock.now().timestamp() + 60}
    forged = identity("other").sign(claims, {"kid": "1"}, "RS256")
    assert codes(ask_token(sim, {**ASSERTION, "client_assertion": forged})) == [700027]


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
