"""`concord project` keeps the read models; `concord runs` shows the run log."""

from __future__ import annotations

import signal
import threading
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

import typer

from concord.cli_output import plural, print_json, print_table, say
from concord.config import load_config

RUN: Final = "Run"
LOOK: Final = "Look"


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.command("project", rich_help_panel=RUN)(project)
    app.command("runs", rich_help_panel=LOOK)(runs)


def project() -> None:
    """Keep the read models in a database: run log, timelines, mail ledger, conflicts, held writes, freshness.

    The database is SQLite in the data folder, or PostgreSQL where CONCORD_DATABASE_URL names one. Several instances
    share the work. A read model that an older version filled is first made anew beside the old one.
    """
    from concord.observing import configure_logs
    from concord.read_models.database import database_url, open_database
    from concord.read_models.keeper import Keeper
    from concord.read_models.projector import Projector, serving
    from concord.read_models.rebuilding import model_named, rebuild_in
    from concord.rewriting import require_whole_to_start

    config = load_config()
    configure_logs(config.log_level, config.log_format)
    require_whole_to_start(config.broker)
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    engine = open_database(database_url(config))
    try:
        keeper = Keeper(engine)
        for name in keeper.prepare():
            rebuild_in(engine, config.broker, model_named(name))
        projector = Projector(config.broker, keeper, stop)
        with serving(config, projector):
            projector.run()
    finally:
        engine.dispose()


def runs(
    days: Annotated[int, typer.Option(metavar="N", min=1, help="How many days back.")] = 30,
    errors_only: Annotated[bool, typer.Option("--errors-only", help="Only runs with an error.")] = False,
    user: Annotated[str, typer.Option(metavar="TEXT", help="Only users with this in their address or name.")] = "",
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="At most so many, the newest.")] = 50,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """The run log: what was carried for each user in each direction within five minutes, and the last error.

    Read from the database that `concord project` keeps. Processed are writes that ended; synced those that took effect;
    an event that changed or went meanwhile is neither synced nor an error.
    """
    from concord.changing import current_settings
    from concord.owners import addresses_of, owners_named
    from concord.read_models.database import database_url, open_database
    from concord.read_models.runs import RunFilter, RunLog

    config = load_config()
    settings = current_settings(config.broker)
    engine = open_database(database_url(config), writes=False)
    try:
        since = datetime.now(UTC) - timedelta(days=days)
        log = RunLog(engine)
        wanted = RunFilter(owners_named(settings, user), since, status="errors" if errors_only else "")
        found = log.page(wanted, limit=limit).rows
        failed = {run.key: log.failed(run.key) for run in found if run.errors}
    finally:
        engine.dispose()
    if as_json:
        return print_json([asdict(run) | {"failed": failed.get(run.key, ())} for run in found])
    if not found:
        return say(f"No run{' with an error' if errors_only else ''} in the last {plural(days, 'day')}.")
    names = addresses_of(settings)
    print_table(
        ("started", "finished", "direction", "user", "processed", "synced", "errors", "message"),
        [
            (
                f"{run.started:%Y-%m-%d %H:%M}", f"{run.finished:%H:%M:%S}", run.direction,
                names.get(run.owner, run.owner), run.processed, run.synced, run.errors, run.message or None,
            )
            for run in found
        ],
        cut="message",
    )  # fmt: skip
    return None
