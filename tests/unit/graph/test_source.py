"""Reading a mailbox page by page: windows, hydration, removals, dead tokens, broken answers."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from support.graph_driver import Script, batch_reply, refusal, reply

from connectors.exchange import Reply, run
from connectors.graph import wire
from connectors.graph.source import (
    BATCH_ATTEMPTS,
    Page,
    Reach,
    finish_resync,
    plan_windows,
    read_page,
    restart,
    verify_missing,
)
from schemas.cursors import DeltaWindow, GraphCursor
from schemas.errors import AuthRejected, Refused, ResyncNeeded, Throttled, Unavailable

NOW = datetime(2026, 3, 1, tzinfo=UTC)
REACH = Reach(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 12, 1, tzinfo=UTC), wanted="w1")
LINK = "https://graph.test/v1.0/users/m/calendarView/delta"
READ = GraphCursor(
    "m", (DeltaWindow(REACH.start_utc, REACH.end_utc, f"{LINK}?$deltatoken=old"),), wanted="w1", read_at=NOW
)


def event(event_id: str, **members: Any) -> dict[str, Any]:
    """The least of an event that counts as a single one."""
    times = {"dateTime": "2026-03-10T10:00:00.0000000", "timeZone": "UTC"}
    return {"id": event_id, "type": "singleInstance", "start": times, "end": times, "subject": event_id, **members}


def rows(*found: Any, following: str = "", final: str = "") -> Reply:
    """A delta page."""
    links = {"@odata.nextLink": f"{LINK}?$skiptoken={following}"} if following else {}
    links |= {"@odata.deltaLink": f"{LINK}?$deltatoken={final}"} if final else {}
    return reply(200, {"value": list(found), **links})


# What comes before a window is read from its start.
EMPTY_LIST = reply(200, {"value": []})


def removed(event_id: str) -> dict[str, Any]:
    """A removal row."""
    return {"id": event_id, "@removed": {"reason": "deleted"}}


def ok(value: dict[str, Any]) -> Reply:
    """A good item of a batch."""
    return reply(200, value)


GONE = refusal(404, "ErrorItemNotFound")


def read(script: Script, cursor: GraphCursor = READ, reach: Reach = REACH, position: int = 0) -> Page:
    """One page, read by this script to its last answer."""
    page = run(read_page(cursor, reach, now=NOW, position=position), script)
    assert script.is_used_up
    return page


def outcome(page: Page) -> dict[str, str]:
    """What each id came to: its subject, or "removed"."""
    return {c.id: c.item.content.subject if c.item else "removed" for c in page.changes}


def test_a_row_is_read_again_with_our_tag() -> None:
    """The row itself is only a hint: what counts is the event as its own address gives it, tag included."""
    tagged = event("a", subject="now", singleValueExtendedProperties=[{"id": wire.PAIR_TAG, "value": "s:1"}])
    script = Script([rows(event("a", subject="then"), final="new"), batch_reply(ok(tagged))])
    page = read(script)
    assert outcome(page) == {"a": "now"}
    change = page.changes[0]
    assert change.item is not None
    assert (change.item.sync_key, change.mailbox, change.observed_at, change.cause) == ("s:1", "m", NOW, "delta")
    assert '"subject":"now"' in change.native
    assert script.calls[0].path == f"{LINK}?$deltatoken=old"
    assert page.is_last
    assert page.cursor.windows[0].link == f"{LINK}?$deltatoken=new"
    assert page.cursor.read_at == NOW


def test_the_last_row_of_an_id_counts_and_is_read_once() -> None:
    """An id may recur within a page, as an event and as a removal."""
    script = Script(
        [rows(event("a"), removed("b"), event("b"), event("a"), final="x"), batch_reply(ok(event("b")), GONE)]
    )
    assert outcome(read(script)) == {"b": "b", "a": "removed"}


def test_a_removal_counts_only_when_the_event_is_not_there() -> None:
    """What left the window is reported as removed as well: alive is an item, 404 a removal (7.19)."""
    script = Script([rows(removed("gone"), removed("moved"), final="x"), batch_reply(GONE, ok(event("moved")))])
    page = read(script)
    assert outcome(page) == {"gone": "removed", "moved": "moved"}
    assert [c.cause for c in page.changes] == ["deletion", "delta"]
    assert page.seen_ids == {"gone", "moved"}


def test_a_row_deleted_before_it_was_read_is_a_removal() -> None:
    """Between the row and the read the event may go; the read says so."""
    assert outcome(read(Script([rows(event("a"), final="x"), batch_reply(GONE)]))) == {"a": "removed"}


def test_a_cancelled_copy_is_a_removal() -> None:
    """An attendee's copy of a cancelled meeting lives on in the mailbox, but the meeting does not."""
    cancelled = event("a", isCancelled=True, isOrganizer=False)
    own = event("b", isCancelled=True, isOrganizer=True)
    script = Script([rows(event("a"), event("b"), final="x"), batch_reply(ok(cancelled), ok(own))])
    assert outcome(read(script)) == {"a": "removed", "b": "b"}


@pytest.mark.parametrize(
    "error",
    [
        refusal(404, "MailboxNotEnabledForRESTAPI"),
        refusal(404, "ErrorInvalidUser"),
        refusal(403, "ErrorAccessDenied"),
        refusal(401, "InvalidAuthenticationToken"),
    ],
)
def test_a_mailbox_that_is_not_to_be_had_deletes_nothing(error: Reply) -> None:
    """Only ErrorItemNotFound means deleted; a mailbox without licence or permission raises and moves no cursor."""
    with pytest.raises((Refused, AuthRejected)):
        read(Script([rows(removed("a"), final="x"), batch_reply(error)]))


@pytest.mark.parametrize(
    ("final", "kind"),
    [(refusal(429, "TooManyRequests", {"Retry-After": "4"}), Throttled), (refusal(500, "x"), Unavailable),
     (refusal(404, ""), Unavailable)],
)  # fmt: skip
def test_failed_items_are_asked_for_again_and_never_count_as_removed(final: Reply, kind: type[Exception]) -> None:
    """Throttled and failed items are read again a few times, good ones are not; then the whole page is for later."""
    script = Script([rows(removed("a"), event("b"), final="x"), batch_reply(final, ok(event("b"))), batch_reply(final),
                     batch_reply(GONE)])  # fmt: skip
    assert outcome(read(script)) == {"a": "removed", "b": "b"}
    assert [len(call.body["requests"]) for call in script.calls[1:]] == [2, 1, 1]
    with pytest.raises(kind):
        read(Script([rows(removed("a"), final="x"), *[batch_reply(final)] * BATCH_ATTEMPTS]))


def test_an_item_left_out_of_a_batch_is_asked_for_again() -> None:
    """A batch answer may be short; what is missing is not gone."""
    script = Script([rows(removed("a"), final="x"), reply(200, {"responses": []}), batch_reply(ok(event("a")))])
    assert outcome(read(script)) == {"a": "a"}


def test_a_page_is_read_in_batches_of_twenty() -> None:
    """Graph takes twenty requests a batch."""
    found = [event(f"e{n}") for n in range(45)]
    batches = [batch_reply(*map(ok, found[n : n + 20])) for n in (0, 20, 40)]
    script = Script([rows(*found, final="x"), *batches])
    assert list(outcome(read(script))) == [f"e{n}" for n in range(45)]
    assert [len(call.body["requests"]) for call in script.calls[1:]] == [20, 20, 5]


def test_instances_beyond_the_horizon_are_left_for_later() -> None:
    """An instance that starts past the horizon costs no read and is counted; a single event so late is read."""
    late = {"dateTime": "2031-03-09T10:00:00.0000000", "timeZone": "UTC"}
    series = [event(kind, type=kind, seriesMasterId="m", start=late) for kind in ("occurrence", "exception")]
    script = Script([rows(*series, event("a", start=late), final="x"), batch_reply(ok(event("a")))])
    horizon = datetime(2030, 1, 1, tzinfo=UTC)
    page = read(script, reach=replace(REACH, series_until_utc=horizon))
    assert outcome(page) == {"a": "a"}
    assert page.skipped == 2


def test_a_series_that_is_sent_anew_names_its_instances() -> None:
    """The page says which instances came with their master, so that what vanished can be told; each instance is read
    with its series, and one whose series is gone is left to the series' removal."""
    master = event("m", type="seriesMaster", iCalUId="UID", recurrence=WEEKLY)
    here = event("o1", type="occurrence", seriesMasterId="m")
    orphan = event("o2", type="occurrence", seriesMasterId="gone")
    script = Script(
        [
            rows(master, here, orphan, final="x"),
            batch_reply(ok(master), ok(here), ok(orphan)),
            batch_reply(refusal(404, "ErrorItemNotFound")),
        ]
    )
    page = read(script)
    assert {key: sorted(found) for key, found in page.series.items()} == {"m": ["o1"]}
    items = {change.id: change.item for change in page.changes}
    assert set(items) == {"m", "o1"}
    assert items["o1"] is not None
    assert items["o1"].i_cal_uid == "UID"
    assert items["o1"].content.recurring == "Weekly on Mon, 4 times"
    assert page.skipped == 1


WEEKLY = {
    "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": ["monday"]},
    "range": {"type": "numbered", "startDate": "2026-03-09", "numberOfOccurrences": 4},
}


def test_what_cannot_be_read_is_handed_over_with_its_json() -> None:
    """No id, no times, an id Graph calls malformed: nothing is dropped, and the rest of the page goes on."""
    script = Script([
        rows({"subject": "no id"}, event("bad"), event("odd"), event("a"), final="x"),
        batch_reply(ok(event("bad", start=None)), refusal(400, "ErrorInvalidIdMalformed"), ok(event("a"))),
    ])  # fmt: skip
    page = read(script)
    assert outcome(page) == {"a": "a"}
    found = {(u.id, u.mailbox): (u.native, u.reason) for u in page.unreadable}
    assert found["", "m"] == ('{"subject":"no id"}', "The row has no id.")
    assert '"id":"bad"' in found["bad", "m"][0]
    assert found["odd", "m"] == ('{"id": "odd"}', "ErrorInvalidIdMalformed: About ErrorInvalidIdMalformed.")


def test_an_empty_page_goes_on() -> None:
    """A page may hold nothing and still have a nextLink, even the first."""
    page = read(Script([rows(following="2")]))
    assert (page.changes, page.is_last, page.position) == ((), False, 0)
    assert page.cursor.windows[0].link == f"{LINK}?$skiptoken=2"
    assert page.cursor.read_at == NOW
    page = read(Script([rows(final="x")]), page.cursor)
    assert page.is_last


@pytest.mark.parametrize(
    "broken",
    [
        reply(200, {"value": []}),
        reply(200, {"value": None, "@odata.deltaLink": LINK}),
        reply(200, {"@odata.deltaLink": LINK}),
        reply(200, []),
        Reply(200, {}, b""),
        Reply(200, {}, b"<html>"),
        Reply(200, {}, b'{"value": [{"id": "a"'),
        refusal(504, "UnknownError"),
        refusal(503, "ServiceUnavailable"),
        rows(following="x"),
    ],
)
def test_a_page_that_is_cut_off_moves_nothing(broken: Reply) -> None:
    """Without rows and a link there is no page: it raises, so the cursor stays and nothing counts as deleted."""
    cursor = replace(READ, windows=(replace(READ.windows[0], link=f"{LINK}?$skiptoken=x"),))
    with pytest.raises(Unavailable):
        read(Script([broken]), cursor)


def test_a_first_read_is_a_resync() -> None:
    """Nothing is known of a new mailbox, so ids that others may know have to be verified."""
    page = read(Script([EMPTY_LIST, rows(final="x")]), GraphCursor("m"))
    assert page.cursor.is_resync
    assert (page.cursor.wanted, page.cursor.windows[0].start_utc) == ("w1", REACH.start_utc)
    assert not finish_resync(page.cursor).is_resync


def test_a_dead_token_has_its_window_read_again() -> None:
    """410: the window is read from its start in the same step, nothing is removed, and the round is a resync."""
    begun = [EMPTY_LIST, rows(event("a"), following="2"), batch_reply(ok(event("a")))]
    script = Script([refusal(410, "SyncStateNotFound"), *begun])
    page = read(script)
    assert script.calls[2].params["startDateTime"] == "2026-01-01T00:00:00Z"
    assert page.cursor.is_resync
    assert not page.is_last
    assert outcome(page) == {"a": "a"}
    again = read(Script([rows(final="x")]), page.cursor)
    assert again.cursor.is_resync, "the mark outlives the crash that may come between two pages"


def test_a_fresh_token_that_dies_is_raised() -> None:
    """Twice in a row there is nothing left to do here; the caller starts over later."""
    script = Script([refusal(410, "SyncStateNotFound"), EMPTY_LIST, refusal(410, "SyncStateNotFound")])
    with pytest.raises(ResyncNeeded):
        read(script)
    again = restart(READ)
    assert (again.is_resync, again.windows[0].link) == (True, "")


def test_a_long_range_is_read_in_windows_one_after_the_other() -> None:
    """Graph takes 1825 days at a time: the windows join without gap, and the round ends with the last."""
    reach = replace(REACH, end_utc=REACH.start_utc + timedelta(days=25), window_days=10)
    cursor, position, starts = GraphCursor("m"), 0, []
    for number in range(3):
        script = Script([EMPTY_LIST, rows(final=f"d{number}")])
        page = read(script, cursor, reach, position)
        starts.append((script.calls[1].params["startDateTime"], script.calls[1].params["endDateTime"]))
        cursor, position = page.cursor, page.position
        assert page.is_last is (number == 2)
    assert starts == [
        ("2026-01-01T00:00:00Z", "2026-01-11T00:00:00Z"),
        ("2026-01-11T00:00:00Z", "2026-01-21T00:00:00Z"),
        ("2026-01-21T00:00:00Z", "2026-01-26T00:00:00Z"),
    ]
    assert position == 0
    assert [w.link for w in cursor.windows] == [f"{LINK}?$deltatoken=d{n}" for n in range(3)]


def test_an_end_that_moves_on_adds_a_window() -> None:
    """The windows that were read stay as they are; only the days beyond them are new."""
    longer = replace(REACH, end_utc=REACH.end_utc + timedelta(days=30))
    page = read(Script([rows(final="new")]), READ, longer)
    assert not page.is_last
    assert page.position == 1
    assert not page.cursor.is_resync
    script = Script([EMPTY_LIST, rows(final="more")])
    page = read(script, page.cursor, longer, page.position)
    assert script.calls[1].params["startDateTime"] == "2026-12-01T00:00:00Z"
    assert page.is_last


@pytest.mark.parametrize("change", [{"wanted": "w2"}, {"start_utc": REACH.start_utc - timedelta(days=1)}])
def test_other_settings_have_everything_read_again(change: dict[str, Any]) -> None:
    """Another fingerprint or start begins anew, from the first window, even in the middle of a round."""
    cursor = replace(READ, windows=(*READ.windows, *READ.windows))
    script = Script([EMPTY_LIST, rows(final="x")])
    page = read(script, cursor, replace(REACH, **change), position=1)
    assert "startDateTime" in script.calls[1].params
    assert page.cursor.is_resync
    assert len(page.cursor.windows) == 1


def test_an_empty_range_reads_nothing() -> None:
    """Zero years ahead is a setting: nothing is asked, and the round is over."""
    page = read(Script([]), GraphCursor("m"), replace(REACH, end_utc=REACH.start_utc))
    assert page.is_last
    assert page.changes == ()


def test_windows_cover_the_range_exactly() -> None:
    """No gap, no overlap, none wider than allowed, at the very ends of the calendar too."""
    start, end = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, tzinfo=UTC)
    windows = plan_windows(start, end, 1825)
    assert (windows[0].start_utc, windows[-1].end_utc) == (start, end)
    assert all(one.end_utc == other.start_utc for one, other in pairwise(windows))
    assert max(w.end_utc - w.start_utc for w in windows) <= timedelta(days=1825)
    assert plan_windows(end, start, 10) == ()


def test_missing_ids_are_read_one_by_one() -> None:
    """After a resync, an id that did not come again is a removal only when its address says so."""
    script = Script([batch_reply(GONE, ok(event("b")), refusal(400, "ErrorInvalidIdMalformed"))])
    found = run(verify_missing("m", ["a", "b", "c", "a"], now=NOW), script)
    assert {c.id: c.item is None for c in found.changes} == {"a": True, "b": False}
    assert [u.id for u in found.unreadable] == ["c"]


def test_nothing_missing_asks_nothing() -> None:
    """No ids, no request."""
    assert run(verify_missing("m", [], now=NOW), Script([])).changes == ()


def test_a_lost_answer_is_raised_and_moves_nothing() -> None:
    """A read has no effect, so losing its answer only means reading again."""
    for script in (Script([Unavailable("cut")]), Script([rows(event("a"), final="x"), Unavailable("cut")])):
        with pytest.raises(Unavailable):
            read(script)
