"""Custom channels: selection, enrichment, filters. Section 5.1 of the reference."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.pubsub_client import BusOrg, build_bus

from simulators.pubsub.behaviour import PubSubBehaviour
from simulators.pubsub.bus import BusPlan
from simulators.pubsub.channels import ChannelPlan, Member
from simulators.pubsub.filters import compile_filter
from simulators.salesforce.objects.event import EVENT

CALM = PubSubBehaviour().calm()
CHANNEL = "/data/CalSync__chn"
KEY = "Concord_Sync_Key__c"
EVENT_BODY = {"Subject": "x", "ActivityDateTime": "2026-05-21T10:00:00Z", "DurationInMinutes": 30}


def channel(behaviour: PubSubBehaviour = CALM, **member: object) -> BusOrg:
    """A bus with one custom channel that carries events."""
    plan = BusPlan(("Event", "EventRelation"), (ChannelPlan("CalSync__chn", (Member("Event", **member),)),))
    return build_bus(behaviour=behaviour, plan=plan)


@pytest.mark.honest("pubsub", 10)
def test_a_delete_can_carry_the_external_id() -> None:
    """Enrichment is for UPDATE and DELETE: values without bits."""
    world = channel(enriched=(KEY, "IsChild"))
    key = world.org.event(**{KEY: "k1"})
    listener = world.listen(CHANNEL)
    world.org.patch(f"/sobjects/Event/{key}", {"Subject": "y"})
    world.org.delete(f"/sobjects/Event/{key}")
    updated, deleted = listener.take()
    assert updated.changed == ["Subject", "LastModifiedDate"]
    assert (updated.value[KEY], updated.value["IsChild"]) == ("k1", False)
    assert deleted.filled == {KEY: "k1", "IsChild": False}


@pytest.mark.honest("pubsub", 10)
def test_enriched_values_are_read_at_delivery() -> None:
    """Not the value at the time of the change."""
    world = channel(enriched=("Location",))
    key = world.org.event(Location="Room 4")
    listener = world.listen(CHANNEL)
    world.org.patch(f"/sobjects/Event/{key}", {"Subject": "y"})
    world.org.patch(f"/sobjects/Event/{key}", {"Location": "Hall"})
    assert [one.value["Location"] for one in listener.take()] == ["Hall", "Hall"]


@pytest.mark.honest("pubsub", 10)
def test_enriched_events_are_never_merged() -> None:
    """One record each, under the same replay id; the plain channel has them merged."""
    world = channel(replace(CALM, merge=1.0), enriched=(KEY,))
    keys = [world.org.event(**{KEY: f"k{number}"}) for number in range(3)]
    enriched, plain = world.listen(CHANNEL), world.listen()
    records = [{"attributes": {"type": "Event"}, "id": key, "Location": "Hall"} for key in keys]
    world.org.patch("/composite/sobjects", {"allOrNone": True, "records": records})
    got = enriched.take()
    assert [one.header["recordIds"] for one in got] == [[key] for key in keys]
    assert [one.value[KEY] for one in got] == ["k0", "k1", "k2"]
    assert len({one.replay_id for one in got}) == 1
    assert plain.one().header["recordIds"] == keys


def test_gaps_are_not_enriched() -> None:
    """Header only, past every filter."""
    world = channel(enriched=(KEY,), filter="IsChild = false")
    key = world.org.event(**{KEY: "k1"})
    listener = world.listen(CHANNEL)
    world.bus.gap(key)
    got = listener.one()
    assert (got.kind, got.filled) == ("GAP_UPDATE", {})


@pytest.mark.honest("pubsub", 11)
def test_a_filter_judges_the_record_as_it_is() -> None:
    """UPDATE and DELETE are judged by the current value, not by the null of the sparse body; the field is enriched."""
    world = channel(filter="(IsChild=false)")
    key = world.org.event()
    world.org.create("EventRelation", {"EventId": key, "RelationId": world.org.ids["bob"]})
    listener = world.listen(CHANNEL)
    world.org.patch(f"/sobjects/Event/{key}", {"Subject": "y"})
    world.org.delete(f"/sobjects/Event/{key}")
    got = listener.take()
    assert [(one.kind, one.header["recordIds"], one.value["IsChild"]) for one in got] == [
        ("UPDATE", [key], False),
        ("DELETE", [key], False),
    ]


@pytest.mark.honest("pubsub", 11)
def test_own_echoes_can_be_filtered_and_cost_nothing() -> None:
    """A filter over the header; what it holds back is no delivery."""
    world = channel(filter="NOT (ChangeEventHeader.changeOrigin LIKE '%client=concord%')")
    listener = world.listen(CHANNEL)
    world.org.create("Event", EVENT_BODY, sforce_call_options="client=concord")
    theirs = world.org.event()
    assert listener.one().header["recordIds"] == [theirs]
    assert world.bus.deliveries.used == 1


def test_selecting_on_a_custom_channel_enables_the_object() -> None:
    """An object that is on no default channel gets a channel of its own by it."""
    plan = BusPlan((), (ChannelPlan("Only__chn", (Member("EventRelation"),)),))
    world = build_bus(plan=plan)
    assert set(world.bus.channels) == {"/data/ChangeEvents", "/data/EventRelationChangeEvent", "/data/Only__chn"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("IsChild = false AND Subject LIKE 'rev%'", True),
        ("DurationInMinutes > 60 OR Subject = 'REVIEW'", True),
        ("NOT (DurationInMinutes >= 60)", False),
        ("Location = null", True),
        ("Location != null", False),
        ("LastModifiedDate < 2026-05-20T12:00:01Z", True),
        ("ActivityDate = 2026-05-21", True),
        ("ChangeEventHeader.changeType = 'UPDATE'", False),
        ("Location < 'a'", False),
    ],
)
def test_filter_expressions(text: str, expected: bool) -> None:
    """SOQL's operators without regard to case; null is never less or more."""
    row = {
        "IsChild": False, "Subject": "Review", "DurationInMinutes": 60, "Location": None,
        "LastModifiedDate": "2026-05-20T12:00:00.000+0000", "ActivityDate": "2026-05-21",
        "ChangeEventHeader.changeType": "CREATE",
    }  # fmt: skip
    assert compile_filter(text, EVENT).passes(row) is expected


@pytest.mark.parametrize(
    "text",
    [
        "Description = 'x'", "Nothing = 1", "ChangeEventHeader.recordIds = 'x'", "Subject IN ('a')", "Subject =",
        "Owner.Email = 'x'", "LastModifiedDate = TODAY",
        " AND ".join(f"{name} != null" for name in (
            "WhoId", "WhatId", "Subject", "Location", "ActivityDate", "ActivityDateTime", "OwnerId", "ShowAs",
            "DurationInMinutes", "AccountId", "CreatedDate",
        )),
    ],
)  # fmt: skip
def test_filters_that_cannot_be(text: str) -> None:
    """Long text, unknown fields, header arrays, IN, relationships, periods, more than ten fields."""
    with pytest.raises(ValueError, match=r"."):
        compile_filter(text, EVENT)


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        (BusPlan(channels=(ChannelPlan("X", (Member("Event"),)),)), "__chn"),
        (BusPlan(channels=(ChannelPlan("X__chn", (Member("Event", ("Description",)),)),)), "enriched"),
        (BusPlan(channels=(ChannelPlan("X__chn", (Member("Event", ("Nothing",)),)),)), "enriched"),
        (BusPlan(("Event", "EventRelation", "Contact", "User", "Lead", "Account")), "more than 5"),
    ],
)
def test_channels_that_cannot_be_deployed(plan: BusPlan, problem: str) -> None:
    """The name, the enriched fields, the number of objects."""
    with pytest.raises(ValueError, match=problem):
        build_bus(plan=plan)


def test_a_channel_can_be_deployed_while_the_bus_runs(world: BusOrg) -> None:
    """Open streams go on; a channel that cannot be changes nothing."""
    plain = world.listen()
    world.bus.deploy_channel(ChannelPlan("CalSync__chn", (Member("Event", (KEY,)),)))
    with pytest.raises(ValueError, match="enriched"):
        world.bus.deploy_channel(ChannelPlan("CalSync__chn", (Member("Event", ("Nothing",)),)))
    enriched = world.listen(CHANNEL)
    key = world.org.event(**{KEY: "k1"})
    world.org.delete(f"/sobjects/Event/{key}")
    assert [one.value[KEY] for one in plain.take()] == ["k1", None]
    assert [one.value[KEY] for one in enriched.take()] == ["k1", "k1"]
