"""The REST API: authentication, counting, versions, and the way from a path to its resource."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from simulators.http import Request, Response
from simulators.salesforce.calls import (
    ORIGINS,
    Call,
    change_origin,
    error_response,
    read_call_options,
    zone_of,
)
from simulators.salesforce.changes import Actor
from simulators.salesforce.composite import Composite
from simulators.salesforce.errors import SalesforceError, method_not_allowed, not_found
from simulators.salesforce.org import OLDEST_VERSION, Org
from simulators.salesforce.queries import Queries
from simulators.salesforce.record_collections import Collections
from simulators.salesforce.records import Records
from simulators.salesforce.replication import Replication
from simulators.salesforce.rows import RowResources
from simulators.salesforce.seeding import Seeding
from simulators.salesforce.sessions import Session, Sessions
from simulators.salesforce.usage import Usage

_RESOURCES: Final = ("sobjects", "query", "queryAll", "composite", "limits", "jobs")
_SEASONS: Final = ("Spring", "Summer", "Winter")


class Rest:
    """Everything under /services/data."""

    def __init__(
        self,
        records: Records,
        seeding: Seeding,
        sessions: Sessions,
        usage: Usage,
        queries: Queries,
        replication: Replication,
    ) -> None:
        self._records = records
        self._seeding = seeding
        self._sessions = sessions
        self._usage = usage
        self._queries = queries
        self._rows = RowResources(records, replication, records.clock.now())
        self._collections = Collections(records, self._rows)
        self._composite = Composite(records, self.dispatch)

    def answer(self, request: Request, segments: list[str]) -> Response:
        """Answer a path below /services/data; `segments` is the whole path in its parts."""
        if len(segments) == 2:
            return Response.of_json(200, versions(self._records.org))
        now = self._records.clock.now()
        try:
            call = self._call(request, self.session_of(request), _version(segments[2], self._records.org))
            self._usage.count(now)
            response = self.dispatch(call)
        except SalesforceError as error:
            response = error_response(error)
        return replace(response, headers={**response.headers, "sforce-limit-info": self._usage.header(now)})

    def session_of(self, request: Request) -> Session:
        """The session of a request's token. Raises SalesforceError (401)."""
        scheme, _, token = request.header("authorization").partition(" ")
        session = None
        if scheme.lower() in {"bearer", "oauth"}:
            session = self._sessions.find(token.strip(), self._records.clock.now())
        if session is None:
            raise SalesforceError(401, "INVALID_SESSION_ID", "Session expired or invalid")
        user = self._records.store.live("User", session.user_id)
        if user is None or not user["IsActive"]:
            raise SalesforceError(401, "INVALID_SESSION_ID", "Session expired or invalid")
        return session

    def dispatch(self, call: Call) -> Response:
        """Answer a call by its path, refusals included. Composite subrequests come in here too."""
        override = call.request.query.get("_HttpMethod")
        if override and call.request.method == "POST":
            call = replace(call, request=replace(call.request, method=override.upper()))
        segments = [unquote(part) for part in urlsplit(call.request.target).path.split("/") if part]
        try:
            if segments[:2] != ["services", "data"] or len(segments) < 3:
                raise not_found()
            _version(segments[2], self._records.org)
            return self._resource(call, segments[3:])
        except SalesforceError as error:
            return error_response(error)

    def _resource(self, call: Call, segments: list[str]) -> Response:
        match segments:
            case []:
                return Response.of_json(200, resources(call.version))
            case ["sobjects", *rest]:
                return self._rows.answer(call, rest)
            case ["query" | "queryAll" as name]:
                return self._queries.first_page(call, all_rows=name == "queryAll")
            case ["query" | "queryAll", locator]:
                return self._queries.next_page(call, locator)
            case ["composite", "sobjects", *rest]:
                return self._collections.answer(call, rest)
            case ["composite", *rest]:
                return self._composite_resource(call, rest)
            case ["limits"]:
                _need_get(call)
                stale = self._records.behaviour.limits_stale_s
                return Response.of_json(200, self._usage.limits(self._records.clock.now(), stale))
        raise not_found()

    def _composite_resource(self, call: Call, rest: list[str]) -> Response:
        if call.is_subrequest:
            raise SalesforceError(400, "INVALID_INPUT", "A composite request cannot be nested in another one")
        match rest:
            case [] if call.request.method == "GET":
                base = f"/services/data/v{call.version}/composite"
                return Response.of_json(200, {name: f"{base}/{name}" for name in ("batch", "sobjects", "graph")})
            case []:
                return self._composite.answer(call)
            case ["graph"]:
                return self._composite.answer_graph(call)
            case ["batch"]:
                return self._composite.answer_batch(call)
        raise not_found()

    def _call(self, request: Request, session: Session, version: str) -> Call:
        options = read_call_options(request.header("sforce-call-options"))
        method = request.method.upper()
        named = request.header("x-sim-user")
        user_id = self._seeding.user_id(named) if named else session.user_id
        origin = request.header("x-sim-origin", "api").lower()
        if origin not in ORIGINS:
            raise SalesforceError(400, "INVALID_HEADER", f"X-Sim-Origin must be one of {', '.join(sorted(ORIGINS))}")
        client = options.get("client", "")
        if "/composite" in request.raw_path and not self._records.behaviour.collections_name_client:
            client = ""
        actor = Actor(user_id, origin, change_origin(origin, version, self._records.org.release, client))
        user = self._records.store.live("User", user_id) or {}
        return Call(
            request=replace(request, method="GET" if method == "HEAD" else method),
            version=version,
            session=session,
            actor=actor,
            schema=self._records.schema.under(options.get("defaultNamespace", "")),
            zone=zone_of(user.get("TimeZoneSidKey")),
            options=options,
        )


def versions(org: Org) -> list[dict[str, Any]]:
    """GET /services/data: oldest first."""
    newest = int(float(org.release))
    return [
        {"label": _label(number), "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
        for number in range(OLDEST_VERSION, newest + 1)
    ]


def resources(version: str) -> dict[str, str]:
    """GET /services/data/vXX.X."""
    return {name: f"/services/data/v{version}/{name}" for name in _RESOURCES}


def _label(number: int) -> str:
    """A release's name: three a year, 31.0 being Summer '14."""
    count = number - 31 + 1
    year, season = 14 + count // 3, count % 3
    return f"{_SEASONS[season]} '{year + (season == 2):02d}"


def _version(part: str, org: Org) -> str:
    """The version of a path segment such as v66.0. Raises SalesforceError: 404 when newer, 410 when retired."""
    digits, _, minor = part.removeprefix("v").partition(".")
    if not part.startswith("v") or not digits.isdigit() or minor != "0" or int(digits) > float(org.release):
        raise not_found()
    if int(digits) < OLDEST_VERSION:
        text = f"API version {digits}.0 is no longer supported"
        raise SalesforceError(410, "UNSUPPORTED_API_VERSION", text)
    return f"{digits}.0"


def _need_get(call: Call) -> None:
    if call.request.method != "GET":
        raise method_not_allowed(call.request.method, ["GET"])
