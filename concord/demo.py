"""`make demo`: a small firm's day on real Kafka, shown live; an independent comparison decides the exit code."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from rich.live import Live
from rich.table import Table

from concord.changing import read_directory, set_settings, switch_users
from concord.cli_output import out
from concord.comparison import Agreement, compare
from concord.comparison import Firm as Compared
from concord.demo_day import Firm, Scene, scenes
from concord.demo_players import Outlook, Practifi
from concord.dev import DevOptions, Environment, environment
from concord.reading import fold_journal, read_topics
from concord.settling import wait_settled
from schemas.codec import decode
from schemas.commands import Command, Decision, Outcome, Result
from schemas.errors import ConcordError
from schemas.settings import Settings
from schemas.topics import GRAPH_COMMANDS, SYNC_DECISIONS, SYNC_OUTCOMES
from simulators.firm import build_firm
from streams.policy import inbound_range

USERS: Final = 5
CONTACTS: Final = 40
EVENTS: Final = 150

# Longest waits, in seconds. On two idle cores an act is seen after about half a second, after a kill after about six.
DIRECTORY_S: Final = 90.0
ACT_S: Final = 60.0
SETTLE_S: Final = 120.0

SETTINGS: Final = {
    "direction": "two_way",
    "delete_from_microsoft": "on",
    "delete_from_practifi": "on",
    "sync_private_events": "on",
    "sync_internal_events": "on",
    "sync_unmatched_events": "on",
}


@dataclass
class Progress:
    """The live table: each act, where it shows, and after how long."""

    rows: list[tuple[str, str, str]] = field(default_factory=list)

    def table(self) -> Table:
        """What is shown."""
        table = Table(box=None, pad_edge=False, header_style="bold", title="A day at the firm", title_justify="left")
        for column in ("what happened", "seen in", "after"):
            table.add_column(column, justify="right" if column == "after" else "left")
        for row in self.rows:
            table.add_row(*row)
        return table


def run_demo(*, ics: tuple[Path, ...] = (), keep: bool = False) -> int:
    """Run the demo. Returns 0 when every act arrived, both sides agree and the mails were as predicted; else 1."""
    state_dir = Path(tempfile.mkdtemp(prefix="concord-demo-"))
    started = datetime.now(UTC)
    seed = build_firm(started, users=USERS, contacts=CONTACTS, events=EVENTS)
    try:
        out.print(
            f"A firm of {USERS} users, {CONTACTS} contacts and {EVENTS} events. Starting Kafka and every role ..."
        )
        with environment(DevOptions(port_base=0, seed=seed, ics=ics, state_dir=state_dir)) as env:
            is_good = _run(env, started)
            if keep:
                out.print(f"Still running: export CONCORD_BROKER={env.broker.address}. Ctrl-C ends it.")
                _until_interrupted()
        return 0 if is_good else 1
    finally:
        shutil.rmtree(state_dir, ignore_errors=True)


def _run(env: Environment, started: datetime) -> bool:
    outlook = Outlook(env.simulators.graph_url, env.simulators.environment()["GRAPH_TOKEN"])
    practifi = Practifi(
        env.simulators.salesforce_url,
        env.simulators.environment()["SF_TOKEN"],
        env.simulators.environment()["SF_VERSION"],
    )
    try:
        settings = _enable(env)
        mails_before = len(env.simulators.graph.mails)
        firm = _cast(env, outlook, practifi, settings)
        progress = Progress()
        begun = time.monotonic()
        _wait(lambda: wait_settled(env.broker.address, SETTLE_S).is_settled, SETTLE_S, "the first exchange")
        progress.rows.append(("the firm's existing events exchanged, no mail sent", "both", _took(begun)))
        quiet = len(env.simulators.graph.mails) == mails_before
        with Live(progress.table(), console=out, refresh_per_second=8) as live:
            never = [scene.title for scene in scenes(firm) if not _play(scene, progress, live)]
        settling = wait_settled(env.broker.address, SETTLE_S)
        agreement = compare(gather(env, outlook, practifi, settings))
        return _summary(env, agreement, started) and not never and quiet and settling.is_settled
    finally:
        outlook.close()
        practifi.close()


def _enable(env: Environment) -> Settings:
    """Wait until both sides' people are known, then let everybody take part in both directions."""
    broker = env.broker.address
    _wait(lambda: len(read_directory(broker).complete_sides) == 2, DIRECTORY_S, "the directory of both sides")
    set_settings(broker, SETTINGS, by="demo")
    return switch_users(broker, [], enable=True, every=True, by="demo")


def _cast(env: Environment, outlook: Outlook, practifi: Practifi, settings: Settings) -> Firm:
    users = [user for user in settings.users if user.is_enabled]
    rows = practifi.query("SELECT Id, Name, Email FROM Contact WHERE Email != null ORDER BY Email LIMIT 10")
    noon = datetime.now(UTC).replace(hour=2, minute=0, second=0, microsecond=0) + timedelta(days=7)
    return Firm(
        outlook=outlook,
        practifi=practifi,
        adviser=users[0].address,
        adviser_id=users[0].salesforce_id,
        partner=users[1].address,
        partner_id=users[1].salesforce_id,
        contacts=[(row["Id"], row["Name"], row["Email"]) for row in rows],
        noon=noon,
        kill_role=env.roles.kill,
    )


def _play(scene: Scene, progress: Progress, live: Live) -> bool:
    progress.rows.append((scene.title, scene.towards, "..."))
    live.update(progress.table())
    scene.act()
    begun = time.monotonic()
    is_seen = False
    while not is_seen and time.monotonic() - begun < ACT_S:
        is_seen = scene.is_seen()
        if not is_seen:
            time.sleep(0.05)
    progress.rows[-1] = (scene.title, scene.towards, _took(begun) if is_seen else "never")
    live.update(progress.table())
    return is_seen


def _took(begun: float) -> str:
    return f"{time.monotonic() - begun:.2f} s"


def _wait(test: Callable[[], bool], limit_s: float, what: str) -> None:
    deadline = time.monotonic() + limit_s
    while not test():
        if time.monotonic() > deadline:
            raise ConcordError(f"Waited {limit_s:.0f} s for {what} in vain.", "The roles' logs are under logs/.")
        time.sleep(0.3)


def gather(env: Environment, outlook: Outlook, practifi: Practifi, settings: Settings) -> Compared:
    """What both services hold now, read through their own APIs."""
    users = [user for user in settings.users if user.is_enabled]
    records = {}
    for row in practifi.query("SELECT Id, Email, practifi__Alternative_Email__c FROM Contact ORDER BY Id DESC"):
        for address in (row["practifi__Alternative_Email__c"], row["Email"]):
            if address:
                records[address.lower()] = row["Id"]
    for row in practifi.query("SELECT Id, Email FROM User WHERE IsActive = true"):
        if row["Email"]:
            records[row["Email"].lower()] = row["Id"]
    earliest, latest = inbound_range(settings, datetime.now(UTC))
    since = max((user.outbound_since for user in users if user.outbound_since is not None), default=latest)
    events = env.simulators.on_salesforce(env.simulators.salesforce.records, "Event")
    return Compared(
        mailboxes={user.address.lower(): outlook.all(user.address) for user in users},
        events=[event for event in events if not event["IsChild"]],
        relations=env.simulators.on_salesforce(env.simulators.salesforce.records, "EventRelation"),
        records=records,
        owners={user.address.lower(): user.salesforce_id for user in users},
        since=since,
        earliest=earliest,
        latest=latest,
    )


@dataclass(frozen=True)
class Counts:
    """What the log says happened. Mails are counted by kind and address."""

    entries: int
    decisions: int
    writes: Counter[str]
    predicted: Counter[tuple[str, str]]
    duplicates: int


def count(env: Environment) -> Counts:
    """Read the topics once."""
    broker = env.broker.address
    partitions = fold_journal(broker)
    decisions = {
        (d.partition, d.offset) for d in (decode(Decision, r.value) for r in read_topics(broker, SYNC_DECISIONS))
    }
    applied: dict[str, Outcome] = {}
    for record in read_topics(broker, SYNC_OUTCOMES):
        outcome = decode(Outcome, record.value)
        if outcome.result is Result.APPLIED:
            applied[outcome.command_id] = outcome
    commands = {c.command_id: c for c in (decode(Command, r.value) for r in read_topics(broker, GRAPH_COMMANDS))}
    mails = Counter(
        (str(mail.kind), mail.address)
        for command_id, command in commands.items()
        if command_id in applied
        for mail in command.mails
    )
    return Counts(
        entries=sum(state.offset >= 0 for p in partitions.values() for state in p.pairs.values()),
        decisions=len(decisions),
        writes=Counter(f"{outcome.side} {outcome.action}" for outcome in applied.values()),
        predicted=mails,
        duplicates=duplicates(env),
    )


def duplicates(env: Environment) -> int:
    """Events of either side that carry a mark which another event of that side carries as well."""
    simulators = env.simulators
    marks = Counter(
        f"practifi {record['Concord_Sync_Key__c']}"
        for record in simulators.on_salesforce(simulators.salesforce.records, "Event")
        if record["Concord_Sync_Key__c"]
    )
    for mailbox in list(simulators.graph.world.users):
        for event in simulators.on_graph(simulators.graph.events_of, mailbox):
            for tag in event.get("singleValueExtendedProperties", ()):
                marks[f"microsoft {tag['value']}"] += 1
    return sum(times - 1 for times in marks.values())


def _summary(env: Environment, agreement: Agreement, started: datetime) -> bool:
    counts = count(env)
    ours = env.simulators.environment()["GRAPH_CLIENT_ID"]
    sent = Counter(
        (str(mail.kind), mail.to.lower())
        for mail in env.simulators.on_graph(lambda: list(env.simulators.graph.mails))
        if mail.client == ours and mail.when >= started
    )
    rows: list[tuple[str, Any]] = [
        ("pairs on the journal", counts.entries),
        ("decisions", counts.decisions),
        ("writes to Microsoft 365", sum(n for kind, n in counts.writes.items() if kind.startswith("graph"))),
        ("writes to Practifi", sum(n for kind, n in counts.writes.items() if kind.startswith("salesforce"))),
        ("mails predicted", sum(counts.predicted.values())),
        ("mails sent for Concord's writes", sum(sent.values())),
        ("duplicates", counts.duplicates),
        ("workers restarted", env.roles.restarts),
        ("events in Microsoft 365", agreement.microsoft_events),
        ("events in Practifi", agreement.practifi_events),
        ("on both sides and equal", agreement.agreeing),
    ]
    rows += [(f"rightly on one side: {why}", number) for why, number in sorted(agreement.refused.items())]
    for report in env.simulators.reports:
        rows.append((f"{report.file}: events imported", report.imported))
        rows.append((f"{report.file}: refused by the calendar itself", len(report.refused)))
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column()
    table.add_column(justify="right")
    for name, value in rows:
        table.add_row(name, str(value))
    out.print()
    out.print(table)
    problems = list(agreement.problems)
    if sent != counts.predicted:
        problems.append(
            f"mails: {dict(counts.predicted - sent)} predicted and not sent, {dict(sent - counts.predicted)} sent"
        )
    if counts.duplicates:
        problems.append(f"{counts.duplicates} duplicates")
    for problem in problems[:20]:
        out.print(f"[bold red]differs[/bold red] {problem}", highlight=False)
    out.print("[bold green]Both sides agree.[/bold green]" if not problems else f"{len(problems)} differences.")
    return not problems


def _until_interrupted() -> None:
    try:
        while True:
            time.sleep(1)
    except KeyboardInterrupt:
        return
