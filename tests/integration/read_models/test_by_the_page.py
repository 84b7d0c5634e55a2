"""What is shown by the page: the right rows, in few statements that read no more than they show."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, event, insert, text
from support.history import REFUSED, REVIEW, History
from support.read_model_facts import a_day, kept
from support.simulation_pairs import START, content

from concord.read_models.keeper import Fact, Keeper
from concord.read_models.mailbook import MailBook, MailFilter
from concord.read_models.runs import RunFilter, RunLog
from concord.read_models.shelf import ConflictShelf, LostFilter
from projections.read_models.rows import ms_of
from projections.read_models.run_log import RUN_MS
from projections.read_models.tables import (
    LOST_VALUES,
    MAIL_PEOPLE,
    MAILINGS,
    PAIRS,
    RUN_RECORDS,
    RUNS,
)
from projections.wording import HIDDEN
from schemas.calendar import Sensitivity
from schemas.changes import Side
from schemas.commands import Action, MailKind, PredictedMail, Result
from schemas.journal import OutcomeKnown
from schemas.topics import SYNC_DECISIONS, SYNC_JOURNAL

MANY = 3_000


def taken(engine: Engine, history: History, since: tuple[int, int] = (0, 0)) -> tuple[int, int]:
    """Keep what the history has told since then; gives where it stands now."""
    facts = [(at, 0, Fact(SYNC_JOURNAL, at, placed)) for at, placed in enumerate(history.entries)][since[0] :]
    facts += [(one.offset, 1, Fact(SYNC_DECISIONS, at, one)) for at, one in enumerate(history.decisions)][since[1] :]
    kept(engine, [fact for _, _, fact in sorted(facts, key=lambda row: row[:2])])
    return len(history.entries), len(history.decisions)


# ---- the run log ---------------------------------------------------------------------------------------------------


def test_a_run_is_shown_with_its_last_error_and_what_it_dealt_with(engine: Engine) -> None:
    """Words of the service, actions counted, and the event behind each record."""
    kept(engine, a_day()[1])
    log = RunLog(engine)
    (failed,) = log.page(RunFilter(status="errors")).rows
    assert failed.message == "FIELD_CUSTOM_VALIDATION_EXCEPTION"
    assert (failed.processed, failed.errors) == (failed.created + failed.updated + failed.deleted, 1)
    first = log.records(failed.key)[0]
    assert (first.pair_key, first.result, first.action, first.status) == (REFUSED, "error", "create", "error")
    assert first.event.startswith("Dinner, ")
    assert log.failed(failed.key) == (REFUSED,)
    assert log.run(failed.key) == failed
    assert log.run(replace(failed.key, owner="nobody")) is None


RUNS_WANTED = [
    (RunFilter(), 2),
    (RunFilter(status="synced"), 1),
    (RunFilter(status="neither"), 0),
    (RunFilter(direction="outbound"), 1),
    (RunFilter(action="created"), 1),
    (RunFilter(action="deleted"), 0),
    (RunFilter(owners=("mailbox-ann",)), 2),
    (RunFilter(owners=("mailbox-bob",)), 0),
    (RunFilter(owners=()), 0),
    (RunFilter(since=START), 2),
    (RunFilter(since=START + timedelta(hours=1)), 0),
    (RunFilter(until=START), 0),
    (RunFilter(until=START + timedelta(hours=1)), 2),
]


def test_runs_can_be_narrowed(engine: Engine) -> None:
    """By whose they are, when, which way, what was to be done, how it ended."""
    kept(engine, a_day()[1])
    book = RunLog(engine)
    assert [(wanted, len(book.page(wanted).rows)) for wanted, _ in RUNS_WANTED] == RUNS_WANTED


def with_runs(engine: Engine, count: int = MANY) -> RunLog:
    """So many runs of ten owners, every hundredth with an error; two records each."""
    Keeper(engine).prepare()
    base = ms_of(START) - ms_of(START) % RUN_MS
    runs: list[dict[str, Any]] = []
    records: list[dict[str, Any]] = []
    for number in range(count):
        run = {"started_ms": base + number // 10 * RUN_MS, "direction": "inbound", "owner": f"m{number % 10}"}
        errors = int(number % 100 == 0)
        runs.append(run | {"build": 1, "processed": 2, "synced": 2 - errors, "errors": errors, "created": 2})
        for part in range(2):
            record = {"partition": part, "offset": number, "at_ms": run["started_ms"] + part, "pair_key": f"p{number}"}
            result = "error" if errors and part else "synced"
            records.append(run | record | {"build": 1, "result": result, "code": "E" if errors else ""})
    pairs = [{"build": 1, "pair_key": f"p{number}", "status": "synced" if number % 100 else "error"}
             for number in range(count)]  # fmt: skip
    with engine.begin() as transaction:
        transaction.execute(insert(RUNS), runs)
        transaction.execute(insert(RUN_RECORDS), records)
        transaction.execute(insert(PAIRS), pairs)
        transaction.execute(text("ANALYZE"))
    return RunLog(engine)


def test_pages_follow_one_another_and_come_back(engine: Engine) -> None:
    """Every run once, in both directions."""
    log = with_runs(engine, 120)
    page, seen = log.page(RunFilter()), []
    while True:
        seen += page.rows
        if not page.has_older:
            break
        page = log.page(RunFilter(), before=page.rows[-1].key)
    assert [len(seen), len({run.key for run in seen})] == [120, 120]
    assert [run.started for run in seen] == sorted((run.started for run in seen), reverse=True)
    back = [page]
    while back[-1].has_newer:
        back.append(log.page(RunFilter(), after=back[-1].rows[0].key))
    assert {run.key for one in back for run in one.rows} == {run.key for run in seen}
    assert not log.page(RunFilter()).has_newer


def plan(engine: Engine, ask: Callable[[], Any]) -> tuple[int, str]:
    """How many statements that asks, and how SQLite goes about them."""
    told = []
    asked: list[tuple[str, Any]] = []

    def note(_: Any, __: Any, statement: str, parameters: Any, *rest: Any) -> None:
        asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    ask()
    event.remove(engine, "before_cursor_execute", note)
    chosen = [one for one in asked if one[0].lstrip().startswith("SELECT")]
    with engine.connect() as connection:
        for statement, parameters in chosen:
            rows = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + statement, parameters).all()
            told += [row[-1] for row in rows]
    return len(chosen), "\n".join(told)


def test_no_page_reads_a_whole_table(engine: Engine) -> None:
    """Each asks two or three statements, one of them for the build, and finds its rows by an index."""
    if engine.dialect.name != "sqlite":
        pytest.skip("the plan is read as SQLite tells it")
    log = with_runs(engine)
    first = log.page(RunFilter())
    key = first.rows[-1].key
    shelf, book = ConflictShelf(engine), MailBook(engine)
    place = (ms_of(START), 0, 0)
    asks: list[Callable[[], Any]] = [
        lambda: log.page(RunFilter()),
        lambda: log.page(RunFilter(status="errors"), before=key),
        lambda: log.page(RunFilter(owners=("m1", "m2"), since=START), after=key),
        lambda: log.run(key),
        lambda: log.records(key),
        lambda: log.in_error(run=key),
        lambda: log.in_error(since=START),
        lambda: log.retries(START),
        lambda: log.hours(START),
        lambda: shelf.page(LostFilter()),
        lambda: shelf.page(LostFilter(owners=("m1",), asked="no"), before=(*place, "x")),
        lambda: book.page(MailFilter()),
        lambda: book.page(MailFilter(recipient="a@out.example"), before=place),
        lambda: book.page(MailFilter(owners=("m1",), since=START)),
    ]
    for number, ask in enumerate(asks):
        count, told = plan(engine, ask)
        assert count <= 3, (number, count)
        scans = [line for line in told.splitlines() if line.startswith("SCAN") and "read_model_builds" not in line]
        assert not [line for line in scans if "CONSTANT" not in line], (number, told)


def test_what_is_retried_is_told_until_it_is_done(engine: Engine) -> None:
    """Asked for, under way, refused again; asked for again, done. Of another run's errors nothing is said."""
    history, _ = a_day()
    at = taken(engine, history)
    log = RunLog(engine)
    (failed,) = log.page(RunFilter(status="errors")).rows
    assert log.in_error(run=failed.key) == log.in_error(since=START) == (REFUSED,)
    assert log.in_error(since=START + timedelta(days=1)) == ()
    assert log.retries(START) == ()

    step = history.retry(REFUSED, at=600)
    only_entry = (len(history.entries), at[1])
    kept(engine, [Fact(SYNC_JOURNAL, len(history.entries) - 1, history.entries[-1])])
    (told,) = log.retries(START)
    assert (told.by, told.asked, told.waiting) == ("olga", 1, 1)
    at = taken(engine, history, only_entry)
    assert log.retries(START)[0].under_way == 1
    assert log.in_error(run=failed.key) == ()
    history.answer(step.commands[0], at=601, result=Result.REFUSED, code="FIELD_CUSTOM_VALIDATION_EXCEPTION")
    at = taken(engine, history, at)
    assert log.retries(START)[0].failed == 1

    step = history.retry(REFUSED, at=700)
    history.answer(step.commands[0], "00U9", at=701)
    taken(engine, history, at)
    (told,) = log.retries(START)
    assert (told.at, told.done, told.asked) == (START + timedelta(seconds=700), 1, 1)
    assert log.retries(told.at + timedelta(seconds=1)) == ()


def test_hours_add_up_to_the_runs(engine: Engine) -> None:
    """Each write that ended is in one of them."""
    kept(engine, a_day()[1])
    log = RunLog(engine)
    hours, runs = log.hours(START - timedelta(hours=1)), log.page(RunFilter()).rows
    assert sum(hour.processed for hour in hours) == sum(run.processed for run in runs) > 0
    assert sum(hour.errors for hour in hours) == 1
    assert log.hours(START + timedelta(hours=2)) == ()


# ---- the conflict shelf --------------------------------------------------------------------------------------------


def test_the_shelf_says_what_gave_way_to_what(engine: Engine) -> None:
    """Both values, the event, and the decision that `concord undo` takes."""
    kept(engine, a_day()[1])
    (lost,) = ConflictShelf(engine).page(LostFilter()).rows
    assert (lost.pair_key, lost.group, lost.lost, lost.won) == (REVIEW, "location", "Room 2", "Room 3")
    assert lost.event.startswith("Annual review")
    assert (lost.owner, lost.asked_at) == ("mailbox-ann", None)


SHELF_WANTED = [
    (LostFilter(owners=("mailbox-ann",)), 1),
    (LostFilter(owners=()), 0),
    (LostFilter(since=START + timedelta(hours=1)), 0),
    (LostFilter(until=START), 0),
    (LostFilter(asked="no"), 1),
    (LostFilter(asked="yes"), 0),
]


def test_the_shelf_can_be_narrowed(engine: Engine) -> None:
    """By whose, when, and whether somebody asked for it back."""
    kept(engine, a_day()[1])
    book = ConflictShelf(engine)
    assert [(wanted, len(book.page(wanted).rows)) for wanted, _ in SHELF_WANTED] == SHELF_WANTED


def test_pages_of_the_shelf_follow_one_another(engine: Engine) -> None:
    """Several values of one decision do not get lost between two pages."""
    Keeper(engine).prepare()
    rows = [
        {"build": 1, "partition": 0, "offset": number // 3, "field": f"f{number % 3}", "pair_key": "p", "side": "graph",
         "at_ms": number // 3}
        for number in range(30)
    ]  # fmt: skip
    with engine.begin() as transaction:
        transaction.execute(insert(LOST_VALUES), rows)
    shelf = ConflictShelf(engine)
    page = shelf.page(LostFilter(), limit=7)
    seen = list(page.rows)
    while page.has_older:
        page = shelf.page(LostFilter(), before=page.rows[-1].place, limit=7)
        seen += page.rows
    assert len({one.place for one in seen}) == len(seen) == 30
    assert shelf.page(LostFilter(), after=seen[-1].place, limit=7).rows == tuple(seen[22:29])


# ---- the mail ledger -----------------------------------------------------------------------------------------------


def with_mails(engine: Engine, *, is_private: bool = False) -> MailBook:
    """A day with one write that mails two people, answered; the event may turn private afterwards."""
    history, facts = a_day()
    _, _, entry = next(placed for placed in history.entries if isinstance(placed[2].what, OutcomeKnown))
    assert isinstance(entry.what, OutcomeKnown)
    made = replace(entry.what.outcome, side=Side.GRAPH, action=Action.UPDATE, result=Result.APPLIED)
    number = len(history.entries)
    mailed = replace(
        history.decisions[-1], offset=number, pair_key=entry.pair_key, commands=(made.command_id,),
        mails=(PredictedMail(MailKind.UPDATE, "Client@out.example"), PredictedMail(MailKind.INVITE, "b@out.example")),
    )  # fmt: skip
    answer = replace(entry, what=OutcomeKnown(made), source=replace(entry.source, offset=1_000))
    kept(engine, [*facts, Fact(SYNC_DECISIONS, len(history.decisions), mailed)])
    Keeper(engine).apply(0, [Fact(SYNC_JOURNAL, number, (0, number, answer))])
    if is_private:
        history.offset = number + 1
        history.graph(REVIEW, "G", content("Annual review", sensitivity=Sensitivity.PRIVATE), at=900)
        Keeper(engine).apply(0, [Fact(SYNC_JOURNAL, number + 1, history.entries[-1])])
    return MailBook(engine)


def test_the_ledger_says_who_was_mailed_and_why(engine: Engine) -> None:
    """Predicted with which decision, for which event, and sent."""
    (row,) = with_mails(engine).page(MailFilter()).rows
    assert [(mail.kind, mail.address) for mail in row.mailing.mails] == [
        ("update", "Client@out.example"), ("invite", "b@out.example")
    ]  # fmt: skip
    assert (row.mailing.is_sent, row.owner) == (True, "mailbox-ann")
    assert row.event.startswith("Annual review")
    assert row.reason


LEDGER_WANTED = [
    (MailFilter(recipient=" CLIENT@out.example"), 1),
    (MailFilter(recipient="nobody@out.example"), 0),
    (MailFilter(owners=("mailbox-ann",), recipient="b@out.example"), 1),
    (MailFilter(owners=("mailbox-bob",)), 0),
    (MailFilter(since=START + timedelta(days=1)), 0),
    (MailFilter(until=START), 0),
]


def test_the_ledger_can_be_narrowed(engine: Engine) -> None:
    """By sender, recipient and time."""
    book = with_mails(engine)
    assert [(wanted, len(book.page(wanted).rows)) for wanted, _ in LEDGER_WANTED] == LEDGER_WANTED


def test_nobody_is_found_who_was_mailed_about_a_private_event(engine: Engine) -> None:
    """It turned private after the mail: how many stays, who does not."""
    book = with_mails(engine, is_private=True)
    (row,) = book.page(MailFilter()).rows
    assert [mail.address for mail in row.mailing.mails] == [HIDDEN, HIDDEN]
    assert book.page(MailFilter(recipient="client@out.example")).rows == ()
    with engine.connect() as connection:
        assert connection.execute(MAIL_PEOPLE.select()).all() == []


def test_pages_of_the_ledger_follow_one_another(engine: Engine) -> None:
    """Also when one recipient is asked for."""
    Keeper(engine).prepare()
    place = [{"build": 1, "partition": number % 3, "offset": number, "at_ms": number // 4} for number in range(30)]
    mails = {"pair_key": "p", "mails": '[["update","a@b.example"]]', "commands": "[]", "owner": "m"}
    with engine.begin() as transaction:
        transaction.execute(insert(MAILINGS), [row | mails for row in place])
        people = {"pair_key": "p", "address": "a@b.example"}
        transaction.execute(insert(MAIL_PEOPLE), [row | people for row in place])
    book = MailBook(engine)
    for wanted in (MailFilter(), MailFilter(recipient="A@b.example")):
        page = book.page(wanted, limit=7)
        seen = list(page.rows)
        while page.has_older:
            page = book.page(wanted, before=page.rows[-1].place, limit=7)
            seen += page.rows
        assert len({row.place for row in seen}) == 30
        assert book.page(wanted, after=seen[7].place, limit=7).rows == tuple(seen[:7])
