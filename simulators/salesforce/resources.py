"""The resources below a version, and the way from a path to each. Composite subrequests take the same way."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, Final, Protocol
from urllib.parse import unquote, urlsplit

from simulators.http import Response
from simulators.salesforce.calls import Call, error_response
from simulators.salesforce.composite import Composite
from simulators.salesforce.errors import SalesforceError, method_not_allowed, not_found
from simulators.salesforce.jobs import Jobs
from simulators.salesforce.org import OLDEST_VERSION, Org
from simulators.salesforce.queries import Queries
from simulators.salesforce.record_collections import Collections
from simulators.salesforce.records import Records
from simulators.salesforce.replication import Replication
from simulators.salesforce.rows import RowResources
from simulators.salesforce.usage import Usage


class EventSchemas(Protocol):
    """The schemas of change events, which the event bus serves: each as (id, Avro schema in JSON)."""

    def of_event(self, name: str) -> tuple[str, str] | None:
        """By the name of a change event, such as EventChangeEvent."""

    def by_id(self, schema_id: str) -> tuple[str, str] | None:
        """By the id that events carry."""


_NAMES: Final = ("sobjects", "query", "queryAll", "composite", "limits", "jobs")
_SEASONS: Final = ("Spring", "Summer", "Winter")


class Resources:
    """Answers authenticated calls."""

    def __init__(self, records: Records, queries: Queries, replication: Replication, jobs: Jobs, usage: Usage) -> None:
        self._records = records
        self._queries = queries
        self._jobs = jobs
        self._usage = usage
        self._rows = RowResources(records, replication, records.clock.now())
        self._collections = Collections(records, self._rows)
        self._composite = Composite(records, self.dispatch)
        self.event_schemas: EventSchemas | None = None
        """Set when the org has an event bus."""

    def dispatch(self, call: Call) -> Response:
        """Answer a call by its path, refusals included. Composite subrequests come in here too."""
        override = call.request.query.get("_HttpMethod")
        if override and call.request.method == "POST":
            call = replace(call, request=replace(call.request, method=override.upper()))
        segments = [unquote(part) for part in urlsplit(call.request.target).path.split("/") if part]
        try:
            if segments[:2] != ["services", "data"] or len(segments) < 3:
                raise not_found()
            version_of(segments[2], self._records.org)
            return self._resource(call, segments[3:])
        except SalesforceError as error:
            return error_response(error)

    def _resource(self, call: Call, segments: list[str]) -> Response:
        match segments:
            case []:
                return Response.of_json(200, resource_list(call.version))
            case ["sobjects", name, "eventSchema"] if self.event_schemas is not None:
                return _schema_answer(call, self.event_schemas.of_event(name))
            case ["event", "eventSchema", schema_id] if self.event_schemas is not None:
                return _schema_answer(call, self.event_schemas.by_id(schema_id))
            case ["sobjects", *rest]:
                return self._rows.answer(call, rest)
            case ["query" | "queryAll" as name]:
                return self._queries.first_page(call, all_rows=name == "queryAll")
            case ["query" | "queryAll", locator]:
                return self._queries.next_page(call, locator)
            case ["jobs", *rest]:
                return self._jobs.answer(call, rest)
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


def versions(org: Org) -> list[dict[str, Any]]:
    """GET /services/data: oldest first."""
    newest = int(float(org.release))
    return [
        {"label": _label(number), "url": f"/services/data/v{number}.0", "version": f"{number}.0"}
        for number in range(OLDEST_VERSION, newest + 1)
    ]


def resource_list(version: str) -> dict[str, str]:
    """GET /services/data/vXX.X."""
    return {name: f"/services/data/v{version}/{name}" for name in _NAMES}


def _label(number: int) -> str:
    """A release's name: three a year, 31.0 being Summer '14."""
    count = number - 31 + 1
    year, season = 14 + count // 3, count % 3
    return f"{_SEASONS[season]} '{year + (season == 2):02d}"


def version_of(part: str, org: Org) -> str:
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


def _schema_answer(call: Call, found: tuple[str, str] | None) -> Response:
    """A schema of change events in the form that the Pub/Sub API gives it, with its id as `uuid`."""
    _need_get(call)
    if found is None:
        raise not_found()
    if call.request.query.get("payloadFormat", "").upper() != "COMPACT":
        raise SalesforceError(400, "INVALID_ARGUMENT", "payloadFormat: only COMPACT is offered by this service")
    schema_id, text = found
    return Response.of_json(200, {**json.loads(text), "uuid": schema_id})
