"""What the demo is judged by: what both services hold, what the log says, which mails left. No verdict."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from typing import Any, Final

from concord.comparison import EXTERNAL_ID, Firm
from concord.demo_players import Outlook, Practifi
from concord.reading import fold_journal, read_topics
from schemas.codec import decode
from schemas.commands import Action, Command, Decision, Outcome, Result
from schemas.settings import Settings
from schemas.topics import GRAPH_CHANGES, GRAPH_COMMANDS, SALESFORCE_CHANGES, SYNC_DECISIONS, SYNC_OUTCOMES
from simulators.ics import ImportReport
from simulators.launch import Simulators

RESOURCES: Final = "SELECT Id, Name FROM Calendar WHERE Type = 'Resource' AND IsActive = true"
# Dates of series are looked at this far beyond where they are carried, so that what was carried too far shows.
BEYOND: Final = timedelta(days=31)

Mails = Counter[tuple[str, str]]
"""Mails by kind and lower-case address."""


@dataclass(frozen=True)
class Log:
    """What the topics say. `changes` by side, `decisions` by reason code, `writes` by side and action, each once."""

    pairs: int
    changes: Mapping[str, int]
    decisions: Mapping[str, int]
    writes: Mapping[tuple[str, str], int]
    predicted: Mails


@dataclass(frozen=True)
class Evidence:
    """Everything a verdict needs. `shared_marks` counts the surplus uses of marks that only one event a side may
    carry; `shortfalls` says in words what should have happened and did not; `phases` are (what, seconds)."""

    now: Firm
    before: Firm
    log: Log
    sent: Mails
    shared_marks: int = 0
    reports: tuple[ImportReport, ...] = ()
    restarts: int = 0
    shortfalls: tuple[str, ...] = ()
    phases: tuple[tuple[str, float], ...] = field(default=())


def gather(simulators: Simulators, outlook: Outlook, practifi: Practifi, settings: Settings) -> Firm:
    """What both services hold now of all users that the settings name."""
    users = [user for user in settings.users if user.salesforce_id]
    earliest, latest = _range(settings, datetime.now(UTC))
    horizon = _horizon(settings, datetime.now(UTC))
    events = simulators.on_salesforce(simulators.salesforce.records, "Event")
    return Firm(
        mailboxes={user.address.lower(): outlook.all(user.address, earliest, horizon + BEYOND) for user in users},
        events=[event for event in events if not event["IsChild"]],
        relations=simulators.on_salesforce(simulators.salesforce.records, "EventRelation"),
        records=_records(practifi),
        owners={user.address.lower(): user.salesforce_id for user in users},
        since=max((user.outbound_since for user in users if user.outbound_since is not None), default=latest),
        earliest=earliest,
        latest=latest,
        horizon=horizon,
        rooms={row["Name"].lower(): row["Id"] for row in practifi.query(RESOURCES)},
        practifi_has_own_people=False,
    )


def _records(practifi: Practifi) -> dict[str, str]:
    """The record that each address stands for: users before contacts, Email before Alternative Email, oldest first."""
    records: dict[str, str] = {}
    contacts = practifi.query("SELECT Id, Email, practifi__Alternative_Email__c FROM Contact ORDER BY Id DESC")
    for name in ("practifi__Alternative_Email__c", "Email"):
        records |= {row[name].lower(): row["Id"] for row in contacts if row[name]}
    users = practifi.query("SELECT Id, Email FROM User WHERE IsActive = true ORDER BY Id DESC")
    return records | {row["Email"].lower(): row["Id"] for row in users if row["Email"]}


def _range(settings: Settings, now: datetime) -> tuple[datetime, datetime]:
    """The starts that are synced: from the commencement date to so many years ahead."""
    earliest = datetime.combine(settings.commencement_date or now.date(), time(), UTC)
    try:
        return earliest, now.replace(year=now.year + settings.inbound_years)
    except ValueError:  # 29 February
        return earliest, now.replace(year=now.year + settings.inbound_years, day=28)


def _horizon(settings: Settings, now: datetime) -> datetime:
    """The midnight up to which dates of series are carried: so many months ahead, or that month's last day."""
    years, month = divmod(now.month - 1 + settings.series_months, 12)
    for day in range(now.day, 0, -1):
        with contextlib.suppress(ValueError):
            return datetime(now.year + years, month + 1, day, tzinfo=UTC)
    raise AssertionError("every month has a first day")


def read_log(broker: str) -> Log:
    """Read the topics once. A decision that a crash repeated counts once, a command that was sent again as well."""
    decisions: dict[tuple[int, int], Decision] = {}
    for record in read_topics(broker, SYNC_DECISIONS):
        decision = decode(Decision, record.value)
        decisions[decision.partition, decision.offset] = decision
    took_effect: dict[str, Outcome] = {}
    for record in read_topics(broker, SYNC_OUTCOMES):
        outcome = decode(Outcome, record.value)
        if outcome.result is Result.APPLIED or (outcome.action is Action.CREATE and outcome.result is Result.STALE):
            took_effect[outcome.command_id] = outcome
    commands = {decode(Command, record.value).command_id for record in read_topics(broker, GRAPH_COMMANDS)}
    predicted: Mails = Counter(
        (str(mail.kind), mail.address)
        for decision in decisions.values()
        if any(command in took_effect and command in commands for command in decision.commands)
        for mail in decision.mails
    )
    changes = {side: sum(1 for _ in read_topics(broker, topic)) for side, topic in _CHANGES.items()}
    return Log(
        pairs=sum(len(partition.pairs) for partition in fold_journal(broker).values()),
        changes=changes,
        decisions=Counter(decision.reason for decision in decisions.values()),
        writes=Counter((str(outcome.side), str(outcome.action)) for outcome in took_effect.values()),
        predicted=predicted,
    )


_CHANGES = {"graph": GRAPH_CHANGES, "salesforce": SALESFORCE_CHANGES}


def sent_mails(simulators: Simulators) -> Mails:
    """Mails that Exchange sent because of Concord's own writes."""
    ours = simulators.environment()["GRAPH_CLIENT_ID"]
    mails = simulators.on_graph(lambda: list(simulators.graph.mails))
    return Counter((str(mail.kind), mail.to.lower()) for mail in mails if mail.client == ours)


def shared_marks(simulators: Simulators) -> int:
    """How many events carry a mark that another event of the same side carries as well."""
    marks: Counter[str] = Counter()
    for record in simulators.on_salesforce(simulators.salesforce.records, "Event"):
        if not record["IsChild"]:
            names = {name: record[name] for name in ("Concord_Sync_Key__c", EXTERNAL_ID)}
            marks.update(f"Practifi {name} {value}" for name, value in names.items() if value)
    for mailbox in simulators.on_graph(lambda: list(simulators.graph.world.users)):
        events: list[dict[str, Any]] = simulators.on_graph(simulators.graph.events_of, mailbox)
        for event in (event for event in events if event["isOrganizer"]):
            tags = [tag["value"] for tag in event.get("singleValueExtendedProperties", ())]
            marks.update(f"Microsoft 365 {mark}" for mark in (*tags, event.get("transactionId")) if mark)
    return sum(times - 1 for times in marks.values())
