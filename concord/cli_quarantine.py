"""`concord quarantine`: records that could not be processed, kept as they were, retried or dropped."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from concord.cli_admin import login_name
from concord.cli_output import plural, print_json, print_table, say
from concord.config import load_config
from schemas.errors import ConfigError

if TYPE_CHECKING:
    from concord.quarantined import Quarantined, Wanted

PANEL: Final = "Administer"
# Records named before the rest is only counted.
LISTED: Final = 20

quarantine = typer.Typer(help="Records that could not be processed, as they were.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Places = Annotated[
    list[str] | None, typer.Argument(metavar="PLACE", help="partition/offset, as `concord quarantine list` shows it")
]
Every = Annotated[bool, typer.Option("--all", help="Every open record.")]
Topic = Annotated[str, typer.Option(metavar="TOPIC", help="Only records that came from this topic.")]
Reason = Annotated[str, typer.Option(metavar="ERROR", help="Only this kind of error, e.g. UnreadableRecord.")]
Since = Annotated[
    str, typer.Option(metavar="WHEN", help="Only what was quarantined since then: 30d, 12h, or a date or time in UTC.")
]
Until = Annotated[str, typer.Option(metavar="WHEN", help="Only what was quarantined before then.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only show which records are meant.")]
By = Annotated[str, typer.Option(metavar="NAME", help="Who does it, for the record. Default: your login name.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(quarantine, name="quarantine", rich_help_panel=PANEL)


@quarantine.command("list")
def quarantine_list(
    topic: Topic = "",
    reason: Reason = "",
    since: Since = "",
    until: Until = "",
    settled: Annotated[bool, typer.Option("--settled", help="What was retried or dropped, by whom and when.")] = False,
    as_json: AsJson = False,
) -> None:
    """What stands in quarantine: since when, where it came from, how often it was retried, and why it is there."""
    from concord.quarantined import shelve
    from concord.reading import read_topics
    from schemas.topics import SYNC_QUARANTINE

    wanted = _wanted(topic, reason, since, until)
    shelf = shelve(read_topics(load_config().broker, SYNC_QUARANTINE), keeps_settled=settled)
    rows: list[tuple[Quarantined, dict[str, Any]]] = [(row, {}) for row in shelf.open]
    if settled:
        rows = [(one.row, {"settled_at": one.at, "verb": one.verb, "by": one.by}) for one in shelf.settled]
    rows = [(row, more) for row, more in rows if wanted.fits(row)]
    if as_json:
        return print_json([_json(row) | more for row, more in rows])
    if not rows:
        return say("Nothing is in quarantine." if wanted == _wanted() and not settled else "Nothing fits.")
    cells = [(*_cells(row), *(_told(more) if more else ())) for row, more in rows]
    columns = ("place", "since (UTC)", "came from", "stage", "retries", "why")
    print_table((*columns, *(("settled",) if settled else ())), cells)
    return None


def _json(row: Quarantined) -> dict[str, Any]:
    return {
        "place": row.where, "at": row.at, "topic": row.topic, "partition": row.partition, "offset": row.offset,
        "stage": row.stage, "error": row.error, "reason": row.reason, "message": row.message, "retries": row.retries,
    }  # fmt: skip


def _cells(row: Quarantined) -> tuple[Any, ...]:
    source = f"{row.topic}/{row.partition} @ {row.offset}" if row.topic else None
    why = f"{row.reason}: {row.message}" if row.message and row.message != row.reason else row.reason
    return row.where, f"{row.at:%Y-%m-%d %H:%M:%S}", source, row.stage, row.retries, why


def _told(more: dict[str, Any]) -> tuple[str]:
    return (f"{more['verb']} by {more['by']}, {more['settled_at']:%Y-%m-%d %H:%M:%S}",)


def _wanted(topic: str = "", reason: str = "", since: str = "", until: str = "") -> Wanted:
    from concord.moments import moment
    from concord.quarantined import Wanted
    from schemas.topics import BY_NAME

    if topic and topic not in BY_NAME:
        raise ConfigError([f"{topic}: no topic of Concord"], "`concord topics flow` lists them.")
    now = datetime.now(UTC)
    return Wanted(topic, reason, moment(since, now) if since else None, moment(until, now) if until else None)


@quarantine.command("show")
def quarantine_show(
    place: Annotated[str, typer.Argument(metavar="PLACE", help="partition/offset")], as_json: AsJson = False
) -> None:
    """One record: where it came from, what failed, its key, and what it is.

    Text of a private event is never shown, nor any of bytes that cannot be read.
    """
    from concord.glimpse import record_rows
    from concord.quarantined import choose, open_records

    (row,) = choose(open_records(load_config().broker), [place])
    rows = record_rows(row)
    if as_json:
        return print_json(dict(rows))
    for name, text in rows:
        first, *more = text.split("\n")
        say(f"{name}: {first}")
        for line in more:
            say(line, indent=2)
    return None


@quarantine.command("retry")
def quarantine_retry(
    places: Places = None,
    *,
    every: Every = False,
    topic: Topic = "",
    reason: Reason = "",
    since: Since = "",
    until: Until = "",
    dry_run: DryRun = False,
    by: By = "",
) -> None:
    """Write records back, unchanged, to the topic they came from. Safe to press twice: a retried record is settled.

    For when their cause is put right. What fails again comes back to quarantine, with one more retry counted. Headers
    of the record say who retried it and where it stood.

    Example: concord quarantine retry 0/3    or    concord quarantine retry --since 30d --reason UnreadableRecord
    """
    from concord.quarantined import RETRY

    _settle(_meant(places, every, _wanted(topic, reason, since, until), RETRY), RETRY, by, dry_run=dry_run)


@quarantine.command("drop")
def quarantine_drop(
    places: Places = None,
    *,
    every: Every = False,
    topic: Topic = "",
    reason: Reason = "",
    since: Since = "",
    until: Until = "",
    dry_run: DryRun = False,
    by: By = "",
) -> None:
    """Settle records without processing them. Their bytes stay on the topic until retention removes them.

    Example: concord quarantine drop --topic graph.wakeups
    """
    from concord.quarantined import DROP

    _settle(_meant(places, every, _wanted(topic, reason, since, until), DROP), DROP, by, dry_run=dry_run)


def _meant(places: list[str] | None, every: bool, wanted: Wanted, verb: str) -> list[Quarantined]:
    """The records that are named, or that fit. Of those that fit, what can never be retried is left out and told."""
    from concord.quarantined import RETRY, choose, open_records

    is_filter = wanted != _wanted()
    if bool(places) + (every or is_filter) != 1:
        raise typer.BadParameter("name places, or use --all, --topic, --reason, --since or --until")
    rows = open_records(load_config().broker)
    if places:
        return choose(rows, places)
    fitting = [row for row in rows if wanted.fits(row)]
    left = [row for row in fitting if verb == RETRY and not row.can_retry]
    if left:
        say(f"{plural(len(left), 'item')} that a source could not read came from no topic and is left: drop it there.")
    return [row for row in fitting if row not in left]


def _settle(rows: list[Quarantined], verb: str, by: str, *, dry_run: bool) -> None:
    from concord.quarantined import RETRY, settle

    if not rows:
        return say("Nothing to do: no open record fits.")
    done = {True: "would be ", False: ""}[dry_run] + ("retried" if verb == RETRY else "dropped")
    if not dry_run:
        settle(load_config().broker, rows, verb, by=by or login_name())
    say(f"{plural(len(rows), 'record')} {done}:")
    for row in rows[:LISTED]:
        say(f"{row.where}  {row.topic or 'from no topic'}, {row.reason}", indent=2)
    if len(rows) > LISTED:
        say(f"and {len(rows) - LISTED} more", indent=2)
    return None
