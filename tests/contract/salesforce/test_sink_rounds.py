"""Rounds of many commands against the Salesforce simulator: each its own result, few requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from support.salesforce_client import START, SalesforceClient
from support.salesforce_driver import (
    NAMES,
    Recorded,
    build_lasting,
    calls_to,
    carry_out,
    content,
    create,
    delete,
    made,
    own_events,
    people,
    reading,
    update,
)

from connectors.exchange import run
from connectors.salesforce.sink import apply_commands
from schemas.calendar import Attendee, Sensitivity, ShowAs, TimeSpan
from schemas.commands import Command, Outcome, Result
from schemas.errors import ServiceError, Throttled
from simulators.salesforce.behaviour import Behaviour


@pytest.fixture
def org() -> SalesforceClient:
    """A calm org."""
    return build_lasting()


def day(number: int, month: int = 6) -> datetime:
    """A midnight of 2026."""
    return datetime(2026, month, number, tzinfo=UTC)


def everybody(org: SalesforceClient) -> list[str]:
    """Ids of people that may be invited."""
    return [org.ids[name] for name in ("contact", "other_contact", "bob", "cleo")]


def together(org: SalesforceClient, commands: list[Command], wire: Any = None) -> list[Outcome | ServiceError]:
    """One round."""
    return list(run(apply_commands(commands, now=START, names=NAMES), wire or calls_to(org)))


def long_key(number: int) -> str:
    """A pair key as Exchange makes them."""
    return f"m:040000008200E00074C5B7101A82E008{'0' * 60}{number:020X}@20260521T100000Z"


def test_two_hundred_creates_with_people_cost_few_requests(org: SalesforceClient) -> None:
    """And again after a lost answer, when all of them exist already, with keys that fill several URLs."""
    guests = tuple(Attendee("", record_id=key) for key in everybody(org)[:3])
    commands = [
        create(content(org, subject=f"e{number}", attendees=guests), pair_key=long_key(number)) for number in range(200)
    ]
    wire = Recorded(calls_to(org))
    results = together(org, commands, wire)
    assert [result.result for result in results] == [Result.APPLIED] * 200  # type: ignore[union-attr]
    assert sum(result.requests for result in results) == len(wire.calls) <= 3  # type: ignore[union-attr]
    assert len(own_events(org)) == 200
    assert len(org.simulator.records("EventRelation")) == 600
    again = together(org, commands, wire)
    assert [(a.result, a.item) for a in again] == [(r.result, r.item) for r in results]  # type: ignore[union-attr]
    assert len(own_events(org)) == 200
    assert len(wire.calls) <= 12


def test_a_mixed_round_gives_each_its_own_result(org: SalesforceClient) -> None:
    """Creates, updates and deletions; some refused, gone, stale or done already; every outcome in its place."""
    items = {
        number: carry_out(create(content(org, subject=f"e{number}"), pair_key=f"k{number}"), calls_to(org)).item
        for number in range(12)
    }
    org.simulator.delete("Event", items[1].id)  # type: ignore[union-attr]
    org.simulator.update("Event", items[2].id, {"Subject": "Theirs"})  # type: ignore[union-attr]
    org.clock.advance(5)

    def change(number: int, *groups: str, **members: Any) -> Command:
        item = items[number]
        assert item is not None
        return update(item, *groups, pair_key=f"k{number}", **members)

    def drop(number: int) -> Command:
        item = items[number]
        assert item is not None
        return delete(item, pair_key=f"k{number}")

    org.simulator.delete("Event", items[8].id)  # type: ignore[union-attr]
    commands = [
        change(0, "subject", subject="Ours"),
        change(1, "subject", subject="Ours"),
        change(2, "subject", subject="Ours"),
        change(3, "subject", subject="e3"),
        change(4, "time", span=TimeSpan(day(1), day(20))),
        change(5, "people", "body", attendees=(), body="@{r0}"),
        change(6, "marks", sync_status="Error"),
        drop(7),
        drop(8),
        create(content(org, subject="new"), pair_key="new"),
        create(content(org, subject="e9"), pair_key="k9"),
        create(content(org, owner_id="005QH00000NobodyYA"), pair_key="bad"),
        change(10, "privacy", sensitivity=Sensitivity.PRIVATE, attendees=()),
        change(11, "people", attendees=()),
    ]
    applied, gone, stale, refused = Result.APPLIED, Result.GONE, Result.STALE, Result.REFUSED
    expected = [
        applied, gone, stale, applied, refused, applied, applied, applied, applied, applied, applied, refused, applied,
        applied,
    ]  # fmt: skip
    wire = Recorded(calls_to(org))
    results = together(org, commands, wire)
    assert [result.result for result in results] == expected  # type: ignore[union-attr]
    assert [result.pair_key for result in results] == [command.pair_key for command in commands]  # type: ignore[union-attr]
    assert len(wire.calls) <= 9
    again = [command for command, result in zip(commands, expected, strict=True) if result is applied]
    assert {result.result for result in together(org, again)} == {applied}  # type: ignore[union-attr]
    assert {row["Subject"] for row in own_events(org)} == {
        "Ours", "Theirs", "e3", "e4", "e5", "e6", "new", "e9", "e10", "e11",
    }  # fmt: skip


@pytest.mark.parametrize("locked", [1, 2, 3])
def test_a_locked_record_holds_up_only_itself(org: SalesforceClient, locked: int) -> None:
    """The others are done; the locked ones come back as errors, and succeed when they are sent again."""
    commands = [create(content(org, attendees=()), pair_key=f"k{number}") for number in range(4)]
    org.simulator.faults.lock_writes = locked
    results = together(org, commands)
    assert [isinstance(result, Throttled) for result in results] == [number < locked for number in range(4)]
    again = together(org, [command for command, r in zip(commands, results, strict=True) if isinstance(r, Throttled)])
    assert {result.result for result in again} == {Result.APPLIED}  # type: ignore[union-attr]
    assert len(own_events(org)) == 4


def test_a_locked_attendee_holds_up_its_event(org: SalesforceClient) -> None:
    """Made, but not with everybody: sent again, completed."""
    wanted = create(content(org))
    org.simulator.faults.lock_writes = 0
    wire = Recorded(calls_to(org))

    def locking(call: Any) -> Any:
        if len(wire.calls) == 1:
            org.simulator.faults.lock_writes = 1
        return wire(call)

    (result,) = together(org, [wanted], locking)
    assert isinstance(result, Throttled)
    assert carry_out(wanted, calls_to(org)).result is Result.APPLIED
    (row,) = own_events(org)
    assert len(people(org, row["Id"])) == 2


def test_a_used_up_allowance_is_raised_for_the_whole_round(org: SalesforceClient) -> None:
    """Nothing was done; the edge waits and sends the round again."""
    made(org)
    org.simulator.usage.maximum = org.simulator.calls_used
    with pytest.raises(Throttled) as caught:
        together(org, [create(content(org), pair_key=key) for key in ("one", "other")])
    assert (caught.value.code, caught.value.wait_s) == ("REQUEST_LIMIT_EXCEEDED", 60.0)
    assert len(own_events(org)) == 1
    (result,) = together(org, [create(content(org), pair_key="one")])
    assert isinstance(result, Throttled)


COSTS: dict[str, tuple[int, tuple[str, ...]]] = {
    "create": (1, ()),
    "create with people": (2, ()),
    "subject": (2, ("subject",)),
    "several groups": (2, ("subject", "time", "body", "show_as")),
    "people": (2, ("people",)),
    "people and subject": (3, ("subject", "people")),
    "marks": (1, ("marks",)),
    "delete": (2, ()),
    "done before": (1, ()),
}


@pytest.mark.parametrize("name", COSTS)
def test_what_a_single_command_costs(org: SalesforceClient, name: str) -> None:
    """Requests of the org's daily allowance."""
    wire = Recorded(calls_to(org))
    if name.startswith("create"):
        wanted = content(org) if name.endswith("people") else content(org, attendees=())
        outcome = carry_out(create(wanted), wire)
    else:
        item = made(org)
        span = TimeSpan(day(1), day(2))
        change = update(
            item,
            *COSTS[name][1],
            subject="x",
            span=span,
            body="y",
            show_as=ShowAs.FREE,
            attendees=(),
            sync_status="Error",
        )
        again = update(item, "subject", "people")
        outcome = carry_out({"delete": delete(item), "done before": again}.get(name, change), wire)
    assert outcome.result is Result.APPLIED
    assert outcome.requests == len(wire.calls) == COSTS[name][0]


@pytest.mark.parametrize("behaviour", [Behaviour().rough(), replace(Behaviour().calm(), trims_text=False)])
def test_small_pages_and_untrimmed_texts_change_nothing(behaviour: Behaviour) -> None:
    """Reading back goes on behind a locator; white space that the org keeps is no edit."""
    org = build_lasting(behaviour=behaviour)
    commands = [create(content(org, subject=f"  e{number} "), pair_key=long_key(number)) for number in range(30)]
    for _ in range(2):
        assert {result.result for result in together(org, commands)} == {Result.APPLIED}  # type: ignore[union-attr]
    assert len(own_events(org)) == 30
    assert reading(org, own_events(org)[0]["Id"]).content.subject == "e0"
