"""Signing in with Microsoft Entra ID: OpenID Connect, authorization code with PKCE, a signed ID token, roles from it.

msal makes the request and checks state, nonce, audience and time. That the token was signed by the tenant, and for it,
is checked here. Nothing here logs or repeats a code, a token or the client secret. Blocks: call it in a thread.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import jwt
import msal
from pydantic import SecretStr

from concord.console.accounts import Role, read_role
from connectors.graph.credentials import ClientSecret
from connectors.graph.tokens import GraphConnection, HttpForMsal
from schemas.errors import ConcordError, ConfigError

# How long the tenant's address book (endpoints, keys) is taken as it was read, in seconds.
KNOWN_S: Final = 24 * 3600.0
# Keys are not read anew more often than this, whatever key a token names, in seconds.
REREAD_S: Final = 60.0
# How far the tenant's clock may be from ours, in seconds.
LEEWAY_S: Final = 120.0
AGAIN: Final = "Begin again."
ALGORITHM: Final = "RS256"
# Which app role (or group id) of the ID token stands for which role of the console, unless told otherwise.
ROLES: Final = "viewer=Concord.Viewer,operator=Concord.Operator,administrator=Concord.Administrator"


class SignInRefused(ConcordError):
    """Nobody was signed in."""


class NoRole(SignInRefused):
    """Somebody of the firm, who may not use the console."""


@dataclass(frozen=True)
class Identity:
    """Who signed in: the object id of the Entra user (which is also the id of their mailbox), and their name there."""

    user_id: str
    name: str
    role: Role


@dataclass(frozen=True)
class EntraApp:
    """The application that people sign in to. `roles` maps the value of an app role, or a group's id, to ours."""

    authority: str
    tenant: str
    client_id: str
    credential: ClientSecret
    roles: Mapping[str, Role] = field(default_factory=dict)
    ca_bundle: Path | None = None
    proxy: SecretStr | None = None
    timeout_s: float = 30.0

    @property
    def address(self) -> str:
        """The authority with its tenant."""
        return f"{self.authority.rstrip('/')}/{self.tenant}"


def read_roles(text: str) -> dict[str, Role]:
    """`role=VALUE` pairs with commas between. Raises ConfigError."""
    found: dict[str, Role] = {}
    for pair in text.split(","):
        role, equals, value = (part.strip() for part in pair.partition("="))
        if not equals or not value:
            raise ConfigError([f"{pair.strip()!r} is not role=VALUE"], f"Write it as {ROLES}.")
        found[value] = max(read_role(role), found.get(value, Role.VIEWER))
    return found


class Entra:
    """Begins and ends sign-ins. For any thread; `close` when done."""

    def __init__(self, app: EntraApp, *, transport: httpx.BaseTransport | None = None) -> None:
        self._app = app
        # The same rules for certificates, proxies and waiting as for Graph's own tokens.
        connection = GraphConnection(
            "", app.authority, app.tenant, app.client_id, app.credential, app.ca_bundle, app.proxy, app.timeout_s
        )  # fmt: skip
        self._http = HttpForMsal(
            verify=connection.verify(), timeout=app.timeout_s, transport=transport, proxy=connection.through(),
            trust_env=False,
        )  # fmt: skip
        self._lock = threading.Lock()
        self._beginner: Any = None
        self._known: tuple[float, dict[str, Any]] | None = None
        self._keys: dict[str, jwt.PyJWK] = {}
        self._keys_read = -REREAD_S

    def close(self) -> None:
        """Hang up."""
        self._http.close()

    def begin(self, redirect_uri: str) -> dict[str, Any]:
        """A sign-in under way, to be kept until its end; the browser goes to `auth_uri`. Raises SignInRefused."""
        with self._lock:
            if self._beginner is None:
                self._beginner = self._client("")
        try:
            flow: dict[str, Any] = self._beginner.initiate_auth_code_flow(
                [], redirect_uri=redirect_uri, response_mode="form_post", prompt="select_account"
            )
        except (ValueError, RuntimeError):
            raise SignInRefused("Entra's address does not answer as it should.", "Try again.") from None
        # A form that another site posts comes without our cookie, which binds the answer to this browser. In the
        # query the code may be seen, and is of no use without the verifier.
        flow["auth_uri"] = flow["auth_uri"].replace("response_mode=form_post", "response_mode=query")
        return flow

    def finish(self, flow: dict[str, Any], answer: Mapping[str, str]) -> Identity:
        """Who came back with this answer. Raises SignInRefused, NoRole for somebody who may not."""
        if answer.get("error") and answer.get("state") == flow.get("state"):
            raise SignInRefused("Microsoft signed nobody in.", AGAIN)
        try:
            result = self._client(self._app.credential.read()).acquire_token_by_auth_code_flow(flow, dict(answer))
        except httpx.HTTPError as error:
            trouble = SignInRefused(f"Entra cannot be reached ({type(error).__name__}).", "Try again.")
        except (ValueError, RuntimeError, msal.exceptions.MsalError):
            trouble = SignInRefused("This sign-in was not begun in this browser, or its answer is not right.", AGAIN)
        else:
            token = result.get("id_token") if isinstance(result, dict) else None
            if isinstance(token, str):
                return identity_of(self._verified(token), self._app.roles)
            trouble = _token_trouble(result if isinstance(result, dict) else {})
        raise trouble  # out here, so that it does not carry the request along: its code and secret

    def _client(self, secret: str) -> Any:
        try:
            return msal.ConfidentialClientApplication(
                self._app.client_id, client_credential=secret or None, authority=self._app.address,
                instance_discovery=False, http_client=self._http,
            )  # fmt: skip
        except httpx.HTTPError as error:
            trouble = SignInRefused(f"Entra cannot be reached ({type(error).__name__}).", "Try again.")
        except (ValueError, RuntimeError):
            trouble = SignInRefused("Entra does not know this tenant.", "Check CONCORD_GRAPH_TENANT.")
        raise trouble

    def _verified(self, token: str) -> dict[str, Any]:
        """The claims of an ID token that the tenant signed for us. Raises SignInRefused."""
        try:
            kid = str(jwt.get_unverified_header(token).get("kid", ""))
            key = self._key(kid)
            issuer = str(self._discovered()["issuer"])
            claims: dict[str, Any] = jwt.decode(
                token, key, algorithms=[ALGORITHM], audience=self._app.client_id, issuer=issuer, leeway=LEEWAY_S,
                options={"require": ["aud", "exp", "iat", "iss", "oid", "sub", "tid"]},
            )  # fmt: skip
        except (jwt.PyJWTError, KeyError, ValueError, TypeError) as error:
            raise SignInRefused(f"Entra's ID token does not hold ({type(error).__name__}).", AGAIN) from None
        except httpx.HTTPError as error:
            raise SignInRefused(f"Entra cannot be reached ({type(error).__name__}).", "Try again.") from None
        if f"/{claims['tid']}/" not in issuer:
            raise SignInRefused("The ID token is of another tenant.", "Sign in with an account of the firm.")
        return claims

    def _discovered(self) -> dict[str, Any]:
        with self._lock:
            known = self._known
        if known is None or time.monotonic() - known[0] > KNOWN_S:
            response = self._http.get(f"{self._app.address}/v2.0/.well-known/openid-configuration")
            response.raise_for_status()
            known = (time.monotonic(), response.json())
            with self._lock:
                self._known = known
        return known[1]

    def _key(self, kid: str) -> jwt.PyJWK:
        """The tenant's key of this name; read anew for one that is not known, and once a day. Raises KeyError."""
        with self._lock:
            age = time.monotonic() - self._keys_read
            if age > KNOWN_S or (kid not in self._keys and age > REREAD_S):
                self._keys_read = time.monotonic()
                is_due = True
            else:
                is_due = False
        if is_due:
            response = self._http.get(str(self._discovered()["jwks_uri"]))
            response.raise_for_status()
            keys = {
                str(row.get("kid")): jwt.PyJWK(row, algorithm=ALGORITHM)
                for row in response.json()["keys"]
                if row.get("kty") == "RSA"
            }
            with self._lock:
                self._keys = keys
        return self._keys[kid]


def identity_of(claims: Mapping[str, Any], roles: Mapping[str, Role]) -> Identity:
    """Who these claims are about. Raises NoRole when none of their roles and groups stands for a role of ours. Pure."""
    name = str(claims.get("preferred_username") or claims.get("name") or claims["oid"])
    given = {*_texts(claims.get("roles")), *_texts(claims.get("groups"))}
    found = [role for value, role in roles.items() if value in given]
    if found:
        return Identity(str(claims["oid"]), name, max(found))
    fix = "Ask whoever runs Concord for one of its app roles in Entra."
    if "groups" in _texts((claims.get("_claim_names") or {}).keys()):
        fix = "They are in more groups than a token holds: give an app role instead."
    raise NoRole(f"{name} is known, but has no role in the console.", fix)


def _texts(value: Any) -> list[str]:
    return [one for one in value if isinstance(one, str)] if isinstance(value, Iterable) else []


def _token_trouble(result: Mapping[str, Any]) -> SignInRefused:
    """A refusal by its number; Entra's text is not repeated."""
    codes = result.get("error_codes")
    number = f"AADSTS{codes[0]}" if isinstance(codes, list) and codes else str(result.get("error") or "no reason given")
    fixes = {
        "AADSTS7000215": "Whoever runs Concord must renew the console's client secret.",
        "AADSTS7000222": "The console's client secret has ended: whoever runs Concord must renew it.",
    }
    return SignInRefused(f"Entra gave no token ({number}).", fixes.get(number, AGAIN))
