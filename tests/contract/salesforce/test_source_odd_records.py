"""Records that are no ordinary events: unreadable ones, and links of another kind."""

from __future__ import annotations

from dataclasses import replace

from support.salesforce_driver import NAMES, Poller, Send, build_lasting, calls_to, told

from connectors.exchange import Call, Reply, run
from connectors.salesforce.source import poll_page
from schemas.cursors import SalesforceCursor
from simulators.salesforce.behaviour import Behaviour
from simulators.salesforce.org import Org

CALM = Behaviour().calm()
ROUGH = Behaviour().rough()


def test_what_cannot_be_read_is_set_aside_and_hides_nothing() -> None:
    """A record that makes no sense goes to quarantine as it was read; the page goes on."""
    org = build_lasting()
    org.event(Subject="good")
    bad = org.event(Subject="bad")
    page = run(poll_page(SalesforceCursor("Event"), NAMES, now=org.clock.now(), overlap_s=120), broken(calls_to(org)))
    assert told(page.changes) == [("poll", "good")]
    (unreadable,) = page.unreadable
    assert unreadable.id == bad
    assert '"bad"' in unreadable.native
    assert unreadable.reason == "no readable Event: ValueError"


def broken(send: Send) -> Send:
    """A way on which the event of subject `bad` has no start that can be read."""

    def through(call: Call) -> Reply:
        answer = send(call)
        body = answer.body.decode()
        before, found, after = body.partition('"Subject":"bad"')
        if found:
            head, key, tail = after.partition('"StartDateTime":"')
            after = head + key + "soon" + tail[len("2026-05-21T10:00:00.000+0000") :]
        return Reply(answer.status, answer.headers, (before + found + after).encode())

    return through


def test_shared_activities_link_rows_are_no_attendees() -> None:
    """Where a relation may also say whom an event is about, only those invited are attendees."""
    org = build_lasting(Org(shared_activities=True))
    event = org.event()
    link = {"EventId": event, "RelationId": org.ids["contact"], "IsParent": True, "IsWhat": False, "IsInvitee": False}
    org.create("EventRelation", link)
    org.create("EventRelation", {"EventId": event, "RelationId": org.ids["other_contact"]})
    names = replace(NAMES, invitee="IsInvitee")
    (change,) = Poller(org, names).poll()
    assert [a.record_id for a in change.item.content.attendees] == [org.ids["other_contact"]]
