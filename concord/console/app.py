"""The console as an ASGI application: every page, what they look like, and the shield around them."""

from __future__ import annotations

import mimetypes
import time
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.resources import files
from typing import Final
from urllib.parse import urlsplit

from sqlalchemy import Engine
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp

from concord.console import (
    conflicts,
    events,
    held,
    logs,
    mails,
    overview,
    platform,
    preflight,
    quarantine,
    settings,
    sign_in,
    users,
)
from concord.console import live as live_pages
from concord.console.accounts import Accounts
from concord.console.api.table import operations
from concord.console.desk import Desk
from concord.console.entra import Entra
from concord.console.live import Live
from concord.console.operations import ROOT, problem
from concord.console.pages import Page, Site, route
from concord.console.programs import Programs
from concord.console.rendering import rendered
from concord.console.sessions import Sessions, form_tokens
from concord.console.shield import Shield
from concord.console.store import Kept
from concord.console.throttle import Throttle

# Names under which a browser on this machine finds it.
LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")
# What pages look like changes only with the version.
STATIC_CACHE: Final = "public, max-age=3600"


# The modules that have pages.
PARTS: Final = (
    sign_in,
    overview,
    users,
    logs,
    events,
    held,
    conflicts,
    mails,
    settings,
    preflight,
    quarantine,
    platform,
    live_pages,
)


def pages() -> tuple[Page, ...]:
    """Every page. A new one is under the same guard, and under the same tests."""
    shown = tuple(page for part in PARTS for page in part.pages())
    return (*shown, *operations())


def console_app(
    desk: Desk,
    accounts: Accounts,
    programs: Programs,
    store: Engine,
    live: Live,
    *,
    url: str = "",
    entra: Entra | None = None,
    clock: Callable[[], float] = time.monotonic,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> ASGIApp:
    """The application. `url` is the https address that people open, "" for this machine alone; `entra`
    signs people in besides passwords."""
    flows = Kept(store, "flow")
    is_secure, known_as = url.startswith("https://"), urlsplit(url).hostname
    sessions, tokens = Sessions(store, lambda: now().timestamp()), form_tokens(store, now().timestamp())
    site = Site(desk, accounts, sessions, tokens, Throttle(clock), now, is_secure, programs, entra, flows, url, live)
    routes = [route(site, page) for page in pages()]
    inner = Starlette(
        routes=[*routes, *(_static(name) for name in STATIC)], exception_handlers={HTTPException: _not_there}
    )
    return Shield(inner, (*LOOPBACK, *([known_as] if known_as else [])), is_secure=is_secure)


STATIC: Final = ("console.css", "console.js", "htmx.min.js", "icon.svg")


def _static(name: str) -> Route:
    body = files("concord.console").joinpath("static", name).read_bytes()
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"

    async def answer(_: Request) -> Response:
        return Response(body, media_type=kind, headers={"cache-control": STATIC_CACHE})

    return Route(f"/static/{name}", answer, methods=["GET"])


async def _not_there(request: Request, error: Exception) -> Response:
    status = error.status_code if isinstance(error, HTTPException) else 500
    if request.url.path.startswith(f"{ROOT}/"):
        return problem(status, f"`{ROOT}/openapi.json` says what there is.")
    what = "There is no such page." if status == 404 else "This page does not take that."
    return Response(
        rendered("stopped.html", session=None, path="", token="", notice="", what=what, fix="", now=None),
        status_code=status, media_type="text/html",
    )  # fmt: skip
