"""`concord what-if`: what other settings would have led to, before anybody saves them."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from concord.cli_output import plural, print_json, print_table, say
from concord.cli_progress import progress_bar
from concord.config import load_config
from concord.moments import moment
from projections.timeline import service
from projections.wording import NAMES
from schemas.errors import ConcordError

if TYPE_CHECKING:
    from concord.imagining import Imagined

PANEL: Final = "Look"
# Rows listed before the rest is only counted.
LISTED: Final = 30
WOULD: Final = {"appears": "appear", "changes": "change", "goes": "go"}
# Exit code when something would be otherwise.
DIFFERS: Final = 3


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("what-if", rich_help_panel=PANEL)(what_if)


def what_if(
    changed: Annotated[
        list[str], typer.Option("--set", metavar="NAME=VALUE", help="A setting as it might be; repeatable.")
    ],
    since: Annotated[str, typer.Option(metavar="WHEN", help="From when on: 30d, 12h, or a date or time.")] = "30d",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """What would be otherwise if these settings had stood: events on each side, mails and to whom. Writes nothing.

    The recorded history is folded a second time under the other settings. What people did stays; what Concord would
    have written besides is taken for done, what it would not have written is taken away, with everything that followed
    from it. Only events of which something was heard since then are looked at.

    Exit codes: 0 nothing would be otherwise; 3 something would; 1 it could not be found out.

    Example: concord what-if --set sync_private_events=on --since 30d
    """
    from concord.imagining import imagine

    updates = dict(_pair(text) for text in changed)
    with progress_bar("Folding the journal", "entries") as progress:
        told = imagine(load_config().broker, updates, moment(since, datetime.now(UTC)), progress)
    if as_json:
        print_json(_json(told))
    else:
        _print(told)
    if told.events or told.mails:
        raise typer.Exit(DIFFERS)


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ConcordError(f"{text!r} is no setting.", "Write NAME=VALUE, as `concord settings set` takes it.")
    return name.strip(), value.strip()


def _print(told: Imagined) -> None:
    looked = f"{plural(told.pairs, 'event')} of which something was heard since {told.since:%Y-%m-%d %H:%M} UTC"
    if not told.events and not told.mails:
        return say(f"Nothing would be otherwise: {looked}.")
    if told.events:
        rows = [
            (
                one.user,
                one.event,
                service(one.side),
                WOULD[one.change],
                ", ".join(NAMES.get(g, g) for g in one.groups) or None,
            )
            for one in told.events
        ]
        print_table(("user", "event", "side", "would", "in"), rows[:LISTED], cut="event")
        _rest(rows)
    if told.mails:
        mailed = [(one.event, one.kind, one.address, one.count) for one in told.mails]
        print_table(("event", "mail", "to", "more or fewer"), mailed[:LISTED], title="Mails", cut="event")
        _rest(mailed)
    kinds = Counter((service(one.side), one.change) for one in told.events)
    summed = [f"{count} would {WOULD[change]} in {side}" for (side, change), count in sorted(kinds.items())]
    more = sum(one.count for one in told.mails if one.count > 0)
    fewer = -sum(one.count for one in told.mails if one.count < 0)
    summed += [f"{plural(more, 'mail')} more"] * bool(more) + [f"{plural(fewer, 'mail')} fewer"] * bool(fewer)
    return say(f"{'; '.join(summed)}. Looked at: {looked}.")


def _rest(rows: list[Any]) -> None:
    if len(rows) > LISTED:
        say(f"and {len(rows) - LISTED} more; --json has all")


def _json(told: Imagined) -> dict[str, Any]:
    return {
        "since": told.since,
        "entries": told.entries,
        "pairs": told.pairs,
        "events": [asdict(one) for one in told.events],
        "mails": [asdict(one) for one in told.mails],
    }
