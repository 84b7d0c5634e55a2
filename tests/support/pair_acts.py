"""What happens in the tiny world of `pair_world`, as Hypothesis draws it: people edit and delete, stages take turns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from hypothesis import strategies as st
from support.builders import CLIENT, COLLEAGUE, ROOM, STRANGER, meeting, span
from support.pair_world import World, a_pair

from schemas.calendar import Attendee, CalendarEvent, Response, Sensitivity, ShowAs
from schemas.changes import Side
from schemas.groups import BODY, LOCATION, PEOPLE, PRIVACY, REMINDER, SHOW_AS, SUBJECT, TEAMS, TIME

AGREED: Final[CalendarEvent] = meeting(attendees=(CLIENT,))
OTHER: Final = Attendee("other@out.example", "Other", record_id="003OTHER")
SPANS: Final = st.sampled_from([span(5), span(6, 2), span(7, all_day=True)])
TEXTS: Final = st.sampled_from(["Review", "Other", "שלום 😀", ""])
REMINDERS: Final = st.sampled_from([None, 0, 15])
RESPONSES: Final = st.sampled_from([Response.NONE, Response.ACCEPTED, Response.DECLINED, Response.TENTATIVE])


def people_of(*choices: Attendee) -> st.SearchStrategy[tuple[Attendee, ...]]:
    """Some of these, as a side lists them."""
    return st.lists(st.sampled_from(choices), unique=True, max_size=3).map(tuple)


def answered(people: tuple[Attendee, ...], response: Response) -> tuple[Attendee, ...]:
    """The first of them answers."""
    return tuple(replace(a, response=response) if n == 0 else a for n, a in enumerate(people))


GRAPH_PEOPLE: Final = st.builds(answered, people_of(CLIENT, OTHER, COLLEAGUE, STRANGER, ROOM), RESPONSES)
PLAIN: Final[dict[str, st.SearchStrategy[Any]]] = {
    "span": SPANS, "subject": TEXTS, "body": TEXTS, "location": TEXTS, "reminder_minutes": REMINDERS,
    "is_teams": st.booleans(),
}  # fmt: skip
GRAPH_EDITS: Final = PLAIN | {
    "show_as": st.sampled_from(ShowAs), "sensitivity": st.sampled_from(Sensitivity), "attendees": GRAPH_PEOPLE,
}  # fmt: skip
SALESFORCE_EDITS: Final = PLAIN | {
    "show_as": st.sampled_from([s for s in ShowAs if s is not ShowAs.UNKNOWN]),
    "sensitivity": st.sampled_from([Sensitivity.NORMAL, Sensitivity.PRIVATE]),
}  # fmt: skip
SALESFORCE_PEOPLE: Final = {
    "attendees": people_of(CLIENT, OTHER, COLLEAGUE), "send_invitations": st.booleans(),
}  # fmt: skip
GROUP_OF: Final = {
    "span": TIME, "subject": SUBJECT, "body": BODY, "location": LOCATION, "show_as": SHOW_AS, "sensitivity": PRIVACY,
    "reminder_minutes": REMINDER, "is_teams": TEAMS, "attendees": PEOPLE, "send_invitations": PEOPLE,
}  # fmt: skip


def some_edits(kinds: dict[str, st.SearchStrategy[Any]], *, at_least: int = 1) -> st.SearchStrategy[dict[str, Any]]:
    """New values for some members."""
    names = st.lists(st.sampled_from(sorted(kinds)), unique=True, min_size=at_least, max_size=3)
    return names.flatmap(lambda chosen: st.fixed_dictionaries({name: kinds[name] for name in chosen}))


def edits_of(side: Side, *, people: bool = False) -> st.SearchStrategy[dict[str, Any]]:
    """What somebody may change on a side; `people`: a Practifi user changes attendees, too."""
    if side is Side.GRAPH:
        return some_edits(GRAPH_EDITS)
    return some_edits(SALESFORCE_EDITS | (SALESFORCE_PEOPLE if people else {}))


@dataclass(frozen=True)
class Act:
    """One thing that happens, by name; what it concerns and what it changes."""

    name: str
    side: Side = Side.GRAPH
    members: tuple[tuple[str, Any], ...] = ()

    def happen(self, world: World, ids: dict[Side, str]) -> None:
        """Let it happen."""
        acts: dict[str, Callable[[], object]] = {
            "edit": lambda: world.edit(self.side, ids[self.side], **dict(self.members)),
            "delete": lambda: world.delete(self.side, ids[self.side]),
            "restore": lambda: world.restore(self.side, ids[self.side]),
            "copy": lambda: world.copy(self.side, ids[self.side]),
            "read": lambda: world.read(self.side),
            "read again": lambda: world.read_again(self.side),
            "journal changes": lambda: world.journal(self.side),
            "journal outcomes": lambda: world.journal("sync"),
            "work": lambda: world.work(self.side),
            "work again": lambda: world.work_again(self.side),
        }
        acts[self.name]()


STAGES: Final = st.builds(
    Act,
    st.sampled_from(["read", "read again", "journal changes", "journal outcomes", "work", "work again"]),
    st.sampled_from(Side),
)


def edit_acts(*, people: bool = False) -> st.SearchStrategy[Act]:
    """An edit on either side."""
    return st.sampled_from(Side).flatmap(
        lambda side: edits_of(side, people=people).map(lambda members: Act("edit", side, tuple(members.items())))
    )


DELETIONS: Final = st.builds(Act, st.just("delete"), st.sampled_from(Side))
COMINGS_AND_GOINGS: Final = st.builds(Act, st.sampled_from(["delete", "restore", "copy"]), st.sampled_from(Side))
FIRSTS: Final = st.sampled_from(Side)
TICKS: Final = st.sampled_from([timedelta(seconds=1), timedelta(milliseconds=300)])


def histories(*acts: st.SearchStrategy[Act], size: int = 14) -> st.SearchStrategy[list[Act]]:
    """Acts of people among acts of stages, in any order."""
    return st.lists(st.one_of(STAGES, *acts), max_size=size)


def lived(acts: list[Act], *, first: Side = Side.GRAPH, **members: Any) -> tuple[World, str, dict[Side, str]]:
    """A settled pair after a history, not settled again."""
    world = World(**members)
    key, graph_id, salesforce_id = a_pair(world, meeting(attendees=(CLIENT,)), first=first)
    ids = {Side.GRAPH: graph_id, Side.SALESFORCE: salesforce_id}
    for act in acts:
        act.happen(world, ids)
    return world, key, ids
