"""Why an event is not synced, as `concord status` says it: under the settings of today, not those of the decision."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from support.history import PRIVATE, REFUSED, REVIEW, History, whole_day
from support.simulation_pairs import START, TWO_WAY, content

from concord.standing import WHEN_CHANGED, present_reason, told
from schemas.settings import Direction, Settings
from streams.reasons import REASONS


def changed(**members: Any) -> Settings:
    """The firm's settings, changed after the day."""
    return replace(TWO_WAY, number=2, changed_at=START.replace(hour=20), **members)


@pytest.mark.parametrize(
    ("members", "reason"),
    [
        ({}, "private_off"),
        ({"sync_private_events": True}, WHEN_CHANGED.code),
        ({"direction": Direction.PRACTIFI_TO_MICROSOFT}, "direction"),
        ({"users": ()}, "user_disabled"),
    ],
)
def test_reason_follows_the_present_settings(members: dict[str, Any], reason: str) -> None:
    """A private event left out yesterday is told by what holds it back today, or that it only waits for a change."""
    state = whole_day().pair(PRIVATE)
    assert present_reason(state, changed(**members), START) == reason


def test_a_save_that_was_held_back_is_told_by_todays_reason() -> None:
    """Saved in Practifi while nothing went out: allowed now, it goes out when it is next edited."""
    history = History(settings=replace(TWO_WAY, direction=Direction.MICROSOFT_TO_PRACTIFI))
    history.salesforce("s:X", "X", content("Own"), at=1)
    state = history.pair("s:X")
    assert state.reason == "direction"
    assert present_reason(state, changed(), START) == WHEN_CHANGED.code


@pytest.mark.parametrize("key", [REVIEW, REFUSED])
def test_other_pairs_keep_the_reason_on_record(key: str) -> None:
    """What is synced or refused is told as it was decided."""
    state = whole_day().pair(key)
    assert present_reason(state, changed(users=()), START) == state.reason


def test_every_reason_can_be_told() -> None:
    """Ours, those of the decisions, and a service's own code."""
    assert told(WHEN_CHANGED.code).text == WHEN_CHANGED.text
    assert WHEN_CHANGED.code not in REASONS
    assert told("draft").rule == "7.2"
    assert "SOME_CODE" in told("SOME_CODE").text
