"""Shadow mode: everything is decided and recorded, nothing is written. Pure.

The pair stays as it was seen: no command is under way, nothing counts as agreed on by a write that was not made. What
is decided anew with the next reading is recorded only when it differs from what was decided before. When shadow mode
ends, both sides are read anew: Microsoft 365 comes in, Practifi goes out with its next save, deletions wait for an
operator.
"""

from __future__ import annotations

import hashlib
from typing import Final

from projections.sync_state import command_digest, other, side_of, with_side
from schemas.commands import Action, Verdict
from schemas.state import PairState, Status
from schemas.values import replace
from streams.plan import Plan

SHADOW: Final = "shadow"


def in_shadow(state: PairState, plan: Plan) -> Plan:
    """The plan with its commands withheld. `state` is the pair before it was decided."""
    if not plan.commands:
        return replace(plan, state=replace(plan.state, shadowed=""))
    effects = sorted((command_digest(one), str(one.mails)) for one in plan.commands)
    digest = hashlib.sha256(repr(effects).encode()).hexdigest()[:32]
    is_known = digest == state.shadowed
    kept = replace(
        state,
        status=Status.NOT_SYNCED,
        reason=SHADOW,
        shadowed=digest,
        held=plan.state.held,
        is_detached=plan.state.is_detached,
        undo=plan.state.undo,
        salesforce=replace(state.salesforce, held_back=plan.state.salesforce.held_back),
    )
    for command in plan.commands:
        if command.action is Action.DELETE:  # going live deletes nothing by itself: an operator is to look first
            side = other(command.side)
            kept = with_side(kept, side, replace(side_of(kept, side), in_burst=True))
    return replace(
        plan,
        state=kept,
        verdict=Verdict.NOTHING if is_known else plan.verdict,
        commands=(),
        withheld=() if is_known else plan.commands,
    )
