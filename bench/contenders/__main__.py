"""`python -m bench.contenders`: every contender over one journal on one broker, and how they compare."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Final

import typer

from bench.contenders.running import Ran
from bench.journal import write_journal
from concord.broker import start_broker
from concord.cli import quieten_kafka
from concord.cli_output import err, out, print_json, print_table
from concord.rebuild.table import rebuild
from concord.topics import create_topics

ROOT: Final = Path(__file__).parents[2]
QUIX_PYTHON: Final = ROOT / ".cache" / "bench" / "bin" / "python"
REBUILD: Final = "Concord rebuild: fold, no outputs"
COLUMNS: Final = ("contender", "entries/s of CPU", "entries/s", "sent", "memory, MiB")
LIMIT_S: Final = 1800
# What is asked of the figures: the faster one, the slower one, by how much.
GOALS: Final = (("rebuild", "quix", 2.0), ("live", "bare_faust", 0.6))


def contend(name: str, broker: str, entries: int, python: str) -> Ran:
    """Run one contender to its end. Raises RuntimeError with its last words when it says nothing."""
    with tempfile.TemporaryDirectory() as folder:
        command = [python, "-m", f"bench.contenders.{name}", broker, str(entries), folder]
        variables = {**os.environ, "CONCORD_BROKER": broker}
        done = subprocess.run(
            command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=LIMIT_S, check=False
        )  # fmt: skip
    lines = [line for line in done.stdout.splitlines() if line.startswith("{")]
    if not lines:
        raise RuntimeError(f"{name} did not come to its end:\n{done.stderr[-2000:]}")
    return Ran(**json.loads(lines[-1]))


def rebuilt(broker: str) -> Ran:
    """The rebuild of the table, one partition after another in one process."""
    with tempfile.TemporaryDirectory() as folder:
        made = rebuild(broker, folder=Path(folder), by="bench", processes=1)
    parts = made.parts
    return Ran(
        REBUILD, made.entries, 0, sum(part.fold_s for part in parts), sum(part.cpu_s for part in parts),
        max(part.memory_mb for part in parts),
    )  # fmt: skip


def measure(entries: int) -> dict[str, Ran]:
    """Every contender that can run here."""
    found: dict[str, Ran] = {}
    with start_broker() as broker:
        create_topics(broker.address, partitions=4, replication=1)
        err.print(f"Writing {entries:,} entries ...")
        written = write_journal(broker.address, entries, 4)
        for name in ("bare_loop", "bare_faust", "live", "quix"):
            python = str(QUIX_PYTHON) if name == "quix" else sys.executable
            if not Path(python).exists():
                err.print("Quix Streams is not here: `make bench-streams` installs it.")
                continue
            err.print(f"{name} ...")
            found[name] = contend(name, broker.address, written, python)
        err.print("rebuild ...")
        found["rebuild"] = rebuilt(broker.address)
    return found


def ratios(found: dict[str, Ran]) -> list[tuple[str, float, float]]:
    """What was compared, the ratio of entries per second of processor time, and what is asked."""
    return [
        (f"{fast} / {slow}", found[fast].per_s / found[slow].per_s, goal)
        for fast, slow, goal in GOALS
        if fast in found and slow in found
    ]


def problems(found: dict[str, Ran]) -> list[str]:
    """Whoever decides sends the same; else they did not do the same work."""
    deciders = {name: one.sent for name, one in found.items() if name in ("bare_loop", "live", "quix")}
    if len(set(deciders.values())) > 1:
        return [f"They did not send the same number of records: {deciders}."]
    return []


def main(
    entries: Annotated[int, typer.Option(min=100, help="Journal entries.")] = 50_000,
    as_document: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Run the same decisions over the same journal by each contender, one after another.

    Entries per second of processor time are compared: librdkafka's and RocksDB's threads count, the broker does not.
    """
    quieten_kafka()
    found = measure(entries)
    wrong = problems(found)
    if as_document:
        print_json({"contenders": found, "ratios": ratios(found), "problems": wrong})
    else:
        rows = [
            (one.name, round(one.per_s), round(one.entries / one.wall_s), one.sent, round(one.memory_mib))
            for one in found.values()
        ]
        print_table(COLUMNS, rows)
        for what, ratio, goal in ratios(found):
            out.print(f"{what}: {ratio:.2f} (goal {goal:g})", highlight=False)
    for problem in wrong:
        err.print(problem)
    raise typer.Exit(bool(wrong))


if __name__ == "__main__":
    typer.run(main)
