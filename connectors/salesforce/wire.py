"""Requests to Salesforce and what its answers mean: pure, sends nothing.

Every request that the connector can make is built here, and `read` is the only place that knows which status and
errorCode means what. Paths are below `/services/data/vXX.X`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from connectors.exchange import Call, Exchange, Reply
from schemas.errors import AuthRejected, Gone, Refused, ResyncNeeded, ServiceError, Throttled, Unavailable

COLLECTION_MAX: Final = 200  # records in one collections call, Salesforce's limit
MESSAGE_LENGTH_MAX: Final = 500  # characters of the service's own words that we keep

# Seconds to wait: Salesforce names none. The daily limit frees up slowly, a row lock lasts one transaction.
_WAITS_S: Final[dict[str, float]] = {
    "REQUEST_LIMIT_EXCEEDED": 60.0,
    "UNABLE_TO_LOCK_ROW": 0.5,
    "SERVER_UNAVAILABLE": 5.0,
    "REQUEST_RUNNING_TOO_LONG": 5.0,
    "TOO_MANY_APEX_REQUESTS": 5.0,
    "QUERY_TIMEOUT": 5.0,
}
_GONE: Final = frozenset({"ENTITY_IS_DELETED", "NOT_FOUND"})
_AUTH: Final = frozenset({"INVALID_SESSION_ID", "API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED"})
DUPLICATES: Final = frozenset({"DUPLICATE_VALUE", "DUPLICATE_EXTERNAL_ID"})


@dataclass(frozen=True)
class Saved:
    """One item of a collections answer: the id, or the error that stands in its place."""

    id: str
    error: ServiceError | None = None


def soql(query: str, *, everything: bool = False) -> Call:
    """A SOQL query; `everything` includes deleted and archived rows."""
    return Call("GET", "/queryAll" if everything else "/query", {"q": query})


def next_page(link: str) -> Call:
    """The page behind a nextRecordsUrl, an absolute path on the same host."""
    return Call("GET", link)


def insert(sobject: str, records: Sequence[Mapping[str, Any]]) -> Call:
    """Create up to 200 records, each for itself."""
    return Call("POST", "/composite/sobjects", body=_collection(sobject, records))


def update(sobject: str, records: Sequence[Mapping[str, Any]]) -> Call:
    """Change up to 200 records (each with `id`), each for itself."""
    return Call("PATCH", "/composite/sobjects", body=_collection(sobject, records))


def delete(ids: Sequence[str]) -> Call:
    """Delete up to 200 records, each for itself."""
    assert len(ids) <= COLLECTION_MAX
    return Call("DELETE", "/composite/sobjects", {"ids": ",".join(ids), "allOrNone": "false"})


def deleted(sobject: str, start: datetime, end: datetime) -> Call:
    """The deletion log of a window; Salesforce drops the seconds."""
    return Call("GET", f"/sobjects/{sobject}/deleted/", {"start": _iso(start), "end": _iso(end)})


def get(sobject: str, record_id: str, fields: Sequence[str]) -> Call:
    """One record."""
    return Call("GET", f"/sobjects/{sobject}/{record_id}", {"fields": ",".join(fields)})


def describe(sobject: str) -> Call:
    """What an object is made of."""
    return Call("GET", f"/sobjects/{sobject}/describe")


def _collection(sobject: str, records: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    assert len(records) <= COLLECTION_MAX
    return {"allOrNone": False, "records": [{"attributes": {"type": sobject}, **record} for record in records]}


def quoted(value: str) -> str:
    """A text as a SOQL literal."""
    escaped = value.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n").replace("\r", "\\r")
    return f"'{escaped}'"


def instant(moment: datetime) -> str:
    """A moment as a SOQL dateTime literal and as a field value."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def read(reply: Reply) -> Any:
    """The answer's JSON ({} when there is none). Raises the error that the status and code stand for."""
    if 200 <= reply.status < 300:
        return reply.json()
    if reply.status == 304:
        return {}
    try:
        body = reply.json()
    except Unavailable:
        raise Unavailable(f"Salesforce answered {reply.status} without JSON.", status=reply.status) from None
    first = body[0] if isinstance(body, list) and body and isinstance(body[0], dict) else {}
    error = error_of(str(first.get("errorCode", "")), str(first.get("message", "")), reply.status)
    raise error


def error_of(code: str, message: str, status: int = 400) -> ServiceError:
    """The error that a code of Salesforce stands for."""
    words = message[:MESSAGE_LENGTH_MAX] or f"Salesforce answered {status}."
    if code in _WAITS_S:
        return Throttled(words, _WAITS_S[code], code=code, status=status)
    if code in _AUTH or status == 401:
        return AuthRejected(words, "Check the connected app and its execution user.", code=code, status=status)
    if code == "INVALID_QUERY_LOCATOR":
        return ResyncNeeded(words, code=code, status=status)
    if status >= 500 or status in {408, 420}:
        return Unavailable(words, was_sent=status != 503, code=code, status=status)
    if code in _GONE or status == 404:
        return Gone(words, code=code or "NOT_FOUND", status=status)
    return Refused(words, code=code or str(status), status=status)


def read_saved(reply: Reply) -> tuple[Saved, ...]:
    """The items of a collections answer, in order. Raises when the call as a whole failed."""
    rows = read(reply)
    if not isinstance(rows, list):
        raise Unavailable("Salesforce answered a collections call with something else.", status=reply.status)
    saved = []
    for row in rows:
        if row.get("success"):
            saved.append(Saved(str(row.get("id", ""))))
            continue
        first = (row.get("errors") or [{}])[0]
        error = error_of(str(first.get("statusCode", "UNKNOWN")), str(first.get("message", "")))
        saved.append(Saved(str(row.get("id") or ""), error))
    return tuple(saved)


def rows_of(query: str, *, everything: bool = False) -> Exchange[list[dict[str, Any]]]:
    """All rows of a query, page after page."""
    page = read((yield soql(query, everything=everything)))
    rows = list(page["records"])
    while not page["done"]:
        page = read((yield next_page(page["nextRecordsUrl"])))
        rows += page["records"]
    return rows


def in_list(values: Iterable[str]) -> str:
    """Values as the list of a SOQL IN."""
    return "(" + ",".join(quoted(value) for value in values) + ")"


def chunks(values: Sequence[Any], size: int = COLLECTION_MAX) -> list[Sequence[Any]]:
    """Values in runs of at most `size`."""
    return [values[start : start + size] for start in range(0, len(values), size)]
