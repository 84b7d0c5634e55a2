"""I8 on real parts: the reconcile worker's table is a pure function of the journal, byte for byte."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest
from rocksdict import Options, Rdict
from support.running import Running

from concord.connecting import producer_of
from concord.groups import StillRunning
from concord.guard.store import CHANGELOG_OFFSET_KEY, RESERVED
from concord.reading import read_topics
from concord.rebuild.table import rebuild, roll_back
from concord.roles.reconcile import APP_NAME, STATE_TABLE, rows_of
from concord.table_versions import changelog_of, version_in_use
from schemas.codec import decode
from schemas.errors import UnreadableRecord
from schemas.journal import JournalEntry
from schemas.topics import DEFAULT_PARTITIONS, SYNC_JOURNAL
from streams.stage import fold_partition

pytestmark = [pytest.mark.broker, pytest.mark.long]

Table = dict[tuple[int, bytes], bytes]


def test_a_deleted_folder_comes_back_as_a_fold_of_the_journal(firm: Running) -> None:
    """The worker's databases are deleted while people go on working. Afterwards the table equals the fold of each
    journal partition byte for byte: in the databases, and in the changelog that they were recovered from."""
    roles, user, day = firm.env.roles, firm.users[0], firm.a_free_day()
    folder = Path(firm.env.variables["CONCORD_DATA_DIR"]) / "reconcile-0"
    made = firm.outlook.create(user.address, firm.meeting("Before the loss", day, 2))
    firm.record_of(made["id"], Subject="Before the loss")
    code = roles.halt("reconcile")
    try:
        assert code == 0
        shutil.rmtree(folder)
        firm.outlook.edit(user.address, made["id"], {"subject": "During the loss"})
        record_id = firm.practifi.create(firm.entry("Made during the loss", day + timedelta(hours=2), user))
    finally:
        roles.resume("reconcile")
    firm.record_of(made["id"], Subject="During the loss")
    firm.event_of(user, record_id, subject="Made during the loss")
    firm.settle()
    code = roles.halt("reconcile")
    try:
        assert code == 0
        expected = fold_of_the_journal(firm.broker)
        assert {number for number, _ in expected} == set(range(DEFAULT_PARTITIONS))
        assert differing(databases(folder), expected) == []
        assert differing(changelog(firm.broker), expected) == []
    finally:
        roles.resume("reconcile")
    firm.come_to_agreement()
    firm.assert_no_duplicates()
    firm.assert_mails_as_predicted()


def test_a_new_version_takes_over_and_the_old_one_comes_back(firm: Running) -> None:
    """`concord rebuild`: refused while a worker runs; the new version equals the fold and is used from the next start,
    the old one catches up before it comes back. Neither writes to a service. A table that is damaged is told apart,
    and healed only when asked for."""
    roles, user, day = firm.env.roles, firm.users[0], firm.a_free_day()
    folder = Path(firm.env.variables["CONCORD_DATA_DIR"])
    made = firm.outlook.create(user.address, firm.meeting("Before the rebuild", day, 2))
    firm.record_of(made["id"], Subject="Before the rebuild")
    with pytest.raises(StillRunning, match="concord-reconcile has 1 worker: reconcile-0 at"):
        rebuild(firm.broker, folder=folder, by="test")
    firm.settle()
    roles.halt("reconcile")
    before = firm.marks()
    try:
        second = rebuild(firm.broker, folder=folder, by="test")
        assert (second.is_in_use, second.version, second.previous) == (True, 2, 1)
        assert (second.differing, second.new_commands) == (0, 0)
        assert differing(changelog(firm.broker, 2), fold_of_the_journal(firm.broker)) == []
    finally:
        roles.resume("reconcile")
    firm.settle()
    assert firm.graph_writes(before) + firm.practifi_writes(before) == []
    firm.outlook.edit(user.address, made["id"], {"subject": "After the rebuild"})
    firm.record_of(made["id"], Subject="After the rebuild")
    firm.settle()
    roles.halt("reconcile")
    before = firm.marks()
    try:
        first = roll_back(firm.broker, folder=folder, by="test", processes=1)
        assert (first.is_in_use, first.version, first.previous) == (True, 1, 2)
        assert 0 < first.entries < second.entries  # only what came since
        assert differing(changelog(firm.broker, 1), fold_of_the_journal(firm.broker)) == []
        damage(firm.broker, f"{APP_NAME}-{STATE_TABLE}-changelog")
        refused = rebuild(firm.broker, folder=folder, by="test", processes=1)
        assert (refused.is_in_use, refused.differing, version_in_use(firm.broker, STATE_TABLE)) == (False, 1, 1)
        healed = rebuild(firm.broker, folder=folder, by="test", accept=True, processes=1)
        assert (healed.is_in_use, healed.version, healed.previous) == (True, 3, 1)
        assert differing(changelog(firm.broker, 3), fold_of_the_journal(firm.broker)) == []
    finally:
        roles.resume("reconcile")
    firm.come_to_agreement()
    assert firm.graph_writes(before) + firm.practifi_writes(before) == []
    firm.assert_no_duplicates()


def damage(broker: str, topic: str) -> None:
    """A row that no fold of the journal gives."""
    with producer_of(broker) as producer:
        producer.send(topic, key=b"m:nobody", value=b"rubbish", partition=0).get(timeout=30)


def fold_of_the_journal(broker: str) -> Table:
    """What the table must hold: every journal partition folded from its beginning."""
    entries: dict[int, list[tuple[int, JournalEntry]]] = {}
    for read in read_topics(broker, SYNC_JOURNAL):
        try:
            entry = decode(JournalEntry, read.value)
        except UnreadableRecord:
            continue  # put there by a test; the worker quarantined it
        entries.setdefault(read.partition, []).append((read.offset, entry))
    table: Table = {}
    for number, read_entries in entries.items():
        partition = fold_partition(number, read_entries)
        table |= {(number, row): value for row, value in rows_of(partition).items()}
    return table


def databases(folder: Path) -> Table:
    """What the local databases hold, the guard's and Faust's own keys left out."""
    table: Table = {}
    for number in range(DEFAULT_PARTITIONS):
        database = Rdict(str(folder / "v1" / "tables" / f"{STATE_TABLE}-{number}.db"), Options(raw_mode=True))
        table |= {(number, key): value for key, value in database.items() if is_ours(key)}
        database.close()
    return table


def changelog(broker: str, version: int = 1) -> Table:
    """The table, folded from its changelog."""
    table: Table = {}
    for read in read_topics(broker, changelog_of(APP_NAME, STATE_TABLE, version)):
        assert read.key is not None
        if read.value is None:
            table.pop((read.partition, read.key), None)
        elif is_ours(read.key):
            table[read.partition, read.key] = read.value
    return table


def is_ours(key: bytes) -> bool:
    """Whether a key of the table was written by the role's step."""
    return not key.startswith(RESERVED) and key != CHANGELOG_OFFSET_KEY


def differing(found: Table, expected: Table) -> Iterable[str]:
    """The keys at which two tables differ."""
    return [
        f"{key[0]}/{key[1]!r}" for key in sorted(found.keys() | expected.keys()) if found.get(key) != expected.get(key)
    ]
