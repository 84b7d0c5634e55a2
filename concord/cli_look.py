"""Commands that look and change nothing (except `topics create`): topics, status."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from concord.cli_output import out, print_json, print_table
from concord.config import load_config

if TYPE_CHECKING:
    from concord.settling import Settling

PANEL: Final = "Look"
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

topics = typer.Typer(help="The Kafka topics that everything stands on.", no_args_is_help=True)


def register(app: typer.Typer) -> None:
    """Add these commands to the application."""
    app.command("status", rich_help_panel=PANEL)(status)
    app.add_typer(topics, name="topics", rich_help_panel=PANEL)


@topics.command("create")
def topics_create() -> None:
    """Create the topics that are missing; what exists is left as it is."""
    from concord.connecting import admin_of, plainly
    from concord.topics import create_topics

    config = load_config()
    with admin_of(config.broker):  # says plainly when nobody answers
        pass
    with plainly(config.broker):
        created = create_topics(config.broker, partitions=config.partitions, replication=config.replication)
    out.print(f"Created: {', '.join(created)}." if created else "Every topic exists already.", highlight=False)


@topics.command("list")
def topics_list(as_json: AsJson = False) -> None:
    """Every topic of ours as the broker has it: partitions, retention, what it holds."""
    from concord.connecting import admin_of, plainly
    from concord.topics import list_topics

    config = load_config()
    with admin_of(config.broker):
        pass
    with plainly(config.broker):
        found = list_topics(config.broker)
    if as_json:
        print_json([asdict(state.spec) | {"partitions": state.partitions} for state in found])
        return
    rows = [(s.spec.name, s.partitions or None, s.spec.cleanup, _kept(s.spec.retention_ms)) for s in found]
    print_table("", ("topic", "partitions", "cleanup", "kept"), rows)
    missing = sum(not state.partitions for state in found)
    if missing:
        out.print(f"{missing} topics are missing: create them with `concord topics create`.", highlight=False)


def _kept(retention_ms: int) -> str:
    if retention_ms < 0:
        return "for ever"
    hours = retention_ms // 3_600_000
    return f"{hours // 24} days" if hours % 24 == 0 else f"{hours} hours"


@topics.command("flow")
def topics_flow(as_json: AsJson = False) -> None:
    """The flow as a table: who writes each topic, who reads it. Needs no broker."""
    from schemas.topics import TOPICS

    if as_json:
        print_json(list(TOPICS))
        return
    rows = [(t.name, t.key, t.record, t.written_by, t.read_by, _kept(t.retention_ms)) for t in TOPICS]
    print_table("", ("topic", "key", "record", "written by", "read by", "kept"), rows)


def status(
    wait: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Wait until nothing is open; exit code 1 if it still is.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """How the firm stands: per user, what is synced, under way, refused or out of scope."""
    from concord.settling import wait_settled

    config = load_config()
    if wait is not None:
        settling = wait_settled(config.broker, wait)
        _print_settling(settling, wait, as_json=as_json)
        raise typer.Exit(0 if settling.is_settled else 1)
    _print_status(config.broker, as_json=as_json)


def _print_settling(settling: Settling, waited: float, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "settled": settling.is_settled,
                "problem": settling.problem,
                "behind": [asdict(row) for row in settling.behind],
                "pending": [state.pair_key for state in settling.pending],
            }
        )
        return
    if settling.is_settled:
        out.print("Settled: nothing is behind, nothing is under way.", highlight=False)
        return
    out.print(f"Not settled after {waited:g} s.", highlight=False)
    if settling.problem:
        out.print(settling.problem, highlight=False)
    for row in settling.behind:
        out.print(
            f"  {row.group or 'read by nobody'}: {row.topic}[{row.partition}] {row.records_behind} records behind",
            highlight=False, markup=False,
        )  # fmt: skip
    for state in settling.pending[:20]:
        out.print(f"  under way: {state.pair_key} ({state.reason})", highlight=False, markup=False)
    if len(settling.pending) > 20:
        out.print(f"  and {len(settling.pending) - 20} pairs more", highlight=False)


def _print_status(broker: str, *, as_json: bool) -> None:
    from concord.changing import current_settings
    from concord.reading import fold_journal
    from projections.overview import overview
    from schemas.state import Status

    pairs = [state for partition in fold_journal(broker).values() for state in partition.pairs.values()]
    rows: list[Any] = overview(pairs, current_settings(broker))
    if as_json:
        print_json(rows)
        return
    print_table(
        "",
        ("user", "enabled", "in scope", "synced", "pending", "errors", "not synced"),
        [
            (
                row.address, "yes" if row.is_enabled else "no", row.in_scope, row.statuses[Status.SYNCED],
                row.statuses[Status.PENDING], row.statuses[Status.ERROR], row.statuses[Status.NOT_SYNCED],
            )
            for row in rows
        ],
    )  # fmt: skip
