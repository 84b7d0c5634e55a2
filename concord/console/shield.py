"""Around every answer: which host is asked for, how much may be sent, and what a browser may do with a page. ASGI."""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from concord.console.operations import ROOT, problem

# Bytes. A page of users is the largest form, some ten kilobytes.
BODY_MAX: Final = 500_000

# No inline script or style, nothing from elsewhere, in nobody's frame.
POLICY: Final = "; ".join(
    (
        "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'", "font-src 'none'",
        "connect-src 'self'", "form-action 'self'", "frame-ancestors 'none'", "base-uri 'none'", "object-src 'none'",
    )
)  # fmt: skip
HEADERS: Final = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), geolocation=(), microphone=(), payment=()",
}
# Told to browsers that reach the console over TLS: do not try without for a year.
TRANSPORT: Final = "max-age=31536000"


class TooLarge(Exception):
    """More was sent than any form holds."""


class Shield:
    """The outermost layer. `hosts` are the names it answers to, which keeps other names for this address out."""

    def __init__(self, app: ASGIApp, hosts: Collection[str], *, is_secure: bool) -> None:
        self._app = app
        self._hosts = frozenset(host.casefold() for host in hosts)
        self._is_secure = is_secure

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return await self._app(scope, receive, send)
        headers = Headers(scope=scope)

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                found = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    found[name] = value
                if "cache-control" not in found:
                    found["cache-control"] = "no-store"
                if self._is_secure:
                    found["strict-transport-security"] = TRANSPORT
            await send(message)

        refusal = self._refusal(headers, scope["path"])
        if refusal is not None:
            return await refusal(scope, receive, send_with_headers)
        left = BODY_MAX

        async def receive_within() -> Message:
            nonlocal left
            message = await receive()
            left -= len(message.get("body", b""))
            if left < 0:
                raise TooLarge
            return message

        return await self._app(scope, receive_within, send_with_headers)

    def _refusal(self, headers: Headers, path: str) -> Response | None:
        if host_of(headers.get("host", "")) not in self._hosts:
            return PlainTextResponse("The console does not answer to this name: see CONCORD_CONSOLE_URL.\n", 421)
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length[:20]) > BODY_MAX:
            what = "That is more than any form of the console holds."
            return problem(413, what) if path.startswith(ROOT) else PlainTextResponse(f"{what}\n", 413)
        return None


def host_of(header: str) -> str:
    """The host of a Host header without its port, "" when it is none."""
    try:
        return (urlsplit(f"//{header}").hostname or "").casefold()
    except ValueError:
        return ""


def is_same_origin(headers: Headers) -> bool:
    """Whether a form was sent from a page of ours, as far as the browser says."""
    if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        return False
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc.casefold() == headers.get("host", "").casefold()
