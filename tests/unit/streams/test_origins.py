"""Rule 7.4: what an import, other software or nobody known saved in Practifi stays there until a person saves it."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest
from support.builders import CLIENT, NOW, answered, command, firm_settings, meeting
from support.pair_folds import KEY, agreed, folded, in_salesforce
from support.pair_looks import lone, short, state_of
from support.pair_world import World, a_pair

from projections.sync_state import with_side
from schemas.changes import Side
from schemas.commands import Action, Result
from schemas.groups import MARKS
from schemas.journal import JournalEntry
from schemas.settings import Settings, change_settings
from schemas.state import UNTOLD, Status
from streams.origins import may_go_out

LIGHTNING = "com/salesforce/api/soap/66.0;client=SfdcInternalAPI/"
LOADER = "com/salesforce/api/soap/66.0;client=DataLoaderPartnerUI/66.0.0"
REST = "com/salesforce/api/rest/66.0"
BULK = "com/salesforce/api/bulkapi/66.0"


@pytest.mark.parametrize(
    ("listed", "passing"),
    [
        (("ui",), {LIGHTNING, "ui", "UI"}),
        (("unknown",), {""}),
        (("ui", "unknown"), {LIGHTNING, "ui", "UI", ""}),
        (("com/salesforce/api/rest",), {REST, f"{REST};client=OtherSync"}),
        (("OtherSync",), {f"{REST};client=OtherSync"}),
        (("dataloaderpartnerui/66.0.0",), {LOADER}),
        (("AURA",), {"AURA"}),
        (("api",), {"api"}),
    ],
)
def test_list_lets_through_what_it_names(listed: tuple[str, ...], passing: set[str]) -> None:
    """`ui` is Lightning, `unknown` the empty origin; the rest is an origin, its beginning or its client."""
    origins = {LIGHTNING, LOADER, REST, f"{REST};client=OtherSync", BULK, "ui", "UI", "api", "AURA", "", UNTOLD}
    settings = Settings(outbound_origins=listed)
    assert {origin for origin in origins if may_go_out(origin, settings)} == passing


@pytest.mark.rule("7.4")
def test_import_of_500_events_writes_nothing_to_microsoft_and_mails_nobody() -> None:
    """A batch with invited clients, in the future and the past: no command, no mail; each event says why."""
    world = World(origin=BULK)
    for number in range(500):
        start = NOW + timedelta(days=number - 100)
        span = replace(meeting().span, start_utc=start, end_utc=start + timedelta(hours=1))
        world.make(Side.SALESFORCE, meeting(f"Review {number}", span=span, attendees=(CLIENT,), send_invitations=True))
    world.settle()
    assert [one for one in world.commands if one.side is Side.GRAPH or one.mails] == []
    assert {(one.status, one.reason) for one in world.pairs.values()} == {(Status.NOT_SYNCED, "imported")}
    assert len(world.pairs) == 500


@pytest.mark.rule("7.4")
def test_imported_event_goes_out_when_somebody_saves_it_by_hand() -> None:
    """Rule 7.5 knows only the save: an import that a person takes up is that person's event, and invites once."""
    world = lone(Side.SALESFORCE, meeting(attendees=(CLIENT,), send_invitations=True), origin=BULK)
    (record,) = world.items[Side.SALESFORCE]
    world.origin = "ui"
    world.edit(Side.SALESFORCE, record, location="Room 2")
    world.settle()
    (create,) = [one for one in world.commands if one.side is Side.GRAPH]
    assert (create.action, short(create)[2]) == (Action.CREATE, ["invite client@out.example"])
    assert state_of(world).status is Status.SYNCED


def test_edit_by_software_waits_for_the_next_save_by_hand() -> None:
    """A synced pair: what a program changes stays in Practifi, and goes out with what a person changes later."""
    world = World()
    _, graph, record = a_pair(world, first=Side.SALESFORCE)
    world.origin = f"{REST};client=OtherSync"
    world.edit(Side.SALESFORCE, record, location="By software")
    world.settle()
    assert world.items[Side.GRAPH][graph].content.location == ""
    assert world.decisions[-1].reason == "imported"
    world.origin = "ui"
    world.edit(Side.SALESFORCE, record, subject="By hand")
    world.settle()
    held = world.items[Side.GRAPH][graph].content
    assert (held.location, held.subject) == ("By software", "By hand")


def test_edit_in_microsoft_still_comes_in_over_an_import() -> None:
    """What may not go out wins nothing: Microsoft 365 goes on being carried to Practifi."""
    world = World()
    _, graph, record = a_pair(world, first=Side.SALESFORCE)
    world.origin = BULK
    world.edit(Side.SALESFORCE, record, location="By software")
    world.settle()
    world.edit(Side.GRAPH, graph, location="Room 1", body="Agenda")
    world.settle()
    held = world.items[Side.SALESFORCE][record].content
    assert (held.location, held.body) == ("Room 1", "Agenda")


def test_allowing_an_origin_later_sends_nothing() -> None:
    """Rule 7.5: a loosened setting is no save."""
    world = lone(Side.SALESFORCE, meeting(attendees=(CLIENT,), send_invitations=True), origin="")
    after = change_settings(world.settings, {"outbound_origins": "ui,unknown"}, by="eve", now=world.now)
    world.put_in_force(after)
    world.read_again(Side.SALESFORCE)
    world.settle()
    assert [one for one in world.commands if one.side is Side.GRAPH] == []


def test_firm_may_trust_unknown_origins() -> None:
    """Where no source can tell, an administrator can let everything out."""
    world = lone(Side.SALESFORCE, settings=firm_settings(outbound_origins=("unknown",)), origin="")
    assert state_of(world).status is Status.SYNCED


def test_save_that_a_sink_meets_first_goes_out_once_its_origin_is_told() -> None:
    """A sink reads what somebody saved meanwhile, but not how: the source says so, with the same version."""
    state, sent = agreed(), command(Side.SALESFORCE, Action.UPDATE, id="S", basis=meeting(), content=meeting("Ours"))
    state = with_side(state, Side.SALESFORCE, replace(state.salesforce, pending=sent))
    later = NOW + timedelta(minutes=1)
    theirs = in_salesforce(meeting("Theirs"), modified_at=later, sync_key=KEY).what.item  # type: ignore[union-attr]
    state, _ = folded(state, answered(sent, Result.STALE, replace(theirs, origin=""), at=later))
    assert state.salesforce.origin == UNTOLD
    state = with_side(state, Side.SALESFORCE, replace(state.salesforce, held_back="imported"))
    state, _ = folded(state, in_salesforce(meeting("Theirs"), modified_at=later, sync_key=KEY))
    assert (state.salesforce.origin, state.salesforce.held_back, state.salesforce.edited_at) == ("ui", "", later)


def test_our_own_write_on_top_of_a_save_does_not_leave_its_origin_untold() -> None:
    """The source reads the record only after our marks gave it a later time: how it was saved is told all the same."""
    later, still_later = NOW + timedelta(minutes=1), NOW + timedelta(minutes=2)
    theirs = in_salesforce(meeting("Theirs"), modified_at=later, sync_key=KEY).what.item  # type: ignore[union-attr]
    state = agreed()
    held = replace(state.salesforce, item=theirs, origin=UNTOLD, edited_at=later, held_back="imported")
    marks = command(Side.SALESFORCE, Action.UPDATE, id="S", basis=meeting("Theirs"), content=meeting("Theirs"))
    state = with_side(state, Side.SALESFORCE, replace(held, pending=replace(marks, fields=(MARKS,))))
    state, _ = folded(state, answered(marks, Result.APPLIED, replace(theirs, modified_at=still_later), at=still_later))
    assert (state.salesforce.origin, state.salesforce.edited_at) == (UNTOLD, later)
    state, _ = folded(state, in_salesforce(meeting("Theirs"), modified_at=still_later, sync_key=KEY))
    assert (state.salesforce.origin, state.salesforce.held_back, state.salesforce.edited_at) == ("ui", "", later)


def test_origin_that_a_source_told_outlives_the_sinks_answer() -> None:
    """The source read the save first; the sink that meets it cannot unsay how it came about."""
    state, sent = agreed(), command(Side.SALESFORCE, Action.UPDATE, id="S", basis=meeting(), content=meeting("Ours"))
    state = with_side(state, Side.SALESFORCE, replace(state.salesforce, pending=sent))
    later = NOW + timedelta(minutes=1)
    entry = in_salesforce(meeting("Theirs"), modified_at=later, sync_key=KEY)
    state, _ = folded(state, entry)
    theirs = replace(entry.what.item, origin="")  # type: ignore[union-attr]
    state, _ = folded(state, answered(sent, Result.STALE, theirs, at=later))
    assert state.salesforce.origin == "ui"


def test_edit_whose_origin_nobody_told_yet_says_so_until_somebody_does() -> None:
    """A poll saw the save before its change event came. What follows decides it: the event, or that none came."""
    world = World(settings=firm_settings(outbound_origins=("ui", "unknown")))
    _, graph, record = a_pair(world, first=Side.SALESFORCE)
    world.origin = UNTOLD
    world.edit(Side.SALESFORCE, record, location="Room 2")
    world.settle()
    assert (world.decisions[-1].reason, world.items[Side.GRAPH][graph].content.location) == ("awaiting_origin", "")
    told = world.items[Side.SALESFORCE]
    told[record] = replace(told[record], origin="")
    world.read_again(Side.SALESFORCE)
    world.settle()
    assert world.items[Side.GRAPH][graph].content.location == "Room 2"


@pytest.mark.parametrize(
    ("first", "then", "held"),
    [
        (UNTOLD, LIGHTNING, LIGHTNING),
        (UNTOLD, "", ""),
        ("", LIGHTNING, LIGHTNING),
        (LOADER, LIGHTNING, LIGHTNING),
        (LIGHTNING, LOADER, LOADER),
        (LIGHTNING, "", LIGHTNING),
        (LIGHTNING, UNTOLD, LIGHTNING),
        ("", UNTOLD, ""),
    ],
)
def test_later_word_about_the_same_save_counts_when_it_knows_more(first: str, then: str, held: str) -> None:
    """A poll may read a save before its change event comes, and two saves may share a second. Who knows nothing takes
    back nothing."""
    later = NOW + timedelta(minutes=1)

    def read(origin: str) -> JournalEntry:
        return in_salesforce(meeting("Theirs"), modified_at=later, sync_key=KEY, origin=origin)

    state, _ = folded(agreed(), read(first))
    assert (state.salesforce.origin, state.salesforce.edited_at) == (first, later)
    reason = "awaiting_origin" if first == UNTOLD else "imported"
    state = with_side(state, Side.SALESFORCE, replace(state.salesforce, held_back=reason))
    state, _ = folded(state, read(then))
    assert (state.salesforce.origin, state.salesforce.edited_at) == (held, later)
    assert state.salesforce.held_back == (reason if held == first else "")
