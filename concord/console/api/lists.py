"""Run log, conflicts and mail ledger, newest first; retries of what failed."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal
from urllib.parse import urlencode

from pydantic import Field

from concord.cli_explain import change_words
from concord.console.accounts import Role
from concord.console.conflicts import place as lost_place
from concord.console.logs import DAYS, TOLD, key_of, mark_of
from concord.console.mails import place as mail_place
from concord.console.mails import state_words
from concord.console.narrowing import TEXT_MAX, narrowing, place_text
from concord.console.operations import ROOT, Missing, Operation, Shape, operation
from concord.console.pages import Page, Visit
from concord.read_models.mailbook import MailFilter
from concord.read_models.runs import RunFilter, RunKey
from concord.read_models.shelf import LostFilter
from projections.wording import NAMES
from schemas.changes import Side
from schemas.commands import FieldChange
from streams.reasons import reason

MARK_MAX: Final = 500


class Narrowed(Shape):
    """Whose rows, and from when."""

    user: str = Field("", max_length=TEXT_MAX, description="a part of an address or a mailbox")
    since: str = Field("", max_length=TEXT_MAX, description="a moment, or a length of time such as 7d")
    until: str = Field("", max_length=TEXT_MAX)
    before: str = Field("", max_length=MARK_MAX, description="rows older than the one with this mark")


class Older(Shape):
    """One part of a list, the newest first."""

    older: str | None = Field(description="address of the rows that follow; null: these were the last")


class RunsAsked(Narrowed):
    """Which runs."""

    direction: Literal["", "inbound", "outbound"] = ""
    action: Literal["", "created", "updated", "deleted"] = ""
    status: Literal["", "errors", "synced", "neither"] = ""


class RunTold(Shape):
    """What was carried for one user in one direction within five minutes."""

    mark: str
    started: datetime
    finished: datetime
    direction: str
    user: str
    processed: int
    synced: int
    errors: int
    message: str


class RunsTold(Older):
    """Runs."""

    items: list[RunTold]


class RunAsked(Shape):
    """Which run."""

    run: str = Field(min_length=1, max_length=MARK_MAX)


class RecordTold(Shape):
    """One event that a run dealt with."""

    at: datetime
    pair: str
    event: str
    action: str
    result: str
    code: str
    message: str
    status: str


class RunDepth(Shape):
    """A run with its events."""

    run: RunTold
    records: list[RecordTold]
    more: int


class Retrying(Shape):
    """What is tried again."""

    events: int = Field(description="0: nothing is in error any more")


class RetryTold(Shape):
    """Events that were asked for together to be tried again, by what became of them."""

    at: datetime
    by: str
    waiting: int
    under_way: int
    failed: int
    done: int


class RetriesTold(Shape):
    """What was asked for within a day."""

    items: list[RetryTold]


class LostAsked(Narrowed):
    """Which lost values."""

    asked: Literal["", "no", "yes"] = Field("", description="whether somebody asked to have it back")


class LostTold(Shape):
    """One value that gave way to Microsoft's; `GET /event/undo` with decision and side gives it back."""

    mark: str
    pair: str
    event: str
    user: str
    at: datetime
    field: str
    lost: str
    won: str
    decision: str
    side: Side
    asked_at: datetime | None
    asked_by: str


class LostsTold(Older):
    """Lost values."""

    items: list[LostTold]


class MailsAsked(Narrowed):
    """Which mailings."""

    recipient: str = Field("", max_length=TEXT_MAX, description="a part of a recipient's address")


class Recipient(Shape):
    """Who was mailed, and how."""

    kind: str
    address: str


class MailTold(Shape):
    """The mails of one write, as they were predicted."""

    mark: str
    pair: str
    event: str
    user: str
    at: datetime
    why: str
    state: str
    recipients: list[Recipient]


class MailsTold(Older):
    """Mailings."""

    items: list[MailTold]


def _older(visit: Visit, has_older: bool, marks: list[str]) -> str | None:
    if not (has_older and marks):
        return None
    kept = {name: text for name, text in visit.query.pairs if name != "before" and text}
    return f"{ROOT}{visit.page.path.removeprefix(ROOT)}?{urlencode({**kept, 'before': marks[-1]})}"


def _run(key: RunKey, run: object, names: dict[str, str]) -> RunTold:
    members = {name: getattr(run, name) for name in RunTold.model_fields if name not in ("mark", "user")}
    return RunTold(mark=mark_of(key), user=names.get(key.owner, key.owner), **members)


def runs(visit: Visit) -> RunsTold:
    """A part of the run log."""
    asked, narrowed = visit.asks(RunsAsked), narrowing(visit)
    wanted = RunFilter(
        narrowed.owners, narrowed.since, narrowed.until, asked.direction, asked.action, asked.status
    )  # fmt: skip
    page = visit.desk.books.runs.page(wanted, before=key_of(asked.before))
    items = [_run(run.key, run, narrowed.names) for run in page.rows]
    return RunsTold(items=items, older=_older(visit, page.has_older, [one.mark for one in items]))


def depth(visit: Visit) -> RunDepth:
    """One run and its events."""
    key = key_of(visit.asks(RunAsked).run)
    run = visit.desk.books.runs.run(key) if key is not None else None
    if key is None or run is None:
        raise Missing("There is no such row in the log.")
    found = visit.desk.books.runs.records(key)
    records = [
        RecordTold(
            at=one.at, pair=one.pair_key, event=one.event, action=one.action, result=one.result, code=one.code,
            message=one.message, status=one.status,
        )
        for one in found
    ]  # fmt: skip
    names = narrowing(visit).names
    return RunDepth(run=_run(key, run, names), records=records, more=max(0, run.processed - len(records)))


def _retry(visit: Visit, keys: list[str]) -> Retrying:
    if keys:
        visit.desk.retry_all(keys, by=visit.who.name)
    return Retrying(events=len(keys))


def retry(visit: Visit) -> Retrying:
    """Try again what failed in one run, as far as it is in error still."""
    key = key_of(visit.takes(RunAsked).run)
    if key is None:
        raise Missing("There is no such row in the log.")
    return _retry(visit, list(visit.desk.books.runs.in_error(run=key)))


def retry_errors(visit: Visit) -> Retrying:
    """Try again what is in error, with an error of the last 30 days."""
    return _retry(visit, list(visit.desk.books.runs.in_error(since=visit.site.now() - timedelta(days=DAYS))))


def retries(visit: Visit) -> RetriesTold:
    """How far what was asked for within a day is."""
    found = visit.desk.books.runs.retries(visit.site.now() - TOLD)
    return RetriesTold(
        items=[
            RetryTold(
                at=one.at, by=one.by, waiting=one.waiting, under_way=one.under_way, failed=one.failed, done=one.done
            )
            for one in found
        ]
    )  # fmt: skip


def conflicts(visit: Visit) -> LostsTold:
    """A part of the conflict shelf."""
    asked, narrowed = visit.asks(LostAsked), narrowing(visit)
    wanted = LostFilter(narrowed.owners, narrowed.since, narrowed.until, asked.asked)
    page = visit.desk.books.shelf.page(wanted, before=lost_place(asked.before))
    items = []
    for one in page.rows:
        lost, won = change_words(FieldChange(one.side, one.group, one.lost, one.won))
        items.append(LostTold(
            mark=place_text(*one.place), pair=one.pair_key, event=one.event,
            user=narrowed.names.get(one.owner, one.owner), at=one.at, field=NAMES.get(one.group, one.group), lost=lost,
            won=won, decision=one.decision, side=one.side, asked_at=one.asked_at, asked_by=one.asked_by,
        ))  # fmt: skip
    return LostsTold(items=items, older=_older(visit, page.has_older, [one.mark for one in items]))


def mails(visit: Visit) -> MailsTold:
    """A part of the mail ledger."""
    asked, narrowed = visit.asks(MailsAsked), narrowing(visit)
    wanted = MailFilter(narrowed.owners, asked.recipient, narrowed.since, narrowed.until)
    page = visit.desk.books.mails.page(wanted, before=mail_place(asked.before))
    items = [
        MailTold(
            mark=place_text(*one.place), pair=one.mailing.pair_key, event=one.event,
            user=narrowed.names.get(one.owner, one.owner), at=one.mailing.at,
            why=reason(one.reason).text if one.reason else "", state=state_words(one.mailing),
            recipients=[Recipient(kind=mail.kind, address=mail.address) for mail in one.mailing.mails],
        )
        for one in page.rows
    ]  # fmt: skip
    return MailsTold(items=items, older=_older(visit, page.has_older, [one.mark for one in items]))


def pages() -> tuple[Page, ...]:
    """The operations of this module."""
    told = Operation("One row of the log in depth", RunDepth, RunAsked)
    one = Operation("Try again what failed in one row. Safe to send twice", Retrying, takes=RunAsked)
    every = Operation("Try again every error of the last 30 days. Safe to send twice", Retrying)
    return (
        operation("/logs", runs, Role.VIEWER, Operation("Logs & Errors", RunsTold, RunsAsked)),
        operation("/logs/run", depth, Role.VIEWER, told),
        operation("/logs/retries", retries, Role.VIEWER, Operation("How far retries are", RetriesTold)),
        operation("/logs/retry", retry, Role.OPERATOR, one, "POST"),
        operation("/logs/retry-errors", retry_errors, Role.OPERATOR, every, "POST"),
        operation("/conflicts", conflicts, Role.VIEWER, Operation("Values lost in conflicts", LostsTold, LostAsked)),
        operation("/mails", mails, Role.VIEWER, Operation("Whom Concord's writes mailed", MailsTold, MailsAsked)),
    )
