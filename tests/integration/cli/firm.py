"""A hand-made firm on a real broker: history, settings, directory, wake-ups, and what its groups have committed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

from kafka import KafkaProducer, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import NoError, RetriableError
from kafka.structs import OffsetAndMetadata
from support.broker import admin_of
from support.history import History, whole_day
from support.simulation_pairs import MAILBOX, OWNER
from typer.testing import CliRunner, Result

from concord.cli import app
from concord.topics import create_topics
from schemas.changes import Change, Side, Wakeup
from schemas.codec import encode
from schemas.directory import AddressClass, DirectoryEntry, EntryKind
from schemas.topics import (
    BY_NAME,
    DIRECTORY_CHANGES,
    FIRM_KEY,
    GRAPH_CHANGES,
    GRAPH_COMMANDS,
    GRAPH_WAKEUPS,
    OPERATOR_ACTIONS,
    SALESFORCE_CHANGES,
    SALESFORCE_COMMANDS,
    SALESFORCE_WAKEUPS,
    SETTINGS_CHANGES,
    SYNC_DECISIONS,
    SYNC_JOURNAL,
    SYNC_OUTCOMES,
)

RECONCILE: Final = "concord-reconcile"
SINK_GRAPH: Final = "concord-sink-graph"
PEOPLE: Final = (
    DirectoryEntry(EntryKind.MAILBOX, MAILBOX, "ann@firm.example", "Ann"),
    DirectoryEntry(EntryKind.MAILBOX, "mailbox-bob", "bob@firm.example", "Bob", ("robert@firm.example",)),
    DirectoryEntry(EntryKind.MAILBOX, "mailbox-cleo", "cleo@firm.example", "Cleo"),
    DirectoryEntry(EntryKind.ADDRESS, OWNER, "ann@firm.example", "Ann", address_class=AddressClass.USER),
    DirectoryEntry(EntryKind.ADDRESS, "005BOB", "robert@firm.example", "Bob", address_class=AddressClass.USER),
    DirectoryEntry(EntryKind.COMPLETE, "graph"),
    DirectoryEntry(EntryKind.COMPLETE, "salesforce"),
)


READERS: Final = {
    RECONCILE: (SYNC_JOURNAL, SETTINGS_CHANGES, GRAPH_CHANGES, SALESFORCE_CHANGES, OPERATOR_ACTIONS, SYNC_OUTCOMES),
    SINK_GRAPH: (GRAPH_COMMANDS,),
    "concord-sink-salesforce": (SALESFORCE_COMMANDS, SYNC_OUTCOMES),
    "concord-source-graph": (GRAPH_WAKEUPS,),
    "concord-source-salesforce": (SALESFORCE_WAKEUPS,),
}


def firm_on(address: str) -> Firm:
    """One firm's day on a broker that has no topics of Concord yet. Nothing runs."""
    create_topics(address, partitions=4, replication=1)
    firm = Firm(address)
    firm.write_everything()
    return firm


def _until_it_works(ask: Callable[[], Any]) -> None:
    """A broker makes the place for committed offsets only when it is first asked for it."""
    deadline = time.monotonic() + 60
    while True:
        try:
            refused = {answer for answer in ask().values() if answer is not NoError}
        except RetriableError as error:
            refused = {type(error)}
        if not refused:
            return
        assert time.monotonic() < deadline, refused
        time.sleep(0.1)


@dataclass
class Firm:
    """A broker with one firm's day on it. Every pair lives in journal partition 0."""

    address: str
    history: History = field(default_factory=whole_day)

    def write_everything(self) -> None:
        """The day, and groups that have taken all of it but two Graph commands."""
        now = datetime.now(UTC)
        self.write(
            {
                SETTINGS_CHANGES: [(FIRM_KEY, self.history.settings)],
                DIRECTORY_CHANGES: [(entry.key, entry) for entry in PEOPLE],
                SYNC_JOURNAL: [(entry.pair_key, entry) for _, _, entry in self.history.entries],
                SYNC_DECISIONS: [(decision.pair_key, decision) for decision in self.history.decisions],
                GRAPH_COMMANDS: [(c.pair_key, c) for c in self.history.sent if c.side is Side.GRAPH],
                SALESFORCE_COMMANDS: [(c.pair_key, c) for c in self.history.sent if c.side is Side.SALESFORCE],
                GRAPH_CHANGES: [(MAILBOX, Change(Side.GRAPH, "G", now, mailbox=MAILBOX))],
                SALESFORCE_CHANGES: [("00U1", Change(Side.SALESFORCE, "00U1", now))],
                GRAPH_WAKEUPS: [(MAILBOX, Wakeup(MAILBOX, "notification", now))],
                SALESFORCE_WAKEUPS: [("Event", Wakeup("Event", "timer", now))],
            }
        )
        self.commit_everything({GRAPH_COMMANDS: 0})

    def write(self, records: Mapping[str, list[tuple[str, Any]]], partition: int = 0) -> None:
        """Append records, in order, to one partition of each topic."""
        producer = KafkaProducer(bootstrap_servers=[self.address])
        try:
            for topic, rows in records.items():
                for key, record in rows:
                    producer.send(topic, key=key.encode(), value=encode(record), partition=partition)
            producer.flush()
        finally:
            producer.close()

    def commit_everything(self, except_for: Mapping[str, int] | None = None) -> None:
        """Every group has taken everything of its topics, except for those where it stands at an offset given here."""
        with admin_of(self.address) as admin:
            for group, topics in READERS.items():
                parts = [TopicPartition(topic, number) for topic in topics for number in range(self._count(topic))]
                ends = admin.list_partition_offsets(dict.fromkeys(parts, OffsetSpec.LATEST))
                offsets = {part: (except_for or {}).get(part.topic, ends[part].offset) for part in parts}
                commits = {part: OffsetAndMetadata(offset, "", -1) for part, offset in offsets.items()}
                _until_it_works(partial(admin.alter_group_offsets, group, commits))

    @staticmethod
    def _count(topic: str) -> int:
        return BY_NAME[topic].partitions or 4

    def run(self, *words: str) -> Result:
        """Run `concord WORDS` against this broker."""
        return CliRunner().invoke(app, list(words), env={"CONCORD_BROKER": self.address})
