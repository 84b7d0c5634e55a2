"""Rows and position in one transaction: kept once, whatever ends in between, on SQLite and on PostgreSQL."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, select
from sqlalchemy.engine import URL
from support.read_model_facts import a_day, digests, kept
from support.simulation_pairs import content

from concord.read_models.database import open_database
from concord.read_models.keeper import Behind, Fact, Keeper
from concord.read_models.mailbook import MailBook, MailFilter
from projections.read_models.catalogue import BY_NAME
from projections.read_models.tables import LAYOUT, LAYOUTS, PAIRS, RUNS
from schemas.changes import Side
from schemas.commands import Action, MailKind, PredictedMail, Result
from schemas.errors import ConcordError
from schemas.journal import OutcomeKnown, SettingsChanged
from schemas.topics import SYNC_DECISIONS, SYNC_JOURNAL

ROOT = Path(__file__).parents[3]


def test_rows_do_not_depend_on_how_they_came(engine: Engine, tmp_path: Path) -> None:
    """One record a transaction, or all in one, or with what was kept already given once more."""
    _, facts = a_day()
    kept(engine, facts, batch=1)
    one_by_one = digests(engine)
    Keeper(engine).apply(0, facts)
    assert digests(engine) == one_by_one
    other = open_database(URL.create("sqlite", database=str(tmp_path / "other.db")))
    kept(other, facts)
    assert digests(other) == one_by_one
    other.dispose()


def test_every_model_has_rows(engine: Engine) -> None:
    """The day has something for each but held writes."""
    _, facts = a_day()
    kept(engine, facts)
    with engine.connect() as connection:
        counts = {
            name: sum(len(connection.execute(select(table)).all()) for table in model.tables)
            for name, model in BY_NAME.items()
        }
    assert [name for name, count in counts.items() if not count] == ["held-writes"]


def test_ledger_keeps_the_mails_of_a_write_that_was_made(engine: Engine) -> None:
    """A sink that crashed carries its command out again and finds the event deleted: it mailed all the same."""
    history, facts = a_day()
    partition, _, entry = next(placed for placed in history.entries if isinstance(placed[2].what, OutcomeKnown))
    assert isinstance(entry.what, OutcomeKnown)
    applied = replace(entry.what.outcome, side=Side.GRAPH, action=Action.UPDATE, result=Result.APPLIED)
    mailed = replace(
        history.decisions[-1], offset=len(history.entries), pair_key=entry.pair_key, commands=(applied.command_id,),
        mails=(PredictedMail(MailKind.UPDATE, "client@out.example"),),
    )  # fmt: skip
    answers = [applied, replace(applied, result=Result.GONE, at=applied.at + timedelta(seconds=1))]
    told = [
        Fact(SYNC_JOURNAL, number, (partition, number, replace(
            entry, what=OutcomeKnown(answer), source=replace(entry.source, offset=1_000 + number)
        )))
        for number, answer in enumerate(answers, len(history.entries))
    ]  # fmt: skip
    keeper = kept(engine, [*facts, Fact(SYNC_DECISIONS, len(history.decisions), mailed)])
    book = MailBook(engine)
    ledger = [row.mailing for row in book.page(MailFilter()).rows]
    assert [(one.pair_key, one.mails, one.is_open) for one in ledger] == [(entry.pair_key, mailed.mails, True)]
    keeper.apply(0, told)
    ledger = [row.mailing for row in book.page(MailFilter()).rows]
    assert [(one.is_sent, one.is_open) for one in ledger] == [(True, False)]


def test_killed_between_rows_and_position_nothing_is_kept_twice(url: URL) -> None:
    """A process dies by SIGKILL when it has written some models' rows of its batch and not yet their positions."""
    _, facts = a_day()
    script = """
import os, signal
from sqlalchemy import event
from sqlalchemy.engine import make_url
from concord.read_models.database import open_database
from support.read_model_facts import a_day, kept
_, facts = a_day()
engine = open_database(make_url(os.environ["URL"]))
kept(engine, facts[:9])
left = 3
@event.listens_for(engine, "before_cursor_execute")
def _(connection, cursor, statement, *rest):
    global left
    if statement.startswith("UPDATE read_model_positions"):
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
        left -= 1
kept(engine, facts)
"""
    environ = {**os.environ, "URL": url.render_as_string(hide_password=False), "PYTHONPATH": str(ROOT / "tests")}
    done = subprocess.run([sys.executable, "-W", "ignore", "-c", script], env=environ, cwd=ROOT, check=False)
    assert done.returncode == -signal.SIGKILL
    engine = open_database(url)
    after_crash = Keeper(engine).positions(0)
    assert after_crash[SYNC_JOURNAL] + after_crash[SYNC_DECISIONS] == 9
    kept(engine, facts)
    healed = digests(engine)
    engine.dispose()
    reference = open_database(URL.create("sqlite", database=":memory:"))
    kept(reference, facts)
    assert healed == digests(reference)
    reference.dispose()


def test_two_instances_on_one_lane_keep_everything_once(url: URL) -> None:
    """Both think that the lane is theirs, as when a group has just given it to another: one waits, then skips."""
    _, facts = a_day()
    open_database(url).dispose()
    problems: list[Exception] = []
    begin = threading.Barrier(2)

    def work(batch: int) -> None:
        engine = open_database(url)
        try:
            begin.wait()
            for _ in range(4):
                kept(engine, facts, batch=batch)
        except Exception as error:  # noqa: BLE001  # told below, on the main thread
            problems.append(error)
        finally:
            engine.dispose()

    threads = [threading.Thread(target=work, args=(batch,)) for batch in (1, 3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    engine = open_database(url)
    reference = open_database(URL.create("sqlite", database=":memory:"))
    kept(reference, facts)
    assert digests(engine) == digests(reference)
    engine.dispose()
    reference.dispose()


def test_a_hole_is_not_stepped_over(engine: Engine) -> None:
    """Records ahead of the position are refused, so that whoever reads goes back."""
    _, facts = a_day()
    keeper = kept(engine, facts[:5])
    before = digests(engine)
    with pytest.raises(Behind):
        keeper.apply(0, facts[8:])
    assert digests(engine) == before
    position = keeper.positions(0)[SYNC_JOURNAL]
    keeper.skip_to(0, SYNC_JOURNAL, position + 10)
    assert keeper.positions(0)[SYNC_JOURNAL] == position + 10


def test_lanes_add_up_in_one_run(engine: Engine) -> None:
    """The same day in two lanes: twice the count, no row lost."""
    _, facts = a_day()
    keeper = kept(engine, facts)
    moved = [
        fact if not isinstance(fact.value, tuple) else Fact(fact.topic, fact.offset, (1, *fact.value[1:]))
        for fact in facts
    ]
    with engine.connect() as connection:
        once = sum(connection.execute(select(RUNS.c.processed)).scalars())
    renamed = [_under_another_key(fact) for fact in moved]
    keeper.apply(1, renamed)
    with engine.connect() as connection:
        assert sum(connection.execute(select(RUNS.c.processed)).scalars()) == 2 * once


def _under_another_key(fact: Fact) -> Fact:
    if isinstance(fact.value, tuple):
        partition, offset, entry = fact.value
        if isinstance(entry.what, SettingsChanged):
            return fact
        return Fact(fact.topic, fact.offset, (partition, offset, replace(entry, pair_key=entry.pair_key + "'")))
    assert fact.value is not None
    return Fact(fact.topic, fact.offset, replace(fact.value, pair_key=fact.value.pair_key + "'", partition=1))


def test_text_that_a_database_refuses_is_kept_all_the_same(engine: Engine) -> None:
    """NUL and half a surrogate pair, as a calendar may hold them; nothing stops a lane."""
    history, _ = a_day()
    start = len(history.entries)
    history.graph("m:uid-\x00", "N", content("Odd \x00 \ud83d name"), at=60)
    history.graph("m:uid-\x00", "N", content("Odd \x00 \ud83d name again"), at=61)
    facts = [Fact(SYNC_JOURNAL, number, placed) for number, placed in enumerate(history.entries)]
    kept(engine, facts[: start + 1])
    kept(engine, facts)
    with engine.connect() as connection:
        events = connection.execute(select(PAIRS.c.event)).scalars().all()
    assert any(event.startswith("Odd \N{REPLACEMENT CHARACTER} ? name again") for event in events)


def test_another_layout_is_made_anew_and_a_newer_one_refused(url: URL) -> None:
    """The rows hold nothing that the log does not."""
    _, facts = a_day()
    engine = open_database(url)
    kept(engine, facts)
    with engine.begin() as transaction:
        transaction.execute(LAYOUTS.update().values(layout=LAYOUT - 1))
    engine.dispose()
    engine = open_database(url)
    assert Keeper(engine).active() == {}
    with engine.begin() as transaction:
        transaction.execute(LAYOUTS.update().values(layout=LAYOUT + 1))
    engine.dispose()
    with pytest.raises(ConcordError, match="newer version of Concord"):
        open_database(url)
