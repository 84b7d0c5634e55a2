"""`concord preflight`: whether anything stands in the way, before people's calendars are touched."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Final

import typer

from concord.cli_admin import PANEL, AsJson, By, login_name
from concord.cli_output import plural, print_json, say
from concord.config import load_config

STYLES: Final = {"ok": "green", "look": "", "warning": "yellow", "must be fixed": "bold red"}
WIDTH: Final = max(len(level) for level in STYLES) + 2


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("preflight", rich_help_panel=PANEL)(preflight)


def preflight(
    confirm: Annotated[
        bool,
        typer.Option("--confirm", help="Record that you looked at every line and that no other calendar sync is on."),
    ] = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Check whether anything stands in the way: access, fields, rooms, addresses, clocks, another calendar sync.

    Reads only, and writes nothing to either service. Writing to Microsoft 365 can be turned on once somebody has
    confirmed a preflight in which nothing must be fixed. Exit code 1: something must be fixed.

    Example: concord preflight --confirm --by olga
    """
    from concord.preflight import check, confirmed

    config = load_config("services")
    checked = check(config, confirm_by=(by or login_name()) if confirm else "")
    findings, document, is_good = checked.findings, checked.settings, checked.is_clear
    if as_json:
        print_json(
            {"findings": [asdict(one) for one in findings], "is_clear": is_good, "confirmed_at": document.preflight_at,
             "confirmed_by": document.preflight_by or None}
        )  # fmt: skip
        raise typer.Exit(0 if is_good else 1)
    for finding in findings:
        say(f"{finding.level:<{WIDTH}}{finding.what}: {finding.text}", style=STYLES[finding.level], hang=WIDTH)
        if finding.advice:
            say(finding.advice, indent=WIDTH)
    wrong = sum(finding.level == "must be fixed" for finding in findings)
    if wrong:
        say(f"{plural(wrong, 'line')} must be fixed." + (" Nothing was confirmed." if confirm else ""))
        raise typer.Exit(1)
    when = confirmed(document)
    say(f"Nothing stands in the way. Confirmed {when}." if when else _NOT_CONFIRMED)


_NOT_CONFIRMED: Final = (
    "Nothing stands in the way. Confirm it with `concord preflight --confirm` before anything is written to "
    "Microsoft 365."
)
