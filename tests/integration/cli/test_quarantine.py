"""Quarantine on a real broker: listed, shown, retried with the same bytes, dropped, each once."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from concord.broker import DevelopmentBroker
from concord.cli import app
from concord.guard.quarantine import AT, OMITTED
from concord.quarantined import ERRORS, RETRIES, open_records
from concord.reading import read_topics
from concord.topics import create_topics
from schemas.errors import ConfigError
from schemas.topics import SYNC_OUTCOMES, SYNC_QUARANTINE

pytestmark = pytest.mark.broker


def quarantined(topic: str, partition: int, offset: int, message: str) -> list[tuple[str, bytes]]:
    """Headers as the guard writes them."""
    headers = {"topic": topic, "partition": str(partition), "offset": str(offset), "exception.message": message}
    return [("trace", b"7"), *((ERRORS + name, text.encode()) for name, text in headers.items())]


def put(broker: DevelopmentBroker, value: bytes, headers: list[tuple[str, bytes]], key: bytes = b"s:1") -> str:
    """Quarantine a value; where it stands."""
    producer = KafkaProducer(bootstrap_servers=broker.address)
    sent = producer.send(SYNC_QUARANTINE, key=key, value=value, headers=headers, partition=0).get(timeout=10)
    producer.close()
    return f"{sent.partition}/{sent.offset}"


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
    shown = concord(broker, "quarantine", "show", first).output
    assert "5 bytes, sha256 " in shown
    assert "torn" not in shown
    assert b"torn".hex(" ") not in shown

    concord(broker, "quarantine", "retry", first, "--by", "ops")
    (back,) = [read for read in read_topics(broker.address, SYNC_OUTCOMES) if read.value == b"\x00torn"]
    assert (back.partition, back.key) == (2, b"s:1")
    names = [name for name, _ in back.headers]
    assert ("trace", b"7") in back.headers
    assert not [name for name in names if name.startswith(ERRORS)]
    assert ("concord.operator", b"ops") in back.headers
    assert (RETRIES, b"1") in back.headers

    concord(broker, "quarantine", "drop", second)
    assert {row.where for row in open_records(broker.address)} == before
    again = CliRunner().invoke(app, ["quarantine", "retry", first], env={"CONCORD_BROKER": broker.address})
    assert again.exit_code != 0


def test_a_filter_retries_what_fits_and_leaves_what_came_from_no_topic(broker: DevelopmentBroker) -> None:
    """By kind of error and time; what a source could not read is told and left. Who did what is kept."""
    create_topics(broker.address, partitions=4, replication=1)

    def failed(error: str, at: datetime) -> list[tuple[str, bytes]]:
        named = [(ERRORS + "exception.class.name", error.encode()), (AT, at.isoformat().encode())]
        return [*quarantined(SYNC_OUTCOMES, 1, 7, "No."), *named]

    now = datetime.now(UTC)
    fresh = put(broker, b"fresh", failed("schemas.errors.TestMade", now - timedelta(days=29)))
    old = put(broker, b"old", failed("schemas.errors.TestMade", now - timedelta(days=31)))
    other = put(broker, b"other", failed("schemas.errors.Unlike", now))
    item = put(broker, b"{}", [(ERRORS + "stage", b"TestMade")])
    filtered = ("--reason", "testmade", "--since", "30d")
    dry = concord(broker, "quarantine", "retry", *filtered, "--dry-run").output
    assert f"{fresh}  {SYNC_OUTCOMES}, TestMade" in dry
    assert {fresh, old, other, item} <= {row.where for row in open_records(broker.address)}
    done = concord(broker, "quarantine", "retry", *filtered, "--by", "olga").output
    assert "1 item that a source could not read" in done
    assert "1 record retried:" in done
    left = {row.where for row in open_records(broker.address)}
    assert fresh not in left
    assert {old, other, item} <= left
    assert [read.value for read in read_topics(broker.address, SYNC_OUTCOMES) if read.partition == 1] == [b"fresh"]
    named = CliRunner().invoke(app, ["quarantine", "retry", item], env={"CONCORD_BROKER": broker.address})
    assert isinstance(named.exception, ConfigError)
    assert "came from no topic" in str(named.exception)
    concord(broker, "quarantine", "drop", old, other, item)
    settled = json.loads(concord(broker, "quarantine", "list", "--settled", "--json").output)
    told = {row["place"]: (row["verb"], row["by"]) for row in settled if row["place"] in (fresh, old)}
    assert told[fresh] == ("retry", "olga")
    assert told[old][0] == "drop"


def test_bytes_that_quarantine_had_no_room_for_come_from_their_topic(broker: DevelopmentBroker) -> None:
    """As long as they are there: otherwise it is said, and nothing is written in their place."""
    create_topics(broker.address, partitions=4, replication=1)
    producer = KafkaProducer(bootstrap_servers=broker.address)
    stands = producer.send(SYNC_OUTCOMES, key=b"s:big", value=b"all of it", partition=3).get(timeout=10)
    producer.close()
    omitted = (OMITTED, b"too large")
    kept = put(broker, b"", [*quarantined(SYNC_OUTCOMES, 3, stands.offset, "No."), omitted], b"s:big")
    gone = put(broker, b"", [*quarantined(SYNC_OUTCOMES, 3, 10**6, "No."), omitted], b"s:big")
    refused = CliRunner().invoke(app, ["quarantine", "retry", kept, gone], env={"CONCORD_BROKER": broker.address})
    assert isinstance(refused.exception, ConfigError)
    assert f"{gone}: its bytes are not in {SYNC_OUTCOMES} any more" in str(refused.exception)
    concord(broker, "quarantine", "retry", kept)
    values = [read.value for read in read_topics(broker.address, SYNC_OUTCOMES) if read.key == b"s:big"]
    assert values == [b"all of it", b"all of it"]
    concord(broker, "quarantine", "drop", gone)
