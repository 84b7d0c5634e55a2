"""Requests to Microsoft Graph and what its answers mean: pure, sends nothing.

Every request that the connector can make is built here, and `read` is the only place that knows which status and
code means what. It branches on codes, never on messages.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import quote, urlencode, urlsplit

from connectors.exchange import Call, Reply
from schemas.errors import AuthRejected, Gone, Refused, ResyncNeeded, ServiceError, Stale, Throttled, Unavailable

# The extended property that carries our pair key on an event. The GUID is ours and must never change: events that
# carry it under another name would no longer be recognised.
PAIR_TAG: Final = "String {6f3d4a52-0c1e-4b7a-9a55-3f1d2c9be401} Name ConcordPairKey"

BATCH_MAX: Final = 20  # requests in one $batch, Graph's limit
USERS_PAGE: Final = 999  # users a page, Graph's limit
ROOMS_PAGE: Final = 100
VIEW_PAGE: Final = 250

# Seconds to wait when a throttled answer names no time. Exchange's own figures are 5 to 10.
WAIT_DEFAULT_S: Final = 10.0
MESSAGE_LENGTH_MAX: Final = 500  # characters of the service's own words that we keep

_UTC: Final = 'outlook.timezone="UTC"'
_TEXT: Final = 'outlook.body-content-type="text"'
_HTML: Final = 'outlook.body-content-type="html"'
_AS_TEXT: Final = {"prefer": f"{_UTC}, {_TEXT}"}
_AS_HTML: Final = {"prefer": f"{_UTC}, {_HTML}"}
_TAG_EXPANDED: Final = f"singleValueExtendedProperties($filter=id eq '{PAIR_TAG}')"

_RESYNC_CODES: Final = frozenset({"syncstatenotfound", "syncstateinvalid", "resyncrequired"})
_NOT_FOUND: Final = "erroritemnotfound"
_DUPLICATE: Final = "errorduplicatetransactionid"
_CONFLICT: Final = "errorirresolvableconflict"
_THROTTLED: Final = frozenset({424, 429, 509})
# 507 is a full mailbox, 501 a method that does not exist: repeating neither helps.
_REFUSED_5XX: Final = frozenset({501, 507})
_TRANSIENT_4XX: Final = frozenset({408, 423, 425})


class DuplicateCreate(Refused):
    """The transactionId of a create was used before. `existing_id` is the event it made, "" when Graph does not say."""

    def __init__(self, what: str, existing_id: str, *, code: str, status: int) -> None:
        super().__init__(what, code=code, status=status)
        self.existing_id = existing_id


def delta(mailbox: str, start: datetime, end: datetime, page_size: int) -> Call:
    """The first page of a delta round over one window."""
    window = {"startDateTime": _instant(start), "endDateTime": _instant(end)}
    return Call("GET", f"{_user(mailbox)}/calendarView/delta", window, _paged(page_size), mailbox=mailbox)


def calendar_view(mailbox: str, start: datetime, end: datetime) -> Call:
    """The first page of everything in a window, instances of series one by one: only what names them."""
    query = {
        "startDateTime": _instant(start),
        "endDateTime": _instant(end),
        "$select": "id,type,seriesMasterId,start",
        "$top": str(VIEW_PAGE),
    }
    return Call("GET", f"{_user(mailbox)}/calendarView", query, _AS_TEXT, mailbox=mailbox)


def list_events(mailbox: str, start: datetime, end: datetime) -> Call:
    """The first page of the default calendar's events and series that start in a window, whole and with our tag."""
    query = {
        "$filter": f"start/dateTime ge '{_plain(start)}' and start/dateTime lt '{_plain(end)}'",
        "$expand": _TAG_EXPANDED,
        "$top": str(VIEW_PAGE),
    }
    return Call("GET", f"{_user(mailbox)}/calendar/events", query, _AS_TEXT, mailbox=mailbox)


def view_page(link: str, mailbox: str) -> Call:
    """The page behind a nextLink of a view or list."""
    return Call("GET", link, headers=_AS_TEXT, mailbox=mailbox)


def follow(link: str, mailbox: str, page_size: int) -> Call:
    """The page behind a nextLink or deltaLink, which goes back to the service unchanged."""
    return Call("GET", link, headers=_paged(page_size), mailbox=mailbox)


def follow_below(link: str, mailbox: str, page_size: int) -> Call | None:
    """The same as an item of a batch, whose address stands below the version; None for a link of another form."""
    parts = urlsplit(link)
    found = re.fullmatch(r"/(?:v1\.0|beta)(/.+)", parts.path)
    return follow(f"{found[1]}?{parts.query}", mailbox, page_size) if found and parts.query else None


def get_event(mailbox: str, event_id: str) -> Call:
    """One event with our tag, its body as text."""
    return Call("GET", _event(mailbox, event_id), {"$expand": _TAG_EXPANDED}, _AS_TEXT, mailbox=mailbox)


def get_event_html(mailbox: str, event_id: str) -> Call:
    """One event with our tag, its body as html: what a new body must be written around."""
    return Call("GET", _event(mailbox, event_id), {"$expand": _TAG_EXPANDED}, _AS_HTML, mailbox=mailbox)


def find_tagged(mailbox: str, pair_key: str) -> Call:
    """The events of a mailbox that carry this pair key. Graph compares the value without regard to case."""
    value = pair_key.replace("'", "''")
    query = {
        "$filter": f"singleValueExtendedProperties/Any(ep: ep/id eq '{PAIR_TAG}' and ep/value eq '{value}')",
        "$expand": _TAG_EXPANDED,
        "$top": "10",
    }
    return Call("GET", f"{_user(mailbox)}/events", query, _AS_TEXT, mailbox=mailbox)


def create_event(mailbox: str, body: Mapping[str, Any]) -> Call:
    """Create an event. `body` must carry a transactionId, or a repeat would create another one."""
    assert body.get("transactionId"), "a create without its key cannot be repeated safely"
    return Call("POST", f"{_user(mailbox)}/events", headers=_AS_TEXT, body=dict(body), mailbox=mailbox)


def patch_event(mailbox: str, event_id: str, body: Mapping[str, Any], version: str) -> Call:
    """Change members of an event, if it still is at `version` ("" = whatever it is at)."""
    headers = _AS_TEXT | _if_match(version)
    return Call("PATCH", _event(mailbox, event_id), headers=headers, body=dict(body), mailbox=mailbox)


def delete_event(mailbox: str, event_id: str, version: str) -> Call:
    """Delete an event, if it still is at `version` ("" = whatever it is at)."""
    return Call("DELETE", _event(mailbox, event_id), headers=_if_match(version), mailbox=mailbox)


def get_calendar(mailbox: str) -> Call:
    """The default calendar: the cheapest question that says whether we may use this mailbox at all."""
    return Call("GET", f"{_user(mailbox)}/calendar", {"$select": "id"}, mailbox=mailbox)


def users(page_size: int = USERS_PAGE) -> Call:
    """The first page of all users, with what identifies a mailbox."""
    members = "id,displayName,mail,userPrincipalName,proxyAddresses,userType"
    return Call("GET", "/users", {"$select": members, "$top": str(page_size)})


def rooms() -> Call:
    """The first page of all rooms."""
    return Call("GET", "/places/microsoft.graph.room", {"$top": str(ROOMS_PAGE)})


def next_page(link: str) -> Call:
    """The page behind the nextLink of a plain list."""
    return Call("GET", link)


def create_subscription(body: Mapping[str, Any], mailbox: str) -> Call:
    """Ask for change notifications."""
    return Call("POST", "/subscriptions", body=dict(body), mailbox=mailbox)


def renew_subscription(subscription_id: str, expires: datetime, mailbox: str) -> Call:
    """Move a subscription's end; this also reauthorises it."""
    body = {"expirationDateTime": _instant(expires)}
    return Call("PATCH", f"/subscriptions/{quote(subscription_id, safe='')}", body=body, mailbox=mailbox)


def delete_subscription(subscription_id: str, mailbox: str) -> Call:
    """End a subscription."""
    return Call("DELETE", f"/subscriptions/{quote(subscription_id, safe='')}", mailbox=mailbox)


def batch(calls: Sequence[Call]) -> Call:
    """Up to 20 requests at one mailbox as one. Their answers are taken apart by `read_batch`."""
    assert 0 < len(calls) <= BATCH_MAX, "Graph takes 1 to 20 requests a batch"
    requests = []
    for number, call in enumerate(calls):
        query = f"?{urlencode(call.params, quote_via=quote)}" if call.params else ""
        entry: dict[str, Any] = {"id": str(number), "method": call.method, "url": call.path + query}
        if call.headers:
            entry["headers"] = dict(call.headers)
        if call.body is not None:
            entry["headers"] = {**call.headers, "content-type": "application/json"}
            entry["body"] = call.body
        requests.append(entry)
    return Call("POST", "/$batch", body={"requests": requests}, mailbox=calls[0].mailbox)


def read_batch(reply: Reply, count: int) -> tuple[Reply | None, ...]:
    """The answers of a batch in the order of its requests; None where the service left one out.

    Raises like `read` when the batch as a whole was not accepted.
    """
    found = read(reply)
    answers: list[Reply | None] = [None] * count
    responses = found.get("responses") if isinstance(found, dict) else None
    if not isinstance(responses, list):
        raise Unavailable("Graph answered a batch without its responses.", status=reply.status)
    for response in responses:
        number = str(response.get("id")) if isinstance(response, dict) else ""
        if number.isdecimal() and int(number) < count:
            answers[int(number)] = _item_reply(response)
    return tuple(answers)


def _item_reply(response: Mapping[str, Any]) -> Reply:
    headers, status = response.get("headers"), response.get("status")
    lowered = {str(name).lower(): str(value) for name, value in headers.items()} if isinstance(headers, dict) else {}
    return Reply(status if isinstance(status, int) else 0, lowered, value=response.get("body"))


def read(reply: Reply) -> Any:
    """The JSON of a good answer ({} when it has no body).

    Raises Throttled, AuthRejected, ResyncNeeded, Refused, Stale, Gone or Unavailable. Gone is raised only for
    ErrorItemNotFound: every other 404 says something about the mailbox, never that an event was deleted.
    """
    if 200 <= reply.status < 300:
        return reply.json()
    raise error_of(reply)


def error_of(reply: Reply) -> ServiceError:
    """What a reply that is not 2xx means."""
    code, message = error_code(reply), _message(reply)
    status, lower = reply.status, code.lower()
    if status in _THROTTLED or (status == 503 and "retry-after" in reply.headers):
        return Throttled(f"Microsoft Graph is throttling ({code or status}).", retry_after_s(reply), code=code,
                         status=status)  # fmt: skip
    if status == 410 or lower in _RESYNC_CODES:
        return ResyncNeeded("Microsoft Graph dropped this delta token.", code=code, status=status)
    if status == 401:
        return AuthRejected(
            f"Microsoft Graph rejected our token ({code or status}).",
            "Check the application's id, secret and tenant.", code=code, status=status,
        )  # fmt: skip
    if status == 403:
        return AuthRejected(
            f"Microsoft Graph denied access: {message or code}",
            "Grant the application its permissions, and this mailbox its scope.", code=code, status=status,
        )  # fmt: skip
    if status == 412 or lower == _CONFLICT:
        return Stale("The event changed since it was read.", code=code, status=status)
    if status == 404 and lower == _NOT_FOUND:
        return Gone("The event does not exist.", code=code, status=status)
    if lower == _DUPLICATE:
        return DuplicateCreate(message, _existing_id(reply), code=code, status=status)
    if status in _REFUSED_5XX or (400 <= status < 500 and code and status not in _TRANSIENT_4XX):
        return Refused(message or f"Microsoft Graph refused the request ({code or status}).", code=code, status=status)
    if status in {400, 405, 411, 413, 414, 415, 422}:
        return Refused(f"Microsoft Graph refused the request ({status}).", code=str(status), status=status)
    # 503 says that nothing was done; 4xx without a Graph error comes from something in between.
    was_sent = status != 503 and not 400 <= status < 500
    return Unavailable(f"Microsoft Graph answered {status} {code}".rstrip() + ".", was_sent=was_sent, code=code,
                       status=status)  # fmt: skip


def error_code(reply: Reply) -> str:
    """The service's error code, "" when the body has none."""
    code = error_object(reply).get("code")
    return code if isinstance(code, str) else ""


def error_object(reply: Reply) -> Mapping[str, Any]:
    """The `error` member of an answer, {} when there is none."""
    try:
        body = reply.json()
    except Unavailable:
        return {}
    error = body.get("error") if isinstance(body, dict) else None
    return error if isinstance(error, dict) else {}


def _existing_id(reply: Reply) -> str:
    """The event that a used transactionId made. Seen beside the code and inside the inner error."""
    error = error_object(reply)
    for holder in (error, error.get("innerError"), error.get("innererror")):
        found = holder.get("@event.existingEventId") if isinstance(holder, Mapping) else None
        if isinstance(found, str) and found:
            return found
    return ""


def _message(reply: Reply) -> str:
    message = error_object(reply).get("message")
    return message[:MESSAGE_LENGTH_MAX] if isinstance(message, str) else ""


def retry_after_s(reply: Reply) -> float:
    """Seconds to wait before the next request; fractions occur. WAIT_DEFAULT_S when the answer names none."""
    try:
        wait_s = float(reply.headers.get("retry-after", ""))
    except ValueError:
        return WAIT_DEFAULT_S
    return wait_s if 0 <= wait_s < float("inf") else WAIT_DEFAULT_S


def asked_wait_s(reply: Reply) -> float:
    """Seconds that the service asked us to leave this mailbox alone, 0 when it did not. Items of a batch count too."""
    if reply.status in _THROTTLED or (reply.status == 503 and "retry-after" in reply.headers):
        return retry_after_s(reply)
    if reply.status != 200 or b"429" not in reply.body or b'"responses"' not in reply.body:
        return 0.0
    try:
        responses = reply.json()["responses"]
        items = [_item_reply(one) for one in responses if isinstance(one, dict)]
    except (Unavailable, KeyError, TypeError):
        return 0.0
    return max((retry_after_s(item) for item in items if item.status in _THROTTLED), default=0.0)


def kind_of(call: Call) -> str:
    """What sort of request this is, for counting: no ids, no addresses."""
    path = urlsplit(call.path).path
    for pattern, kind in _KINDS:
        if re.search(pattern, path):
            return kind.format(method=call.method.lower())
    return "other"


_KINDS: Final = (
    (r"/\$batch$", "batch"),
    (r"/calendarView/delta$", "delta"),
    (r"/subscriptions(/|$)", "subscription {method}"),
    (r"/events(/|$)", "event {method}"),
    (r"/places(/|$)", "rooms"),
    (r"/calendar$", "calendar"),
    (r"/users$", "users"),
)


def with_tag(body: Mapping[str, Any], pair_key: str) -> dict[str, Any]:
    """A create's or patch's body that also writes our tag."""
    return {**body, "singleValueExtendedProperties": [{"id": PAIR_TAG, "value": pair_key}]}


def tag_of(event: Mapping[str, Any]) -> str:
    """The pair key on an event read with `$expand`, "" when there is none."""
    properties = event.get("singleValueExtendedProperties")
    for found in properties if isinstance(properties, list) else ():
        # The property's GUID comes back in either case.
        if isinstance(found, dict) and str(found.get("id", "")).lower() == PAIR_TAG.lower():
            value = found.get("value")
            return value if isinstance(value, str) else ""
    return ""


def _user(mailbox: str) -> str:
    return f"/users/{quote(mailbox, safe='')}"


def _event(mailbox: str, event_id: str) -> str:
    return f"{_user(mailbox)}/events/{quote(event_id, safe='')}"


def _paged(page_size: int) -> dict[str, str]:
    return {"prefer": f"{_UTC}, {_TEXT}, odata.maxpagesize={page_size}"}


def _if_match(version: str) -> dict[str, str]:
    return {"if-match": version} if version else {}


def _instant(moment: datetime) -> str:
    return _plain(moment) + "Z"


def _plain(moment: datetime) -> str:
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds")
