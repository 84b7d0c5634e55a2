"""What a page is: a path, who may ask for it, and a function that answers. One guard stands before all of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import structlog
from pydantic import BaseModel
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from concord.connecting import BrokerUnreachable
from concord.console.accounts import Accounts, Role
from concord.console.desk import Desk
from concord.console.entra import Entra
from concord.console.forms import BadForm, Form, read_form, read_query
from concord.console.last_check import LastCheck
from concord.console.operations import (
    TOKEN_HEADER,
    BadRequest,
    Operation,
    problem,
    read_asked,
    read_body,
    refused,
)  # fmt: skip
from concord.console.programs import Programs
from concord.console.rendering import rendered
from concord.console.sessions import FormTokens, Session, Sessions, proof_of
from concord.console.shield import TooLarge, is_same_origin
from concord.console.store import Kept
from concord.console.throttle import Throttle
from concord.observing import stack_places
from schemas.errors import ConcordError

if TYPE_CHECKING:
    from concord.console.live import Live

log: Final = structlog.get_logger(__name__)

M = TypeVar("M", bound=BaseModel)

SIGN_IN: Final = "/sign-in"
TOKEN_FIELD: Final = "token"
# Sent by htmx when a part of a page renews itself.
RENEWAL: Final = "hx-request"


@dataclass
class Site:
    """What every page shares. `now` is the time of day, aware."""

    desk: Desk
    accounts: Accounts
    sessions: Sessions
    tokens: FormTokens
    throttle: Throttle
    now: Callable[[], datetime]
    is_secure: bool
    programs: Programs
    entra: Entra | None
    flows: Kept
    url: str
    """The address that people open, "" when it is that of this machine."""
    live: Live
    last_check: LastCheck = field(default_factory=LastCheck)

    @property
    def session_cookie(self) -> str:
        """Name of the cookie of who is signed in. Over TLS the browser itself keeps others from setting it."""
        return "__Host-concord" if self.is_secure else "concord"

    @property
    def visit_cookie(self) -> str:
        """Name of the cookie of who looks at the sign-in page."""
        return self.session_cookie + "-visit"


@dataclass
class Visit:
    """One request that may be answered: to what, by whom, with what."""

    site: Site
    page: Page
    session: Session | None
    cookie: str
    address: str
    path: str
    parts: dict[str, str]
    host: str
    """The name and port that the browser asked for; one of those that the shield lets through."""
    query: Form
    form: Form = field(default_factory=Form)
    is_renewal: bool = False
    """Whether it renews what is shown already: no sign of life, and no notice is used up by it."""
    is_program: bool = False
    """Whether it came with an access token instead of a session."""
    asked: BaseModel | None = None
    """The parameters of an operation."""
    sent: BaseModel | None = None
    """The body of an operation."""

    @property
    def who(self) -> Session:
        """Who is signed in, on a page that asks for it."""
        assert self.session is not None, "the guard lets nobody else through"
        return self.session

    @property
    def desk(self) -> Desk:
        """What pages ask."""
        return self.site.desk

    def asks(self, shape: type[M]) -> M:
        """The parameters of an operation that declares them in this shape."""
        assert isinstance(self.asked, shape), "the guard has read them"
        return self.asked

    def takes(self, shape: type[M]) -> M:
        """The body of an operation that declares it in this shape."""
        assert isinstance(self.sent, shape), "the guard has read it"
        return self.sent

    def show(self, template: str, *, status: int = 200, **values: Any) -> Response:
        """The page, with what every page shows."""
        notice = ""
        if self.session is not None and not self.is_renewal:
            notice, self.session.notice = self.session.notice, ""
        return Response(
            rendered(
                template,
                session=self.session,
                path=self.page.path,
                token=self.site.tokens.of(self.cookie),
                notice=notice,
                is_live=self.page.is_live,
                now=self.site.now(),
                **values,
            ),
            status_code=status,
            media_type="text/html",
        )

    def go(self, path: str, notice: str = "") -> Response:
        """Go on to another page, which shows the notice."""
        if self.session is not None and notice:
            self.session.notice = notice
        return RedirectResponse(path, status_code=303)


Answer = Callable[[Visit], Response]


@dataclass(frozen=True)
class Page:
    """One path and method. `needs` None: nobody has to sign in. `is_part`: renews itself, which is no sign of life.
    `is_live`: what it shows is put in its place anew when anything changed. `api`: answers JSON, to browsers
    and to programs."""

    path: str
    answer: Answer
    needs: Role | None
    method: str = "GET"
    is_part: bool = False
    is_live: bool = False
    api: Operation | None = None


def route(site: Site, page: Page) -> Route:
    """The page behind its guard."""

    async def endpoint(request: Request) -> Response:
        try:
            visit = await run_in_threadpool(_visit, site, page, request)
        except ConcordError as error:
            log.error("nobody can be let in", why=error.what)
            if page.api is not None:
                return problem(503, "Nobody can be let in just now: the log of the console says why.")
            return PlainTextResponse("Nobody can be let in just now: the log of the console says why.\n", 503)
        try:
            response = _refusal(visit, request) or await _answer(visit, request)
            if visit.session is not None and not visit.is_program:
                await run_in_threadpool(site.sessions.save, visit.cookie, visit.session)
            return response
        except BadForm:
            return _stop(visit, 400, "This is no form of the console.", "Go back and try again.")
        except TooLarge:
            return _stop(visit, 413, "That is more than any form of the console holds.", "")
        except ClientDisconnect:
            return Response(status_code=400)
        except BadRequest as bad:
            return problem(bad.status, bad.detail, bad.problems)
        except ConcordError as error:
            status = 503 if isinstance(error, BrokerUnreachable) else 409
            return refused(error, status) if page.api is not None else _stop(visit, status, error.what, error.fix)
        except Exception as error:  # noqa: BLE001  # its text may hold what is in records: name and place only
            log.error("a page failed", page=page.path, error=type(error).__name__, places=stack_places(error))
            what = "This is a fault in Concord, not in what you did."
            return _stop(visit, 500, what, "The log of the console says where.")

    return Route(page.path, endpoint, methods=[page.method])


async def _answer(visit: Visit, request: Request) -> Response:
    """The page's own answer. Raises BadForm and TooLarge."""
    visit.query = read_query(request.url.query.encode())
    if visit.page.api is not None:
        return await _operate(visit, visit.page.api, request)
    if visit.page.method == "POST":
        visit.form = read_form(await request.body(), request.headers.get("content-type", ""))
        if not _is_ours(visit, request):
            what = "This form was not made for you, or is too old."
            return _stop(visit, 403, what, "Go back, load the page anew, then try again.")
    return await run_in_threadpool(visit.page.answer, visit)


async def _operate(visit: Visit, told: Operation, request: Request) -> Response:
    """The answer of an operation. Raises BadRequest, BadForm and TooLarge."""
    body = await request.body()
    if visit.page.method != "GET" and not visit.is_program and not _is_ours(visit, request):
        return _stop(visit, 403, f"Send the session's own token in {TOKEN_HEADER}, from a page of the console.", "")
    visit.asked = read_asked(told, visit.query)
    visit.sent = read_body(told, body, request.headers.get("content-type", ""))
    return await run_in_threadpool(visit.page.answer, visit)


def _visit(site: Site, page: Page, request: Request) -> Visit:
    address = request.client.host if request.client is not None else ""
    where = (address, request.url.path, dict(request.path_params), request.headers.get("host", ""))
    scheme, _, bearer = request.headers.get("authorization", "").partition(" ")
    if page.api is not None and scheme:
        session = site.programs.session_of(bearer.strip()) if scheme.casefold() == "bearer" else None
        return Visit(site, page, session, "", *where, Form(), is_program=True)
    token = request.cookies.get(site.session_cookie, "")
    is_renewal = page.is_part or (page.method == "GET" and RENEWAL in request.headers)
    session = _session(site, token, is_sign_of_life=not is_renewal)
    cookie = token if session is not None else request.cookies.get(site.visit_cookie, "")
    return Visit(site, page, session, cookie, *where, Form(), is_renewal=is_renewal)


def _session(site: Site, token: str, *, is_sign_of_life: bool) -> Session | None:
    """Who holds this token, as long as the account is there and has the password that was signed in with."""
    session = site.sessions.of(token, is_sign_of_life=is_sign_of_life)
    if session is None or session.user_id:
        return session
    account = site.accounts.all().get(session.name)
    if account is None or proof_of(account) != session.proof:
        site.sessions.end(token)
        return None
    session.role = account.role
    return session


def _refusal(visit: Visit, request: Request) -> Response | None:
    needs = visit.page.needs
    if needs is None:
        return None
    if visit.session is None and visit.page.api is not None:
        return _stop(visit, 401, "Sign in, or send `Authorization: Bearer` with a token that counts.", "")
    if visit.session is None:
        if visit.page.is_part and RENEWAL in request.headers:
            return Response(status_code=401, headers={"hx-redirect": SIGN_IN})
        if visit.page.method == "GET":
            return RedirectResponse(SIGN_IN, status_code=303)
        return _stop(visit, 401, "You are not signed in any more.", "Nothing was changed. Sign in, then try again.")
    if visit.session.role < needs:
        return _stop(visit, 403, f"This needs the role {needs.word}; yours is {visit.session.role.word}.", "")
    return None


def _is_ours(visit: Visit, request: Request) -> bool:
    given = request.headers.get(TOKEN_HEADER, "") if visit.page.api is not None else visit.form.one(TOKEN_FIELD)
    return is_same_origin(request.headers) and visit.site.tokens.is_right(visit.cookie, given)


def _stop(visit: Visit, status: int, what: str, fix: str) -> Response:
    if visit.page.api is not None:
        return problem(status, " ".join(filter(None, (what, fix))))
    return visit.show("stopped.html", status=status, what=what, fix=fix)
