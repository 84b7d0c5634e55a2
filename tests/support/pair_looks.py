"""What tests look at in a `World`: what was sent, decided and is held, in short forms."""

from __future__ import annotations

from typing import Any, Final

from support.builders import meeting
from support.pair_world import World

from schemas.calendar import Attendee, CalendarEvent
from schemas.changes import Side
from schemas.commands import Action, Command, Decision, Verdict
from schemas.state import PairState

OTHER: Final = Attendee("other@out.example", "Other", record_id="003OTHER")


def sent(world: World, since: int = 0) -> list[tuple[Side, Action, tuple[str, ...]]]:
    """What was sent, in short."""
    return [(c.side, c.action, c.fields) for c in world.commands[since:]]


def last(world: World) -> Decision:
    """The last decision that did something."""
    return [decision for decision in world.decisions if decision.verdict is not Verdict.NOTHING][-1]


def only(world: World, side: Side) -> CalendarEvent:
    """What the one event on a side holds."""
    (item,) = world.items[side].values()
    return item.content


def records(content: CalendarEvent) -> list[str]:
    """Which records attend."""
    return [a.record_id for a in content.attendees]


def state_of(world: World) -> PairState:
    """The state of the one pair."""
    (state,) = world.pairs.values()
    return state


def lone(side: Side, content: CalendarEvent | None = None, **members: Any) -> World:
    """A settled world in which somebody made one event."""
    world = World(**members)
    world.make(side, content or meeting())
    world.settle()
    return world


def short(command: Command) -> tuple[Side, tuple[str, ...], list[str]]:
    """Side, groups, and whom it mails how."""
    return command.side, command.fields, [f"{mail.kind} {mail.address}" for mail in command.mails]
