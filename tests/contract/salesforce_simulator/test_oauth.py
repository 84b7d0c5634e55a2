"""Tokens: how they are given, what the answers say, and how they end."""

from __future__ import annotations

import base64
import random
import re
from typing import Any
from urllib.parse import urlencode

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from support.salesforce_client import KEY, SECRET, START, SalesforceClient, build_org, error_of

from simulators.clock import SimulatorClock
from simulators.http import Request, Response
from simulators.salesforce.org import Access, ConnectedApp, Org
from simulators.salesforce.service import SalesforceSimulator

GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
USER = "integration@concord.example"
BASE = "http://127.0.0.1:8902"


@pytest.fixture(scope="module")
def key() -> rsa.RSAPrivateKey:
    """A private key whose public half the application has registered."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


@pytest.fixture
def simulator(key: rsa.RSAPrivateKey) -> SalesforceSimulator:
    """An org with one application that may use every grant."""
    pem = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    app = ConnectedApp(
        KEY, SECRET, execution_user=USER, public_keys=(pem,), authorised_users=frozenset({USER, "gone@firm.example"})
    )
    access = Access(apps=(app,), passwords={USER: "secretTOKEN"}, static_tokens={"fixed": "later@firm.example"})
    made = SalesforceSimulator(Org(), SimulatorClock(START), random.Random(5), access=access)
    made.insert("User", {"Username": "gone@firm.example", "LastName": "Gone", "IsActive": False})
    made.insert("User", {"Username": "stranger@firm.example", "LastName": "Stranger"})
    return made


def ask(simulator: SalesforceSimulator, base: str = BASE, basic: str = "", **form: str) -> Response:
    """POST a form to the token endpoint."""
    headers = {"content-type": "application/x-www-form-urlencoded"}
    if basic:
        headers["authorization"] = f"Basic {base64.b64encode(basic.encode()).decode()}"
    return simulator.handle(Request("POST", "/services/oauth2/token", headers, urlencode(form).encode(), base))


def assertion(key: rsa.RSAPrivateKey, **claims: Any) -> str:
    """A signed assertion, valid unless the claims say otherwise."""
    now = int(START.timestamp())
    body = {"iss": KEY, "sub": USER, "aud": "https://login.salesforce.com", "exp": now + 180, **claims}
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return jwt.encode(body, pem, algorithm="RS256")


@pytest.mark.parametrize("how", ["basic", "form"])
def test_client_credentials_by_header_or_form(simulator: SalesforceSimulator, how: str) -> None:
    """Both ways of naming the client give a token of the execution user, without expires_in or refresh token."""
    form = {"grant_type": "client_credentials"}
    if how == "form":
        form |= {"client_id": KEY, "client_secret": SECRET}
    response = ask(simulator, basic=f"{KEY}:{SECRET}" if how == "basic" else "", **form)
    body = response.json()
    assert response.status == 200
    assert set(body) == {
        "access_token",
        "instance_url",
        "id",
        "token_type",
        "scope",
        "signature",
        "issued_at",
        "api_instance_url",
    }
    assert body["access_token"].startswith(f"{Org().id[:15]}!")
    assert (body["instance_url"], body["token_type"]) == (BASE, "Bearer")
    assert body["id"] == f"{BASE}/id/{Org().id}/{simulator.integration_user_id}"
    assert body["issued_at"] == str(int(START.timestamp() * 1000))


@pytest.mark.honest("salesforce", 24)
def test_client_credentials_need_the_orgs_own_host(simulator: SalesforceSimulator) -> None:
    """Login and test hosts refuse this flow."""
    for host in ("login", "test"):
        response = ask(
            simulator, f"https://{host}.salesforce.com", basic=f"{KEY}:{SECRET}", grant_type="client_credentials"
        )
        assert (response.status, response.json()["error"]) == (400, "invalid_grant")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "invalid_request"),
        ({"grant_type": "device"}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials", "client_id": "who", "client_secret": SECRET}, "invalid_client_id"),
        ({"grant_type": "client_credentials", "client_id": KEY, "client_secret": "x"}, "invalid_client"),
        ({"grant_type": GRANT, "assertion": "a.b"}, "invalid_grant"),
        (
            {"grant_type": "password", "client_id": KEY, "client_secret": SECRET, "username": USER, "password": "x"},
            "invalid_grant",
        ),
    ],
)
def test_refusals_have_error_and_description(simulator: SalesforceSimulator, form: dict[str, str], error: str) -> None:
    """Every refusal is a 400 with error and error_description."""
    response = ask(simulator, **form)
    assert (response.status, set(response.json())) == (400, {"error", "error_description"})
    assert response.json()["error"] == error


@pytest.mark.honest("salesforce", 24)
@pytest.mark.parametrize("kind", [int, str])
def test_jwt_bearer_takes_exp_as_number_and_text(
    simulator: SalesforceSimulator, key: rsa.RSAPrivateKey, kind: type
) -> None:
    """Simple-salesforce sends exp as a JSON string."""
    exp = kind(int(START.timestamp()) + 180)
    response = ask(simulator, grant_type=GRANT, assertion=assertion(key, exp=exp))
    assert (response.status, set(response.json())) == (
        200,
        {"access_token", "scope", "instance_url", "id", "token_type"},
    )


@pytest.mark.parametrize(
    ("claims", "error", "text"),
    [
        ({"aud": "https://evil.example"}, "invalid_grant", "Audience validation failed"),
        ({"sub": "nobody@firm.example"}, "invalid_grant", "user hasn't approved this consumer"),
        ({"sub": "stranger@firm.example"}, "invalid_grant", "user hasn't approved this consumer"),
        ({"sub": "gone@firm.example"}, "inactive_user", "user is inactive"),
        ({"iss": "other"}, "invalid_client_id", "client identifier invalid"),
        ({"exp": int(START.timestamp()) - 1}, "invalid_grant", "expired authorization code"),
        ({"exp": int(START.timestamp()) + 3600}, "invalid_grant", "invalid assertion"),
        ({"exp": "soon"}, "invalid_grant", "invalid assertion"),
    ],
)
def test_jwt_bearer_checks_its_claims(
    simulator: SalesforceSimulator, key: rsa.RSAPrivateKey, claims: dict[str, Any], error: str, text: str
) -> None:
    """Audience, subject, issuer and expiry each have their refusal."""
    body = ask(simulator, grant_type=GRANT, assertion=assertion(key, **claims)).json()
    assert (body["error"], body["error_description"]) == (error, text)


def test_jwt_bearer_checks_the_signature(simulator: SalesforceSimulator) -> None:
    """An assertion signed with a key that is not registered is refused."""
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    body = ask(simulator, grant_type=GRANT, assertion=assertion(other)).json()
    assert (body["error"], body["error_description"]) == ("invalid_grant", "invalid assertion")


def test_the_password_grant(simulator: SalesforceSimulator) -> None:
    """Username and password with the security token appended give a token."""
    form = {"grant_type": "password", "client_id": KEY, "client_secret": SECRET, "username": USER}
    assert ask(simulator, **form, password="secretTOKEN").status == 200


@pytest.mark.honest("salesforce", 24)
def test_a_token_dies_without_warning(org: SalesforceClient) -> None:
    """After two hours a call answers 401 as a JSON list; nothing announced it."""
    org.clock.advance(7199)
    assert org.get("/limits").status == 200
    org.clock.advance(1)
    response = org.get("/limits")
    assert response.status == 401
    assert response.json() == [{"message": "Session expired or invalid", "errorCode": "INVALID_SESSION_ID"}]


def test_a_static_token_lives_on_and_may_precede_its_user(simulator: SalesforceSimulator) -> None:
    """A token of the seed works from the moment its user exists, and does not expire."""
    request = Request("GET", "/services/data/v66.0/limits", {"authorization": "Bearer fixed"})
    assert simulator.handle(request).status == 401
    simulator.insert("User", {"Username": "later@firm.example", "LastName": "Later"})
    assert isinstance(simulator.clock, SimulatorClock)
    simulator.clock.advance(10 * 86_400)
    assert simulator.handle(request).status == 200


def test_tokens_can_be_revoked_and_cleared(org: SalesforceClient) -> None:
    """POST revoke ends a token, once; an administrator's clearing ends all."""
    body = urlencode({"token": org.token}).encode()
    assert org.call("POST", "/services/oauth2/revoke", body).status == 200
    assert org.call("POST", "/services/oauth2/revoke", body).json()["error"] == "invalid_token"
    assert org.get("/limits").status == 401
    org.token = org.simulator.issue_token("ada@firm.example")
    assert org.simulator.expire_tokens() == 1
    assert org.get("/limits").status == 401


def test_a_deactivated_user_is_out(org: SalesforceClient) -> None:
    """The token of a user who was deactivated answers 401."""
    org.token = org.simulator.issue_token("ada@firm.example")
    assert org.get("/limits").status == 200
    org.simulator.update("User", org.ids["ada"], {"IsActive": False})
    assert org.get("/limits").status == 401


def test_the_scheme_matters(org: SalesforceClient) -> None:
    """`Bearer` and the older `OAuth` are taken; anything else and nothing at all answer 401."""
    assert org.get("/limits", authorization=f"OAuth {org.token}").status == 200
    for header in (f"Basic {org.token}", org.token, ""):
        assert org.get("/limits", authorization=header).status == 401


def test_the_identity_url_answers_who_it_is(org: SalesforceClient) -> None:
    """The `id` of a token answer leads to the user; userinfo says the same in OpenID's words."""
    org.token = org.simulator.issue_token("ada@firm.example")
    body = org.get(f"/id/{org.simulator.org.id}/{org.ids['ada']}?version=latest").json()
    assert (body["user_id"], body["username"], body["active"]) == (org.ids["ada"], "ada@firm.example", True)
    assert body["urls"]["rest"] == "https://concord.my.salesforce.com/services/data/v66.0/"
    info = org.get("/services/oauth2/userinfo").json()
    assert (info["preferred_username"], info["organization_id"]) == ("ada@firm.example", org.simulator.org.id)


def test_versions_need_no_token_and_do_not_count(org: SalesforceClient) -> None:
    """GET /services/data lists label, url and version, oldest first; a version lists its resources."""
    org.token = ""
    response = org.get("/services/data/")
    listed = response.json()
    assert listed[-1] == {"label": "Spring '26", "url": "/services/data/v66.0", "version": "66.0"}
    assert "sforce-limit-info" not in response.headers
    assert org.simulator.calls_used == 0
    org.token = org.simulator.issue_token()
    assert org.get("/services/data/v66.0").json()["sobjects"] == "/services/data/v66.0/sobjects"
    assert error_of(org.get("/services/data/v67.0/limits"))[:2] == (404, "NOT_FOUND")
    assert error_of(org.get("/services/data/v20.0/limits"))[:2] == (410, "UNSUPPORTED_API_VERSION")


def test_soap_login_gives_a_session(simulator: SalesforceSimulator) -> None:
    """The SOAP login answers session, server URL and ids; a wrong password is a fault with status 500."""

    def login(password: str) -> Response:
        body = (
            '<env:Envelope xmlns:env="http://schemas.xmlsoap.org/soap/envelope/"><env:Body>'
            f'<n1:login xmlns:n1="urn:partner.soap.sforce.com"><n1:username>{USER}</n1:username>'
            f"<n1:password>{password}</n1:password></n1:login></env:Body></env:Envelope>"
        )
        return simulator.handle(Request("POST", "/services/Soap/u/59.0", {"soapaction": "login"}, body.encode(), BASE))

    good = login("secretTOKEN")
    match = re.search(r"<sessionId>([^<]+)</sessionId>", good.body.decode())
    assert match is not None
    assert f"<serverUrl>{BASE}/services/Soap/u/59.0/{Org().id}</serverUrl>" in good.body.decode()
    headers = {"authorization": f"Bearer {match.group(1)}"}
    assert simulator.handle(Request("GET", "/services/data/v66.0/limits", headers)).status == 200
    bad = login("wrong")
    assert bad.status == 500
    assert "<sf:exceptionCode>INVALID_LOGIN</sf:exceptionCode>" in bad.body.decode()


def test_equal_seeds_give_equal_tokens() -> None:
    """All randomness comes from the generator passed in."""
    assert build_org(seed=3).token == build_org(seed=3).token != build_org(seed=4).token
