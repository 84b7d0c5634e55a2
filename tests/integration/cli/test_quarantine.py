"""Quarantine on a real broker: listed, shown, retried with the same bytes, dropped, each once."""

from __future__ import annotations

import json
from typing import Any

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from concord.broker import DevelopmentBroker
from concord.cli import app
from concord.quarantined import ERRORS, open_records
from concord.reading import read_topics
from concord.topics import create_topics
from schemas.topics import SYNC_OUTCOMES, SYNC_QUARANTINE

pytestmark = pytest.mark.broker


def quarantined(topic: str, partition: int, offset: int, message: str) -> list[tuple[str, bytes]]:
    """Headers as the guard writes them."""
    headers = {"topic": topic, "partition": str(partition), "offset": str(offset), "exception.message": message}
    return [("trace", b"7"), *((ERRORS + name, text.encode()) for name, text in headers.items())]


def concord(broker: DevelopmentBroker, *arguments: str) -> Any:
    """One command against this broker; it must succeed."""
    result = CliRunner().invoke(app, arguments, env={"CONCORD_BROKER": broker.address}, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result


def test_a_record_is_listed_retried_once_and_dropped_once(broker: DevelopmentBroker) -> None:
    """Retry writes the same key and bytes to the partition they came from, without the error headers; both actions
    settle their record, so that doing it again does nothing."""
    create_topics(broker.address, partitions=4, replication=1)
    before = {row.where for row in open_records(broker.address)}
    producer = KafkaProducer(bootstrap_servers=broker.address)
    for offset, value in ((41, b"\x00torn"), (42, b"\x01torn")):
        headers = quarantined(SYNC_OUTCOMES, 2, offset, "The body is not an Outcome.")
        producer.send(SYNC_QUARANTINE, key=b"s:1", value=value, headers=headers, partition=0).get(timeout=10)
    producer.close()

    rows = [
        row for row in json.loads(concord(broker, "quarantine", "list", "--json").output) if row["place"] not in before
    ]
    assert [(row["topic"], row["partition"], row["offset"]) for row in rows] == [
        (SYNC_OUTCOMES, "2", "41"),
        (SYNC_OUTCOMES, "2", "42"),
    ]
    first, second = (row["place"] for row in rows)
    assert "The body is not an Outcome." in concord(broker, "quarantine", "list").output.replace("\n", " ")
    assert "00 74 6f 72 6e" in concord(broker, "quarantine", "show", first).output

    concord(broker, "quarantine", "retry", first, "--by", "ops")
    (back,) = [read for read in read_topics(broker.address, SYNC_OUTCOMES) if read.value == b"\x00torn"]
    assert (back.partition, back.key) == (2, b"s:1")
    names = [name for name, _ in back.headers]
    assert ("trace", b"7") in back.headers
    assert not [name for name in names if name.startswith(ERRORS)]
    assert ("concord.operator", b"ops") in back.headers

    concord(broker, "quarantine", "drop", second)
    assert {row.where for row in open_records(broker.address)} == before
    again = CliRunner().invoke(app, ["quarantine", "retry", first], env={"CONCORD_BROKER": broker.address})
    assert again.exit_code != 0
