"""What a decision took, as an undo that an operator may ask for: read off the commands that it sent. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from schemas.changes import Side
from schemas.commands import Action, Command
from schemas.errors import ConcordError
from schemas.groups import PEOPLE
from schemas.settings import Settings
from schemas.state import PairState
from schemas.undo import Undo
from streams.mapping import practifi_view
from streams.undo import UNDOABLE, is_alike


def what_was_taken(decision: str, commands: Iterable[Command], side: Side | None = None) -> Undo:
    """The undo of what these commands of one decision deleted or overwrote; `side` chooses where they wrote to both.

    Raises ConcordError when they took nothing, or when a side has to be named.
    """
    found = [undo for command in commands if side in (None, command.side) if (undo := _undo_of(decision, command))]
    if not found:
        raise ConcordError(
            f"The decision {decision} deleted and overwrote nothing that could be written back.",
            "`concord explain` shows what each decision wrote.",
        )
    if len(found) > 1:
        raise ConcordError(
            f"The decision {decision} wrote to both sides.", "Say which to undo: --side salesforce or --side graph."
        )
    return found[0]


def _undo_of(decision: str, command: Command) -> Undo | None:
    if command.action is Action.DELETE and command.basis is not None:
        return Undo(decision, command.side, (), command.basis, command.mailbox)
    if command.action is not Action.UPDATE or command.basis is None or command.content is None:
        return None
    before, after = command.basis, command.content
    groups = tuple(group for group in command.fields if group in UNDOABLE and not is_alike(before, after, group))
    return Undo(decision, command.side, groups, before, command.mailbox) if groups else None


def changed_since(undo: Undo, state: PairState, commands: Iterable[Command], settings: Settings) -> tuple[str, ...]:
    """The groups in which a side does not hold any more what the decision left there; ("event",) when the event of an
    undone deletion stands again, or one that was overwritten is gone."""
    graph, salesforce = state.graph.item, state.salesforce.item
    if not undo.fields:
        return () if graph is None and salesforce is None else ("event",)
    if graph is None or salesforce is None or state.is_detached:
        return ("event",)
    left = next(one.content for one in commands if one.side is undo.side and one.action is Action.UPDATE)
    assert left is not None
    here = graph.content if undo.side is Side.GRAPH else salesforce.content
    view = practifi_view(graph, settings)
    return tuple(
        group
        for group in undo.fields
        if not is_alike(here, left, group) or (group != PEOPLE and not is_alike(view, salesforce.content, group))
    )
