"""Commands whose answers get lost, at every step and in every way: one effect, everybody invited, no edit lost."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graph_driver import LossyWire
from support.salesforce_client import START, SalesforceClient
from support.salesforce_driver import (
    KEY,
    NAMES,
    Send,
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
    refusal,
    reply,
    update,
)

from connectors.exchange import Call, Reply, run
from connectors.salesforce.compare import is_done
from connectors.salesforce.fields import FieldNames
from connectors.salesforce.sink import apply_commands
from schemas.calendar import Attendee, Response, Sensitivity
from schemas.commands import Action, Command, Outcome, Result
from schemas.errors import Throttled, Unavailable
from simulators.salesforce.behaviour import Behaviour

KEYLESS = replace(NAMES, sync_key="")
LOST = ("before", "after", "gone")


def start(org: SalesforceClient, kind: str, names: FieldNames = NAMES) -> Command:
    """A command of this kind, with what it needs."""
    if kind == "create":
        return create(content(org, attendees=()))
    if kind == "create with people":
        return create(content(org))
    item = made(org, names=names)
    org.clock.advance(60)
    tentative = Attendee("", record_id=org.ids["contact"], response=Response.TENTATIVE)
    cleo = Attendee("", record_id=org.ids["cleo"], is_user=True)
    return {
        "update": lambda: update(item, "subject", "reminder", subject="New", reminder_minutes=5),
        "people": lambda: update(item, "people", attendees=(tentative, cleo)),
        "both": lambda: update(item, "subject", "people", subject="New", attendees=(tentative, cleo)),
        "private": lambda: update(
            item, "privacy", "subject", subject="New", sensitivity=Sensitivity.PRIVATE, attendees=()
        ),
        "handed over": lambda: update(
            item,
            "owner",
            "people",
            owner_id=org.ids["bob"],
            attendees=(tentative, Attendee("", record_id=org.ids["ada"])),
        ),
        "marks": lambda: update(item, "marks", sync_status="Error"),
        "delete": lambda: delete(item),
    }[kind]()


KINDS = {
    "create": 1,
    "create with people": 2,
    "update": 2,
    "people": 2,
    "both": 3,
    "private": 3,
    "handed over": 3,
    "marks": 1,
    "delete": 2,
}


def redo(command: Command, send: Send, names: FieldNames = NAMES, tries: int = 12) -> Outcome:
    """What the edge does: the same command again until there is an outcome."""
    for _ in range(tries):
        try:
            return carry_out(command, send, names)
        except (Unavailable, Throttled):
            continue
    raise AssertionError("no outcome")


def check(org: SalesforceClient, command: Command, outcome: Outcome, names: FieldNames = NAMES) -> None:
    """Applied once: one event (none after a deletion) that holds all that was asked, and each person's row once."""
    assert outcome.result is Result.APPLIED, outcome
    assert outcome.warning == ""
    if command.action is Action.DELETE:
        assert own_events(org) == []
        assert outcome.item is None
        return
    (row,) = own_events(org)
    item = reading(org, row["Id"], names)
    assert outcome.item == item
    assert [group for group in command.fields if not is_done(item, command, group, names)] == []
    rows = [relation["RelationId"] for relation in org.simulator.records("EventRelation")]
    assert len(rows) == len(set(rows))
    copies = [row["OwnerId"] for row in org.simulator.records("Event") if row["IsChild"]]
    assert sorted(copies) == sorted(key for key in rows if key.startswith("005"))


def steps() -> list[tuple[str, int, str]]:
    """Every call of every kind of command, lost in every way."""
    return [(kind, number, how) for kind, calls in KINDS.items() for number, how in product(range(calls), LOST)]


@pytest.mark.parametrize(("kind", "number", "how"), steps())
def test_any_one_lost_answer_leaves_one_effect(kind: str, number: int, how: str) -> None:
    """Before or after the effect: done again, the outcome is the same."""
    org = build_lasting()
    command = start(org, kind)
    wire = LossyWire(calls_to(org), {number: how})
    check(org, command, redo(command, wire))
    assert len(wire.calls) > number


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_takes_the_calls_that_are_lost_above(kind: str) -> None:
    """So that no step goes untested."""
    org = build_lasting()
    command = start(org, kind)
    wire = LossyWire(calls_to(org), {})
    carry_out(command, wire)
    assert len(wire.calls) == KINDS[kind]


@given(
    st.sampled_from(list(KINDS)), st.dictionaries(st.integers(0, 14), st.sampled_from(LOST), max_size=8), st.booleans()
)
@settings(max_examples=40, deadline=None)
def test_any_losses_leave_one_effect(kind: str, lose: dict[int, str], has_key: bool) -> None:
    """However often, with the unique key and with nothing but the external id to find a record again."""
    names = NAMES if has_key else KEYLESS
    org = build_lasting(behaviour=Behaviour().rough())
    command = start(org, kind, names)
    check(org, command, redo(command, LossyWire(calls_to(org), lose), names), names)
    check(org, command, redo(command, calls_to(org), names), names)


class Answering:
    """A way on which one call is answered with something else, before or after its effect."""

    def __init__(self, org: SalesforceClient, number: int, answer: Reply, *, has_effect: bool) -> None:
        self._send, self._number, self._answer, self._has_effect = calls_to(org), number, answer, has_effect
        self.count = 0

    def __call__(self, call: Call) -> Reply:
        """Pass the call on, or answer in its place."""
        self.count += 1
        if self.count - 1 != self._number:
            return self._send(call)
        if self._has_effect:
            self._send(call)
        return self._answer


TROUBLES = {
    "502 page": (Reply(502, {}, b"<html>Bad gateway</html>"), True),
    "503": (refusal(503, "SERVER_UNAVAILABLE"), False),
    "500": (refusal(500, "UNKNOWN_EXCEPTION"), True),
    "200 page": (Reply(200, {}, b"<html>Maintenance</html>"), True),
    "200 of something else": (reply(200, {"hello": 1}), True),
    "locked": (refusal(400, "UNABLE_TO_LOCK_ROW"), False),
    "limit": (refusal(403, "REQUEST_LIMIT_EXCEEDED"), False),
}


@pytest.mark.parametrize("trouble", TROUBLES)
@pytest.mark.parametrize("kind", KINDS)
def test_an_answer_that_says_nothing_is_no_outcome(kind: str, trouble: str) -> None:
    """At each step: the command is kept, and done again it has its one effect."""
    answer, has_effect = TROUBLES[trouble]
    for number in range(KINDS[kind]):
        org = build_lasting()
        command = start(org, kind)
        wire = Answering(org, number, answer, has_effect=has_effect)
        with pytest.raises((Unavailable, Throttled)):
            carry_out(command, wire)
        check(org, command, redo(command, wire))


@pytest.mark.parametrize(("number", "how"), list(product(range(2), LOST)))
def test_a_half_made_event_that_was_edited_gets_its_people_and_keeps_the_edit(number: int, how: str) -> None:
    """Without its people the record would look as if somebody had taken them off, and they would get cancellations."""
    org = build_lasting()
    command = start(org, "create with people")

    def edit() -> None:
        for row in own_events(org):
            org.simulator.update("Event", row["Id"], {"Subject": "Theirs"})

    outcome = redo(command, LossyWire(calls_to(org), {number: how}, between=edit))
    (row,) = own_events(org)
    assert set(people(org, row["Id"])) == {org.ids["contact"], org.ids["bob"]}
    assert outcome.item == reading(org, row["Id"])
    was_made = number == 1 or how == "after"
    assert outcome.result is (Result.STALE if was_made else Result.APPLIED)
    assert row["Subject"] == ("Theirs" if was_made else "Portfolio review")


def test_whom_somebody_invited_to_a_half_made_event_stays() -> None:
    """The one who answered keeps the answer, the other one keeps the invitation, and the outcome shows it."""
    org = build_lasting()
    command = start(org, "create with people")

    def invite() -> None:
        (row,) = own_events(org)
        org.create("EventRelation", {"EventId": row["Id"], "RelationId": org.ids["cleo"]})
        org.create("EventRelation", {"EventId": row["Id"], "RelationId": org.ids["contact"], "Status": "Declined"})

    outcome = redo(command, LossyWire(calls_to(org), {0: "after"}, between=invite))
    assert outcome.result is Result.STALE
    (row,) = own_events(org)
    assert people(org, row["Id"]) == {
        org.ids["cleo"]: ("New", None), org.ids["contact"]: ("Declined", None), org.ids["bob"]: ("Accepted", None),
    }  # fmt: skip


@pytest.mark.parametrize(("number", "how"), list(product(range(2), LOST)))
def test_an_edit_between_two_tries_of_an_update_is_not_overwritten(number: int, how: str) -> None:
    """The same group: stale, whether or not our own write came first."""
    org = build_lasting()
    command = start(org, "update")

    def edit() -> None:
        org.clock.advance(1)
        org.simulator.update("Event", command.id, {"Subject": "Theirs"})

    outcome = redo(command, LossyWire(calls_to(org), {number: how}, between=edit))
    assert outcome.result is Result.STALE
    assert reading(org, command.id).content.subject == "Theirs"


@pytest.mark.parametrize(("number", "how"), list(product(range(2), LOST)))
def test_half_changed_people_are_told_from_somebody_elses_change(number: int, how: str) -> None:
    """Some of our rows may be there already; somebody else's row makes it stale."""
    for is_theirs in (False, True):
        org = build_lasting()
        item = made(org)
        contact = Attendee("", record_id=org.ids["other_contact"])
        command = update(item, "people", attendees=(item.content.attendees[0], contact))
        who = org.ids["cleo"] if is_theirs else org.ids["other_contact"]

        def invite(org: SalesforceClient = org, event: str = item.id, who: str = who) -> None:
            if who not in people(org, event):
                org.create("EventRelation", {"EventId": event, "RelationId": who})

        outcome = redo(command, LossyWire(calls_to(org), {number: how}, between=invite))
        assert outcome.result is (Result.STALE if is_theirs else Result.APPLIED)
        assert who in people(org, item.id)


@pytest.mark.parametrize(
    ("kind", "number"), [("update", 0), ("update", 1), ("people", 1), ("delete", 1), ("private", 1)]
)
def test_a_record_deleted_under_our_hands_is_gone(kind: str, number: int) -> None:
    """Before our look, between look and write: the outcome says so; a deletion is done."""
    org = build_lasting()
    command = start(org, kind)
    wire = LossyWire(calls_to(org), {})

    def deleting(call: Call) -> Reply:
        if len(wire.calls) == number:
            org.simulator.delete("Event", command.id)
        return wire(call)

    outcome = redo(command, deleting)
    assert outcome.result is (Result.APPLIED if kind == "delete" else Result.GONE)
    assert own_events(org) == []


def test_a_new_record_deleted_before_we_read_it_is_gone() -> None:
    """Made, and deleted before we could say so."""
    org = build_lasting()
    command = start(org, "create with people")
    wire = LossyWire(calls_to(org), {})

    def deleting(call: Call) -> Reply:
        for row in own_events(org):
            org.simulator.delete("Event", row["Id"])
        return wire(call)

    assert carry_out(command, deleting).result is Result.GONE


@pytest.mark.parametrize("names", [NAMES, KEYLESS], ids=["by key", "by external id"])
@pytest.mark.parametrize(("generation", "result"), [(1, Result.GONE), (2, Result.APPLIED)])
def test_what_somebody_deleted_before_the_create_was_answered_stays_deleted(
    generation: int, result: Result, names: FieldNames
) -> None:
    """Of a pair's first create. Of a later one nobody can tell whether the deleted record is one from before."""
    org = build_lasting()
    command = replace(create(content(org)), generation=generation)
    insert = 0 if names.sync_key else 1  # without a key of our own it is first looked for
    with pytest.raises(Unavailable):
        run(apply_commands((command,), now=START, names=names), LossyWire(calls_to(org), {insert: "after"}))
    assert len(own_events(org)) == 1
    for row in own_events(org):
        org.simulator.delete("Event", row["Id"])
    tried = frozenset({command.command_id})
    (outcome,) = run(apply_commands((command,), now=START, names=names, tried=tried), calls_to(org))
    assert isinstance(outcome, Outcome)
    assert outcome.result is result
    assert len(own_events(org)) == (result is Result.APPLIED)


@pytest.mark.parametrize("how", LOST)
def test_a_create_tried_before_still_makes_one_event(how: str) -> None:
    """Whether or not it took effect then, and nobody deleted anything."""
    org = build_lasting()
    command = replace(create(content(org)), generation=1)
    with pytest.raises(Unavailable):
        run(apply_commands((command,), now=START, names=NAMES), LossyWire(calls_to(org), {0: how}))
    tried = frozenset({command.command_id})
    (outcome,) = run(apply_commands((command,), now=START, names=NAMES, tried=tried), calls_to(org))
    assert isinstance(outcome, Outcome)
    check(org, command, outcome)


@pytest.mark.parametrize("how", LOST)
def test_a_round_done_again_gives_each_pair_one_event(how: str) -> None:
    """A lost answer of a round of creates: none twice, all complete."""
    commands: list[Command] = []
    for number in range(4):
        org = build_lasting()
        commands = [create(content(org, subject=f"e{n}"), pair_key=f"{KEY}{n}") for n in range(10)]
        wire = LossyWire(calls_to(org), {number: how, number + 2: how})
        for _ in range(4):
            try:
                results = run(apply_commands(commands, now=START, names=NAMES), wire)
                break
            except Unavailable:
                continue
        assert {result.result for result in results if isinstance(result, Outcome)} == {Result.APPLIED}
        assert sorted(row["Subject"] for row in own_events(org)) == sorted(f"e{n}" for n in range(10))
        assert len(org.simulator.records("EventRelation")) == 20


def test_one_bad_command_does_not_spoil_its_round() -> None:
    """What makes Salesforce refuse a whole request is found by asking for each command by itself."""
    org = build_lasting()
    items = [carry_out(create(content(org), pair_key=f"k{n}"), calls_to(org)).item for n in range(5)]
    commands = [update(item, "subject", subject="New", pair_key=f"k{n}") for n, item in enumerate(items) if item]
    commands[2] = replace(commands[2], id="no id at all")
    results = run(apply_commands(commands, now=START, names=NAMES), calls_to(org))
    assert [r.result for r in results if isinstance(r, Outcome)] == [
        Result.APPLIED, Result.APPLIED, Result.REFUSED, Result.APPLIED, Result.APPLIED,
    ]  # fmt: skip


def test_two_commands_for_one_record_do_not_meet_in_one_request() -> None:
    """Two pairs that claim one record, by whatever mistake: one waits."""
    org = build_lasting()
    item = made(org)
    commands = [update(item, "location", location="x", pair_key=key) for key in ("one", "two")]
    first, second = run(apply_commands(commands, now=START, names=NAMES), calls_to(org))
    assert isinstance(first, Outcome)
    assert first.result is Result.APPLIED
    assert isinstance(second, Throttled)
