"""Scenario *window edge*: what is made outside the range, moves out, moves in, or is left behind is never deleted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from support.scripted import Story, day, times

FAR = day(365 * 3)
LONG_AGO = day(-400)


def deletions(firm: Story) -> list[str]:
    """What Concord deleted, on either side."""
    return [f"{one.side} {one.target}" for one in firm.writes() if "DELETE" in one.method]


@pytest.mark.rule("7.14", "7.19")
def test_window_edge_is_no_deletion(firm: Story) -> None:
    """Each of the four ways over the edge, under policies that carry every deletion to the other side."""
    ann = firm.people[0]
    outside = firm.make(ann, "Outside", FAR)
    leaving = {name: firm.make(ann, name, day(20)) for name in ("Leaves ahead", "Leaves behind")}
    staying = firm.make(ann, "Stays", day(21))
    firm.settle()
    assert sorted(one["Subject"] for one in firm.records()) == ["Leaves ahead", "Leaves behind", "Stays"]

    firm.change(ann, leaving["Leaves ahead"], **times(FAR))
    firm.change(ann, leaving["Leaves behind"], **times(LONG_AGO))
    firm.settle()
    assert len(firm.records()) == 3, "the delta names what left the window as removed"
    assert firm.starts("Leaves ahead") == [f"{FAR:%Y-%m-%dT%H:%M}"]
    assert firm.starts("Leaves behind") == [f"{LONG_AGO:%Y-%m-%dT%H:%M}"]

    firm.change(ann, outside, **times(day(22)))
    for event_id in leaving.values():
        firm.change(ann, event_id, **times(day(23)))
    firm.settle()
    assert len(firm.records()) == 4
    assert len(set(firm.starts("Leaves"))) == 1, "they come back to the records that they had"

    firm.pass_time(days=400)  # the window slides on, with new delta queries each month
    firm.world.services.graph_simulator.expire_delta_tokens()
    firm.settle()
    assert len(firm.records()) == 4
    assert firm.event(ann, staying) is not None
    assert deletions(firm) == []


def test_window_edge_moved_by_a_setting_deletes_nothing(firm: Story) -> None:
    """Narrowing the range leaves what stands outside where it is; widening it brings what was left out."""
    ann = firm.people[0]
    old, new = firm.make(ann, "Old", day(-100)), firm.make(ann, "New", day(30))
    firm.make(ann, "Too old", day(-300))
    firm.settle()
    assert sorted(one["Subject"] for one in firm.records()) == ["New", "Old"]
    firm.world.change_setting("commencement_date", f"{(day(0) - timedelta(days=10)).date()}")
    firm.settle()
    firm.world.change_setting("inbound_years", "0")
    firm.settle()
    assert sorted(one["Subject"] for one in firm.records()) == ["New", "Old"]
    firm.world.change_setting("commencement_date", f"{LONG_AGO.date()}")
    firm.settle()
    assert sorted(one["Subject"] for one in firm.records()) == ["New", "Old", "Too old"]
    assert (deletions(firm), firm.event(ann, old) is None, firm.event(ann, new) is None) == ([], False, False)
