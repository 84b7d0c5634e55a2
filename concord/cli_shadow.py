"""`concord shadow`: what would be written, and the events of another tool that are taken over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from concord.cli_admin import By, login_name
from concord.cli_output import plural, print_json, print_table, say
from concord.config import load_config
from schemas.changes import Side
from schemas.commands import Action, MailKind
from schemas.errors import ConcordError

if TYPE_CHECKING:
    from concord.shadowing import Planned, UserReport
    from streams.adopt import Match

PANEL: Final = "Administer"
# Rows listed before the rest is only counted.
LISTED: Final = 40

shadow = typer.Typer(
    help="Shadow mode (`concord settings set shadow=on`): everything is decided, nothing is written.",
    no_args_is_help=True,
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(shadow, name="shadow", rich_help_panel=PANEL)


@shadow.command("report")
def shadow_report(
    user: Annotated[str, typer.Option(metavar="ADDRESS", help="Only this user, event by event.")] = "",
    as_json: AsJson = False,
) -> None:
    """What would be written, deleted and mailed, per user, if Concord wrote now.

    Marks of ours (sync status, external id) are left out. "Held" are writes that would wait for an operator. When
    shadow mode ends, what was saved in Practifi before goes to Microsoft 365 only when it is next saved.

    Example: concord shadow report --user ann@firm.example
    """
    from concord.shadowing import by_user, read_planned

    rows, settings = read_planned(load_config().broker)
    rows = [row for row in rows if user.casefold() in ("", row.user.casefold())]
    reports = by_user(rows)
    if as_json:
        print_json({"shadow": settings.shadow, "users": [_json(one) for one in reports], "writes": rows})
        return
    if not settings.shadow:
        say("Shadow mode is off: what is decided is written.")
    if not reports:
        say("Nothing would be written.")
        return
    _print_reports(reports)
    if user:
        for row in rows[:LISTED]:
            say(_row_words(row), indent=2)
    if user and len(rows) > LISTED:
        say(f"and {plural(len(rows) - LISTED, 'write')} more (--json lists all)", indent=2)


def _print_reports(reports: list[UserReport]) -> None:
    columns = [
        ("create", Side.SALESFORCE, Action.CREATE), ("change", Side.SALESFORCE, Action.UPDATE),
        ("delete", Side.SALESFORCE, Action.DELETE), ("create", Side.GRAPH, Action.CREATE),
        ("change", Side.GRAPH, Action.UPDATE), ("delete", Side.GRAPH, Action.DELETE),
    ]  # fmt: skip
    heads = [f"{'Practifi' if side is Side.SALESFORCE else 'Microsoft 365'}: {word}" for word, side, _ in columns]
    rows = [
        (
            one.user,
            *(one.writes[side, action] for _, side, action in columns),
            *(one.mails[kind] for kind in MailKind),
            one.held,
        )
        for one in reports
    ]
    names = ("user", *heads, *(f"mails: {kind}" for kind in MailKind), "held")
    shown = [0, *(number for number in range(1, len(names)) if any(row[number] for row in rows))]
    print_table([names[one] for one in shown], [[row[one] for one in shown] for row in rows], cut="user")


def _row_words(row: Planned) -> str:
    where = "Microsoft 365" if row.side is Side.GRAPH else "Practifi"
    fields = f" ({', '.join(row.fields)})" if row.fields else ""
    mails = f", mails {', '.join(f'{kind} {address}' for kind, address in row.mails)}" if row.mails else ""
    return f"{row.action} in {where}{fields}: {row.event}{mails}{', held' if row.is_held else ''}"


def _json(report: UserReport) -> dict[str, Any]:
    return {
        "user": report.user,
        "writes": {f"{side}_{action}": report.writes[side, action] for side in Side for action in Action},
        "mails": {kind: report.mails[kind] for kind in MailKind},
        "held": report.held,
    }


@shadow.command("adopt")
def shadow_adopt(
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    by: By = "",
    as_json: AsJson = False,
) -> None:
    """Join events that another tool has put on both sides, before shadow mode ends. Safe to press twice.

    Two events belong together when start, end, subject and owner are the same and no other event has them too. Those
    with doubles are listed and left alone. Joining writes nothing; once shadow mode ends, what differs takes the value
    of Microsoft 365.

    Example: concord shadow adopt
    """
    from concord.shadowing import adopt, read_matches

    broker = load_config().broker
    found = read_matches(broker)
    unique = [match for match in found if match.is_unique]
    doubled = [match for match in found if not match.is_unique]
    if not as_json:
        _print_matches(unique, doubled)
    if unique and not yes and not as_json:
        typer.confirm(f"Join {plural(len(unique), 'event')}?", abort=True)
    if unique and (yes or not as_json):
        adopt(broker, unique, by=by or login_name())
    if as_json:
        print_json(
            {
                "adopted": [[match.graph[0].pair_key, match.salesforce[0].pair_key] for match in unique] if yes else [],
                "unique": [_match_json(match) for match in unique],
                "ambiguous": [_match_json(match) for match in doubled],
            }
        )
    elif unique:
        say(f"Asked to join {plural(len(unique), 'event')}: `concord status` shows how they stand.")


def _match_json(match: Match) -> dict[str, Any]:
    from concord.shadowing import match_words

    return {
        "event": match_words(match),
        "graph": [half.pair_key for half in match.graph],
        "salesforce": [half.pair_key for half in match.salesforce],
    }


def _print_matches(unique: list[Match], doubled: list[Match]) -> None:
    from concord.shadowing import match_words

    if not unique and not doubled:
        raise ConcordError("No event stands on both sides unjoined.", "`concord shadow report` shows what is planned.")
    if unique:
        say(f"{plural(len(unique), 'event stands', 'events stand')} on both sides and would be joined:")
    for match in unique[:LISTED]:
        say(match_words(match), indent=2)
    if len(unique) > LISTED:
        say(f"and {len(unique) - LISTED} more", indent=2)
    if doubled:
        say("Not clear, left alone:")
    for match in doubled[:LISTED]:
        say(f"{match_words(match)}: {len(match.graph)} in Microsoft 365, {len(match.salesforce)} in Practifi", indent=2)
        for half in (*match.graph, *match.salesforce):
            say(half.pair_key, indent=4, whole=True)
    if len(doubled) > LISTED:
        say(f"and {len(doubled) - LISTED} more", indent=2)
