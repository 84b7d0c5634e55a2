"""What the audit says of a pair: each cause in a table, and nothing of pairs that are as they should be."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from support.builders import BOB, CLIENT, NOW, firm_settings, graph_item, meeting, salesforce_item, span
from support.pair_acts import FIRSTS, Act, edit_acts, histories, lived
from support.pair_world import the_directory

from schemas.calendar import Sensitivity, ShowAs
from schemas.changes import Item, Side
from schemas.commands import Action, Command, Hold, HoldKind
from schemas.settings import Direction, Settings, ShowAsList
from schemas.state import PairState, SideState, Status
from streams.audit import WORDS, Cause, Look, examine, held, stranger
from streams.intake import identified
from streams.mapping import practifi_view

KEY = "m:uid-G"
LATER = NOW + timedelta(days=1)
JUST_NOW = LATER - timedelta(minutes=2)
ALL_ON = firm_settings()


def agreed(graph: Item | None = None, settings: Settings = ALL_ON, **in_practifi: Any) -> PairState:
    """A pair whose sides were settled; what Practifi holds besides stands in `in_practifi`."""
    graph = graph or graph_item(sync_key=KEY)
    view = practifi_view(graph, settings)
    content = replace(view, sync_status="Synced", external_id=graph.id, **in_practifi)
    salesforce = salesforce_item(content, sync_key=KEY)
    base = replace(view, sync_status="Synced", external_id=graph.id)
    return PairState(
        KEY, 3, graph=SideState(item=graph, base=view), salesforce=SideState(item=salesforce, base=base),
        status=Status.SYNCED, reason="in_agreement",
    )  # fmt: skip


def looks_at(state: PairState, **found: Any) -> dict[str, Look]:
    """Both sides as the log holds them, but for what is given by side: an item, or None for nothing there."""
    sides = {"graph": state.graph.item, "salesforce": state.salesforce.item}
    return {item.id: Look(found.get(side, item)) for side, item in sides.items() if item is not None}


def told(
    state: PairState, looks: Mapping[str, Look] | None = None, settings: Settings = ALL_ON, **more: Any
) -> list[Any]:
    """Cause, side and fields of each finding."""
    found = examine(state, looks_at(state) if looks is None else looks, settings, LATER, **more)
    return [(one.cause, one.side, one.fields) for one in found]


def edited(item: Item | None, at: Any = NOW + timedelta(hours=1), **members: Any) -> Item:
    """The item with other content, saved then."""
    assert item is not None
    return replace(item, content=replace(item.content, **members), version="other", modified_at=at)


def test_a_settled_pair_has_no_finding() -> None:
    """Both sides as the log has them, and the same."""
    assert told(agreed()) == []


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(("saved", "cause"), [(JUST_NOW, Cause.ON_ITS_WAY), (NOW + timedelta(hours=1), Cause.MISSED)])
def test_what_was_saved_on_a_side_and_is_not_on_the_log(side: Side, saved: Any, cause: Cause) -> None:
    """Young ones are on their way, older ones were missed; the fields are named, the other side is left alone."""
    state = agreed()
    held = state.graph.item if side is Side.GRAPH else state.salesforce.item
    there = edited(held, saved, subject="Other", location="Elsewhere")
    assert told(state, looks_at(state, **{side: there})) == [(cause, side, ("subject", "location"))]


def test_both_sides_may_have_been_missed() -> None:
    """One finding each."""
    state = agreed()
    looks = looks_at(
        state, graph=edited(state.graph.item, body="A"), salesforce=edited(state.salesforce.item, body="B")
    )
    assert told(state, looks) == [
        (Cause.MISSED, Side.GRAPH, ("body",)), (Cause.MISSED, Side.SALESFORCE, ("body",)),
    ]  # fmt: skip


def test_a_copy_in_another_mailbox_counts_as_well() -> None:
    """It does not lead, but the log holds it: once the leading one goes, it does."""
    copy = graph_item(id="C", mailbox=BOB.mailbox, is_organizer=False, sync_key=KEY)
    state = agreed()
    state = replace(state, graph=replace(state.graph, copies=(copy,)))
    looks = looks_at(state) | {"C": Look(edited(copy, subject="Other"))}
    assert told(state, looks) == [(Cause.MISSED, Side.GRAPH, ("subject",))]
    assert told(state, looks_at(state) | {"C": Look(None)}) == [(Cause.GONE, Side.GRAPH, ())]


def test_a_mark_that_somebody_took_away_is_a_missed_change() -> None:
    """It is no content, but the log says it is there."""
    state = agreed()
    assert state.graph.item is not None
    looks = looks_at(state, graph=replace(state.graph.item, sync_key=""))
    assert told(state, looks) == [(Cause.MISSED, Side.GRAPH, ("marks",))]


def test_what_the_service_does_not_have_and_what_cannot_be_read() -> None:
    """Two different things."""
    state = agreed()
    assert told(state, looks_at(state, salesforce=None)) == [(Cause.GONE, Side.SALESFORCE, ())]
    looks = looks_at(state) | {"G": Look(None, is_readable=False)}
    assert told(state, looks) == [(Cause.UNREADABLE, Side.GRAPH, ())]


def test_a_record_in_quarantine_explains_what_was_missed() -> None:
    """But it is no drift where both sides are the same."""
    state = agreed()
    looks = looks_at(state, graph=edited(state.graph.item, subject="Other"))
    assert told(state, looks, in_quarantine=True) == [(Cause.QUARANTINED, Side.GRAPH, ("subject",))]
    assert told(state, in_quarantine=True) == []
    apart = agreed(subject="Other in Practifi")
    assert told(apart, in_quarantine=True) == [(Cause.QUARANTINED, None, ("subject",))]


def test_a_write_under_way_held_or_refused_is_named() -> None:
    """The state says so; the service's own code is told."""
    state = agreed(subject="Other in Practifi")
    command = Command(
        command_id=f"{KEY}#1", pair_key=KEY, side=Side.GRAPH, action=Action.UPDATE, decided_at=NOW, revision=1,
        fields=("subject",), content=meeting(),
    )  # fmt: skip
    pending = replace(state, graph=replace(state.graph, pending=command))
    assert told(pending) == [(Cause.UNDER_WAY, Side.GRAPH, ("subject",))]
    held = replace(state, held=Hold(HoldKind.INVITATIONS, "d", NOW, Side.GRAPH, Action.UPDATE, ("people",)))
    (finding,) = examine(held, looks_at(held), ALL_ON, LATER)
    assert (finding.cause, finding.reason, finding.since) == (Cause.HELD, "held_invitations", NOW)
    refused = replace(state, status=Status.ERROR, reason="FIELD_CUSTOM_VALIDATION_EXCEPTION")
    (finding,) = examine(refused, looks_at(refused), ALL_ON, LATER)
    assert (finding.cause, finding.reason) == (Cause.REFUSED, "FIELD_CUSTOM_VALIDATION_EXCEPTION")
    fought = replace(state, status=Status.ERROR, reason="two_engines")
    assert told(fought) == [(Cause.OTHER_ENGINE, None, ("subject",))]


def test_what_the_settings_call_for_is_due_or_only_shown() -> None:
    """An edit in Microsoft 365 that no entry has carried; in shadow mode nothing is to be."""
    state = agreed()
    assert state.graph.item is not None
    ahead = replace(state, graph=replace(state.graph, item=edited(state.graph.item, subject="Other")))
    assert told(ahead) == [(Cause.DUE, Side.SALESFORCE, ("subject",))]
    assert told(ahead, settings=firm_settings(shadow=True)) == [(Cause.SHADOW, Side.SALESFORCE, ("subject",))]


@pytest.mark.parametrize(
    ("settings", "item", "reason"),
    [
        ({"direction": Direction.PRACTIFI_TO_MICROSOFT}, graph_item(), "direction"),
        ({"sync_private_events": False}, graph_item(meeting(sensitivity=Sensitivity.PRIVATE)), "private_off"),
        ({"inbound_years": 0}, graph_item(meeting(span=span(days=400))), "out_of_range"),
        ({"sync_internal_events": False}, graph_item(), "internal_off"),
        ({}, graph_item(is_draft=True), "draft"),
        ({}, graph_item(mailbox=BOB.mailbox), "user_disabled"),
    ],
)
def test_what_the_rules_leave_out_is_no_drift(settings: dict[str, Any], item: Item, reason: str) -> None:
    """The reason is the rule's."""
    state = PairState(KEY, graph=SideState(item=item), status=Status.NOT_SYNCED, reason=reason)
    (finding,) = examine(state, looks_at(state), firm_settings(**settings), LATER)
    assert (finding.cause, finding.reason, finding.is_drift) == (Cause.LEFT_OUT, reason, False)


def test_people_who_stay_in_practifi_are_left_out_by_the_rule_that_holds_today() -> None:
    """Only they were added; for what a save was held back once counts where nothing else stands in the way today."""
    state = agreed(attendees=(CLIENT,))
    known = replace(state, salesforce=replace(state.salesforce, edited_at=NOW, origin="ui", held_back="direction"))
    (finding,) = examine(known, looks_at(known), ALL_ON, LATER)
    assert (finding.cause, finding.fields, finding.reason) == (Cause.LEFT_OUT, ("people",), "attendees_only")
    other = agreed(location="Elsewhere")
    known = replace(other, salesforce=replace(other.salesforce, edited_at=NOW, origin="ui", held_back="direction"))
    (finding,) = examine(known, looks_at(known), replace(ALL_ON, changed_at=LATER), LATER)
    assert (finding.cause, finding.fields, finding.reason) == (Cause.LEFT_OUT, ("location",), "direction")


def test_what_practifi_cannot_hold_is_told_and_no_drift() -> None:
    """A value of Show Time As, and a text that is cut."""
    standard = firm_settings(show_as_list=ShowAsList.STANDARD)
    state = agreed(graph_item(meeting("x" * 300, show_as=ShowAs.TENTATIVE), sync_key=KEY), standard)
    assert told(state, settings=standard) == [(Cause.LOSSY, None, ("subject", "show_as"))]


def test_people_matched_otherwise_by_now_are_no_change_of_the_service() -> None:
    """The same address, but a contact of that address came in since."""
    before = replace(CLIENT, record_id="")
    state = agreed(graph_item(meeting(attendees=(before,)), sync_key=KEY))
    assert state.graph.item is not None
    now = replace(state.graph.item, content=replace(state.graph.item.content, attendees=(CLIENT,)))
    assert told(state, looks_at(state, graph=now)) == [(Cause.MATCHED_LATER, Side.GRAPH, ("people",))]


def test_another_address_of_the_same_record_is_no_change_of_practifi() -> None:
    """Practifi names records; intake adds the addresses, which may be others by now."""
    state = agreed(graph_item(meeting(attendees=(CLIENT,)), sync_key=KEY))
    moved = edited(state.salesforce.item, attendees=(replace(CLIENT, address="moved@out.example", name="Moved"),))
    assert told(state, looks_at(state, salesforce=moved)) == []


def test_a_side_that_was_not_looked_at_is_taken_as_the_log_has_it() -> None:
    """A mailbox that could not be read says nothing about its events."""
    assert told(agreed(), {}) == []


def test_nothing_is_said_of_a_pair_of_which_nothing_is_left() -> None:
    """Deleted on both sides."""
    gone = SideState(is_deleted=True)
    assert told(PairState(KEY, graph=gone, salesforce=gone)) == []


def test_strangers_are_new_forgotten_being_made_or_back() -> None:
    """What stands in a service and no pair holds."""
    item = salesforce_item(id="S9")
    create = Command(
        command_id=f"{KEY}#1", pair_key=KEY, side=Side.SALESFORCE, action=Action.CREATE, decided_at=NOW, revision=1
    )
    making = PairState(KEY, salesforce=SideState(pending=create))
    back = PairState(KEY, salesforce=SideState(is_deleted=True, gone={"S9": NOW}))
    cases = [
        (item, None, "s:S9", Cause.UNKNOWN),
        (replace(item, modified_at=JUST_NOW), None, "s:S9", Cause.ON_ITS_WAY),
        (replace(item, sync_key=KEY), making, KEY, Cause.UNDER_WAY),
        (item, back, KEY, Cause.MISSED),
    ]
    for living, state, key, cause in cases:
        found = stranger(living, state, LATER)
        assert (found.pair_key, found.cause, found.item_id) == (key, cause, "S9")
    assert stranger(item, None, LATER, in_quarantine=True).cause is Cause.QUARANTINED


@given(acts=histories(edit_acts(people=True), size=4), first=FIRSTS)
def test_what_has_settled_has_no_drift(acts: list[Act], first: Side) -> None:
    """Whatever was done to a pair: once nothing is under way, the log knows what both services hold, and why."""
    world, key, _ = lived(acts, first=first)
    world.settle()
    state = world.partition.pairs[key]
    looks = {}
    for item in held(state):
        there = world.items[item.side].get(item.id)
        looks[item.id] = Look(None if there is None else identified(there, the_directory()))
    assert [one for one in examine(state, looks, world.settings, world.now) if one.is_drift] == []


def test_each_cause_is_told_in_words_and_in_the_guide() -> None:
    """Nobody meets a word that is explained nowhere."""
    guide = (Path(__file__).parents[3] / "docs" / "how-to" / "audit.md").read_text()
    assert set(WORDS) == set(Cause)
    assert [cause for cause in Cause if f"| `{cause}` |" not in guide] == []
