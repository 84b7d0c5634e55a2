"""One owned partition on fakes: holes, repeats, order, waiting, quarantine, hand-over."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError
from prometheus_client import REGISTRY
from unit.guard.fakes import CHANGELOG, TOPIC, Bench, HeldOutbox, MemoryDatabase, MemoryTopic, record, settle

from concord.guard import partition as partition_module
from concord.guard.lane import AgentOptions, Lane, PartitionLost
from concord.guard.partition import OwnedPartition, position_key
from concord.guard.record import Record
from schemas.errors import Throttled, Unavailable, UnreadableRecord
from schemas.topics import SYNC_QUARANTINE

POSITION = position_key(TOPIC)


class Journal:
    """A step that notes what it was given, and writes and sends."""

    def __init__(self) -> None:
        self.offsets: list[int] = []

    def __call__(self, given: Record, lane: Lane) -> None:
        """Note, write, send."""
        self.offsets.append(given.offset)
        lane.set(given.key or b"", b"%d" % given.offset)
        lane.send("out", given.key, b"%d" % given.offset)


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Play a scenario on a loop of its own."""
    asyncio.run(asyncio.wait_for(scenario, 20))


async def begun(bench: Bench) -> OwnedPartition:
    """A partition that took over and came to rest."""
    owned = bench.partition()
    owned.begin()
    await settle()
    return owned


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Waits for the broker take no time here."""
    monkeypatch.setattr(partition_module, "BROKER_WAIT_S", 0.0)
    monkeypatch.setattr(partition_module, "ROOM_WAIT_S", 0.02)


@pytest.fixture(autouse=True)
def endings(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Reasons for which the process would have ended: none, unless the test takes them away."""
    reasons: list[str] = []
    monkeypatch.setattr(partition_module, "end_process", reasons.append)
    yield reasons
    assert reasons == []


def test_arrivals_in_order_move_the_position() -> None:
    """Each record runs once; the position is written to the table under its own key once all is acknowledged."""

    async def scenario() -> None:
        journal = Journal()
        bench = Bench(journal)
        bench.topic.fill(3)
        owned = await begun(bench)
        for offset in range(3):
            await owned.arrived(record(offset))
        await settle()
        owned.save_position()
        assert journal.offsets == [0, 1, 2]
        assert owned.saved == 2
        assert bench.database.held[POSITION] == b"2"
        assert [sent.partition for sent in bench.outbox.to(CHANGELOG)] == [0] * 4
        owned.close()

    run(scenario())


def test_the_position_waits_for_the_broker() -> None:
    """A step that ended is not enough: table change and sent record must both be acknowledged."""

    async def scenario() -> None:
        bench = Bench(Journal(), outbox=HeldOutbox(answers=False))
        bench.topic.fill(1)
        owned = await begun(bench)
        await owned.arrived(record(0))
        await settle()
        for expected in (-1, -1):
            owned.save_position()
            assert (owned.saved, bench.outbox.to(CHANGELOG)[-1].key) == (expected, b"k")
            bench.outbox.answer()
        owned.save_position()
        assert bench.outbox.to(CHANGELOG)[-1].key == POSITION
        assert owned.saved == -1
        bench.outbox.answer()
        assert owned.saved == 0
        owned.close()

    run(scenario())


def test_a_jump_is_read_back_from_the_topic_first() -> None:
    """Offset 5 arrives after 1: 2 to 4 are read and run before it, with the same bytes."""

    async def scenario() -> None:
        journal = Journal()
        bench = Bench(journal)
        bench.topic.fill(6)
        owned = await begun(bench)
        for offset in (0, 1, 5):
            await owned.arrived(bench.topic.records[offset])
        await settle()
        assert journal.offsets == [0, 1, 2, 3, 4, 5]
        assert bench.topic.ranges == [(2, 4)]
        assert [sent.key for sent in bench.outbox.to("out")] == [b"k0", b"k1", b"k2", b"k0", b"k1", b"k2"]
        owned.close()

    run(scenario())


def test_a_rewind_is_done_again() -> None:
    """Faust goes back: the records run again, the position does not move back."""

    async def scenario() -> None:
        journal = Journal()
        bench = Bench(journal)
        bench.topic.fill(3)
        owned = await begun(bench)
        for offset in (0, 1, 2, 0, 1, 2):
            await owned.arrived(record(offset))
        await settle()
        owned.save_position()
        assert journal.offsets == [0, 1, 2, 0, 1, 2]
        assert owned.saved == 2
        owned.close()

    run(scenario())


def test_a_stage_that_may_not_repeat_passes_over_a_rewind() -> None:
    """With `redo_finished` off a repeated arrival runs nothing, whether it is finished or still in hand."""

    async def scenario() -> None:
        journal = Journal()
        bench = Bench(journal, AgentOptions(redo_finished=False), outbox=HeldOutbox(answers=False))
        bench.topic.fill(2)
        owned = await begun(bench)
        for offset in (0, 0, 1, 0):
            await owned.arrived(record(offset))
        await settle()
        assert journal.offsets == [0, 1]
        owned.close()

    run(scenario())


def test_what_lies_before_the_delivery_point_is_read_back_without_an_arrival() -> None:
    """After a crash the group stands at 7 and the position at 2: 3 to 6 run although nothing arrives."""

    async def scenario() -> None:
        journal = Journal()
        bench = Bench(journal, committed=7, database=MemoryDatabase())
        bench.database.held[POSITION] = b"2"
        bench.topic.fill(7)
        owned = await begun(bench)
        owned.save_position()
        assert journal.offsets == [3, 4, 5, 6]
        assert owned.saved == 6
        owned.close()

    run(scenario())


@pytest.mark.parametrize("committed", [None, 0, 2, 3])
def test_nothing_is_read_back_where_faust_delivers(committed: int | None) -> None:
    """The group stands at or before the position, or nowhere: Faust will bring the rest, nothing runs twice."""

    async def scenario() -> None:
        journal = Journal()
        bench = Bench(journal, committed=committed)
        bench.database.held[POSITION] = b"2"
        bench.topic.fill(7)
        owned = await begun(bench)
        assert journal.offsets == []
        owned.close()

    run(scenario())


def test_retention_beyond_the_position_ends_healing() -> None:
    """The topic starts at 10, the position is 2, 12 arrives: 10 and 11 run, 3 to 9 are lost and do not block."""

    async def scenario() -> None:
        journal = Journal()
        bench = Bench(journal, committed=12)
        bench.database.held[POSITION] = b"2"
        bench.topic.fill(13)
        bench.topic.earliest = 10
        owned = await begun(bench)
        await owned.arrived(record(12))
        await settle()
        owned.save_position()
        assert journal.offsets == [10, 11, 12]
        assert owned.saved == 12
        owned.close()

    run(scenario())


def test_offsets_that_hold_no_record_do_not_block() -> None:
    """A range with gaps (a transaction's marks) is read as far as it exists, and the position passes the gaps."""

    async def scenario() -> None:
        journal = Journal()
        bench = Bench(journal)
        bench.topic.fill(8)
        for gone in (1, 2, 6):
            del bench.topic.records[gone]
        owned = await begun(bench)
        await owned.arrived(record(0))
        await owned.arrived(record(7))
        await settle()
        owned.save_position()
        assert journal.offsets == [0, 3, 4, 5, 7]
        assert owned.saved == 7
        owned.close()

    run(scenario())


def test_healing_goes_on_when_the_broker_answers_again() -> None:
    """Errors while reading back are waited out; nothing is skipped because of them."""

    async def scenario() -> None:
        journal = Journal()
        bench = Bench(journal)
        bench.topic.fill(4)
        owned = await begun(bench)
        bench.topic.failures = [KafkaConnectionError(), KafkaConnectionError()]
        await owned.arrived(record(3))
        await settle()
        assert journal.offsets == [0, 1, 2, 3]
        owned.close()

    run(scenario())


def test_a_topic_made_anew_is_processed_from_its_start() -> None:
    """The position lies beyond the end of the topic: everything that the new topic holds is work."""

    async def scenario() -> None:
        journal = Journal()
        bench = Bench(journal, committed=500)
        bench.database.held[POSITION] = b"499"
        bench.topic.fill(3)
        owned = await begun(bench)
        owned.save_position()
        assert journal.offsets == [0, 1, 2]
        assert bench.database.held[POSITION] == b"2"
        owned.close()

    run(scenario())


def test_records_that_never_arrive_are_read_back_on_the_second_look() -> None:
    """Silence with records standing in the topic: the first look only notes the end, the second reads."""

    async def scenario() -> None:
        journal = Journal()
        bench = Bench(journal)
        bench.topic.fill(4)
        owned = await begun(bench)
        assert owned.is_silent(0.0)
        assert not owned.compare_with_end(4)
        await settle()
        assert journal.offsets == []
        assert owned.compare_with_end(4)
        await settle()
        assert journal.offsets == [0, 1, 2, 3]
        assert not owned.compare_with_end(4)
        assert not owned.compare_with_end(4)
        owned.close()

    run(scenario())


def test_a_stuck_partition_lets_arrivals_go_and_reads_them_back() -> None:
    """The window is full and stays full: further arrivals take no memory and block nobody; all run in the end."""

    async def scenario() -> None:
        journal = Journal()
        bench = Bench(journal, AgentOptions(window=2), outbox=HeldOutbox(answers=False))
        bench.topic.fill(12)
        owned = await begun(bench)
        for offset in range(12):
            await owned.arrived(bench.topic.records[offset])
        await settle()
        assert journal.offsets == [0, 1]
        bench.outbox.answers = True
        bench.outbox.answer(len(bench.outbox.waiting))
        await settle()
        owned.save_position()
        assert journal.offsets == list(range(12))
        assert owned.saved == 11
        owned.close()

    run(scenario())


def test_poison_goes_to_quarantine_as_it_was_and_the_rest_goes_on() -> None:
    """Bytes, key, time and headers untouched; where and why in Connect's headers; finished once it stands there."""

    async def scenario() -> None:
        told: list[int] = []

        def step(given: Record, lane: Lane) -> None:
            if given.offset == 1:
                raise UnreadableRecord("The record is empty.")

        bench = Bench(step, AgentOptions(on_poison=lambda given, error, lane: told.append(given.offset)))
        bench.outbox = HeldOutbox(answers=False)
        bench.topic.fill(3)
        owned = await begun(bench)
        bad = Record(TOPIC, 0, 1, 77, b"key", b"\x00secret", (("from", b"me"),))
        for given in (record(0), bad, record(2)):
            await owned.arrived(given)
        await settle()
        (sent,) = bench.outbox.to(SYNC_QUARANTINE)
        assert (sent.key, sent.value, sent.timestamp_ms) == (b"key", b"\x00secret", 77)
        headers = dict(sent.headers)
        assert headers["from"] == b"me"
        assert headers["__connect.errors.topic"] == TOPIC.encode()
        assert headers["__connect.errors.offset"] == b"1"
        assert headers["__connect.errors.stage"] == b"VALUE_CONVERTER"
        assert told == [1]
        owned.save_position()
        assert bench.outbox.to(CHANGELOG)[-1].value == b"0"
        bench.outbox.answer(2)
        owned.save_position()
        assert bench.outbox.to(CHANGELOG)[-1].value == b"2"
        owned.close()

    run(scenario())


def test_passing_conditions_are_tried_again_and_never_quarantined(monkeypatch: pytest.MonkeyPatch) -> None:
    """Throttled twice, then unavailable, then fine: four calls, one effect, nothing in quarantine."""
    monkeypatch.setattr("concord.guard.performing.waiting_time", lambda error, tries: 0.0)

    async def scenario() -> None:
        problems: list[Exception] = [Throttled("slow", 1.0), Throttled("slow", 1.0), Unavailable("away")]
        calls: list[int] = []

        def step(given: Record, lane: Lane) -> None:
            calls.append(given.offset)
            if problems:
                raise problems.pop(0)
            lane.send("out", given.key, given.value)

        bench = Bench(step)
        bench.topic.fill(2)
        owned = await begun(bench)
        await owned.arrived(record(0))
        await owned.arrived(record(1))
        await settle()
        assert calls == [0, 0, 0, 0, 1]
        assert len(bench.outbox.to("out")) == 2
        assert bench.outbox.to(SYNC_QUARANTINE) == []
        owned.close()

    run(scenario())


def test_keys_run_side_by_side_and_each_in_order() -> None:
    """Three lanes: a slow key holds its own later records and nobody else's; the position waits for it."""

    async def scenario() -> None:
        gate = asyncio.Event()
        order: list[int] = []

        async def step(given: Record, lane: Lane) -> None:
            if given.offset == 0:
                await gate.wait()
            order.append(given.offset)
            lane.set(given.key or b"", b"%d" % given.offset)

        bench = Bench(step, AgentOptions(lanes=3))
        bench.topic.fill(7)
        owned = await begun(bench)
        for offset in range(7):
            await owned.arrived(bench.topic.records[offset])
        await settle()
        assert ([n for n in order if n % 3 == 1], [n for n in order if n % 3 == 2]) == ([1, 4], [2, 5])
        owned.save_position()
        assert owned.saved == -1
        gate.set()
        await settle()
        assert order[4:] == [0, 3, 6]
        owned.save_position()
        assert owned.saved == 6
        assert bench.database.held[b"k0"] == b"6"
        owned.close()

    run(scenario())


def test_no_more_steps_run_than_there_are_lanes_and_sleepers_hold_none() -> None:
    """Two lanes, five keys: two steps at a time, unless one sleeps through its lane."""

    async def scenario() -> None:
        running = [0]
        most = [0]
        gate = asyncio.Event()

        async def step(given: Record, lane: Lane) -> None:
            if given.offset < 2:
                await lane.sleep(0.01)
            running[0] += 1
            most[0] = max(most[0], running[0])
            await gate.wait()
            running[0] -= 1

        bench = Bench(step, AgentOptions(lanes=2))
        bench.topic.end = 5
        owned = await begun(bench)
        for offset in range(5):
            await owned.arrived(record(offset, b"key-%d" % offset))
        await settle()
        assert running == [2]
        gate.set()
        await asyncio.sleep(0.05)
        assert most == [2]
        owned.save_position()
        assert owned.saved == 4
        owned.close()

    run(scenario())


def test_hooks_run_before_the_first_record_and_between_records() -> None:
    """On assignment first; then ticks, with the table as the records before left it."""

    async def scenario() -> None:
        seen: list[object] = []

        def step(given: Record, lane: Lane) -> None:
            seen.append(given.offset)
            lane.set(b"state", b"%d" % given.offset)

        def assigned(number: int, lane: Lane) -> None:
            seen.append(("assigned", number, dict(lane.items())))

        async def tick(number: int, lane: Lane) -> None:
            seen.append(("tick", lane.get(b"state")))
            lane.send("out", b"pending", b"again")

        bench = Bench(step, AgentOptions(on_assigned=assigned, on_tick=tick, every_s=0.03))
        bench.database.held.update({b"state": b"old", POSITION: b"-1", b"__faust\0offset__": b"5"})
        bench.topic.fill(1)
        owned = bench.partition()
        await owned.arrived(record(0))
        owned.begin()
        await settle()
        assert seen == [("assigned", 0, {b"state": b"old"}), 0]
        await asyncio.sleep(0.1)
        assert seen[2] == ("tick", b"0")
        assert bench.outbox.to("out")
        owned.close()

    run(scenario())


def test_after_the_hand_over_nothing_is_written() -> None:
    """A step that is still running when the partition goes cannot write, and its record stays unfinished."""

    async def scenario() -> None:
        gate = asyncio.Event()
        outcome: list[str] = []

        async def step(given: Record, lane: Lane) -> None:
            try:
                await gate.wait()
            except asyncio.CancelledError:
                for write in (
                    lambda: lane.set(b"a", b"b"),
                    lambda: lane.send("out", b"a", b"b"),
                    lambda: lane.get(b"a"),
                ):
                    with pytest.raises(PartitionLost):
                        write()
                outcome.append("refused")
                raise

        bench = Bench(step)
        bench.topic.fill(1)
        owned = await begun(bench)
        await owned.arrived(record(0))
        await settle()
        await owned.drain(0.02)
        owned.close()
        await settle()
        assert outcome == ["refused"]
        assert bench.outbox.sent == []
        assert owned.saved == -1

    run(scenario())


def test_draining_finishes_what_runs_and_starts_nothing_more() -> None:
    """The running step ends and its position is written; the record behind it is left to the next owner."""

    async def scenario() -> None:
        gate = asyncio.Event()
        journal: list[int] = []

        async def step(given: Record, lane: Lane) -> None:
            await gate.wait()
            journal.append(given.offset)
            lane.set(b"state", b"%d" % given.offset)

        bench = Bench(step)
        bench.topic.fill(2)
        owned = await begun(bench)
        await owned.arrived(record(0))
        await owned.arrived(record(1))
        await settle()
        draining = asyncio.create_task(owned.drain(5.0))
        await settle()
        gate.set()
        await draining
        owned.close()
        assert journal == [0]
        assert bench.database.held[POSITION] == b"0"
        assert bench.database.held[b"state"] == b"0"

    run(scenario())


def test_late_acknowledgements_do_not_touch_a_database_that_is_gone() -> None:
    """After the hand-over an acknowledgement arrives: the local database stays as it was."""

    async def scenario() -> None:
        bench = Bench(Journal(), outbox=HeldOutbox(answers=False))
        bench.topic.fill(1)
        owned = await begun(bench)
        await owned.arrived(record(0))
        await settle()
        owned.close()
        bench.outbox.answer(2)
        assert bench.database.held == {}

    run(scenario())


def test_a_failing_hook_ends_the_process(endings: list[str]) -> None:
    """There is no record to quarantine: the process ends and is started again."""

    async def scenario() -> None:
        def broken(number: int, lane: Lane) -> None:
            raise KeyError("private text")

        owned = await begun(Bench(Journal(), AgentOptions(on_assigned=broken)))
        assert len(endings) == 1
        assert "KeyError outside a step of things/0" in endings[0]
        assert "private text" not in endings.pop()
        owned.close()

    run(scenario())


def test_the_metrics_count_what_happened() -> None:
    """A hole of three, one repeat, one poison record: each in its own counter; gauges go with the partition."""

    def counted(name: str, **more: str) -> float:
        return REGISTRY.get_sample_value(f"concord_guard_{name}", {"topic": TOPIC, "partition": "0", **more}) or 0.0

    names = ("holes_total", "healed_records_total", "redone_records_total")

    async def scenario() -> None:
        def step(given: Record, lane: Lane) -> None:
            if given.offset == 4:
                raise KeyError("text")

        bench = Bench(step)
        bench.topic.fill(5)
        before = [counted(name) for name in names]
        poison = counted("quarantined_total", error="KeyError")
        owned = await begun(bench)
        for offset in (0, 4, 2):
            await owned.arrived(bench.topic.records[offset])
        await settle()
        owned.save_position()
        assert [counted(name) - was for name, was in zip(names, before, strict=True)] == [1, 3, 1]
        assert counted("quarantined_total", error="KeyError") == poison + 1
        assert counted("position") == 4
        assert counted("in_flight") == 0
        owned.close()
        assert REGISTRY.get_sample_value("concord_guard_position", {"topic": TOPIC, "partition": "0"}) is None

    run(scenario())


def test_a_hook_may_wait_for_what_it_sent() -> None:
    """`acknowledged` returns when the broker has everything so far, so that a long sweep holds little in memory."""

    async def scenario() -> None:
        steps: list[str] = []

        async def assigned(number: int, lane: Lane) -> None:
            lane.send("out", b"k", b"v")
            lane.set(b"k", b"v")
            steps.append("sent")
            await lane.acknowledged()
            steps.append("acknowledged")

        bench = Bench(Journal(), AgentOptions(on_assigned=assigned), outbox=HeldOutbox(answers=False))
        owned = await begun(bench)
        bench.outbox.answer()
        await settle()
        assert steps == ["sent"]
        bench.outbox.answer()
        await settle()
        assert steps == ["sent", "acknowledged"]
        owned.close()

    run(scenario())


def test_memory_topics_say_what_they_hold() -> None:
    """The fake topic reads ranges as the true one does: in order, only what exists."""

    async def scenario() -> None:
        topic = MemoryTopic()
        topic.fill(4)
        del topic.records[2]
        assert [read.offset async for read in topic.read(TOPIC, 0, 1, 3)] == [1, 3]
        assert await topic.earliest_and_end(TOPIC, 0) == (0, 4)

    run(scenario())
