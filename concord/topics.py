"""Creating and listing the topics of `schemas.topics` on a broker."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kafka.admin import KafkaAdminClient

from schemas.topics import TOPICS, TopicSpec


@dataclass(frozen=True)
class TopicState:
    """One topic of ours as the broker has it; `partitions` 0 means it does not exist."""

    spec: TopicSpec
    partitions: int


def admin_client(address: str) -> Any:
    """A kafka-python admin client. Raises its own errors when the broker cannot be reached."""
    return KafkaAdminClient(bootstrap_servers=address.split(","), client_id="concord-admin")


def create_topics(address: str, *, partitions: int, replication: int) -> list[str]:
    """Create what is missing; existing topics are left as they are. Returns the names created."""
    admin = admin_client(address)
    try:
        existing = set(admin.list_topics())
        wanted = {
            spec.name: {
                "num_partitions": spec.partitions or partitions,
                "replication_factor": replication,
                "configs": spec.configs(),
            }
            for spec in TOPICS
            if spec.name not in existing
        }
        if wanted:
            admin.create_topics(wanted)
        return sorted(wanted)
    finally:
        admin.close()


def list_topics(address: str) -> list[TopicState]:
    """Every topic of ours, with the partitions the broker has for it."""
    admin = admin_client(address)
    try:
        found = {row["name"]: len(row["partitions"]) for row in admin.describe_topics([spec.name for spec in TOPICS])}
        return [TopicState(spec, found.get(spec.name, 0)) for spec in TOPICS]
    finally:
        admin.close()
