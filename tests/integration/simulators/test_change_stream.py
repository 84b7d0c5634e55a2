"""The product's stream of change events on the simulated Pub/Sub API, over TLS, at its worst."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime

import pytest
from support.pubsub_client import EVENTS, RELATIONS
from support.pubsub_wire_client import control, status
from support.receiving import Receiving, receive

from concord.roles import topic_stream
from concord.roles.topic_stream import KEPT, LOST, SILENCE
from connectors.salesforce import pubsub
from connectors.salesforce.pubsub import OUTSTANDING_MAX, trouble_of
from schemas.errors import AuthRejected, Refused, ResyncNeeded, Throttled, Unavailable
from simulators.launch import SimulatorOptions, Simulators, running_simulators
from simulators.pubsub.behaviour import PubSubBehaviour


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulators]:
    """Both simulators on free ports, the bus without chance."""
    options = SimulatorOptions(
        port_base=0, state_dir=tmp_path_factory.mktemp("state"), pubsub_behaviour=PubSubBehaviour().calm()
    )
    with running_simulators(options) as simulators:
        yield simulators


@pytest.fixture
def simulators(running: Simulators) -> Simulators:
    """A freshly reset org."""
    control(running, "reset")
    return running


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Streams are opened again at once, nearly."""
    monkeypatch.setattr(topic_stream, "FIRST_WAIT_S", 0.02)
    monkeypatch.setattr(topic_stream, "LONGEST_WAIT_S", 0.1)


def test_events_come_as_notices_and_the_next_stream_goes_on_behind_them(simulators: Simulators) -> None:
    """Nothing twice, nothing left out, although nobody listened for a while."""
    made: list[str] = []

    async def first(here: Receiving) -> None:
        await here.until_open()
        made.extend(await here.create(3))
        await here.until(lambda: len(here.record_ids) == 3, "three notices")

    before = receive(Receiving(simulators), first)
    assert before.record_ids == made
    assert {(one.entity, one.change_type) for one in before.notices} == {("Event", "CREATE")}
    assert all(one.saved_at is not None and one.user for one in before.notices)
    keys = [control(simulators, "pubsub-gap", {"record": made[0], "kind": "UPDATE"}) for _ in range(1)]
    assert keys

    async def second(here: Receiving) -> None:
        await here.until_open()
        made.extend(await here.create(2))
        await here.until(lambda: len(here.record_ids) == 3, "what was missed, and what came")

    after = receive(Receiving(simulators, replay_id=bytes.fromhex(before.wakeups[-1].replay_id)), second)
    assert after.record_ids == [made[0], *made[3:]]


def test_without_a_place_everything_that_is_kept_is_told(simulators: Simulators) -> None:
    """A source that was killed before it had a place: how those saves came about would else never be known."""

    async def never_worked_off(here: Receiving) -> None:
        await here.until_open()
        here.goes_on.clear()
        made.extend(await here.create(2))

    async def again(here: Receiving) -> None:
        now = datetime.now(UTC)
        assert here.stream.told_until(now, 0.0) == now - KEPT
        made.extend(await here.create())
        await here.until(lambda: here.record_ids == made, "all of them")

    made: list[str] = []
    receive(Receiving(simulators), never_worked_off)
    made += asyncio.run(Receiving(simulators).create())
    receive(Receiving(simulators), again)


def test_attendees_have_a_stream_of_their_own(simulators: Simulators) -> None:
    """A new relation names its event, an answer does not."""

    async def acts(here: Receiving) -> None:
        await here.until_open()
        (event,) = await here.create()
        contact = (await here.on_org("records", "Contact"))[0]["Id"]
        relation = await here.on_org("insert", "EventRelation", {"EventId": event, "RelationId": contact})
        await here.on_org("update", "EventRelation", relation, {"Status": "Declined"})
        await here.until(lambda: len(here.notices) == 2, "two notices")
        assert [one.event_ids for one in here.notices] == [(event,), ()]

    receive(Receiving(simulators, RELATIONS), acts)


@pytest.mark.parametrize("code", ["subscription.internal.error", "service.unavailable", "service.auth.error"])
def test_a_cut_stream_goes_on_where_it_was(simulators: Simulators, code: str) -> None:
    """In the middle of a burst, several times, also by a token that ended."""
    made: list[str] = []

    async def acts(here: Receiving) -> None:
        await here.until_open()
        for _ in range(3):
            made.extend(await here.create(4))
            await here.control("expire-tokens")
            await here.control("pubsub-cut", {"code": code})
            made.extend(await here.create(4))
        await here.until(lambda: set(here.record_ids) == set(made), "every notice")

    here = receive(Receiving(simulators), acts)
    assert LOST not in here.reasons


def test_a_token_that_ends_in_mid_stream_is_not_noticed(simulators: Simulators) -> None:
    """The stream lives on; the schema that it has to ask for meanwhile is asked for with a fresh token."""
    made: list[str] = []

    async def acts(here: Receiving) -> None:
        await here.until_open()
        made.extend(await here.create())
        await here.until(lambda: here.record_ids == made, "the first notice")
        for name in ("One__c", "Two__c"):
            await here.control("expire-tokens")
            await here.control("pubsub-add-field", {"name": name})
            made.extend(await here.create(3))
        await here.until(lambda: set(here.record_ids) == set(made), "every notice")

    here = receive(Receiving(simulators), acts)
    assert LOST not in here.reasons


def test_a_used_up_allocation_is_waited_for(simulators: Simulators, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is delivered until there is room again; then the stream goes on behind what it had."""
    monkeypatch.setitem(pubsub._WAITS_S, "subscription.limit.exceeded", 0.02)
    made: list[str] = []

    async def acts(here: Receiving) -> None:
        await here.until_open()
        used = status(simulators)["delivered"]
        await here.control("pubsub-deliveries", {"maximum": used + 2})
        made.extend(await here.create(5))
        await here.until(lambda: len(here.record_ids) == 2, "what was allowed")
        await here.control("pubsub-deliveries", {"maximum": 25_000})
        await here.until(lambda: set(here.record_ids) == set(made), "the rest")

    here = receive(Receiving(simulators), acts)
    assert LOST not in here.reasons


def test_a_stream_without_an_allocation_says_that_it_is_away(simulators: Simulators) -> None:
    """A first exchange can use it up for a day; a stream that is merely cut says nothing of the kind."""

    async def acts(here: Receiving) -> None:
        await here.until_open()
        await here.control("pubsub-cut", {"code": "service.unavailable"})
        await here.until_open()
        assert not here.stream.is_away
        await here.control("pubsub-deliveries", {"maximum": status(simulators)["delivered"] + 1})
        await here.create(3)
        await here.until(lambda: here.stream.is_away, "that it is away")

    receive(Receiving(simulators), acts)
    control(simulators, "pubsub-deliveries", {"maximum": 25_000})


@pytest.mark.parametrize("how", ["pubsub-expire", "pubsub-restart"])
def test_a_lost_place_is_told_and_the_stream_goes_on(simulators: Simulators, how: str) -> None:
    """Expired or corrupted: a poll has to look, and later events come again."""

    async def first(here: Receiving) -> None:
        await here.until_open()
        await here.create()
        await here.until(lambda: len(here.record_ids) == 1, "a notice")

    place = bytes.fromhex(receive(Receiving(simulators), first).wakeups[-1].replay_id)
    control(simulators, how)

    async def second(here: Receiving) -> None:
        await here.until(lambda: here.reasons == [LOST], "the news that the place is lost")
        await here.until_open()
        made = await here.create()
        await here.until(lambda: here.record_ids == made, "a later notice")
        assert here.wakeups[0].replay_id == ""
        assert here.wakeups[1].replay_id

    receive(Receiving(simulators, replay_id=place), second)


def test_a_place_that_never_was_is_lost(simulators: Simulators) -> None:
    """What a row holds after an org moved."""

    async def acts(here: Receiving) -> None:
        await here.until(lambda: here.reasons == [LOST], "the news that the place is lost")

    receive(Receiving(simulators, replay_id=b"nonsense"), acts)


def test_an_org_that_moves_ends_an_open_stream(simulators: Simulators) -> None:
    """Its place is gone with it."""

    async def acts(here: Receiving) -> None:
        await here.until_open()
        await here.create()
        await here.until(lambda: len(here.record_ids) == 1, "a notice")
        await here.control("pubsub-restart")
        await here.until(lambda: LOST in here.reasons, "the news that the place is lost")
        await here.until_open()
        made = await here.create()
        await here.until(lambda: here.record_ids[1:] == made, "a later notice")

    receive(Receiving(simulators), acts)


def test_silence_brings_a_place_too(simulators: Simulators) -> None:
    """From which the next stream goes on although no event ever came."""

    async def acts(here: Receiving) -> None:
        await here.until_open()
        await here.control("clock", {"advance_s": 270})
        await here.until(lambda: here.reasons == [SILENCE], "a sign of life")

    place = bytes.fromhex(receive(Receiving(simulators), acts).wakeups[0].replay_id)
    assert place

    async def later(here: Receiving) -> None:
        await here.until(lambda: len(here.record_ids) == 1, "what was missed")

    asked = Receiving(simulators, replay_id=place)
    control(simulators, "pubsub-gap", {"record": "00UQH0000045kTz2AI"})
    receive(asked, later)
    assert LOST not in asked.reasons


def test_an_idle_stream_that_the_service_closes_is_opened_again(
    simulators: Simulators, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is asked for while nothing is worked off, so the service closes; nothing is lost by it."""
    monkeypatch.setattr(topic_stream, "OUTSTANDING_MAX", 1)

    async def acts(here: Receiving) -> None:
        await here.until_open()
        here.goes_on.clear()
        made = await here.create()
        await here.until(lambda: here.record_ids == made, "the first notice")
        await here.control("clock", {"advance_s": 71})
        await here.until(lambda: not status(simulators)["streams"], "the end of the stream")
        here.goes_on.set()
        made += await here.create(2)
        await here.until(lambda: here.record_ids == made, "the others")

    receive(Receiving(simulators), acts)


def test_no_more_is_asked_for_than_is_handed_on(simulators: Simulators) -> None:
    """What waits here is bounded, whatever waits there."""

    async def acts(here: Receiving) -> None:
        await here.until_open()
        here.goes_on.clear()
        made = await here.create(1 + 2 * OUTSTANDING_MAX)
        await here.until(lambda: len(here.record_ids) > 0, "the first notices")
        assert len(here.record_ids) <= OUTSTANDING_MAX
        here.goes_on.set()
        await here.until(lambda: here.record_ids == made, "all of them")
        assert max(len(wakeup.notices) for wakeup in here.wakeups) <= OUTSTANDING_MAX

    receive(Receiving(simulators), acts)


def test_a_burst_of_deletions_is_one_handful(simulators: Simulators) -> None:
    """However many answers it takes: its number decides whether an operator is asked."""

    async def acts(here: Receiving) -> None:
        await here.until_open()
        made = await here.create(150)
        await here.until(lambda: len(here.record_ids) == 150, "the events")
        before = len(here.wakeups)
        for record_id in made:
            await here.on_org("delete", "Event", record_id)
        await here.until(lambda: len(here.record_ids) == 300, "the deletions")
        assert [len(wakeup.notices) for wakeup in here.wakeups[before:]] == [150]

    receive(Receiving(simulators), acts)


def test_overflow_and_gaps_come_as_they_are(simulators: Simulators) -> None:
    """One names nobody, the other its record."""

    async def acts(here: Receiving) -> None:
        await here.until_open()
        (event,) = await here.create()
        await here.control("pubsub-overflow")
        await here.control("pubsub-gap", {"record": event})
        await here.control("pubsub-duplicates", {"count": 1})
        await here.until(lambda: len(here.notices) == 4, "four notices")
        assert sorted((one.change_type, one.is_overflow) for one in here.notices) == [
            ("CREATE", False), ("GAP_OVERFLOW", True), ("GAP_UPDATE", False), ("GAP_UPDATE", False),
        ]  # fmt: skip

    receive(Receiving(simulators), acts)


def test_another_schema_in_the_middle_is_read(simulators: Simulators) -> None:
    """A field more, a field less: each event under the schema it names."""

    async def acts(here: Receiving) -> None:
        await here.until_open()
        made = await here.create()
        await here.control("pubsub-add-field", {"name": "Extra__c"})
        made += await here.create()
        await here.control("pubsub-remove-field", {"name": "Extra__c"})
        made += await here.create()
        await here.until(lambda: here.record_ids == made, "all of them")

    receive(Receiving(simulators), acts)


def test_without_rights_nothing_is_ever_told(simulators: Simulators) -> None:
    """Then polling alone says what changed, and saves are unknown, not open."""
    integration = next(
        user["Username"] for user in simulators.on_salesforce(simulators.salesforce.records, "User")
        if user["Username"] == simulators.salesforce.org.integration_username
    )  # fmt: skip
    control(simulators, "pubsub-rights", {"user": integration, "view_all": False})
    try:

        async def acts(here: Receiving) -> None:
            await here.until(lambda: here.stream.refusals > 0, "the refusal")
            assert here.wakeups == []
            now = datetime.now(UTC)
            assert here.stream.told_until(now, 0.0) == now

        receive(Receiving(simulators), acts)
    finally:
        control(simulators, "pubsub-rights", {"user": integration, "view_all": True})


@pytest.mark.parametrize(
    ("code", "status_name", "kind"),
    [
        ("sfdc.platform.eventbus.grpc.subscription.fetch.replayid.corrupted", "INVALID_ARGUMENT", ResyncNeeded),
        ("sfdc.platform.eventbus.grpc.subscription.fetch.replayid.validation.failed", "INVALID_ARGUMENT", ResyncNeeded),
        ("sfdc.platform.eventbus.grpc.service.auth.error", "UNAUTHENTICATED", AuthRejected),
        ("", "UNAUTHENTICATED", AuthRejected),
        ("sfdc.platform.eventbus.grpc.subscription.limit.exceeded", "RESOURCE_EXHAUSTED", Throttled),
        ("sfdc.platform.eventbus.grpc.service.protection.triggered", "RESOURCE_EXHAUSTED", Throttled),
        ("sfdc.platform.eventbus.grpc.subscription.topic.cannot.subscribe", "PERMISSION_DENIED", Refused),
        ("sfdc.platform.eventbus.grpc.topic.not.found", "NOT_FOUND", Refused),
        ("sfdc.platform.eventbus.grpc.subscription.internal.error", "INTERNAL", Unavailable),
        ("sfdc.platform.eventbus.grpc.subscription.fetch.overflow", "INVALID_ARGUMENT", Unavailable),
        ("", "UNAVAILABLE", Unavailable),
        ("sfdc.platform.eventbus.grpc.something.new", "INTERNAL", Unavailable),
    ],
)
def test_what_a_refusal_means(code: str, status_name: str, kind: type[Exception]) -> None:
    """By the code of the trailer, else by the status."""
    assert type(trouble_of(code, status_name, "words")) is kind


def test_topics_are_the_two_of_the_reference() -> None:
    """Case-sensitive names."""
    assert (EVENTS, RELATIONS) == ("/data/EventChangeEvent", "/data/EventRelationChangeEvent")
