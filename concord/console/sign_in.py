"""Signing in and out."""

from __future__ import annotations

import json
import math
import secrets
from typing import Final

import structlog
from starlette.responses import RedirectResponse, Response

from concord.cli_output import plural
from concord.console.accounts import NAME, PASSWORD_MAX, Role
from concord.console.entra import NoRole, SignInRefused
from concord.console.pages import SIGN_IN, Page, Site, Visit
from concord.console.sessions import digest, proof_of

log: Final = structlog.get_logger(__name__)

ENTRA: Final = "/sign-in/entra"
BACK: Final = "/sign-in/entra/back"
# How long somebody may take at Microsoft, in seconds; and how many may be on their way.
FLOW_S: Final = 600.0
FLOWS_MAX: Final = 10_000
WRONG: Final = "This name and password do not belong together."


def form(visit: Visit) -> Response:
    """The sign-in page; whoever is signed in already goes on."""
    return visit.go("/") if visit.session is not None else _form(visit)


def _form(visit: Visit, *, status: int = 200, problem: str = "") -> Response:
    new = "" if visit.cookie else secrets.token_urlsafe(32)
    visit.cookie = visit.cookie or new
    response = visit.show("sign_in.html", status=status, problem=problem, has_entra=visit.site.entra is not None)
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
    return _signed_in(visit, site.sessions.begin(account.name, account.role, proof=proof_of(account)))


def with_microsoft(visit: Visit) -> Response:
    """Go to Entra; what comes back is bound to this browser."""
    entra = visit.site.entra
    if entra is None:
        return _form(visit, status=404, problem="Signing in with Microsoft is not set up.")
    new = "" if visit.cookie else secrets.token_urlsafe(32)
    cookie, now = visit.cookie or new, visit.site.now().timestamp()
    try:
        flow = entra.begin(_back_at(visit))
    except SignInRefused as refused:
        log.warning("sign-in by Entra cannot begin", why=refused.what)
        return _form(visit, status=503, problem=f"{refused.what} {refused.fix}")
    visit.site.flows.make_room(now, FLOWS_MAX)
    visit.site.flows.put(digest(cookie), json.dumps(flow), now + FLOW_S)
    response = RedirectResponse(flow["auth_uri"], status_code=303)
    if new:
        _set(visit.site, response, visit.site.visit_cookie, new)
    return response


def back_from_microsoft(visit: Visit) -> Response:
    """Somebody comes back from Entra: a session begins, or it is said why not."""
    site, entra = visit.site, visit.site.entra
    held = site.flows.take(digest(visit.cookie), site.now().timestamp()) if visit.cookie else None
    if entra is None or held is None:
        return _form(visit, status=400, problem="This sign-in was not begun in this browser, or took too long.")
    try:
        who = entra.finish(json.loads(held), dict(visit.query.pairs))
    except SignInRefused as refused:
        log.warning("sign-in by Entra refused", why=type(refused).__name__, address=visit.address)
        status = 403 if isinstance(refused, NoRole) else 401
        return _form(visit, status=status, problem=f"{refused.what} {refused.fix}")
    log.info("signed in", name=who.name, role=who.role.word, address=visit.address, by="Entra")
    return _signed_in(visit, site.sessions.begin(who.name, who.role, user_id=who.user_id))


def _back_at(visit: Visit) -> str:
    """The address that Entra sends the browser back to: where it is now."""
    return (visit.site.url or f"http://{visit.host}") + BACK


def _signed_in(visit: Visit, token: str) -> Response:
    site, response = visit.site, RedirectResponse("/", status_code=303)
    _set(site, response, site.session_cookie, token)
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
        Page(ENTRA, with_microsoft, None),
        Page(BACK, back_from_microsoft, None),
        Page("/sign-out", sign_out, Role.VIEWER, "POST"),
    )
