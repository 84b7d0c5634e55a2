"""Preflight, consumer groups, topics and quarantine: what engineers look at."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Final

from pydantic import Field

from concord.console.accounts import Role
from concord.console.desk import in_force
from concord.console.operations import BadRequest, Listing, Operation, Paging, Shape, following, operation
from concord.console.pages import Page, Visit
from concord.console.platform import lags, roles
from concord.console.quarantine import DONE
from concord.preflight import Checked
from concord.quarantined import DROP, RETRY


class FindingTold(Shape):
    """One thing that preflight looked at."""

    what: str
    level: str
    text: str
    advice: str


class PreflightTold(Shape):
    """What preflight found."""

    checked_at: datetime | None = Field(description="null: none was run since the console was started")
    by: str
    findings: list[FindingTold]
    is_clear: bool
    confirmed_at: datetime | None
    confirmed_by: str


class Confirmation(Shape):
    """What somebody says before their confirmation counts."""

    looked: bool = Field(description="every line was looked at")
    others_off: bool = Field(description="nothing else syncs the same calendars")


class RoleTold(Shape):
    """One role and its workers."""

    name: str
    group: str
    workers: int
    behind: int
    oldest_s: float
    state: str


class LagTold(Shape):
    """One topic of one group."""

    group: str
    topic: str
    partitions: int
    behind: int
    oldest_s: float
    rate: float
    state: str


class TopicTold(Shape):
    """One topic; no partitions: it does not exist."""

    name: str
    partitions: int


class PlatformTold(Shape):
    """How the processes behind the pages get on."""

    at: datetime | None
    problem: str
    roles: list[RoleTold]
    lags: list[LagTold]
    topics: list[TopicTold]
    set_aside: int


class SetAside(Shape):
    """One record that no process could work on."""

    place: str
    at: datetime
    topic: str
    stage: str
    error: str
    retries: int
    can_retry: bool


class Quarantine(Listing):
    """Records that stand in quarantine."""

    items: list[SetAside]


class Places(Shape):
    """Which of them."""

    places: list[str] = Field(min_length=1, max_length=5000)


class Settled(Shape):
    """What was done."""

    settled: int
    gone: int = Field(description="settled already, or such as cannot be")


_BUSY: Final = "A preflight is under way: ask again in a moment."


def preflight(visit: Visit) -> PreflightTold:
    """What the last preflight found."""
    last = visit.site.last_check
    return _told(visit, last.checked, last.by)


def _told(visit: Visit, checked: Checked | None, by: str) -> PreflightTold:
    settings = in_force(visit.desk.documents())
    findings = checked.findings if checked is not None else ()
    return PreflightTold(
        checked_at=checked.at if checked is not None else None, by=by,
        findings=[
            FindingTold(what=one.what, level=one.level.value, text=one.text, advice=one.advice) for one in findings
        ],
        is_clear=checked.is_clear if checked is not None else False,
        confirmed_at=settings.preflight_at, confirmed_by=settings.preflight_by,
    )  # fmt: skip


def run(visit: Visit, *, is_confirmed: bool) -> PreflightTold:
    """Examine both services; confirm if asked and nothing must be fixed."""
    if is_confirmed:
        sent = visit.takes(Confirmation)
        if not (sent.looked and sent.others_off):
            raise BadRequest(422, "Nothing was confirmed.", ["looked and others_off: both must be true"])
    by = visit.who.name
    checked = visit.site.last_check.run(lambda: visit.desk.preflight(confirm_by=by if is_confirmed else ""), by)
    if checked is None:
        raise BadRequest(409, _BUSY)
    if is_confirmed and not checked.is_clear:
        raise BadRequest(409, "Something must be fixed by now: nothing was confirmed.")
    return _told(visit, checked, by)


def platform(visit: Visit) -> PlatformTold:
    """Roles, lag and topics."""
    plant = visit.desk.plant
    watched = plant.lag()
    return PlatformTold(
        at=watched.at, problem=watched.problem,
        roles=[
            RoleTold(
                name=one.name, group=one.group, workers=one.workers, behind=one.behind, oldest_s=one.oldest_s,
                state=one.state.value if one.state is not None else "",
            )
            for one in roles(watched)
        ],
        lags=[
            LagTold(
                group=one.group, topic=one.topic, partitions=one.partitions, behind=one.behind, oldest_s=one.oldest_s,
                rate=one.rate, state=one.state.value,
            )
            for one in lags(watched)
        ],
        topics=[TopicTold(name=one.spec.name, partitions=one.partitions) for one in plant.topics()],
        set_aside=len(plant.quarantine()),
    )  # fmt: skip


def quarantine(visit: Visit) -> Quarantine:
    """What stands in quarantine; never its bytes."""
    asked, rows = visit.asks(Paging), visit.desk.plant.quarantine()
    items = [
        SetAside(
            place=row.where, at=row.at, topic=row.topic, stage=row.stage, error=row.reason, retries=row.retries,
            can_retry=row.can_retry,
        )
        for row in rows[asked.start : asked.start + asked.limit]
    ]  # fmt: skip
    return Quarantine(items=items, total=len(rows), next=following("/platform/quarantine", asked, len(rows)))


def settle(visit: Visit, verb: str) -> Settled:
    """Retry or drop records."""
    wanted = sorted(set(visit.takes(Places).places))
    count = visit.desk.plant.settle(wanted, verb, by=visit.who.name)
    return Settled(settled=count, gone=len(wanted) - count)


def pages() -> tuple[Page, ...]:
    """The operations of this module."""
    settled = {RETRY: ("Work on these records again", Role.OPERATOR), DROP: ("Give these up", Role.ADMINISTRATOR)}
    examined = partial(run, is_confirmed=False)
    confirmed = Operation("Confirm the preflight", PreflightTold, takes=Confirmation)
    return (
        operation("/preflight", preflight, Role.VIEWER, Operation("What the last preflight found", PreflightTold)),
        operation("/preflight/run", examined, Role.OPERATOR, Operation("Examine both services", PreflightTold), "POST"),
        operation("/preflight/confirm", partial(run, is_confirmed=True), Role.ADMINISTRATOR, confirmed, "POST"),
        operation("/platform", platform, Role.VIEWER, Operation("Roles, lag and topics", PlatformTold)),
        operation(
            "/platform/quarantine", quarantine, Role.VIEWER, Operation("Records set aside", Quarantine, Paging)
        ),
        *(
            operation(
                f"/platform/quarantine/{verb}", partial(settle, verb=verb), settled[verb][1],
                Operation(f"{settled[verb][0]}. Sent twice, it acts once", Settled, takes=Places), "POST",
            )
            for verb in DONE
        ),
    )  # fmt: skip
