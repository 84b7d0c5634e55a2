"""`concord lag` says what the broker says: asked through another client library, and by the broker's own tool."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from integration.cli.firm import READERS, Firm
from support.kafka_tool import described_groups, has_kafka_tool

from concord.lag import GROUP_PREFIX

pytestmark = pytest.mark.broker


async def ask_aiokafka(address: str) -> dict[tuple[str, str, int], tuple[int, int]]:
    """(committed, end) by group, topic and partition, through aiokafka."""
    from aiokafka import AIOKafkaConsumer
    from aiokafka.admin import AIOKafkaAdminClient

    admin = AIOKafkaAdminClient(bootstrap_servers=address)
    consumer = AIOKafkaConsumer(bootstrap_servers=address)
    await admin.start()
    await consumer.start()
    try:
        answer: dict[tuple[str, str, int], tuple[int, int]] = {}
        for group, *_ in await admin.list_consumer_groups():
            if not group.startswith(GROUP_PREFIX):
                continue
            offsets = await admin.list_consumer_group_offsets(group)
            ends = await consumer.end_offsets(list(offsets))
            answer |= {(group, p.topic, p.partition): (found.offset, ends[p]) for p, found in offsets.items()}
        return answer
    finally:
        await consumer.stop()
        await admin.close()


def our_rows(firm: Firm) -> list[dict[str, Any]]:
    """`concord lag --json`, partitions with a commit."""
    rows = json.loads(firm.run("lag", "--json").stdout)
    return [row for row in rows if row["committed"] is not None]


def test_another_client_library_sees_the_same(firm: Firm) -> None:
    """Every committed offset and every end, of every group of ours."""
    ours = {(r["group"], r["topic"], r["partition"]): (r["committed"], r["end"]) for r in our_rows(firm)}
    assert ours == asyncio.run(ask_aiokafka(firm.address))
    assert len(ours) == sum(len(topics) for topics in READERS.values()) * 4 - 3  # settings.changes has one partition


def test_the_brokers_own_tool_sees_the_same(firm: Firm) -> None:
    """kafka-consumer-groups of the broker's jars prints the same committed offsets, ends and lag."""
    if not has_kafka_tool():
        pytest.skip("the broker did not come from jars on this machine, so its tools are not here either")
    ours = {
        (r["group"], r["topic"], r["partition"], r["committed"], r["end"], r["records_behind"]) for r in our_rows(firm)
    }
    assert described_groups(firm.address) == ours
