"""Signs of another calendar sync on one event: the same values are to be written to Microsoft 365 once more. Pure.

Somebody who changes a value back and forth by hand does so once or twice. A second engine does it as long as both run,
and mails the attendees each time (rules 1.1, 1.2).
"""

from __future__ import annotations

from datetime import datetime
from typing import Final

from projections.sync_state import REFUSALS_MAX, command_digest, side_of, with_side
from projections.written import lately, values_digest
from schemas.commands import Command
from schemas.state import PairState
from schemas.values import replace

# The code under which such a write is refused, by ourselves.
TWO_ENGINES: Final = "two_engines"
# How often the same values may be written to one event within an hour.
TIMES: Final = 2


def is_fought_over(command: Command, state: PairState, now: datetime) -> bool:
    """Whether these values were written often enough lately. What an operator wants back is not asked."""
    digest = values_digest(command)
    if not digest or state.undo is not None:
        return False
    return sum(one.endswith(digest) for one in lately(state, now)) >= TIMES


def refused_by_us(command: Command, state: PairState) -> PairState:
    """The pair with this write refused until something else changes or an operator asks for another try."""
    there = side_of(state, command.side)
    refused = " ".join((*there.refused.split(), command_digest(command))[-REFUSALS_MAX:])
    return with_side(state, command.side, replace(there, refused=refused, refused_code=TWO_ENGINES))
