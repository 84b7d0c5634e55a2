"""The REST API's front: who calls, through what, and how many calls that makes."""

from __future__ import annotations

from dataclasses import replace

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
from simulators.salesforce.errors import SalesforceError
from simulators.salesforce.records import Records
from simulators.salesforce.resources import Resources, version_of, versions
from simulators.salesforce.seeding import Seeding
from simulators.salesforce.sessions import Session, Sessions
from simulators.salesforce.usage import Usage


class Rest:
    """Everything under /services/data."""

    def __init__(
        self, records: Records, seeding: Seeding, sessions: Sessions, usage: Usage, resources: Resources
    ) -> None:
        self._records = records
        self._seeding = seeding
        self._sessions = sessions
        self._usage = usage
        self._resources = resources

    def answer(self, request: Request, segments: list[str]) -> Response:
        """Answer a path below /services/data; `segments` is the whole path in its parts."""
        if len(segments) == 2:
            return Response.of_json(200, versions(self._records.org))
        now = self._records.clock.now()
        try:
            call = self._call(request, self.session_of(request), version_of(segments[2], self._records.org))
            self._usage.count(now)
            response = self._resources.dispatch(call)
        except SalesforceError as error:
            response = error_response(error)
        return response.with_headers({**response.headers, "sforce-limit-info": self._usage.header(now)})

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
