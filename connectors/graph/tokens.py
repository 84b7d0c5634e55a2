"""Access tokens for Microsoft Graph, by msal. Live: blocks in a thread, never on the loop.

Nothing here logs or repeats a token or a credential; errors carry Entra's error number, not its text.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx
import msal
from pydantic import SecretStr

from connectors.graph.credentials import Credential
from connectors.patience import Patience
from schemas.errors import AuthRejected, Unavailable

SCOPES: Final = ["https://graph.microsoft.com/.default"]

# Seconds before its end at which a token is no longer used: msal's own margin.
MARGIN_S: Final = 300.0

# Entra's error words that a repeat does not cure. Everything else (throttled, transient) is tried again.
_PERMANENT: Final = frozenset({
    "invalid_client", "unauthorized_client", "invalid_request", "invalid_scope", "invalid_resource", "invalid_grant",
    "access_denied", "consent_required",
})  # fmt: skip
_TRANSIENT_NUMBERS: Final = frozenset({90024, 90055, 90090})
_FIXES: Final = {
    7000215: "Use the client secret's value, not its id.",
    7000222: "The client secret has expired: make a new one.",
    7000218: "Set a client secret, a certificate or a federated token.",
    700027: "Upload the certificate to the application's registration, or use the key that belongs to it.",
    700024: "Check the clock of this machine, and that the token file is replaced before its token ends.",
    700023: "Check the authority and the tenant id.",
    700021: "Check the application id.",
    700211: "Register a federated credential with the issuer that the token names.",
    700212: "Register the audience that the token names, or ask for api://AzureADTokenExchange.",
    700213: "Register a federated credential with the subject that the token names.",
    70021: "Register a federated credential with the issuer, subject and audience that the token names.",
    700016: "Check the application id and that the application is in this tenant.",
    7000112: "Enable the application in Entra.",
    90002: "Check the tenant id.",
    500011: "Check that the tenant has Microsoft Graph.",
}


@dataclass(frozen=True)
class GraphConnection:
    """How to reach Graph and who we are.

    `base_url` includes the version (`.../v1.0`); `authority` is without the tenant. `ca_bundle` replaces the usual
    certificate authorities. `proxy` is the URL of an HTTP proxy, perhaps with a password in it; what the environment
    says of proxies has no say. `timeout_s` is the longest wait for one answer. `in_flight_per_mailbox`: Graph
    throttles an application at the fifth request that runs at one mailbox.
    """

    base_url: str
    authority: str
    tenant: str
    client_id: str
    credential: Credential
    ca_bundle: Path | None = None
    proxy: SecretStr | None = None
    timeout_s: float = 30.0
    in_flight_per_mailbox: int = 4

    def verify(self) -> ssl.SSLContext | bool:
        """What httpx checks certificates against. Raises OSError when the bundle cannot be read."""
        return True if self.ca_bundle is None else ssl.create_default_context(cafile=str(self.ca_bundle))

    def through(self) -> str | None:
        """The proxy as httpx wants it."""
        return self.proxy.get_secret_value() if self.proxy is not None else None


class HttpForMsal(httpx.Client):
    """msal passes an assertion as bytes, of which httpx would send the Python notation."""

    def post(self, url: Any, *, data: Any = None, **options: Any) -> httpx.Response:
        """POST a form."""
        fields = {name: value.decode() if isinstance(value, bytes) else value for name, value in (data or {}).items()}
        return super().post(url, data=fields, **options)


class TokenSource:
    """One valid token at a time, fetched when needed. One fetch runs at a time, whoever waits for it."""

    def __init__(self, connection: GraphConnection, *, transport: httpx.BaseTransport | None = None) -> None:
        self._connection = connection
        # msal is given our own client: its own would take its CA bundle from environment variables and wait for ever.
        self._http = HttpForMsal(
            verify=connection.verify(), timeout=connection.timeout_s, transport=transport, proxy=connection.through(),
            trust_env=False,
        )  # fmt: skip
        self._patience = Patience("Microsoft Entra")
        self._token = ""
        self._usable_until = 0.0
        self._fetching = asyncio.Lock()

    async def token(self) -> str:
        """A token that is good for some minutes. Raises AuthRejected or Unavailable(was_sent=False)."""
        async with self._fetching:
            if not self._token or time.monotonic() >= self._usable_until:
                result = await asyncio.to_thread(self._acquire)
                self._token = str(result["access_token"])
                self._usable_until = time.monotonic() + float(result.get("expires_in", 0)) - MARGIN_S
            return self._token

    def discard(self, token: str) -> None:
        """Forget a token that Graph rejected. A newer token stays."""
        if token == self._token:
            self._token = ""

    def close(self) -> None:
        """Close the connections to the authority."""
        self._http.close()

    def _acquire(self) -> dict[str, Any]:
        """Ask once, with the credential as it is on disk now, unless just that was refused a short while ago."""
        credential, text = self._connection.credential, ""
        try:
            text = credential.read()
        except AuthRejected as refusal:
            self._patience.refused("", refusal)
            raise
        self._patience.check(text)
        try:
            result = self._ask(text)
        except AuthRejected as refusal:
            self._patience.refused(text, refusal)
            raise
        self._patience.accepted()
        return result

    def _ask(self, text: str) -> dict[str, Any]:
        connection = self._connection
        try:
            # Made anew each time: it would keep tokens, refusals and the credential that it began with.
            application: Any = msal.ConfidentialClientApplication(
                connection.client_id,
                client_credential=connection.credential.for_msal(text),
                authority=f"{connection.authority.rstrip('/')}/{connection.tenant}",
                # The administrator named the authority; asking Microsoft whether it is one would fail elsewhere.
                instance_discovery=False,
                http_client=self._http,
            )
            result = application.acquire_token_for_client(scopes=SCOPES)
        except httpx.HTTPError as error:
            trouble: AuthRejected | Unavailable = Unavailable(
                f"Cannot reach the token authority ({type(error).__name__}).", was_sent=False
            )
        except ValueError:
            trouble = AuthRejected(
                "The token authority does not know this tenant, or is not an https address.",
                "Check the authority and the tenant id.",
            )
        except (RuntimeError, msal.exceptions.MsalError):
            trouble = Unavailable("The token authority does not answer as it should.", was_sent=False)
        else:
            if isinstance(result, dict) and isinstance(result.get("access_token"), str):
                return result
            trouble = _token_error(result if isinstance(result, dict) else {})
        raise trouble  # out here, so that it does not carry the frames of the request along: its credential


def _token_error(result: dict[str, Any]) -> AuthRejected | Unavailable:
    """What a token answer without a token means. Decided by the error word and number, never by the text."""
    word, codes = str(result.get("error") or "unknown"), result.get("error_codes")
    numbers = [code for code in codes if isinstance(code, int)] if isinstance(codes, list) else []
    name = f"AADSTS{numbers[0]}" if numbers else word
    if word not in _PERMANENT or _TRANSIENT_NUMBERS & set(numbers):
        return Unavailable(f"The token authority gives no token for now ({name}).", was_sent=False, code=name)
    fix = next(
        (_FIXES[number] for number in numbers if number in _FIXES), "Check tenant, application id and credential."
    )
    return AuthRejected(f"Entra refused a token ({name}).", fix, code=name, status=401)
