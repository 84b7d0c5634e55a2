"""A series on real Kafka: each date an event of its own in Practifi, through everything people do to a series."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from support.running import Running

from concord.demo_players import graph_time

pytestmark = pytest.mark.broker

RECURRING = "practifi__Recurring_in_Microsoft_365__c"


def weekly(day: datetime, times: int) -> dict[str, Any]:
    """A rule on the weekday of `day`."""
    return {
        "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": [f"{day:%A}".lower()]},
        "range": {"type": "numbered", "startDate": f"{day:%F}", "numberOfOccurrences": times},
    }


def dates(firm: Running, subject: str) -> dict[str, str]:
    """Start -> record id of every Practifi event whose subject begins so."""
    rows = firm.practifi.query(f"SELECT Id, StartDateTime FROM Event WHERE Subject LIKE '{subject}%'")
    found = {row["StartDateTime"][:16]: row["Id"] for row in rows}
    assert len(found) == len(rows), f"two events at one time: {rows}"
    return found


def starts(first: datetime, *weeks: int, hours: int = 0) -> list[str]:
    """The starts so many weeks after the first."""
    return [f"{first + timedelta(weeks=week, hours=hours):%Y-%m-%dT%H:%M}" for week in weeks]


@pytest.mark.rule("10.2", "10.3")
def test_a_series_from_its_making_to_its_end(firm: Running) -> None:
    """Five dates arrive, each once. One is moved, one deleted, the series re-timed: the pairs stay, so the records keep
    their ids and nothing is doubled. An edit and a deletion in Practifi reach that date only. The series' deletion ends
    them all."""
    adviser, day = firm.users[0], firm.a_free_day()
    made = firm.outlook.create(adviser.address, firm.meeting("Stand-up", day, 0, recurrence=weekly(day, 5)))
    address, view = (
        adviser.address,
        f"?startDateTime={day:%F}T00:00:00Z&endDateTime={day + timedelta(weeks=6):%F}T00:00:00Z",
    )

    def expect(*wanted: str) -> dict[str, str]:
        return firm.until(lambda: (found := dates(firm, "Stand-up")).keys() == set(wanted) and found, f"{wanted}")

    first = expect(*starts(day, 0, 1, 2, 3, 4))
    words = {row[RECURRING] for row in firm.practifi.query(f"SELECT {RECURRING} FROM Event WHERE Subject = 'Stand-up'")}
    assert words == {f"Weekly on {day:%a}, 5 times"}

    def instances() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = firm.outlook.get(address, f"{made['id']}/instances{view}")["value"]
        return sorted(found, key=lambda event: event["start"]["dateTime"])

    moved = day + timedelta(weeks=1, hours=3)
    changes = {"start": graph_time(moved), "end": graph_time(moved + timedelta(hours=1))}
    firm.outlook.edit(address, instances()[1]["id"], changes)
    after = expect(*starts(day, 0, 2, 3, 4), *starts(day, 1, hours=3))
    assert after[starts(day, 1, hours=3)[0]] == first[starts(day, 1)[0]]

    firm.outlook.delete(address, instances()[4]["id"])
    expect(*starts(day, 0, 2, 3), *starts(day, 1, hours=3))

    later = day + timedelta(hours=1)
    firm.outlook.edit(address, made["id"], {"start": graph_time(later), "end": graph_time(later + timedelta(hours=1))})
    again = firm.until(lambda: (d := dates(firm, "Stand-up")) and starts(day, 0, hours=1)[0] in d and d, "the new time")
    firm.settle()
    again = dates(firm, "Stand-up")
    assert again[starts(day, 0, hours=1)[0]] == first[starts(day, 0)[0]]
    assert again[starts(day, 2, hours=1)[0]] == first[starts(day, 2)[0]]

    marks = firm.marks()
    firm.practifi.edit(again[starts(day, 0, hours=1)[0]], {"Subject": "Stand-up at the client's"})
    firm.until(lambda: instances()[0]["subject"] == "Stand-up at the client's", "the one date's subject")
    assert [one.split()[0] for one in firm.graph_writes(marks)] == ["PATCH"]
    assert {event["subject"] for event in instances()[1:]} == {"Stand-up"}

    count = len(instances())
    firm.practifi.delete(again[starts(day, 2, hours=1)[0]])
    firm.until(lambda: len(instances()) == count - 1, "the one date's deletion")
    firm.settle()

    firm.outlook.delete(address, made["id"])
    firm.until(lambda: not dates(firm, "Stand-up"), "the end of every date")
    firm.settle()
    firm.assert_mails_as_predicted()


def test_an_endless_series_ends_at_the_horizon(firm: Running) -> None:
    """A monthly series without end comes as far as the setting says (24 months) and no further."""
    adviser = firm.users[1]
    day = (firm.a_free_day().replace(day=15) + timedelta(days=31)).replace(day=15)
    rule = {
        "pattern": {"type": "absoluteMonthly", "interval": 1, "dayOfMonth": 15},
        "range": {"type": "noEnd", "startDate": f"{day:%F}"},
    }
    made = firm.outlook.create(adviser.address, firm.meeting("Office day", day, 0, recurrence=rule))
    firm.until(lambda: len(dates(firm, "Office day")) >= 20, "the dates")
    firm.settle()
    assert 22 <= len(dates(firm, "Office day")) <= 24
    firm.outlook.delete(adviser.address, made["id"])
    firm.until(lambda: not dates(firm, "Office day"), "its end")
    firm.settle()
