"""Driving the Salesforce connector's exchanges in tests: made-up replies, a simulator in the same thread."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, unquote, urlencode

from connectors.exchange import Call, Reply
from simulators.http import Request, Response, Service

BASE = "https://concord.my.salesforce.com"
PREFIX = "/services/data/v66.0"

Send = Callable[[Call], Reply]


def reply(status: int, value: Any = None) -> Reply:
    """An answer with `value` as JSON, or without a body."""
    return Reply(status, {}, b"" if value is None else json.dumps(value).encode())


def refusal(status: int, code: str, message: str = "") -> Reply:
    """An error answer as Salesforce writes it."""
    return reply(status, [{"message": message or f"About {code}.", "errorCode": code}])


def saved(record_id: str) -> dict[str, Any]:
    """One item of a collections answer that went well."""
    return {"id": record_id, "success": True, "errors": []}


def unsaved(code: str, message: str = "") -> dict[str, Any]:
    """One item of a collections answer that failed."""
    error = {"statusCode": code, "message": message or f"About {code}.", "fields": []}
    return {"success": False, "errors": [error]}


def rows(*records: Mapping[str, Any]) -> Reply:
    """The only page of a query."""
    return reply(200, {"totalSize": len(records), "done": True, "records": list(records)})


def together(*replies: Reply) -> Reply:
    """A composite answer with these answers in it, in order."""
    results: list[dict[str, Any]] = [
        {
            "body": json.loads(item.body) if item.body else None,
            "httpHeaders": {},
            "httpStatusCode": item.status,
            "referenceId": f"r{number}",
        }
        for number, item in enumerate(replies)
    ]
    return reply(200, {"compositeResponse": results})


def to_request(call: Call, token: str) -> Request:
    """The HTTP request that the live client would send for this call."""
    target = call.path if call.path.startswith("/services/") else PREFIX + call.path
    target += f"?{urlencode(call.params, quote_via=quote)}" if call.params else ""
    headers = {name.lower(): value for name, value in call.headers.items()} | {"authorization": f"Bearer {token}"}
    body = b""
    if call.body is not None:
        headers["content-type"] = "application/json"
        body = json.dumps(call.body).encode()
    return Request(call.method, target, headers, body, BASE)


def send_to(service: Service, *, token: str) -> Send:
    """A `send` for exchanges that calls the simulated service in the same thread."""

    def send(call: Call) -> Reply:
        response: Response = service.handle(to_request(call, token))
        return Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, response.body)

    return send


@dataclass
class Recorded:
    """A `send` that keeps the calls it passes on."""

    send: Send
    calls: list[Call] = field(default_factory=list)

    def __call__(self, call: Call) -> Reply:
        """Pass one call on."""
        self.calls.append(call)
        return self.send(call)


def steps_of(call: Call) -> Iterator[tuple[str, str, Any]]:
    """Method, decoded path and body of a call, or of each request inside a composite one."""
    if call.path == "/composite":
        for item in call.body["compositeRequest"]:
            yield item["method"], unquote(item["url"]).removeprefix(PREFIX), item.get("body")
    else:
        yield call.method, call.path, call.body


def created(call: Call, answer: Reply) -> list[tuple[str, str]]:
    """(object, id) of every record that this call created."""
    bodies: Sequence[Any] = [json.loads(answer.body)] if answer.body else [None]
    if call.path == "/composite":
        bodies = [item["body"] for item in bodies[0]["compositeResponse"]]
    found: list[tuple[str, str]] = []
    for (method, path, body), answered in zip(steps_of(call), bodies, strict=True):
        if method == "POST" and path == "/composite/sobjects":
            pairs = zip(body["records"], answered, strict=True)
            found += [(item["attributes"]["type"], row["id"]) for item, row in pairs if row.get("success")]
    return found
