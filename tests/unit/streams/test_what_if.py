"""What other settings would let pass or stop."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

from support.history import CLIENT, History
from support.simulation_pairs import START, TWO_WAY, content

from schemas.calendar import Sensitivity, TimeSpan
from schemas.changes import Side
from schemas.commands import Action
from schemas.settings import Direction, Settings, change_settings
from streams.what_if import WhatIf, what_if

OFF = replace(TWO_WAY, sync_internal_events=False, sync_private_events=False)


def of(history: History, after: Settings) -> WhatIf:
    """What these settings would do in the place of the history's own."""
    return what_if(history.partition.pairs.values(), history.settings, after, START)


def test_the_same_settings_do_nothing() -> None:
    """The same settings do nothing."""
    history = History(OFF)
    history.graph("m:uid-A", "A", content())
    assert of(history, OFF) == WhatIf()


def test_an_event_that_is_left_out_would_appear() -> None:
    """An event that is left out would appear."""
    history = History(OFF)
    assert not history.graph("m:uid-A", "A", content()).commands
    found = of(history, replace(OFF, sync_internal_events=True))
    assert dict(found.writes) == {(Side.SALESFORCE, Action.CREATE): 1}
    assert found.mailed == 0


def test_events_that_stand_on_both_sides_would_no_longer_follow() -> None:
    """Events that stand on both sides would no longer follow."""
    history = History(replace(OFF, sync_private_events=True))
    step = history.graph("m:uid-A", "A", content(sensitivity=Sensitivity.PRIVATE, attendees=(CLIENT,)))
    history.answer(step.commands[0], "00U1", at=1)
    assert dict(of(history, OFF).stopped) == {"private_off": 1}
    one_way = replace(history.settings, direction=Direction.PRACTIFI_TO_MICROSOFT)
    assert dict(of(history, one_way).stopped) == {"direction": 1}


def test_a_save_beyond_the_range_would_go_out_and_mail_whom_it_invites() -> None:
    """It was saved by hand after outbound sync began, forty months ahead."""
    history = History(OFF)
    ahead = TimeSpan(START + timedelta(days=1200), START + timedelta(days=1200, hours=1))
    held = replace(content(attendees=(CLIENT,), send_invitations=True), span=ahead)
    assert not history.salesforce("s:00U1", "00U1", held, at=10).commands
    found = of(history, replace(OFF, outbound_months=60))
    assert dict(found.writes) == {(Side.GRAPH, Action.CREATE): 1}
    assert found.mailed == 1


def test_turning_two_way_on_sends_nothing() -> None:
    """Rule 7.5: what stands in Practifi goes out when it is next saved."""
    one_way = replace(OFF, direction=Direction.MICROSOFT_TO_PRACTIFI, preflight_at=START, sync_internal_events=True)
    history = History(one_way)
    history.salesforce("s:00U1", "00U1", content(attendees=(CLIENT,), send_invitations=True), at=10)
    after = change_settings(history.settings, {"direction": "two_way"}, by="x", now=START + timedelta(minutes=1))
    assert of(history, after) == WhatIf()


def test_under_shadow_nothing_is_written() -> None:
    """Under shadow nothing is written."""
    history = History(OFF)
    history.graph("m:uid-A", "A", content())
    assert not of(history, replace(OFF, sync_internal_events=True, shadow=True)).writes
