"""The way from an exchange to a simulated service and back, where answers get lost and tokens expire.

What the live clients do below an exchange is done here as well: a fresh token after a 401, once. Every write that a
service carried out for us is noted with the command behind it, and the mails it caused.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from support.salesforce_driver import created, steps_of

from connectors.exchange import Call, Exchange, Reply, run_async
from schemas.commands import MailKind, PredictedMail
from schemas.errors import AuthRejected, Unavailable
from simulation import faults
from simulation.faults import Faults
from simulation.guarded import Wait
from simulators.http import Request, Response

# Chance that a request of ours meets a fault, while faults are on.
FAULT_CHANCE: Final = 0.08
WRITE_FAULT_CHANCE: Final = 0.12
"""Writes are few among the calls, and what becomes of them matters most."""
_WRITES: Final = frozenset({"POST", "PATCH", "PUT", "DELETE"})


class Simulated(Protocol):
    """What is used of a simulated service."""

    def handle(self, request: Request) -> Response:
        """Answer one request."""


@dataclass(frozen=True)
class Write:
    """A write that we asked a service for and it answered; `created` are the events it made.

    `command_id` is "" when no command stood behind it.
    """

    side: str
    method: str
    target: str
    command_id: str
    created: tuple[str, ...] = ()
    mails: tuple[PredictedMail, ...] = ()


@dataclass
class Transport:
    """One side. `build` makes the request of a call with a token, `steps` takes apart what a call holds (method, path),
    `created` names the events it made, `mails` returns all mails so far (Graph only)."""

    side: str
    service: Simulated
    build: Callable[[Call, str], Request]
    new_token: Callable[[], str]
    steps: Callable[[Call], list[tuple[str, str]]]
    created: Callable[[Call, Reply], list[str]]
    rng: random.Random
    faults: Faults
    tick: Callable[[], None]
    note: Callable[[str], None]
    mails: Callable[[], list[Any]] = list
    refuse: Callable[[Call], Reply | None] = lambda _: None
    token: str = ""
    writes: list[Write] = field(default_factory=list)
    requests: int = 0

    async def run(self, exchange: Exchange[Any], command_id: str = "") -> Any:
        """Drive an exchange; each call waits for its turn with the scheduler."""

        async def send(call: Call) -> Reply:
            return await Asked(self, call, command_id)

        return await run_async(exchange, send)

    def perform(self, call: Call, command_id: str) -> Reply:
        """Carry out one call. Raises Unavailable or AuthRejected as the live client does."""
        writes = [step for step in self.steps(call) if step[0] in _WRITES]
        chance = WRITE_FAULT_CHANCE if writes else FAULT_CHANCE
        kind = self.rng.choice(faults.WIRE) if self.faults.strikes(chance) else ""
        if kind:
            self.faults.count(kind)
            self.note(f"{self.side} {call.method} {call.path[:60]}: {kind}")
        match kind:
            case faults.REJECTED:
                raise AuthRejected("No token is to be had.")
            case faults.LOST_BEFORE:
                raise Unavailable("The connection broke.", was_sent=True)
            case faults.LOST_AFTER:
                self._exchange(call, command_id, writes)
                raise Unavailable("The connection broke.", was_sent=True)
            case faults.THROTTLED:
                return THROTTLED[self.side]
            case faults.BUSY:
                return self.rng.choice(BUSY[self.side])
            case faults.EXPIRED:
                self.token = "expired"
        return self._exchange(call, command_id, writes)

    def _exchange(self, call: Call, command_id: str, writes: list[tuple[str, str]]) -> Reply:
        self.token = self.token or self.new_token()
        reply = self._once(call, command_id, writes)
        if reply.status == 401:
            self.token = self.new_token()
            reply = self._once(call, command_id, writes)
        return reply

    def _once(self, call: Call, command_id: str, writes: list[tuple[str, str]]) -> Reply:
        self.tick()
        self.requests += 1
        refusal = self.refuse(call)
        if refusal is not None:
            return refusal
        before = len(self.mails()) if writes else 0
        response = self.service.handle(self.build(call, self.token))
        reply = Reply(response.status, {k.lower(): v for k, v in response.headers.items()}, response.body)
        if writes and reply.status < 300:
            mails = tuple(PredictedMail(MailKind(mail.kind), mail.to.lower()) for mail in self.mails()[before:])
            methods, paths = (" ".join(words) for words in zip(*writes, strict=True))
            created = tuple(self.created(call, reply))
            self.writes.append(Write(self.side, methods, paths, command_id, created, mails))
        return reply


@dataclass
class Asked(Wait):
    """One request under way: the scheduler decides when its answer comes, and meanwhile a crash may."""

    transport: Transport
    call: Call
    command_id: str

    def settle(self) -> None:
        """The request reaches the service, or does not."""
        try:
            self.result = self.transport.perform(self.call, self.command_id)
        except (Unavailable, AuthRejected) as error:
            self.error = error


def _graph_error(status: int, code: str, **headers: str) -> Reply:
    return Reply(status, headers, f'{{"error":{{"code":"{code}","message":"Injected."}}}}'.encode())


def _salesforce_error(status: int, code: str) -> Reply:
    return Reply(status, {}, f'[{{"errorCode":"{code}","message":"Injected."}}]'.encode())


THROTTLED: Final = {
    "graph": Reply(429, {"retry-after": "2"}, _graph_error(429, "ApplicationThrottled").body),
    "salesforce": _salesforce_error(403, "REQUEST_LIMIT_EXCEEDED"),
}
BUSY: Final = {
    "graph": (_graph_error(503, "ServiceUnavailable"), Reply(502, {}, b"<html>Bad gateway</html>")),
    "salesforce": (
        _salesforce_error(503, "SERVER_UNAVAILABLE"),
        _salesforce_error(400, "UNABLE_TO_LOCK_ROW"),
        Reply(502, {}, b"<html>Bad gateway</html>"),
    ),
}


def steps_of_graph(call: Call) -> list[tuple[str, str]]:
    """A call to Graph by itself; our batches only read."""
    return [] if call.path.endswith("/$batch") else [(call.method, call.path)]


def created_in_graph(call: Call, reply: Reply) -> list[str]:
    """The event that a call to Graph made."""
    return [str(reply.json()["id"])] if call.method == "POST" and reply.status == 201 else []


def steps_of_salesforce(call: Call) -> list[tuple[str, str]]:
    """What a composite call holds, or the call itself."""
    return [(method, path) for method, path, _ in steps_of(call)]


def created_in_salesforce(call: Call, reply: Reply) -> list[str]:
    """The events that a call to Salesforce made."""
    return [record_id for sobject, record_id in created(call, reply) if sobject == "Event"]
