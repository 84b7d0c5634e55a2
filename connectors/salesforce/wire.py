"""Requests to Salesforce and what its answers mean: pure, sends nothing.

Every request that the connector can make is built here, and `read` is the only place that knows which status and
errorCode means what. Paths are below `/services/data/vXX.X`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

from connectors.exchange import Call, Exchange, Reply
from schemas.errors import AuthRejected, Gone, Refused, ResyncNeeded, ServiceError, Stale, Throttled, Unavailable

# Requests inside a composite one name their version; the client puts its own in its place.
API_PREFIX: Final = "/services/data/v66.0"
COMPOSITE: Final = "/composite"

COLLECTION_MAX: Final = 200  # records in one collections call, Salesforce's limit
COMPOSITE_MAX: Final = 25  # requests in one composite call, Salesforce's limit
COSTLY_MAX: Final = 5  # of them queries or collections, Salesforce's limit
MESSAGE_LENGTH_MAX: Final = 500  # characters of the service's own words that we keep

# A URI may have 16,384 bytes. An id in an IN list takes 27 of them once encoded.
IDS_MAX: Final = 400
LIST_BYTES_MAX: Final = 10_000

# Begins a reference to an earlier answer wherever it stands in a composite request, users' texts included.
_REFERENCE: Final = "@{"

# Seconds to wait: Salesforce names none. The daily limit frees up slowly, a row lock lasts one transaction.
_WAITS_S: Final[dict[str, float]] = {
    "REQUEST_LIMIT_EXCEEDED": 60.0,
    "UNABLE_TO_LOCK_ROW": 0.5,
    "SERVER_UNAVAILABLE": 5.0,
    "REQUEST_RUNNING_TOO_LONG": 5.0,
    "TOO_MANY_APEX_REQUESTS": 5.0,
    "QUERY_TIMEOUT": 5.0,
    # Undone because something beside it failed.
    "PROCESSING_HALTED": 0.5,
    "ALL_OR_NONE_OPERATION_ROLLED_BACK": 0.5,
}
_LOCKED: Final = "UNABLE_TO_LOCK_ROW"  # also inside the message when a trigger met the lock
_GONE: Final = frozenset({"ENTITY_IS_DELETED", "NOT_FOUND"})
_AUTH: Final = frozenset({
    "INVALID_SESSION_ID", "API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED", "UNSUPPORTED_API_VERSION",
})  # fmt: skip
# A field or object that the org lacks or hides from us: no fault of the record.
_HIDDEN: Final = frozenset({"INVALID_FIELD", "INVALID_TYPE"})
UNDONE: Final = frozenset({"PROCESSING_HALTED", "ALL_OR_NONE_OPERATION_ROLLED_BACK"})
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


def update(sobject: str, records: Sequence[Mapping[str, Any]], *, all_or_none: bool = False) -> Call:
    """Change up to 200 records (each with `id`), each for itself or all or none."""
    return Call("PATCH", "/composite/sobjects", body=_collection(sobject, records) | {"allOrNone": all_or_none})


def delete(ids: Sequence[str], *, all_or_none: bool = False) -> Call:
    """Delete up to 200 records, each for itself or all or none."""
    assert len(ids) <= COLLECTION_MAX
    return Call("DELETE", "/composite/sobjects", {"ids": ",".join(ids), "allOrNone": str(all_or_none).lower()})


def change(
    sobject: str, record_id: str, members: Mapping[str, Any], *, unmodified_since: datetime | None = None
) -> Call:
    """Change one record, unless it was modified after a time (whole seconds)."""
    headers = {}
    if unmodified_since is not None:
        headers["If-Unmodified-Since"] = format_datetime(unmodified_since.astimezone(UTC), usegmt=True)
    return Call("PATCH", f"/sobjects/{sobject}/{record_id}", headers=headers, body=dict(members))


def deleted(sobject: str, start: datetime, end: datetime) -> Call:
    """The deletion log of a window; Salesforce drops the seconds."""
    return Call("GET", f"/sobjects/{sobject}/deleted/", {"start": _iso(start), "end": _iso(end)})


def get(sobject: str, record_id: str, fields: Sequence[str]) -> Call:
    """One record."""
    return Call("GET", f"/sobjects/{sobject}/{record_id}", {"fields": ",".join(fields)})


def describe(sobject: str) -> Call:
    """What an object is made of."""
    return Call("GET", f"/sobjects/{sobject}/describe")


def composite(calls: Sequence[Call], *, all_or_none: bool = False) -> Call:
    """Several requests in one, carried out in order, each for itself or all or none. None may hold users' texts."""
    assert len(calls) <= COMPOSITE_MAX
    requests = []
    for number, call in enumerate(calls):
        url = call.path if call.path.startswith(API_PREFIX) else API_PREFIX + call.path
        url += f"?{urlencode(call.params, quote_via=quote)}" if call.params else ""
        request: dict[str, Any] = {"method": call.method, "url": url, "referenceId": f"r{number}"}
        request |= {"httpHeaders": dict(call.headers)} if call.headers else {}
        requests.append(request if call.body is None else request | {"body": call.body})
    return Call("POST", COMPOSITE, body={"allOrNone": all_or_none, "compositeRequest": requests})


def read_composite(reply: Reply, count: int) -> list[Reply]:
    """The answers in a composite answer, in order. Raises when the call as a whole failed."""
    answer = read(reply)
    results = answer.get("compositeResponse") if isinstance(answer, dict) else None
    if not isinstance(results, list) or len(results) != count:
        raise Unavailable("Salesforce answered a composite call with something else.", status=reply.status)
    return [Reply(int(result["httpStatusCode"]), value=result["body"]) for result in results]


def together(calls: Sequence[Call]) -> Exchange[list[Reply]]:
    """One answer to each request, in order, in as few calls as Salesforce's limits allow."""
    replies: list[Reply] = []
    for some in _groups(calls):
        if len(some) == 1:
            replies.append((yield some[0]))
        else:
            replies += read_composite((yield composite(some)), len(some))
    return replies


def _groups(calls: Sequence[Call]) -> list[list[Call]]:
    groups: list[list[Call]] = []
    costly = 0
    for call in calls:
        is_costly = "/query" in call.path or call.path.startswith("/composite/sobjects")
        is_full = not groups or len(groups[-1]) == COMPOSITE_MAX or costly + is_costly > COSTLY_MAX
        if is_full or _has_reference(call) or _has_reference(groups[-1][-1]):
            groups.append([])
            costly = 0
        groups[-1].append(call)
        costly += is_costly
    return groups


def _has_reference(call: Call) -> bool:
    return _REFERENCE in json.dumps([dict(call.params), call.body], ensure_ascii=False)


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


def asks_to_wait(reply: Reply) -> bool:
    """Whether an answer refuses a call for now: too many of them, or a lock."""
    if reply.status < 400:
        return False
    try:
        read(reply)
    except ServiceError as error:
        return isinstance(error, Throttled)
    return False


def error_of(code: str, message: str, status: int = 400) -> ServiceError:
    """The error that a code of Salesforce stands for; `status` is that of the call, 400 for one item of several."""
    words = message[:MESSAGE_LENGTH_MAX] or f"Salesforce answered {code or status}."
    code = _LOCKED if _LOCKED in message else code
    if code in _WAITS_S:
        # One code for two limits: that on requests at one moment passes quickly.
        wait_s = _WAITS_S["SERVER_UNAVAILABLE"] if "ConcurrentRequests" in message else _WAITS_S[code]
        return Throttled(words, wait_s, code=code, status=status)
    if code in _AUTH or status == 401:
        return AuthRejected(words, "Check the connected app and its execution user.", code=code, status=status)
    if code in _HIDDEN:
        fix = "Check the names of the org's fields, and what the execution user may see."
        return AuthRejected(words, fix, code=code, status=status)
    if code == "INVALID_QUERY_LOCATOR":
        return ResyncNeeded(words, code=code, status=status)
    if status == 412:
        return Stale(words, code=code, status=status)
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


def errors_in(reply: Reply) -> list[ServiceError]:
    """Every error in the answer to a write of one record or of a collection."""
    try:
        answer = read(reply)
    except ServiceError as error:
        return [error]
    return [saved.error for saved in read_saved(reply) if saved.error] if isinstance(answer, list) else []


def rows_of(query: str, *, everything: bool = False) -> Exchange[list[dict[str, Any]]]:
    """All rows of a query, page after page."""
    return (yield from all_rows((yield soql(query, everything=everything))))


def all_rows(reply: Reply) -> Exchange[list[dict[str, Any]]]:
    """The rows of a query's first answer and of the pages behind it."""
    page = read(reply)
    rows = list(page["records"])
    while not page["done"]:
        page = read((yield next_page(page["nextRecordsUrl"])))
        rows += page["records"]
    return rows


def rows_of_each(queries: Sequence[Call]) -> Exchange[list[list[dict[str, Any]]]]:
    """All rows of each query."""
    replies = yield from together(queries)
    return (yield from rows_behind(replies))


def rows_behind(replies: Sequence[Reply]) -> Exchange[list[list[dict[str, Any]]]]:
    """All rows of the queries that these are the first answers to."""
    found: list[list[dict[str, Any]]] = [[] for _ in replies]
    for rows, reply in zip(found, replies, strict=True):
        rows += yield from all_rows(reply)
    return found


def in_list(values: Iterable[str]) -> str:
    """Values as the list of a SOQL IN."""
    return "(" + ",".join(quoted(value) for value in values) + ")"


def chunks(values: Sequence[Any], size: int = COLLECTION_MAX) -> list[Sequence[Any]]:
    """Values in runs of at most `size`."""
    return [values[start : start + size] for start in range(0, len(values), size)]


def text_chunks(values: Iterable[str]) -> list[list[str]]:
    """Texts in runs whose IN list fits into a URI."""
    runs: list[list[str]] = []
    room = 0
    for value in values:
        size = len(quote(quoted(value), safe="")) + 3
        if not runs or size > room or len(runs[-1]) == IDS_MAX:
            runs.append([])
            room = LIST_BYTES_MAX
        runs[-1].append(value)
        room -= size
    return runs
