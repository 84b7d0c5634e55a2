"""Erasing a person's texts from what is kept: which records, whether every fold comes out the same, and doing it.

The journal comes last: killed on the way, the same command finds the same pairs again and ends what is left.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Final

from concord.changing import current_settings
from concord.config import Config
from concord.connecting import admin_of, plainly, producer_of
from concord.groups import require_stopped, silent
from concord.guard.quarantine import PREFIX as ERRORS
from concord.reading import Read, read_topics
from concord.rewriting import Rewriter
from concord.roles.reconcile import rows_of
from concord.roles.sinks import DONE_ROW
from concord.table_versions import FIRST, changelog_of
from projections.directory import normal
from schemas.calendar import Attendee
from schemas.changes import Change
from schemas.codec import decode, encode
from schemas.commands import Command, Decision, Outcome
from schemas.errors import ConcordError, ConfigError, UnreadableRecord
from schemas.journal import JournalEntry, OperatorAction, Seen
from schemas.topics import (
    GRAPH_CHANGES,
    GRAPH_COMMANDS,
    OPERATOR_ACTIONS,
    SALESFORCE_CHANGES,
    SALESFORCE_COMMANDS,
    SYNC_DECISIONS,
    SYNC_JOURNAL,
    SYNC_OUTCOMES,
    SYNC_QUARANTINE,
)
from streams.erasure import ErasedPart, Person, erased, items_in, people_in, person_of, redacted, why_kept
from streams.stage import Partition

# What holds texts beside the journal, in the order in which it is rewritten.
KINDS: Final[dict[str, type[Any]]] = {
    GRAPH_CHANGES: Change, SALESFORCE_CHANGES: Change, SYNC_DECISIONS: Decision, GRAPH_COMMANDS: Command,
    SALESFORCE_COMMANDS: Command, SYNC_OUTCOMES: Outcome, OPERATOR_ACTIONS: OperatorAction,
}  # fmt: skip
ORDER: Final = (SYNC_QUARANTINE, *KINDS, SYNC_JOURNAL)
GROUP_PREFIX: Final = "concord-"
# Longest wait for the broker to take a record, in seconds.
SEND_S: Final = 30.0
# The tables in which the sinks keep the last answer to each pair.
DONE_TABLES: Final = (("concord-sink-graph", "graph-done"), ("concord-sink-salesforce", "salesforce-done"))
MESSAGE: Final = ERRORS + "exception.message"


@dataclass
class Plan:
    """What an erasure would do: pairs whose history goes, pairs that are kept and why, records changed by topic.

    `entries` are the journal entries as they shall stand, by partition and offset; `ids` the items of the pairs.
    """

    person: Person
    pairs: set[str] = field(default_factory=set)
    kept: dict[str, str] = field(default_factory=dict)
    records: dict[str, int] = field(default_factory=dict)
    entries: dict[tuple[int, int], JournalEntry] = field(default_factory=dict)
    ids: set[str] = field(default_factory=set)
    kept_ids: set[str] = field(default_factory=set)

    def change(self, read: Read) -> Read:
        """A record as it shall stand."""
        if read.topic == SYNC_JOURNAL:
            return self._journaled(read)
        if read.topic == SYNC_QUARANTINE:
            return self._put_aside(read)
        key = (read.key or b"").decode("utf-8", "replace")
        if key in self.kept or (key not in self.pairs and key not in self.ids and not self._is_meant(read)):
            return read
        try:
            record = decode(KINDS[read.topic], read.value)
        except UnreadableRecord:
            return replace(read, value=b"") if self.person.is_in(read.value) else read
        if isinstance(record, Change) and record.id in self.kept_ids:
            return read
        value = encode(redacted(record))
        return read if decode(KINDS[read.topic], value) == record else replace(read, value=value)

    def _is_meant(self, read: Read) -> bool:
        """Whether a record whose key says nothing is one of theirs: a mailbox holds many events."""
        if self.person.is_in(read.value):
            return True
        if read.topic == GRAPH_CHANGES:
            with contextlib.suppress(UnreadableRecord):
                return decode(Change, read.value).id in self.ids
        return False

    def _journaled(self, read: Read) -> Read:
        entry = self.entries.get((read.partition, read.offset))
        if entry is not None:
            return replace(read, value=encode(entry))
        if not self.person.is_in(read.value):
            return read
        with contextlib.suppress(UnreadableRecord):
            decode(JournalEntry, read.value)
            return read  # of a pair that is kept
        return replace(read, value=b"")

    def _put_aside(self, read: Read) -> Read:
        key = (read.key or b"").decode("utf-8", "replace")
        is_kept = key in self.kept or key in self.kept_ids
        is_theirs = key in self.pairs or key in self.ids or (self.person.is_in(read.value) and not is_kept)
        if not is_theirs or not read.value:
            return read
        headers = tuple((name, b"" if name == MESSAGE else value) for name, value in read.headers)
        return replace(read, value=b"", headers=headers)


def plan(broker: str, address: str, *, by: str, now: datetime | None = None) -> Plan:
    """Look for a person everywhere. Changes nothing. Raises ConcordError when the person is a user of the firm, or when
    a fold would come out otherwise."""
    if "@" not in address:
        raise ConfigError([f"{address!r} is no address"], "Name the person by a mail address.")
    if any(normal(user.address) == normal(address) for user in current_settings(broker).users):
        raise ConcordError(f"{address} is a user of the firm.", "What is kept of a firm's own users is not erased.")
    made = Plan(person_of(address, _people_near(broker, address)))
    at = now or datetime.now(UTC)
    candidates: dict[int, set[str]] = {}
    for number, _, entry in _entries(broker, made.person):
        candidates.setdefault(number, set()).add(entry.pair_key)
    if candidates:
        parts = _folded(broker, candidates, at, by)
        for part in parts.values():
            _judge(made, part)
        _check_folds(broker, parts, made)
    for read in read_topics(broker, *ORDER):
        if made.change(read) != read:
            made.records[read.topic] = made.records.get(read.topic, 0) + 1
    return made


def _people_near(broker: str, address: str) -> Iterator[Attendee]:
    """Everyone named in entries that mention the address."""
    for _, _, entry in _entries(broker, Person(frozenset({normal(address)}))):
        yield from people_in(entry)


def _entries(broker: str, person: Person) -> Iterator[tuple[int, int, JournalEntry]]:
    """Journal entries that mention a person: partition, offset, entry."""
    for read in read_topics(broker, SYNC_JOURNAL):
        if person.is_in(read.value):
            with contextlib.suppress(UnreadableRecord):
                yield read.partition, read.offset, decode(JournalEntry, read.value)


def _by_partition(broker: str, numbers: set[int]) -> Iterator[tuple[int, int, JournalEntry]]:
    for read in read_topics(broker, SYNC_JOURNAL):
        if read.partition in numbers:
            with contextlib.suppress(UnreadableRecord):
                yield read.partition, read.offset, decode(JournalEntry, read.value)


def _folded(broker: str, candidates: dict[int, set[str]], at: datetime, by: str) -> dict[int, ErasedPart]:
    rows: dict[int, list[tuple[int, JournalEntry]]] = {number: [] for number in candidates}
    for number, offset, entry in _by_partition(broker, set(candidates)):
        rows[number].append((offset, entry))
    return {number: erased(number, rows.pop(number), keys, at, by) for number, keys in candidates.items()}


def _judge(made: Plan, part: ErasedPart) -> None:
    """Which of the pairs found may go."""
    for offset, entry in part.entries.items():
        key = entry.pair_key
        state = part.partition.pairs[key]
        why = why_kept(state, made.person)
        items = {item.id for side in (state.graph, state.salesforce) for item in (side.item, *side.copies) if item}
        gone = {item_id for side in (state.graph, state.salesforce) for item_id in side.gone}
        if why:
            made.kept[key] = why
            made.kept_ids |= items | gone
        else:
            made.pairs.add(key)
            made.ids |= items | gone
            made.entries[part.partition.number, offset] = entry


def _check_folds(broker: str, parts: dict[int, ErasedPart], made: Plan) -> None:
    """Fold with what shall stand there: every row of the state must come out byte for byte. Raises ConcordError."""
    again = {number: Partition(number) for number in parts}
    for number, offset, entry in _by_partition(broker, set(parts)):
        shown = made.entries.get((number, offset), entry)
        again[number].fold(shown, offset)
        if shown is not entry:
            made.ids |= {item.id for item in items_in(entry.what)}
            made.ids |= {entry.what.id} if isinstance(entry.what, Seen) else set()
    made.ids -= made.kept_ids
    for number, part in parts.items():
        if rows_of(again[number]) != rows_of(part.partition):
            raise ConcordError("The state would not come out the same: nothing was changed.", "This is a fault.")


def execute(config: Config, made: Plan, say: Callable[[str], None] = silent) -> None:
    """Rewrite what the plan names. Every worker must be stopped. Raises ConcordError."""
    groups = stopped(config.broker, say)
    rewriter = Rewriter(config.broker, groups)
    for topic in ORDER:
        if made.records.get(topic):
            say(f"Rewriting {topic}.")
            rewriter.rewrite(topic, made.change)
    pairs = _erased_pairs(config.broker)  # those of an erasure that was killed behind the journal, too
    if pairs:
        _blank_answers(config.broker, pairs)
        _rebuild_read_models(config, say)


def _erased_pairs(broker: str) -> set[str]:
    """Every pair whose history was ever erased."""
    found = set()
    for read in read_topics(broker, SYNC_JOURNAL):
        with contextlib.suppress(UnreadableRecord):
            entry = decode(JournalEntry, read.value)
            if entry.erased is not None:
                found.add(entry.pair_key)
    return found


def resume(broker: str, say: Callable[[str], None] = silent) -> bool:
    """End a rewriting that was killed; returns whether there was one. Raises ConcordError."""
    with admin_of(broker) as admin, plainly(broker):
        groups = [row["group_id"] for row in admin.list_groups() if row["group_id"].startswith(GROUP_PREFIX)]
    ended = [Rewriter(broker, groups).resume(topic) for topic in ORDER]
    return any(ended)


def stopped(broker: str, say: Callable[[str], None] = silent) -> list[str]:
    """The groups of Concord, none of which has a member. Raises StillRunning."""
    with admin_of(broker) as admin, plainly(broker):
        groups = [row["group_id"] for row in admin.list_groups() if row["group_id"].startswith(GROUP_PREFIX)]
        for group in groups:
            require_stopped(admin, group, say)
    return groups


def _blank_answers(broker: str, pairs: set[str]) -> None:
    """The last answer to each pair, which the sinks remember: the old value goes when Kafka compacts the topic."""
    with admin_of(broker) as admin, plainly(broker):
        known = set(admin.list_topics())
    changelogs = [name for app, table in DONE_TABLES if (name := changelog_of(app, table, FIRST)) in known]
    if not changelogs:
        return
    wanted = {DONE_ROW + key.encode() for key in pairs}
    latest = {(r.topic, r.partition, r.key): r.value for r in read_topics(broker, *changelogs) if r.key in wanted}
    with producer_of(broker) as producer, plainly(broker):
        for (topic, partition, key), value in latest.items():
            blank = encode(redacted(decode(Outcome, value))) if value else value
            if blank != value:
                producer.send(topic, key=key, value=blank, partition=partition).get(timeout=SEND_S)


def _rebuild_read_models(config: Config, say: Callable[[str], None]) -> None:
    """Rows are made anew from the log as it stands now; what was kept for a rollback goes."""
    from concord.read_models.database import database_url, give_back, open_database
    from concord.read_models.keeper import Keeper
    from concord.read_models.rebuilding import forget_old, rebuild_in
    from projections.read_models.catalogue import BY_NAME

    engine = open_database(database_url(config))
    try:
        for name in Keeper(engine).active():
            say(f"Making {name} anew.")
            rebuild_in(engine, config.broker, BY_NAME[name])
            forget_old(engine, BY_NAME[name])
        give_back(engine)
    finally:
        engine.dispose()
