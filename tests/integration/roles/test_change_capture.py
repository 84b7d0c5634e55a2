"""Change data capture on real Kafka: a source killed in the middle of a burst, an import, a lost place."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from support.running import Running

from concord.comparison import INVITES
from schemas.changes import Change, Wakeup
from schemas.topics import SALESFORCE_CHANGES, SALESFORCE_WAKEUPS

pytestmark = pytest.mark.broker

SOURCE = "source-salesforce"


def told_of(firm: Running, record_id: str) -> list[Change]:
    """What stands on the log of a record, as sources told it."""
    changes = firm.decoded(Change, SALESFORCE_CHANGES)
    return [change for change in changes if change.id == record_id and change.cause != "write"]


def event_there(firm: Running, record_id: str) -> Any:
    """The Microsoft 365 id that a record carries, None before it went out."""
    return (firm.practifi.get(record_id) or {}).get("practifi__External_ID__c")


@pytest.mark.long
def test_a_source_killed_in_a_burst_loses_and_doubles_nothing(firm: Running) -> None:
    """SIGKILL twice while people save; every save goes out once, as saved in the user interface."""
    adviser, day = firm.users[2], firm.a_free_day()
    made = []
    for number in range(30):
        start = day + timedelta(minutes=number)
        made.append(firm.practifi.create(firm.entry(f"Burst {number}", start, adviser)))
        if number in {9, 19}:
            firm.env.roles.kill(SOURCE)
    events = [firm.event_of(adviser, record_id, subject=f"Burst {n}") for n, record_id in enumerate(made)]
    assert len({event["id"] for event in events}) == len(made)
    for number, record_id in enumerate(made[::3]):
        firm.practifi.edit(record_id, {"Subject": f"Moved {number}"})
    firm.env.roles.kill(SOURCE)
    for number, record_id in enumerate(made[::3]):
        firm.event_of(adviser, record_id, subject=f"Moved {number}")
    firm.settle()
    firm.assert_no_duplicates()
    reasons = Counter(wakeup.reason for wakeup in firm.decoded(Wakeup, SALESFORCE_WAKEUPS) if wakeup.topic)
    assert reasons["events"] > 0


def test_an_import_is_held_and_a_save_by_hand_lets_it_out(firm: Running) -> None:
    """No field of the org says how a record was saved here: only its change events do."""
    adviser, day = firm.users[2], firm.a_free_day()
    sims = firm.env.simulators
    entry = {**firm.entry("Imported", day, adviser)}

    def insert() -> str:
        made = sims.salesforce.insert("Event", entry)
        sims.bus.tick()
        return str(made)

    imported = sims.on_salesforce(insert)
    firm.until(lambda: told_of(firm, imported), "the import on the log")
    firm.settle()
    assert event_there(firm, imported) is None
    assert firm.pairs()[f"s:{imported}"].reason == "imported"
    firm.practifi.edit(imported, {"Subject": "Taken up"})
    firm.event_of(adviser, imported, subject="Taken up")
    assert told_of(firm, imported)[-1].origin.rstrip("/").endswith("client=SfdcInternalAPI")


def test_a_lost_place_loses_and_deletes_nothing(firm: Running) -> None:
    """The org moves while the source is away: what changed meanwhile, and what was deleted, is found by polling."""
    adviser, day = firm.users[2], firm.a_free_day()
    kept = firm.practifi.create(firm.entry("Kept", day, adviser))
    gone = firm.practifi.create(firm.entry("Gone", day + timedelta(hours=1), adviser))
    firm.event_of(adviser, kept, subject="Kept")
    event = firm.event_of(adviser, gone, subject="Gone")
    firm.control("salesforce", "pubsub-restart")
    firm.practifi.edit(kept, {"Subject": "While nobody listened"})
    firm.practifi.delete(gone)
    firm.until(lambda: firm.outlook.get(adviser.address, event["id"]) is None, "the deletion")
    firm.until(
        lambda: any(one.reason == "lost" for one in firm.decoded(Wakeup, SALESFORCE_WAKEUPS)), "the loss of the place"
    )
    later = firm.practifi.create(firm.entry("Later", day + timedelta(hours=2), adviser))
    firm.event_of(adviser, later, subject="Later")
    firm.practifi.edit(kept, {"Subject": "Heard again"})
    firm.event_of(adviser, kept, subject="Heard again")
    firm.settle()
    firm.assert_no_duplicates()


def test_attendees_that_are_saved_one_by_one_behind_a_new_event_go_out_with_it(firm: Running) -> None:
    """Attendees alone send nothing (rule 7.6), so a new event is not read before they can be there."""
    adviser, day = firm.users[2], firm.a_free_day()
    entry = {**firm.entry("One by one", day, adviser), INVITES: True}
    record_id = firm.practifi.create(entry)
    firm.practifi.invite(record_id, tuple(person[0] for person in firm.people[:3]))
    event = firm.event_of(adviser, record_id, subject="One by one")
    invited = {attendee["emailAddress"]["address"].lower() for attendee in event["attendees"]}
    assert invited == {person[2].lower() for person in firm.people[:3]}
