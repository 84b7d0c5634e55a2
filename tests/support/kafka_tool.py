"""The broker's own command line tool, from its jars."""

from __future__ import annotations

import os
import shutil
import subprocess

from concord.broker_cache import has_kafka_jars, kafka_jars
from concord.broker_classes import using_archive
from concord.broker_settings import cache_folder
from concord.lag import GROUP_PREFIX

# Longest wait for an answer of the broker, in seconds: its own five are too few for a busy machine.
ANSWER_S = 60
# Group, topic, partition, committed offset, end offset, lag.
ToolRow = tuple[str, str, int, int, int, int]


def has_kafka_tool() -> bool:
    """Whether the tool is here: not when the broker runs in a container."""
    return shutil.which("java") is not None and has_kafka_jars(cache_folder(os.environ))


def described_groups(address: str) -> set[ToolRow]:
    """What kafka-consumer-groups says of every group of ours, partitions with a commit."""
    jars = kafka_jars(cache_folder(os.environ))
    done = subprocess.run(
        [str(shutil.which("java")), "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", *using_archive(jars),
         "-cp", f"{jars}/*", "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
         "--bootstrap-server", address, "--describe", "--all-groups", "--timeout", f"{ANSWER_S * 1000}"],
        capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    rows: set[ToolRow] = set()
    for line in done.stdout.splitlines():
        cells = line.split()
        if cells and cells[0].startswith(GROUP_PREFIX) and cells[2:3] != ["PARTITION"] and cells[3] != "-":
            rows.add((cells[0], cells[1], int(cells[2]), int(cells[3]), int(cells[4]), int(cells[5])))
    assert rows, done.stderr
    return rows
