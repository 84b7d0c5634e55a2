"""`sync-state` made anew beside the version in use, checked, put in use, and back again."""

from __future__ import annotations

import gc
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import dataclass, replace
from multiprocessing import get_context
from multiprocessing.sharedctypes import SynchronizedArray
from pathlib import Path
from typing import Any, Final

from kafka import TopicPartition

from concord.connecting import admin_of, consumer_of, plainly
from concord.groups import asked_again, require_stopped, silent
from concord.rebuild.partition import Job, Made, make_partition
from concord.registry import install
from concord.roles.reconcile import APP_NAME, STATE_TABLE
from concord.table_versions import FIRST, changelog_of, newest_version, put_in_use
from schemas.errors import ConcordError
from schemas.tables import TableVersion
from schemas.topics import MAX_RECORD_BYTES, SYNC_JOURNAL

# Longest wait for a new topic, in seconds.
TOPIC_S: Final = 15.0
# New objects between two passes of the collector.
COLLECT_EVERY: Final = 200_000

Progress = Callable[[int, int], None]
"""Told (entries folded, entries in all) now and then."""


@dataclass(frozen=True)
class Rebuilt:
    """What came of it. `version` was made from `parts`; it is in use now if `is_in_use`, instead of `previous`."""

    version: int
    previous: int
    parts: tuple[Made, ...]
    is_in_use: bool
    seconds: float

    @property
    def entries(self) -> int:
        """Journal entries folded."""
        return sum(part.entries for part in self.parts)

    @property
    def is_sound(self) -> bool:
        """Whether the table holds what was folded, partition by partition (I8)."""
        return all(part.folded == part.table for part in self.parts)

    @property
    def differing(self) -> int:
        """Rows that the version in use holds differently."""
        return sum(part.in_use.count for part in self.parts)

    @property
    def new_commands(self) -> int:
        """Pairs with a command under way that have none in the version in use."""
        return sum(part.new_commands for part in self.parts)


def rebuild(
    broker: str, *, folder: Path, by: str, accept: bool = False, processes: int = 0, progress: Progress | None = None,
    say: Callable[[str], None] = silent,
) -> Rebuilt:  # fmt: skip
    """Fold the journal into a new version and put it in use if it equals the one that is, or with `accept`.

    Only what the version in use had finished is folded: what comes after it has yet to be decided and sent. Raises
    ConcordError when workers run, or ran meanwhile.
    """
    started = time.monotonic()
    with _at_rest(broker, say) as standing:
        version = max(standing.versions | {standing.newest.version}) + 1
        in_use = standing.changelog(standing.newest.version) if standing.is_there else ""
        target = standing.changelog(version)
        _create(standing, target)
        try:
            parts = _run(broker, standing, target, in_use, folder, goes_on=False, processes=processes, report=progress)
            made = Rebuilt(version, standing.newest.version, parts, False, time.monotonic() - started)
            is_wanted = made.is_sound and (made.differing == 0 or accept)
            if is_wanted:
                standing.require_untouched()
        except BaseException:
            _delete(standing, [target])
            raise
        if not is_wanted:
            _delete(standing, [target])
            return made
        put_in_use(broker, STATE_TABLE, version, previous=standing.newest.version, by=by)
        kept = {version, standing.newest.version}
        _delete(standing, [standing.changelog(old) for old in standing.versions if old not in kept])
        return replace(made, is_in_use=True)


def roll_back(
    broker: str, *, folder: Path, by: str, processes: int = 0, progress: Progress | None = None,
    say: Callable[[str], None] = silent,
) -> Rebuilt:  # fmt: skip
    """Put the previous version in use again, once it has folded what the present one finished since.

    It is brought forward without sending anything: its workers would send again what was sent. Raises ConcordError when
    there is no previous version, or workers run, or ran meanwhile.
    """
    started = time.monotonic()
    with _at_rest(broker, say) as standing:
        newest = standing.newest
        if newest.previous not in standing.versions or newest.previous == newest.version:
            raise ConcordError(
                f"There is no version of {STATE_TABLE} before {newest.version} to go back to.",
                "`concord rebuild sync-state` makes one from the journal.",
            )
        target = standing.changelog(newest.previous)
        in_use = standing.changelog(newest.version)
        parts = _run(broker, standing, target, in_use, folder, goes_on=True, processes=processes, report=progress)
        made = Rebuilt(newest.previous, newest.version, parts, False, time.monotonic() - started)
        if made.is_sound:
            standing.require_untouched()
            put_in_use(broker, STATE_TABLE, newest.previous, previous=newest.version, by=by)
        return replace(made, is_in_use=made.is_sound)


@dataclass(frozen=True)
class _Standing:
    """The table before anything is done. `committed` is the next offset of each journal partition as the group has it,
    `ends` where the changelog in use ends."""

    admin: Any
    consumer: Any
    newest: TableVersion
    versions: frozenset[int]
    """Those with a changelog."""
    replication: int
    committed: dict[int, int]
    ends: dict[Any, int]

    @property
    def is_there(self) -> bool:
        """Whether the version in use has a changelog."""
        return self.newest.version in self.versions

    def changelog(self, version: int) -> str:
        """The changelog topic of a version."""
        return changelog_of(APP_NAME, STATE_TABLE, version)

    def require_untouched(self) -> None:
        """Raises ConcordError when a worker ran since."""
        require_stopped(self.admin, APP_NAME)
        if self.ends and dict(self.consumer.end_offsets(list(self.ends))) != self.ends:
            raise ConcordError(
                "A worker of concord-reconcile ran in the meantime: nothing was changed.",
                "Stop it, and try again.",
            )


@contextmanager
def _at_rest(broker: str, say: Callable[[str], None]) -> Iterator[_Standing]:
    newest = newest_version(broker, STATE_TABLE)
    with admin_of(broker) as admin, consumer_of(broker) as consumer, plainly(broker):
        require_stopped(admin, APP_NAME, say)
        journal = next(iter(admin.describe_topics([SYNC_JOURNAL])), None)
        if journal is None or not journal["partitions"]:
            raise ConcordError(f"The topic {SYNC_JOURNAL} does not exist.", "Create it with `concord topics create`.")
        names = set(admin.list_topics())
        candidates = range(FIRST, newest.version + len(names) + 1)
        versions = frozenset(one for one in candidates if changelog_of(APP_NAME, STATE_TABLE, one) in names)
        numbers = sorted(part["partition_index"] for part in journal["partitions"])
        changelog = changelog_of(APP_NAME, STATE_TABLE, newest.version)
        parts = [TopicPartition(changelog, number) for number in numbers] if newest.version in versions else []
        if parts and len(consumer.partitions_for_topic(changelog)) != len(numbers):
            raise ConcordError(f"{SYNC_JOURNAL} and {changelog} have different numbers of partitions.")
        ends = dict(consumer.end_offsets(parts)) if parts else {}
        replication = len(journal["partitions"][0]["replica_nodes"])
        yield _Standing(
            admin, consumer, newest, versions, replication, _committed(admin, numbers), ends
        )  # fmt: skip


def _committed(admin: Any, numbers: list[int]) -> dict[int, int]:
    found = asked_again(lambda: admin.list_group_offsets({APP_NAME: None})).get(APP_NAME, {})
    known = {part.partition: told.offset for part, told in found.items() if part.topic == SYNC_JOURNAL}
    return {number: max(0, known.get(number, 0)) for number in numbers}


def _create(standing: _Standing, changelog: str) -> None:
    """The topic as Faust would make it."""
    standing.admin.create_topics(
        {
            changelog: {
                "num_partitions": len(standing.committed),
                "replication_factor": standing.replication,
                "configs": {"cleanup.policy": "compact", "max.message.bytes": str(MAX_RECORD_BYTES)},
            }
        }
    )
    _await(standing, changelog)


def _await(standing: _Standing, changelog: str) -> None:
    deadline = time.monotonic() + TOPIC_S
    while len(standing.consumer.partitions_for_topic(changelog) or ()) < len(standing.committed):
        if time.monotonic() > deadline:
            raise ConcordError(f"The topic {changelog} was made, but no broker shows it.", "Try again in a moment.")
        time.sleep(0.1)


def _run(
    broker: str, standing: _Standing, target: str, in_use: str, folder: Path, *, goes_on: bool, processes: int,
    report: Progress | None,
) -> tuple[Made, ...]:  # fmt: skip
    """One job a partition, the fullest first, so many at once."""
    folder.mkdir(parents=True, exist_ok=True)
    scratch = Path(tempfile.mkdtemp(prefix="rebuild-", dir=folder))
    servers = tuple(address.strip() for address in broker.split(","))
    jobs = [
        Job(servers, number, committed, target, in_use, scratch, goes_on)
        for number, committed in sorted(standing.committed.items(), key=lambda item: -item[1])
    ]
    total = sum(standing.committed.values())
    try:
        made = _side_by_side(jobs, min(processes or os.cpu_count() or 1, len(jobs)), total, report or _unheard)
        return tuple(sorted(made, key=lambda one: one.number))
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _unheard(_: int, __: int) -> None:
    """Nobody wants to know how far it is."""


def _side_by_side(jobs: list[Job], workers: int, total: int, report: Progress) -> list[Made]:
    """The jobs in so many processes; in this one if that is one."""
    if workers == 1:
        counts = dict.fromkeys((job.number for job in jobs), 0)

        def tell(number: int, entries: int) -> None:
            counts[number] = entries
            report(sum(counts.values()), total)

        return [make_partition(job, tell) for job in jobs]
    context = get_context("spawn")
    shared = context.Array("q", max(job.number for job in jobs) + 1)
    try:
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_begin, initargs=(shared,)) as pool:
            futures = [pool.submit(_job, job) for job in jobs]
            while not all(future.done() for future in futures):
                time.sleep(0.2)
                report(sum(shared[:]), total)
            return [future.result() for future in futures]
    except BrokenProcessPool as error:
        what = "A process of the rebuild was ended from outside."
        raise ConcordError(what, "Look at this machine's memory.") from error


_counts: SynchronizedArray[int] | None = None


def _begin(counts: SynchronizedArray[int]) -> None:
    """What a process of the pool does first. Frozen values make no cycles: the collector's passes over hundreds of
    thousands of them would find nothing."""
    global _counts
    _counts = counts
    gc.set_threshold(COLLECT_EVERY, 50, 50)
    install()


def _job(job: Job) -> Made:
    def report(number: int, entries: int) -> None:
        if _counts is not None:
            _counts[number] = entries

    return make_partition(job, report)


def _delete(standing: _Standing, changelogs: list[str]) -> None:
    if changelogs:
        standing.admin.delete_topics(changelogs)
