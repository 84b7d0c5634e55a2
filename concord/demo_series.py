"""The part of the scripted day that is about a series: made over a clock change, one date moved, one cancelled."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from concord.comparison import RECURRING
from concord.demo_day import Firm, Scene, around_clock_change
from concord.demo_players import graph_time, practifi_time

ZONE: Final = "Australia/Sydney"
SUBJECT: Final = "Team breakfast"
DATES: Final = 4


def series_scenes(firm: Firm) -> Iterator[Scene]:
    """A weekly breakfast at nine on Sydney's clocks, two dates before they go back and two after."""
    outlook = firm.outlook
    saturday, _ = around_clock_change(firm.noon)
    first = datetime(saturday.year, saturday.month, saturday.day, 9, tzinfo=ZoneInfo(ZONE)) - timedelta(days=10)
    starts = [(first + timedelta(weeks=week)).astimezone(UTC) for week in range(DATES)]
    dates: list[dict[str, Any]] = []

    def make() -> None:
        made = outlook.create(firm.adviser, _breakfast(firm, first))
        dates[:] = outlook.instances(firm.adviser, made["id"], starts[0], starts[-1] + timedelta(days=1))

    def move() -> None:
        later = starts[1] + timedelta(hours=2)
        times = {"start": graph_time(later), "end": graph_time(later + timedelta(hours=1))}
        outlook.edit(firm.adviser, dates[1]["id"], times)

    def held() -> list[str]:
        """The starts of the dates in Practifi, in order; nothing of one that does not say what it is part of."""
        rows = firm.practifi.query(
            f"SELECT StartDateTime, {RECURRING} FROM Event WHERE Subject = '{SUBJECT}' ORDER BY StartDateTime"
        )
        return [row["StartDateTime"][:19] + "Z" for row in rows if row[RECURRING]]

    def shown(moments: list[datetime]) -> list[str]:
        return [practifi_time(moment) for moment in moments]

    yield Scene(
        f"weekly series of {DATES} dates made in Outlook, clocks change in between", "Practifi", make,
        lambda: held() == shown(starts),
    )  # fmt: skip
    moved = [starts[0], starts[1] + timedelta(hours=2), *starts[2:]]
    yield Scene("one date of it moved by two hours", "Practifi", move, lambda: held() == shown(moved))
    yield Scene(
        "one date of it cancelled", "Practifi", lambda: outlook.delete(firm.adviser, dates[2]["id"]),
        lambda: held() == shown([*moved[:2], moved[3]]),
    )  # fmt: skip


def _breakfast(firm: Firm, first: datetime) -> dict[str, Any]:
    _, name, address = firm.contacts[6]
    return {
        "subject": SUBJECT,
        "start": {"dateTime": f"{first:%Y-%m-%dT%H:%M:%S}", "timeZone": ZONE},
        "end": {"dateTime": f"{first + timedelta(hours=1):%Y-%m-%dT%H:%M:%S}", "timeZone": ZONE},
        "attendees": [{"type": "required", "emailAddress": {"name": name, "address": address}}],
        "recurrence": {
            "pattern": {"type": "weekly", "interval": 1, "daysOfWeek": [f"{first:%A}".lower()]},
            "range": {"type": "numbered", "startDate": f"{first:%F}", "numberOfOccurrences": DATES,
                      "recurrenceTimeZone": ZONE},
        },
    }  # fmt: skip
