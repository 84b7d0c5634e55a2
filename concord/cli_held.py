"""`concord held`: writes that wait for an operator, and what an operator does about them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from concord.cli_admin import login_name
from concord.cli_output import ago, plural, print_json, say
from concord.config import load_config
from schemas.commands import HoldKind
from schemas.errors import ConcordError
from schemas.journal import OperatorVerb

if TYPE_CHECKING:
    from concord.held import Waiting

PANEL: Final = "Administer"
# Addresses, and writes before a question, shown before the rest is only counted.
NAMED: Final = 8
LISTED: Final = 20

held = typer.Typer(
    help="Writes that wait for an operator: they would mail many people outside the firm, or delete many events.",
    invoke_without_command=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
User = Annotated[str, typer.Option(metavar="ADDRESS", help="Only what belongs to this user.")]
Kind = Annotated[HoldKind | None, typer.Option(help="Only what waits for this reason.")]
Pairs = Annotated[
    list[str] | None,
    typer.Argument(metavar="PAIR", help="Pair key, as `concord held` shows it.", show_default=False),
]
Every = Annotated[bool, typer.Option("--all", help="Everything that waits.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
By = Annotated[str, typer.Option(metavar="NAME", help="Who decides, for the record. Default: your login name.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(held, name="held", rich_help_panel=PANEL)


@held.callback()
def held_list(context: typer.Context, user: User = "", kind: Kind = None, as_json: AsJson = False) -> None:
    """Writes that wait for an operator: which, why, since when, and who would be mailed.

    A write waits when it would mail more people outside the firm than the settings allow, a deletion when it came with
    many others of the same user. Nothing is written until somebody releases it; other edits go on.

    Example: concord held --user ann@firm.example
    """
    if context.invoked_subcommand is not None:
        return None
    from concord.held import choose, read_waiting

    rows = choose(read_waiting(load_config().broker), user=user, kind=kind)
    if as_json:
        return print_json([_json(row) for row in rows])
    if not rows:
        return say("Nothing waits.")
    for row in rows:
        _print(row)
    say(f"{sum_words(rows)}. `concord held release` makes the writes, `concord held drop` gives them up.")
    return None


def _json(row: Waiting) -> dict[str, Any]:
    hold = row.hold
    return {
        "pair_key": row.pair_key, "user": row.user, "event": row.event, "kind": hold.kind, "why": row.why,
        "since": hold.since, "write": row.write, "mails": row.recipients, "outside": hold.outside, "hold": hold.digest,
    }  # fmt: skip


def _print(row: Waiting) -> None:
    age = ago(max(0.0, (datetime.now(UTC) - row.hold.since).total_seconds()))
    say(f"{row.event} ({row.user})", style="bold")
    say(row.pair_key, indent=2, whole=True)
    say(f"waits since {row.hold.since:%Y-%m-%d %H:%M} UTC ({age}): {row.why}", indent=2)
    say(f"would {row.write}{mail_words(row)}", indent=2)


def mail_words(row: Waiting) -> str:
    """Whom a write would mail."""
    if not row.hold.mails:
        return ", mails nobody"
    shown = row.recipients[:NAMED]
    more = f" and {len(row.recipients) - NAMED} more" if len(row.recipients) > NAMED else ""
    outside = f", {row.hold.outside} outside the firm" if row.hold.outside != len(row.recipients) else ""
    return f", mails {plural(len(row.recipients), 'person', 'people')}{outside}: {', '.join(shown)}{more}"


def sum_words(rows: list[Waiting]) -> str:
    """What these writes amount to together."""
    deletions = sum(row.hold.action == "delete" for row in rows)
    outside = sum(row.hold.outside for row in rows)
    among = f", {plural(deletions, 'deletion')} among them" if deletions else ""
    words = f"{plural(len(rows), 'write waits', 'writes wait')}{among}"
    return f"{words}; together {plural(outside, 'mail')} to people outside the firm"


@held.command("release")
def held_release(
    pairs: Pairs = None, user: User = "", kind: Kind = None, every: Every = False, yes: Yes = False, by: By = "",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Make writes that wait, as they were shown. Safe to press twice.

    What has changed since it was looked at is not released: it goes on waiting.

    Example: concord held release --user ann@firm.example --kind deletions
    """
    _act(OperatorVerb.RELEASE, _chosen(pairs, user, kind, every=every), yes=yes, by=by, as_json=as_json)


@held.command("drop")
def held_drop(
    pairs: Pairs = None, user: User = "", kind: Kind = None, every: Every = False, yes: Yes = False, by: By = "",
    as_json: AsJson = False,
) -> None:  # fmt: skip
    """Give up writes that wait. Safe to press twice.

    An event whose edit is dropped stays different on the two sides; the next save of it in Practifi asks again. An
    event whose deletion is dropped is kept, and the two are no longer connected.

    Example: concord held drop "s:00U000000000001AAA"
    """
    _act(OperatorVerb.DROP, _chosen(pairs, user, kind, every=every), yes=yes, by=by, as_json=as_json)


def _chosen(pairs: list[str] | None, user: str, kind: HoldKind | None, *, every: bool) -> list[Waiting]:
    from concord.held import choose, read_waiting

    if sum((bool(pairs), bool(user), every)) != 1:
        raise typer.BadParameter("name events, or use --user or --all (one of the three)")
    return choose(read_waiting(load_config().broker), pairs=pairs or (), user=user, kind=kind)


# What is said before and after, by what is done.
_WORDS: Final = {
    OperatorVerb.RELEASE: ("would be made", "Make", ("is made", "are made")),
    OperatorVerb.DROP: ("would be given up", "Give up", ("is given up", "are given up")),
}


def _act(verb: OperatorVerb, rows: list[Waiting], *, yes: bool, by: str, as_json: bool) -> None:
    from concord.held import act

    would, ask, done = _WORDS[verb]
    if as_json and not yes:
        raise ConcordError("With --json nobody can be asked.", "Look with `concord held --json`, then add --yes.")
    if rows and not as_json:
        say(f"{sum_words(rows)}. These {would}:")
        for row in rows[:LISTED]:
            say(f"{row.write}: {row.event}{mail_words(row)}", indent=2)
        if len(rows) > LISTED:
            say(f"and {len(rows) - LISTED} more (`concord held` lists all)", indent=2)
    if rows and not yes:
        typer.confirm(f"{ask} {'this write' if len(rows) == 1 else f'these {len(rows)} writes'}?", abort=True)
    if rows:
        act(load_config().broker, rows, verb, by=by or login_name())
    if as_json:
        print_json({verb.value: [row.pair_key for row in rows]})
    elif rows:
        what = plural(len(rows), f"write {done[0]}", f"writes {done[1]}")
        say(f"{what}. What changed since it was shown goes on waiting: `concord held`.")
    else:
        say("Nothing waits.")
