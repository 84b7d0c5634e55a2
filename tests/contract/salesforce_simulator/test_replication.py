"""The replication windows: getUpdated and getDeleted."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.salesforce_client import START, SalesforceClient, build_org, error_of, later

from simulators.salesforce.behaviour import Behaviour


def test_new_and_changed_records_are_updated_alike(org: SalesforceClient) -> None:
    """The window lists created and changed ids by SystemModstamp; deleted ones are left out."""
    old, new, gone = org.event(), "", ""
    org.clock.advance(600)
    new, gone = org.event(), org.event()
    org.delete(f"/sobjects/Event/{gone}")
    org.clock.advance(600)
    body = org.window("updated", later(minutes=5), later(minutes=15)).json()
    assert body == {"ids": [new], "latestDateCovered": "2026-05-20T12:15:00.000+0000"}
    org.patch(f"/sobjects/Event/{old}", {"Subject": "New"})
    org.clock.advance(60)
    assert org.window("updated", later(minutes=16), later(minutes=21)).json()["ids"] == [old]


def test_deleted_records_come_with_their_moment(org: SalesforceClient) -> None:
    """Each entry has id and deletedDate; the answer tells how far back and up to where it reaches."""
    key = org.event()
    org.clock.advance(77)
    org.delete(f"/sobjects/Event/{key}")
    org.clock.advance(120)
    assert org.window("deleted", later(minutes=-5), later(minutes=3)).json() == {
        "deletedRecords": [{"id": key, "deletedDate": "2026-05-20T12:01:17.000+0000"}],
        "earliestDateAvailable": "2026-05-05T12:03:17.000+0000",
        "latestDateCovered": "2026-05-20T12:03:00.000+0000",
    }


def test_an_undeleted_record_is_no_longer_deleted(org: SalesforceClient) -> None:
    """A restored record leaves the deleted list and joins the updated one."""
    key = org.event()
    org.delete(f"/sobjects/Event/{key}")
    org.clock.advance(60)
    org.simulator.undelete("Event", key)
    org.clock.advance(60)
    assert org.window("deleted", START - timedelta(minutes=5), later(minutes=2)).json()["deletedRecords"] == []
    assert org.window("updated", later(minutes=1), later(minutes=2)).json()["ids"] == [key]


@pytest.mark.honest("salesforce", 6)
def test_seconds_are_dropped_and_both_ends_count(org: SalesforceClient) -> None:
    """12:00:59 to 12:02:59 is read as 12:00:00 to 12:02:00, both included."""
    keys = []
    for wait in (0, 119, 1, 30):
        org.clock.advance(wait)
        keys.append(org.event())
    org.clock.advance(300)
    body = org.window("updated", later(seconds=59), later(minutes=2, seconds=59)).json()
    assert body == {"ids": keys[:3], "latestDateCovered": "2026-05-20T12:02:00.000+0000"}


def test_coverage_never_passes_the_present(org: SalesforceClient) -> None:
    """A window that ends in the future is covered up to the present minute only."""
    org.clock.advance(90)
    body = org.window("updated", START - timedelta(minutes=5), later(hours=1)).json()
    assert body["latestDateCovered"] == "2026-05-20T12:01:00.000+0000"


@pytest.mark.honest("salesforce", 6)
@pytest.mark.parametrize(
    ("which", "start", "end"),
    [
        ("updated", timedelta(days=-30, minutes=-1), timedelta()),
        ("deleted", timedelta(days=-15, minutes=-1), timedelta()),
        ("updated", timedelta(minutes=5), timedelta(minutes=5, seconds=59)),
        ("deleted", timedelta(minutes=5), timedelta(minutes=6)),
        ("updated", timedelta(minutes=7), timedelta(minutes=6)),
        ("deleted", timedelta(days=1), timedelta(days=2)),
    ],
)
def test_windows_have_limits(org: SalesforceClient, which: str, start: timedelta, end: timedelta) -> None:
    """Too far back, an end not after its start, and a start to come answer INVALID_REPLICATION_DATE."""
    org.clock.set(later(minutes=0))
    response = org.window(which, START + start, START + end)
    assert error_of(response)[:2] == (400, "INVALID_REPLICATION_DATE")


@pytest.mark.honest("salesforce", 6)
def test_thirty_and_fifteen_days_are_reached(org: SalesforceClient) -> None:
    """The limits themselves pass."""
    assert org.window("updated", START - timedelta(days=30), START).status == 200
    assert org.window("deleted", START - timedelta(days=15), START).status == 200


def test_a_time_that_is_none_is_refused(org: SalesforceClient) -> None:
    """What simple-salesforce makes of a naive datetime, and a missing parameter, are refused."""
    path = "/sobjects/Event/updated/?start=2026-05-20T10%3A00%3A&end=2026-05-20T11%3A00%3A00%2B00%3A00"
    assert error_of(org.get(path))[:2] == (400, "INVALID_REPLICATION_DATE")
    assert error_of(org.get("/sobjects/Event/updated/"))[:2] == (400, "MISSING_ARGUMENT")


@pytest.mark.honest("salesforce", 6)
def test_coverage_is_held_back_at_times() -> None:
    """With a long transaction the answer ends early, says so, and lists nothing after that."""
    org = build_org(behaviour=replace(Behaviour().calm(), replication_hold=0.5, replication_hold_s=180))
    for _ in range(10):
        org.event()
        org.clock.advance(60)
    ends = set()
    for _ in range(40):
        body = org.window("updated", START - timedelta(minutes=1), later(minutes=10)).json()
        minute = int(body["latestDateCovered"][14:16])
        ends.add(minute)
        assert len(body["ids"]) == min(10, minute + 1)
    assert ends == {7, 8, 9, 10}


@pytest.mark.honest("salesforce", 6)
def test_following_the_coverage_loses_nothing() -> None:
    """Taking latestDateCovered as the next start finds every change, however coverage lags."""
    org = build_org(behaviour=replace(Behaviour().calm(), replication_hold=0.6, replication_hold_s=240))
    made, seen, start = set(), set(), START - timedelta(minutes=1)
    for _ in range(60):
        made.add(org.event())
        org.clock.advance(47)
        now = org.clock.now()
        if now - start > timedelta(minutes=2):
            body = org.window("updated", start, now).json()
            seen |= set(body["ids"])
            start = start.fromisoformat(body["latestDateCovered"].replace("+0000", "+00:00"))
    org.clock.advance(600)
    while made - seen:
        body = org.window("updated", start, org.clock.now()).json()
        assert body["ids"], "coverage stands still"
        seen |= set(body["ids"])
        start = start.fromisoformat(body["latestDateCovered"].replace("+0000", "+00:00"))
    assert made <= seen


@pytest.mark.honest("salesforce", 6)
def test_the_delete_log_is_purged() -> None:
    """Above its limit the log loses its oldest entries at the two-hourly run, the last two hours apart."""
    org = build_org(behaviour=replace(Behaviour().calm(), delete_log_rows_max=2))
    keys = []
    for _ in range(4):
        keys.append(org.event())
        org.delete(f"/sobjects/Event/{keys[-1]}")
        org.clock.advance(60)

    def listed() -> list[str]:
        now = org.clock.now()
        body = org.window("deleted", START - timedelta(minutes=5), now).json()
        return [item["id"] for item in body["deletedRecords"]]

    assert listed() == keys
    org.clock.advance(3 * 3600)
    org.token = org.simulator.issue_token()
    assert listed() == keys[2:]
    body = org.window("deleted", START, org.clock.now()).json()
    assert body["earliestDateAvailable"] == "2026-05-20T12:01:00.000+0000"


def test_calendars_do_not_replicate(org: SalesforceClient) -> None:
    """An object without replication refuses the call."""
    response = org.window("updated", START - timedelta(minutes=5), START, "Calendar")
    assert error_of(response)[:2] == (400, "INVALID_TYPE_FOR_OPERATION")
