"""`concord explain`: the story of one event, one block a journal entry."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from concord.cli_output import ago, plural, print_json, say
from concord.config import load_config
from concord.moments import moment as read_moment
from projections.wording import HIDDEN, NAMES, NOTHING, excerpts, span_words, stored

if TYPE_CHECKING:
    from concord.finding import Found, Story
    from projections.timeline import Moment
    from schemas.commands import Decision, FieldChange, Outcome, PredictedMail
    from schemas.settings import Settings

PANEL: Final = "Look"
# Pairs listed when a query means several.
LISTED: Final = 30
# Characters of a value shown on one line.
SHOWN: Final = 100


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("explain", rich_help_panel=PANEL)(explain)


def explain(
    event: Annotated[
        str,
        typer.Argument(
            metavar="EVENT", help="Pair key, Microsoft 365 id, Salesforce id (15 or 18), iCalUId, or part of a subject."
        ),
    ],
    show_private: Annotated[
        bool, typer.Option("--show-private", help="Show text and people of a private event, and search such subjects.")
    ] = False,
    at: Annotated[
        str, typer.Option("--at", metavar="WHEN", help="As it stood then: a date or time in UTC, or 30d, 12h ago.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """The story of one event: what was seen, decided, why, written and confirmed.

    Every journal entry of the event in order: which fields changed on that side, which rule decided under which
    settings, what was written, what a conflict took, which mails were predicted, and what the service answered. When
    several events match, they are listed; name one of them.

    Example: concord explain "Annual review"
    """
    from concord.finding import find_pairs, one_pair, read_story

    broker = load_config().broker
    found = find_pairs(broker, event, show_private=show_private)
    if len(found) > 1:
        _print_found(found, show_private=show_private, as_json=as_json)
    when = read_moment(at, datetime.now(UTC)) if at else None
    story = read_story(broker, one_pair(found, event), show_private=show_private, at=when)
    if as_json:
        print_json(_story_json(story))
    else:
        _print_story(story)


def _print_found(found: Sequence[Found], *, show_private: bool, as_json: bool) -> None:
    ordered = sorted(found, key=lambda pair: (pair.content is None, pair.content and pair.content.span.start_utc))
    rows = [_found_row(pair, show_private=show_private) for pair in ordered]
    if as_json:
        print_json({"pairs": rows})
        return
    for row in rows[:LISTED]:
        told = f"{row['subject'] or 'An event'}, {row['time'] or 'never read'}"
        say(f"{told} ({plural(row['entries'], 'entry', 'entries')})")
        say(row["pair_key"], indent=4, whole=True)
    if len(rows) > LISTED:
        say(f"and {len(rows) - LISTED} more")


def _found_row(pair: Found, *, show_private: bool) -> dict[str, Any]:
    content = pair.content
    is_hidden = pair.is_private and not show_private
    return {
        "pair_key": pair.pair_key,
        "subject": HIDDEN if is_hidden else content.subject if content is not None else None,
        "time": span_words(content.span) if content is not None else None,
        "entries": len(pair.entries),
    }


def _print_story(story: Story) -> None:
    from streams.mapping import STATUS_LABELS
    from streams.reasons import reason

    say(title_of(story), style="bold")
    say(f"pair key       {story.pair_key}", indent=2, whole=True)
    for name, side in (("Microsoft 365", story.state.graph), ("Practifi", story.state.salesforce)):
        if side.item is not None:
            where = f" in {mailbox_words(side.item.mailbox, story.settings)}" if side.item.mailbox else ""
            say(f"{name:<14} {side.item.id}{where}", indent=2)
        else:
            say(f"{name:<14} {'deleted' if side.is_deleted else 'never there'}", indent=2)
    why = reason(story.state.reason).text if story.state.reason else ""
    say(f"{'status':<14} {STATUS_LABELS[story.state.status]}: {why}".rstrip(": "), indent=2)
    if story.is_private and story.content is None:
        say("Private: text and people are left out; --show-private shows them.", indent=2)
    say("")
    for number, moment in enumerate(story.moments, 1):
        _print_moment(number, moment, story.settings)


def title_of(story: Story) -> str:
    """What the event is called."""
    if story.content is None:
        return "A private event" if story.is_private else "An event that was never read"
    return f"“{story.content.subject}”" if story.content.subject else "An event without a subject"


def mailbox_words(mailbox: str, settings: Settings) -> str:
    """A mailbox by its user's address."""
    user = settings.user_of_mailbox(mailbox)
    return f"the calendar of {user.address}" if user is not None else f"mailbox {mailbox}"


def _print_moment(number: int, moment: Moment, settings: Settings) -> None:
    told = moment.holds or moment.differences or moment.outcome or moment.decision
    how = f" (origin: {moment.origin})" if moment.origin else ""
    if moment.outcome is not None:
        took = f", {ago(moment.took_s)} after it was decided" if moment.took_s is not None else ""
        how = f" (command {_short(moment.outcome.command_id)}{took})"
    when = f"{moment.at:%Y-%m-%d %H:%M:%S.%f}"[:-3]
    say(f"{number}. {when} UTC  {moment.headline}{how}", style="bold" if told else "")
    if not told:
        return
    where = f", {mailbox_words(moment.mailbox, settings)}" if moment.mailbox else ""
    item = f"{moment.item_id}{where}; " if moment.item_id else ""
    named = f"; decision {moment.partition}/{moment.offset}" if moment.sent else ""
    say(f"{item}journal partition {moment.partition}, offset {moment.offset}{named}", indent=3, style="dim")
    for group, text in moment.holds:
        _row(NAMES[group], _on_one_line(text))
    for difference in moment.differences:
        before, after = excerpts(difference.before, difference.after, SHOWN)
        _row(NAMES[difference.group], f"{before} → {after}")
    if moment.outcome is not None:
        _print_outcome(moment.outcome)
    if moment.decision is not None:
        _print_decision(moment.decision, moment)


def _short(command_id: str) -> str:
    """A command's number within its pair: its id is the pair key and this."""
    return "#" + command_id.rpartition("#")[2]


def _row(name: str, text: str, mark: str = "") -> None:
    say(f"{mark:<9}{name:<12} {text}", indent=3, hang=22)


def _on_one_line(text: str) -> str:
    return excerpts("", text, SHOWN)[1]


def _print_outcome(outcome: Outcome) -> None:
    if outcome.code or outcome.message:
        say(f"the service said: {' '.join(filter(None, (outcome.code, outcome.message)))}", indent=3)
    if outcome.warning:
        say(f"left out: {outcome.warning}", indent=3)


def _print_decision(decision: Decision, moment: Moment) -> None:
    from projections.timeline import service

    code = "" if decision.reason in decision.text else f"{decision.reason}, "
    basis = f"{code}rule {decision.rule or '-'}, settings {decision.settings_number}"
    say(f"{verdict_words(decision)} {decision.text} ({basis})", indent=3, style="cyan")
    for change in decision.lost:
        before, after = change_words(change)
        _row(NAMES.get(change.field, change.field), f"{before} in Practifi gave way to {after}", "lost")
    told = {sent.side for sent in moment.sent}
    for sent in moment.sent:
        say(f"sent: {sent.action} in {service(sent.side)} (command {_short(sent.command_id)})", indent=3, style="cyan")
        _print_changes([change for change in decision.changes if change.side is sent.side])
    if len(decision.commands) > len(moment.sent):
        say(
            f"sent: command {', '.join(map(_short, decision.commands))} (no longer kept on its topic)",
            indent=3,
            style="cyan",
        )
        _print_changes([change for change in decision.changes if change.side not in told])
    if decision.is_shadow:
        _print_changes(decision.changes)
    for line in mail_lines(decision.mails):
        say(line, indent=3)
    if decision.held is not None:
        say(f"held: {decision.held.action} in {service(decision.held.side)}", indent=3, style="cyan")
        for line in mail_lines(decision.held.mails, "mails it would send"):
            say(line, indent=3)


def verdict_words(decision: Decision) -> str:
    """What a decision amounts to, before its reason."""
    if decision.is_shadow:
        return "decided, not written (shadow mode):"
    if decision.commands or decision.verdict != "nothing":
        return "decided:"
    return "decided, nothing to write:"


def _print_changes(changes: Sequence[FieldChange]) -> None:
    for change in changes:
        before, after = change_words(change)
        is_new = before == NOTHING
        _row(NAMES.get(change.field, change.field), after if is_new else f"{before} → {after}")


def change_words(change: FieldChange) -> tuple[str, str]:
    """Before and after, in words."""
    if HIDDEN in (change.before, change.after):
        return change.before, change.after
    before = stored(change.field, change.before) if change.before else NOTHING
    return excerpts(before, stored(change.field, change.after) if change.after else NOTHING, SHOWN)


def mail_lines(mails: Sequence[PredictedMail], title: str = "mails predicted") -> list[str]:
    """The mails that Exchange will send because of the write, by kind."""
    kinds = Counter(mail.kind for mail in mails)
    lines = []
    for kind, count in sorted(kinds.items()):
        who = [mail.address for mail in mails if mail.kind is kind]
        names = f" to {', '.join(who)}" if HIDDEN not in who else ""
        lines.append(f"{title}: {plural(count, kind.value)}{names}")
    return lines


def _story_json(story: Story) -> dict[str, Any]:
    return {
        "pair_key": story.pair_key,
        "subject": story.content.subject if story.content is not None else None,
        "private": story.is_private,
        "status": story.state.status,
        "reason": story.state.reason,
        "detached": story.state.is_detached,
        "graph_id": story.state.graph.item.id if story.state.graph.item is not None else None,
        "salesforce_id": story.state.salesforce.item.id if story.state.salesforce.item is not None else None,
        "moments": [asdict(moment) | {"holds": dict(moment.holds)} for moment in story.moments],
    }
