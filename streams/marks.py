"""Our marks on a pair's two items: the sync status, the external id, the pair key. Which are wrong? Pure."""

from __future__ import annotations

from schemas.changes import Item
from schemas.settings import Settings
from schemas.state import PairState, Status
from streams.mapping import STATUS_LABELS


def is_enabled(held: Item, graph: Item | None, settings: Settings) -> bool:
    """Whether both sides of a pair belong to users that take part, so that its marks may be written."""
    owner = settings.user_of_record(held.content.owner_id)
    is_owner_enabled = owner is not None and owner.is_enabled
    return is_owner_enabled and (graph is None or settings.is_mailbox_enabled(graph.mailbox))


def marks_differ(state: PairState, status: Status) -> bool:
    """Whether the Practifi item shows another status, external id or pair key than it should."""
    held, graph = state.salesforce.item, state.graph.item
    if held is None:
        return False
    if (held.content.sync_status or STATUS_LABELS[Status.NOT_SYNCED]) != STATUS_LABELS[status]:
        return True
    if status is Status.NOT_SYNCED or graph is None:
        return False
    return held.sync_key != state.pair_key or held.content.external_id != graph.id


def is_tag_wrong(pair_key: str, graph: Item) -> bool:
    """A tag of another pair came along with a copy, or the tag of an event we made is gone."""
    if graph.sync_key:
        return graph.sync_key != pair_key
    return pair_key.startswith("s:")
