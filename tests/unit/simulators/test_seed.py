"""Seed files and the built-in firm: what is read, what is refused, and that all problems come at once."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from schemas.errors import ConfigError
from simulators.firm import build_firm
from simulators.seed import Seed, SeedAttendee, read_seed

NOW = datetime(2026, 3, 2, 20, 0, tzinfo=UTC)

SMALL = {
    "time_zone": "Australia/Sydney",
    "users": [{"name": "Robin Vale", "email": "robin@advisers.example"}],
}


def seeded(**members: object) -> Seed:
    """A seed from the small file with `members` over it."""
    return read_seed(json.dumps({**SMALL, **members}), NOW)


def problems(**members: object) -> list[str]:
    """What is wrong with the small file with `members` over it."""
    with pytest.raises(ConfigError) as caught:
        seeded(**members)
    return caught.value.problems


def event(**members: object) -> dict[str, object]:
    """An event in the small file."""
    return {"side": "microsoft365", "calendar": "robin@advisers.example", "start": "+1d 09:30", **members}


def test_the_documented_example_is_read() -> None:
    """The example of the reference page works as printed."""
    page = Path(__file__).parents[3] / "docs" / "reference" / "seed-file.md"
    example = re.search(r"```json\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    seed = read_seed(example[1], NOW)
    assert [user.salesforce for user in seed.users] == [True, False]
    assert seed.users[1].aliases == ("sam.field@advisers.example",)
    assert seed.events[0].attendees == (SeedAttendee("kit@clients.example"),)
    assert (seed.events[1].is_all_day, seed.events[1].show_as) == (True, "free")


@pytest.mark.parametrize(
    ("members", "start", "end"),
    [
        ({}, "2026-03-04T09:30", "2026-03-04T10:00"),
        ({"start": "-1d 23:45", "minutes": 30}, "2026-03-02T23:45", "2026-03-03T00:15"),
        ({"start": "2026-04-01T08:00", "end": "2026-04-01T09:00"}, "2026-04-01T08:00", "2026-04-01T09:00"),
        ({"start": "2026-04-01T08:00Z", "minutes": 0}, "2026-04-01T19:00", "2026-04-01T19:30"),
        ({"start": "+0d", "days": 3}, "2026-03-03T00:00", "2026-03-06T00:00"),
    ],
)
def test_times_are_read_in_the_users_zone(members: dict[str, object], start: str, end: str) -> None:
    """Relative days count from today where the user is (in Sydney it is the 3rd already), offsets are honoured."""
    read = seeded(events=[event(**members)]).events[0]
    assert (read.start, read.end) == (datetime.fromisoformat(start), datetime.fromisoformat(end))


def test_every_problem_is_listed_at_once() -> None:
    """One run of the reader finds them all and says where each stands."""
    found = problems(
        colour="blue",
        time_zone="Nowhere/Land",
        users=[{"name": "", "email": "robin"}, {"email": "a@b.example", "microsoft365": "yes", "alias": []}, 7],
        contacts=[{"first_name": "Kit", "email": "kit"}],
        rooms=[{"name": "One", "email": "a@b.example", "capacity": -1}],
        events=[
            event(calendar="else@advisers.example", start="noon", show_as="away"),
            event(calendar="a@b.example", side="moon", start="+1d 09:00", end="+0d 09:00", attendees=[3, "x"]),
            event(calendar="a@b.example", start="+1d 09:00", days=1, minutes=3),
        ],
    )
    expected = [
        "the seed file: unknown member 'colour'",
        "the seed file: time_zone 'Nowhere/Land'",
        "users[0]: name is missing",
        "users[0].email: 'robin' is not a mail address",
        "users[1]: unknown member 'alias'",
        "users[1]: name is missing",
        "users[1]: microsoft365 is neither",
        "users[2] is not a JSON object",
        "contacts[0]: last_name is missing",
        "contacts[0].email: 'kit'",
        "rooms[0]: capacity is not",
        "users and rooms: a@b.example stands more than once",
        "events[0].calendar: else@advisers.example is no user",
        "events[0].start: 'noon' is not a time",
        "events[0]: show_as is 'away'",
        "events[1]: side is 'moon'",
        "events[1]: it ends before it starts",
        "events[1].attendees: 3 is neither",
        "events[1].attendees: 'x' is not a mail address",
        "events[2].start: an all-day event",
        "events[2]: days goes with neither",
    ]
    assert [text for text in expected if not any(text in problem for problem in found)] == []


@pytest.mark.parametrize("text", ["", "{", "[]", '"firm"', "null", '{"users": {}}', '{"users": []}'])
def test_no_file_makes_the_reader_trip(text: str) -> None:
    """Anything that is no seed is refused in words."""
    with pytest.raises(ConfigError):
        read_seed(text, NOW)


def test_the_firm_is_the_same_in_every_run() -> None:
    """Same arguments, same firm; all addresses lie under names reserved for examples."""
    firm = build_firm(NOW, users=5, contacts=40, events=150)
    assert firm == build_firm(NOW, users=5, contacts=40, events=150)
    assert (len(firm.users), len(firm.contacts), len(firm.events), len(firm.rooms)) == (5, 40, 150, 3)
    addresses = [user.email for user in firm.users] + [contact.email for contact in firm.contacts if contact.email]
    assert all(address.endswith(".example") for address in addresses)
    assert len(set(addresses)) == len(addresses)
    assert len({event.subject for event in firm.events}) == 150


def test_the_firm_has_what_the_demo_must_show() -> None:
    """Both sides, past and future, all-day, private, guests and colleagues all occur."""
    events = build_firm(NOW, users=5, contacts=40, events=150).events
    today = NOW.replace(tzinfo=None)
    colleagues = {user.email for user in build_firm(NOW).users}
    assert {event.side for event in events} == {"microsoft365", "salesforce"}
    for side in ("microsoft365", "salesforce"):
        own = [event for event in events if event.side == side]
        assert sum(event.start < today for event in own) >= 5
        assert sum(event.start > today for event in own) >= 20
        assert any(event.is_all_day for event in own)
        assert any(event.is_private for event in own)
        assert any(event.attendees for event in own)
    assert any(attendee.email in colleagues for event in events for attendee in event.attendees)
    assert not any(event.attendees for event in events if event.is_private)


@pytest.mark.parametrize("size", [(1, 0, 0, 0), (20, 200, 5, 7)])
def test_firms_of_other_sizes_are_whole(size: tuple[int, int, int, int]) -> None:
    """A firm larger than the lists of names still has distinct addresses."""
    users, contacts, events, rooms = size
    firm = build_firm(NOW, users, contacts, events, rooms)
    addresses = [user.email for user in firm.users] + [room.email for room in firm.rooms]
    addresses += [contact.email for contact in firm.contacts if contact.email]
    assert len(set(addresses)) == len(addresses)
