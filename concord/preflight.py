"""Preflight: asks both services and the log what they know, and has `preflight_checks` judge it. Writes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any, Final, TypeVar

from concord import preflight_checks as checks
from concord.changing import confirm, current_settings, known_users, read_directory
from concord.config import Config
from concord.preflight_checks import Finding, Level
from concord.roles.graph_connection import Graph
from concord.roles.salesforce_connection import Salesforce
from connectors.exchange import Call, Exchange, Reply, run_async
from connectors.graph import wire as graph_wire
from connectors.graph.directory import read_rooms
from connectors.salesforce import org
from connectors.salesforce.directory import read_rooms as read_calendars
from connectors.salesforce.fields import FieldNames, read_field_names
from projections.directory import Directory
from schemas.directory import DirectoryEntry
from schemas.errors import ServiceError
from schemas.settings import Settings, UserSetting

T = TypeVar("T")

# How far back signs of another sync are looked for.
RECENT: Final = timedelta(days=30)
# Mailboxes tried when nobody is enabled yet.
MAILBOXES_MAX: Final = 20
GRAPH: Final = "Microsoft 365"
SALESFORCE: Final = "Salesforce"


async def examine(config: Config) -> list[Finding]:
    """Every finding, in the order in which they are best put right. Raises ConcordError when the broker is away."""
    settings = current_settings(config.broker)
    directory = read_directory(config.broker)
    graph, salesforce = Graph(config), Salesforce(config)
    names = read_field_names(config.salesforce_fields)
    findings: list[Finding] = []
    rooms: list[DirectoryEntry] = []
    await graph.start()
    await salesforce.start()
    try:
        microsoft = _Service(GRAPH, graph.client.send, findings)
        users = known_users(directory, settings)
        rooms += await _microsoft(microsoft, users, findings)
        practifi = _Service(SALESFORCE, salesforce.client.send_async, findings)
        rooms += await _practifi(practifi, names, findings)
    finally:
        await graph.stop()
        await salesforce.stop()
    if microsoft.is_open and practifi.is_open:
        findings += checks.rooms(_known(rooms))
    findings += [*checks.addresses(directory), *checks.licences(settings), *checks.show_as(settings, names)]
    findings += [checks.clock(service.name, service.skew) for service in (microsoft, practifi) if service.is_open]
    return findings


def is_clear(findings: Iterable[Finding]) -> bool:
    """Whether nothing must be fixed first."""
    return all(finding.level is not Level.FIX for finding in findings)


@dataclass(frozen=True)
class Checked:
    """One preflight: what was found, when, and the settings then in force, which say whether one is confirmed."""

    findings: tuple[Finding, ...]
    settings: Settings
    at: datetime

    @property
    def is_clear(self) -> bool:
        """Whether nothing must be fixed first."""
        return is_clear(self.findings)


def check(config: Config, *, confirm_by: str = "") -> Checked:
    """Examine everything, and have it confirmed by whoever is named if nothing must be fixed. Raises ConcordError."""
    findings = tuple(asyncio.run(examine(config)))
    is_confirmed = bool(confirm_by) and is_clear(findings)
    settings = confirm(config.broker, by=confirm_by) if is_confirmed else current_settings(config.broker)
    return Checked(findings, settings, datetime.now(UTC))


class _Service:
    """One service: what it was asked, what time it has, and whether it lets us in."""

    def __init__(self, name: str, send: Callable[[Call], Any], findings: list[Finding]) -> None:
        self.name = name
        self.skew: timedelta | None = None
        self.is_open = False
        self._send = send
        self._findings = findings

    async def ask(self, what: str, exchange: Exchange[T]) -> T | None:
        """What an exchange learns; None, and a finding, when the service refuses."""
        try:
            learned = await run_async(exchange, self._timed)
        except ServiceError as error:
            advice = error.fix or "Try again; if it stays, ask whoever runs the service."
            self._findings.append(Finding(f"{self.name}: {what}", Level.FIX, error.what, advice))
            return None
        self.is_open = True
        return learned

    async def _timed(self, call: Call) -> Reply:
        reply: Reply = await self._send(call)
        said = reply.headers.get("date", "")
        if said:
            try:
                self.skew = parsedate_to_datetime(said).astimezone(UTC) - datetime.now(UTC)
            except ValueError:
                self.skew = None
        return reply


async def _microsoft(
    service: _Service, users: list[UserSetting], findings: list[Finding]
) -> tuple[DirectoryEntry, ...]:
    if await service.ask("users", _one(graph_wire.users(1))) is None:
        return ()
    findings.append(Finding(f"{GRAPH}: sign-in and users", Level.OK, "may be read"))
    rooms = await service.ask("rooms", read_rooms())
    enabled = [user for user in users if user.is_enabled]
    tried = enabled or [user for user in users if user.salesforce_id][:MAILBOXES_MAX]
    opened = 0
    for user in tried:
        opened += (
            await service.ask(f"calendar of {user.address}", _one(graph_wire.get_calendar(user.mailbox))) is not None
        )
    if opened:
        findings.append(Finding(f"{GRAPH}: mailboxes", Level.OK, f"{opened} of {len(tried)} calendars may be read"))
    if not tried:
        findings.append(
            Finding(
                f"{GRAPH}: mailboxes", Level.LOOK, "nobody is known yet",
                "Start `concord source graph` and `concord source salesforce`, then run preflight again.",
            )
        )  # fmt: skip
    return rooms or ()


async def _practifi(service: _Service, names: FieldNames, findings: list[Finding]) -> tuple[DirectoryEntry, ...]:
    shapes = await service.ask("sign-in and objects", org.described(("Event", "EventRelation", "Contact", "User")))
    if shapes is None:
        return ()
    findings.append(Finding(f"{SALESFORCE}: sign-in and objects", Level.OK, "may be read"))
    event, relation, contact, user = shapes
    found = checks.fields(event, names)
    findings += [*found, *checks.relations(relation, names), *checks.match_fields(contact, user)]
    if all(finding.level is not Level.FIX for finding in found):
        signs = await service.ask("recent events", org.signs_of_others(names, datetime.now(UTC) - RECENT))
        findings += checks.engines(*signs) if signs is not None else []
    return await service.ask("Resource Calendars", read_calendars()) or ()


def _one(call: Call) -> Exchange[Any]:
    return graph_wire.read((yield call))


def _known(rooms: Iterable[DirectoryEntry]) -> Directory:
    directory = Directory()
    for room in rooms:
        directory.put(room.key, room)
    return directory


def confirmed(settings: Settings) -> str:
    """When and by whom a preflight was confirmed, in words; "" when never."""
    if settings.preflight_at is None:
        return ""
    return f"{settings.preflight_at:%Y-%m-%d %H:%M} UTC by {settings.preflight_by}"
