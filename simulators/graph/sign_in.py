"""Sign-in: discovery documents, the token endpoint, what a bearer token of an application stands for."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from datetime import UTC
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from simulators.graph.assertion import AssertionRefused, check_assertion
from simulators.graph.call import Caller
from simulators.graph.errors import unauthenticated
from simulators.graph.ids import mint_guid
from simulators.graph.tenant import App
from simulators.graph.user_sign_in import Refused, UserSignIn
from simulators.graph.world import World
from simulators.http import Request, Response

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_UNCACHED: Final = {"cache-control": "no-store, no-cache", "pragma": "no-cache"}
_STATUS: Final = {"invalid_client": 401}
_KNOWN_RESOURCES: Final = frozenset({"https://graph.microsoft.com", "00000003-0000-0000-c000-000000000000"})


class SignIn:
    """Issues tokens and recognises them again."""

    def __init__(self, world: World, static_tokens: Mapping[str, str]) -> None:
        self._world = world
        self._static = dict(static_tokens)
        self._users = UserSignIn(world)
        self.tokens: dict[str, tuple[str, float]] = {}

    def expire_all(self) -> int:
        """End every token that was issued, as an administrator who revokes sessions does. Answers how many."""
        ended = len(self.tokens)
        self.tokens = {}
        return ended

    # --- recognising ------------------------------------------------------------------------------------------

    def caller(self, request: Request) -> Caller:
        """Who sends a Graph request. Raises GraphError InvalidAuthenticationToken."""
        scheme, _, token = request.header("authorization").partition(" ")
        token = token.strip()
        if not token:
            raise unauthenticated("Access token is empty.", "invalid_request")
        if scheme.lower() != "bearer":
            raise unauthenticated("The authentication scheme must be Bearer.")
        app = self._app_of(token)
        name = request.header("x-sim-client") or app.client_id
        return Caller(name, app)

    def _app_of(self, token: str) -> App:
        if token in self._static:
            client_id = self._static[token]
            return self._world.apps.get(client_id.lower()) or App(client_id=client_id, name=client_id)
        known = self.tokens.get(token)
        if known is None:
            raise unauthenticated("CompactToken parsing failed with error code: 80049217")
        client_id, expires = known
        if expires <= self._world.clock.now().timestamp():
            raise unauthenticated("Lifetime validation failed, the token is expired.")
        app = self._world.apps.get(client_id)
        if app is None or not app.enabled:
            raise unauthenticated("The application of this token is disabled or was removed.")
        return app

    # --- endpoints --------------------------------------------------------------------------------------------

    def handle(self, request: Request, segments: list[str]) -> Response:
        """A request outside the Graph version root."""
        tail = [segment.lower() for segment in segments[1:]]
        if segments[:1] == ["common"] and tail == ["discovery", "instance"]:
            return self._instance_discovery(request)
        if tail in (["v2.0", ".well-known", "openid-configuration"], [".well-known", "openid-configuration"]):
            return self._discovery(request, segments[0])
        if tail == ["discovery", "v2.0", "keys"]:
            return self._users.keys(request)
        if tail == ["oauth2", "v2.0", "authorize"] and self._world.tenant.is_named(segments[0]):
            return self._users.authorize(request)
        if tail in (["oauth2", "v2.0", "token"], ["oauth2", "token"]):
            if request.method != "POST":
                return self._error(
                    request, Refused("invalid_request", 900561, "The endpoint only accepts POST requests.")
                )
            try:
                return self._token(request, segments[0])
            except Refused as refused:
                return self._error(request, refused)
        return Response.of_json(404, {"error": {"code": "NotFound", "message": "There is nothing at this address."}})

    def _instance_discovery(self, request: Request) -> Response:
        asked = urlsplit(request.query.get("authorization_endpoint", ""))
        if asked.scheme != "https" or not asked.path.strip("/"):
            return self._error(request, Refused("invalid_request", 50049, "The authorization_endpoint is not valid."))
        tenant = asked.path.strip("/").split("/")[0]
        return Response.of_json(
            200,
            {
                "tenant_discovery_endpoint": f"{_https(request)}/{tenant}/v2.0/.well-known/openid-configuration",
                "api-version": "1.1",
                "metadata": [],
            },
        )

    def _discovery(self, request: Request, tenant: str) -> Response:
        if not self._world.tenant.is_named(tenant):
            return self._error(request, _unknown_tenant(tenant))
        own = f"{request.base_url}/{tenant}"
        return Response.of_json(
            200,
            {
                "token_endpoint": f"{own}/oauth2/v2.0/token",
                "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"],
                "jwks_uri": f"{own}/discovery/v2.0/keys",
                "response_modes_supported": ["query", "fragment", "form_post"],
                "subject_types_supported": ["pairwise"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "response_types_supported": ["code", "id_token", "code id_token", "id_token token"],
                "scopes_supported": ["openid", "profile", "email", "offline_access"],
                "issuer": f"{request.base_url}/{self._world.tenant.id}/v2.0",
                "authorization_endpoint": f"{own}/oauth2/v2.0/authorize",
                "tenant_region_scope": "OC",
                "cloud_instance_name": "microsoftonline.com",
                "msgraph_host": urlsplit(request.base_url).netloc,
            },
        )

    def _token(self, request: Request, tenant: str) -> Response:
        if not self._world.tenant.is_named(tenant):
            raise _unknown_tenant(tenant)
        form = {name: values[-1] for name, values in parse_qs(request.body.decode("utf-8", "replace")).items()}
        self._basic_credentials(request, form)
        for name in ("grant_type", "client_id"):
            if not form.get(name):
                raise Refused(
                    "invalid_request", 900144, f"The request body must contain the following parameter: '{name}'."
                )
        if form["grant_type"] not in ("client_credentials", "authorization_code"):
            raise Refused(
                "unsupported_grant_type", 70003, f"The app requested an unsupported grant type '{form['grant_type']}'."
            )
        app = self._world.apps.get(form["client_id"].lower())
        if app is None:
            text = f"Application '{form['client_id']}' was not found in the directory '{self._world.tenant.domain}'."
            raise Refused("unauthorized_client", 700016, text)
        if not app.enabled:
            raise Refused("unauthorized_client", 7000112, f"Application '{app.client_id}' is disabled.")
        if form["grant_type"] == "client_credentials":
            self._check_scope(request, form)
        self._check_credential(request, app, form, tenant)
        if form["grant_type"] == "authorization_code":
            return Response.of_json(200, self._users.redeem(request, app, form), _UNCACHED)
        return self._grant(app)

    def _basic_credentials(self, request: Request, form: dict[str, str]) -> None:
        """Client id and secret may also come as HTTP basic authentication."""
        scheme, _, value = request.header("authorization").partition(" ")
        if scheme.lower() != "basic":
            return
        try:
            name, _, secret = base64.b64decode(value).decode().partition(":")
        except ValueError:
            return
        form.setdefault("client_id", name)
        form.setdefault("client_secret", secret)

    def _check_scope(self, request: Request, form: dict[str, str]) -> None:
        scope = form.get("scope", "")
        if not scope and form.get("resource"):
            scope = f"{form['resource'].rstrip('/')}/.default"
        if not scope:
            raise Refused("invalid_request", 900144, "The request body must contain the following parameter: 'scope'.")
        if not scope.endswith("/.default") or " " in scope:
            raise Refused(
                "invalid_scope",
                1002012,
                f"The scope {scope} is not valid: client credentials need the resource with /.default appended.",
            )
        resource = scope.removesuffix("/.default").rstrip("/").lower()
        own = urlsplit(resource).netloc == urlsplit(request.base_url).netloc.lower()
        if resource not in _KNOWN_RESOURCES and not own:
            raise Refused(
                "invalid_resource", 500011, f"The resource principal named {resource} was not found in the tenant."
            )

    def _check_credential(self, request: Request, app: App, form: dict[str, str], tenant: str) -> None:
        if form.get("client_assertion"):
            if form.get("client_assertion_type") != ASSERTION_TYPE:
                raise Refused(
                    "invalid_request",
                    900144,
                    "The request body must contain the following parameter: 'client_assertion_type'.",
                )
            endpoint = f"{request.base_url}/{tenant}/oauth2/v2.0/token"
            try:
                check_assertion(form["client_assertion"], app, endpoint, self._world.clock.now())
            except AssertionRefused as refused:
                raise Refused("invalid_client", refused.number, str(refused)) from None
            return
        secret = form.get("client_secret")
        if not secret:
            raise Refused(
                "invalid_client",
                7000218,
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
            )
        if secret in app.expired_secrets:
            raise Refused("invalid_client", 7000222, "The provided client secret keys are expired.")
        if secret not in app.secrets:
            raise Refused(
                "invalid_client",
                7000215,
                "Invalid client secret provided: send the secret's value, not its id.",
            )

    def _grant(self, app: App) -> Response:
        now = self._world.clock.now().timestamp()
        lifetime = self._world.behaviour.token_lifetime_s
        self.tokens = {token: entry for token, entry in self.tokens.items() if entry[1] > now - 3600}
        claims = {
            "aud": "https://graph.microsoft.com",
            "iss": f"https://sts.windows.net/{self._world.tenant.id}/",
            "iat": int(now),
            "nbf": int(now),
            "exp": int(now) + lifetime,
            "appid": app.client_id,
            "app_displayname": app.name,
            "roles": sorted(app.roles),
            "tid": self._world.tenant.id,
            "ver": "1.0",
            "uti": mint_guid(self._world.rng),
        }
        signature = base64.urlsafe_b64encode(self._world.rng.getrandbits(512).to_bytes(64, "big")).decode().rstrip("=")
        token = ".".join((_b64({"typ": "JWT", "alg": "RS256", "kid": "simulator"}), _b64(claims), signature))
        self.tokens[token] = (app.client_id.lower(), now + lifetime)
        body = {"token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token}
        return Response.of_json(200, body, _UNCACHED)

    def _error(self, request: Request, refused: Refused) -> Response:
        trace = mint_guid(self._world.rng)
        correlation = request.header("client-request-id") or mint_guid(self._world.rng)
        stamp = self._world.clock.now().astimezone(UTC).replace(tzinfo=None).isoformat(" ", "seconds") + "Z"
        text = (
            f"AADSTS{refused.number}: {refused.text} Trace ID: {trace} Correlation ID: {correlation} Timestamp: {stamp}"
        )
        return Response.of_json(
            _STATUS.get(refused.error, 400),
            {
                "error": refused.error,
                "error_description": text,
                "error_codes": [refused.number],
                "timestamp": stamp,
                "trace_id": trace,
                "correlation_id": correlation,
                "error_uri": f"{request.base_url}/error?code={refused.number}",
            },
        )


def _unknown_tenant(tenant: str) -> Refused:
    return Refused(
        "invalid_request",
        90002,
        f"Tenant '{tenant}' not found: check the tenant id and the cloud.",
    )


def _https(request: Request) -> str:
    """The service's address as sign-in libraries want it: they refuse plain http."""
    return (
        request.base_url.replace("http://", "https://", 1)
        if request.base_url.startswith("http://")
        else request.base_url
    )


def _b64(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value, separators=(",", ":")).encode()).decode().rstrip("=")
