"""`concord rebuild`: make a table anew from the journal, beside the one in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from concord.cli_admin import login_name
from concord.cli_output import complain, plural, print_json, print_table, say
from concord.cli_progress import progress_bar
from concord.config import load_config
from schemas.errors import ConcordError

if TYPE_CHECKING:
    from concord.rebuild.table import Rebuilt

PANEL: Final = "Administer"
TABLES: Final = ("sync-state",)


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("rebuild", rich_help_panel=PANEL)(rebuild)


def rebuild(
    table: Annotated[str, typer.Argument(metavar="NAME", help="sync-state, or a read model such as run-log.")],
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Go back to the version that was in use before.")
    ] = False,
    accept: Annotated[
        bool, typer.Option("--accept", help="Put the new version in use although it differs from the one in use.")
    ] = False,
    processes: Annotated[int, typer.Option(min=0, help="Partitions folded at once; 0: one per core.")] = 0,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who asks, for the record. Default: your login name.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Make a table or a read model anew from the log, beside the one in use, and put it in use.

    sync-state is checked against what was folded, and the workers use it from their next start.

    The version in use stays beside it for --rollback. Nothing is sent to either service. `concord reconcile` must be
    stopped meanwhile. When the new version differs from the one in use, which then is damaged or was folded under other
    rules, it is thrown away unless --accept is given.

    A read model (run-log, timeline, mail-ledger, conflicts, held-writes, freshness) is put in use at once; `concord
    project` may run meanwhile.

    Example: concord rebuild sync-state
    """
    from concord.rebuild.table import rebuild as make
    from concord.rebuild.table import roll_back

    if table not in TABLES:
        return _rebuild_read_model(table, rollback=rollback, as_json=as_json)
    config = load_config()
    with progress_bar("Folding the journal", "entries") as progress:
        who = by or login_name()
        if rollback:
            made = roll_back(
                config.broker, folder=config.data_dir, by=who, processes=processes, progress=progress, say=complain
            )
        else:
            made = make(
                config.broker,
                folder=config.data_dir,
                by=who,
                accept=accept,
                processes=processes,
                progress=progress,
                say=complain,
            )
    if as_json:
        print_json(_json(made))
    else:
        _print(made)
    if not made.is_in_use:
        raise ConcordError(*_why_not(made))
    return None


def _rebuild_read_model(name: str, *, rollback: bool, as_json: bool) -> None:
    from concord.read_models.database import database_url, open_database
    from concord.read_models.rebuilding import rebuild as make
    from concord.read_models.rebuilding import roll_back
    from projections.read_models.catalogue import BY_NAME

    if name not in BY_NAME:
        raise ConcordError(f"There is no {name}.", f"Can be rebuilt: {', '.join((*TABLES, *sorted(BY_NAME)))}.")
    config = load_config()
    if not rollback:
        with progress_bar("Folding the log", "records") as progress:
            made = make(config, name, lambda count: progress(count, 0))
        if as_json:
            return print_json(made)
        is_same = "the same rows as before" if made.digest == made.digest_before else "other rows than before"
        return say(f"Build {made.build} of {name} is in use: {plural(made.records, 'record')} folded, {is_same}.")
    engine = open_database(database_url(config))
    try:
        build = roll_back(engine, BY_NAME[name])
    finally:
        engine.dispose()
    if build is None:
        raise ConcordError(f"No build of {name} is kept beside the one in use.", "A rebuild keeps the one before it.")
    return print_json({"model": name, "build": build}) if as_json else say(f"Build {build} of {name} is in use again.")


def _print(made: Rebuilt) -> None:
    columns = ("partition", "entries", "entries/s", "rows", "digest", "checked", "differing", "memory MB")
    rows = [
        (
            part.number, part.entries, round(part.entries / part.cpu_s) if part.entries and part.cpu_s else None,
            part.folded.rows, part.folded.sha256[:12], "ok" if part.folded == part.table else "WRONG",
            part.in_use.count, part.memory_mb,
        )
        for part in made.parts
    ]  # fmt: skip
    print_table(columns, rows)
    passed = sum(part.unreadable + part.failed for part in made.parts)
    if passed:
        say(f"Passed over, as the worker did: {plural(passed, 'entry', 'entries')} that stand in quarantine.")
    cpu_s = sum(part.cpu_s for part in made.parts)
    rate = f", {made.entries / cpu_s:,.0f} a second and core" if cpu_s else ""
    say(f"Folded {plural(made.entries, 'entry', 'entries')}{rate}; {made.seconds:.1f} s with waiting and checks.")
    if made.is_in_use:
        say(f"Version {made.version} is in use from the workers' next start; {made.previous} is kept for --rollback.")


def _why_not(made: Rebuilt) -> tuple[str, str]:
    if not made.is_sound:
        return "The table does not hold what was folded: nothing was changed.", "Try again; look at the broker's logs."
    named = ", ".join([key.decode("utf-8", "replace") for part in made.parts for key in part.in_use.keys][:3])
    what = f"{plural(made.differing, 'row')} differ from version {made.previous}, which stays in use, as in {named}."
    if made.new_commands:
        what += f" {plural(made.new_commands, 'pair')} would get a write that is not under way now."
    return what, "If that one is damaged, or rules changed since: --accept puts the new one in use."


def _json(made: Rebuilt) -> dict[str, Any]:
    return {
        "version": made.version,
        "previous": made.previous,
        "is_in_use": made.is_in_use,
        "is_sound": made.is_sound,
        "entries": made.entries,
        "seconds": round(made.seconds, 2),
        "differing": made.differing,
        "new_commands": made.new_commands,
        "partitions": [
            {
                "partition": part.number, "entries": part.entries, "unreadable": part.unreadable,
                "failed": part.failed, "rows": part.folded.rows, "sha256": part.folded.sha256,
                "sha256_of_table": part.table.sha256, "differing": part.in_use.count,
                "keys": [key.decode("utf-8", "replace") for key in part.in_use.keys],
                "fold_s": part.fold_s, "cpu_s": part.cpu_s, "memory_mb": part.memory_mb,
            }
            for part in made.parts
        ],
    }  # fmt: skip
