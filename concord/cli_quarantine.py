"""`concord quarantine`: records that could not be processed, kept as they were, retried or dropped."""

from __future__ import annotations

from typing import Annotated, Final

import typer

from concord.cli_admin import login_name
from concord.cli_output import print_json, print_table, say
from concord.config import load_config

PANEL: Final = "Administer"
# Bytes of a value shown by `show`: enough to see what it is.
SHOWN_BYTES: Final = 64

quarantine = typer.Typer(help="Records that could not be processed, as they were.", no_args_is_help=True)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]
Places = Annotated[
    list[str] | None, typer.Argument(metavar="PLACE", help="partition/offset, as `concord quarantine list` shows it")
]
Every = Annotated[bool, typer.Option("--all", help="Every open record.")]
Topic = Annotated[str, typer.Option(help="Only records that came from this topic.")]
By = Annotated[str, typer.Option(help="Who does it, for the record; your login name by default.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    app.add_typer(quarantine, name="quarantine", rich_help_panel=PANEL)


@quarantine.command("list")
def quarantine_list(topic: Topic = "", as_json: AsJson = False) -> None:
    """What stands in quarantine: where it came from and why."""
    from concord.quarantined import open_records

    rows = [row for row in open_records(load_config().broker) if topic in ("", row.topic)]
    if as_json:
        return print_json(
            [
                {
                    "place": row.where, "at": row.at, "topic": row.topic, "partition": row.partition,
                    "offset": row.offset, "stage": row.stage, "error": row.error, "message": row.message,
                }
                for row in rows
            ]
        )  # fmt: skip
    if not rows:
        return say("Nothing is in quarantine.")
    cells = []
    for row in rows:
        source = f"{row.topic}/{row.partition} @ {row.offset}" if row.topic else None
        cells.append((row.where, f"{row.at:%Y-%m-%d %H:%M:%S}", source, row.stage, row.message or row.error))
    print_table(("place", "since (UTC)", "came from", "stage", "why"), cells)
    return None


@quarantine.command("show")
def quarantine_show(place: Annotated[str, typer.Argument(metavar="PLACE", help="partition/offset")]) -> None:
    """One record: its headers, its key, the size and the first bytes of its value."""
    from concord.quarantined import choose, open_records

    (row,) = choose(open_records(load_config().broker), [place], every=False, topic="")
    value = row.read.value or b""
    for name, text in row.read.headers:
        say(f"{name}: {text.decode('utf-8', 'replace')}")
    say(f"key: {(row.read.key or b'').decode('utf-8', 'replace')}")
    say(f"value: {len(value)} bytes, beginning with {value[:SHOWN_BYTES].hex(' ')}")


@quarantine.command("retry")
def quarantine_retry(places: Places = None, every: Every = False, topic: Topic = "", by: By = "") -> None:
    """Write records back, unchanged, to the topic they came from. Safe to press twice: a retried record is settled.

    Example: concord quarantine retry 0/3    or    concord quarantine retry --topic sync.outcomes
    """
    from concord.quarantined import RETRY

    _settle(places, every, topic, RETRY, by)


@quarantine.command("drop")
def quarantine_drop(places: Places = None, every: Every = False, topic: Topic = "", by: By = "") -> None:
    """Settle records without processing them. Their bytes stay on the topic until retention removes them."""
    from concord.quarantined import DROP

    _settle(places, every, topic, DROP, by)


def _settle(places: list[str] | None, every: bool, topic: str, verb: str, by: str) -> None:
    from concord.quarantined import choose, open_records, settle

    broker = load_config().broker
    rows = choose(open_records(broker), places or [], every=every, topic=topic)
    done = settle(broker, rows, verb, by=by or login_name())
    say(f"{done} records: {verb}." if done else "Nothing to do: name a place, --topic or --all.")
