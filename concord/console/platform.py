"""Platform: how the processes behind the pages get on. For engineers, in Kafka's words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from starlette.responses import Response

from concord.access import PARTIES
from concord.cli_look import kept_words
from concord.console.accounts import Role
from concord.console.charts import line
from concord.console.pages import Page, Visit
from concord.lag_watch import Look, Watched
from concord.telemetry.progress import Progress, State
from concord.versions import software
from schemas.errors import ConcordError

# States from the best to the worst, and what each says.
ORDER: Final = (State.OK, State.REWIND, State.WARN, State.STOP, State.STALL)
STATES: Final = {
    State.OK: "ok: nothing waits, or it is being worked off",
    State.REWIND: "rewind: went back, as in a replay",
    State.WARN: "warn: moves, but falls behind",
    State.STOP: "stop: records wait and no worker is there",
    State.STALL: "stall: records wait, workers are there, nothing moves",
}
# Size of a group's small chart, in units of its own, and rows of its table.
CHART: Final = (240, 40)
STEPS: Final = 12


@dataclass(frozen=True)
class RoleRow:
    """One role: how many workers its group has, and how that gets on. `state` None: its group reads nothing."""

    name: str
    command: str
    group: str
    workers: int
    behind: int
    oldest_s: float
    state: State | None


@dataclass(frozen=True)
class LagRow:
    """One topic of one group, its partitions summed up."""

    group: str
    topic: str
    partitions: int
    behind: int
    oldest_s: float
    rate: float
    state: State


@dataclass(frozen=True)
class Trend:
    """The looks at one group within the last hour: a line of records behind, and some of them as numbers."""

    group: str
    points: str
    most: int
    steps: tuple[tuple[Look, int, float], ...]


def worst(states: Iterable[State]) -> State:
    """The worst of these."""
    return max(states, key=ORDER.index, default=State.OK)


def roles(watched: Watched) -> list[RoleRow]:
    """Every role that has a group."""
    rows = []
    for party in PARTIES:
        if not party.group:
            continue
        own = [one for one in watched.progress if one.lag.group == party.group]
        state = worst(one.state for one in own) if own else None
        rows.append(
            RoleRow(
                party.name, " ".join(("concord", *party.command)), party.group, watched.members.get(party.group, 0),
                sum(one.lag.records_behind for one in own), _oldest(own), state,
            )
        )  # fmt: skip
    return rows


def lags(watched: Watched) -> list[LagRow]:
    """Every topic of every group; last what no group has read."""
    found: dict[tuple[str, str], list[Progress]] = {}
    for one in watched.progress:
        found.setdefault((one.lag.group, one.lag.topic), []).append(one)
    rows = [
        LagRow(
            group, topic, len(own), sum(one.lag.records_behind for one in own), _oldest(own),
            sum(one.rate for one in own), worst(one.state for one in own),
        )
        for (group, topic), own in found.items()
    ]  # fmt: skip
    return sorted(rows, key=lambda row: (not row.group, row.group, row.topic))


def _oldest(rows: Sequence[Progress]) -> float:
    return max((one.lag.seconds_behind or 0.0 for one in rows), default=0.0)


def trends(watched: Watched) -> list[Trend]:
    """Every group's last hour."""
    groups = sorted({group for look in watched.looks for group in look.behind if group})
    found = []
    for group in groups:
        values = [look.behind.get(group, (0, 0.0)) for look in watched.looks]
        every = max(1, len(values) // STEPS)
        steps = [(look, *value) for look, value in zip(watched.looks, values, strict=True)][::-1][::every]
        counts = [float(count) for count, _ in values]
        found.append(Trend(group, line(counts, *CHART), int(max(counts, default=0)), tuple(steps[:STEPS])))
    return found


def span_of(watched: Watched) -> timedelta:
    """What the looks cover."""
    looks = watched.looks
    return looks[-1].at - looks[0].at if looks else timedelta()


def show(visit: Visit) -> Response:
    """The whole page."""
    return _shown(visit, "platform.html")


def part(visit: Visit) -> Response:
    """What renews itself: roles and lag."""
    return _shown(visit, "part/platform.html")


def _shown(visit: Visit, template: str) -> Response:
    plant, watched = visit.desk.plant, visit.desk.plant.lag()
    values: dict[str, Any] = {
        "watched": watched, "roles": roles(watched), "lags": lags(watched), "trends": trends(watched), "chart": CHART,
        "span": span_of(watched), "states": STATES, "at": watched.at or visit.site.now(), "State": State,
    }  # fmt: skip
    if not template.startswith("part/"):
        values |= {
            "topics": plant.topics(), "kept": kept_words, "software": software(), "table": plant.table(),
            "set_aside": len(plant.quarantine()),
        }  # fmt: skip
        try:
            values |= {"builds": visit.desk.books.builds(), "problem": ""}
        except ConcordError as error:
            values |= {"builds": [], "problem": error.what}
    return visit.show(template, **values)


def pages() -> tuple[Page, ...]:
    """The pages of this module."""
    return (Page("/platform", show, Role.VIEWER), Page("/part/platform", part, Role.VIEWER, is_part=True))
