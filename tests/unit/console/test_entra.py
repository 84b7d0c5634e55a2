"""Signing in by Entra: a person, the console and the simulated tenant, without a network."""

from __future__ import annotations

import base64
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from support.console import Console, console_at
from support.entra_tenant import ANA, CONSOLE, TOM, EntraTenant, sign_in, way_back

from concord.console.accounts import Role
from concord.console.entra import NoRole, identity_of, read_roles
from schemas.errors import ConfigError


@pytest.fixture
def tenant() -> EntraTenant:
    """A firm's tenant."""
    return EntraTenant()


@pytest.fixture
def console(tmp_path: Path, tenant: EntraTenant) -> Console:
    """A console that this tenant signs people in to."""
    return console_at(tmp_path, entra=tenant.entra())


def test_somebody_signs_in_with_the_role_that_entra_gives(console: Console, tenant: EntraTenant) -> None:
    """The highest of theirs; the password of this machine still works."""
    browser = console.browser()
    assert "Sign in with Microsoft" in browser.get("/sign-in").text
    seen = sign_in(tenant, browser, "Tom Reyes")
    assert (seen.status, seen.goes_to) == (303, "/")
    assert "tom.reyes@firm.example (operator)" in browser.get("/").text
    assert browser.get("/users/review").status == 403
    assert console.browser(Role.ADMINISTRATOR).get("/users/review").status == 303


def test_the_request_has_state_nonce_and_a_challenge(console: Console) -> None:
    """Of which none is told twice."""
    asked = [httpx.URL(console.browser().get("/sign-in/entra").goes_to).params for _ in range(2)]
    assert asked[0]["response_type"] == "code"
    assert asked[0]["code_challenge_method"] == "S256"
    assert asked[0]["redirect_uri"] == "http://127.0.0.1:8940/sign-in/entra/back"
    for name in ("state", "nonce", "code_challenge"):
        assert len(asked[0][name]) >= 16
        assert asked[0][name] != asked[1][name]


def test_groups_may_stand_for_roles(tmp_path: Path, tenant: EntraTenant) -> None:
    """Groups may stand for roles."""
    (group,) = CONSOLE.groups[ANA.id]
    console = console_at(tmp_path, entra=tenant.entra(f"administrator={group}"))
    browser = console.browser()
    assert sign_in(tenant, browser, "Ana Lim").status == 303
    assert "ana.lim@firm.example (administrator)" in browser.get("/").text


def test_somebody_without_a_role_is_told_whom_to_ask(console: Console, tenant: EntraTenant) -> None:
    """And has no session."""
    browser = console.browser()
    seen = sign_in(tenant, browser, "Ana Lim")
    assert seen.status == 403
    assert "ana.lim@firm.example is known, but has no role in the console." in seen.text
    assert browser.get("/").goes_to == "/sign-in"


def test_an_answer_works_once_and_in_its_own_browser(console: Console, tenant: EntraTenant) -> None:
    """Not in another one (nobody is signed in as somebody else), not again, not after ten minutes."""
    browser = console.browser()
    back = way_back(tenant, browser, "Tom Reyes")
    assert console.browser().get(back).status == 400
    other = console.browser()
    other.get("/sign-in/entra")
    assert other.get(back).status == 401, "another state"
    assert browser.get(back).status == 303
    browser.cookies.clear()
    assert browser.get(back).status == 400


@pytest.mark.parametrize("change", ["state", "code", "none", "error"])
def test_an_answer_that_was_tampered_with_signs_nobody_in(console: Console, tenant: EntraTenant, change: str) -> None:
    """An answer that was tampered with signs nobody in; nothing of it is shown."""
    browser = console.browser()
    asked = dict(httpx.URL("http://x" + way_back(tenant, browser, "Tom Reyes")).params)
    if change == "none":
        asked = {}
    elif change == "error":
        asked = {"state": asked["state"], "error": "<script>alert(1)</script>", "error_description": "Call 1234"}
    else:
        asked[change] = "other"
    seen = browser.get(f"/sign-in/entra/back?{httpx.QueryParams(asked)}")
    assert seen.status == 401
    assert "script>alert" not in seen.response.text
    assert "1234" not in seen.text
    assert browser.get("/").goes_to == "/sign-in"


def test_who_cancels_is_not_signed_in(console: Console, tenant: EntraTenant) -> None:
    """Who cancels is not signed in."""
    browser = console.browser()
    seen = sign_in(tenant, browser, "Cancel")
    assert (seen.status, "Microsoft signed nobody in." in seen.text) == (401, True)


def test_a_client_secret_that_was_replaced_is_said(console: Console, tenant: EntraTenant) -> None:
    """By Entra's number, without its text."""
    tenant.graph.put_app(replace(CONSOLE, secrets=("new",)))
    seen = sign_in(tenant, console.browser(), "Tom Reyes")
    assert seen.status == 401
    assert "(AADSTS7000215). Whoever runs Concord must renew the console's client secret." in seen.text


def forged(tenant: EntraTenant, monkeypatch: pytest.MonkeyPatch, **changes: Any) -> None:
    """From now on the tenant's answers carry an ID token with these claims, signed by `key` (the tenant's by default)
    with the header `head`."""
    key, head = changes.pop("key", None), changes.pop("head", {})
    users = tenant.graph._sign_in._users  # what a broken provider would send
    make = users._id_token

    def token(*arguments: Any) -> str:
        whole = make(*arguments)
        claims = json.loads(base64.urlsafe_b64decode(whole.split(".")[1] + "=="))
        algorithm = head.get("alg", "RS256")
        signed = "" if algorithm == "none" else key or users._signing_key()
        return jwt.encode({**claims, **changes}, signed, algorithm=algorithm, headers={"kid": users._kid(), **head})

    monkeypatch.setattr(users, "_id_token", token)


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://login.simulator.test/other/v2.0"},
        {"aud": "another application"},
        {"tid": "dddddddd-0000-4111-8222-000000000002"},
        {"nonce": "another"},
        {"exp": 1},
        {"oid": None},
        {"key": rsa.generate_private_key(public_exponent=65537, key_size=2048)},
        {"head": {"alg": "none"}},
        {"head": {"alg": "HS256"}, "key": "x" * 32},
        {"head": {"kid": "unknown"}},
    ],
    ids=["issuer", "audience", "tenant", "nonce", "time", "nobody", "key", "unsigned", "shared key", "unknown key"],
)
def test_a_token_that_the_tenant_did_not_make_for_us_signs_nobody_in(
    console: Console, tenant: EntraTenant, monkeypatch: pytest.MonkeyPatch, changes: dict[str, Any]
) -> None:
    """A token that the tenant did not make for us signs nobody in."""
    forged(tenant, monkeypatch, **changes)
    browser = console.browser()
    assert sign_in(tenant, browser, "Tom Reyes").status == 401
    assert browser.get("/").goes_to == "/sign-in"


def test_a_token_made_anew_in_the_same_way_is_taken(
    console: Console, tenant: EntraTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So the refusals above are for what was changed."""
    forged(tenant, monkeypatch)
    assert sign_in(tenant, console.browser(), "Tom Reyes").status == 303


def test_the_tenant_is_not_asked_for_its_keys_each_time(console: Console, tenant: EntraTenant) -> None:
    """The tenant is not asked for its keys each time."""
    for _ in range(3):
        assert sign_in(tenant, console.browser(), "Tom Reyes").status == 303
    assert sum(path.endswith("/keys") for _, path in tenant.asked) == 1


def test_a_tenant_that_is_away_is_said(tmp_path: Path, tenant: EntraTenant, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tenant that is away is said."""

    def away(_: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused")

    monkeypatch.setattr(EntraTenant, "answer", lambda _, request: away(request))
    console = console_at(tmp_path, entra=tenant.entra())
    seen = console.browser().get("/sign-in/entra")
    assert (seen.status, "Entra cannot be reached" in seen.text) == (503, True)


def test_without_entra_the_way_there_is_closed(tmp_path: Path) -> None:
    """And the page does not offer it."""
    browser = console_at(tmp_path).browser()
    assert "Microsoft" not in browser.get("/sign-in").text.replace("Microsoft 365", "")
    assert browser.get("/sign-in/entra").status == 404
    assert browser.get("/sign-in/entra/back?code=x&state=y").status == 400


def test_who_is_in_too_many_groups_is_told_what_helps() -> None:
    """Entra leaves the groups out of the token then."""
    claims = {"oid": TOM.id, "_claim_names": {"groups": "src1"}}
    with pytest.raises(NoRole, match="no role") as refused:
        identity_of(claims, read_roles("viewer=9c000000-0000-4111-8222-00000000000d"))
    assert "app role instead" in refused.value.fix


@pytest.mark.parametrize("text", ["", "viewer", "viewer=", "king=Concord.King", "viewer=A,,"])
def test_bad_roles_are_said(text: str) -> None:
    """Bad roles are said."""
    with pytest.raises(ConfigError):
        read_roles(text)


def test_several_values_may_stand_for_one_role() -> None:
    """And the highest counts for a value that is named twice."""
    assert read_roles("viewer=A, operator=B,viewer=B") == {"A": Role.VIEWER, "B": Role.OPERATOR}
