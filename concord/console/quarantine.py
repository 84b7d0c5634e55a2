"""Quarantine: records that no process could work on, as they were; retried or dropped. For engineers."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response

from concord.console.accounts import Role
from concord.console.narrowing import TEXT_MAX, link
from concord.console.pages import Page, Visit
from concord.glimpse import record_rows
from concord.moments import moment
from concord.quarantined import DROP, RETRY, Quarantined, Wanted, choose
from schemas.errors import ConcordError
from schemas.topics import TOPICS

# Records on one page.
PAGE: Final = 100
DONE: Final = {RETRY: "retried", DROP: "dropped"}
_NEEDS: Final = {RETRY: Role.OPERATOR, DROP: Role.ADMINISTRATOR}


def why(row: Quarantined) -> str:
    """The kind of error, and its words where there are any."""
    return f"{row.reason}: {row.message}" if row.message and row.message != row.reason else row.reason


def show(visit: Visit) -> Response:
    """What stands in quarantine; narrowed by topic, kind of error and time."""
    topic, reason, since, until = (visit.query.one(name)[:TEXT_MAX] for name in ("topic", "reason", "since", "until"))
    now = visit.site.now()
    wanted = Wanted(
        topic, reason, moment(since, now) if since else None, moment(until, now) if until else None
    )  # fmt: skip
    rows = visit.desk.plant.quarantine()
    found = [row for row in rows if wanted.fits(row)]
    return visit.show(
        "quarantine.html", rows=found[:PAGE], more=max(0, len(found) - PAGE), why=why, topic=topic, reason=reason,
        since=since, until=until, topics={spec.name: spec.name for spec in TOPICS}, link=link,
        reasons={name: name for name in sorted({row.reason for row in rows})}, is_narrowed=wanted != Wanted(),
        may_retry=visit.who.role >= Role.OPERATOR, may_drop=visit.who.role >= Role.ADMINISTRATOR,
    )  # fmt: skip


def record(visit: Visit) -> Response:
    """One record: where it came from and what it is; never private text, nor any of bytes that cannot be read."""
    (row,) = choose(visit.desk.plant.quarantine(), [visit.query.one("place")])
    return visit.show("quarantine_record.html", row=row, rows=record_rows(row), why=why(row))


def review(visit: Visit) -> Response:
    """What would be done with those that are ticked."""
    verb, wanted = _asked(visit)
    rows = [row for row in visit.desk.plant.quarantine() if row.where in wanted]
    if verb == RETRY:
        rows = [row for row in rows if row.can_retry]
    if not rows:
        return visit.go("/platform/quarantine", "Tick records that can be retried, then press again.")
    left = len(wanted) - len(rows)
    return visit.show("quarantine_review.html", verb=verb, done=DONE[verb], rows=rows, left=left, why=why)


def act(visit: Visit) -> Response:
    """Retry or drop what was shown. Sent twice, it acts once."""
    verb, wanted = _asked(visit)
    count = visit.desk.plant.settle(sorted(wanted), verb, by=visit.who.name)
    left = len(wanted) - count
    also = f" {left} of those were settled already." if left else ""
    return visit.go("/platform/quarantine", f"{count} {DONE[verb]}.{also}")


def _asked(visit: Visit) -> tuple[str, set[str]]:
    verb, wanted = visit.form.one("verb"), set(visit.form.all("place"))
    if verb not in DONE:
        raise ConcordError("A record is retried or dropped.", "Go back and press one of the two.")
    if visit.who.role < _NEEDS[verb]:
        raise ConcordError(f"To drop records needs the role {_NEEDS[verb].word}.", "Nothing was changed.")
    return verb, wanted


def pages() -> tuple[Page, ...]:
    """The pages of this module."""
    return (
        Page("/platform/quarantine", show, Role.VIEWER),
        Page("/platform/quarantine/record", record, Role.VIEWER),
        Page("/platform/quarantine/review", review, Role.OPERATOR, "POST"),
        Page("/platform/quarantine/act", act, Role.OPERATOR, "POST"),
    )
