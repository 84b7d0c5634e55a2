"""`python -m bench`: measure, and print one table from one run."""

from __future__ import annotations

import logging
import signal
import sys
from typing import Annotated

import typer

from bench.report import as_json, print_report
from bench.results import Options
from bench.run import measure
from concord.cli_output import err, out, print_json
from concord.observing import configure_logs
from schemas.errors import ConcordError

DEFAULTS = Options()


def main(
    seconds: Annotated[
        float, typer.Option(min=1.0, help="Length of the stretch with many changes.")
    ] = DEFAULTS.seconds,
    rate: Annotated[float, typer.Option(min=0.1, help="Changes a second, both sides together.")] = DEFAULTS.rate,
    lone: Annotated[int, typer.Option(min=0, help="Changes made one at a time, on each side.")] = DEFAULTS.lone,
    events: Annotated[int, typer.Option(min=50, help="Events in the calendars at the start.")] = DEFAULTS.events,
    entries: Annotated[int, typer.Option(min=1, help="Journal entries through the pure core.")] = DEFAULTS.entries,
    as_document: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Measure latency, requests per change, memory and the pure core against real Kafka and the bundled simulators.

    Takes two to three minutes. The figures belong to this machine, see docs/explanation/performance.md.
    """
    configure_logs("WARNING")
    # Asked to end, it has a broker and five workers to take along.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))
    # kafka-python warns of each Faust worker whose group metadata it cannot read, and of its own end.
    logging.getLogger("kafka").setLevel(logging.CRITICAL)
    try:
        measured = measure(Options(seconds, rate, lone, events, entries), lambda line: err.print(f"{line} ..."))
    except ConcordError as error:
        err.print(str(error), highlight=False)
        raise typer.Exit(1) from None
    if as_document:
        print_json(as_json(measured))
    else:
        print_report(measured, out)


if __name__ == "__main__":
    typer.run(main)
