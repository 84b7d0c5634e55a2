"""Commands that look: status, lag, sources, topics. None of them changes anything, except `topics create`."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from concord.cli_output import ago, err, plural, print_json, print_table, say
from concord.config import load_config

if TYPE_CHECKING:
    from concord.lag import Lag
    from concord.settling import Settling
    from concord.standing import FirmStanding
    from projections.overview import Standing

PANEL: Final = "Look"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
# Reasons and pairs listed before the rest is only counted.
LISTED: Final = 10
# A wake-up younger than this, in seconds, counts as being dealt with.
FRESH_S: Final = 5.0

topics = typer.Typer(help="The Kafka topics that everything stands on.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("status", rich_help_panel=PANEL)(status)
    app.command("lag", rich_help_panel=PANEL)(lag)
    app.command("sources", rich_help_panel=PANEL)(sources)
    app.add_typer(topics, name="topics", rich_help_panel=PANEL)


@topics.command("create")
def topics_create() -> None:
    """Create the topics that are missing. What exists is left as it is.

    Partitions and replication come from CONCORD_PARTITIONS and CONCORD_REPLICATION; retention and cleanup are those
    of `concord topics flow`. With CONCORD_SCHEMA_REGISTRY the schema of every topic is registered there as well.
    """
    from concord.connecting import plainly, require_broker
    from concord.registry.client import registry_of
    from concord.registry.ids import provision
    from concord.topics import create_topics

    config = load_config()
    require_broker(config.broker)
    with plainly(config.broker):
        created = create_topics(config.broker, partitions=config.partitions, replication=config.replication)
    say(f"Created: {', '.join(created)}." if created else "Every topic exists already.")
    registry = registry_of(config)
    if registry is not None:
        known = plural(provision(config.broker, registry), "schema is", "schemas are")
        say(f"Registered at {registry.url}: {known} new to this log.")


@topics.command("list")
def topics_list(as_json: AsJson = False) -> None:
    """Every topic of Concord as the broker has it. Exit code 1 when one is missing."""
    from concord.connecting import plainly, require_broker
    from concord.topics import list_topics

    config = load_config()
    require_broker(config.broker)
    with plainly(config.broker):
        found = list_topics(config.broker)
    missing = sum(not state.partitions for state in found)
    if as_json:
        print_json([asdict(state.spec) | {"partitions": state.partitions} for state in found])
    else:
        rows = [(s.spec.name, s.partitions or None, s.spec.cleanup, kept_words(s.spec.retention_ms)) for s in found]
        print_table(("topic", "partitions", "cleanup", "kept"), rows)
        if missing:
            say(f"{plural(missing, 'topic is', 'topics are')} missing: `concord topics create` creates them.")
    if missing:
        raise typer.Exit(1)


def kept_words(retention_ms: int) -> str:
    """How long a topic keeps its records, in words; `retention_ms` below 0: for ever."""
    if retention_ms < 0:
        return "for ever"
    hours = retention_ms // 3_600_000
    return f"{hours // 24} days" if hours % 24 == 0 else f"{hours} hours"


@topics.command("acls")
def topics_acls(
    principal: Annotated[
        str, typer.Option(metavar="NAME", help="The Kafka user of each party; {party} stands for its name.")
    ] = "User:concord-{party}",
    create: Annotated[bool, typer.Option("--create", help="Put them in force on the broker.")] = False,
) -> None:
    """Who may do what on Kafka: one `kafka-acls.sh` command line for each access control entry.

    One user for each role, one for the exporter, one for people who use this command line. Needs no broker, except for
    --create, which must be done by a user who may alter the cluster.
    """
    from concord.acls import commands, create_acls

    if create:
        count = create_acls(load_config().broker, principal)
        return say(f"{plural(count, 'access control entry', 'access control entries')} in force.")
    for line in commands(principal):
        say(line, whole=True)
    return None


@topics.command("flow")
def topics_flow(as_json: AsJson = False) -> None:
    """The flow as a table: who writes each topic, who reads it. Needs no broker."""
    from schemas.topics import TOPICS

    if as_json:
        print_json(list(TOPICS))
        return
    rows = [(t.name, t.key, t.record, t.written_by, t.read_by, kept_words(t.retention_ms)) for t in TOPICS]
    print_table(("topic", "key", "record", "written by", "read by", "kept"), rows)


def status(
    wait: Annotated[
        float | None,
        typer.Option(
            metavar="SECONDS", min=0, help="Wait until nothing is open, at most so long: exit code 0 then, else 1."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """How the firm stands: per user, what is in scope, synced, pending, in error or left out, and why.

    "News" is how long ago the journal last told anything of one of the user's events, "waiting" the age of the oldest
    write without an answer; a user who is "off" is not enabled. With --wait, no table: the answer is whether everything
    that was seen has been dealt with (no consumer group behind, no pair pending, twice a moment apart).
    """
    config = load_config()
    if wait is None:
        from concord.standing import read_standing

        _print_standing(read_standing(config.broker), as_json=as_json)
        return
    settling = _wait(config.broker, wait)
    _print_settling(settling, wait, as_json=as_json)
    if not settling.is_settled:
        raise typer.Exit(1)


def _wait(broker: str, seconds: float) -> Settling:
    from concord.settling import wait_settled

    if not err.is_terminal:
        return wait_settled(broker, seconds)
    with err.status("Looking...") as shown:
        return wait_settled(broker, seconds, on_look=lambda found: shown.update(_open_words(found)))


def _open_words(settling: Settling) -> str:
    behind = sum(row.records_behind for row in settling.behind)
    return f"{plural(behind, 'record')} behind, {plural(len(settling.pending), 'pair')} pending"


def _print_settling(settling: Settling, waited: float, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "settled": settling.is_settled,
                "problem": settling.problem or None,
                "errors": settling.errors,
                "held": settling.held,
                "behind": [asdict(row) for row in settling.behind],
                "pending": [{"pair_key": s.pair_key, "reason": s.reason} for s in settling.pending],
            }
        )
        return
    if settling.is_settled:
        errors = f" {plural(settling.errors, 'pair is', 'pairs are')} in error." if settling.errors else ""
        held = f" {_held_words(settling.held)}" if settling.held else ""
        say(f"Settled: no group is behind, no pair is under way.{errors}{held}")
        return
    say(f"Not settled after {waited:g} s: {settling.problem or _open_words(settling) + '.'}")
    for row in settling.behind:
        who = row.group or "no group has read it"
        say(f"{row.topic}, partition {row.partition}: {plural(row.records_behind, 'record')} behind ({who})", indent=2)
    for state in settling.pending[:LISTED]:
        say(f"pending: {state.pair_key} ({state.reason})", indent=2)
    if len(settling.pending) > LISTED:
        say(f"and {plural(len(settling.pending) - LISTED, 'pair')} more", indent=2)


def _held_words(count: int) -> str:
    return f"{plural(count, 'write waits', 'writes wait')} for an operator: `concord held` shows which."


def _print_standing(firm: FirmStanding, *, as_json: bool) -> None:
    now = datetime.now(UTC)
    if as_json:
        print_json(
            {
                "users": [_standing_json(row, now) for row in firm.rows],
                "total": _standing_json(firm.total, now),
                "settings_number": firm.settings.number,
                "direction": firm.settings.direction,
                "unreadable_journal_entries": firm.unreadable,
                "in_quarantine": firm.in_quarantine,
                "held": firm.held,
                "lag": {
                    "records_behind": sum(row.records_behind for row in firm.lag),
                    "seconds_behind": max((row.seconds_behind or 0.0 for row in firm.lag), default=0.0),
                    "groups": sorted({row.group for row in firm.lag if row.group}),
                },
            }
        )
        return
    columns = ("user", "in scope", "synced", "pending", "errors", "not synced", "news", "waiting")
    rows = [_standing_row(row, now) for row in firm.rows]
    if rows:
        whole = _standing_row(firm.total, now)
        print_table(columns, [*rows, ("total", *whole[1:])], total=True, cut="user")
    _print_reasons("Not synced, because:", [(r.address, dict(r.reasons)) for r in firm.rows])
    _print_reasons("In error (`concord retry --errors` tries again):", [(r.address, dict(r.errors)) for r in firm.rows])
    if not any(row.is_enabled for row in firm.rows):
        say("Nobody is enabled: `concord users list` shows who could be, `concord users enable` lets them take part.")
    if firm.unreadable:
        say(f"{plural(firm.unreadable, 'journal entry', 'journal entries')} cannot be read by this version of Concord.")
    if firm.held:
        say(_held_words(firm.held))
    if firm.in_quarantine:
        kept = plural(firm.in_quarantine, "record stands", "records stand")
        say(f"{kept} in quarantine: `concord quarantine list` shows what and why.")
    say(lag_line(firm.lag))


def _standing_row(row: Standing, now: datetime) -> tuple[Any, ...]:
    from schemas.state import Status

    statuses = row.statuses
    off = " (off)" if row.mailbox and not row.is_enabled else ""
    return (
        row.address + off, row.in_scope, statuses[Status.SYNCED], statuses[Status.PENDING], statuses[Status.ERROR],
        statuses[Status.NOT_SYNCED], _age(row.observed_at, now), _age(row.oldest_pending, now),
    )  # fmt: skip


def _age(moment: datetime | None, now: datetime) -> str | None:
    return None if moment is None else ago(_seconds(moment, now))


def _seconds(moment: datetime, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds())


def _standing_json(row: Standing, now: datetime) -> dict[str, Any]:
    from concord.standing import told
    from schemas.state import Status

    def listed(counted: dict[str, int]) -> list[dict[str, Any]]:
        ordered = sorted(counted.items(), key=lambda item: (-item[1], item[0]))
        return [{"reason": code, "rule": told(code).rule, "text": told(code).text, "pairs": n} for code, n in ordered]

    return {
        "address": row.address,
        "name": row.name,
        "mailbox": row.mailbox,
        "enabled": row.is_enabled,
        "in_scope": row.in_scope,
        **{status.value: row.statuses[status] for status in Status},
        "not_synced_reasons": listed(row.reasons),
        "error_reasons": listed(row.errors),
        "freshness_s": None if row.observed_at is None else round(_seconds(row.observed_at, now), 3),
        "oldest_pending_s": None if row.oldest_pending is None else round(_seconds(row.oldest_pending, now), 3),
    }


def _print_reasons(title: str, counted: list[tuple[str, dict[str, int]]]) -> None:
    """The reasons, most frequent first, each with the users it concerns."""
    from concord.standing import told

    by_reason: dict[str, list[tuple[int, str]]] = {}
    for address, reasons in counted:
        for code, count in reasons.items():
            by_reason.setdefault(code, []).append((count, address))
    if not by_reason:
        return
    say(title)
    ordered = sorted(by_reason.items(), key=lambda row: (-sum(count for count, _ in row[1]), row[0]))
    for code, users in ordered[:LISTED]:
        who = ", ".join(f"{address} {count}" for count, address in sorted(users, key=lambda row: (-row[0], row[1])))
        say(f"{sum(count for count, _ in users):>4}  {told(code).text}  [{who}]", indent=2, hang=6)
    if len(ordered) > LISTED:
        say(f"and {plural(len(ordered) - LISTED, 'reason')} more (--json lists all)", indent=2)


def lag_line(rows: list[Lag]) -> str:
    """All lag in one sentence. A wake-up that was written a moment ago is no lag: a timer writes them without end."""
    from concord.settling import ENDLESS

    groups = {row.group for row in rows if row.group}
    behind = [
        row
        for row in rows
        if row.records_behind and not (row.topic in ENDLESS and (row.seconds_behind or 0.0) < FRESH_S)
    ]
    if not behind:
        if not groups:
            return "Lag: no worker has read from this broker yet."
        return f"Lag: none ({plural(len(groups), 'consumer group')})."
    worst = max(behind, key=lambda row: row.seconds_behind or 0.0)
    records = sum(row.records_behind for row in behind)
    age = f", for up to {ago(worst.seconds_behind)}" if worst.seconds_behind is not None else ""
    return f"Lag: {plural(records, 'record')} behind{age} ({worst.group or 'read by no group'}, {worst.topic})."


def lag(
    over: Annotated[
        float | None,
        typer.Option(metavar="SECONDS", min=0.1, help="Look for so long, and tell rate and state as well."),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Consumer lag as the broker sees it: per group, topic and partition, what is committed and what waits.

    "Behind" is the number of records not yet dealt with; "seconds" how long ago the oldest of them was written. A row
    without a group is a topic with records that no worker has read yet. With --over, the state is that of
    `concord exporter`: ok, warn (moves, but falls behind), stop (behind, nothing moves, no worker), stall (the same,
    although there are workers), rewind (went back). Exit code 1 when one stops or stalls.

    Example: concord lag --over 20
    """
    broker = load_config().broker
    if over is not None:
        _lag_over(broker, over, as_json=as_json)
        return
    from concord.lag import read_lag

    rows = read_lag(broker)
    if as_json:
        print_json(rows)
        return
    print_table(LAG_COLUMNS, [_lag_row(row) for row in rows])
    say(lag_line(rows))


LAG_COLUMNS: Final = ("group", "topic", "partition", "committed", "end", "behind", "seconds")


def _lag_row(row: Lag) -> tuple[Any, ...]:
    return (
        row.group or "(none)", row.topic, row.partition, row.committed, row.end, row.records_behind, row.seconds_behind
    )  # fmt: skip


def _lag_over(broker: str, seconds: float, *, as_json: bool) -> None:
    from concord.telemetry.progress import State, watch_progress

    found = watch_progress(broker, seconds)
    if as_json:
        print_json([asdict(one.lag) | {"rate": round(one.rate, 3), "state": one.state} for one in found])
    else:
        rows = [(*_lag_row(one.lag), round(one.rate, 1), one.state.value) for one in found]
        print_table((*LAG_COLUMNS, "per second", "state"), rows)
        say(lag_line([one.lag for one in found]))
    if any(one.state in (State.STOP, State.STALL) for one in found):
        raise typer.Exit(1)


def sources(as_json: AsJson = False) -> None:
    """What is read: every mailbox and the Salesforce objects, when a change last came and when it was last looked at.

    "Looked at" is the last wake-up (by a timer, a notification, or an operator). A dash: nothing within the last 5,000
    records of a partition.
    """
    from concord.standing import read_sources

    rows = read_sources(load_config().broker)
    if as_json:
        print_json(rows)
        return
    now = time.time()

    def since(at_ms: int | None) -> str | None:
        return None if at_ms is None else ago(max(0.0, now - at_ms / 1000)) + " ago"

    print_table(
        ("source", "what", "enabled", "last change", "looked at", "because of"),
        [
            (
                r.service,
                r.name,
                "yes" if r.is_enabled else "no",
                since(r.changed_ms),
                since(r.woken_ms),
                r.woken_by or None,
            )
            for r in rows
        ],
    )
    if not rows:
        say("Nothing is known yet: the directory has not been read. Start `concord source graph`.")
