"""One owned partition on fakes: holes, repeats, order, waiting, quarantine, hand-over."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from aiokafka.errors import KafkaConnectionError
from unit.guard.fakes import CHANGELOG, TOPIC, Bench, HeldOutbox, Journal, MemoryDatabase, begun, record, run, settle

from concord.guard.lane import AgentOptions, Lane
from concord.guard.partition import position_key
from concord.guard.quarantine import AT
from concord.guard.record import DECISION, Record
from schemas.errors import Throttled, Unavailable, UnreadableRecord
from schemas.topics import SYNC_QUARANTINE

POSITION = position_key(TOPIC)


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


def test_poison_goes_to_quarantine_as_it_was_and_the_rest_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """Bytes, key, time and headers untouched; where, why and when in headers; finished once it stands there. The log
    names the decision that it came from."""

    async def scenario() -> None:
        told: list[int] = []

        def step(given: Record, lane: Lane) -> None:
            if given.offset == 1:
                raise UnreadableRecord("The record is empty.")

        bench = Bench(step, AgentOptions(on_poison=lambda given, error, lane: told.append(given.offset)))
        bench.outbox = HeldOutbox(answers=False)
        bench.topic.fill(3)
        owned = await begun(bench)
        bad = Record(TOPIC, 0, 1, 77, b"key", b"\x00secret", (("from", b"me"), (AT, b"before"), (DECISION, b"0/9")))
        for given in (record(0), bad, record(2)):
            await owned.arrived(given)
        await settle()
        (sent,) = bench.outbox.to(SYNC_QUARANTINE)
        assert (sent.key, sent.value, sent.timestamp_ms) == (b"key", b"\x00secret", 77)
        headers = dict(sent.headers)
        assert headers["from"] == b"me"
        assert [name for name, _ in sent.headers].count(AT) == 1
        assert datetime.now(UTC) - datetime.fromisoformat(headers[AT].decode()) < timedelta(minutes=5)
        assert [line.decision for line in caplog.records if "quarantine" in line.getMessage()] == ["0/9"]  # type: ignore[attr-defined]
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
