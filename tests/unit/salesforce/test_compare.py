"""What a record holds, compared with what a command wants and with what it was decided on."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from connectors.salesforce.compare import is_done, is_overtaken, was_edited
from connectors.salesforce.fields import FieldNames
from schemas.calendar import Attendee, AttendeeKind, CalendarEvent, Response, Sensitivity, ShowAs, TimeSpan
from schemas.changes import Item, Side
from schemas.commands import Action, Command
from schemas.groups import ALL, MARKS

NAMES = FieldNames()
START = datetime(2026, 5, 20, 14, tzinfo=UTC)
ADA, BOB, CLEO, CONTACT = (key.ljust(18, "0") for key in ("005Ada", "005Bob", "005Cleo", "003Contact"))


def person(record_id: str, response: Response = Response.NONE) -> Attendee:
    """Somebody invited."""
    return Attendee("", record_id=record_id, response=response)


def room(record_id: str) -> Attendee:
    """A Resource Calendar."""
    return Attendee("", kind=AttendeeKind.RESOURCE, record_id=record_id)


BASIS = CalendarEvent(
    TimeSpan(START, START + timedelta(hours=1)), "Review", "Body", "Room", ShowAs.BUSY, Sensitivity.NORMAL, 15,
    (person(BOB), person(CONTACT, Response.ACCEPTED)), None, ADA, False, "Synced", "AAMk", "Every day",
)  # fmt: skip
OTHER: dict[str, dict[str, Any]] = {
    "time": {"span": TimeSpan(START, START + timedelta(hours=2))},
    "subject": {"subject": "New"},
    "body": {"body": "New"},
    "location": {"location": "New"},
    "show_as": {"show_as": ShowAs.FREE},
    "privacy": {"sensitivity": Sensitivity.PRIVATE},
    "reminder": {"reminder_minutes": None},
    "people": {"attendees": (person(BOB),)},
    "owner": {"owner_id": CLEO},
    "recurring": {"recurring": ""},
    "teams": {"is_teams": True},
    "rooms": {"rooms": (room("023Banksia"),)},
    "join_url": {"join_url": "https://teams.example/1"},
    "marks": {"sync_status": "Error"},
}
THIRD: dict[str, dict[str, Any]] = {
    "time": {"span": TimeSpan(START, START + timedelta(hours=3))},
    "subject": {"subject": "Third"},
    "body": {"body": "Third"},
    "location": {"location": "Third"},
    "show_as": {"show_as": ShowAs.TENTATIVE},
    "reminder": {"reminder_minutes": 1},
    "people": {"attendees": (person(BOB), person(CLEO))},
    "owner": {"owner_id": BOB},
    "recurring": {"recurring": "Third"},
    "rooms": {"rooms": (room("023Wattle"),)},
}


def item(content: CalendarEvent, sync_key: str = "key") -> Item:
    """A record that holds this."""
    return Item(Side.SALESFORCE, "00U", "v", START, START, content, sync_key=sync_key)


def command(content: CalendarEvent, *groups: str, basis: CalendarEvent | None = BASIS) -> Command:
    """An update, or a create without a basis."""
    action = Action.CREATE if basis is None else Action.UPDATE
    return Command(
        "key#1", "key", Side.SALESFORCE, action, START, 1, fields=groups or ALL, content=content, basis=basis
    )


@pytest.mark.parametrize("group", ALL)
def test_a_group_is_done_when_the_record_holds_it(group: str) -> None:
    """And only then; the sync key is a part of the marks."""
    wanted = replace(BASIS, **OTHER[group])
    assert not is_done(item(BASIS), command(wanted), group, NAMES)
    assert is_done(item(wanted), command(wanted), group, NAMES)
    assert all(is_done(item(BASIS), command(wanted), other, NAMES) for other in ALL if other not in {group, "people"})
    assert is_done(item(wanted, sync_key=""), command(wanted), group, NAMES) is (group != MARKS)


@pytest.mark.parametrize("group", ALL)
def test_only_a_third_value_overtakes(group: str) -> None:
    """What was there when it was decided, or what is wanted already, is no edit. Marks are never anybody's edit."""
    wanted = replace(BASIS, **OTHER[group])
    for held in (BASIS, wanted):
        assert not is_overtaken(held, command(wanted, group), NAMES)
    if group in THIRD:
        assert is_overtaken(replace(BASIS, **THIRD[group]), command(wanted, group), NAMES)
        others = [other for other in ALL if other != group]
        if group != "owner":  # the owner decides who is an attendee
            assert not is_overtaken(replace(BASIS, **THIRD[group]), command(BASIS, *others), NAMES)


@pytest.mark.parametrize(
    ("held", "is_theirs"),
    [
        ((), False),
        ((BOB,), False),
        ((CONTACT,), False),
        ((BOB, CONTACT, CLEO), False),
        ((CONTACT, CLEO), False),
        ((ADA, CLEO), False),  # the owner does not count
        (("003Somebody", CLEO), True),
    ],
)
def test_a_half_written_list_of_people_is_ours(held: tuple[str, ...], is_theirs: bool) -> None:
    """From Bob and the contact to the contact and Cleo: any mixture may be of our making, a stranger may not."""
    basis = replace(BASIS, attendees=(person(BOB), person(CONTACT)))
    wanted = replace(basis, attendees=(person(CLEO),))
    now = replace(basis, attendees=tuple(map(person, held)))
    if is_theirs or CONTACT not in held:
        assert is_overtaken(now, command(wanted, "people", basis=basis), NAMES) is is_theirs
    else:
        assert not is_overtaken(now, command(wanted, "people", basis=basis), NAMES)


def test_answers_given_meanwhile_overtake_an_update_but_no_create() -> None:
    """An update would set them back; a create that is done again adds people only."""
    declined = replace(BASIS, attendees=(person(BOB, Response.DECLINED), person(CONTACT, Response.ACCEPTED)))
    accepted = replace(BASIS, attendees=(person(BOB, Response.ACCEPTED), person(CONTACT, Response.ACCEPTED)))
    assert is_overtaken(declined, command(accepted, "people"), NAMES)
    assert not is_overtaken(declined, command(accepted, basis=None), NAMES)
    assert is_overtaken(replace(declined, attendees=(person(CLEO),)), command(accepted, basis=None), NAMES)


def test_a_create_is_overtaken_by_any_difference_but_white_space() -> None:
    """Orgs tidy texts; an update of white space alone is still to be written."""
    tidied = replace(BASIS, subject=" Review  ", body="Body\n")
    assert not is_overtaken(tidied, command(BASIS, basis=None), NAMES)
    assert is_overtaken(replace(BASIS, subject="Review 2"), command(BASIS, basis=None), NAMES)
    spaced = replace(BASIS, body="Bo dy")
    assert not is_done(item(replace(BASIS, body="Bo  dy")), command(spaced), "body", NAMES)


def test_an_owner_left_to_the_org_is_done_and_never_overtaken() -> None:
    """A create without one belongs to whoever made it."""
    nobody = command(replace(BASIS, owner_id=""), basis=None)
    assert is_done(item(BASIS), nobody, "owner", NAMES)
    assert not is_overtaken(BASIS, nobody, NAMES)


@pytest.mark.parametrize("group", ALL)
def test_what_a_deletion_would_take(group: str) -> None:
    """Content that somebody edited; not answers, marks, a fired reminder, the owner or our own words."""
    edited = replace(BASIS, **OTHER[group])
    is_content = group in {"time", "subject", "body", "location", "show_as", "privacy", "people"}
    assert was_edited(edited, BASIS, NAMES) is is_content
    assert not was_edited(replace(BASIS, attendees=(person(BOB, Response.DECLINED), person(CONTACT))), BASIS, NAMES)
