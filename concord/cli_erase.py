"""`concord erase`: a person's texts out of everything that is kept."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Final

import typer

from concord.cli_admin import By, login_name
from concord.cli_output import complain, plural, print_json, print_table, say
from concord.config import load_config

if TYPE_CHECKING:
    from concord.erasing import Plan

PANEL: Final = "Administer"
# Events listed before the rest is only counted.
LISTED: Final = 30


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("erase", rich_help_panel=PANEL)(erase)


def erase(
    person: Annotated[str, typer.Option(metavar="ADDRESS", help="Whose texts: a mail address.")],
    execute: Annotated[bool, typer.Option("--execute/--dry-run", help="Do it, instead of showing it.")] = False,
    by: By = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Take a person's texts out of everything that Concord keeps. Shows what it would do; --execute does it.

    The history of each event that ever named the person, by address, full name or record, goes as a whole, and with it
    what was decided, sent, answered and quarantined about it. What it led to stays, so that nothing is written anywhere
    because of it. An event that still names the person, or has a write under way, is kept and listed: change it in
    Outlook or Practifi first.

    Stop every process of Concord before --execute. Interrupted, run it again before anything is started.

    Exit codes: 0 done, or shown; 1 events are kept, or it could not be done.

    Example: concord erase --person carla@client.example
    """
    from concord.erasing import execute as carry_out
    from concord.erasing import plan, resume, stopped
    from concord.rewriting import require_whole

    config, who = load_config(), by or login_name()
    if execute:
        stopped(config.broker, complain)
        if resume(config.broker):
            complain("What was interrupted before was ended first.")
    else:
        require_whole(config.broker)
    made = plan(config.broker, person, by=who)
    if execute:
        carry_out(config, made, complain)
    if as_json:
        print_json({"is_executed": execute, "events": sorted(made.pairs), "kept": made.kept, "records": made.records})
    else:
        _print(made, executed=execute)
    if execute and made.kept:
        raise typer.Exit(1)


def _print(made: Plan, *, executed: bool) -> None:
    if made.records:
        print_table(("topic", "records"), sorted(made.records.items()))
    verb = "was erased" if executed else "would be erased"
    say(f"The history of {plural(len(made.pairs), 'event')} {verb}: {plural(sum(made.records.values()), 'record')}.")
    for why, count in sorted(Counter(made.kept.values()).items()):
        say(f"Kept: {plural(count, 'event')}, because {why}.")
    for key in sorted(made.kept)[:LISTED]:
        say(key, indent=2, whole=True)
    if len(made.kept) > LISTED:
        say(f"and {len(made.kept) - LISTED} more; --json has all", indent=2)
    if made.records and not executed:
        say("--execute does it.")
