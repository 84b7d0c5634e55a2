"""Signing people in: the authorization code flow of OpenID Connect, with PKCE, ID tokens and the keys that sign them.

The page at the authorize endpoint lets whoever looks at it choose a user of the tenant; there are no passwords. The
signing key is made when it is first needed: it alone is not the same in every run.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from simulators.graph.ids import mint_guid
from simulators.graph.tenant import App, User
from simulators.graph.world import World
from simulators.http import Request, Response

# How long a code may be redeemed, in seconds.
CODE_LIFE_S: Final = 600.0
# Hosts for which a redirect address may name any port.
LOOPBACK: Final = ("localhost", "127.0.0.1")
# The parameter by which the page says who was chosen.
CHOICE: Final = "sim_user"


@dataclass
class Refused(Exception):
    """A request that is turned down: OAuth's error word, Entra's number and text."""

    error: str
    number: int
    text: str


@dataclass(frozen=True)
class _Code:
    """What a code stands for. `ends` is a time stamp of the simulator's clock."""

    client_id: str
    redirect_uri: str
    user_id: str
    nonce: str
    challenge: str
    scope: str
    ends: float


class UserSignIn:
    """The authorize endpoint, the keys, and the token request for a code."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._codes: dict[str, _Code] = {}
        self._redeemed: set[str] = set()
        self._key: rsa.RSAPrivateKey | None = None

    def keys(self, request: Request) -> Response:
        """The public key that verifies ID tokens, as a JSON Web Key Set."""
        numbers = self._signing_key().public_key().public_numbers()
        key = {
            "kty": "RSA", "use": "sig", "kid": self._kid(), "n": _number(numbers.n), "e": _number(numbers.e),
            "issuer": self._issuer(request),
        }  # fmt: skip
        return Response.of_json(200, {"keys": [key]})

    def _signing_key(self) -> rsa.RSAPrivateKey:
        if self._key is None:
            self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        return self._key

    def _kid(self) -> str:
        digest = hashlib.sha256(_number(self._signing_key().public_key().public_numbers().n).encode()).digest()
        return _b64(digest)[:27]

    def _issuer(self, request: Request) -> str:
        return f"{request.base_url}/{self._world.tenant.id}/v2.0"

    # --- authorize --------------------------------------------------------------------------------------------

    def authorize(self, request: Request) -> Response:
        """The page of users, or the way back with a code. What cannot go back to the application is a page."""
        asked = request.query
        try:
            app = self._app_of(asked)
        except Refused as refused:
            return _page("Sign in", f"<p>AADSTS{refused.number}: {html.escape(refused.text)}</p>", 400)
        try:
            self._check_asked(asked)
            if asked.get("prompt") == "none":
                raise Refused("login_required", 50058, "A silent sign-in request was sent but no user is signed in.")
            if asked.get(CHOICE) == "":
                raise Refused("access_denied", 65004, "User declined to consent to access the app.")
            if CHOICE not in asked:
                return self._choice(request, app)
            user = self._world.users.get(asked[CHOICE].lower())
            if user is None:
                raise Refused("invalid_request", 50034, "The user account does not exist in the directory.")
            if not user.account_enabled:
                raise Refused("access_denied", 50057, "The user account is disabled.")
        except Refused as refused:
            told = {"error": refused.error, "error_description": f"AADSTS{refused.number}: {refused.text}"}
            return _back(asked, told)
        return _back(asked, {"code": self._new_code(asked, user), "session_state": mint_guid(self._world.rng)})

    def _app_of(self, asked: Mapping[str, str]) -> App:
        for name in ("client_id", "redirect_uri"):
            if not asked.get(name):
                text = f"The request body must contain the following parameter: '{name}'."
                raise Refused("invalid_request", 900144, text)
        app = self._world.apps.get(asked["client_id"].lower())
        if app is None:
            text = f"Application with identifier '{asked['client_id']}' was not found in the directory."
            raise Refused("unauthorized_client", 700016, text)
        if not app.enabled:
            raise Refused("unauthorized_client", 7000112, f"Application '{app.client_id}' is disabled.")
        if not any(_is_same(known, asked["redirect_uri"]) for known in app.redirect_uris):
            text = (
                f"The redirect URI '{asked['redirect_uri']}' specified in the request does not match the redirect URIs "
                f"configured for the application '{app.client_id}'."
            )
            raise Refused("invalid_request", 50011, text)
        return app

    def _check_asked(self, asked: Mapping[str, str]) -> None:
        if asked.get("response_type") != "code":
            kind = asked.get("response_type", "")
            raise Refused(
                "unsupported_response_type", 700054, f"response_type '{kind}' is not enabled for the application."
            )
        if "openid" not in asked.get("scope", "").split():
            raise Refused("invalid_scope", 70011, f"The provided value for scope {asked.get('scope')} is not valid.")
        if asked.get("code_challenge") and asked.get("code_challenge_method", "plain") not in ("S256", "plain"):
            raise Refused("invalid_request", 50147, "The size or method of the code challenge is not valid.")

    def _choice(self, request: Request, app: App) -> Response:
        path, asked = request.raw_path, request.query
        hint = asked.get("login_hint", "").lower()
        rows = []
        for user in self._world.users.values():
            if hint in ("", user.user_principal_name.lower()):
                to = html.escape(f"{path}?{urlencode({**asked, CHOICE: user.id})}")
                name = html.escape(f"{user.display_name} ({user.user_principal_name})")
                rows.append(f'<li><a href="{to}">{name}</a></li>')
        cancel = html.escape(f"{path}?{urlencode({**asked, CHOICE: ''})}")
        words = f"<p>Pick an account for {html.escape(app.name)}. This is a simulator: nobody needs a password.</p>"
        return _page("Pick an account", f'{words}<ul>{"".join(rows)}</ul><p><a href="{cancel}">Cancel</a></p>')

    def _new_code(self, asked: Mapping[str, str], user: User) -> str:
        now = self._world.clock.now().timestamp()
        self._codes = {code: held for code, held in self._codes.items() if held.ends > now - CODE_LIFE_S}
        self._redeemed &= self._codes.keys()
        random = self._world.rng.getrandbits(512).to_bytes(64, "big")
        code = f"1.{_b64(random)}"
        challenge = asked.get("code_challenge", "")
        if challenge and asked.get("code_challenge_method", "plain") == "plain":
            challenge = f"plain {challenge}"
        self._codes[code] = _Code(
            asked["client_id"].lower(), asked["redirect_uri"], user.id, asked.get("nonce", ""), challenge,
            asked["scope"], now + CODE_LIFE_S,
        )  # fmt: skip
        return code

    # --- token ------------------------------------------------------------------------------------------------

    def redeem(self, request: Request, app: App, form: Mapping[str, str]) -> dict[str, Any]:
        """The tokens for a code; the application has proved who it is. Raises Refused."""
        for name in ("code", "redirect_uri"):
            if not form.get(name):
                text = f"The request body must contain the following parameter: '{name}'."
                raise Refused("invalid_request", 900144, text)
        held = self._codes.get(form["code"])
        if held is None or held.client_id != app.client_id.lower():
            raise Refused("invalid_grant", 9002313, "Invalid request. Request is malformed or invalid.")
        if form["code"] in self._redeemed:
            text = "OAuth2 Authorization code was already redeemed, please retry with a new valid code."
            raise Refused("invalid_grant", 54005, text)
        now = self._world.clock.now().timestamp()
        if held.ends <= now:
            raise Refused("invalid_grant", 70008, "The provided authorization code or refresh token has expired.")
        if form["redirect_uri"] != held.redirect_uri:
            text = (
                f"The reply address '{form['redirect_uri']}' does not match the reply address '{held.redirect_uri}' "
                "provided when requesting Authorization code."
            )
            raise Refused("invalid_client", 500112, text)
        if not _is_proved(held.challenge, form.get("code_verifier", "")):
            text = "The Code_Verifier does not match the code_challenge supplied in the authorization request."
            raise Refused("invalid_grant", 501481, text)
        self._redeemed.add(form["code"])
        life = self._world.behaviour.token_lifetime_s
        opaque = base64.urlsafe_b64encode(self._world.rng.getrandbits(512).to_bytes(64, "big")).decode()
        return {
            "token_type": "Bearer", "scope": "openid profile email", "expires_in": life, "ext_expires_in": life,
            "access_token": opaque, "id_token": self._id_token(request, app, held, int(now), life),
        }  # fmt: skip

    def _id_token(self, request: Request, app: App, held: _Code, now: int, life: int) -> str:
        user = self._world.users[held.user_id.lower()]
        claims: dict[str, Any] = {
            "aud": app.client_id, "iss": self._issuer(request), "iat": now, "nbf": now, "exp": now + life,
            "name": user.display_name, "oid": user.id, "preferred_username": user.user_principal_name,
            "sub": _b64(hashlib.sha256(f"{app.client_id} {user.id}".encode()).digest()),
            "tid": self._world.tenant.id, "uti": mint_guid(self._world.rng), "ver": "2.0",
        }  # fmt: skip
        claims |= {"nonce": held.nonce} if held.nonce else {}
        for name, given in (("roles", app.app_roles), ("groups", app.groups)):
            values = given.get(user.id, ())
            claims |= {name: list(values)} if values else {}
        head = _b64(json.dumps({"typ": "JWT", "alg": "RS256", "kid": self._kid()}).encode())
        signed = f"{head}.{_b64(json.dumps(claims).encode())}"
        return f"{signed}.{_b64(self._signing_key().sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _is_same(known: str, given: str) -> bool:
    """Whether a redirect address is the one that is registered; on this machine any port will do."""
    one, other = urlsplit(known), urlsplit(given)
    if one.hostname in LOOPBACK and one.scheme == "http":
        return (one.scheme, one.hostname, one.path) == (other.scheme, other.hostname, other.path) and not other.query
    return known == given


def _is_proved(challenge: str, verifier: str) -> bool:
    if not challenge:
        return not verifier
    if challenge.startswith("plain "):
        return verifier == challenge.removeprefix("plain ")
    return _b64(hashlib.sha256(verifier.encode()).digest()) == challenge


def _back(asked: Mapping[str, str], told: Mapping[str, str]) -> Response:
    """Back to the application, in the query of its address."""
    state = {"state": asked["state"]} if "state" in asked else {}
    joint = "&" if urlsplit(asked["redirect_uri"]).query else "?"
    return Response(302, {"location": f"{asked['redirect_uri']}{joint}{urlencode({**told, **state})}"})


def _page(title: str, body: str, status: int = 200) -> Response:
    text = f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title><h1>{title}</h1>{body}</html>"
    return Response(status, {"content-type": "text/html; charset=utf-8", "cache-control": "no-store"}, text.encode())


def _number(value: int) -> str:
    return _b64(value.to_bytes((value.bit_length() + 7) // 8, "big"))


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
