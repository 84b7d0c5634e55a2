"""Overview: is everything in agreement, and what needs a person?"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from starlette.responses import Response

from concord.console.accounts import Role
from concord.console.charts import HEIGHT, HOURS, WIDTH, Bar, bars, filled
from concord.console.desk import Backlog, in_force
from concord.console.logs import Row, last_runs
from concord.console.pages import Page, Visit
from concord.owners import addresses_of
from concord.standing import standing_of, told
from projections.overview import Standing, total
from schemas.errors import ConcordError
from schemas.settings import Settings
from schemas.state import Status

# Users with something to look at that are listed before the rest is only counted.
LISTED = 20
# Runs shown.
RUNS = 5


@dataclass(frozen=True)
class Glance:
    """The firm at one moment."""

    settings: Settings
    total: Standing
    held: int
    backlog: Backlog
    unreadable: int
    attention: tuple[Standing, ...]
    at: datetime

    @property
    def counts(self) -> dict[str, int]:
        """Events by status, as the product names them."""
        return {name: self.total.statuses[status] for name, status in _STATUSES.items()}

    @property
    def reasons(self) -> list[tuple[str, int]]:
        """Why events are not synced or in error, in words, the most frequent first."""
        found = self.total.reasons + self.total.errors
        return [(told(code).text, count) for code, count in found.most_common()]

    @property
    def is_in_agreement(self) -> bool:
        """Whether nothing is under way, refused, held or set aside."""
        open_ones = self.total.statuses[Status.PENDING] + self.total.statuses[Status.ERROR] + self.held
        return not (open_ones or self.backlog.records or self.backlog.set_aside or self.unreadable)


_STATUSES = {
    "Synced": Status.SYNCED,
    "Pending": Status.PENDING,
    "Error": Status.ERROR,
    "Not Synced": Status.NOT_SYNCED,
}


def glance(visit: Visit) -> Glance:
    """Look at everything once."""
    desk, now = visit.desk, visit.site.now()
    settings, pairs = in_force(desk.documents()), desk.pairs()
    rows = standing_of(pairs.states, pairs.observed, settings, now)
    return Glance(
        settings,
        total(rows),
        sum(state.held is not None for state in pairs.states),
        desk.backlog(),
        pairs.unreadable,
        tuple(row for row in rows if row.statuses[Status.ERROR] or row.statuses[Status.PENDING]),
        now,
    )


@dataclass(frozen=True)
class Day:
    """The last 24 hours, the oldest first, a bar for each, and the newest runs. `problem` says why there are none."""

    bars: tuple[Bar, ...] = ()
    runs: tuple[Row, ...] = ()
    problem: str = ""

    @property
    def synced(self) -> int:
        """How many writes took effect."""
        return sum(bar.hour.synced for bar in self.bars)

    @property
    def errors(self) -> int:
        """How many were refused."""
        return sum(bar.hour.errors for bar in self.bars)


def day(visit: Visit, settings: Settings) -> Day:
    """What ended within 24 hours. Two questions to the read models; without them the page stands all the same."""
    now = visit.site.now()
    try:
        hours = filled(visit.desk.books.runs.hours(now - timedelta(hours=HOURS)), now)
        return Day(bars(hours), tuple(last_runs(visit, addresses_of(settings), RUNS)))
    except ConcordError as error:
        return Day(problem=error.what)


def page(visit: Visit) -> Response:
    """The whole page."""
    return _shown(visit, "overview.html")


def part(visit: Visit) -> Response:
    """What renews itself."""
    return _shown(visit, "part/overview.html")


def _shown(visit: Visit, template: str) -> Response:
    seen = glance(visit)
    return visit.show(
        template, glance=seen, listed=LISTED, day=day(visit, seen.settings), width=WIDTH, height=HEIGHT
    )  # fmt: skip


def pages() -> tuple[Page, ...]:
    """The pages of this module."""
    return (Page("/", page, Role.VIEWER), Page("/part/overview", part, Role.VIEWER, is_part=True))
