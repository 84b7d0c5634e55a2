"""`concord undo`: write back what a decision deleted or overwrote."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from concord.cli_admin import login_name
from concord.cli_output import plural, print_json, say
from concord.config import load_config
from projections.timeline import service
from projections.wording import HIDDEN, NAMES, PRIVATE_GROUPS, excerpts, words
from schemas.changes import Side
from schemas.errors import ConcordError

if TYPE_CHECKING:
    from concord.undoing import Proposal
    from schemas.commands import Command

PANEL: Final = "Administer"
# Characters of a value shown on one line, and addresses shown before the rest is only counted.
SHOWN: Final = 100
NAMED: Final = 8

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("undo", rich_help_panel=PANEL)(undo)


def undo(
    decision: Annotated[str, typer.Argument(metavar="DECISION", help="As `concord explain` names it, e.g. 0/42.")],
    side: Annotated[Side | None, typer.Option(help="Where it wrote, if it wrote to both sides.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Also over later changes, and a second time.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    by: Annotated[str, typer.Option(metavar="NAME", help="Who asks, for the record. Default: your login name.")] = "",
    as_json: AsJson = False,
) -> None:
    """Write back what a decision deleted or overwrote, on both sides. Safe to press twice.

    Values that lost a conflict or were overwritten come back in Practifi and Microsoft 365; a deleted event is made
    anew. What would be written and whom it would mail is shown before anything happens. When the event has changed
    since, nothing is done unless --force is given.

    Example: concord undo 0/42
    """
    from concord.undoing import ask, propose

    broker = load_config().broker
    proposal = propose(broker, decision, side=side, force=force)
    if not as_json:
        _print(proposal)
    _refuse(proposal, decision, force=force)
    if not yes and not as_json:
        typer.confirm("Do this?", abort=True)
    ask(broker, proposal, by=by or login_name())
    if as_json:
        print_json(_json(proposal))
    else:
        say(f"Asked for. `concord explain {proposal.pair_key}` shows how it goes.")


def _refuse(proposal: Proposal, decision: str, *, force: bool) -> None:
    if proposal.is_repeated and not force:
        raise ConcordError(f"The decision {decision} was undone before.", "--force does it once more.")
    if not proposal.writes:
        from streams.reasons import reason

        why = reason(proposal.reason).text if proposal.reason not in ("", "undone") else "Both sides hold this already."
        raise ConcordError(f"Nothing to undo. {why}")
    if force:
        return
    if proposal.changed:
        what = ", ".join(NAMES.get(group, group) for group in proposal.changed)
        raise ConcordError(f"Changed since this decision: {what}.", "--force writes the old values over it.")


def _print(proposal: Proposal) -> None:
    for command in proposal.writes:
        say(f"{command.action} in {service(command.side)}", style="bold")
        for name, text in value_rows(command, is_private=proposal.is_private):
            say(f"{name:<12} {text}", indent=2)
    if proposal.writes:
        say(mail_words(proposal))


def value_rows(command: Command, *, is_private: bool) -> list[tuple[str, str]]:
    """What a command writes: name and value in words, the old one before an arrow where there is one."""
    groups = command.fields if command.action == "update" else ("subject", "time")
    return [(NAMES.get(group, group), _value_words(command, group, is_private=is_private)) for group in groups]


def _value_words(command: Command, group: str, *, is_private: bool) -> str:
    assert command.content is not None
    if is_private and group in PRIVATE_GROUPS:
        return HIDDEN
    before = "" if command.basis is None else words(command.basis, group)
    old, new = excerpts(before, words(command.content, group), SHOWN)
    return f"{old} → {new}" if command.basis is not None else new


def mail_words(proposal: Proposal) -> str:
    """Whom an undo would mail."""
    mails = proposal.undo.mails
    if not mails:
        return "Mails nobody."
    kinds = Counter(mail.kind for mail in mails)
    told = ", ".join(plural(count, f"{kind} mail") for kind, count in sorted(kinds.items()))
    people = sorted({HIDDEN if proposal.is_private else mail.address for mail in mails})
    more = f" and {len(people) - NAMED} more" if len(people) > NAMED else ""
    return f"Mails: {told} to {', '.join(people[:NAMED])}{more}"


def _json(proposal: Proposal) -> dict[str, Any]:
    mails = [(mail.kind, HIDDEN if proposal.is_private else mail.address) for mail in proposal.undo.mails]
    return {
        "pair_key": proposal.pair_key,
        "decision": proposal.undo.decision,
        "writes": [
            {"side": one.side, "action": one.action, "fields": list(one.fields) if one.action == "update" else []}
            for one in proposal.writes
        ],
        "mails": [{"kind": kind, "address": address} for kind, address in mails],
        "changed_since": list(proposal.changed),
    }
