"""Behaviours as JSON: shown, set by name, and refused in words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from simulators.graph.behaviour import Behaviour
from simulators.pubsub.behaviour import PubSubBehaviour
from simulators.salesforce.behaviour import Behaviour as OrgBehaviour
from simulators.switches import switched, switches_as_json


@pytest.mark.parametrize("behaviour", [Behaviour(), OrgBehaviour(), PubSubBehaviour()])
def test_what_is_shown_can_be_set(behaviour: Any) -> None:
    """All switches travel as JSON; a preset comes first, single switches change it."""
    shown = json.loads(json.dumps(switches_as_json(behaviour)))
    assert switched(behaviour.rough(), shown) == behaviour
    assert switched(behaviour, {"preset": "rough"}) == behaviour.rough()
    assert switched(behaviour, {}) == behaviour


def test_groups_numbers_and_none() -> None:
    """A group takes its own switches, a whole number is a float where one is due, null switches a limit off."""
    set_ = switched(Behaviour(), {"preset": "calm", "delta": {"replay": 1}, "subject_length_max": 255})
    assert (set_.delta.replay, set_.delta.empty_page, set_.subject_length_max) == (1.0, 0.0, 255)
    assert switched(set_, {"subject_length_max": None}).subject_length_max is None
    assert switched(PubSubBehaviour(), {"hidden_fields": ["Location"]}).hidden_fields == {"Location"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ([], "must be a JSON object"),
        ({"nonsense": 1}, "there is no switch nonsense"),
        ({"preset": "replace"}, "none of calm, rough"),
        ({"second_bump": "often"}, "second_bump is 'often'"),
        ({"second_bump": -1}, "second_bump is -1"),
        ({"delete_checks_version": 1}, "delete_checks_version is 1"),
        ({"concurrency_max": 1.5}, "concurrency_max is 1.5"),
        ({"delta": {"replay": True}}, "replay is True"),
        ({"delta": 1}, "must be a JSON object"),
    ],
)
def test_nonsense_is_refused(changes: Any, words: str) -> None:
    """In one sentence that names the switch."""
    with pytest.raises(ValueError, match=words):
        switched(Behaviour(), changes)
