"""Which Microsoft 365 events and Practifi events are the two halves of one, made by another tool. Pure.

Halves match when start, end, subject and owner are the same and no other half on either side has them too. Whatever
has a double is listed, never guessed.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from schemas.calendar import CalendarEvent, TimeSpan
from schemas.changes import Item, Kind
from schemas.settings import Settings
from schemas.state import PairState
from streams.mapping import practifi_view


@dataclass(frozen=True)
class Half:
    """One side of an event that stands alone: its pair and what it holds."""

    pair_key: str
    content: CalendarEvent


@dataclass(frozen=True)
class Match:
    """Halves with the same start, end, subject and owner: those in Microsoft 365 and those in Practifi."""

    graph: tuple[Half, ...]
    salesforce: tuple[Half, ...]

    @property
    def is_unique(self) -> bool:
        """Whether there is no doubt which belongs to which."""
        return len(self.graph) == len(self.salesforce) == 1


def matches(pairs: Iterable[PairState], settings: Settings) -> list[Match]:
    """Every match among these pairs, unique or not, by start and subject."""
    groups: dict[tuple[TimeSpan, str, str], Match] = {}
    for state in pairs:
        graph, salesforce = _graph_half(state, settings), _salesforce_half(state, settings)
        for half, is_graph in ((graph, True), (salesforce, False)):
            if half is None:
                continue
            view = practifi_view(half, settings) if is_graph else half.content
            key = (view.span, " ".join(view.subject.split()), view.owner_id)
            known = groups.get(key, Match((), ()))
            more = (Half(state.pair_key, half.content),)
            groups[key] = (
                Match(known.graph + more, known.salesforce) if is_graph else Match(known.graph, known.salesforce + more)
            )
    ordered = sorted(groups, key=lambda key: (key[0].start_utc, key[1], key[2]))
    return [groups[key] for key in ordered if groups[key].graph and groups[key].salesforce]


def _graph_half(state: PairState, settings: Settings) -> Item | None:
    """The event in Microsoft 365 of a pair that never had another side, where it would lead."""
    item, there = state.graph.item, state.salesforce
    if item is None or there.item is not None or there.is_deleted or _is_busy(state):
        return None
    is_led_elsewhere = not item.is_organizer and settings.is_mailbox_enabled(item.organizer_mailbox)
    is_event = item.kind is not Kind.SERIES_MASTER and not item.is_draft
    return item if is_event and settings.is_mailbox_enabled(item.mailbox) and not is_led_elsewhere else None


def _salesforce_half(state: PairState, settings: Settings) -> Item | None:
    """The event in Practifi of a pair that never had another side."""
    item, there = state.salesforce.item, state.graph
    if item is None or there.item is not None or there.is_deleted or _is_busy(state):
        return None
    owner = settings.user_of_record(item.content.owner_id)
    is_own = state.pair_key == f"s:{item.id}"
    return item if is_own and owner is not None and owner.is_enabled else None


def _is_busy(state: PairState) -> bool:
    return state.is_detached or state.graph.pending is not None or state.salesforce.pending is not None
