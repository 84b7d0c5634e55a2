"""Access tokens for Microsoft Graph, by msal with a client secret. Live: blocks in a thread, never on the loop.

Nothing here logs or repeats a token or the secret; errors carry Entra's error number, not its text.
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
    7000218: "Set the client secret.",
    700016: "Check the application id and that the application is in this tenant.",
    7000112: "Enable the application in Entra.",
    90002: "Check the tenant id.",
    500011: "Check that the tenant has Microsoft Graph.",
}


@dataclass(frozen=True)
class GraphConnection:
    """How to reach Graph and who we are.

    `base_url` includes the version (`.../v1.0`); `authority` is without the tenant. `ca_bundle` replaces the usual
    certificate authorities. `timeout_s` is the longest wait for one answer. `in_flight_per_mailbox`: Graph throttles
    an application at the fifth request that runs at one mailbox.
    """

    base_url: str
    authority: str
    tenant: str
    client_id: str
    client_secret: SecretStr
    ca_bundle: Path | None = None
    timeout_s: float = 30.0
    in_flight_per_mailbox: int = 4

    def verify(self) -> ssl.SSLContext | bool:
        """What httpx checks certificates against. Raises OSError when the bundle cannot be read."""
        return True if self.ca_bundle is None else ssl.create_default_context(cafile=str(self.ca_bundle))


class TokenSource:
    """One valid token at a time, fetched when needed. One fetch runs at a time, whoever waits for it."""

    def __init__(self, connection: GraphConnection, *, transport: httpx.BaseTransport | None = None) -> None:
        self._connection = connection
        # msal is given our own client: its own would take its CA bundle from environment variables and wait for ever.
        self._http = httpx.Client(verify=connection.verify(), timeout=connection.timeout_s, transport=transport)
        self._application: Any = None
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
        """Forget a token that Graph rejected, and msal's cache with it. A newer token stays."""
        if token == self._token:
            self._token = ""
            self._application = None

    def close(self) -> None:
        """Close the connections to the authority."""
        self._http.close()

    def _acquire(self) -> dict[str, Any]:
        try:
            if self._application is None:
                connection = self._connection
                self._application = msal.ConfidentialClientApplication(
                    connection.client_id,
                    client_credential=connection.client_secret.get_secret_value(),
                    authority=f"{connection.authority.rstrip('/')}/{connection.tenant}",
                    # The administrator named the authority; asking Microsoft whether it is one would fail elsewhere.
                    instance_discovery=False,
                    http_client=self._http,
                )
            result = self._application.acquire_token_for_client(scopes=SCOPES)
        except httpx.HTTPError as error:
            raise Unavailable(f"Cannot reach the token authority ({type(error).__name__}).", was_sent=False) from error
        except ValueError as error:
            raise AuthRejected(
                "The token authority does not know this tenant, or is not an https address.",
                "Check the authority and the tenant id.",
            ) from error
        except (RuntimeError, msal.exceptions.MsalError) as error:
            raise Unavailable("The token authority does not answer as it should.", was_sent=False) from error
        if isinstance(result, dict) and isinstance(result.get("access_token"), str):
            return result
        raise _token_error(result if isinstance(result, dict) else {})


def _token_error(result: dict[str, Any]) -> AuthRejected | Unavailable:
    """What a token answer without a token means. Decided by the error word and number, never by the text."""
    word, codes = str(result.get("error") or "unknown"), result.get("error_codes")
    numbers = [code for code in codes if isinstance(code, int)] if isinstance(codes, list) else []
    name = f"AADSTS{numbers[0]}" if numbers else word
    if word not in _PERMANENT or _TRANSIENT_NUMBERS & set(numbers):
        return Unavailable(f"The token authority gives no token for now ({name}).", was_sent=False, code=name)
    fix = next((_FIXES[number] for number in numbers if number in _FIXES), "Check tenant, application id and secret.")
    return AuthRejected(f"Entra refused a token ({name}).", fix, code=name, status=401)
