"""People sign in: the authorize endpoint, codes and their refusals, ID tokens that the published keys verify."""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
from support.graph_firm import APP, FIRM, OLD, TOM, build_graph

from simulators.graph.service import GraphSimulator
from simulators.http import Request, Response

TLS = "https://localhost:8902"
BACK = "http://localhost:5000/back"
VERIFIER = "v" * 50
ASKED = {
    "client_id": APP.client_id, "response_type": "code", "redirect_uri": BACK, "scope": "openid profile",
    "state": "s1", "nonce": "n1", "code_challenge_method": "S256",
    "code_challenge": urlsafe_b64encode(hashlib.sha256(VERIFIER.encode()).digest()).decode().rstrip("="),
}  # fmt: skip


@pytest.fixture
def sim() -> GraphSimulator:
    """A tenant with an application that people sign in to."""
    sim = build_graph()
    app = replace(APP, redirect_uris=("http://localhost/back",), app_roles={TOM.id: ("Reader",)})
    sim.put_app(app)
    return sim


def authorize(sim: GraphSimulator, **changes: str) -> Response:
    """The answer of the authorize endpoint; an empty text leaves a parameter out."""
    asked = {name: text for name, text in {**ASKED, **changes}.items() if text or name == "sim_user"}
    return sim.handle(Request("GET", f"/{FIRM.id}/oauth2/v2.0/authorize?{urlencode(asked)}", base_url=TLS))


def came_back(answer: Response) -> dict[str, str]:
    """What the application gets in its query."""
    assert answer.status == 302
    assert answer.headers["location"].startswith(BACK + "?")
    return {name: values[0] for name, values in parse_qs(urlsplit(answer.headers["location"]).query).items()}


def redeem(sim: GraphSimulator, code: str, **changes: str) -> Response:
    """The answer to a token request for a code."""
    form = {
        "client_id": APP.client_id, "client_secret": "s3cret", "grant_type": "authorization_code", "code": code,
        "redirect_uri": BACK, "code_verifier": VERIFIER, **changes,
    }  # fmt: skip
    headers = {"content-type": "application/x-www-form-urlencoded"}
    return sim.handle(Request("POST", f"/{FIRM.id}/oauth2/v2.0/token", headers, urlencode(form).encode(), TLS))


def number_of(answer: Response) -> Any:
    """Error word and number of a refused token request."""
    body = answer.json()
    assert body["error_description"].startswith(f"AADSTS{body['error_codes'][0]}: ")
    return body["error"], body["error_codes"][0]


def test_the_published_keys_verify_the_token(sim: GraphSimulator) -> None:
    """And its claims say who, for whom, by which tenant."""
    told = came_back(authorize(sim, sim_user=TOM.id))
    assert told["state"] == "s1"
    body = redeem(sim, told["code"]).json()
    document = sim.handle(Request("GET", f"/{FIRM.domain}/v2.0/.well-known/openid-configuration", base_url=TLS)).json()
    (row,) = sim.handle(Request("GET", urlsplit(document["jwks_uri"]).path, base_url=TLS)).json()["keys"]
    assert jwt.get_unverified_header(body["id_token"])["kid"] == row["kid"]
    claims = jwt.decode(
        body["id_token"], jwt.PyJWK(row, algorithm="RS256"), ["RS256"], audience=APP.client_id,
        issuer=document["issuer"], options={"verify_exp": False, "verify_nbf": False, "verify_iat": False},
    )  # fmt: skip
    assert (claims["oid"], claims["preferred_username"]) == (TOM.id, TOM.user_principal_name)
    assert (claims["tid"], claims["nonce"], claims["roles"]) == (FIRM.id, "n1", ["Reader"])
    assert document["issuer"] == f"{TLS}/{FIRM.id}/v2.0", "of the tenant's id, by whatever name it was asked for"


def test_the_page_lists_the_users(sim: GraphSimulator) -> None:
    """All of them, or the one that is hinted at; nothing of the request is markup."""
    page = authorize(sim, state='"><script>').body.decode()
    assert TOM.user_principal_name in page
    assert "<script>" not in page
    page = authorize(sim, login_hint=TOM.user_principal_name).body.decode()
    assert page.count("<li>") == 1


@pytest.mark.parametrize(
    ("changes", "number"),
    [
        ({"redirect_uri": "http://localhost/other"}, 50011), ({"redirect_uri": "https://evil.example/back"}, 50011),
        ({"redirect_uri": ""}, 900144), ({"client_id": "unknown"}, 700016),
    ],
)  # fmt: skip
def test_what_cannot_go_back_is_a_page(sim: GraphSimulator, changes: dict[str, str], number: int) -> None:
    """An address that is not registered is never sent to."""
    answer = authorize(sim, sim_user=TOM.id, **changes)
    assert (answer.status, "location" in answer.headers) == (400, False)
    assert f"AADSTS{number}: " in answer.body.decode()


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"response_type": "id_token"}, "unsupported_response_type"), ({"scope": "profile"}, "invalid_scope"),
        ({"prompt": "none"}, "login_required"), ({"sim_user": ""}, "access_denied"),
        ({"sim_user": OLD.id}, "access_denied"), ({"sim_user": "nobody"}, "invalid_request"),
    ],
)  # fmt: skip
def test_what_is_refused_goes_back_with_its_state(sim: GraphSimulator, changes: dict[str, str], error: str) -> None:
    """What is refused goes back with its state."""
    told = came_back(authorize(sim, **{"sim_user": TOM.id, **changes}))
    assert (told["error"], told["state"]) == (error, "s1")
    assert "code" not in told


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"code": "other"}, ("invalid_grant", 9002313)), ({"code": ""}, ("invalid_request", 900144)),
        ({"code_verifier": "w" * 50}, ("invalid_grant", 501481)), ({"code_verifier": ""}, ("invalid_grant", 501481)),
        ({"redirect_uri": "http://localhost:5001/back"}, ("invalid_client", 500112)),
        ({"client_secret": "wrong"}, ("invalid_client", 7000215)),
    ],
)  # fmt: skip
def test_a_code_is_bound_to_who_asked_for_it(
    sim: GraphSimulator, changes: dict[str, str], refusal: tuple[str, int]
) -> None:
    """To its verifier, its address, its application; and it still works for the right one."""
    code = came_back(authorize(sim, sim_user=TOM.id))["code"]
    assert number_of(redeem(sim, **{"code": code, **changes})) == refusal
    assert redeem(sim, code).status == 200


def test_a_code_works_once_and_for_ten_minutes(sim: GraphSimulator) -> None:
    """A code works once and for ten minutes."""
    code = came_back(authorize(sim, sim_user=TOM.id))["code"]
    assert redeem(sim, code).status == 200
    assert number_of(redeem(sim, code)) == ("invalid_grant", 54005)
    late = came_back(authorize(sim, sim_user=TOM.id))["code"]
    sim.clock.advance(600)
    assert number_of(redeem(sim, late)) == ("invalid_grant", 70008)


def test_what_people_sign_in_to_is_saved_with_the_tenant(sim: GraphSimulator) -> None:
    """What people sign in to is saved with the tenant."""
    saved = sim.world.to_json()
    sim.world.from_json(saved)
    assert "code" in came_back(authorize(sim, sim_user=TOM.id))
