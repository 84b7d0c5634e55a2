"""Conflicts: what somebody lost in Practifi because the same was edited in Microsoft 365, and having it back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from concord.cli_explain import change_words
from concord.console.accounts import Role
from concord.console.narrowing import link, narrowing, place_of, place_text
from concord.console.pages import Page, Visit
from concord.read_models.shelf import LostFilter, LostValue, Place
from projections.wording import NAMES
from schemas.commands import FieldChange

ASKED: Final = {"no": "Not asked for back", "yes": "Asked for back"}


@dataclass(frozen=True)
class Row:
    """One lost value as it is shown: both values in words, and where to read on and to have it back."""

    value: LostValue
    event: str
    user: str
    name: str
    lost: str
    won: str
    to: str
    undo: str


def _row(value: LostValue, names: dict[str, str]) -> Row:
    lost, won = change_words(FieldChange(value.side, value.group, value.lost, value.won))
    return Row(
        value, value.event or "An event that was never read", names.get(value.owner, value.owner),
        NAMES.get(value.group, value.group), lost, won, link("/event", pair=value.pair_key),
        link("/event/undo", decision=value.decision, side=value.side.value),
    )  # fmt: skip


def place(text: str) -> Place | None:
    """The place on the shelf that a link holds. Raises ConcordError."""
    parts = place_of(text, int, int, int, str)
    return None if parts is None else (int(parts[0]), int(parts[1]), int(parts[2]), str(parts[3]))


def show(visit: Visit) -> Response:
    """A page of lost values, the newest first."""
    narrowed = narrowing(visit)
    asked = visit.query.one("asked") if visit.query.one("asked") in ASKED else ""
    wanted = LostFilter(narrowed.owners, narrowed.since, narrowed.until, asked)
    page = visit.desk.books.shelf.page(
        wanted, before=place(visit.query.one("before")), after=place(visit.query.one("after"))
    )
    query = narrowed.query | {"asked": asked}
    first, last = (place_text(*row.place) for row in (page.rows[0], page.rows[-1])) if page.rows else ("", "")
    return visit.show(
        "conflicts.html", rows=[_row(value, narrowed.names) for value in page.rows], narrowed=narrowed, asked=asked,
        kinds=ASKED, newer=link("/conflicts", **query, after=first) if page.has_newer and first else "",
        older=link("/conflicts", **query, before=last) if page.has_older and last else "",
        is_narrowed=any(query.values()), may_act=visit.who.role >= Role.OPERATOR,
    )  # fmt: skip


def pages() -> tuple[Page, ...]:
    """The pages of this module."""
    return (Page("/conflicts", show, Role.VIEWER, is_live=True),)
