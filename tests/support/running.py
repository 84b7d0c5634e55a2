"""All of Concord running on one machine, as tests see it: people at work, what both sides hold, what the log says."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx

from concord.changing import confirm, read_directory, set_settings, switch_users
from concord.comparison import Agreement, Firm, compare
from concord.demo_evidence import RESOURCES
from concord.demo_players import Outlook, Practifi, graph_time, practifi_time
from concord.dev import DevOptions, Environment, environment
from concord.processes import ROLES
from concord.reading import fold_journal, read_topics
from concord.settling import wait_settled
from schemas.codec import decode
from schemas.commands import Action, Command, Decision, Outcome, Result
from schemas.errors import UnreadableRecord
from schemas.settings import Settings, UserSetting
from schemas.state import PairState
from schemas.topics import GRAPH_COMMANDS, SYNC_DECISIONS, SYNC_OUTCOMES
from simulators.firm import build_firm
from streams.policy import inbound_range, months_ahead

T = TypeVar("T")

TWO_WAY = {
    "direction": "two_way",
    "delete_from_microsoft": "on",
    "delete_from_practifi": "on",
    "sync_private_events": "on",
    "sync_internal_events": "on",
    "sync_unmatched_events": "on",
    "invitation_limit_per_hour": "0",  # a day, or a load, in minutes
}
# Longest waits, in seconds: far beyond what is usual, so that a busy machine fails nothing.
SEEN_S = 40.0
SETTLE_S = 90.0


@dataclass
class FirstExchange:
    """What enabling everybody led to."""

    records_before: list[dict[str, Any]] = field(default_factory=list)
    """The Practifi events as they were before."""
    graph_writes: list[str] = field(default_factory=list)
    mails: int = 0


@dataclass(frozen=True)
class Marks:
    """How many requests each service had answered, and how many changes Salesforce had committed."""

    graph_requests: int
    salesforce_requests: int
    salesforce_changes: int


@dataclass
class Running:
    """One environment with everybody enabled, and its people."""

    env: Environment
    outlook: Outlook
    practifi: Practifi
    settings: Settings
    people: list[tuple[str, str, str]]
    """Contacts with an address: (record id, name, address)."""
    first: FirstExchange = field(default_factory=FirstExchange)
    days: int = 10

    @property
    def broker(self) -> str:
        """The broker's address."""
        return self.env.broker.address

    @property
    def users(self) -> list[UserSetting]:
        """The enabled users, by address."""
        return sorted((user for user in self.settings.users if user.is_enabled), key=lambda user: user.address)

    # --- people at work ---------------------------------------------------------------------------------------

    def a_free_day(self) -> datetime:
        """Nine in the morning (UTC) of a day that no other test uses."""
        self.days += 1
        return datetime.now(UTC).replace(hour=9, minute=0, second=0, microsecond=0) + timedelta(days=self.days)

    def meeting(self, subject: str, start: datetime, people: int = 0, **more: Any) -> dict[str, Any]:
        """What Outlook sends for a meeting of an hour with the first so many contacts."""
        return {
            "subject": subject,
            "body": {"contentType": "text", "content": f"About {subject}."},
            "start": graph_time(start),
            "end": graph_time(start + timedelta(hours=1)),
            "location": {"displayName": "Harbour House"},
            "attendees": [invited(name, address) for _, name, address in self.people[:people]],
            **more,
        }

    def entry(self, subject: str, start: datetime, owner: UserSetting, **more: Any) -> dict[str, Any]:
        """What Practifi saves for an event of an hour."""
        return {
            "Subject": subject,
            "Description": f"About {subject}.",
            "Location": "Harbour House",
            "OwnerId": owner.salesforce_id,
            "StartDateTime": practifi_time(start),
            "EndDateTime": practifi_time(start + timedelta(hours=1)),
            **more,
        }

    def control(self, side: str, action: str, body: Any = None) -> Any:
        """POST to a simulator's control surface; `side` is graph or salesforce."""
        hosted = self.env.simulators.graph_hosted if side == "graph" else self.env.simulators.salesforce_hosted
        answer = httpx.post(f"{hosted.url}/_sim/{action}", json=body or {}, timeout=30, trust_env=False)
        assert answer.status_code == 200, answer.text
        return answer.json()

    # --- waiting ----------------------------------------------------------------------------------------------

    def until(self, look: Callable[[], T | None], what: str, limit_s: float = SEEN_S) -> T:
        """Look until there is something (neither None nor false). Fails with `what` when it does not come."""
        deadline = time.monotonic() + limit_s
        while True:
            began = time.monotonic()
            found = look()
            if found:
                return found
            away = [role for role in ROLES if not self.env.roles.is_running(role)]
            now = time.monotonic()
            assert now < deadline, f"{what}: did not come in {limit_s:.0f} s; not running: {away}"
            time.sleep(max(0.05, now - began))  # looks that cost much would take the time of what they wait for

    def settle(self, limit_s: float = SETTLE_S) -> None:
        """Wait until every group stands at the end and no pair is under way."""
        settling = wait_settled(self.broker, limit_s)
        left = [(row.group, row.topic, row.partition, row.records_behind) for row in settling.behind]
        pending = [(state.pair_key, state.reason) for state in settling.pending]
        assert settling.is_settled, f"behind: {left}; pending: {pending}; {settling.problem}"

    def come_to_agreement(self, limit_s: float = SETTLE_S) -> None:
        """Wait until everything is settled and both sides agree. Settled alone says nothing of edits not read yet: a
        notification may be late, and the timer comes every few seconds."""
        deadline = time.monotonic() + limit_s
        self.settle(limit_s)
        while not self.agreement().is_whole and time.monotonic() < deadline:
            time.sleep(1.0)
            self.settle(limit_s)
        self.assert_agreement()

    def record_of(self, graph_id: str, **wanted: Any) -> dict[str, Any]:
        """The Practifi record of a Microsoft 365 event, once it holds what is wanted."""
        return self.until(
            lambda: holding(self.practifi.with_external_id(graph_id), wanted), f"a record with {wanted or graph_id}"
        )

    def event_of(self, user: UserSetting, record_id: str, **wanted: Any) -> dict[str, Any]:
        """The Microsoft 365 event of a Practifi record, once it holds what is wanted."""

        def look() -> dict[str, Any] | None:
            graph_id = (self.practifi.get(record_id) or {}).get("practifi__External_ID__c")
            return holding(self.outlook.get(user.address, graph_id), wanted) if graph_id else None

        return self.until(look, f"an event with {wanted or record_id}")

    def invitees(self, record_id: str) -> set[str]:
        """Whom a Practifi record is related to."""
        rows = self.practifi.query(f"SELECT RelationId FROM EventRelation WHERE EventId = '{record_id}'")
        return {row["RelationId"] for row in rows}

    # --- what both sides hold ---------------------------------------------------------------------------------

    def agreement(self) -> Agreement:
        """Both services compared by the rules of `concord.comparison`."""
        sims = self.env.simulators
        records: dict[str, str] = {}
        for row in self.practifi.query(
            "SELECT Id, Email, practifi__Alternative_Email__c FROM Contact ORDER BY Id DESC"
        ):
            records |= {a.lower(): row["Id"] for a in (row["practifi__Alternative_Email__c"], row["Email"]) if a}
        for row in self.practifi.query("SELECT Id, Email FROM User WHERE IsActive = true"):
            records |= {row["Email"].lower(): row["Id"]} if row["Email"] else {}
        earliest, latest = inbound_range(self.settings, datetime.now(UTC))
        midnight = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        horizon = months_ahead(midnight, self.settings.series_months)
        since = max(user.outbound_since for user in self.users if user.outbound_since is not None)
        events = sims.on_salesforce(sims.salesforce.records, "Event")
        return compare(
            Firm(
                mailboxes={
                    user.address.lower(): self.outlook.all(user.address, earliest, horizon) for user in self.users
                },
                events=[record for record in events if not record["IsChild"]],
                relations=sims.on_salesforce(sims.salesforce.records, "EventRelation"),
                records=records,
                owners={user.address.lower(): user.salesforce_id for user in self.users},
                since=since,
                earliest=earliest,
                latest=latest,
                horizon=horizon,
                rooms={row["Name"].lower(): row["Id"] for row in self.practifi.query(RESOURCES)},
            )
        )

    def assert_agreement(self) -> None:
        """Both sides agree, wholly."""
        agreement = self.agreement()
        standing = Counter(f"{state.status} {state.reason}" for state in self.pairs().values())
        assert not agreement.problems, "\n".join((*agreement.problems, str(dict(standing))))

    def organized(self) -> list[dict[str, Any]]:
        """Every event of every mailbox that stands in its organizer's own, extended properties included."""
        sims = self.env.simulators
        found = []
        for user in self.settings.users:
            found += [e for e in sims.on_graph(sims.graph.events_of, user.mailbox) if e["isOrganizer"]]
        return found

    def assert_no_duplicates(self) -> None:
        """One object per pair on each side: no mark, no external id and no subject stands twice on a side.

        Every test and every player gives each event a subject of its own."""
        sims = self.env.simulators
        records = [r for r in sims.on_salesforce(sims.salesforce.records, "Event") if not r["IsChild"]]
        counts: Counter[str] = Counter()
        for event in self.organized():
            tags = [tag["value"] for tag in event.get("singleValueExtendedProperties", ())]
            names = (event["subject"], event.get("transactionId"), *tags)
            counts.update(f"in Outlook: {name}" for name in names if name)
        for record in records:
            names = (record["Subject"], record["Concord_Sync_Key__c"], record["practifi__External_ID__c"])
            counts.update(f"in Practifi: {name}" for name in names if name)
        assert {name: count for name, count in counts.items() if count > 1} == {}

    def marks(self) -> Marks:
        """Where the records of both services stand now."""
        sims = self.env.simulators
        return Marks(
            sims.graph_hosted.edge.traffic.last_number,
            sims.salesforce_hosted.edge.traffic.last_number,
            sims.on_salesforce(lambda: len(sims.salesforce.changes)),
        )

    def graph_writes(self, since: Marks | None = None) -> list[str]:
        """Writes that Concord sent to Graph, failed ones too. Batches are reads (the sink sends none)."""
        sims = self.env.simulators
        sent = sims.graph_hosted.edge.traffic.as_json(since.graph_requests if since else 0, 20_000)["requests"]
        ours = sims.environment()["GRAPH_CLIENT_ID"]
        return [
            f"{one['method']} {one['path']} {one['status']}"
            for one in sent
            if one["client"] == ours and one["method"] != "GET" and not one["path"].endswith("/$batch")
            if "/subscriptions" not in one["path"]
        ]

    def practifi_writes(self, since: Marks | None = None) -> list[str]:
        """Changes that Concord made in Salesforce: those that came through the API; people use the browser."""
        sims = self.env.simulators
        changes = sims.on_salesforce(lambda: sims.salesforce.changes[since.salesforce_changes if since else 0 :])
        return [f"{one.change_type} {one.entity} {one.record_id}" for one in changes if one.origin == "api"]

    def assert_quiet(self, for_s: float) -> None:
        """Nothing is written for so long, although both services are read again and again meanwhile."""
        before = self.marks()
        time.sleep(for_s)
        assert self.graph_writes(before) + self.practifi_writes(before) == []
        after = self.marks()
        assert after.graph_requests > before.graph_requests, "no mailbox was looked at meanwhile"
        assert after.salesforce_requests > before.salesforce_requests, "Salesforce was not polled meanwhile"

    # --- what the log says ------------------------------------------------------------------------------------

    def decoded(self, kind: type[T], topic: str) -> list[T]:
        """Every readable record of a topic."""
        found = []
        for read in read_topics(self.broker, topic):
            try:
                found.append(decode(kind, read.value))
            except UnreadableRecord:
                continue  # put there by a test
        return found

    def pairs(self) -> dict[str, PairState]:
        """Every pair, folded from the journal."""
        return {
            key: state for partition in fold_journal(self.broker).values() for key, state in partition.pairs.items()
        }

    def mails_sent(self) -> Counter[tuple[str, str]]:
        """Mails that Exchange sent because of Concord's writes, by kind and address."""
        sims = self.env.simulators
        ours = sims.environment()["GRAPH_CLIENT_ID"]
        mails = sims.on_graph(lambda: list(sims.graph.mails))
        return Counter((str(mail.kind), mail.to.lower()) for mail in mails if mail.client == ours)

    def mails_predicted(self) -> Counter[tuple[str, str]]:
        """Mails that the decisions foresaw for the commands that took effect, by kind and address."""
        took_effect = {
            outcome.command_id
            for outcome in self.decoded(Outcome, SYNC_OUTCOMES)
            if outcome.result is Result.APPLIED or (outcome.action is Action.CREATE and outcome.result is Result.STALE)
        }
        commands = {command.command_id for command in self.decoded(Command, GRAPH_COMMANDS)}
        decisions = {(d.partition, d.offset): d for d in self.decoded(Decision, SYNC_DECISIONS)}
        return Counter(
            (str(mail.kind), mail.address)
            for decision in decisions.values()
            if any(command in took_effect and command in commands for command in decision.commands)
            for mail in decision.mails
        )

    def assert_mails_as_predicted(self) -> None:
        """Each mail sent was predicted, each predicted one was sent."""
        sent, predicted = self.mails_sent(), self.mails_predicted()
        assert (sent - predicted, predicted - sent) == (Counter(), Counter())

    # --- roles ------------------------------------------------------------------------------------------------

    def log_of(self, role: str) -> list[dict[str, Any]]:
        """A role's log, one object a line."""
        lines = (self.env.roles.log_dir / f"{role}.log").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


def invited(name: str, address: str) -> dict[str, Any]:
    """One attendee as Outlook sends it."""
    return {"type": "required", "emailAddress": {"name": name, "address": address}}


def holding(found: dict[str, Any] | None, wanted: dict[str, Any]) -> dict[str, Any] | None:
    """What was found, if it holds the wanted members."""
    if found is None or any(found.get(name) != value for name, value in wanted.items()):
        return None
    return found


@contextmanager
def running(
    state_dir: Path, *, users: int = 3, contacts: int = 12, events: int = 18, console: bool = False
) -> Iterator[Running]:
    """A small firm with Concord running beside it, nobody enabled yet; with its console and what that reads, if asked
    for."""
    seed = build_firm(datetime.now(UTC), users=users, contacts=contacts, events=events)
    options = DevOptions(port_base=0, seed=seed, state_dir=state_dir, console=console, read_models=console)
    with environment(options) as env:
        variables = env.simulators.environment()
        outlook = Outlook(env.simulators.graph_url, variables["GRAPH_TOKEN"])
        practifi = Practifi(env.simulators.salesforce_url, variables["SF_TOKEN"], variables["SF_VERSION"])
        try:
            rows = practifi.query("SELECT Id, Name, Email FROM Contact WHERE Email != null ORDER BY Email")
            yield Running(
                env, outlook, practifi, Settings(), [(row["Id"], row["Name"], row["Email"].lower()) for row in rows]
            )
        finally:
            outlook.close()
            practifi.close()


def enable(firm: Running) -> None:
    """Two-way for everybody once both sides' people are known, and the first exchange to its end."""
    sims = firm.env.simulators
    records_before = sims.on_salesforce(sims.salesforce.records, "Event")
    firm.until(lambda: len(read_directory(firm.broker).complete_sides) == 2, "the directory", 90)
    confirm(firm.broker, by="test")
    set_settings(firm.broker, TWO_WAY, by="test")
    firm.settings = switch_users(firm.broker, [], enable=True, every=True, by="test")
    firm.settle()
    firm.first = FirstExchange(records_before, firm.graph_writes(), len(sims.graph.mails))
