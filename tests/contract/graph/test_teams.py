"""Teams meetings against the Graph simulator: made from a tick, their body kept byte for byte."""

from __future__ import annotations

import dataclasses
import html
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from support.graph_driver import LossyWire, Send, send_to
from support.graph_firm import ANA, BASE, CLIENT, TOKEN, TOM, GraphClient, build_graph, meeting

from connectors.exchange import run
from connectors.graph import wire
from connectors.graph.sink import NO_TEAMS, apply_command
from connectors.graph.text import join_block
from connectors.graph.translate import to_item
from schemas.calendar import CalendarEvent, TimeSpan
from schemas.changes import Item, Side
from schemas.commands import Action, Command, Result
from schemas.groups import ALL
from simulators.graph.behaviour import Behaviour
from simulators.graph.service import GraphSimulator
from simulators.graph.tenant import User

ONLINE = {"isOnlineMeeting": True, "onlineMeetingProvider": "teamsForBusiness"}
RICH = '<p style="color:#036"><b>Agenda</b> &amp; <a href="https://firm.example/?a=1&amp;b=2">papers</a></p><ul><li>one'
KEY = "s:00U000000000001AAA"


def send(sim: GraphSimulator) -> Send:
    """Calls to the simulator."""
    return send_to(sim, token=TOKEN, base_url=f"{BASE}/v1.0")


def stored(sim: GraphSimulator, user: User = TOM) -> dict[str, Any]:
    """The one event of a mailbox as the service keeps it."""
    (event,) = sim.events_of(user.id)
    return event


def read(sim: GraphSimulator, event_id: str, user: User = TOM) -> Item:
    """The event as the source reads it."""
    return to_item(send(sim)(wire.get_event(user.id, event_id)).json(), user.id)


def rich_meeting(sim: GraphSimulator) -> Item:
    """A Teams meeting with a client and a body in HTML."""
    body = {"body": {"contentType": "html", "content": RICH}}
    event = GraphClient(sim).create(TOM, meeting(CLIENT, **ONLINE, **body))
    return read(sim, event["id"])


def update(item: Item, *fields: str, **members: Any) -> Command:
    """An update of these groups, as decided on what was read."""
    content = replace(item.content, **members)
    return Command(
        "c#2", KEY, Side.GRAPH, Action.UPDATE, item.modified_at, 2, id=item.id, mailbox=item.mailbox,
        version=item.version, fields=fields, content=content, basis=item.content, target=content,
    )  # fmt: skip


def create(content: CalendarEvent, user: User = TOM) -> Command:
    """A create in a mailbox."""
    return Command(
        "c#1", KEY, Side.GRAPH, Action.CREATE, content.span.start_utc, 1, generation=1, mailbox=user.id, fields=ALL,
        content=content, target=content,
    )  # fmt: skip


def asked(sim: GraphSimulator, **members: Any) -> CalendarEvent:
    """What a new event shall hold."""
    start = sim.clock.now() + timedelta(days=3)
    return CalendarEvent(TimeSpan(start, start + timedelta(hours=1)), "Review", "Agenda", **members)


def test_a_tick_makes_a_teams_meeting_whose_url_comes_later() -> None:
    """The create's answer has no URL yet; a later read has it, and the block behind our text."""
    sim = build_graph(dataclasses.replace(Behaviour().calm(), join_url_s=5.0))
    content = asked(sim, is_teams=True)
    outcome = run(apply_command(create(content), now=content.span.start_utc), send(sim))
    assert outcome.item is not None
    assert (outcome.item.content.is_teams, outcome.item.content.join_url, outcome.warning) == (True, "", "")
    sim.clock.advance(6)
    later = read(sim, outcome.item.id).content
    assert later.join_url == stored(sim)["onlineMeeting"]["joinUrl"]
    assert later.body.startswith("Agenda")
    assert later.join_url in later.body


@pytest.mark.parametrize("how", ["before", "after"])
def test_a_tick_whose_answer_is_lost_mails_once(how: str) -> None:
    """What the event holds says whether it took effect."""
    sim = build_graph()
    item = read(sim, GraphClient(sim).create(TOM, meeting(CLIENT))["id"])
    sim.mails.clear()
    command = update(item, "teams", is_teams=True)
    outcome = run(apply_command(command, now=item.modified_at), LossyWire(send(sim), {0: how}))
    assert outcome.result is Result.APPLIED
    assert stored(sim)["isOnlineMeeting"]
    assert [(mail.kind, mail.to) for mail in sim.mails] == [("update", CLIENT)]


def test_a_calendar_without_teams_says_so() -> None:
    """The service ignores the wish without an error; the outcome says what is missing."""
    sim = build_graph()
    sim.put_user(dataclasses.replace(ANA, online_meetings=False))
    content = asked(sim, is_teams=True)
    outcome = run(apply_command(create(content, ANA), now=content.span.start_utc), send(sim))
    assert outcome.item is not None
    assert (outcome.result, outcome.item.content.is_teams, outcome.warning) == (Result.APPLIED, False, NO_TEAMS)


@pytest.mark.parametrize("provider", ["skypeForBusiness", "skypeForConsumer", "unknown", None])
def test_other_providers_are_not_teams(provider: str | None) -> None:
    """Teams Meeting stays unticked, and their address is not shown as a Teams one."""
    sim = build_graph()
    event = rich_meeting(sim)
    read_as = {
        **stored(sim), "onlineMeetingProvider": provider, "onlineMeeting": None,
        "onlineMeetingUrl": "https://skype.example/1",
    }  # fmt: skip
    content = to_item(read_as, TOM.id).content
    assert (content.is_teams, content.join_url) == (False, "")
    assert event.content.is_teams


@pytest.mark.rule("6.teams")
def test_rich_body_is_untouched_by_a_time_edit() -> None:
    """Scenario 12: a time edit of a Teams meeting with HTML leaves the body as it is, byte for byte."""
    sim = build_graph()
    item = rich_meeting(sim)
    before = stored(sim)["body"]
    later = replace(item.content.span, end_utc=item.content.span.end_utc + timedelta(hours=1))
    outcome = run(apply_command(update(item, "time", span=later), now=item.modified_at), send(sim))
    assert outcome.result is Result.APPLIED
    assert stored(sim)["body"] == before
    assert outcome.item is not None
    assert outcome.item.content.body == item.content.body


@pytest.mark.parametrize("keeps_block", [True, False])
def test_rich_body_keeps_its_join_block_when_the_description_is_edited(keeps_block: bool) -> None:
    """Scenario 12: whatever Practifi's text says of it, the block stands behind the new text, byte for byte."""
    sim = build_graph()
    item = rich_meeting(sim)
    before = stored(sim)
    url = before["onlineMeeting"]["joinUrl"]
    block = join_block(before["body"]["content"], url)
    assert block
    text = item.content.body.replace("Agenda", "New <agenda>") if keeps_block else "New <agenda>"
    outcome = run(apply_command(update(item, "body", body=text), now=item.modified_at), send(sim))
    after = stored(sim)
    assert outcome.result is Result.APPLIED
    assert (after["isOnlineMeeting"], after["onlineMeeting"]) == (True, before["onlineMeeting"])
    assert join_block(after["body"]["content"], url) == block
    assert after["body"]["content"].count(html.escape(url)) == 1
    assert html.escape("New <agenda>") in after["body"]["content"]


def test_rich_body_with_a_ruled_part_of_the_authors_keeps_it() -> None:
    """Only the part with the join link is Teams' own; the author's underscores stay."""
    sim = build_graph()
    item = rich_meeting(sim)
    rule = "_" * 30
    text = f"Agenda\n{rule}\nimportant\n{rule}\n\n{item.content.body}"
    run(apply_command(update(item, "body", body=text), now=item.modified_at), send(sim))
    body = read(sim, item.id).content.body
    assert body.count("important") == 1
    assert body.count(item.content.join_url) == 1
