"""Scenario *two engines*: another calendar sync writes the same events. It is noticed, named, and kept out."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from simulation.transport import Write
from support.builders import CLIENT, firm_settings, meeting
from support.pair_world import World, a_pair
from support.scripted import Story, day

from schemas.changes import Side
from schemas.commands import Command
from schemas.journal import OperatorVerb
from schemas.state import Status

OTHER_SYNC = "com/salesforce/api/rest/66.0;client=OtherSync"
TRUSTING = firm_settings(outbound_origins=("ui", "unknown", "OtherSync"))


def out(world: World) -> list[Command]:
    """What was written to Microsoft 365."""
    return [one for one in world.commands if one.side is Side.GRAPH]


def fight(world: World, graph: str, record: str, rounds: int) -> None:
    """The other engine puts its own value into Practifi each time ours has arrived, and somebody's into Outlook."""
    for _ in range(rounds):
        world.edit(Side.SALESFORCE, record, location="Theirs")
        world.settle()
        world.edit(Side.GRAPH, graph, location="Ours")
        world.settle()


@pytest.mark.rule("1.2", "7.4")
def test_two_engines_of_which_one_names_itself_never_reach_outlook() -> None:
    """What a program saved in Practifi does not go out at all; `concord explain` shows its name beside each save."""
    world = World()
    key, graph, record = a_pair(world, meeting(attendees=(CLIENT,)))
    world.origin = OTHER_SYNC
    fight(world, graph, record, 10)
    assert out(world) == []
    assert world.pairs[key].salesforce.origin == OTHER_SYNC


@pytest.mark.rule("1.2")
@pytest.mark.parametrize(("origin", "name"), [(OTHER_SYNC, OTHER_SYNC), ("", "nobody known")])
def test_two_engines_are_noticed_named_and_outbound_stops(origin: str, name: str) -> None:
    """A firm that lets every origin out: the same value goes out twice, then no more; nobody is mailed again."""
    world = World(settings=TRUSTING)
    key, graph, record = a_pair(world, meeting(attendees=(CLIENT,)))
    world.origin = origin
    fight(world, graph, record, 10)
    assert len(out(world)) == 2
    assert sum(len(one.mails) for one in out(world)) == 2
    world.edit(Side.SALESFORCE, record, location="Theirs")
    world.settle()
    assert (world.pairs[key].status, world.pairs[key].graph.refused_code) == (Status.ERROR, "two_engines")
    told = [one.text for one in world.decisions if one.reason == "two_engines"]
    assert told
    assert all(text.endswith(f"Last saved in Practifi by: {name}.") for text in told)


@pytest.mark.rule("1.2")
def test_two_engines_stop_when_they_flip_between_two_values() -> None:
    """Both values go out twice each, then none."""
    world = World(settings=TRUSTING)
    _, _, record = a_pair(world)
    for subject in itertools.islice(itertools.cycle(("A", "B")), 20):
        world.edit(Side.SALESFORCE, record, subject=subject)
        world.settle()
    assert len(out(world)) == 4


@pytest.mark.rule("1.2")
def test_two_engines_are_over_when_an_operator_retries() -> None:
    """The other one is off: the value goes out, and so does everything later."""
    world = World(settings=TRUSTING)
    key, graph, record = a_pair(world)
    fight(world, graph, record, 4)
    world.edit(Side.SALESFORCE, record, location="Theirs")
    world.settle()
    world.act(key, OperatorVerb.RETRY)
    world.settle()
    assert world.items[Side.GRAPH][graph].content.location == "Theirs"
    assert world.pairs[key].status is Status.SYNCED


def test_two_engines_are_not_suspected_of_a_person_who_changes_their_mind() -> None:
    """There and back and there again, and the same once more an hour later: all of it goes out."""
    world = World()
    _, graph, record = a_pair(world)
    for subject in ("A", "B", "A"):
        world.edit(Side.SALESFORCE, record, subject=subject)
        world.settle()
    world.now += timedelta(hours=2)
    for subject in ("B", "A", "B", "A"):
        world.edit(Side.SALESFORCE, record, subject=subject)
        world.settle()
    assert world.items[Side.GRAPH][graph].content.subject == "A"
    assert len(out(world)) == 7


@pytest.mark.rule("1.2")
def test_two_engines_through_the_whole_loop(firm: Story) -> None:
    """Both services: the other engine answers each write of ours in Practifi with its own."""
    firm.rule(outbound_origins=("ui", "unknown", "api"))
    ann = firm.people[0]
    firm.make(ann, "Review", day(7))
    firm.settle()
    record = firm.records("Review")[0]["Id"]
    firm.world.diary.origin = "api"
    writes: list[Write] = []
    for number in range(12):
        firm.edit(record, Location=("There", "Here")[number % 2])
        writes += firm.settle()
    assert len([write for write in writes if write.side == "graph"]) == 4
    assert "two_engines" in {one.reason for one in firm.decisions()}
