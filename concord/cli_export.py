"""`concord export`: the history of an event or of a user's events as JSON lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from concord.cli_output import complain, plain_json, plural
from concord.config import load_config
from schemas.errors import ConcordError

if TYPE_CHECKING:
    from concord.finding import Story

PANEL: Final = "Look"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("export", rich_help_panel=PANEL)(export)


def export(
    event: Annotated[str, typer.Argument(metavar="[EVENT]", help="As `concord explain` takes it.")] = "",
    user: Annotated[str, typer.Option(metavar="ADDRESS", help="Every event of this user instead.")] = "",
    show_private: Annotated[
        bool, typer.Option("--show-private", help="With text and people of private events.")
    ] = False,
) -> None:
    """Write the history of an event, or of all of a user's events, as JSON lines: one a journal entry.

    Each line holds where the entry stands in the journal, what was seen, what was decided and by which rule, what was
    sent, which mails were predicted and what the service answered. The last line of an event says how it stands.

    Example: concord export --user ann@firm.example > ann.jsonl
    """
    from concord.finding import find_pairs, one_pair, pairs_of, read_stories

    if bool(event) is bool(user):
        raise ConcordError("Say what to export: an event, or --user and an address.")
    broker = load_config().broker
    found = pairs_of(broker, user) if user else [one_pair(find_pairs(broker, event, show_private=show_private), event)]
    count = 0
    for story in read_stories(broker, found, show_private=show_private):
        for line in lines_of(story):
            sys.stdout.write(json.dumps(line, default=plain_json, ensure_ascii=False) + "\n")
            count += 1
    complain(f"{plural(len(found), 'event')}, {plural(count, 'line')}.")


def lines_of(story: Story) -> Iterator[dict[str, Any]]:
    """One object a moment, then how the pair stands."""
    for moment in story.moments:
        yield {"pair_key": story.pair_key, **asdict(moment), "holds": dict(moment.holds)}
    state = story.state
    yield {
        "pair_key": story.pair_key,
        "standing": {
            "status": state.status,
            "reason": state.reason,
            "detached": state.is_detached,
            "private": story.is_private,
            "graph_id": state.graph.item.id if state.graph.item is not None else None,
            "salesforce_id": state.salesforce.item.id if state.salesforce.item is not None else None,
        },
    }
