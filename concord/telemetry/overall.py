"""What the exporter tells, as values: the pairs summed up, and one look at everything. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from concord.quarantined import Quarantined
from concord.telemetry.progress import Progress
from projections.overview import Standing, commands_under_way
from schemas.changes import Side
from schemas.commands import HoldKind
from schemas.state import PairState
from schemas.topics import (
    BY_NAME,
    GRAPH_CHANGES,
    GRAPH_COMMANDS,
    SALESFORCE_CHANGES,
    SALESFORCE_COMMANDS,
    SYNC_JOURNAL,
)
from streams.reasons import REASONS

# What a change passes on its way to a side.
WAY: Final = {
    Side.GRAPH: frozenset({SALESFORCE_CHANGES, SYNC_JOURNAL, GRAPH_COMMANDS}),
    Side.SALESFORCE: frozenset({GRAPH_CHANGES, SYNC_JOURNAL, SALESFORCE_COMMANDS}),
}
# Words of others become labels only if they look like a code, and only the most frequent ones.
CODES_MAX: Final = 30
OTHER: Final = "other"
_CODE: Final = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,59}")


@dataclass
class PairSums:
    """Pairs by status, pairs in error by reason, writes without an answer and writes that are held."""

    standing: Standing = field(default_factory=lambda: Standing("", "", "", is_enabled=True))
    pending: Counter[Side] = field(default_factory=Counter)
    pending_since: dict[Side, datetime] = field(default_factory=dict)
    held: Counter[HoldKind] = field(default_factory=Counter)
    held_since: datetime | None = None


def sum_up(pairs: Iterable[PairState]) -> PairSums:
    """All pairs as one."""
    sums = PairSums()
    for state in pairs:
        sums.standing.count(state, state.reason, None)
        for command in commands_under_way(state):
            sums.pending[command.side] += 1
            before = sums.pending_since.get(command.side, command.decided_at)
            sums.pending_since[command.side] = min(before, command.decided_at)
        if state.held is not None:
            sums.held[state.held.kind] += 1
            sums.held_since = min(filter(None, (sums.held_since, state.held.since)))
    return sums


@dataclass(frozen=True)
class Look:
    """Everything that was seen at one moment (`at`, Unix seconds), which took `took_s` seconds."""

    at: float
    took_s: float
    progress: tuple[Progress, ...]
    members: Mapping[str, int]
    pairs: PairSums
    quarantined: tuple[Quarantined, ...]
    unreadable: int = 0


def staleness(look: Look, side: Side) -> float:
    """Age in seconds of the oldest change that was read and has not reached this side, 0 when there is none."""
    waiting = [one.lag.seconds_behind or 0.0 for one in look.progress if one.lag.topic in WAY[side]]
    return max([pending_age(look, side), *waiting])


def pending_age(look: Look, side: Side) -> float:
    """Age in seconds of the oldest write on this side without an answer, 0 when there is none."""
    return _age(look.pairs.pending_since.get(side), look.at)


def held_age(look: Look) -> float:
    """Age in seconds of the write that has waited longest for an operator, 0 when there is none."""
    return _age(look.pairs.held_since, look.at)


def quarantine_age(look: Look) -> float:
    """Age in seconds of the record that has stood longest in quarantine, 0 when there is none."""
    return _age(min((row.at for row in look.quarantined), default=None), look.at)


def _age(since: datetime | None, now: float) -> float:
    return 0.0 if since is None else max(0.0, now - since.timestamp())


def errors(look: Look) -> dict[str, int]:
    """Pairs in error by reason. Reasons are ours, or a service's own codes."""
    return bounded(look.pairs.standing.errors)


def in_quarantine(look: Look) -> dict[tuple[str, str], int]:
    """Open records by the topic they came from ("(none)" for what a source could not read) and the kind of error."""
    counted = Counter((row.topic if row.topic in BY_NAME else "(none)", row.reason) for row in look.quarantined)
    kept = bounded(Counter(row.reason for row in look.quarantined))
    found: Counter[tuple[str, str]] = Counter()
    for (topic, reason), count in counted.items():
        found[topic, reason if reason in kept else OTHER] += count
    return dict(found)


def bounded(counted: Mapping[str, int]) -> dict[str, int]:
    """Counts whose keys may be labels: our own reasons, and the most frequent codes of others; the rest as "other"."""
    found: Counter[str] = Counter()
    for code, count in sorted(counted.items(), key=lambda item: (-item[1], item[0])):
        is_code = code in REASONS or (_CODE.fullmatch(code) is not None and len(found) < CODES_MAX)
        found[code if is_code else OTHER] += count
    return dict(found)
