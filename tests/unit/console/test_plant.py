"""Preflight, Platform and Quarantine: what they show, and who may press what."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from support.console import NOW, Console
from support.history import tell_private, tell_refused
from support.read_model_facts import facts_of, kept
from support.simulation_pairs import TWO_WAY

from concord.console.accounts import Role
from concord.console.charts import HEIGHT, WIDTH, bars, filled, line
from concord.console.platform import lags, roles, trends
from concord.guard.quarantine import AT, PREFIX
from concord.lag import Lag
from concord.lag_watch import LagWatch, Look, Watched
from concord.preflight_checks import Finding, Level
from concord.quarantined import Quarantined, fold
from concord.read_models.database import open_database
from concord.read_models.runs import Hour
from concord.reading import Read
from concord.telemetry.progress import Progress, State
from schemas.errors import ConcordError
from schemas.topics import GRAPH_CHANGES, SYNC_JOURNAL, SYNC_QUARANTINE

HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m"
GOOD = (Finding("rooms", Level.OK, "2 rooms"), Finding("licences", Level.WARNING, "none set", "Set it."))
BAD = (*GOOD, Finding("object Event", Level.FIX, "may not be changed", "Grant it."))


# ---- preflight -----------------------------------------------------------------------------------------------------


def test_a_preflight_is_run_read_and_confirmed(console: Console) -> None:
    """What is urgent comes first; the confirmation is a settings document under the administrator's name."""
    console.desk.findings = GOOD
    browser = console.browser(Role.ADMINISTRATOR)
    seen = browser.get("/preflight")
    assert "Nobody has confirmed a preflight yet" in seen.text
    seen = browser.after(browser.post("/preflight/run", seen.form("/preflight/run")))
    assert re.search("licences Warning none set Set it.*rooms In order 2 rooms", seen.reader_rows())
    form = [*seen.form("/preflight/confirm"), ("looked", "yes"), ("others_off", "yes")]
    done = browser.after(browser.post("/preflight/confirm", form))
    assert done.text.count("Confirmed 2026-03-02 12:00 UTC by administrator.") == 2
    assert [document.preflight_by for document in console.desk.saved] == ["administrator"]


@pytest.mark.parametrize("ticked", [[], [("looked", "yes")], [("others_off", "yes")]])
def test_nothing_is_confirmed_without_both_ticks(console: Console, ticked: list[tuple[str, str]]) -> None:
    """Reading every line and that nothing else syncs are two things."""
    console.desk.findings = GOOD
    browser = console.browser(Role.ADMINISTRATOR)
    seen = browser.after(browser.post("/preflight/run", browser.get("/preflight").form("/preflight/run")))
    told = browser.after(browser.post("/preflight/confirm", [*seen.form("/preflight/confirm"), *ticked]))
    assert "Tick both boxes first" in told.text
    assert console.desk.saved == []


def test_what_must_be_fixed_by_now_keeps_it_from_being_confirmed(console: Console) -> None:
    """Everything is looked at once more."""
    console.desk.findings = GOOD
    browser = console.browser(Role.ADMINISTRATOR)
    seen = browser.after(browser.post("/preflight/run", browser.get("/preflight").form("/preflight/run")))
    console.desk.findings = BAD
    form = [*seen.form("/preflight/confirm"), ("looked", "yes"), ("others_off", "yes")]
    told = browser.after(browser.post("/preflight/confirm", form))
    assert "Something must be fixed by now" in told.text
    assert console.desk.saved == []
    assert "/preflight/confirm" not in told.reader.forms


def test_a_viewer_reads_what_others_ran_and_an_operator_does_not_confirm(console: Console) -> None:
    """The last one is kept for everybody."""
    console.desk.findings = GOOD
    browser = console.browser(Role.OPERATOR)
    seen = browser.after(browser.post("/preflight/run", browser.get("/preflight").form("/preflight/run")))
    assert "/preflight/confirm" not in seen.reader.forms
    seen = console.browser(Role.VIEWER).get("/preflight")
    assert "run by otto" in seen.text
    assert "/preflight/run" not in seen.reader.forms


def test_a_preflight_that_cannot_be_run_is_one_sentence_and_can_be_run_again(console: Console) -> None:
    """As where the console was not told how to reach the services."""
    browser = console.browser(Role.OPERATOR)
    form = browser.get("/preflight").form("/preflight/run")
    console.desk.errors = [ConcordError("CONCORD_GRAPH_TENANT: missing.", "Set it.")]
    assert "CONCORD_GRAPH_TENANT: missing. Set it." in browser.post("/preflight/run", form).text
    assert "Looked at everything" in browser.after(browser.post("/preflight/run", form)).text


# ---- platform ------------------------------------------------------------------------------------------------------


def progress(group: str, topic: str, partition: int, behind: int, state: State = State.OK) -> Progress:
    """One partition of a group."""
    return Progress(Lag(group, topic, partition, 5, 5 + behind, behind, behind * 2.0), 1.5, state)


WATCHED = Watched(
    NOW,
    (
        progress("concord-reconcile", SYNC_JOURNAL, 0, 3),
        progress("concord-reconcile", SYNC_JOURNAL, 1, 4, State.STALL),
        progress("", GRAPH_CHANGES, 0, 1),
    ),
    {"concord-reconcile": 2},
    tuple(Look(NOW + timedelta(seconds=15 * number), {"concord-reconcile": (number, 0.5)}) for number in range(30)),
)


def test_roles_and_lag_are_summed_up(console: Console) -> None:
    """The worst partition says how a role stands; what no group has read is last."""
    (reconcile,) = [row for row in roles(WATCHED) if row.name == "reconcile"]
    assert (reconcile.workers, reconcile.behind, reconcile.oldest_s, reconcile.state) == (2, 7, 8.0, State.STALL)
    assert {row.state for row in roles(WATCHED) if row.name != "reconcile"} == {None}
    assert [(row.group, row.partitions, row.behind) for row in lags(WATCHED)] == [
        ("concord-reconcile", 2, 7), ("", 1, 1)
    ]  # fmt: skip
    (trend,) = trends(WATCHED)
    assert (trend.most, len(trend.steps), len(trend.points.split())) == (29, 12, 30)
    assert trend.steps[0][1] == 29, "the newest first"
    assert trends(Watched()) == []


def test_the_platform_page_shows_all_of_it(console: Console) -> None:
    """And its part renews itself."""
    console.desk.plant.watched = WATCHED
    browser = console.browser(Role.VIEWER)
    seen = browser.get("/platform")
    assert "30 looks over 7 min" in seen.text
    assert re.search("reconcile concord reconcile 2 stall: records wait, workers are there", seen.reader_rows())
    assert "sync.journal 4" in seen.reader_rows()
    assert "missing" in seen.reader_rows()
    assert "version 2, before it 1, put in use by olga" in seen.text
    assert "None: concord project has not run" in seen.text
    assert browser.get("/part/platform").text in seen.text


def test_the_platform_page_stands_without_a_look(console: Console) -> None:
    """As when Kafka is away: it says so."""
    console.desk.plant.watched = Watched(problem="The Kafka broker is away.")
    seen = console.browser(Role.VIEWER).get("/platform")
    assert "The Kafka broker is away." in seen.text
    assert "0 looks" in seen.text


class _Reader:
    """A lag reader that says what it is told, or fails."""

    def __init__(self, said: list[Any]) -> None:
        self.said = said
        self.members = {"concord-project": 1}

    def __enter__(self) -> _Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.said.append("closed")

    def read(self) -> list[Lag]:
        """The next answer."""
        told = self.said.pop(0)
        if isinstance(told, Exception):
            raise told
        return [Lag("concord-project", SYNC_JOURNAL, 0, 1, 1 + told, told, float(told))]


def test_the_watch_keeps_looks_and_says_why_there_is_no_newer_one() -> None:
    """After a failure it connects anew; nothing of an unknown error but its name is told."""
    said: list[Any] = [4, ConcordError("The broker is away."), ValueError("secret"), 2]
    watch = LagWatch("b", every_s=-1.0, make=lambda _: _Reader(said))  # type: ignore[arg-type, return-value]
    first = watch.now()
    assert ([one.lag.records_behind for one in first.progress], first.members) == ([4], {"concord-project": 1})
    second = watch.now()
    assert (second.problem, second.progress, len(second.looks)) == ("The broker is away.", first.progress, 1)
    assert watch.now().problem == "Lag cannot be read: ValueError."
    said[:] = [said[0]]
    last = watch.now()
    assert (last.problem, [look.behind["concord-project"] for look in last.looks]) == ("", [(4, 4.0), (2, 2.0)])
    watch.stop()
    assert said == ["closed"]


def test_a_watch_that_was_just_asked_does_not_ask_again() -> None:
    """Ten people look at the page."""
    said: list[Any] = [1]
    watch = LagWatch("b", every_s=1000.0, make=lambda _: _Reader(said))  # type: ignore[arg-type, return-value]
    assert watch.now() == watch.now()
    watch.stop()


# ---- quarantine ----------------------------------------------------------------------------------------------------


def set_aside(count: int = 2, topic: str = GRAPH_CHANGES, message: str = "no schema") -> list[Quarantined]:
    """So many records."""
    headers = {
        AT: NOW.isoformat(), PREFIX + "topic": topic, PREFIX + "partition": "1", PREFIX + "offset": "7",
        PREFIX + "exception.class.name": "schemas.errors.UnreadableRecord", PREFIX + "exception.message": message,
        PREFIX + "connector.name": "intake", "foreign": "x" * 9,
    }  # fmt: skip
    pairs = tuple((name, text.encode()) for name, text in headers.items())
    reads = [
        Read(SYNC_QUARANTINE, 0, number, int(NOW.timestamp() * 1000), b"key", b"Dr Grey", pairs)
        for number in range(count)
    ]
    return fold(reads)


def test_records_are_retried_after_a_look_and_once(console: Console) -> None:
    """By an operator; who presses the second time is told."""
    console.desk.plant.set_aside = set_aside()
    browser = console.browser(Role.OPERATOR)
    seen = browser.get("/platform/quarantine")
    assert "graph.changes/1 @ 7" in seen.text
    form = [*seen.form("/platform/quarantine/review"), ("place", "0/0"), ("verb", "retry")]
    review = browser.post("/platform/quarantine/review", form).form("/platform/quarantine/act")
    assert console.desk.plant.settled == []
    for told in ("1 retried.", "0 retried. 1 of those were settled already."):
        assert told in browser.after(browser.post("/platform/quarantine/act", review)).text
    assert console.desk.plant.settled == [("retry", "0/0", "otto")]


def test_only_an_administrator_drops(console: Console) -> None:
    """An operator is not offered it, and refused it."""
    console.desk.plant.set_aside = set_aside()
    browser = console.browser(Role.OPERATOR)
    token = dict(browser.get("/platform/quarantine").form("/platform/quarantine/review"))["token"]
    form = [("token", token), ("place", "0/0"), ("verb", "drop")]
    for path in ("review", "act"):
        assert "needs the role administrator" in browser.post(f"/platform/quarantine/{path}", form).text
    assert console.desk.plant.settled == []
    browser = console.browser(Role.ADMINISTRATOR)
    seen = browser.get("/platform/quarantine")
    form = [*seen.form("/platform/quarantine/review"), ("place", "0/1"), ("verb", "drop")]
    seen = browser.post("/platform/quarantine/review", form)
    browser.post("/platform/quarantine/act", seen.form("/platform/quarantine/act"))
    assert console.desk.plant.settled == [("drop", "0/1", "administrator")]


def test_what_came_from_no_topic_is_not_retried(console: Console) -> None:
    """A source could not read it: there is no place to write it back to."""
    console.desk.plant.set_aside = set_aside(topic="")
    browser = console.browser(Role.OPERATOR)
    seen = browser.get("/platform/quarantine")
    form = [*seen.form("/platform/quarantine/review"), ("place", "0/0"), ("verb", "retry")]
    assert "Tick records that can be retried" in browser.after(browser.post("/platform/quarantine/review", form)).text


@pytest.mark.parametrize(
    ("query", "count"),
    [("", 2), ("?topic=graph.changes", 2), ("?topic=sync.journal", 0), ("?reason=unreadablerecord", 2),
     ("?reason=Other", 0), ("?since=2026-03-03", 0), ("?until=2026-03-03", 2)],
)  # fmt: skip
def test_quarantine_can_be_narrowed(console: Console, query: str, count: int) -> None:
    """By topic, kind of error and time."""
    console.desk.plant.set_aside = set_aside()
    seen = console.browser(Role.VIEWER).get(f"/platform/quarantine{query}")
    assert seen.reader_rows().count("graph.changes/1") == count


def test_a_record_shows_nothing_of_bytes_that_cannot_be_read(console: Console) -> None:
    """They may hold anybody's text; of foreign headers only the size is told."""
    console.desk.plant.set_aside = set_aside(message=HOSTILE)
    browser = console.browser(Role.VIEWER)
    seen = browser.get("/platform/quarantine/record?place=0/0")
    assert "9 bytes" in seen.text
    assert "7 bytes, sha256" in seen.text
    for path in ("/platform/quarantine/record?place=0/0", "/platform/quarantine"):
        raw = browser.get(path).response.text
        assert "Dr Grey" not in raw
        assert "<script>alert" not in raw
        assert not re.search("[\x1b\u202e]", raw)
    assert browser.get("/platform/quarantine/record?place=9/9").status == 409


# ---- the overview's day --------------------------------------------------------------------------------------------


def test_a_day_has_24_bars_and_the_highest_fills_the_box() -> None:
    """Errors stand on what was synced; an hour in which nothing ended has a place too."""
    now = datetime(2026, 3, 2, 12, 34, tzinfo=UTC)
    hours = filled([Hour(now.replace(minute=0), 12, 9, 1), Hour(now - timedelta(days=2), 9, 9, 9)], now)
    assert [len(hours), hours[0].began.hour, sum(hour.processed for hour in hours)] == [24, 13, 12]
    drawn = bars(hours)
    assert drawn[-1].synced_height + drawn[-1].error_height == HEIGHT
    assert (drawn[-1].synced_y, drawn[-1].error_y) == (HEIGHT * 0.1, 0)
    assert all(bar.synced_height == bar.error_height == 0 for bar in drawn[:-1])
    assert drawn[-1].x + drawn[-1].width <= WIDTH
    assert line([1], 10, 10) == ""
    assert line([0, 2, 1], 10, 10) == "0.0,10.0 5.0,0.0 10.0,5.0"


def test_the_overview_draws_the_day_with_a_table_beside_it(console: Console) -> None:
    """And its last runs, each led to its depth."""
    history = console.desk.history
    history.settings = TWO_WAY
    tell_private(history)
    tell_refused(history)
    console.desk.saved = [history.settings]
    engine = open_database(console.desk.books.engine.url)
    kept(engine, facts_of(history))
    engine.dispose()
    seen = console.browser(Role.VIEWER).get("/")
    assert "Writes per hour of the last 24 hours: 0 synced, 1 in error." in seen.text
    assert [held["class"] for tag, held in seen.reader.tags if tag == "rect"] == ["error"]
    assert re.search(r"09:00 1 0 1", seen.reader_rows())
    assert any(str(held.get("href")).startswith("/logs/run?run=") for _, held in seen.reader.tags)
    assert "style=" not in seen.response.text, "the policy allows no inline style"
