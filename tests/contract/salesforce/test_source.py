"""Polling the Salesforce simulator: everything once, in whatever pages, and nothing lost when a poll breaks off."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.graph_driver import LossyWire
from support.salesforce_client import START, SalesforceClient, later
from support.salesforce_driver import NAMES, Poller, Recorded, build_lasting, calls_to, told

from connectors.exchange import Reply, run
from connectors.salesforce import source
from connectors.salesforce.source import poll_page, read_items, verify_missing
from schemas.changes import Change
from schemas.errors import AuthRejected, Throttled, Unavailable
from simulators.salesforce.behaviour import Behaviour

CALM = Behaviour().calm()
ROUGH = Behaviour().rough()


@pytest.fixture(params=[CALM, ROUGH, replace(ROUGH, relation_touches_event=True)], ids=["calm", "rough", "touching"])
def org(request: pytest.FixtureRequest) -> SalesforceClient:
    """An org that pages and lags in different ways."""
    return build_lasting(behaviour=request.param)


def subjects(changes: list[Change]) -> list[str]:
    """What was sent, without how often its pages came."""
    return sorted(subject for _, subject in told(changes))


def test_the_first_poll_reads_everything_once_and_the_next_nothing(org: SalesforceClient) -> None:
    """Every event comes once, however many pages that takes, and invitees' copies never."""
    for number in range(30):
        event = org.event(Subject=f"e{number:02}")
        org.create("EventRelation", {"EventId": event, "RelationId": org.ids["bob"]})
    poller = Poller(org)
    assert subjects(poller.poll()) == [f"e{number:02}" for number in range(30)]
    assert poller.pages == (1 if org.simulator.behaviour.page_rows == 2000 else 5)
    assert poller.poll() == []
    assert [poller.wait_and_poll(30) for _ in range(6)] == [[]] * 6


def test_an_edit_comes_with_the_item_as_it_is(org: SalesforceClient) -> None:
    """A change carries the record, its people, where it came from, and the JSON as read."""
    event = org.event(Subject="One", OwnerId=org.ids["ada"])
    org.event(Subject="Other")
    poller = Poller(org)
    poller.poll()
    org.clock.advance(3600)
    org.simulator.update("Event", event, {"Subject": "Two", "Location": "Here"})
    org.create("EventRelation", {"EventId": event, "RelationId": org.ids["contact"], "Status": "Declined"})
    (change,) = poller.wait_and_poll(5)
    assert change.item == run(read_items([event], NAMES), calls_to(org))[event]
    assert (change.id, change.cause, change.item.content.subject) == (event, "poll", "Two")
    assert change.observed_at == org.clock.now()
    assert '"Subject": "Two"' in change.native
    assert poller.wait_and_poll() == []


def test_the_overlap_is_not_sent_twice_but_its_edits_are(org: SalesforceClient) -> None:
    """Within the overlap every row is read again; only what differs from what was sent is sent."""
    event = org.event(Subject="a")
    poller = Poller(org)
    assert told(poller.poll()) == [("poll", "a")]
    for text in ("b", "c", "d"):
        org.simulator.update("Event", event, {"Subject": text})  # under the very same second
        assert told(poller.wait_and_poll(0)) == [("poll", text)]
        assert poller.poll() == []


def test_a_late_commit_under_an_old_stamp_is_found(org: SalesforceClient) -> None:
    """A transaction that began before the last poll and ended after it lies inside the overlap."""
    org.event(Subject="early")
    poller = Poller(org)
    poller.wait_and_poll(600)
    fields = {"Subject": "late", "StartDateTime": "2026-06-01T10:00:00Z", "DurationInMinutes": 30}
    org.simulator.insert("Event", fields, created=org.clock.now() - timedelta(seconds=100))
    assert told(poller.wait_and_poll(5)) == [("poll", "late")]


def add(org: SalesforceClient, event: str) -> str:
    """Invite the contact."""
    return org.create("EventRelation", {"EventId": event, "RelationId": org.ids["contact"]})


def test_changed_attendees_alone_are_told_once(org: SalesforceClient) -> None:
    """Inviting, answering and taking off do not touch the event, and are seen all the same; each once."""
    event = org.event(Subject="Old")
    poller = Poller(org)
    poller.wait_and_poll(86_400)
    relation = add(org, event)
    (change,) = poller.wait_and_poll(5)
    assert [a.record_id for a in change.item.content.attendees] == [org.ids["contact"]]
    assert change.cause == ("poll" if org.simulator.behaviour.relation_touches_event else "attendees")
    assert [poller.wait_and_poll(50) for _ in range(5)] == [[]] * 5
    org.patch(f"/sobjects/EventRelation/{relation}", {"Status": "Accepted"})
    (change,) = poller.wait_and_poll(5)
    assert [a.response for a in change.item.content.attendees] == ["accepted"]
    org.delete(f"/sobjects/EventRelation/{relation}")
    (change,) = poller.wait_and_poll(5)
    assert change.item.content.attendees == ()
    assert [poller.wait_and_poll(50) for _ in range(5)] == [[]] * 5


def test_attendees_changed_before_a_poll_of_many_pages_are_told(org: SalesforceClient) -> None:
    """They are asked for from where the last poll ended, not from where the last page did."""
    event = org.event(Subject="Old")
    poller = Poller(org)
    poller.wait_and_poll(86_400)
    relation = add(org, event)
    org.delete(f"/sobjects/EventRelation/{relation}")
    add(org, event)
    for minute in range(20):
        org.clock.advance(300)
        org.event(Subject=f"e{minute:02}")
    changes = poller.wait_and_poll(5)
    assert subjects(changes) == sorted(["Old", *(f"e{minute:02}" for minute in range(20))])


def test_a_deletion_is_told_at_once_and_once(org: SalesforceClient) -> None:
    """The row itself says that it is deleted; the deletion log, a minute behind, adds nothing."""
    kept, gone = org.event(Subject="kept"), org.event(Subject="gone")
    for event in (kept, gone):
        org.create("EventRelation", {"EventId": event, "RelationId": org.ids["bob"]})
    poller = Poller(org)
    poller.wait_and_poll(600)
    org.simulator.delete("Event", gone)
    assert told(poller.wait_and_poll(1)) == [("deletion", gone)]
    assert [poller.wait_and_poll(40) for _ in range(10)] == [[]] * 10


def purge(org: SalesforceClient, event: str) -> None:
    """Remove a record from the Recycle Bin; only the deletion log remembers it."""
    org.simulator._records.store.tables["Event"].remove(event)
    org.simulator._records.store.row = lambda table, key, inner=org.simulator._records.store.row: (  # type: ignore[method-assign]
        {"IsDeleted": True} if key == event and inner(table, key) is None else inner(table, key)
    )


def test_a_record_deleted_and_purged_between_polls_is_told(org: SalesforceClient) -> None:
    """No query shows it any more; the deletion log does, and a direct read confirms it."""
    event = org.event(Subject="gone")
    poller = Poller(org)
    poller.wait_and_poll(600)
    org.simulator.delete("Event", event)
    purge(org, event)
    changes = [change for _ in range(8) for change in poller.wait_and_poll(60)]
    assert told(changes) == [("deletion", event)]


def test_what_was_restored_before_the_poll_is_no_deletion(org: SalesforceClient) -> None:
    """The log may name it, a direct read finds it alive."""
    event = org.event(Subject="back")
    poller = Poller(org)
    poller.wait_and_poll(600)
    org.simulator.delete("Event", event)
    org.clock.advance(30)
    org.simulator.undelete("Event", event)
    assert told(poller.wait_and_poll(1)) == [("poll", "back")]
    assert [poller.wait_and_poll(60) for _ in range(8)] == [[]] * 8


def test_deleted_restored_and_deleted_again_is_told_each_time(org: SalesforceClient) -> None:
    """Each poll tells the state it met."""
    event = org.event(Subject="again")
    poller = Poller(org)
    poller.wait_and_poll(600)
    for _ in range(3):
        org.simulator.delete("Event", event)
        assert told(poller.wait_and_poll(5)) == [("deletion", event)]
        org.simulator.undelete("Event", event)
        assert told(poller.wait_and_poll(5)) == [("poll", "again")]
    org.simulator.delete("Event", event)
    assert told(poller.wait_and_poll(5)) == [("deletion", event)]
    assert [poller.wait_and_poll(60) for _ in range(8)] == [[]] * 8


def test_an_invitees_copy_is_nobodys_event(org: SalesforceClient) -> None:
    """Copies come and go with their relation; neither they nor their deletion is told."""
    event = org.event(Subject="parent")
    relation = org.create("EventRelation", {"EventId": event, "RelationId": org.ids["bob"]})
    poller = Poller(org)
    poller.wait_and_poll(600)
    org.delete(f"/sobjects/EventRelation/{relation}")
    changes = [change for _ in range(8) for change in poller.wait_and_poll(60)]
    assert {change.id for change in changes} == {event}
    assert all(change.item is not None for change in changes)


def test_the_archive_is_left_alone_when_everything_is_read_again(org: SalesforceClient) -> None:
    """Settings changed: the same events come as at first."""
    event = org.event(Subject="old")
    org.event(Subject="new")
    poller = Poller(org)
    assert len(poller.poll()) == 2
    org.simulator.update("Event", event, {"IsArchived": True}, origin="system")
    poller.wait_and_poll(3600)
    poller.wanted = "other"
    assert told(poller.wait_and_poll(3600)) == [("poll", "new")]


def test_where_a_record_came_from_is_told_if_the_org_says_it(org: SalesforceClient) -> None:
    """From a field that the org names."""
    org.event(practifi__Recurring_in_Microsoft_365__c="import")
    names = replace(NAMES, recurring="", origin="practifi__Recurring_in_Microsoft_365__c")
    assert [change.origin for change in Poller(org, names).poll()] == ["import"]
    assert [change.origin for change in Poller(org).poll()] == [""]


def test_a_gap_in_the_deletion_log_asks_for_every_known_event(org: SalesforceClient) -> None:
    """After more than the log keeps, each id known is asked for; only what two reads do not find is removed."""
    kept, archived, gone = (org.event(Subject=name) for name in ("kept", "archived", "gone"))
    poller = Poller(org)
    poller.wait_and_poll(600)
    org.simulator.delete("Event", gone)
    purge(org, gone)
    org.simulator.update("Event", archived, {"IsArchived": True}, origin="system")
    org.clock.advance(20 * 86_400)
    page = run(poll_page(poller.cursor, NAMES, now=org.clock.now(), overlap_s=120), calls_to(org))
    assert page.needs_full_read
    changes = run(verify_missing([kept, archived, gone], now=org.clock.now()), calls_to(org))
    assert [(change.id, change.item, change.cause) for change in changes] == [(gone, None, "deletion")]
    following = run(poll_page(page.cursor, NAMES, now=org.clock.now(), overlap_s=120), calls_to(org))
    assert not following.needs_full_read


def test_a_purged_log_asks_for_every_known_event() -> None:
    """The log drops its oldest entries when it is full, and says so."""
    org = build_lasting(behaviour=replace(CALM, delete_log_rows_max=2))
    poller = Poller(org)
    poller.wait_and_poll(60)
    for number in range(5):
        org.simulator.delete("Event", org.event(Subject=f"e{number}"))
        org.clock.advance(60)
    org.clock.advance(3 * 3600)
    page = run(poll_page(poller.cursor, NAMES, now=org.clock.now(), overlap_s=120), calls_to(org))
    assert page.needs_full_read


def test_nothing_is_removed_because_a_read_was_refused() -> None:
    """No access, no answer, too many requests: verifying breaks off."""
    org = build_lasting()
    event = org.event()
    for answer in (
        Reply(403, {}, b'[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]'),
        Reply(502, {}, b"<html>"),
        Reply(400, {}, b'[{"errorCode":"INVALID_TYPE","message":"sObject type Event is not supported."}]'),
    ):
        with pytest.raises((Throttled, Unavailable, AuthRejected)):
            run(verify_missing([event], now=START), lambda _, answer=answer: answer)


def test_settings_that_decide_what_is_read_read_it_all_again(org: SalesforceClient) -> None:
    """A changed fingerprint starts over; deletions since are not forgotten meanwhile."""
    kept, gone = org.event(Subject="kept"), org.event(Subject="gone")
    poller = Poller(org)
    poller.wait_and_poll(86_400)
    org.simulator.delete("Event", gone)
    poller.wanted = "other"
    changes = [change for _ in range(4) for change in poller.wait_and_poll(90)]
    assert sorted(told(changes)) == [("deletion", gone), ("poll", "kept")]
    assert kept in {change.id for change in changes}


def test_a_poll_costs_one_request_when_nothing_happened() -> None:
    """Deletions, events and attendees are asked for together; what changed costs one more."""
    org = build_lasting()
    event = org.event()
    poller = Poller(org)
    wire = Recorded(calls_to(org))
    poller.poll(wire)
    assert len(wire.calls) == 2
    org.clock.advance(3600)
    poller.poll()
    before = org.simulator.calls_used
    poller.wait_and_poll()
    assert org.simulator.calls_used - before == 1
    org.simulator.update("Event", event, {"Subject": "x"})
    poller.wait_and_poll()
    assert org.simulator.calls_used - before == 3


@pytest.mark.parametrize("how", ["before", "after", "gone"])
def test_a_lost_answer_leaves_the_cursor_as_it_was(how: str) -> None:
    """The poll raises and is done again."""
    org = build_lasting(behaviour=ROUGH)
    for number in range(10):
        org.event(Subject=f"e{number}")
    for number in range(3):
        poller = Poller(org)
        with pytest.raises(Unavailable):
            poller.poll(LossyWire(calls_to(org), {number: how}))
        assert len(poller.poll()) in {3, 10}


def test_a_full_memory_of_the_overlap_sends_again_but_stays_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """A mass import must not make the cursor too large for the log."""
    monkeypatch.setattr(source, "RECENT_MAX", 10)
    org = build_lasting(behaviour=CALM)
    for number in range(30):
        org.event(Subject=f"e{number}")
    poller = Poller(org)
    assert len(poller.poll()) == 30
    assert len(poller.cursor.recent) == 10
    assert len(poller.poll()) == 20


def test_archived_events_are_not_read_first_but_their_edits_are_told(org: SalesforceClient) -> None:
    """A first read leaves the archive alone; who edits an archived event later means it."""
    event = org.event(Subject="old")
    org.simulator.update("Event", event, {"IsArchived": True}, origin="system")
    poller = Poller(org)
    assert poller.wait_and_poll(3600) == []
    org.simulator.update("Event", event, {"Subject": "older"})
    assert told(poller.wait_and_poll(5)) == [("poll", "older")]


def test_an_inactive_owner_hides_nothing(org: SalesforceClient) -> None:
    """Events of somebody who left are read, edited and deleted as before."""
    event = org.event(Subject="left", OwnerId=org.ids["bob"])
    org.simulator.update("User", org.ids["bob"], {"IsActive": False})
    poller = Poller(org)
    (change,) = poller.poll()
    assert change.item.content.owner_id == org.ids["bob"]
    org.clock.advance(600)
    org.simulator.delete("Event", event)
    assert told(poller.wait_and_poll(5)) == [("deletion", event)]


def test_times_do_not_depend_on_who_asks() -> None:
    """A user's zone shows in the browser only."""
    org = build_lasting()
    org.simulator.update("User", org.simulator.integration_user_id, {"TimeZoneSidKey": "Australia/Sydney"})
    org.event(StartDateTime="2026-05-21T23:30:00+10:00", EndDateTime="2026-05-22T00:30:00+10:00")
    (change,) = Poller(org).poll()
    assert change.item.content.span.start_utc == later(days=1, hours=1, minutes=30)
