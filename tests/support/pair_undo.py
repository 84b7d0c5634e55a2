"""Undo in the tiny world of `pair_world`: what an operator asks for when looking at a decision."""

from __future__ import annotations

from dataclasses import replace

from support.pair_world import World

from schemas.changes import Side
from schemas.commands import Command, PredictedMail
from schemas.journal import OperatorActed, OperatorVerb
from schemas.undo import Undo
from streams.rehearsal import rehearse
from streams.taken import what_was_taken


def look(world: World, offset: int, *, side: Side | None = None, force: bool = False) -> Undo:
    """The undo of the decision at this journal offset, as `concord undo` would propose it now."""
    step = world.steps[offset]
    assert step is not None
    state = world.pairs[step.state.pair_key]
    graph, salesforce = state.graph.item, state.salesforce.item
    undo = replace(
        what_was_taken(f"0/{offset}", step.commands, side),
        graph=None if graph is None else graph.content,
        salesforce=None if salesforce is None else salesforce.content,
        is_forced=force,
    )
    mails = tuple(mail for command in rehearsed(world, undo) for mail in command.mails)
    return replace(undo, mails=mails)


def rehearsed(world: World, undo: Undo) -> tuple[Command, ...]:
    """The commands that this undo would cause."""
    key = next(step.state.pair_key for step in [world.steps[int(undo.decision.partition("/")[2])]] if step is not None)
    acted = OperatorActed(OperatorVerb.UNDO, "eve", undo=replace(undo, is_forced=True))
    return rehearse(world.pairs[key], acted, world.settings, world.now)[1]


def ask(world: World, undo: Undo) -> None:
    """The operator confirms."""
    step = world.steps[int(undo.decision.partition("/")[2])]
    assert step is not None
    world.acted(step.state.pair_key, OperatorActed(OperatorVerb.UNDO, "eve", undo=undo))


def undo(world: World, offset: int, *, side: Side | None = None, force: bool = False) -> tuple[PredictedMail, ...]:
    """Look and confirm; returns the mails that were shown."""
    found = look(world, offset, side=side, force=force)
    ask(world, found)
    return found.mails
