"""The control surface under /_sim/: what tests and demos ask a simulator that no client of the real service could.

The product never calls it. Every answer is JSON; `GET /_sim/` lists what there is.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from simulators.clock import SimulatorClock
from simulators.faults import FaultPlan, read_fault
from simulators.http import Request, Response, Service
from simulators.traffic import RequestLog

CONTROL_PREFIX: Final = "/_sim"


class BadControl(Exception):
    """A control request that makes no sense; its text is the answer."""


@dataclass(frozen=True)
class Action:
    """One thing the control surface does. `run` gets the request and returns a JSON value; it may raise BadControl.

    `on_service` says that it touches the service, so that the edge runs it on the service's thread.
    """

    method: str
    name: str
    what: str
    run: Callable[[Request], Any]
    on_service: bool = True


class ControlledService(Service, Protocol):
    """What every simulator offers to the control surface beside its requests."""

    def dump(self) -> dict[str, Any]:
        """Everything it holds, as JSON values."""


class Control:
    """Answers /_sim/ requests for one service.

    `clock` is the one that the service reads; `extra` are the actions that only this service has.
    """

    def __init__(
        self,
        name: str,
        service: ControlledService,
        clock: SimulatorClock,
        faults: FaultPlan,
        traffic: RequestLog,
        extra: Sequence[Action] = (),
    ) -> None:
        self._name = name
        self._service = service
        self._clock = clock
        self._faults = faults
        self._traffic = traffic
        actions = (*self._own_actions(), *extra)
        self._actions = {(action.method, action.name): action for action in actions}

    def needs_service(self, request: Request) -> bool:
        """Whether answering touches the service."""
        action = self._actions.get((request.method, _name_of(request)))
        return action is not None and action.on_service

    def answer(self, request: Request) -> Response:
        """Answer one control request."""
        name = _name_of(request)
        if not name:
            return Response.of_json(200, self._index())
        action = self._actions.get((request.method, name))
        if action is None:
            methods = sorted(method for method, known in self._actions if known == name)
            if methods:
                return _problem(405, f"{request.method} is not possible here; {', '.join(methods)} is")
            return _problem(404, f"there is no {CONTROL_PREFIX}/{name}; GET {CONTROL_PREFIX}/ lists what there is")
        try:
            return Response.of_json(200, action.run(request))
        except BadControl as problem:
            return _problem(400, str(problem))

    def _index(self) -> dict[str, Any]:
        return {
            "service": self._name,
            "actions": {
                f"{action.method} {CONTROL_PREFIX}/{action.name}": action.what for action in self._actions.values()
            },
        }

    def _own_actions(self) -> tuple[Action, ...]:
        return (
            Action(
                "GET", "requests", "totals and the latest requests; ?since=N&limit=N&client=C", self._requests, False
            ),
            Action("DELETE", "requests", "forget requests and totals", self._forget_requests, False),
            Action("GET", "faults", "planned faults and how often each struck", self._list_faults, False),
            Action("POST", "faults", "plan a fault, or a list of them", self._plan_faults, False),
            Action("DELETE", "faults", "clear all faults", self._clear_faults, False),
            Action("GET", "clock", "the service's idea of now", self._read_clock),
            Action("POST", "clock", 'move the clock: {"advance_s": N} or {"set": "ISO 8601 time"}', self._move_clock),
            Action("POST", "reset", "back to the seed: data, clock, faults, requests", self._reset),
            Action("GET", "state", "everything the service holds", lambda request: self._service.dump()),
        )

    def _requests(self, request: Request) -> Any:
        query = request.query
        since = _number(query, "since")
        limit = _number(query, "limit")
        return self._traffic.as_json(since, 1000 if limit is None else limit, query.get("client"))

    def _forget_requests(self, request: Request) -> Any:
        self._traffic.clear()
        return {"cleared": True}

    def _list_faults(self, request: Request) -> Any:
        return {"faults": self._faults.listing(), "pending": self._faults.pending}

    def _plan_faults(self, request: Request) -> Any:
        value = json_of(request)
        try:
            faults = [read_fault(one) for one in (value if isinstance(value, list) else [value])]
        except ValueError as problem:
            raise BadControl(str(problem)) from None
        return {"ids": [self._faults.add(fault) for fault in faults]}

    def _clear_faults(self, request: Request) -> Any:
        self._faults.clear()
        return {"cleared": True}

    def _read_clock(self, request: Request) -> Any:
        return {"now": self._clock.now().isoformat()}

    def _move_clock(self, request: Request) -> Any:
        value = json_of(request)
        if not isinstance(value, dict) or len(value) != 1 or not value.keys() <= {"advance_s", "set"}:
            raise BadControl('give {"advance_s": seconds} or {"set": "2026-03-02T09:00:00Z"}')
        if "set" in value:
            self._clock.set(_moment(value["set"]))
        else:
            seconds = value["advance_s"]
            if isinstance(seconds, bool) or not isinstance(seconds, int | float) or abs(seconds) > 1e9:
                raise BadControl(f"advance_s is {seconds!r}, which is not a number of seconds")
            self._clock.advance(seconds)
        return self._read_clock(request)

    def _reset(self, request: Request) -> Any:
        # The clock first: the service stamps what it restores.
        self._clock.set(datetime.now(UTC))
        self._service.reset()
        self._faults.clear()
        self._traffic.clear()
        return {"reset": True}


def json_of(request: Request) -> Any:
    """The request's body as JSON, None when it is empty. Raises BadControl when it is not JSON."""
    try:
        return request.json()
    except (ValueError, json.JSONDecodeError) as problem:
        raise BadControl(f"the body is not JSON: {problem}") from None


def _name_of(request: Request) -> str:
    return request.path.removeprefix(CONTROL_PREFIX).strip("/")


def _number(query: Mapping[str, str], name: str) -> int | None:
    text = query.get(name)
    if text is None:
        return None
    if not text.isdigit():
        raise BadControl(f"{name} is {text!r}, which is not a whole number")
    return int(text)


def _moment(text: Any) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        raise BadControl(f"set is {text!r}, which is not an ISO 8601 time") from None
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


def _problem(status: int, text: str) -> Response:
    return Response.of_json(status, {"error": text})
