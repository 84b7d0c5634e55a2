"""The outbox: order, waiting out a full or absent broker, and the end of the process when a record is refused."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError, MessageSizeTooLargeError, UnknownTopicOrPartitionError

from concord.guard import outbox as outbox_module
from concord.guard.outbox import Outbox


class Sent:
    """What the broker says of one record."""

    def __init__(self, offset: int) -> None:
        self.offset = offset


class ScriptedProducer:
    """An aiokafka producer that fails as told and answers when told."""

    problems: list[Exception]
    made: ScriptedProducer

    def __init__(self, **settings: Any) -> None:
        self.settings = settings
        self.taken: list[tuple[str, bytes | None]] = []
        self.answers: list[asyncio.Future[Any]] = []
        self.is_stopped = False
        self.client = self
        self.asked_for: list[str] = []
        ScriptedProducer.made = self

    def add_topic(self, topic: str) -> None:
        """Ask for a topic at each refresh."""
        self.asked_for.append(topic)

    async def start(self) -> None:
        """Connect."""

    async def stop(self) -> None:
        """Disconnect."""
        self.is_stopped = True

    async def send(self, topic: str, value: bytes | None, **more: Any) -> asyncio.Future[Any]:
        """Take a record."""
        await asyncio.sleep(0)
        if ScriptedProducer.problems:
            raise ScriptedProducer.problems.pop(0)
        assert isinstance(more["headers"], list), "aiokafka's compiled code takes lists only"
        self.taken.append((topic, value))
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.answers.append(answer)
        return answer


class ProcessEnded(Exception):
    """Stands for the end of the process."""


@pytest.fixture(autouse=True)
def scripted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The scripted producer, and the reasons for which the process ended."""
    reasons: list[str] = []

    def ended(reason: str) -> None:
        reasons.append(reason)
        raise ProcessEnded

    ScriptedProducer.problems = []
    monkeypatch.setattr(outbox_module, "AIOKafkaProducer", ScriptedProducer)
    monkeypatch.setattr(outbox_module, "end_process", ended)
    return reasons


def run(scenario: Coroutine[Any, Any, None]) -> None:
    """Play a scenario."""
    loop_problems: list[object] = []

    async def played() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: loop_problems.append(context))
        await asyncio.wait_for(scenario, 10)

    asyncio.run(played())


async def settle() -> None:
    """Let the pump work."""
    for _ in range(30):
        await asyncio.sleep(0)


def test_records_leave_in_order_and_answer_with_their_offset() -> None:
    """Idempotent and acknowledged by all; each caller learns where its record stands."""

    async def scenario() -> None:
        box = Outbox({"bootstrap_servers": ["127.0.0.1:1"]})
        await box.start()
        answers = [box.send("t", b"k", b"%d" % n, headers=(("a", b"b"),)) for n in range(3)]
        await settle()
        producer = ScriptedProducer.made
        assert producer.settings["enable_idempotence"]
        assert producer.settings["acks"] == "all"
        assert producer.taken == [("t", b"0"), ("t", b"1"), ("t", b"2")]
        assert box.unanswered == 3
        for n, answer in enumerate(producer.answers):
            answer.set_result(Sent(70 + n))
        assert [await answer for answer in answers] == [70, 71, 72]
        assert box.unanswered == 0
        await box.stop()
        assert producer.is_stopped

    run(scenario())


def test_a_full_producer_and_an_absent_topic_are_waited_for(scripted: list[str]) -> None:
    """The record goes out once the broker takes it, before the ones behind it."""

    async def scenario() -> None:
        box = Outbox({})
        await box.start()
        ScriptedProducer.problems = [KafkaTimeoutError(), UnknownTopicOrPartitionError(), KafkaTimeoutError()]
        box.send("t", b"k", b"first")
        box.send("t", b"k", b"second")
        await settle()
        assert ScriptedProducer.made.taken == [("t", b"first"), ("t", b"second")]
        await box.stop(0.01)

    run(scenario())
    assert scripted == []


def test_a_topic_that_never_comes_ends_the_process(scripted: list[str]) -> None:
    """Sending to a topic that does not exist is a mistake of the deployment; it is named."""

    async def scenario() -> None:
        box = Outbox({})
        await box.start()
        ScriptedProducer.problems = [UnknownTopicOrPartitionError() for _ in range(3)]
        box.send("no.such.topic", b"k", b"v")
        await settle()

    run(scenario())
    assert scripted[0] == "topic no.such.topic does not exist"


def test_a_refused_record_ends_the_process(scripted: list[str]) -> None:
    """What the broker refuses can neither be finished nor left out."""

    async def scenario() -> None:
        box = Outbox({})
        await box.start()
        box.send("t", b"k", b"v")
        await settle()
        ScriptedProducer.made.answers[0].set_exception(MessageSizeTooLargeError())
        await settle()

    run(scenario())
    assert scripted == ["the broker refused a record for t: MessageSizeTooLargeError"]


def test_stopping_waits_for_answers_but_not_for_ever() -> None:
    """An answer within the limit is waited for; without one the stop goes on, and late errors end nothing."""

    async def scenario() -> None:
        box = Outbox({})
        await box.start()
        first = box.send("t", b"k", b"v")
        box.send("t", b"k", b"w")
        await settle()
        answers = ScriptedProducer.made.answers
        stopping = asyncio.create_task(box.stop(0.05))
        await settle()
        assert not stopping.done()
        answers[0].set_result(Sent(5))
        await stopping
        assert first.result() == 5
        answers[1].set_exception(MessageSizeTooLargeError())
        await settle()

    run(scenario())
