"""Creating and listing the topics of `schemas.topics` on a broker."""

from __future__ import annotations

from dataclasses import dataclass

from concord.connecting import admin_of
from schemas.topics import TOPICS, TopicSpec


@dataclass(frozen=True)
class TopicState:
    """One topic of ours as the broker has it; `partitions` 0 means it does not exist."""

    spec: TopicSpec
    partitions: int


def create_topics(address: str, *, partitions: int, replication: int) -> list[str]:
    """Create what is missing; existing topics are left as they are. Returns the names created."""
    with admin_of(address) as admin:
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


def list_topics(address: str) -> list[TopicState]:
    """Every topic of ours, with the partitions the broker has for it."""
    with admin_of(address) as admin:
        found = {row["name"]: len(row["partitions"]) for row in admin.describe_topics([spec.name for spec in TOPICS])}
        return [TopicState(spec, found.get(spec.name, 0)) for spec in TOPICS]
