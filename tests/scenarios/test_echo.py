"""Scenario *echo*: 1,000 round trips with values that one side cannot express: silent after one exchange."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from support.builders import CLIENT, STRANGER, meeting, span
from support.pair_world import World, a_pair
from support.scripted import Story, day

from schemas.calendar import CalendarEvent, Response, Sensitivity, ShowAs
from schemas.changes import Side

ROUND_TRIPS = 1_000
BODIES = ("", "One line", "Two\nlines", "  spaces  ", "tab\tand\r\nCR", "x" * 40_000, "emoji 🙂 and ümlauts")


def odd(rng: random.Random, number: int) -> CalendarEvent:
    """An event as Microsoft 365 may hold it and Practifi cannot: five answers, four sensitivities, long texts."""
    return meeting(
        f"Meeting {number} " + rng.choice(("", "s" * 400, "  ")),
        span=replace(span(5 + number % 40), end_utc=span(5 + number % 40).end_utc + timedelta(microseconds=number)),
        body=rng.choice(BODIES),
        location=rng.choice(("", "Room 1", "l" * 300)),
        show_as=rng.choice(list(ShowAs)),
        sensitivity=rng.choice(list(Sensitivity)),
        reminder_minutes=rng.choice((None, 0, 15, 525_600)),
        attendees=(replace(CLIENT, record_id="", response=rng.choice(list(Response))), replace(STRANGER, record_id="")),
    )


@pytest.mark.rule("4.lossy", "7.21")
def test_echo_of_1000_round_trips_is_silence() -> None:
    """Every event costs one exchange. Read again on both sides, with new versions and times, it costs nothing more, and
    Microsoft 365 is never written."""
    rng = random.Random(16)
    for number in range(ROUND_TRIPS // 10):
        world = World()
        _, graph_id, salesforce_id = a_pair(world, odd(rng, number))
        settled = len(world.commands)
        for _ in range(10):
            for side, item_id in ((Side.GRAPH, graph_id), (Side.SALESFORCE, salesforce_id)):
                world.edit(side, item_id)  # a save that changes nothing but version and time
                world.read_again(side)
            world.settle()
        assert [one.fields for one in world.commands[settled:]] == [], number
        assert [one for one in world.commands if one.side is Side.GRAPH] == [], number


@pytest.mark.rule("7.21")
@pytest.mark.parametrize(
    "body",
    [
        {"contentType": "html", "content": "<html><body><p>One</p><ul><li>a</li><li>b &amp; c</li></ul></body></html>"},
        {"contentType": "html", "content": "<div>x<br>y</div><table><tr><td>1</td><td>2</td></tr></table>"},
        {"contentType": "text", "content": "plain\n\n  with spaces  \r\nand CR"},
    ],
)
def test_echo_of_bodies_and_bumped_versions_is_silence(body: dict[str, str], firm: Story) -> None:
    """Through the real wire: an HTML or plain body crosses once. Categories and other things of Outlook's own bump the
    version and cause nothing; a save of Practifi's own that changes nothing causes nothing."""
    ann = firm.people[0]
    made = firm.make(ann, "Review", day(7), body=body, showAs="workingElsewhere", sensitivity="confidential")
    assert len([write for write in firm.settle() if write.created]) == 1
    record = firm.records()[0]["Id"]
    for number in range(5):
        firm.change(ann, made, categories=[f"Colour {number}"])
        firm.edit(record, Subject="Review")
        assert firm.settle() == []
    event = firm.world.outlook.request("GET", f"/users/{ann.mailbox}/events/{made}", None)
    assert (event["showAs"], event["sensitivity"]) == ("workingElsewhere", "confidential")
