"""`concord replay`: let a stage go over its input again."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from concord.cli_output import complain, plural, print_json, print_table, say
from concord.cli_progress import progress_bar
from concord.config import load_config
from concord.moments import moment
from concord.replay_stages import Stage
from schemas.errors import ConcordError

if TYPE_CHECKING:
    from concord.read_models.replaying import Replayed
    from concord.replay_ranges import Range, Start

PANEL: Final = "Administer"
# Rows listed of each read model before the rest is only counted.
LISTED: Final = 30


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("replay", rich_help_panel=PANEL)(replay)


def replay(
    stage: Annotated[Stage, typer.Option(help="What goes over its input again.")],
    *,
    to_datetime: Annotated[str, typer.Option(metavar="WHEN", help="From then on: 30d, 12h, or a date or time.")] = "",
    to_offset: Annotated[int, typer.Option(min=-1, help="From an offset on, in each partition.")] = -1,
    to_earliest: Annotated[bool, typer.Option("--to-earliest", help="From the beginning.")] = False,
    topic: Annotated[str, typer.Option(help="Only this input of the stage.")] = "",
    partition: Annotated[list[int] | None, typer.Option(help="Only this partition; repeatable.")] = None,
    key: Annotated[str, typer.Option(help="Only where this key stands, from its first record on.")] = "",
    model: Annotated[list[str] | None, typer.Option(help="Of projections, only this read model; repeatable.")] = None,
    execute: Annotated[bool, typer.Option("--execute/--dry-run", help="Do it, instead of showing it.")] = False,
    watch: Annotated[bool, typer.Option("--watch/--no-watch", help="Follow until it is done.")] = True,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text; does not watch.")] = False,
) -> None:
    """Let a stage go over its input again. Shows what it would do; --execute does it.

    Nothing takes effect twice: what was folded, decided or written before is known. reconcile repairs rows that are
    missing and sends commands that are still under way; intake writes to the journal what is missing there. Stop
    `concord reconcile` first, and start it again afterwards: the workers do the work.

    projections folds the read models of `concord project` again and shows the rows that records from there on make
    otherwise than they stand; --execute puts those rows right at once, while `concord project` waits.

    Example: concord replay --stage reconcile --to-earliest

    Example: concord replay --stage projections --model run-log --to-datetime 7d
    """
    from concord.replaying import execute as carry_out
    from concord.replaying import follow, plan

    wanted = _start(to_datetime, to_offset, to_earliest=to_earliest)
    if stage is Stage.PROJECTIONS:
        narrowed = {"topic": topic, "partitions": partition or (), "key": key}
        return _replay_projections(wanted, model or [], narrowed, executes=execute, as_json=as_json)
    if model:
        raise ConcordError("--model is for --stage projections.", "The other stages have no read models.")
    broker = load_config().broker
    ranges = plan(broker, stage, wanted, topic=topic, partitions=partition or (), key=key)
    total = sum(one.records for one in ranges)
    if execute and ranges:
        carry_out(broker, stage, ranges, complain)
    if as_json:
        return print_json({"stage": stage, "is_executed": execute, "records": total, "ranges": ranges})
    _print(ranges)
    if not ranges:
        return say("Nothing to replay.")
    if not execute:
        return say(f"{plural(total, 'record')} would be gone over again. --execute does it.")
    say(f"Set back. Start `concord reconcile`: it goes over {plural(total, 'record')} again.")
    if watch:
        with progress_bar("Replaying", "records") as progress:
            seconds = follow(broker, ranges, progress)
        rate = f", {total / seconds:,.0f} a second" if seconds else ""
        say(f"Done: {plural(total, 'record')} in {seconds:.1f} s{rate}.")
    return None


def _replay_projections(
    wanted: Start, names: list[str], narrowed: dict[str, Any], *, executes: bool, as_json: bool
) -> None:
    """The read models of these names, or all, one after the other."""
    from concord.read_models.replaying import replay_models

    with progress_bar("Folding the log", "records") as progress:
        done = replay_models(
            load_config(), names, wanted, executes=executes, on_progress=lambda count: progress(count, 0), **narrowed
        )
    if as_json:
        return print_json({"stage": Stage.PROJECTIONS, "is_executed": executes, "models": done})
    for one in done:
        _print_replayed(one)
    if any(one.differing for one in done) and not executes:
        say("--execute puts them right.")
    return None


def _print_replayed(one: Replayed) -> None:
    found = "the same as they stand"
    if one.differing:
        found = f"{plural(len(one.differing), 'of them stands', 'of them stand')} otherwise"
        found += ": put right" if one.is_executed else ""
    say(f"{one.model}: {plural(one.records, 'record')} wrote {plural(one.rows, 'row')}, {found}.")
    rows = [
        (row.table, ", ".join(f"{name}={value}" for name, value in row.key.items()), row.how, ", ".join(row.columns))
        for row in one.differing[:LISTED]
    ]
    if rows:
        print_table(("table", "row", "how", "columns"), rows, cut="row")
    if len(one.differing) > LISTED:
        say(f"and {len(one.differing) - LISTED} more; --json has all", indent=2)


def _start(to_datetime: str, to_offset: int, *, to_earliest: bool) -> Start:
    from concord.replay_ranges import Start

    if sum((bool(to_datetime), to_offset >= 0, to_earliest)) != 1:
        raise ConcordError("Say from where: one of --to-datetime, --to-offset and --to-earliest.")
    return Start(
        to_offset if to_offset >= 0 else None,
        moment(to_datetime, datetime.now(UTC)) if to_datetime else None,
        to_earliest,
    )


def _print(ranges: list[Range]) -> None:
    rows = [(one.topic, one.partition, one.until, one.first, one.records) for one in ranges]
    if rows:
        print_table(("topic", "partition", "stands at", "back to", "records"), rows)
