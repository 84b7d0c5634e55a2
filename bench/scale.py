"""`python -m bench.scale`: reconcile workers share a backlog; one is killed and one joins meanwhile.

It says what was lost, what was done twice, and how long it took until every partition moved again.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from bench.footprint import footprint
from bench.journal import fill_journal
from concord.broker import start_broker
from concord.cli import quieten_kafka
from concord.cli_output import err, print_json, print_table
from concord.connecting import admin_of
from concord.groups import asked_again
from concord.reading import Read, read_topics
from concord.rebuild.table import rebuild
from concord.roles.reconcile import APP_NAME
from concord.topics import create_topics
from schemas.codec import decode, encode
from schemas.commands import Command, Decision
from schemas.journal import JournalEntry
from schemas.topics import GRAPH_COMMANDS, SALESFORCE_COMMANDS, SYNC_DECISIONS, SYNC_JOURNAL
from streams.stage import Partition

PARTITIONS: Final = 4
LOOK_EVERY_S: Final = 0.2
LIMIT_S: Final = 3600.0
# At which share of the backlog one worker is killed, and one more joins.
KILL_AT: Final = 0.3
JOIN_AT: Final = 0.6

Place = tuple[int, int]
"""Partition and offset of a journal entry."""


@dataclass(frozen=True)
class Verdict:
    """What a run wrote against what its journal, folded, leads to.

    `lost` decisions are missing, `different` ones contradict the fold, `repeated` ones came again as the same bytes,
    which sinks and read models know by their ids. `strange` commands come from no decision, `missing` ones never came.
    """

    decisions: int
    lost: int
    different: int
    repeated: int
    commands: int
    missing: int
    strange: int

    @property
    def is_sound(self) -> bool:
        """Whether nothing was lost and nothing done that should not be."""
        return not (self.lost or self.different or self.missing or self.strange)


@dataclass(frozen=True)
class Scaled:
    """One run. Seconds; `recovery_s` from the kill until each unfinished partition moved, `joined_s` until the new
    worker held partitions; memory is the largest resident size of a worker, `differing` rows of the table."""

    workers: int
    entries: int
    seconds: float
    cpu_s: float
    recovery_s: float
    joined_s: float
    memory_mib: float
    differing: int
    verdict: Verdict


def judge(journal: Iterable[Read], written: Iterable[Read]) -> Verdict:
    """Fold the journal and compare what it leads to with what stands on the topics of decisions and commands."""
    partitions: dict[int, Partition] = {}
    decisions: dict[Place, bytes] = {}
    commands: set[str] = set()
    for record in journal:
        partition = partitions.setdefault(record.partition, Partition(record.partition))
        done = partition.fold(decode(JournalEntry, record.value), record.offset)
        if done is not None and done.decision is not None:
            decisions[record.partition, record.offset] = encode(done.decision)
            commands.update(command.command_id for command in done.commands)
    found: Counter[Place] = Counter()
    sent: set[str] = set()
    different = 0
    for record in written:
        if record.topic == SYNC_DECISIONS:
            decision = decode(Decision, record.value)
            place = decision.partition, decision.offset
            found[place] += 1
            different += decisions.get(place) != encode(decision)
        else:
            sent.add(decode(Command, record.value).command_id)
    return Verdict(
        decisions=len(decisions), lost=len(decisions.keys() - found.keys()), different=different,
        repeated=found.total() - len(found), commands=len(commands), missing=len(commands - sent),
        strange=len(sent - commands),
    )  # fmt: skip


class Workers:
    """Processes of `concord reconcile`, by number."""

    def __init__(self, broker: str, folder: Path) -> None:
        self._environ = {
            **os.environ, "CONCORD_BROKER": broker, "CONCORD_DATA_DIR": str(folder), "CONCORD_SWEEP_S": "86400",
        }  # fmt: skip
        self._folder = folder
        self._running: dict[int, subprocess.Popen[bytes]] = {}
        self.peak_mib = 0.0
        self.cpu_s = 0.0

    def start(self, number: int) -> None:
        """Start one more."""
        with (self._folder / f"worker-{number}.log").open("ab") as log:
            self._running[number] = subprocess.Popen(
                [sys.executable, "-m", "concord", "reconcile", "--worker", str(number)],
                env=self._environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )  # fmt: skip

    def kill(self, number: int) -> None:
        """End one at once."""
        self._look(self._running[number])
        self._end(self._running.pop(number), signal.SIGKILL)

    def stop(self) -> None:
        """Ask all to end, and wait."""
        for process in self._running.values():
            self._look(process)
            process.terminate()
        while self._running:
            self._end(self._running.popitem()[1], signal.SIGTERM)

    def _look(self, process: subprocess.Popen[bytes]) -> None:
        seen = footprint(process.pid)
        self.peak_mib = max(self.peak_mib, seen.peak_mib or 0.0)
        self.cpu_s += seen.cpu_s or 0.0

    def _end(self, process: subprocess.Popen[bytes], number: signal.Signals) -> None:
        process.send_signal(number)
        process.wait(30)


@contextmanager
def running(broker: str, folder: Path, count: int) -> Iterator[Workers]:
    """So many workers; those that are left are stopped at the end."""
    workers = Workers(broker, folder)
    try:
        for number in range(count):
            workers.start(number)
        yield workers
    finally:
        workers.stop()


class Backlog:
    """How far the group is with the journal."""

    def __init__(self, admin: Any, written: list[int]) -> None:
        self._admin = admin
        self._written = written
        self._deadline = time.monotonic() + LIMIT_S

    def at(self) -> list[int]:
        """The committed offset of each partition."""
        offsets = asked_again(lambda: self._admin.list_group_offsets({APP_NAME: None}))[APP_NAME]
        found = {part.partition: one.offset for part, one in offsets.items() if part.topic == SYNC_JOURNAL}
        return [max(0, found.get(number, 0)) for number in range(len(self._written))]

    def wait_for(self, share: float) -> None:
        """Wait until that much of it is done. Raises RuntimeError when it takes too long."""
        self._wait(lambda: sum(self.at()) >= share * sum(self._written))

    def moved_since(self, before: list[int]) -> float:
        """Seconds until each partition that was not finished has moved."""
        rows = list(zip(before, self._written, strict=True))
        return self._wait(lambda: all(now > was or was == end for now, (was, end) in zip(self.at(), rows, strict=True)))

    def joined(self, members: int) -> float:
        """Seconds until so many members hold partitions."""
        return self._wait(lambda: self._holders() >= members)

    def _holders(self) -> int:
        group = asked_again(lambda: self._admin.describe_groups([APP_NAME]))[APP_NAME]
        return sum(bool((one["member_assignment"] or {}).get("assigned_partitions")) for one in group["members"])

    def _wait(self, reached: Any) -> float:
        begun = time.monotonic()
        while not reached():
            if time.monotonic() > self._deadline:
                raise RuntimeError(f"The backlog was not done within {LIMIT_S:.0f} s.")
            time.sleep(LOOK_EVERY_S)
        return time.monotonic() - begun


def measure(workers: int, entries: int) -> Scaled:
    """One run on a broker of its own."""
    with start_broker() as broker, tempfile.TemporaryDirectory() as place:
        folder, address = Path(place), broker.address
        create_topics(address, partitions=PARTITIONS, replication=1)
        written = fill_journal(address, entries, PARTITIONS)
        begun = time.monotonic()
        with admin_of(address) as admin, running(address, folder, workers) as crew:
            backlog = Backlog(admin, written)
            backlog.wait_for(KILL_AT)
            before = backlog.at()
            crew.kill(0)
            recovery_s = backlog.moved_since(before)
            backlog.wait_for(JOIN_AT)
            crew.start(workers)
            joined_s = backlog.joined(min(workers, PARTITIONS))
            backlog.wait_for(1.0)
            seconds = time.monotonic() - begun
        verdict = judge(
            read_topics(address, SYNC_JOURNAL),
            read_topics(address, SYNC_DECISIONS, GRAPH_COMMANDS, SALESFORCE_COMMANDS),
        )
        made = rebuild(address, folder=folder / "rebuild", by="bench", processes=1)
    return Scaled(
        workers, sum(written), round(seconds, 1), round(crew.cpu_s, 1), round(recovery_s, 1), round(joined_s, 1),
        round(crew.peak_mib), made.differing, verdict,
    )  # fmt: skip


COLUMNS: Final = (
    "workers", "entries", "seconds", "CPU s", "killed: moving again, s", "joined after, s", "MiB a worker", "lost",
    "contradicting", "repeated", "rows unlike the fold",
)  # fmt: skip


def row(one: Scaled) -> tuple[object, ...]:
    """One line of the table."""
    found = one.verdict
    return (
        one.workers, one.entries, one.seconds, one.cpu_s, one.recovery_s, one.joined_s, one.memory_mib,
        found.lost + found.missing, found.different + found.strange, found.repeated, one.differing,
    )  # fmt: skip


def main(
    workers: Annotated[list[int] | None, typer.Option(min=2, max=PARTITIONS, help="Repeatable.")] = None,
    entries: Annotated[int, typer.Option(min=1000, help="Journal entries.")] = 50_000,
    as_document: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Kill one of several workers and let one join while they work off a journal; exit code 1 when anything is lost.

    `repeated` decisions were sent again as the same bytes: their ids tell sinks and read models.
    """
    quieten_kafka()
    found = []
    for count in workers or [2, 4]:
        err.print(f"{count} workers, {entries:,} entries ...")
        found.append(measure(count, entries))
    if as_document:
        print_json([asdict(one) for one in found])
    else:
        print_table(COLUMNS, [row(one) for one in found])
    raise typer.Exit(not all(one.verdict.is_sound and not one.differing for one in found))


if __name__ == "__main__":
    typer.run(main)
