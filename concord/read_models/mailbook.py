"""The mail ledger by the page: which mails were predicted with each decision, and whether they were sent."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Connection, Engine, and_, select, tuple_

from concord.read_models.builds import moment_at, reading
from projections.directory import normal
from projections.mail_ledger import Mailing, counting
from projections.read_models.rows import ms_of
from projections.read_models.stored import value_of
from projections.read_models.tables import MAIL_ANSWERS, MAIL_PEOPLE, MAILINGS, PAIRS
from schemas.changes import Side
from schemas.commands import Action, Outcome, PredictedMail, Result
from schemas.values import replace

PAGE: Final = 50

# Names one mailing: when, and where its decision stands.
Place = tuple[int, int, int]


@dataclass(frozen=True)
class MailFilter:
    """Which mailings are meant: from these owners' mailboxes (None: everybody's), to this address ("": anybody)."""

    owners: tuple[str, ...] | None = None
    recipient: str = ""
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True)
class Entry:
    """One row of the ledger: the mailing, whose it is, its decision and reason code, and the event in words, without
    text where it is private."""

    mailing: Mailing
    owner: str
    decision: str
    reason: str
    event: str

    @property
    def place(self) -> Place:
        """Its name in the ledger."""
        partition, _, offset = self.decision.partition("/")
        return ms_of(self.mailing.at), int(partition), int(offset)


@dataclass(frozen=True)
class MailPage:
    """Some mailings, the newest first, and whether there are newer and older ones."""

    rows: tuple[Entry, ...]
    has_newer: bool = False
    has_older: bool = False


class MailBook:
    """Reads the ledger. Raises ConcordError."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def page(
        self, wanted: MailFilter, *, before: Place | None = None, after: Place | None = None, limit: int = PAGE
    ) -> MailPage:
        """The newest mailings; `before`: those older than this one, `after`: those just newer. Two statements."""
        with reading(self._engine, "mail-ledger", "freshness") as (connection, builds):
            build = builds["mail-ledger"]
            pair = and_(PAIRS.c.build == builds["freshness"], PAIRS.c.pair_key == MAILINGS.c.pair_key)
            source, at = MAILINGS.outerjoin(PAIRS, pair), (MAILINGS.c.at_ms, MAILINGS.c.partition, MAILINGS.c.offset)
            fits: list[Any] = [MAILINGS.c.build == build]
            if wanted.recipient:
                people = MAIL_PEOPLE.c
                to = and_(
                    people.build == build, people.partition == MAILINGS.c.partition,
                    people.offset == MAILINGS.c.offset, people.address == normal(wanted.recipient),
                )  # fmt: skip
                source, at = source.join(MAIL_PEOPLE, to), (people.at_ms, people.partition, people.offset)
            if wanted.owners is not None:
                fits.append(MAILINGS.c.owner.in_(wanted.owners))
            if wanted.since is not None:
                fits.append(at[0] >= ms_of(wanted.since))
            if wanted.until is not None:
                fits.append(at[0] < ms_of(wanted.until))
            if before is not None:
                fits.append(tuple_(*at) < tuple_(*before))
            if after is not None:
                fits.append(tuple_(*at) > tuple_(*after))
            ordered = [column.asc() if after is not None else column.desc() for column in at]
            chosen = select(MAILINGS, PAIRS.c.event).select_from(source).where(and_(*fits)).order_by(*ordered)
            found = connection.execute(chosen.limit(limit + 1)).all()
            rows = _entries(connection, build, found[:limit])
        if after is not None:
            return MailPage(tuple(reversed(rows)), has_newer=len(found) > limit, has_older=True)
        return MailPage(tuple(rows), has_newer=before is not None, has_older=len(found) > limit)


def _entries(connection: Connection, build: int, rows: Iterable[Any]) -> list[Entry]:
    rows = list(rows)
    names = {name for row in rows for name in json.loads(row.commands)}
    here = and_(MAIL_ANSWERS.c.build == build, MAIL_ANSWERS.c.command_id.in_(names))
    answers: dict[str, Outcome] = {}
    for row in connection.execute(select(MAIL_ANSWERS).where(here).order_by(MAIL_ANSWERS.c.at_ms)) if names else ():
        answers[row.command_id] = counting(answers.get(row.command_id), _answer(row))
    return [
        Entry(_mailing(row, answers), row.owner, f"{row.partition}/{row.offset}", row.reason, row.event or "")
        for row in rows
    ]


def _answer(row: Any) -> Outcome:
    return Outcome(row.command_id, "", Side.GRAPH, Action(row.action), Result(row.result), moment_at(row.at_ms))


def _mailing(row: Any, answers: dict[str, Outcome]) -> Mailing:
    mails = tuple(
        value_of(PredictedMail, json.dumps({"kind": kind, "address": to})) for kind, to in json.loads(row.mails)
    )
    mailing = Mailing(row.pair_key, moment_at(row.at_ms), mails)
    for name in json.loads(row.commands):
        if name in answers:
            mailing.outcome = replace(answers[name], pair_key=row.pair_key)
    return mailing
