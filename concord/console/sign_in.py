"""Signing in and out."""

from __future__ import annotations

import math
import secrets
from typing import Final

import structlog
from starlette.responses import RedirectResponse, Response

from concord.cli_output import plural
from concord.console.accounts import NAME, PASSWORD_MAX, Role
from concord.console.pages import SIGN_IN, Page, Site, Visit
from concord.console.sessions import proof_of

log: Final = structlog.get_logger(__name__)

WRONG: Final = "This name and password do not belong together."


def form(visit: Visit) -> Response:
    """The sign-in page; whoever is signed in already goes on."""
    return visit.go("/") if visit.session is not None else _form(visit)


def _form(visit: Visit, *, status: int = 200, problem: str = "") -> Response:
    new = "" if visit.cookie else secrets.token_urlsafe(32)
    visit.cookie = visit.cookie or new
    response = visit.show("sign_in.html", status=status, problem=problem)
    if new:
        _set(visit.site, response, visit.site.visit_cookie, new)
    return response


def sign_in(visit: Visit) -> Response:
    """Check the password; a right one begins a new session, whatever cookie came along."""
    site, name, password = visit.site, visit.form.one("name").casefold(), visit.form.one("password")
    if NAME.fullmatch(name) is None or not password or len(password) > PASSWORD_MAX:
        return _form(visit, status=401, problem=WRONG)
    keys = (f"name {name}", f"address {visit.address}")
    wait_s = site.throttle.begin(*keys)
    if wait_s > 0:
        words = plural(math.ceil(wait_s), "second")
        response = _form(visit, status=429, problem=f"Too many tries. Try again in {words}.")
        response.headers["retry-after"] = str(math.ceil(wait_s))
        return response
    account = site.accounts.check(name, password)
    if account is None:
        log.warning("sign-in refused", address=visit.address)
        return _form(visit, status=401, problem=WRONG)
    site.throttle.succeed(*keys)
    log.info("signed in", name=account.name, role=account.role.word, address=visit.address)
    response = RedirectResponse("/", status_code=303)
    _set(site, response, site.session_cookie, site.sessions.begin(account.name, account.role, proof=proof_of(account)))
    response.delete_cookie(site.visit_cookie, path="/", secure=site.is_secure, httponly=True, samesite="lax")
    return response


def sign_out(visit: Visit) -> Response:
    """End the session, here and in the browser."""
    site = visit.site
    site.sessions.end(visit.cookie)
    log.info("signed out", name=visit.who.name)
    response = RedirectResponse(SIGN_IN, status_code=303)
    response.delete_cookie(site.session_cookie, path="/", secure=site.is_secure, httponly=True, samesite="lax")
    return response


def _set(site: Site, response: Response, name: str, value: str) -> None:
    response.set_cookie(name, value, path="/", secure=site.is_secure, httponly=True, samesite="lax")


def pages() -> tuple[Page, ...]:
    """The pages of this module."""
    return (
        Page(SIGN_IN, form, None),
        Page(SIGN_IN, sign_in, None, "POST"),
        Page("/sign-out", sign_out, Role.VIEWER, "POST"),
    )
