"""The figures of one run as one readable table, and as JSON. Pure but for printing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict
from typing import Any, Final

from rich import box
from rich.console import Console
from rich.table import Table

from bench.percentiles import Spread, spread
from bench.plan import Kind
from bench.results import Measured, Stretch
from bench.traffic import MICROSOFT, READ, SALESFORCE, SIGN_IN, WRITE, Cost
from schemas.changes import Side

DIRECTIONS: Final = {
    Side.SALESFORCE: "Microsoft 365 to Practifi",
    Side.GRAPH: "Practifi to Microsoft 365",
}


def print_report(measured: Measured, console: Console) -> None:
    """Print everything as one table with sections."""
    options = measured.options
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_header=False)
    table.add_column()
    for _ in range(5):
        table.add_column(justify="right")
    many = f"latency, {options.rate:g} changes a second for {options.seconds:g} s"
    _section(table, many, ("p50", "p95", "p99", "max", "changes"), _latency_rows(measured.many, with_kinds=True))
    lone = "latency, one change at a time"
    _section(table, lone, ("p50", "p95", "p99", "max", "changes"), _latency_rows(measured.lone, with_kinds=False))
    _section(table, "pure core, entries/s of one core", ("", "", "", "", ""), _fold_rows(measured))
    heads = (f"{READ}/change", f"{WRITE}/change", SIGN_IN, "requests", "changes")
    _section(table, "HTTP requests", heads, _cost_rows(measured))
    _section(table, "at rest", (f"{READ}/s", f"{WRITE}/s", f"{SIGN_IN}/s", "", ""), _idle_rows(measured))
    heads = ("start", "end", "peak", "CPU at rest", f"CPU at {options.rate:g}/s")
    _section(table, "resident memory, MiB; share of one core", heads, _process_rows(measured))
    console.print(table)
    for note in notes(measured):
        console.print(note, highlight=False, markup=False)


def _section(table: Table, title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table.add_row(title, *heads, style="bold")
    for row in rows:
        table.add_row(*row)
    table.add_section()


def _latency_rows(stretch: Stretch, *, with_kinds: bool) -> Iterable[Sequence[str]]:
    for towards, name in DIRECTIONS.items():
        yield name, *_spread_cells(spread(stretch.seconds(towards)))
        for stage, seconds in stages(stretch, towards).items():
            yield f"  {stage}", *_spread_cells(spread(seconds))
        for kind in Kind if with_kinds else ():
            yield f"  {kind}s only", *_spread_cells(spread(stretch.seconds(towards, kind)))


def stages(stretch: Stretch, towards: Side) -> dict[str, list[float]]:
    """Seconds of each change that the log tells of, by stage."""
    legs = stretch.legs_towards(towards)
    return {
        "until a source had read it": [leg.read_s for leg in legs],
        "intake": [leg.intake_s for leg in legs],
        "reconcile": [leg.reconcile_s for leg in legs],
        "sink and service": [leg.sink_s for leg in legs],
    }


def _spread_cells(values: Spread | None) -> tuple[str, ...]:
    if values is None:
        return "-", "-", "-", "-", "0"
    seconds = (values.p50, values.p95, values.p99, values.max)
    return *(f"{value:.2f} s" for value in seconds), str(values.count)


def _fold_rows(measured: Measured) -> Iterable[Sequence[str]]:
    fold = measured.fold
    if fold is None:
        return
    named = {
        "decode + step + encode (live worker)": fold.live,
        "decode + step (rebuild, read models)": fold.rebuild,
        "step alone": fold.step,
        "decode an entry": fold.decode,
        "encode a state": fold.encode,
    }
    for name, rate in named.items():
        yield name, f"{rate:,.0f}", "", "", "", ""


def _cost_rows(measured: Measured) -> Iterable[Sequence[str]]:
    stretches = {
        "first exchange": measured.backfill.costs,
        "one at a time": measured.lone.costs,
        f"{measured.options.rate:g} a second": measured.many.costs,
    }
    for name, costs in stretches.items():
        for service in (MICROSOFT, SALESFORCE):
            kinds = {cost.kind: cost for cost in costs if cost.service == service}
            if kinds:
                yield f"{name}: {service}", *_cost_cells(kinds)


def _cost_cells(kinds: dict[str, Cost]) -> tuple[str, ...]:
    total = sum(cost.requests for cost in kinds.values())
    return (
        f"{kinds[READ].per_change:.2f}", f"{kinds[WRITE].per_change:.2f}", str(kinds[SIGN_IN].requests),
        str(total), str(kinds[READ].changes),
    )  # fmt: skip


def _idle_rows(measured: Measured) -> Iterable[Sequence[str]]:
    for service in (MICROSOFT, SALESFORCE):
        rates = [measured.idle_per_s.get((service, kind), 0.0) for kind in (READ, WRITE, SIGN_IN)]
        yield service, *(f"{rate:.2f}" for rate in rates), "", ""


def _process_rows(measured: Measured) -> Iterable[Sequence[str]]:
    for name, start in measured.at_start.items():
        end = measured.at_end[name]
        shares = (_share(cpu.get(name)) for cpu in (measured.idle_cpu, measured.many.cpu))
        yield name, _mib(start.now_mib), _mib(end.now_mib), _mib(end.peak_mib), *shares


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.0%}"


def _mib(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def notes(measured: Measured) -> list[str]:
    """What a reader of the table has to know about this run."""
    backfill, fold, options = measured.backfill, measured.fold, measured.options
    per_second = backfill.pairs / backfill.seconds if backfill.seconds else 0.0
    exchange = f"{backfill.pairs:,} of {options.events:,} events had to be made in Practifi"
    lines = [
        f"First exchange: {exchange}: {backfill.seconds:.1f} s, {per_second:.0f} a second.",
        "Requests at rest are taken off the requests per change, except from the first exchange.",
    ]
    if fold is not None:
        lines.append(f"Pure core: the run's journal of {fold.journal:,} entries, {fold.entries:,} folded in all.")
    for name, stretch in (("one at a time", measured.lone), (f"{options.rate:g} a second", measured.many)):
        if stretch.never or stretch.refused:
            lines.append(
                f"{name}: {stretch.never} changes never showed, {stretch.refused} were refused by the service."
            )
    if backfill.problems:
        lines.append("After the first exchange: " + ", ".join(f"{n} {what}" for what, n in backfill.problems.items()))
    if measured.restarts:
        lines.append(f"{measured.restarts} workers ended by themselves and were started again.")
    if not measured.is_settled:
        lines.append("Not everything was settled at the end.")
    lines.append(
        f"{measured.cores} cores; load average {measured.load:.1f} before the run; the latest act came "
        f"{measured.many.late_s:.2f} s late; {measured.took_s:.0f} s in all."
    )
    return lines


def as_json(measured: Measured) -> dict[str, Any]:
    """The figures as JSON values: seconds, entries per second, requests, MiB."""
    return {
        "options": asdict(measured.options),
        "started": measured.started.isoformat(),
        "took_s": measured.took_s,
        "cores": measured.cores,
        "load_before": measured.load,
        "latency_s": {"lone": _stretch_json(measured.lone), "many": _stretch_json(measured.many)},
        "late_s": measured.many.late_s,
        "first_exchange": {
            "pairs": measured.backfill.pairs,
            "seconds": measured.backfill.seconds,
            "problems": measured.backfill.problems,
        },
        "fold": None if measured.fold is None else asdict(measured.fold),
        "requests": {
            "first_exchange": _costs_json(measured.backfill.costs),
            "lone": _costs_json(measured.lone.costs),
            "many": _costs_json(measured.many.costs),
            "at_rest_per_s": {f"{service}, {kind}": rate for (service, kind), rate in measured.idle_per_s.items()},
        },
        "processes": {
            name: {
                "start_mib": start.now_mib,
                "end_mib": measured.at_end[name].now_mib,
                "peak_mib": measured.at_end[name].peak_mib,
                "cpu_share_at_rest": measured.idle_cpu.get(name),
                "cpu_share": measured.many.cpu.get(name),
            }
            for name, start in measured.at_start.items()
        },
        "restarts": measured.restarts,
        "is_settled": measured.is_settled,
        "notes": notes(measured),
    }


def _stretch_json(stretch: Stretch) -> dict[str, Any]:
    value: dict[str, Any] = {"never": stretch.never, "refused": stretch.refused}
    for towards in DIRECTIONS:
        value[f"to_{towards}"] = {
            "all": _spread_json(stretch.seconds(towards)),
            **{stage: _spread_json(seconds) for stage, seconds in stages(stretch, towards).items()},
            **{str(kind): _spread_json(stretch.seconds(towards, kind)) for kind in Kind},
        }
    return value


def _spread_json(values: Sequence[float]) -> dict[str, float] | None:
    found = spread(values)
    return None if found is None else asdict(found)


def _costs_json(costs: Iterable[Cost]) -> list[dict[str, Any]]:
    return [{**asdict(cost), "per_change": cost.per_change} for cost in costs]
