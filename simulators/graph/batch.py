"""JSON batching: up to 20 calls in one, each answered and throttled on its own."""

from __future__ import annotations

import base64
import json
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from simulators.graph.call import Call
from simulators.graph.errors import GraphError
from simulators.graph.paths import mailbox_in, split_path
from simulators.graph.throttle import too_many
from simulators.graph.world import World
from simulators.http import Request, Response

ITEMS_MAX: Final = 20
SLOTS: Final = 4
_METHODS: Final = frozenset({"GET", "POST", "PATCH", "PUT", "DELETE"})
_FROM_OUTSIDE: Final = ("authorization", "x-sim-client", "client-request-id")

Send = Callable[[Request], Response]
Refuse = Callable[[GraphError, Request], Response]


def answer_batch(call: Call, world: World, send: Send, refuse: Refuse) -> Response:
    """Carry out a batch. `send` answers one inner request, `refuse` words an error for one.

    Raises GraphError 400 when the envelope is malformed; what goes wrong inside is an item's own status.
    """
    items = _read_items(call.body(), call.root)
    answers: dict[str, Response] = {}
    parallel: Counter[str] = Counter()
    is_reading = all(item["method"].upper() == "GET" for item in items)
    for item in items:
        request = _inner_request(call.request, call.root, item)
        failed = [name for name in item.get("dependsOn") or [] if answers[name].status >= 400]
        if failed:
            message = "The request depends on a request that failed."
            answers[item["id"]] = refuse(GraphError(424, "FailedDependency", message), request)
            continue
        mailbox = mailbox_in(split_path(request.raw_path)[1:])
        if mailbox is not None and not item.get("dependsOn"):
            parallel[mailbox.lower()] += 1
            is_fifth = parallel[mailbox.lower()] > SLOTS
            if is_fifth and world.chance(world.behaviour.batch_throttling, "batch_throttling"):
                refused = too_many("MailboxConcurrency", world.behaviour.retry_after_s)
                answers[item["id"]] = refuse(refused, request)
                continue
        answered = send(request)
        answers[item["id"]] = answered if is_reading else answered.sealed()
    responses = [_item_answer(name, response) for name, response in answers.items()]
    if world.chance(world.behaviour.batch_shuffle, "batch_shuffle"):
        world.rng.shuffle(responses)
    return Response.of_json(200, {"responses": responses})


def _read_items(body: dict[str, Any], root: str) -> list[dict[str, Any]]:
    items = body.get("requests")
    if not isinstance(items, list) or not items:
        raise _malformed("The batch needs a non-empty array 'requests'.")
    if len(items) > ITEMS_MAX:
        raise _malformed(f"Number of batch request steps exceeds the maximum value of {ITEMS_MAX}.")
    seen: list[str] = []
    for item in items:
        if not isinstance(item, dict):
            raise _malformed("Every request must be an object.")
        name, url = item.get("id"), item.get("url")
        if not isinstance(name, str) or not name or name in seen:
            raise _malformed("Every request needs an id of its own.")
        if str(item.get("method", "")).upper() not in _METHODS or not isinstance(url, str) or not url:
            raise _malformed(f"The request '{name}' needs a method and a url.")
        if _relative(url, root) is None or str(_relative(url, root)).lower().startswith("$batch"):
            raise _malformed(f"The url of the request '{name}' must lie below the version root and be no batch.")
        if item.get("body") is not None and not _content_type(item):
            raise _malformed(f"The request '{name}' has a body and needs a Content-Type header.")
        depends = item.get("dependsOn") or []
        if not isinstance(depends, list) or any(other not in seen for other in depends):
            raise _malformed(f"The request '{name}' depends on a request that does not come before it.")
        seen.append(name)
    _check_shape(items)
    return items


def _check_shape(items: list[dict[str, Any]]) -> None:
    """Fully parallel, strictly serial, or all depending on the same request."""
    named = [item.get("dependsOn") or [] for item in items]
    if not any(named):
        return
    is_serial = not named[0] and all(depends == [items[i]["id"]] for i, depends in enumerate(named[1:]))
    targets = {tuple(depends) for depends in named if depends}
    is_star = len(targets) == 1 and len(next(iter(targets))) == 1 and sum(not depends for depends in named) == 1
    if not (is_serial or is_star):
        raise _malformed("dependsOn must be absent, name the request before, or name the same request everywhere.")


def _content_type(item: Mapping[str, Any]) -> str:
    headers = item.get("headers") or {}
    return next((str(value) for name, value in headers.items() if name.lower() == "content-type"), "")


def _relative(url: str, root: str) -> str | None:
    """An item's url below the version root; None for another place. Microsoft's libraries send absolute ones."""
    if url.lower().startswith(("http:", "https:")):
        return url[len(root) :].lstrip("/") if url.startswith(f"{root}/") else None
    return url.lstrip("/")


def _inner_request(outer: Request, root: str, item: dict[str, Any]) -> Request:
    headers = {name: outer.headers[name] for name in _FROM_OUTSIDE if name in outer.headers}
    headers |= {str(name).lower(): str(value) for name, value in (item.get("headers") or {}).items()}
    body = item.get("body")
    if body is None:
        raw = b""
    elif isinstance(body, str) and not _content_type(item).lower().startswith("application/json"):
        raw = base64.b64decode(body)
    else:
        raw = json.dumps(body).encode()
    target = f"{root.removeprefix(outer.base_url)}/{_relative(item['url'], root)}"
    return Request(item["method"].upper(), target, headers, raw, outer.base_url)


def _item_answer(name: str, response: Response) -> dict[str, Any]:
    kept = ("content-type", "location", "retry-after", "preference-applied", "cache-control")
    shown = {"content-type": "Content-Type", "location": "Location", "retry-after": "Retry-After"}
    headers = {shown.get(key, key.title()): response.headers[key] for key in kept if key in response.headers}
    result: dict[str, Any] = {"id": name, "status": response.status, "headers": headers}
    if not response.is_empty:
        is_json = "json" in response.headers.get("content-type", "")
        result["body"] = response.held() if is_json else base64.b64encode(response.body).decode()
    return result


def _malformed(message: str) -> GraphError:
    return GraphError(400, "BadRequest", message)
