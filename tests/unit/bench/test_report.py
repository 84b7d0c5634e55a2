"""What a run's table and JSON say."""

from __future__ import annotations

import pytest

pytest.importorskip("bench", reason="the benchmark is not part of the wheel")

import io
import json
from collections import Counter
from datetime import UTC, datetime, timedelta

from rich.console import Console

from bench.folding import FoldRates
from bench.footprint import Footprint
from bench.plan import Kind
from bench.report import as_json, print_report
from bench.results import Backfill, Measured, Options, Stretch
from bench.stages import Legs
from bench.traffic import MICROSOFT, READ, costs
from bench.watching import Expected, Meeting
from schemas.changes import Side

DAY = datetime(2026, 6, 1, 9, 0, tzinfo=UTC)


def _expected(towards: Side, seen: float | None, *, is_refused: bool = False) -> Expected:
    held = Meeting("s", DAY, timedelta(hours=1), "m")
    accepted = None if is_refused else 100.0
    return Expected(Kind.EDIT, towards, held, "s", DAY, accepted, 0.0, seen, is_refused)


def _measured() -> Measured:
    inbound = [_expected(Side.SALESFORCE, 100.0 + number / 100) for number in range(1, 101)]
    others = [_expected(Side.GRAPH, None), _expected(Side.GRAPH, None, is_refused=True)]
    spent = Counter({(MICROSOFT, READ): 250})
    many = Stretch(
        [*inbound, *others],
        {id(inbound[0]): Legs(0.1, 0.2, 0.3, 0.4)},
        costs(spent, {(MICROSOFT, READ): 5.0}, 10.0, 100),
        {"reconcile": 0.25},
    )
    return Measured(
        Options(), DAY, cores=2, load=0.5, backfill=Backfill(1333, 20.0), many=many,
        at_start={"reconcile": Footprint(80.0, 81.0, 1.0)}, at_end={"reconcile": Footprint(90.0, 95.0, 9.0)},
        fold=FoldRates(5000, 20_000, 1700.0, 6000.0, 22_000.0, 9000.0, 8000.0),
        idle_cpu={"reconcile": 0.04}, is_settled=True, took_s=170.0,
    )  # fmt: skip


def _printed(measured: Measured) -> str:
    text = io.StringIO()
    print_report(measured, Console(file=text, width=140))
    return text.getvalue()


def _row(text: str, begins: str) -> list[str]:
    return next(line for line in text.splitlines() if line.strip().startswith(begins)).split()


def test_the_table_shows_each_figure_where_its_heading_says() -> None:
    """Percentiles of a hundred latencies, stages, requests per change, memory and processor time."""
    text = _printed(_measured())
    assert _row(text, "Microsoft 365 to Practifi")[-9:] == ["0.50", "s", "0.95", "s", "0.99", "s", "1.00", "s", "100"]
    assert _row(text, "Practifi to Microsoft 365")[-5:] == ["-", "-", "-", "-", "0"]
    assert _row(text, "intake")[1:3] == ["0.20", "s"]
    assert _row(text, "10 a second: Microsoft 365")[-5:] == ["2.00", "0.00", "0", "250", "100"]
    assert _row(text, "decode + step + encode")[-1] == "1,700"
    assert ["reconcile", "80", "90", "95", "4%", "25%"] in [line.split() for line in text.splitlines()]


def test_what_went_wrong_is_said_below_the_table() -> None:
    """Changes that never showed or were refused, workers that ended, and an unsettled end spoil the figures."""
    measured = _measured()
    assert "1 changes never showed, 1 were refused" in _printed(measured)
    assert "ended by themselves" not in _printed(measured)
    assert "settled" not in _printed(measured)
    measured.restarts, measured.is_settled = 2, False
    assert "2 workers ended by themselves" in _printed(measured)
    assert "Not everything was settled" in _printed(measured)


def test_the_json_holds_the_same_figures() -> None:
    """Everything survives a round through JSON; what was not measured is null, not zero."""
    value = json.loads(json.dumps(as_json(_measured())))
    inbound = value["latency_s"]["many"]["to_salesforce"]["all"]
    assert inbound == {"count": 100, "p50": 0.5, "p95": pytest.approx(0.95), "p99": pytest.approx(0.99), "max": 1.0}
    assert value["latency_s"]["many"]["to_graph"]["all"] is None
    assert value["processes"]["reconcile"] == {
        "start_mib": 80.0,
        "end_mib": 90.0,
        "peak_mib": 95.0,
        "cpu_share_at_rest": 0.04,
        "cpu_share": 0.25,
    }
    reads = next(row for row in value["requests"]["many"] if (row["service"], row["kind"]) == (MICROSOFT, READ))
    assert reads["per_change"] == 2.0
