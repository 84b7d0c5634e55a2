"""Scenario *one meeting, many mailboxes*: three enabled users, read in every order: one Practifi event."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest
from support.scripted import EXTERNAL_ID, Story, day, guest, story, weekly

ORDERS = list(permutations(range(3)))


def read_in_order(firm: Story, order: tuple[int, ...]) -> None:
    """The mailboxes are looked at one after the other, and all that follows is done in between."""
    for number in order:
        firm.world.wake(firm.people[number].mailbox, "notification")
        while firm.world.advance():
            pass
    firm.settle()


@pytest.mark.rule("7.12")
@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("more", [{}, {"recurrence": weekly(day(7), 2)}], ids=["single", "series"])
def test_one_meeting_many_mailboxes_is_one_event(order: tuple[int, ...], more: dict[str, Any], firm: Story) -> None:
    """The organizer's copy leads, whichever is read first; the copies of the attendees are never written."""
    ann, bob, cleo = firm.people[:3]
    made = firm.make(ann, "Review", day(7), attendees=[guest(bob.address), guest(cleo.address)], **more)
    read_in_order(firm, order)
    dates = firm.dates(ann, made) if more else [firm.event(ann, made)]
    records = firm.records()
    assert [one[EXTERNAL_ID] for one in records] == [one["id"] for one in dates if one]
    assert {one["OwnerId"] for one in records} == {ann.salesforce_id}
    firm.edit(records[0]["Id"], Subject="Review, second half")
    written = [write for write in firm.settle() if write.side == "graph"]
    assert [(write.method, f"/users/{ann.mailbox}/" in write.target) for write in written] == [("PATCH", True)]
    assert len(firm.records()) == len(dates)


@pytest.mark.rule("10.5")
@pytest.mark.parametrize("order", ORDERS)
def test_one_meeting_many_mailboxes_of_an_outside_organizer(order: tuple[int, ...]) -> None:
    """Nobody of the firm organizes it: one copy leads, one Practifi event stands for all, and nothing goes out."""
    with story(seed=2) as firm:
        outsider = {"emailAddress": {"address": "olga@elsewhere.example", "name": "Olga"}}
        for person in firm.people[:3]:
            invited = [{**guest(one.address), "status": {"response": "none"}} for one in firm.people[:3]]
            event = {"subject": "Audit", "start": {"dateTime": "2026-03-10T09:00:00", "timeZone": "UTC"},
                     "end": {"dateTime": "2026-03-10T10:00:00", "timeZone": "UTC"}, "organizer": outsider,
                     "iCalUId": "outside-1", "attendees": invited}  # fmt: skip
            firm.world.services.graph_simulator.add_event(person.mailbox, event)
        read_in_order(firm, order)
        assert len(firm.records("Audit")) == 1
        firm.edit(firm.records("Audit")[0]["Id"], Subject="Audit, moved")
        assert [write for write in firm.settle() if write.side == "graph"] == []
        assert "not_organizer" in firm.reasons()
