"""Teams meetings: ticked on either side, the URL that comes later, the block in the body, and no way back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.builders import CLIENT, firm_settings, meeting, span
from support.pair_looks import last, lone, only, sent, short
from support.pair_world import World, a_pair

from schemas.changes import Side
from schemas.groups import BODY, JOIN_URL, SUBJECT, TEAMS
from schemas.settings import Direction
from streams.mapping import URL_LENGTH_MAX, is_edited

GRAPH, SALESFORCE = Side.GRAPH, Side.SALESFORCE
URL = "https://teams.microsoft.com/l/meetup-join/19%3ameeting_x%40thread.v2/0?context=%7b%7d"
RULE = "_" * 80
BLOCK = f"{RULE}\nMicrosoft Teams\nJoin on your computer<{URL}>\n{RULE}"


def test_a_teams_meeting_of_microsoft_is_ticked_in_practifi() -> None:
    """With the place where to join."""
    world = lone(GRAPH, meeting(is_teams=True, join_url=URL))
    held = only(world, SALESFORCE)
    assert (held.is_teams, held.join_url) == (True, URL)


def test_a_url_that_does_not_fit_is_left_out() -> None:
    """Half an address leads nowhere."""
    world = lone(GRAPH, meeting(is_teams=True, join_url=URL + "x" * URL_LENGTH_MAX))
    held = only(world, SALESFORCE)
    assert (held.is_teams, held.join_url) == (True, "")


def test_where_to_join_an_event_that_is_gone_is_taken_out() -> None:
    """A record that goes out anew, brought back from the recycle bin perhaps, has the URL of its former event."""
    world = lone(SALESFORCE, meeting(join_url=URL))
    assert not only(world, GRAPH).is_teams
    assert only(world, SALESFORCE).join_url == ""


@pytest.mark.rule("6.teams")
def test_teams_ticked_in_practifi_goes_out_and_its_url_comes_back() -> None:
    """A new event: created as a Teams meeting; the URL and the block arrive later and come in without a mail."""
    ticked = meeting(body="Agenda", is_teams=True, attendees=(CLIENT,), send_invitations=True)
    world = lone(SALESFORCE, ticked)
    (graph_id,) = world.items[GRAPH]
    assert only(world, GRAPH).is_teams
    before = len(world.commands)
    world.edit(GRAPH, graph_id, join_url=URL, body=f"Agenda\n\n{BLOCK}")
    world.settle()
    assert only(world, SALESFORCE).join_url == URL
    assert [(side, set(fields)) for side, _, fields in sent(world, before)] == [(SALESFORCE, {BODY, JOIN_URL})]
    assert world.settle() == 0


@pytest.mark.rule("6.teams", "7.14")
def test_the_url_comes_back_from_beyond_the_inbound_range() -> None:
    """It answers what Practifi asked for; what people do there to so distant an event stays there."""
    settings = firm_settings(inbound_years=1, outbound_months=36)
    world = lone(SALESFORCE, meeting(is_teams=True, span=span(days=700)), settings=settings)
    (graph_id,) = world.items[GRAPH]
    world.edit(GRAPH, graph_id, join_url=URL, body=BLOCK, location="Elsewhere")
    world.settle()
    held = only(world, SALESFORCE)
    assert (held.join_url, held.location) == (URL, meeting().location)
    assert world.settle() == 0


def test_teams_ticked_later_mails_who_is_invited() -> None:
    """Exchange tells everybody of the new online meeting: predicted."""
    world = World()
    _, _, salesforce_id = a_pair(world, meeting(attendees=(CLIENT,)))
    world.edit(SALESFORCE, salesforce_id, is_teams=True)
    world.settle()
    assert only(world, GRAPH).is_teams
    assert short(world.commands[-1]) == (GRAPH, (TEAMS,), ["update client@out.example"])


@pytest.mark.rule("6.teams")
def test_teams_cannot_be_unticked() -> None:
    """Microsoft 365 keeps it: the tick comes back, with the reason; nobody is mailed."""
    world = World()
    _, _, salesforce_id = a_pair(world, meeting(is_teams=True, join_url=URL))
    before = len(world.commands)
    world.edit(SALESFORCE, salesforce_id, is_teams=False)
    world.settle()
    assert [(side, fields) for side, _, fields in sent(world, before)] == [(SALESFORCE, (TEAMS,))]
    assert (last(world).reason, [row.field for row in last(world).lost]) == ("teams_stays", [TEAMS])
    assert only(world, SALESFORCE).is_teams


def test_unticking_stays_where_nothing_comes_in() -> None:
    """One way to Microsoft 365: the tick may not come back, nothing is written; another edit goes out alone."""
    world = World()
    _, graph_id, salesforce_id = a_pair(world, meeting(is_teams=True))
    world.put_in_force(replace(world.settings, number=2, direction=Direction.PRACTIFI_TO_MICROSOFT))
    before = len(world.commands)
    world.edit(SALESFORCE, salesforce_id, is_teams=False)
    world.settle()
    assert (sent(world, before), world.decisions[-1].reason) == ([], "teams_stays")
    world.edit(SALESFORCE, salesforce_id, subject="Renamed")
    world.settle()
    assert [(side, fields) for side, _, fields in sent(world, before)] == [(GRAPH, (SUBJECT,))]
    assert world.items[GRAPH][graph_id].content.is_teams


def test_a_meeting_that_lost_its_teams_link_is_unticked() -> None:
    """Somebody overwrote the body in Outlook: Microsoft 365 says it is no Teams meeting any more."""
    world = World()
    _, graph_id, _ = a_pair(world, meeting(is_teams=True, join_url=URL, body=BLOCK))
    world.edit(GRAPH, graph_id, is_teams=False, join_url="", body="Mine")
    world.settle()
    held = only(world, SALESFORCE)
    assert (held.is_teams, held.join_url, held.body) == (False, "", "Mine")


def test_the_block_is_no_edit_that_wins_a_conflict() -> None:
    """The description was edited in Practifi while Teams added its block: the edit goes out, nothing is lost."""
    world = World()
    _, graph_id, salesforce_id = a_pair(world, meeting(body="Agenda", is_teams=True), first=SALESFORCE)
    world.edit(GRAPH, graph_id, join_url=URL, body=f"Agenda\n\n{BLOCK}")
    world.edit(SALESFORCE, salesforce_id, body="Better agenda")
    world.settle()
    assert [row for decision in world.decisions for row in decision.lost] == []
    assert only(world, GRAPH).body.startswith("Better agenda")


def test_a_block_removed_from_the_description_is_nothing_to_write() -> None:
    """The sink keeps the block in any case, so a write would only mail people."""
    world = World()
    _, _, salesforce_id = a_pair(world, meeting(body=f"Agenda\n\n{BLOCK}", is_teams=True, join_url=URL))
    before = len(world.commands)
    world.edit(SALESFORCE, salesforce_id, body="Agenda")
    world.settle()
    assert sent(world, before) == []


@pytest.mark.parametrize(
    ("body", "edited"),
    [
        (f"Agenda\n\n{BLOCK}", False),
        (f"Agenda\n{BLOCK}\n", False),
        (f"Other\n\n{BLOCK}", True),
        (f"Agenda\n\n{BLOCK}\nAfter", True),
        (f"Agenda\n{RULE}\nmine\n{RULE}\n{BLOCK}", True),
    ],
)
def test_only_text_outside_the_block_is_an_edit(body: str, edited: bool) -> None:
    """A ruled part of one's own is one's own text."""
    assert is_edited(meeting(body=body, join_url=URL), meeting(body="Agenda"), BODY) is edited


@pytest.mark.parametrize(("member", "value"), [("join_url", URL), ("recurring", "Daily, no end")])
def test_what_nobody_may_edit_in_practifi_is_put_back(member: str, value: str) -> None:
    """A record that was made under our key before, or a tool, holds something else there."""
    world = World()
    _, _, salesforce_id = a_pair(world, meeting(is_teams=True, **{member: value}))
    world.edit(SALESFORCE, salesforce_id, **{member: ""})
    world.settle()
    assert getattr(only(world, SALESFORCE), member) == value


def test_our_own_body_read_before_its_outcome_is_no_edit() -> None:
    """The block stands in it already: it must not overrule what was written in Practifi since."""
    world = World()
    both = f"Agenda\n\n{BLOCK}"
    _, graph_id, salesforce_id = a_pair(world, meeting(body=both, is_teams=True, join_url=URL))
    world.edit(SALESFORCE, salesforce_id, body="Second", subject="Second")
    world.read(SALESFORCE)
    world.journal("salesforce")
    world.work(GRAPH)  # the outcome is not journaled yet
    world.edit(GRAPH, graph_id, body=f"Second\n\n{BLOCK}")  # as Exchange keeps it
    world.edit(SALESFORCE, salesforce_id, body="Third")
    for side in Side:
        world.read(side)
        world.journal(side)
    world.settle()
    assert [row for decision in world.decisions for row in decision.lost] == []
    assert only(world, GRAPH).body.startswith("Third")
