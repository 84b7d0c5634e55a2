"""Scenario *enable*: users who have long worked in Practifi are enabled, and none of their clients hears of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.scripted import INVITES, Story, day, story

from schemas.settings import Direction

EVENTS = 500


def enable(firm: Story, number: int) -> None:
    """An administrator enables one user, as the command line does."""
    assert firm.world.switch_user(firm.people[number].mailbox).endswith("is enabled")


@pytest.mark.rule("7.5")
def test_enable_500_existing_events_writes_nothing_to_microsoft_and_mails_nobody() -> None:
    """Past and future, with outside attendees and Send Invitations ticked. Two-way is switched on for the first user,
    then for the second. Only the next save of an event sends it, and mails its attendees alone."""
    with story(direction=Direction.MICROSOFT_TO_PRACTIFI) as firm:
        users = tuple(replace(one, is_enabled=False, outbound_since=None) for one in firm.world.settings.users)
        firm.rule(users=users, invitation_limit_per_hour=0)
        ids = []
        for number in range(EVENTS):
            owner = firm.people[number % 2]
            record_id = firm.save(owner, f"Review {number}", day(number % 120 - 60, 7 + number % 9), **{INVITES: True})
            firm.invite(record_id, firm.clients[number % len(firm.clients)].contact_id)
            ids.append(record_id)
        firm.settle()
        firm.world.change_setting("direction", "two_way")
        for number in range(2):
            enable(firm, number)
            written = firm.settle()
            assert [one for one in written if one.side == "graph"] == []
        firm.pass_time(days=1)
        assert [one for one in firm.settle() if one.side == "graph"] == []
        assert (firm.mails(), firm.counts()) == ([], (0, EVENTS))
        ahead = next(one for one in firm.records("Review") if one["StartDateTime"] > f"{day(2):%Y-%m-%d}")
        firm.edit(ahead["Id"], Subject="Saved again")
        written = [one for one in firm.settle() if one.side == "graph"]
        client = firm.clients[int(ahead["Subject"].split()[1]) % len(firm.clients)]
        assert [one.mails for one in written if one.mails] == [written[0].mails]
        assert firm.mails() == [("invite", client.address)]


def test_enable_again_after_disabling_sends_nothing() -> None:
    """Product facts §10.7: it goes on from what is stored; what was saved meanwhile goes out when it is saved again."""
    with story() as firm:
        ann = firm.people[0]
        record_id = firm.save(ann, "Call", day(9), **{INVITES: True})
        firm.settle()
        firm.world.switch_user(ann.mailbox)
        firm.edit(record_id, Location="Room 9")
        firm.save(ann, "Made while disabled", day(10), **{INVITES: True})
        firm.settle()
        enable(firm, 0)
        assert [one for one in firm.settle() if one.side == "graph"] == []
        firm.edit(record_id, Location="Room 10")
        firm.settle()
        events = firm.world.outlook.events(ann.mailbox)
        assert [(one["subject"], one["location"]["displayName"]) for one in events] == [("Call", "Room 10")]
