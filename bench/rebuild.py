"""`python -m bench.rebuild`: how fast a table is made anew from the journal, and in how much memory."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Annotated

import typer

from bench.journal import write_journal
from concord.broker import start_broker
from concord.cli import quieten_kafka
from concord.cli_output import err, out, print_json, print_table
from concord.cli_progress import progress_bar
from concord.rebuild.table import Rebuilt, rebuild
from concord.topics import create_topics

COLUMNS = ("entries", "pairs", "seconds", "entries/s", "entries/s and core", "largest process, MB", "checked")


def measure(entries: int, processes: int) -> Rebuilt:
    """A broker with a journal of about so many entries, and the table made from it."""
    with start_broker() as broker, tempfile.TemporaryDirectory() as folder:
        create_topics(broker.address, partitions=4, replication=1)
        err.print(f"Writing {entries:,} entries ...")
        write_journal(broker.address, entries, 4)
        with progress_bar("Folding", "entries") as progress:
            return rebuild(broker.address, folder=Path(folder), by="bench", processes=processes, progress=progress)


def row(made: Rebuilt) -> tuple[object, ...]:
    """One line of the table."""
    cpu_s = sum(part.cpu_s for part in made.parts)
    pairs = sum(part.folded.rows for part in made.parts)
    return (
        made.entries, pairs, round(made.seconds, 1), round(made.entries / made.seconds), round(made.entries / cpu_s),
        max(part.memory_mb for part in made.parts), "ok" if made.is_sound else "WRONG",
    )  # fmt: skip


def main(
    entries: Annotated[list[int] | None, typer.Option(min=100, help="Journal entries; repeatable.")] = None,
    processes: Annotated[int, typer.Option(min=0, help="Partitions folded at once; 0: one per core.")] = 0,
    as_document: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Rebuild `sync-state` from journals of these lengths, each on a broker of its own.

    `seconds` is the whole rebuild: fold, write, read back, compare. `entries/s and core` is the fold alone, by the
    processor time of its processes.
    """
    quieten_kafka()
    started = time.monotonic()
    rows = [row(measure(count, processes)) for count in entries or [10_000, 100_000, 1_000_000]]
    if as_document:
        print_json([dict(zip(COLUMNS, one, strict=True)) for one in rows])
        return
    print_table(COLUMNS, rows)
    out.print(f"{time.monotonic() - started:.0f} s in all.")


if __name__ == "__main__":
    typer.run(main)
