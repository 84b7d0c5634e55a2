"""The flow as data is consistent in itself and with the codec."""

from __future__ import annotations

import pytest

from schemas import topics
from schemas.codec import RECORDS
from schemas.topics import BY_NAME, DAY_MS, MAX_RECORD_BYTES, TOPICS, TopicSpec

EACH = pytest.mark.parametrize("spec", TOPICS, ids=lambda spec: spec.name)
STAGES = {"source graph", "source salesforce", "intake", "reconcile", "sink graph", "sink salesforce"}
EDGES = {"webhook", "timer", "command line", "operator", "projections", "sources", "sinks", "any stage", "console"}
COMPACTED = {topics.DIRECTORY_CHANGES, topics.TABLE_VERSIONS, topics.SCHEMA_IDS}


def names(text: str) -> set[str]:
    """The parties in a list of parties."""
    return {part.strip() for part in text.split(",")}


def test_every_topic_name_is_a_constant_and_in_the_table_once() -> None:
    """Code names topics by constants; the table holds each exactly once."""
    constants = {
        value for name, value in vars(topics).items() if name.isupper() and isinstance(value, str) and "." in value
    }
    assert constants == set(BY_NAME)
    assert len(BY_NAME) == len(TOPICS)


@EACH
def test_topic_carries_a_record_that_the_codec_knows(spec: TopicSpec) -> None:
    """Only quarantine carries whatever arrived."""
    if spec.name == topics.SYNC_QUARANTINE:
        assert spec.record == "the bytes, untouched"
    else:
        assert spec.record in {kind.__name__ for kind in RECORDS}


@EACH
def test_topic_is_written_and_read_by_known_parties(spec: TopicSpec) -> None:
    """A stage that does not exist would leave a topic that nobody fills or empties."""
    assert names(spec.written_by) <= STAGES | EDGES
    assert names(spec.read_by) <= STAGES | EDGES
    assert spec.key


@EACH
def test_topic_is_kept_as_the_design_says(spec: TopicSpec) -> None:
    """Journal, directory, settings and table versions for ever; commands for days; wake-ups for hours."""
    for_ever = {topics.SYNC_JOURNAL, topics.SETTINGS_CHANGES} | COMPACTED
    hours = {topics.GRAPH_WAKEUPS, topics.SALESFORCE_WAKEUPS}
    days = {topics.GRAPH_COMMANDS, topics.SALESFORCE_COMMANDS}
    if spec.name in for_ever:
        assert spec.retention_ms == -1
    elif spec.name in hours:
        assert 0 < spec.retention_ms < DAY_MS
    elif spec.name in days:
        assert DAY_MS < spec.retention_ms <= 30 * DAY_MS
    else:
        assert spec.retention_ms >= 90 * DAY_MS


@EACH
def test_only_what_no_agent_takes_is_compacted(spec: TopicSpec) -> None:
    """An input that is compacted has holes in its offsets, and the guard counts on there being none (design §4)."""
    is_compacted = spec.name in COMPACTED
    assert spec.cleanup == ("compact" if is_compacted else "delete")


@EACH
def test_what_is_read_whole_stands_in_one_partition(spec: TopicSpec) -> None:
    """Directory and settings are read from the beginning by everybody; all else is spread like the deployment says."""
    is_whole = spec.name in {topics.SETTINGS_CHANGES} | COMPACTED
    assert spec.partitions == (1 if is_whole else 0)


@EACH
def test_configuration_uses_the_brokers_names(spec: TopicSpec) -> None:
    """Cleanup, retention and record size are set explicitly on every topic."""
    assert spec.configs() == {
        "cleanup.policy": spec.cleanup,
        "retention.ms": str(spec.retention_ms),
        "max.message.bytes": str(MAX_RECORD_BYTES),
    }
