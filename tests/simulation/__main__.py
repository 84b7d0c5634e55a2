"""`python -m simulation --seed N` repeats one run with its story; `--seeds 200` runs many and prints a table."""

# ruff: noqa: T201 - printing is what this module is for

from __future__ import annotations

import argparse
import gc
import multiprocessing
import os
import sys
import time
from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Final

from simulation import faults
from simulation.mutants import MUTANTS, NONE, Mutant
from simulation.run import Report, run

PROBLEMS_SHOWN: Final = 6


def main(arguments: list[str]) -> int:
    """Run, print, and return 1 when an invariant broke or a kind of fault never took place."""
    parser = argparse.ArgumentParser(prog="simulation", description=__doc__)
    parser.add_argument("--seed", type=int, help="run this one seed and tell its story")
    parser.add_argument("--seeds", type=int, default=200, help="run so many seeds, from --first on (default 200)")
    parser.add_argument("--first", type=int, default=1, help="the first of several seeds (default 1)")
    parser.add_argument("--steps", type=int, default=200, help="steps of each run (default 200)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="processes to share the seeds (default all)")
    parser.add_argument("--mutant", choices=[mutant.name for mutant in MUTANTS], help="plant a fault in Concord")
    options = parser.parse_args(arguments)
    if options.seed is not None:
        return tell(run(options.seed, options.steps, mutant_named(options.mutant)), whole=True)
    return run_many(range(options.first, options.first + options.seeds), options)


def mutant_named(name: str | None) -> Mutant:
    """The planted fault of this name; none for None."""
    return next((one for one in MUTANTS if one.name == name), NONE)


def run_one(seed: int, steps: int, mutant: str | None) -> Report:
    """One seed in a worker process, without its story. What stops a run is its finding; the other seeds go on."""
    try:
        return replace(run(seed, steps, mutant_named(mutant)), trace=[])
    except Exception as fault:  # noqa: BLE001  # told with the seed, and the command ends 1
        return Report(seed, [f"the run stopped: {type(fault).__name__}: {fault}"])


def run_many(seeds: range, options: argparse.Namespace) -> int:
    """Run several seeds; a failing one is told at once, the table of faults comes last."""
    tally: Counter[str] = Counter()
    acts: Counter[str] = Counter()
    failed: list[int] = []
    began = time.monotonic()
    with multiprocessing.Pool(options.jobs, initializer=gc.freeze) as workers:
        one = partial(run_one, steps=options.steps, mutant=options.mutant)
        for report in workers.imap(one, seeds):
            tally += report.tally
            acts += report.counts
            if report.problems:
                failed.append(report.seed)
                tell(report, whole=False)
    print_table("What people and operators did", acts, list(acts))
    print_table("Faults injected", tally, list(faults.KINDS))
    missing = [kind for kind in faults.KINDS if not tally[kind]] if len(seeds) >= 200 else []
    print(f"{len(seeds)} runs of {options.steps} steps in {time.monotonic() - began:.0f} s, {len(failed)} failed.")
    if failed:
        print("Repeat one with: make sim SEED=n, n one of " + ", ".join(map(str, failed)))
    if missing:
        print("Never injected: " + "; ".join(missing))
    return 1 if failed or missing else 0


def print_table(title: str, counts: Counter[str], names: list[str]) -> None:
    """Names and counts, one a line."""
    print(f"\n{title}")
    for name in names:
        print(f"  {name:<68}{counts[name]:>8}")
    print()


def tell(report: Report, *, whole: bool) -> int:
    """Print what broke, and for a single run its story."""
    if whole:
        print("\n".join(report.trace))
        print_table("Faults injected", report.tally, [kind for kind in faults.KINDS if report.tally[kind]])
    verdict = "every invariant holds" if not report.problems else f"{len(report.problems)} problems"
    print(f"seed {report.seed}: {verdict}")
    for problem in report.problems[: None if whole else PROBLEMS_SHOWN]:
        print(f"  {problem}")
    return 1 if report.problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
