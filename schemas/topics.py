"""The flow as data: every topic, what it carries, who writes and who reads it, and how long it is kept.

Topic creation, `make flow`, ARCHITECTURE.md and the command line all read this table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DAY_MS: Final = 24 * 60 * 60 * 1000

# Partitions of every topic that is keyed by pair, mailbox or record. Tables are partitioned like their source topic,
# so the number can only be changed by a rebuild (a new application version).
DEFAULT_PARTITIONS: Final = 4


@dataclass(frozen=True)
class TopicSpec:
    """One topic. `partitions` 0 means: the deployment's number. `retention_ms` -1 keeps records for ever."""

    name: str
    key: str
    record: str
    written_by: str
    read_by: str
    retention_ms: int
    cleanup: str = "delete"
    partitions: int = 0

    def configs(self) -> dict[str, str]:
        """The broker's own setting names for cleanup, retention and the largest record."""
        return {
            "cleanup.policy": self.cleanup,
            "retention.ms": str(self.retention_ms),
            "max.message.bytes": str(MAX_RECORD_BYTES),
        }


# The largest record any topic takes, in bytes: the state of a pair holds up to nine copies of an event of at most
# 32,000 characters each, and a native event of up to 200 kB beside one.
MAX_RECORD_BYTES: Final = 4 * 1024 * 1024

GRAPH_WAKEUPS: Final = "graph.wakeups"
SALESFORCE_WAKEUPS: Final = "salesforce.wakeups"
GRAPH_CHANGES: Final = "graph.changes"
SALESFORCE_CHANGES: Final = "salesforce.changes"
DIRECTORY_CHANGES: Final = "directory.changes"
SETTINGS_CHANGES: Final = "settings.changes"
OPERATOR_ACTIONS: Final = "operator.actions"
SYNC_JOURNAL: Final = "sync.journal"
SYNC_DECISIONS: Final = "sync.decisions"
GRAPH_COMMANDS: Final = "graph.commands"
SALESFORCE_COMMANDS: Final = "salesforce.commands"
SYNC_OUTCOMES: Final = "sync.outcomes"
SYNC_QUARANTINE: Final = "sync.quarantine"
TABLE_VERSIONS: Final = "table.versions"
SCHEMA_IDS: Final = "schema.ids"

FIRM_KEY: Final = "firm"

TOPICS: Final[tuple[TopicSpec, ...]] = (
    TopicSpec(GRAPH_WAKEUPS, "mailbox id", "Wakeup", "webhook, timer, sink graph", "source graph", DAY_MS // 4),
    TopicSpec(SALESFORCE_WAKEUPS, "object name", "Wakeup", "timer", "source salesforce", DAY_MS // 4),
    TopicSpec(GRAPH_CHANGES, "mailbox id", "Change", "source graph, sink graph", "intake", 365 * DAY_MS),
    TopicSpec(SALESFORCE_CHANGES, "record id", "Change", "source salesforce, sink salesforce", "intake", 365 * DAY_MS),
    TopicSpec(
        DIRECTORY_CHANGES, "entry", "DirectoryEntry", "source graph, source salesforce", "intake", -1, "compact", 1
    ),
    TopicSpec(SETTINGS_CHANGES, "firm", "Settings", "command line, console", "intake, sources, sinks", -1, "delete", 1),
    TopicSpec(OPERATOR_ACTIONS, "pair key", "OperatorAction", "command line, console", "intake", 365 * DAY_MS),
    TopicSpec(SYNC_JOURNAL, "pair key", "JournalEntry", "intake, reconcile", "reconcile, projections", -1),
    TopicSpec(SYNC_DECISIONS, "pair key", "Decision", "reconcile", "projections", 365 * DAY_MS),
    TopicSpec(GRAPH_COMMANDS, "pair key", "Command", "reconcile", "sink graph", 14 * DAY_MS),
    TopicSpec(SALESFORCE_COMMANDS, "pair key", "Command", "reconcile", "sink salesforce", 14 * DAY_MS),
    TopicSpec(
        SYNC_OUTCOMES, "pair key", "Outcome", "sink graph, sink salesforce", "intake, sink salesforce", 365 * DAY_MS
    ),
    TopicSpec(SYNC_QUARANTINE, "as the input", "the bytes, untouched", "any stage", "operator", 365 * DAY_MS),
    TopicSpec(TABLE_VERSIONS, "table", "TableVersion", "command line", "reconcile", -1, "compact", 1),
    TopicSpec(SCHEMA_IDS, "schema id", "SchemaId", "command line", "any stage", -1, "compact", 1),
)

BY_NAME: Final[dict[str, TopicSpec]] = {spec.name: spec for spec in TOPICS}


def flow_markdown() -> str:
    """The flow as a Markdown table, as ARCHITECTURE.md shows it."""
    rows = [("topic", "key", "record", "written by", "read by", "kept"), ("---",) * 6]
    for spec in TOPICS:
        kept = "for ever" if spec.retention_ms < 0 else f"{spec.retention_ms / DAY_MS:g} days"
        kept = "compacted" if spec.cleanup == "compact" else kept
        rows.append((f"`{spec.name}`", spec.key, spec.record, spec.written_by, spec.read_by, kept))
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
