"""The OAuth endpoints: token, revoke, userinfo and the identity URL."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from cryptography.x509 import load_pem_x509_certificate

from simulators.http import Request, Response
from simulators.salesforce.org import Access, ConnectedApp, Org
from simulators.salesforce.sessions import Session, Sessions
from simulators.salesforce.store import Row, Store

JWT_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
AUDIENCES: Final = frozenset({"https://login.salesforce.com", "https://test.salesforce.com"})
JWT_LIFETIME_MAX_S: Final = 300
"""Furthest a JWT's `exp` may lie ahead, in seconds."""
_SHARED_HOSTS: Final = frozenset({"login.salesforce.com", "test.salesforce.com"})
_SCOPE: Final = "api"


class OAuthError(Exception):
    """A refusal of the token endpoint."""

    def __init__(self, error: str, description: str, status: int = 400) -> None:
        super().__init__(f"{error}: {description}")
        self.error = error
        self.description = description
        self.status = status

    def response(self) -> Response:
        """The answer."""
        return Response.of_json(self.status, {"error": self.error, "error_description": self.description})


class OAuth:
    """Issues tokens to registered applications."""

    def __init__(self, org: Org, access: Access, store: Store, sessions: Sessions, now: Callable[[], datetime]) -> None:
        self._org = org
        self.access = access
        self._store = store
        self._sessions = sessions
        self._now = now
        self._grants: dict[str, Callable[[Request, Mapping[str, str]], dict[str, Any]]] = {
            "client_credentials": self._client_credentials,
            JWT_GRANT: self._jwt_bearer,
            "password": self._password,
        }

    @property
    def session_s(self) -> int:
        """Lifetime of a token in seconds."""
        return self.access.session_s

    def token(self, request: Request) -> Response:
        """POST /services/oauth2/token."""
        if request.method != "POST":
            return OAuthError("invalid_request", "must use HTTP POST").response()
        form = _form_of(request)
        grant = form.get("grant_type", "")
        try:
            if not grant:
                raise OAuthError("invalid_request", "missing required parameter: grant_type")
            if grant not in self._grants:
                raise OAuthError("unsupported_grant_type", "grant type not supported")
            return Response.of_json(200, self._grants[grant](request, form), {"cache-control": "no-cache, no-store"})
        except OAuthError as error:
            return error.response()

    def revoke(self, request: Request) -> Response:
        """GET or POST /services/oauth2/revoke."""
        token = _form_of(request).get("token") or request.query.get("token", "")
        if not self._sessions.revoke(token):
            return OAuthError("invalid_token", "invalid token").response()
        return Response(200)

    def identity(self, request: Request, session: Session, version: str) -> Response:
        """GET /id/{org}/{user}."""
        user = self._store.live("User", session.user_id) or {}
        base = request.base_url
        rest = f"{base}/services/data/v{{version}}/"
        urls = {
            "rest": rest,
            "sobjects": f"{rest}sobjects/",
            "query": f"{rest}query/",
            "partner": f"{base}/services/Soap/u/{{version}}/{self._org.id}",
            "profile": f"{base}/{session.user_id}",
        }
        if request.query.get("version"):
            wanted = version if request.query["version"] == "latest" else request.query["version"]
            urls = {name: url.replace("{version}", wanted) for name, url in urls.items()}
        body = {
            "id": self._identity_url(request, session.user_id),
            "asserted_user": True,
            "user_id": session.user_id,
            "organization_id": self._org.id,
            "username": user.get("Username"),
            "display_name": user.get("Name"),
            "nick_name": user.get("CommunityNickname"),
            "email": user.get("Email"),
            "email_verified": True,
            "first_name": user.get("FirstName"),
            "last_name": user.get("LastName"),
            "timezone": user.get("TimeZoneSidKey"),
            "active": user.get("IsActive"),
            "user_type": "STANDARD",
            "language": user.get("LanguageLocaleKey"),
            "locale": user.get("LocaleSidKey"),
            "urls": urls,
            "last_modified_date": user.get("LastModifiedDate"),
        }
        return Response.of_json(200, body)

    def userinfo(self, request: Request, session: Session) -> Response:
        """GET or POST /services/oauth2/userinfo."""
        user = self._store.live("User", session.user_id) or {}
        body = {
            "sub": self._identity_url(request, session.user_id),
            "user_id": session.user_id,
            "organization_id": self._org.id,
            "preferred_username": user.get("Username"),
            "nickname": user.get("CommunityNickname"),
            "name": user.get("Name"),
            "email": user.get("Email"),
            "email_verified": True,
            "given_name": user.get("FirstName"),
            "family_name": user.get("LastName"),
            "zoneinfo": user.get("TimeZoneSidKey"),
            "locale": user.get("LocaleSidKey"),
            "active": user.get("IsActive"),
        }
        return Response.of_json(200, body)

    def password_login(self, username: str, password: str) -> Session:
        """A session for a username and password (security token appended). Raises OAuthError."""
        expected = self.access.passwords.get(username)
        if expected is None or not hmac.compare_digest(expected.encode(), password.encode()):
            raise OAuthError("invalid_grant", "authentication failure")
        return self._issue(self._active_user(username), "")

    def issue_for(self, user_id: str) -> Session:
        """A session for a user, without a login."""
        until = self._now() + timedelta(seconds=self.access.session_s)
        return self._sessions.issue(user_id, "", until)

    def _client_credentials(self, request: Request, form: Mapping[str, str]) -> dict[str, Any]:
        if urlsplit(request.base_url).hostname in _SHARED_HOSTS:
            raise OAuthError("invalid_grant", "request not supported on this domain")
        app = self._app_with_secret(request, form)
        if app.execution_user is None:
            raise OAuthError("invalid_grant", "no client credentials user enabled")
        session = self._issue(self._active_user(app.execution_user), app.consumer_key)
        return {**self._signed(request, session, app), "api_instance_url": request.base_url}

    def _password(self, request: Request, form: Mapping[str, str]) -> dict[str, Any]:
        app = self._app_with_secret(request, form)
        session = self.password_login(form.get("username", ""), form.get("password", ""))
        return self._signed(request, session, app)

    def _jwt_bearer(self, request: Request, form: Mapping[str, str]) -> dict[str, Any]:
        claims, app = self._verified(form.get("assertion", ""))
        audience = str(claims.get("aud", "")).rstrip("/")
        if audience not in AUDIENCES | {request.base_url.rstrip("/")}:
            raise OAuthError("invalid_grant", "Audience validation failed")
        try:
            # Clients send seconds as a number or as text; both are taken.
            expires = float(claims.get("exp", ""))
        except (TypeError, ValueError):
            raise OAuthError("invalid_grant", "invalid assertion") from None
        ahead = expires - self._now().timestamp()
        if not 0 < ahead <= JWT_LIFETIME_MAX_S:
            raise OAuthError("invalid_grant", "expired authorization code" if ahead <= 0 else "invalid assertion")
        username = str(claims.get("sub") or claims.get("prn") or "")
        user = self._active_user(username)
        if app.authorised_users is not None and username not in app.authorised_users:
            raise OAuthError("invalid_grant", "user hasn't approved this consumer")
        return self._answer(request, self._issue(user, app.consumer_key))

    def _verified(self, assertion: str) -> tuple[dict[str, Any], ConnectedApp]:
        """The claims of a JWT and the application whose key signed it."""
        try:
            head, payload, signature = assertion.split(".")
            header, claims = (json.loads(_from_base64url(part)) for part in (head, payload))
            raw_signature = _from_base64url(signature)
        except (ValueError, binascii.Error):
            raise OAuthError("invalid_grant", "invalid assertion") from None
        if not isinstance(claims, dict) or not isinstance(header, dict) or header.get("alg") != "RS256":
            raise OAuthError("invalid_grant", "invalid assertion")
        app = self._app(str(claims.get("iss", "")))
        for pem in app.public_keys:
            try:
                _public_key(pem).verify(raw_signature, f"{head}.{payload}".encode(), padding.PKCS1v15(), SHA256())
            except InvalidSignature:
                continue
            return claims, app
        raise OAuthError("invalid_grant", "invalid assertion")

    def _app(self, consumer_key: str) -> ConnectedApp:
        for app in self.access.apps:
            if app.consumer_key == consumer_key:
                return app
        raise OAuthError("invalid_client_id", "client identifier invalid")

    def _app_with_secret(self, request: Request, form: Mapping[str, str]) -> ConnectedApp:
        key, secret = form.get("client_id", ""), form.get("client_secret", "")
        scheme, _, credentials = request.header("authorization").partition(" ")
        if scheme.lower() == "basic":
            try:
                key, _, secret = base64.b64decode(credentials).decode().partition(":")
            except (binascii.Error, UnicodeDecodeError):
                raise OAuthError("invalid_client", "invalid client credentials") from None
        app = self._app(key)
        if not app.consumer_secret or not hmac.compare_digest(app.consumer_secret.encode(), secret.encode()):
            raise OAuthError("invalid_client", "invalid client credentials")
        return app

    def _active_user(self, username: str) -> Row:
        for user in self._store.find("User", "Username", username):
            if not user["IsActive"]:
                raise OAuthError("inactive_user", "user is inactive")
            return user
        raise OAuthError("invalid_grant", "user hasn't approved this consumer")

    def _issue(self, user: Row, app: str) -> Session:
        until = self._now() + timedelta(seconds=self.access.session_s)
        return self._sessions.issue(user["Id"], app, until)

    def _identity_url(self, request: Request, user_id: str) -> str:
        return f"{request.base_url}/id/{self._org.id}/{user_id}"

    def _answer(self, request: Request, session: Session) -> dict[str, Any]:
        return {
            "access_token": session.token,
            "scope": _SCOPE,
            "instance_url": request.base_url,
            "id": self._identity_url(request, session.user_id),
            "token_type": "Bearer",
        }

    def _signed(self, request: Request, session: Session, app: ConnectedApp) -> dict[str, Any]:
        """The answer with a signature over identity URL and time, keyed by the consumer secret."""
        answer = self._answer(request, session)
        issued_at = str(int(self._now().timestamp() * 1000))
        signed = f"{answer['id']}{issued_at}".encode()
        signature = hmac.new(app.consumer_secret.encode(), signed, hashlib.sha256).digest()
        return {**answer, "signature": base64.b64encode(signature).decode(), "issued_at": issued_at}


def _form_of(request: Request) -> dict[str, str]:
    try:
        return dict(parse_qsl(request.body.decode(), keep_blank_values=True))
    except UnicodeDecodeError:
        return {}


def _from_base64url(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _public_key(pem: str) -> rsa.RSAPublicKey:
    raw = pem.encode()
    key = load_pem_x509_certificate(raw).public_key() if b"CERTIFICATE" in raw else load_pem_public_key(raw)
    if not isinstance(key, rsa.RSAPublicKey):
        raise TypeError("a connected app's key must be RSA")
    return key
