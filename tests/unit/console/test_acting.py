"""Held writes and single events: what an operator sees and does."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from support.console import Console
from support.console_firm import with_held
from support.history import CLIENT, PRIVATE, REFUSED, REVIEW, tell_conflict, tell_private, tell_refused
from support.simulation_pairs import TWO_WAY, content

from concord.console.accounts import Role
from schemas.calendar import Sensitivity

HOSTILE = "<script>alert(1)</script>\u202e\x1b[31m"


def test_what_waits_is_shown_with_whom_it_would_mail(console: Console) -> None:
    """Which, whose, why, and to whom."""
    seen = with_held(console).browser(Role.VIEWER).get("/held")
    assert "Invite 0, Sat 7 Mar 2026" in seen.text
    assert "mails 3 people: invite client0@out.example" in seen.text
    assert "ann@firm.example" in seen.text
    assert not [held for tag, held in seen.reader.tags if held.get("name") in ("hold", "verb")], (
        "a viewer presses nothing"
    )


@pytest.mark.parametrize("verb", ["release", "drop"])
def test_one_of_two_is_released_or_dropped(console: Console, verb: str) -> None:
    """It is told before it is done, and recorded under the name of who did it."""
    browser = with_held(console).browser(Role.OPERATOR)
    token = dict(browser.get("/held").form("/held/review"))["token"]
    mark = next(held["value"] for _, held in browser.get("/held").reader.tags if held.get("name") == "hold")
    seen = browser.post("/held/review", [("token", token), ("hold", str(mark)), ("verb", verb)])
    assert "1 write waits; together 3 mails to people outside the firm." in seen.text
    assert console.desk.acts == []
    done = browser.after(browser.post("/held/act", seen.form("/held/act")))
    assert done.text.count("1 released" if verb == "release" else "1 dropped") == 1
    assert console.desk.acts == [(verb, "s:00U0", "otto")]


def test_what_has_changed_since_it_was_shown_is_not_released(console: Console) -> None:
    """Another edit came: what waits now was not looked at."""
    browser = with_held(console).browser(Role.OPERATOR)
    seen = browser.get("/held")
    marks = [str(held["value"]) for _, held in seen.reader.tags if held.get("name") == "hold"]
    token = dict(seen.form("/held/review"))["token"]
    form = [("token", token), *(("hold", mark) for mark in marks), ("verb", "release")]
    review = browser.post("/held/review", form).form("/held/act")
    people = tuple(
        replace(CLIENT, address=f"client{number}@out.example", record_id=f"003{number}") for number in range(3)
    )
    other = content("Another subject", attendees=people, send_invitations=True)
    console.desk.history.salesforce("s:00U0", "00U0", other, at=60)
    console.desk.states = list(console.desk.history.partition.pairs.values())
    told = browser.after(browser.post("/held/act", review)).text
    assert "1 released" in told
    assert "1 of those is done already, or changed since" in told
    assert console.desk.acts == [("release", "s:00U1", "otto")]


def test_held_can_be_narrowed(console: Console) -> None:
    """By user and by reason."""
    browser = with_held(console).browser(Role.VIEWER)
    assert "Invite 0" in browser.get("/held?user=ann@firm.example&kind=invitations").text
    assert "Nothing waits." in browser.get("/held?kind=deletions").text
    assert "Nothing waits." in browser.get("/held?user=nobody").text


def test_held_private_events_show_neither_text_nor_people(console: Console) -> None:
    """Private events go out without attendees: so one is made private while it waits."""
    browser = with_held(console, 1, "Surgery").browser(Role.OPERATOR)
    state = console.desk.states[0]
    assert state.salesforce.item is not None
    hidden = replace(state.salesforce.item.content, sensitivity=Sensitivity.PRIVATE)
    item = replace(state.salesforce.item, content=hidden)
    console.desk.states = [replace(state, salesforce=replace(state.salesforce, item=item))]
    raw = browser.get("/held").response.text
    assert "(private)" in raw
    assert "Surgery" not in raw
    assert "client0@" not in raw


# ---- events --------------------------------------------------------------------------------------------------------


def with_day(console: Console) -> Console:
    """A conflict, a private event and a refused one."""
    history = console.desk.history
    history.settings = TWO_WAY
    for tell in (tell_conflict, tell_private, tell_refused):
        tell(history)
    return console


def test_an_event_is_found_by_its_subject_and_told_in_words(console: Console) -> None:
    """One that is the only one is shown at once."""
    browser = with_day(console).browser(Role.VIEWER)
    seen = browser.after(browser.get("/events?search=Annual"))
    assert "First seen in Microsoft 365" in seen.text
    assert "Lost: location “Room 2” in Practifi gave way to “Room 3”." in seen.text
    assert "rule 7.15" in seen.text
    assert "Sent: update in Practifi." in seen.text
    assert "Undo" not in seen.text, "a viewer undoes nothing"


def test_nothing_found_is_said(console: Console) -> None:
    """With what was searched for, as text."""
    seen = with_day(console).browser(Role.VIEWER).get("/events", params={"search": HOSTILE})
    assert "No event is known by" in seen.text
    assert "<script>alert" not in seen.response.text


def test_a_private_event_is_told_without_text_and_not_found_by_it(console: Console) -> None:
    """Neither its subject, text, place nor people."""
    browser = with_day(console).browser(Role.ADMINISTRATOR)
    assert "No event is known by" in browser.get("/events?search=Surgery").text
    raw = browser.get("/event", params={"pair": PRIVATE}).response.text
    assert "This event is private" in raw
    assert not [word for word in ("Surgery", "Grey", "Clinic", "client@out") if word in raw]


def test_a_refused_write_is_tried_again_once_asked(console: Console) -> None:
    """By an operator, under their name; not when nothing is refused."""
    browser = with_day(console).browser(Role.OPERATOR)
    seen = browser.get("/event", params={"pair": REFUSED})
    assert "FIELD_CUSTOM_VALIDATION_EXCEPTION" in seen.text
    done = browser.after(browser.post("/event/retry", seen.form("/event/retry")))
    assert "It is tried again" in done.text
    assert console.desk.acts == [("retry", REFUSED, "otto")]
    token = dict(done.form("/sign-out"))["token"]
    done = browser.after(browser.post("/event/retry", [("token", token), ("pair", REVIEW)]))
    assert "Nothing to try again" in done.text
    assert len(console.desk.acts) == 1


def undo_links(console: Console, role: Role = Role.OPERATOR) -> list[str]:
    """Where the event's page offers to undo something."""
    seen = console.browser(role).get("/event", params={"pair": REVIEW})
    return [
        str(held["href"]) for tag, held in seen.reader.tags if tag == "a" and "/event/undo" in str(held.get("href"))
    ]


def test_an_undo_is_shown_before_it_is_asked_for(console: Console) -> None:
    """What it writes and whom it mails; then it is asked for as it was shown, and once."""
    browser = with_day(console).browser(Role.OPERATOR)
    link = next(one for one in undo_links(console) if "salesforce" in one)
    seen = browser.get(link)
    assert "“Room 3” → “Room 2”" in seen.text
    assert re.search(r"Mails (nobody|:)|Mails: ", seen.text)
    assert console.desk.acts == []
    browser.after(browser.post("/event/undo", seen.form("/event/undo")))
    ((verb, key, by),) = console.desk.acts
    assert (verb[:5], key, by) == ("undo ", REVIEW, "otto")


def test_an_undo_that_would_do_something_else_by_now_is_shown_again(console: Console) -> None:
    """Somebody edits between looking and pressing."""
    browser = with_day(console).browser(Role.OPERATOR)
    link = next(one for one in undo_links(console) if "salesforce" in one)
    form = browser.get(link).form("/event/undo")
    step = console.desk.history.graph(REVIEW, "G", content("Annual review", location="Room 9"), at=90)
    for command in step.commands:
        console.desk.history.answer(command, at=91)
    seen = browser.post("/event/undo", form)
    assert "The event has changed since. Look again." in seen.text
    assert "Look at it all the same" in seen.text
    assert console.desk.acts == []
    forced = next(str(held["href"]) for tag, held in seen.reader.tags if "force=yes" in str(held.get("href")))
    browser.post("/event/undo", browser.get(forced).form("/event/undo"))
    assert len(console.desk.acts) == 1


@pytest.mark.parametrize(
    "query", ["", "?decision=x", "?decision=0/99999999999999999999&side=graph", "?decision=0/1&side=x"]
)
def test_odd_undos_are_refused_in_a_sentence(console: Console, query: str) -> None:
    """No page of these breaks."""
    assert with_day(console).browser(Role.OPERATOR).get(f"/event/undo{query}").status == 409


def test_hostile_text_in_events_is_inert(console: Console) -> None:
    """In subject, place, people, and what the service said."""
    history = console.desk.history
    bad = content(HOSTILE, location=HOSTILE, attendees=(replace(CLIENT, name=HOSTILE, address=HOSTILE),))
    step = history.graph("m:uid-H", "H", bad, at=1)
    history.answer(step.commands[0], at=2, result="refused", code=HOSTILE)
    history.graph("m:uid-I", "I", content(HOSTILE + "2"), at=3)
    console.desk.saved, console.desk.states = [history.settings], list(history.partition.pairs.values())
    browser = console.browser(Role.ADMINISTRATOR)
    for path in ("/event?pair=m:uid-H", "/events?search=alert", "/held", "/"):
        seen = browser.get(path)
        assert seen.status == 200
        assert "<script>alert" not in seen.response.text
        assert not re.search("[\x1b\u202e]", seen.response.text)
