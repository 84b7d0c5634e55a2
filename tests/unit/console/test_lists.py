"""Logs & Errors, Conflicts and Mail ledger: what an administrator reads there, and what an operator presses."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert
from support.console import NOW, Console
from support.history import ANN, PRIVATE, REFUSED, REVIEW, History, tell_conflict, tell_private, tell_refused
from support.read_model_facts import facts_of, kept
from support.simulation_pairs import TWO_WAY, content

from concord.console.accounts import Role
from concord.console.app import pages
from concord.read_models.database import open_database
from concord.read_models.keeper import Keeper
from projections.read_models.rows import ms_of
from projections.read_models.tables import MAIL_PEOPLE, MAILINGS, RUNS
from schemas.calendar import Sensitivity
from schemas.commands import Result

HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m"
LISTS = ("/logs", "/conflicts", "/mails", "/logs/retries")


def with_log(console: Console, history: History | None = None) -> Console:
    """What `concord project` keeps of a day with a conflict, a private event and a refused one."""
    desk = console.desk
    if history is None:
        history = desk.history
        history.settings = TWO_WAY
        for tell in (tell_conflict, tell_private, tell_refused):
            tell(history)
    desk.history, desk.saved = history, [history.settings]
    engine = open_database(desk.books.engine.url)
    kept(engine, facts_of(history))
    engine.dispose()
    return console


def with_rows(console: Console, table: Any, rows: list[dict[str, Any]]) -> Console:
    """So many rows, as a long history leaves them."""
    engine = open_database(console.desk.books.engine.url)
    Keeper(engine).prepare()
    with engine.begin() as transaction:
        transaction.execute(insert(table), rows)
    engine.dispose()
    return console


# ---- Logs & Errors -------------------------------------------------------------------------------------------------


def test_the_log_has_the_products_columns(console: Console) -> None:
    """A row for each run, with the words of its last error."""
    seen = with_log(console).browser(Role.VIEWER).get("/logs")
    for column in ("Records Processed", "Synced Successfully", "Errors", "Message"):
        assert column in seen.text
    assert "FIELD_CUSTOM_VALIDATION_EXCEPTION" in seen.text
    assert "ann@firm.example" in seen.text
    assert "To Practifi" in seen.text
    assert "/logs/retry" not in seen.reader.forms, "a viewer presses nothing"


def test_errors_only_leaves_the_rest_out(console: Console) -> None:
    """And says how to come back."""
    browser = with_log(console).browser(Role.VIEWER)
    link = next(str(held["href"]) for tag, held in browser.get("/logs").reader.tags
                if tag == "a" and held.get("href") == "/logs?status=errors")  # fmt: skip
    seen = browser.get(link)
    assert "To Practifi" in seen.reader_rows()
    assert "To Microsoft 365" not in seen.reader_rows()
    assert "Show all rows" in seen.text


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ("", 2),
        ("?user=ANN@firm", 2),
        ("?user=nobody", 0),
        ("?direction=outbound", 1),
        ("?action=deleted", 0),
        ("?status=synced", 1),
        ("?since=2026-03-02T09:00&until=2026-03-03", 2),
        ("?until=2026-03-01", 0),
        ("?direction=sideways", 2),
    ],
)
def test_the_log_can_be_narrowed(console: Console, query: str, count: int) -> None:
    """By user, time, direction, action and status; what is none of these narrows nothing."""
    seen = with_log(console).browser(Role.VIEWER).get(f"/logs{query}")
    assert seen.status == 200
    assert len(re.findall("To (?:Practifi|Microsoft 365)", seen.reader_rows())) == count
    assert count or "No row fits." in seen.text


@pytest.mark.parametrize("path", ["/logs", "/conflicts", "/mails"])
@pytest.mark.parametrize("query", ["since=yesterday", "before=x", "before=1+2", "after=99999999999999999999+a+b"])
def test_odd_times_and_places_are_refused_in_a_sentence(console: Console, path: str, query: str) -> None:
    """No page of these breaks."""
    assert with_log(console).browser(Role.VIEWER).get(f"{path}?{query}").status == 409


def test_the_log_is_read_by_the_page(console: Console) -> None:
    """Older and newer rows, with the filter kept."""
    rows = [
        {"build": 1, "started_ms": 300_000 * number, "direction": "inbound", "owner": "m", "processed": number,
         "synced": number}
        for number in range(1, 121)
    ]  # fmt: skip
    browser = with_rows(console, RUNS, rows).browser(Role.VIEWER)

    def links(seen: Any) -> dict[str, str]:
        found = [str(held["href"]) for tag, held in seen.reader.tags if tag == "a" and "/logs?" in str(held["href"])]
        return {name: href for href in found for name in ("before", "after") if f"{name}=" in href}

    first = browser.get("/logs?status=synced")
    assert list(links(first)) == ["before"]
    assert "status=synced" in links(first)["before"]
    second = browser.get(links(first)["before"])
    third = browser.get(links(second)["before"])
    assert list(links(third)) == ["after"]
    assert browser.get(links(third)["after"]).reader_rows() == second.reader_rows()


def test_a_row_is_shown_in_depth(console: Console) -> None:
    """Each event that it counts, with what the service said, and how it stands now."""
    browser = with_log(console).browser(Role.VIEWER)
    to = next(str(held["href"]) for tag, held in browser.get("/logs?status=errors").reader.tags
              if tag == "a" and str(held.get("href")).startswith("/logs/run"))  # fmt: skip
    seen = browser.get(to)
    assert "Dinner, " in seen.text
    assert re.search("Make the event Error FIELD_CUSTOM_VALIDATION_EXCEPTION Salesforce Error", seen.reader_rows())
    assert browser.get("/logs/run?run=1+inbound+x").status == 409
    assert browser.get("/logs/run").status == 409


def test_retry_on_a_row_tries_what_is_still_in_error(console: Console) -> None:
    """Under the operator's name; where nothing is in error any more, nothing is asked."""
    browser = with_log(console).browser(Role.OPERATOR)
    form = browser.get("/logs?status=errors").form("/logs/retry")
    done = browser.after(browser.post("/logs/retry", form))
    assert "1 event is tried again" in done.text
    assert console.desk.acts == [("retry", REFUSED, "otto")]
    history = console.desk.history
    step = history.retry(REFUSED, at=600)
    history.answer(step.commands[0], "00U9", at=601)
    with_log(console, history)
    assert "Nothing of this row is in error any more." in browser.after(browser.post("/logs/retry", form)).text
    assert len(console.desk.acts) == 1


def test_errors_of_thirty_days_are_tried_again_at_once_with_progress(console: Console) -> None:
    """Two are in error, one of them too long ago; then it is told how far it is."""
    history = console.desk.history
    history.settings = TWO_WAY
    tell_refused(history)
    step = history.graph("m:uid-old", "OLD", content("Old"), at=-40 * 86_400)
    history.answer(step.commands[0], at=-40 * 86_400, result=Result.REFUSED, code="E")
    browser = with_log(console, history).browser(Role.OPERATOR)
    form = browser.get("/logs").form("/logs/retry-errors")
    done = browser.after(browser.post("/logs/retry-errors", form))
    assert console.desk.acts == [("retry", REFUSED, "otto")]
    assert "1 event is tried again" in done.text
    hours = (NOW - history.entries[0][2].observed_at) / timedelta(seconds=1)
    step = history.retry(REFUSED, at=hours)
    with_log(console, history)
    assert "0 of 1 tried: 0 without an error. 1 under way." in browser.get("/part/retries").text
    history.answer(step.commands[0], at=hours, result=Result.REFUSED, code="E")
    with_log(console, history)
    assert "1 of 1 tried: 0 without an error, 1 in error again." in browser.get("/logs/retries").text
    tags = browser.get("/logs/retries").reader.tags
    assert ("progress", {"max": "1", "value": "1", "aria-label": "Tried so far"}) in tags


# ---- Conflicts -----------------------------------------------------------------------------------------------------


def test_a_conflict_shows_both_values_and_leads_to_writing_the_lost_one_back(console: Console) -> None:
    """What was lost, what won, of which event; an operator is led to the undo that shows what it would do."""
    browser = with_log(console).browser(Role.OPERATOR)
    seen = browser.get("/conflicts")
    assert "location “Room 2” “Room 3”" in seen.reader_rows()
    assert "Annual review" in seen.text
    undo = next(str(held["href"]) for _, held in seen.reader.tags if str(held.get("href")).startswith("/event/undo"))
    assert "“Room 3” → “Room 2”" in browser.get(undo).text
    assert "Write it back" not in console.browser(Role.VIEWER).get("/conflicts").text


@pytest.mark.parametrize(("query", "count"), [("?asked=no", 1), ("?asked=yes", 0), ("?user=ann", 1), ("?user=zoe", 0)])
def test_conflicts_can_be_narrowed(console: Console, query: str, count: int) -> None:
    """By user, and by whether somebody asked for the value."""
    seen = with_log(console).browser(Role.VIEWER).get(f"/conflicts{query}")
    assert seen.text.count("Annual review") == count
    assert count or "Nothing fits." in seen.text


# ---- Mail ledger ---------------------------------------------------------------------------------------------------


def with_mails(console: Console, people: int = 1, **members: Any) -> Console:
    """One decision that mailed so many, and its write was made."""
    mails = ",".join(f'["invite","client{number}@out.example"]' for number in range(people))
    row = {"build": 1, "partition": 0, "offset": 1, "at_ms": ms_of(NOW), "pair_key": REVIEW, "owner": "mailbox-ann",
           "reason": "graph_missing", "mails": f"[{mails}]", "commands": "[]"}  # fmt: skip
    with_rows(console, MAILINGS, [row | members])
    people_rows = [
        {"build": 1, "partition": 0, "offset": 1, "address": f"client{number}@out.example", "at_ms": ms_of(NOW)}
        for number in range(people)
    ]
    return with_rows(console, MAIL_PEOPLE, people_rows)


def test_the_ledger_names_who_was_mailed_and_folds_many_away(console: Console) -> None:
    """Kind and address, and the decision; what is not known is said."""
    seen = with_mails(with_log(console), people=10).browser(Role.VIEWER).get("/mails")
    assert "Invitation to client0@out.example" in seen.text
    assert "and 2 more" in seen.text
    assert "Not known yet: the write has no answer" in seen.text
    assert "Annual review" in seen.text
    assert "0/1" in seen.text


@pytest.mark.parametrize(
    ("query", "count"),
    [("?recipient=CLIENT0@out.example", 1), ("?recipient=c", 0), ("?user=ann", 1), ("?user=bob", 0), ("?since=1h", 1)],
)
def test_the_ledger_can_be_narrowed(console: Console, query: str, count: int) -> None:
    """By recipient, sender and time."""
    seen = with_mails(with_log(console)).browser(Role.VIEWER).get(f"/mails{query}")
    assert seen.text.count("Invitation to") == count


# ---- all of them ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", LISTS)
def test_a_firm_that_begins_sees_that_nothing_is_there(console: Console, path: str) -> None:
    """Not an empty table without a word."""
    seen = console.browser(Role.VIEWER).get(path)
    assert re.search("Nothing was|No edit was lost|No write mailed anybody", seen.text)


@pytest.mark.parametrize("path", LISTS)
def test_each_is_in_the_menu_or_led_to(console: Console, path: str) -> None:
    """From a page that the menu leads to."""
    browser = console.browser(Role.VIEWER)
    hrefs = [held.get("href") for place in ("/", "/logs") for _, held in browser.get(place).reader.tags]
    assert path in hrefs
    assert path in {page.path for page in pages()}


def test_private_events_show_no_text_on_any_list(console: Console) -> None:
    """One that was private from the start, and one that turned private after its conflict."""
    with_log(console)
    history = console.desk.history
    held = content("Annual review", location="Room 3", sensitivity=Sensitivity.PRIVATE, organizer=ANN)
    history.graph(REVIEW, "G", held, at=90)
    with_log(console, history)
    browser = console.browser(Role.ADMINISTRATOR)
    raw = "".join(browser.get(path).response.text for path in (*LISTS, "/"))
    assert not [word for word in ("Surgery", "Grey", "Clinic", "Room 2", "Room 3", "Annual review") if word in raw]
    assert "(private)" in raw
    assert PRIVATE not in raw


def test_hostile_text_is_inert_on_every_list(console: Console) -> None:
    """In subjects, lost values, people, and what a service said."""
    history = console.desk.history
    history.settings = TWO_WAY
    tell_conflict(history)
    step = history.graph("m:uid-H", "H", content(HOSTILE, location=HOSTILE), at=70)
    history.answer(step.commands[0], at=71, result=Result.REFUSED, code=HOSTILE)
    history.decisions[:] = [
        replace(one, lost=tuple(replace(lost, before=HOSTILE, after=HOSTILE) for lost in one.lost))
        for one in history.decisions
    ]
    with_mails(with_log(console, history), mails=f'[["invite","{HOSTILE[:-5]}"]]', pair_key="m:uid-H")
    browser = console.browser(Role.OPERATOR)
    depth = [str(held["href"]) for _, held in browser.get("/logs").reader.tags
             if str(held.get("href")).startswith("/logs/run")]  # fmt: skip
    for path in (*LISTS, *depth, "/"):
        seen = browser.get(path)
        assert seen.status == 200
        assert "<script>alert" not in seen.response.text
        assert not re.search("[\x1b\u202e]", seen.response.text)
    assert "alert(1)" in browser.get("/conflicts").text
