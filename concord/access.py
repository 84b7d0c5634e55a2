"""Which process reads and writes which topics and uses which group: the table that access rights are made from.

`concord topics acls` prints it as Kafka's access control entries; the Helm chart carries it in `flow.json`, written by
`python -m concord.access`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from schemas.topics import (
    DIRECTORY_CHANGES,
    GRAPH_CHANGES,
    GRAPH_COMMANDS,
    GRAPH_WAKEUPS,
    OPERATOR_ACTIONS,
    SALESFORCE_CHANGES,
    SALESFORCE_COMMANDS,
    SALESFORCE_WAKEUPS,
    SCHEMA_IDS,
    SETTINGS_CHANGES,
    SYNC_DECISIONS,
    SYNC_JOURNAL,
    SYNC_OUTCOMES,
    SYNC_QUARANTINE,
    TABLE_VERSIONS,
    TOPICS,
)

ALL_TOPICS: Final = tuple(spec.name for spec in TOPICS)
GROUPS: Final = "concord-"
# Begins the names of what an erasure rewrites a topic by way of: who starts meanwhile sees it, and does not go on.
REWRITTEN: Final = "rewrite."


@dataclass(frozen=True)
class Party:
    """One kind of process, with a Kafka user of its own.

    `need` is what its configuration cannot do without (`concord.config.NEEDS`). `group` is its consumer group, "" for
    none; with `has_tables` the topics that begin with the group's name are its tables' changelogs, which it makes
    itself.
    """

    name: str
    command: tuple[str, ...]
    need: str
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    group: str = ""
    has_tables: bool = False


PARTIES: Final = (
    Party(
        "source-graph", ("source", "graph"), "graph",
        (GRAPH_WAKEUPS, GRAPH_CHANGES, SETTINGS_CHANGES, DIRECTORY_CHANGES, SCHEMA_IDS),
        (GRAPH_WAKEUPS, GRAPH_CHANGES, DIRECTORY_CHANGES, SYNC_QUARANTINE), "concord-source-graph", True,
    ),
    Party(
        "source-salesforce", ("source", "salesforce"), "salesforce",
        (SALESFORCE_WAKEUPS, SALESFORCE_CHANGES, SETTINGS_CHANGES, DIRECTORY_CHANGES, SCHEMA_IDS),
        (SALESFORCE_WAKEUPS, SALESFORCE_CHANGES, DIRECTORY_CHANGES, SYNC_QUARANTINE), "concord-source-salesforce", True,
    ),
    Party(
        "reconcile", ("reconcile",), "broker",
        (
            GRAPH_CHANGES, SALESFORCE_CHANGES, DIRECTORY_CHANGES, SETTINGS_CHANGES, OPERATOR_ACTIONS, SYNC_JOURNAL,
            SYNC_OUTCOMES, TABLE_VERSIONS, SCHEMA_IDS,
        ),
        (SYNC_JOURNAL, SYNC_DECISIONS, GRAPH_COMMANDS, SALESFORCE_COMMANDS, SYNC_QUARANTINE), "concord-reconcile", True,
    ),
    Party(
        "sink-graph", ("sink", "graph"), "graph",
        (GRAPH_COMMANDS, SETTINGS_CHANGES, DIRECTORY_CHANGES, SCHEMA_IDS),
        (SYNC_OUTCOMES, GRAPH_CHANGES, GRAPH_WAKEUPS, SYNC_QUARANTINE), "concord-sink-graph", True,
    ),
    Party(
        "sink-salesforce", ("sink", "salesforce"), "salesforce",
        (SALESFORCE_COMMANDS, SYNC_OUTCOMES, SETTINGS_CHANGES, DIRECTORY_CHANGES, SCHEMA_IDS),
        (SYNC_OUTCOMES, SALESFORCE_CHANGES, SYNC_QUARANTINE), "concord-sink-salesforce", True,
    ),
    Party("project", ("project",), "broker", (SYNC_JOURNAL, SYNC_DECISIONS, SCHEMA_IDS), (), "concord-project"),
    Party("exporter", ("exporter",), "exporter", ALL_TOPICS, ()),
    # Whoever is signed in to it: looks at everything, changes settings, acts on pairs, gives quarantined records back
    # to whatever topic they came from.
    Party("console", ("console",), "broker", ALL_TOPICS, ALL_TOPICS),
    # Whoever types `concord ...`: looks at everything, changes settings, acts on pairs, gives quarantined records back,
    # rebuilds.
    Party("operator", (), "broker", ALL_TOPICS, ALL_TOPICS),
)  # fmt: skip
# Parties that look at everybody's groups and changelogs; who rebuilds a table also makes and removes its changelogs and
# says where its group goes on.
WATCHING: Final = ("Describe",), ("Describe",)
REBUILDING: Final = ("Read", "Describe"), ("Create", "Read", "Write", "Delete", "Describe", "DescribeConfigs")
WATCHERS: Final = {"exporter": WATCHING, "console": WATCHING, "operator": REBUILDING}


@dataclass(frozen=True)
class Entry:
    """Operations that one party may do on one resource; `is_prefix`: on every one whose name begins so."""

    resource: str
    name: str
    operations: tuple[str, ...]
    is_prefix: bool = False


def entries_of(party: Party) -> Iterator[Entry]:
    """What a party may do; everything else is denied."""
    for topic in ALL_TOPICS:
        operations = ("Read",) * (topic in party.reads) + ("Write",) * (topic in party.writes)
        if operations:
            yield Entry("topic", topic, (*operations, "Describe"))
    if party.group:  # a rebuilt table's version stands behind the name
        yield Entry("group", party.group, ("Read", "Describe"), True)
        yield Entry("topic", REWRITTEN, ("Describe",), True)
    if party.has_tables:
        yield Entry("topic", f"{party.group}-", ("Create", "Read", "Write", "Describe", "DescribeConfigs"), True)
    if party.name in WATCHERS:
        groups, changelogs = WATCHERS[party.name]
        yield Entry("group", GROUPS, groups, True)
        yield Entry("topic", GROUPS, changelogs, True)
        yield Entry("cluster", "kafka-cluster", ("Describe",))


def flow() -> dict[str, Any]:
    """Topics and parties as the Helm chart reads them."""
    topics = [
        {"name": spec.name, "partitions": spec.partitions, "config": spec.configs()} for spec in TOPICS
    ]  # fmt: skip
    parties = [
        {"name": party.name, "command": list(party.command), "acls": [asdict(entry) for entry in entries_of(party)]}
        for party in PARTIES
    ]
    return {"topics": topics, "parties": parties}


FLOW_FILE: Final = Path(__file__).parents[1] / "deploy" / "helm" / "concord" / "flow.json"


def flow_text() -> str:
    """The file of the chart."""
    return json.dumps(flow(), indent=2) + "\n"


if __name__ == "__main__":
    FLOW_FILE.write_text(flow_text(), encoding="utf-8")
    sys.stdout.write(f"{FLOW_FILE}\n")
