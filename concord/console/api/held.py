"""Writes that wait for a person: list, release, drop."""

from __future__ import annotations

from datetime import datetime
from functools import partial

from pydantic import Field

from concord.console.accounts import Role
from concord.console.held import VERBS, mark, of_marks, rows_of
from concord.console.operations import Listing, Operation, Paging, Shape, following, operation
from concord.console.pages import Page, Visit
from schemas.commands import HoldKind


class HeldAsked(Paging):
    """Which writes."""

    user: str = Field("", max_length=320, description="address of the user it belongs to")
    kind: HoldKind | None = None


class HeldWrite(Shape):
    """One write that waits."""

    mark: str = Field(description="names this write as it is now; what comes in its place has another")
    pair: str
    user: str
    event: str
    kind: str
    why: str
    since: datetime
    write: str
    mails: list[str]
    outside: int = Field(description="people outside the firm who would be mailed")


class HeldWrites(Listing):
    """Writes that wait, the longest waiting first."""

    items: list[HeldWrite]


class Marks(Shape):
    """Which of them."""

    marks: list[str] = Field(min_length=1, max_length=5000)


class Acted(Shape):
    """What was done."""

    acted: int
    gone: int = Field(description="done already, or changed since and waiting anew")


def show(visit: Visit) -> HeldWrites:
    """What waits."""
    asked = visit.asks(HeldAsked)
    kind = asked.kind.value if asked.kind is not None else ""
    rows = [row for row in rows_of(visit) if asked.user in ("", row.user) and kind in ("", row.hold.kind)]
    items = [
        HeldWrite(
            mark=mark(row), pair=row.pair_key, user=row.user, event=row.event, kind=row.hold.kind, why=row.why,
            since=row.hold.since, write=row.write, mails=list(row.recipients), outside=row.hold.outside,
        )
        for row in rows[asked.start : asked.start + asked.limit]
    ]  # fmt: skip
    return HeldWrites(items=items, total=len(rows), next=following("/held", asked, len(rows)))


def act(visit: Visit, verb: str) -> Acted:
    """Release or drop what is named."""
    wanted = set(visit.takes(Marks).marks)
    rows = of_marks(visit, wanted)
    if rows:
        visit.desk.act(rows, VERBS[verb], by=visit.who.name)
    return Acted(acted=len(rows), gone=len(wanted) - len(rows))


def pages() -> tuple[Page, ...]:
    """The operations of this module."""
    told = {
        "release": Operation("Make these writes. Sent twice, it acts once", Acted, takes=Marks),
        "drop": Operation("Give these writes up. Sent twice, it acts once", Acted, takes=Marks),
    }
    return (
        operation("/held", show, Role.VIEWER, Operation("Writes that wait for a person", HeldWrites, HeldAsked)),
        *(operation(f"/held/{verb}", partial(act, verb=verb), Role.OPERATOR, told[verb], "POST") for verb in told),
    )
