"""Logs & Errors: one row per run, what each dealt with, and trying again what failed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from starlette.responses import Response

from concord.console.accounts import Role
from concord.console.narrowing import link, narrowing, place_of, place_text
from concord.console.pages import Page, Visit
from concord.read_models.runs import RECORDS, Run, RunFilter, RunKey, RunRecord
from projections.read_models.run_log import ERROR, INBOUND, OUTBOUND, SYNCED
from projections.timeline import service
from schemas.changes import Side
from schemas.errors import ConcordError
from schemas.state import Status
from streams.mapping import STATUS_LABELS

DAYS: Final = 30
# Retries told of: those asked for within this time.
TOLD: Final = timedelta(days=1)

DIRECTIONS: Final = {INBOUND: f"To {service(Side.SALESFORCE)}", OUTBOUND: f"To {service(Side.GRAPH)}"}
ACTIONS: Final = {"created": "Events made", "updated": "Events changed", "deleted": "Events deleted"}
STATUSES: Final = {"errors": "With errors", "synced": "Synced without errors", "neither": "Nothing left to do"}
_DONE: Final = {"create": "Make the event", "update": "Change the event", "delete": "Delete the event"}
_ENDED: Final = {SYNCED: "Synced", ERROR: "Error"}
# Where the error of a run was told: the service that was written to.
_SYSTEMS: Final = {INBOUND: "Salesforce", OUTBOUND: "Microsoft 365"}


@dataclass(frozen=True)
class Row:
    """One run as it is shown: whose, which way, its depth view, and how it is named in a form."""

    run: Run
    user: str
    direction: str
    to: str
    mark: str


def mark_of(key: RunKey) -> str:
    """Names a run in links and forms."""
    return place_text(key.started_ms, key.direction, key.owner)


def key_of(text: str) -> RunKey | None:
    """The run that a link or form names. Raises ConcordError."""
    parts = place_of(text, int, str, str)
    return None if parts is None else RunKey(int(parts[0]), str(parts[1]), str(parts[2]))


def _row(run: Run, names: dict[str, str]) -> Row:
    mark = mark_of(run.key)
    user = names.get(run.owner, run.owner) or "nobody's"
    return Row(run, user, DIRECTIONS.get(run.direction, run.direction), link("/logs/run", run=mark), mark)


def last_runs(visit: Visit, names: dict[str, str], count: int) -> list[Row]:
    """The newest runs, for the overview."""
    return [_row(run, names) for run in visit.desk.books.runs.page(RunFilter(), limit=count).rows]


def show(visit: Visit) -> Response:
    """A page of runs, narrowed by user, time, direction, action and status."""
    narrowed = narrowing(visit)
    chosen = {name: _one_of(visit, name, kinds) for name, kinds in _CHOICES.items()}
    wanted = RunFilter(narrowed.owners, narrowed.since, narrowed.until, **chosen)
    before, after = key_of(visit.query.one("before")), key_of(visit.query.one("after"))
    page = visit.desk.books.runs.page(wanted, before=before, after=after)
    rows = [_row(run, narrowed.names) for run in page.rows]
    query = narrowed.query | chosen
    return visit.show(
        "logs.html", rows=rows, narrowed=narrowed, chosen=chosen, choices=_CHOICES, days=DAYS,
        newer=link("/logs", **query, after=rows[0].mark) if rows and page.has_newer else "",
        older=link("/logs", **query, before=rows[-1].mark) if rows and page.has_older else "",
        here=link("/logs", **query), errors_only=link("/logs", **(query | {"status": "errors"})),
        all_of_them=link("/logs", **(query | {"status": ""})), is_narrowed=any(query.values()),
        may_act=visit.who.role >= Role.OPERATOR,
    )  # fmt: skip


_CHOICES: Final = {"direction": DIRECTIONS, "action": ACTIONS, "status": STATUSES}


def _one_of(visit: Visit, name: str, kinds: dict[str, str]) -> str:
    found = visit.query.one(name)
    return found if found in kinds else ""


def depth(visit: Visit) -> Response:
    """One run in depth: every event it dealt with, and what was said about each."""
    key = key_of(visit.query.one("run"))
    run = visit.desk.books.runs.run(key) if key is not None else None
    if key is None or run is None:
        raise ConcordError("There is no such row in the log.", "Begin with Logs & Errors.")
    records = visit.desk.books.runs.records(key)
    return visit.show(
        "run.html", row=_row(run, narrowing(visit).names), records=[_record(one, key) for one in records],
        more=max(0, run.processed - len(records)) if len(records) == RECORDS else 0,
        may_act=visit.who.role >= Role.OPERATOR,
    )  # fmt: skip


def _record(one: RunRecord, key: RunKey) -> dict[str, Any]:
    stands = STATUS_LABELS[Status(one.status)] if one.status else "not decided yet"
    ended = _ENDED.get(one.result, "Changed or gone meanwhile")
    return {
        "one": one, "to": link("/event", pair=one.pair_key), "event": one.event or "An event that was never read",
        "action": _DONE.get(one.action, "Nothing was sent"), "result": ended,
        "said": ": ".join(filter(None, (one.code, one.message))), "stands": stands,
        "system": _SYSTEMS.get(key.direction, "") if one.action else "Concord",
    }  # fmt: skip


def retry(visit: Visit) -> Response:
    """Try again what failed in one run, as far as it is still in error. Safe to press twice."""
    key = key_of(visit.form.one("run"))
    if key is None:
        raise ConcordError("There is no such row in the log.", "Begin with Logs & Errors.")
    keys = visit.desk.books.runs.in_error(run=key)
    if not keys:
        return visit.go(link("/logs/run", run=mark_of(key)), "Nothing of this row is in error any more.")
    visit.desk.retry_all(keys, by=visit.who.name)
    return visit.go("/logs/retries", f"{_events(len(keys))} tried again; below is how it goes.")


def retry_errors(visit: Visit) -> Response:
    """Try again every event that is in error, with an error of the last 30 days. Safe to press twice."""
    keys = visit.desk.books.runs.in_error(since=visit.site.now() - timedelta(days=DAYS))
    if not keys:
        return visit.go("/logs/retries", f"Nothing with an error of the last {DAYS} days is in error any more.")
    visit.desk.retry_all(keys, by=visit.who.name)
    return visit.go("/logs/retries", f"{_events(len(keys))} tried again; below is how it goes.")


def _events(count: int) -> str:
    return "1 event is" if count == 1 else f"{count:,} events are"


def _progress(visit: Visit, template: str) -> Response:
    now = visit.site.now()
    return visit.show(template, batches=visit.desk.books.runs.retries(now - TOLD), at=now)


def retries(visit: Visit) -> Response:
    """What was asked to be tried again within a day, and how far that is."""
    return _progress(visit, "retries.html")


def retries_part(visit: Visit) -> Response:
    """What of it renews itself."""
    return _progress(visit, "part/retries.html")


def pages() -> tuple[Page, ...]:
    """The pages of this module."""
    return (
        Page("/logs", show, Role.VIEWER, is_live=True),
        Page("/logs/run", depth, Role.VIEWER, is_live=True),
        Page("/logs/retries", retries, Role.VIEWER),
        Page("/part/retries", retries_part, Role.VIEWER, is_part=True),
        Page("/logs/retry", retry, Role.OPERATOR, "POST"),
        Page("/logs/retry-errors", retry_errors, Role.OPERATOR, "POST"),
    )
