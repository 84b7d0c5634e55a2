"""So many deletions of one user's events in one run of a source that an operator is to look first (rule 7.20). Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from schemas.settings import Settings


def is_burst(removed: int, known: int, settings: Settings) -> bool:
    """Whether `removed` of a user's `known` events at once are too many: more than the number of the settings and more
    than their share. Never without a limit."""
    limit = settings.deletion_limit_events
    return bool(limit) and removed > limit and 100 * removed > settings.deletion_limit_percent * known


def owners_in_burst(
    removed: Iterable[str], owners: Mapping[str, str], settings: Settings, series: Mapping[str, str]
) -> frozenset[str]:
    """Whose events are being removed in a burst. `owners` maps each id that was alive before to its owner; an id that
    was not is nobody's. `series` maps instances to their series: all those of one count once, as one act ended them."""
    known = Counter(owners.values())
    acts = {(series.get(one, one), owners[one]) for one in removed if one in owners}
    gone = Counter(owner for _, owner in acts)
    return frozenset(owner for owner, count in gone.items() if is_burst(count, known[owner], settings))
