"""A partition's lanes, hooks and hand-over: who runs beside whom, and what happens when it is taken away."""

from __future__ import annotations

import asyncio

import pytest
from prometheus_client import REGISTRY
from unit.guard.fakes import TOPIC, Bench, HeldOutbox, Journal, MemoryTopic, begun, record, run, settle

from concord.guard.lane import AgentOptions, Lane, PartitionLost
from concord.guard.partition import position_key
from concord.guard.record import Record

POSITION = position_key(TOPIC)


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
