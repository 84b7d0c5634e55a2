"""Scenario *small edits*: a save that changes nothing that is carried writes nothing to Microsoft 365; an edit of one
field writes that field and nothing else."""

from __future__ import annotations

from typing import Any

import pytest
from simulation.transport import Write
from support.scripted import STATUS, Story, day, guest


def to_graph(writes: list[Write]) -> list[Write]:
    """Those of these writes that went to Microsoft 365."""
    return [write for write in writes if write.side == "graph"]


def settled_pair(firm: Story) -> tuple[str, str]:
    """A meeting made in Outlook with a client, in both calendars: its ids there and in Practifi."""
    made = firm.make(firm.people[0], "Review", day(7), attendees=[guest(firm.clients[0].address)])
    firm.settle()
    return made, firm.records("Review")[0]["Id"]


@pytest.mark.rule("7.5", "7.21")
@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"Subject": "Review"},
        {"ShowAs": "Free"},
        {STATUS: "Synced"},
        {STATUS: "Not Synced"},
        {"Subject": "Review", "IsPrivate": False, "Location": None},
    ],
    ids=["no-op save", "same value", "unmapped field", "status again", "status reset", "re-save by a flow"],
)
def test_small_edits_of_practifi_write_nothing_to_microsoft(firm: Story, fields: dict[str, Any]) -> None:
    """No PATCH, no mail, however often it is saved."""
    _, record = settled_pair(firm)
    for _ in range(3):
        firm.edit(record, **fields)
        assert to_graph(firm.settle()) == []
    assert firm.mails() == []
    assert firm.records("Review")[0][STATUS] == "Synced"


@pytest.mark.rule("7.4")
@pytest.mark.parametrize("origin", ["api", "bulk"])
def test_small_edits_by_other_software_write_nothing_to_microsoft(firm: Story, origin: str) -> None:
    """What a program or an import changes stays in Practifi until somebody saves the event by hand."""
    made, record = settled_pair(firm)
    firm.world.diary.origin = origin
    firm.edit(record, Location="By software")
    assert to_graph(firm.settle()) == []
    firm.world.diary.origin = "ui"
    firm.edit(record, Description="By hand")
    (write,) = to_graph(firm.settle())
    assert set(firm.ending().commands[write.command_id].fields) == {"location", "body"}
    event = firm.event(firm.people[0], made)
    assert event is not None
    assert event["location"]["displayName"] == "By software"


@pytest.mark.rule("7.5")
@pytest.mark.parametrize(
    ("fields", "group"),
    [
        ({"Subject": "Annual review"}, "subject"),
        ({"Location": "Room 2"}, "location"),
        ({"Description": "Agenda"}, "body"),
        ({"practifi__Show_Time_As__c": "Free"}, "show_as"),
    ],
)
def test_small_edits_of_one_field_write_that_field_alone(firm: Story, fields: dict[str, Any], group: str) -> None:
    """Exactly one PATCH with only that property; the attendee is told at most once, as predicted."""
    _, record = settled_pair(firm)
    firm.edit(record, **fields)
    (write,) = to_graph(firm.settle())
    command = firm.ending().commands[write.command_id]
    assert (write.method, command.fields) == ("PATCH", (group,))
    assert [(str(mail.kind), mail.address) for mail in command.mails] == firm.mails()
    assert firm.settle() == []


@pytest.mark.rule("7.4")
def test_small_edits_do_not_begin_with_an_import_of_500_events(firm: Story) -> None:
    """A batch with clients and invitations ticked: nothing goes out, nobody is mailed, each event says why."""
    firm.world.diary.origin = "bulk"
    client = firm.clients[0].contact_id
    for number in range(500):
        record = firm.save(
            firm.people[0], f"Import {number}", day(7 + number % 60, hour=8 + number % 9),
            practifi__Send_Invitations_to_Attendees__c=True,
        )  # fmt: skip
        if number % 10 == 0:
            firm.invite(record, client)
    assert to_graph(firm.settle()) == []
    assert firm.mails() == []
    assert firm.counts() == (0, 500)
    assert firm.reasons() == {"imported"}
