"""Alert rules, dashboard, scrape configuration: they ask only for what is measured, each alert says what to do."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import promql_parser
import pytest
import yaml
from promql_parser import AggregateExpr, Call, VectorSelector
from support.promql import inner, parts, selectors

from concord.processes import COMMANDS
from concord.telemetry.names import BY_NAME, Kind
from concord.telemetry.progress import State
from schemas.changes import Side
from schemas.commands import Result
from schemas.state import Status

ROOT = Path(__file__).parents[3]
PROMETHEUS = ROOT / "deploy" / "prometheus"
DASHBOARD = ROOT / "deploy" / "grafana" / "dashboards" / "concord.json"
RUNBOOK = ROOT / "docs" / "how-to" / "runbook.md"

# What Prometheus itself, and its client library, tell of each process.
OF_PROCESSES = {
    "up",
    "process_start_time_seconds",
    "process_resident_memory_bytes",
    "process_cpu_seconds_total",
}
# What Prometheus adds to each sample, by the scrape configuration.
OF_TARGETS = {"job", "instance", "role"}
# Values that a label may take, where all are known.
VALUES = {
    "state": set(State), "side": set(Side), "status": {*Status}, "result": set(Result), "job": {"concord"},
    "role": set(COMMANDS),
}  # fmt: skip


def rules() -> list[dict[str, Any]]:
    """Every alert."""
    loaded = yaml.safe_load((PROMETHEUS / "rules.yml").read_text(encoding="utf-8"))
    return [rule for group in loaded["groups"] for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    """The dashboard."""
    loaded: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return loaded


def panels() -> list[dict[str, Any]]:
    """Its panels, rows left out."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def expressions() -> list[tuple[str, str]]:
    """Everything in PromQL: where it stands, and itself with the dashboard's variables filled in."""
    found = [(rule["alert"], rule["expr"]) for rule in rules()]
    for panel in panels():
        found += [(panel["title"], target["expr"].replace("$group", ".*")) for target in panel["targets"]]
    return found


def labels_of(name: str) -> set[str]:
    """The labels that samples of a metric have once Prometheus has them."""
    own = set() if name in OF_PROCESSES else set(BY_NAME[name].labels)
    return own | OF_TARGETS | ({"le"} if name.endswith("_bucket") else set())


@pytest.mark.parametrize(("where", "expression"), expressions(), ids=lambda one: str(one)[:40])
def test_expressions_ask_for_what_is_measured(where: str, expression: str) -> None:
    """PromQL that parses; metrics of the catalogue; labels that they have, with values that exist."""
    found = selectors(expression)
    assert found, where
    for selector in found:
        assert selector.name in BY_NAME or selector.name in OF_PROCESSES, selector.name
        for matcher in selector.matchers.matchers:
            assert matcher.name in labels_of(selector.name), matcher.name
            if matcher.name in VALUES and "*" not in matcher.value:
                assert set(matcher.value.split("|")) <= {str(value) for value in VALUES[matcher.name]}, matcher.value


@pytest.mark.parametrize(("where", "expression"), expressions(), ids=lambda one: str(one)[:40])
def test_sums_go_by_labels_that_are_there(where: str, expression: str) -> None:
    """A sum by a label that no sample has is one number without a name."""
    for node in parts(promql_parser.parse(expression)):
        if isinstance(node, AggregateExpr) and node.modifier is not None:
            names = [one.name for one in parts(node.expr) if isinstance(one, VectorSelector)]
            assert all(set(node.modifier.labels) <= labels_of(name) for name in names), where


@pytest.mark.parametrize(("where", "expression"), expressions(), ids=lambda one: str(one)[:40])
def test_counters_are_asked_for_their_growth_and_gauges_are_not(where: str, expression: str) -> None:
    """The value of a counter says since when a process runs; the rate of a gauge is nonsense, but for offsets."""
    growth = {"rate", "increase"}
    for node in parts(promql_parser.parse(expression)):
        if isinstance(node, Call) and node.func.name in growth:
            (name,) = [one.name for one in parts(node) if isinstance(one, VectorSelector)]
            is_growing = name.endswith(("_total", "_bucket", "_offset"))
            assert is_growing, f"{where}: {name} is no counter"
    plain = [one.name for one in _outside(promql_parser.parse(expression), growth)]
    assert not [name for name in plain if name in BY_NAME and BY_NAME[name].kind is not Kind.GAUGE], where


def _outside(node: Any, calls: set[str]) -> Iterator[VectorSelector]:
    """Selectors that stand in none of these functions."""
    if isinstance(node, Call) and node.func.name in calls:
        return
    if isinstance(node, VectorSelector):
        yield node
    for one in inner(node):
        yield from _outside(one, calls)


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_each_alert_says_what_happened_and_where_to_look(rule: dict[str, Any]) -> None:
    """A name of ours, a severity, two sentences, a place in the runbook; its texts name only labels that it has."""
    assert set(rule) == {"alert", "expr", "for", "labels", "annotations"}
    assert re.fullmatch(r"Concord[A-Z][A-Za-z]+", rule["alert"])
    assert re.fullmatch(r"\d+m", rule["for"])
    assert rule["labels"] == {"severity": rule["labels"]["severity"]}
    assert rule["labels"]["severity"] in {"critical", "warning", "info"}
    texts = rule["annotations"]
    assert set(texts) == {"summary", "description", "runbook"}
    assert texts["summary"].endswith(".")
    assert texts["description"].endswith(".")
    top = promql_parser.parse(rule["expr"])
    tops = [node for node in parts(top) if isinstance(node, AggregateExpr)]
    has = set.intersection(*(labels_of(one.name) for one in selectors(rule["expr"])))
    if tops:
        has = set(tops[0].modifier.labels) if tops[0].modifier is not None else set()
    named = set(re.findall(r"\$labels\.(\w+)", texts["summary"] + texts["description"]))
    assert named <= has, named - has


def test_every_alert_has_its_paragraph_in_the_runbook_and_none_is_left_over() -> None:
    """The anchor in the alert is that of a heading, and under each heading stands what to do."""
    text = RUNBOOK.read_text(encoding="utf-8")
    sections = dict(re.findall(r"^### (\S+)\n\n(.+?)(?=\n### |\Z)", text, re.MULTILINE | re.DOTALL))
    assert [rule["alert"] for rule in rules()] == list(sections)
    for rule in rules():
        path, _, anchor = rule["annotations"]["runbook"].partition("#")
        assert ROOT / path == RUNBOOK
        assert anchor == rule["alert"].lower()
        assert len(sections[rule["alert"]].split()) > 25
    inner = re.findall(r"\]\(#([a-z]+)\)", text)
    assert set(inner) <= {name.lower() for name in sections}


def test_commands_and_files_of_the_runbook_exist() -> None:
    """What it tells to type is there, and so is what it links to."""
    from concord.cli_reference import command_page, configuration_page

    text = RUNBOOK.read_text(encoding="utf-8")
    commands = {re.sub(r" (-|[A-Z]).*", "", words) for words in re.findall(r"`(concord [a-z][^`]*)`", text)}
    page = command_page()
    known = [words for words in commands if not re.search(rf"### `{re.escape(words.split(' shadow=')[0])}", page)]
    assert known == []
    assert set(re.findall(r"`?(CONCORD_[A-Z_]+)", text)) <= set(
        re.findall(r"`(CONCORD_[A-Z_]+)`", configuration_page())
    )
    for option in re.findall(r"(--[a-z-]+)", text):
        assert f"`{option}" in page, option
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (RUNBOOK.parent / link).is_file(), link


def test_the_dashboard_is_one_that_grafana_reads() -> None:
    """Ids of their own, panels beside each other and not over, every target with a letter and our data source."""
    board = dashboard()
    assert {"title", "uid", "schemaVersion", "templating", "panels"} <= set(board)
    ids = [panel["id"] for panel in board["panels"]]
    assert len(set(ids)) == len(ids)
    boxes = [panel["gridPos"] for panel in board["panels"]]
    assert all(box["x"] + box["w"] <= 24 for box in boxes)
    for a, b in combinations(boxes, 2):
        is_beside = a["x"] + a["w"] <= b["x"] or b["x"] + b["w"] <= a["x"]
        is_below = a["y"] + a["h"] <= b["y"] or b["y"] + b["h"] <= a["y"]
        assert is_beside or is_below, (a, b)
    variables = {one["name"] for one in board["templating"]["list"]}
    assert set(re.findall(r"\$\{?(\w+)", json.dumps(board["panels"]))) - {"__all"} <= variables
    for panel in panels():
        assert panel["description"].endswith("."), panel["title"]
        assert panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
        letters = [target["refId"] for target in panel["targets"]]
        assert len(set(letters)) == len(letters) > 0
    for panel in panels():
        for target in panel["targets"]:
            named = set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]))
            names = [one.name for one in selectors(target["expr"].replace("$group", ".*"))]
            assert named <= set.union(*(labels_of(name) for name in names)), panel["title"]


def test_everything_that_is_measured_is_shown_or_alarmed_on() -> None:
    """A metric that nobody looks at costs and helps nobody, but for those that others are asked for by hand."""
    asked = {one.name for _, expression in expressions() for one in selectors(expression)}
    unseen = {metric.name for metric in BY_NAME.values() if not asked & set(metric.exposed)}
    assert unseen == {
        "concord_guard_position",
        "concord_exporter_last_success_timestamp_seconds",
        "concord_group_commit_rate",
        "kafka_consumergroup_group_sum_lag",
        "kafka_consumergroup_group_max_lag",
        "kafka_partition_earliest_offset",
    }


def test_prometheus_reads_the_rules_and_the_targets_that_dev_writes() -> None:
    """Its rule file is there, its job is that of the alerts, its targets come from files."""
    config = yaml.safe_load((PROMETHEUS / "prometheus.yml").read_text(encoding="utf-8"))
    assert [PROMETHEUS / name for name in config["rule_files"]] == [PROMETHEUS / "rules.yml"]
    (job,) = config["scrape_configs"]
    assert job["job_name"] == "concord"
    assert job["file_sd_configs"][0]["files"] == ["targets/*.json"]
    provided = yaml.safe_load((ROOT / "deploy/grafana/provisioning/dashboards/concord.yml").read_text(encoding="utf-8"))
    assert provided["providers"][0]["type"] == "file"
    sources = yaml.safe_load(
        (ROOT / "deploy/grafana/provisioning/datasources/prometheus.yml").read_text(encoding="utf-8")
    )
    assert sources["datasources"][0]["type"] == "prometheus"


def test_promtool_finds_nothing_wrong() -> None:
    """Prometheus's own checker, where it is installed."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed; the rules were parsed by another implementation above")
    done = subprocess.run(
        [promtool, "check", "rules", str(PROMETHEUS / "rules.yml")], capture_output=True, text=True, check=False,
        timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
