"""Planned misbehaviour of a simulated service: which of the next requests fails, and how. Pure: no clock, no sockets.

The network edge and the seeded simulation consult the same `FaultPlan`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

from simulators.http import Request, Response


class Cut(StrEnum):
    """When the connection is cut, seen from the request's effect."""

    BEFORE = "before"
    AFTER = "after"


@dataclass(frozen=True)
class Fault:
    """What happens to the requests that match. Every request that matches uses it up by one.

    `path` is a plain part of the request's target (path and query as sent) or a regular expression found in it; ""
    matches every request. `method` "" matches every method, `client` "" every client; else it is a part of the name
    that the list of requests gives a client. The first `skip` matching requests pass unharmed, then
    `count` are struck.

    With `status` the service's answer is replaced: before the request has any effect, or after it when `after_effect`.
    With `cut` the connection is cut instead of an answer. With `delay_s` the answer waits so long. A fault with a delay
    alone lets the request through.
    """

    path: str = ""
    method: str = ""
    client: str = ""
    count: int = 1
    skip: int = 0
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    delay_s: float = 0.0
    cut: Cut | None = None
    after_effect: bool = False

    @property
    def has_effect(self) -> bool:
        """Whether the struck request is carried out by the service."""
        if self.cut is not None:
            return self.cut is Cut.AFTER
        return self.status is None or self.after_effect

    def matches(self, request: Request, client: str = "") -> bool:
        """Whether this fault is about such a request of a client."""
        if (self.method and self.method != request.method.upper()) or self.client not in client:
            return False
        return self.path in request.target or re.search(self.path, request.target) is not None

    def answer(self) -> Response | None:
        """The answer that stands in for the service's, None when the service's own is sent."""
        if self.status is None:
            return None
        content_type = "application/json; charset=utf-8" if self.body[:1] in {"{", "["} else "text/plain; charset=utf-8"
        headers = {"content-type": content_type, **{name.lower(): value for name, value in self.headers.items()}}
        return Response(self.status, headers, self.body.encode())


class FaultPlan:
    """Faults in the order they were planned; the first that matches and is not used up strikes."""

    def __init__(self) -> None:
        self._planned: list[_Planned] = []
        self._next_id = 1

    def add(self, fault: Fault) -> int:
        """Plan a fault; returns its number."""
        number = self._next_id
        self._next_id += 1
        self._planned.append(_Planned(number, fault))
        return number

    def match(self, request: Request, client: str = "") -> Fault | None:
        """The fault that strikes this request, or None. Uses the fault up by one; call once per request."""
        for planned in self._planned:
            if planned.is_spent or not planned.fault.matches(request, client):
                continue
            if planned.passed < planned.fault.skip:
                planned.passed += 1
                continue
            planned.struck += 1
            return planned.fault
        return None

    def clear(self) -> None:
        """Forget every fault and its count."""
        self._planned.clear()

    @property
    def pending(self) -> int:
        """How many strikes are still planned."""
        return sum(planned.fault.count - planned.struck for planned in self._planned)

    def listing(self) -> list[dict[str, Any]]:
        """Every planned fault with how often it struck, as JSON values."""
        return [planned.as_json() for planned in self._planned]


@dataclass
class _Planned:
    number: int
    fault: Fault
    struck: int = 0
    passed: int = 0

    @property
    def is_spent(self) -> bool:
        return self.struck >= self.fault.count

    def as_json(self) -> dict[str, Any]:
        fault = self.fault
        return {
            "id": self.number,
            "path": fault.path,
            "method": fault.method,
            "client": fault.client,
            "count": fault.count,
            "skip": fault.skip,
            "status": fault.status,
            "headers": dict(fault.headers),
            "body": fault.body,
            "delay_s": fault.delay_s,
            "cut": fault.cut,
            "after_effect": fault.after_effect,
            "struck": self.struck,
        }


_FIELDS: Final[Mapping[str, tuple[type, ...]]] = {
    "path": (str,),
    "method": (str,),
    "client": (str,),
    "count": (int,),
    "skip": (int,),
    "status": (int, type(None)),
    "headers": (dict,),
    "body": (str, dict, list),
    "delay_s": (int, float),
    "cut": (str, type(None)),
    "after_effect": (bool,),
}


def read_fault(value: Any) -> Fault:
    """Read one fault from JSON. Raises ValueError that names every problem."""
    if not isinstance(value, dict):
        raise ValueError("a fault is a JSON object")
    problems = [f"unknown member {name!r}; known are {', '.join(_FIELDS)}" for name in value if name not in _FIELDS]
    for name, types in _FIELDS.items():
        if name in value and (not isinstance(value[name], types) or (value[name] is True and bool not in types)):
            problems.append(f"{name} is {value[name]!r}, which is not {' or '.join(_word(one) for one in types)}")
    if problems:
        raise ValueError("; ".join(problems))
    problems = _range_problems(value)
    if problems:
        raise ValueError("; ".join(problems))
    body = value.get("body", "")
    return Fault(
        path=value.get("path", ""),
        method=value.get("method", "").upper(),
        client=value.get("client", ""),
        count=value.get("count", 1),
        skip=value.get("skip", 0),
        status=value.get("status"),
        headers={str(name): str(text) for name, text in value.get("headers", {}).items()},
        body=body if isinstance(body, str) else Response.of_json(200, body).body.decode(),
        delay_s=float(value.get("delay_s", 0.0)),
        cut=Cut(value["cut"]) if value.get("cut") else None,
        after_effect=value.get("after_effect", False),
    )


def _range_problems(value: Mapping[str, Any]) -> list[str]:
    problems = []
    try:
        re.compile(value.get("path", ""))
    except re.error as problem:
        # A plain path with an odd bracket is still a plain path, but it would raise at every request.
        problems.append(f"path is not a regular expression: {problem}")
    if value.get("count", 1) < 1:
        problems.append("count is below 1")
    if value.get("skip", 0) < 0:
        problems.append("skip is below 0")
    if not 0 <= value.get("delay_s", 0) <= 3600:
        problems.append("delay_s is not between 0 and 3600")
    if value.get("status") is not None and not 200 <= value["status"] <= 599:
        problems.append("status is not between 200 and 599")
    if value.get("cut") not in {None, "", "before", "after"}:
        problems.append(f"cut is {value['cut']!r}, not before or after")
    if value.get("status") is None and not value.get("cut") and not value.get("delay_s"):
        problems.append("one of status, cut and delay_s is needed")
    return problems


def _word(kind: type) -> str:
    words = {str: "text", int: "a whole number", float: "a number", bool: "true or false", type(None): "null"}
    return words.get(kind, "an object" if kind is dict else "a list")
