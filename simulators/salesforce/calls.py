"""One REST call on its way through the service: who calls, under which version, into which transaction it writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from simulators.http import Request, Response
from simulators.salesforce.changes import Actor, Transaction
from simulators.salesforce.errors import MultipleChoices, SalesforceError, error_body, json_parser_error
from simulators.salesforce.records import Records
from simulators.salesforce.schema import Schema
from simulators.salesforce.sessions import Session

UI_CLIENT: Final = "SfdcInternalAPI/"
"""What a save in Lightning Experience calls itself in the change origin."""
ORIGINS: Final = frozenset({"ui", "api", "bulk", "system"})


@dataclass(frozen=True)
class Call:
    """A call: `version` as in the path ("66.0"), `options` from Sforce-Call-Options, `schema` as its namespace sees it.

    `tx` is set inside a composite request that is all or none: the call then writes into it.
    """

    request: Request
    version: str
    session: Session
    actor: Actor
    schema: Schema
    zone: ZoneInfo
    options: Mapping[str, str]
    tx: Transaction | None = None
    is_subrequest: bool = False

    def object_body(self) -> dict[str, Any]:
        """The body as a JSON object. Raises SalesforceError (400, or 415 for another media type)."""
        body = self.json_body()
        if not isinstance(body, dict):
            raise json_parser_error("The HTTP entity body must be a JSON object")
        return body

    def json_body(self) -> Any:
        """The body as JSON. Raises SalesforceError."""
        media = self.request.header("content-type").split(";")[0].strip().lower()
        if media and not (media.endswith("json") or media == "*/*"):
            text = "The entity in the request is in a format that is not supported"
            raise SalesforceError(415, "UNSUPPORTED_MEDIA_TYPE", text)
        if not self.request.body:
            raise json_parser_error("The HTTP entity body is required, but this request has no entity body.")
        try:
            return json.loads(self.request.body)
        except ValueError as error:
            raise json_parser_error(str(error)) from None


def read_call_options(header: str) -> dict[str, str]:
    """`client=NAME, defaultNamespace=NS` as a dict."""
    pairs = (part.split("=", 1) for part in header.split(",") if "=" in part)
    return {name.strip(): value.strip() for name, value in pairs}


def change_origin(origin: str, version: str, release: str, client: str) -> str:
    """What a change event says about the API and the client that wrote."""
    if origin == "ui":
        return f"com/salesforce/api/soap/{release};client={UI_CLIENT}"
    if origin == "system":
        return ""
    api = "bulkapi" if origin == "bulk" else "rest"
    named = f";client={client}" if client else ""
    return f"com/salesforce/api/{api}/{version}{named}"


def zone_of(name: str | None) -> ZoneInfo:
    """A user's time zone; UTC when the name is unknown."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        return ZoneInfo("UTC")


@contextmanager
def writing(records: Records, call: Call) -> Iterator[Transaction]:
    """The transaction a call writes into: the composite's, undone to here on failure, or one of its own."""
    if call.tx is None:
        with records.begin(call.actor) as tx:
            yield tx
        return
    place = call.tx.savepoint()
    try:
        yield call.tx
    except (SalesforceError, MultipleChoices):
        call.tx.rollback_to(place)
        raise


def error_response(error: SalesforceError) -> Response:
    """The answer of a refused single call."""
    return Response.of_json(error.status, error_body(error))


def no_content() -> Response:
    """204 with an empty body."""
    return Response(204)
