"""What is deployed, judged by the tools of those who run it. `make deploy-check` fetches them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from concord.access import PARTIES, entries_of
from concord.config import load_config
from schemas.topics import DEFAULT_PARTITIONS, TOPICS

pytestmark = pytest.mark.deploy

ROOT = Path(__file__).parents[3]
CHART = ROOT / "deploy" / "helm" / "concord"
WORKERS = [party.name for party in PARTIES if party.has_tables]
# What a firm must say; everything else has a value.
LEAST = {
    "kafka.bootstrap": "kafka-bootstrap.kafka:9093", "graph.tenant": "tenant", "graph.clientId": "client",
    "salesforce.url": "https://firm.my.salesforce.com", "salesforce.clientId": "key",
}  # fmt: skip
WHOLE = LEAST | {
    "strimzi.enabled": "true", "strimzi.cluster": "events", "strimzi.namespace": "kafka",
    "schemaRegistry.url": "http://registry.kafka:8081",
    "serviceMonitor.enabled": "true", "serviceMonitor.labels.release": "prometheus", "autoscaling.kind": "keda",
    "graph.webhookUrl": "https://hooks.firm.example/concord", "salesforce.fieldsConfigMap": "concord-fields",
    "kafka.ca.secret": "events-cluster-ca-cert", "console.enabled": "true", "console.url": "https://sync.firm.example",
}  # fmt: skip
VARIANTS = {
    "least": LEAST, "whole": WHOLE,
    "certificates": LEAST | {
        "kafka.protocol": "SSL", "graph.credential": "private-key", "salesforce.credential": "private-key",
        "salesforce.username": "sync@firm.example", "autoscaling.kind": "hpa",
        "schemaRegistry.url": "https://registry.example", "schemaRegistry.secret": "registry",
        "schemaRegistry.username": "concord", "schemaRegistry.ca.secret": "registry-ca",
    },
    "plain": LEAST | {
        "kafka.protocol": "PLAINTEXT", "networkPolicy.enabled": "false", "podDisruptionBudget": "false",
        "toolbox.enabled": "false",
    },
}  # fmt: skip
# A helm that Go built does not know which Kubernetes it was made for.
KUBERNETES = ("--kube-version", "1.32.0")
EACH = pytest.mark.parametrize("variant", VARIANTS)


def tool(name: str, why: str) -> str:
    """The path of a tool; skips the test where there is none."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not here: {why}. `make deploy-check` fetches it")
    return found


def helm(*words: str) -> subprocess.CompletedProcess[str]:
    """Run helm."""
    path = tool("helm", "the chart is not rendered")
    return subprocess.run([path, *words], capture_output=True, text=True, check=False)


@cache
def rendered(variant: str) -> tuple[dict[str, Any], ...]:
    """Everything that the chart makes of these values."""
    settings = [word for name, value in VARIANTS[variant].items() for word in ("--set", f"{name}={value}")]
    done = helm("template", "concord", str(CHART), "--namespace", "concord", *KUBERNETES, *settings)
    assert done.returncode == 0, done.stderr
    return tuple(document for document in yaml.safe_load_all(done.stdout) if document)


def of_kind(variant: str, *kinds: str) -> list[dict[str, Any]]:
    """The resources of these kinds."""
    return [one for one in rendered(variant) if one["kind"] in kinds]


def pods(variant: str) -> dict[str, dict[str, Any]]:
    """The pod of each workload, by the workload's name."""
    workloads = of_kind(variant, "StatefulSet", "Deployment", "Job")
    return {one["metadata"]["name"]: one["spec"]["template"]["spec"] for one in workloads}


@EACH
def test_the_chart_passes_helms_own_check(variant: str) -> None:
    """`helm lint`, strictly."""
    settings = [word for name, value in VARIANTS[variant].items() for word in ("--set", f"{name}={value}")]
    done = helm("lint", "--strict", str(CHART), *KUBERNETES, *settings)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("missing", LEAST)
def test_a_value_that_is_missing_is_named(missing: str) -> None:
    """Before anything is deployed."""
    settings = [word for name, value in LEAST.items() if name != missing for word in ("--set", f"{name}={value}")]
    done = helm("template", "concord", str(CHART), *KUBERNETES, *settings)
    assert done.returncode != 0
    assert f"{missing}:" in done.stderr


@EACH
def test_kubernetes_knows_every_field(variant: str, tmp_path: Path) -> None:
    """Against the API's own schemas, strictly; custom resources have none there."""
    path = tool("kubernetes-validate", "manifests are not checked against Kubernetes' schemas")
    known = [one for one in rendered(variant) if "." not in one["apiVersion"].split("/")[0] or _is_core(one)]
    manifest = tmp_path / "manifests.yaml"
    manifest.write_text(yaml.safe_dump_all(known), encoding="utf-8")
    done = subprocess.run([path, "--strict", str(manifest)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def _is_core(resource: dict[str, Any]) -> bool:
    return resource["apiVersion"].split("/")[0].endswith(".k8s.io")


@EACH
def test_every_party_runs_with_variables_that_it_takes(variant: str) -> None:
    """Each container's environment is one that its command accepts; secrets come from files alone."""
    for party in PARTIES:
        if not party.command or f"concord-{party.name}" not in pods(variant):
            assert party.name in ("operator", "console")
            continue
        (container,) = pods(variant)[f"concord-{party.name}"]["containers"]
        assert container["args"] == list(party.command)
        values = {one["name"]: one.get("value", "0") for one in container["env"]}
        files = {name for name in values if name.endswith("_FILE") or name == "CONCORD_SALESFORCE_FIELDS"}
        mounts = {one["mountPath"] for one in container["volumeMounts"]}
        assert all(any(values[name].startswith(mount) for mount in mounts) for name in files)
        assert not [name for name in values if name.endswith(("SECRET", "PASSWORD", "PRIVATE_KEY", "DATABASE_URL"))]
        problems = _problems(party.need, values)
        assert [one for one in problems if not any(name in one or values[name] in one for name in files)] == []


def _problems(need: str, values: dict[str, str]) -> list[str]:
    from schemas.errors import ConfigError

    try:
        load_config(need, values)
    except ConfigError as error:
        return list(error.problems)  # files that are only there in the cluster
    return []


@EACH
def test_pods_may_do_nothing_that_they_need_not(variant: str) -> None:
    """No root, nothing written but to volumes, no capabilities, no token of the cluster; memory is bounded."""
    for name, pod in pods(variant).items():
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["automountServiceAccountToken"] is False, name
        for container in pod["containers"]:
            context = container["securityContext"]
            assert (context["readOnlyRootFilesystem"], context["allowPrivilegeEscalation"]) == (True, False), name
            assert context["capabilities"] == {"drop": ["ALL"]}, name
            assert name == "concord-topics" or container["resources"]["limits"]["memory"], name


@EACH
def test_each_worker_has_a_folder_and_a_name_of_its_own(variant: str) -> None:
    """Roles with tables are stateful sets: ordinals are the workers' names. The others keep nothing."""
    sets = {one["metadata"]["name"]: one for one in of_kind(variant, "StatefulSet")}
    console = sets.pop("concord-console", None)
    assert (console is not None) == (variant == "whole")
    assert set(sets) == {f"concord-{name}" for name in WORKERS}
    for one in sets.values():
        (container,) = one["spec"]["template"]["spec"]["containers"]
        assert {"CONCORD_WORKER"} <= {variable["name"] for variable in container["env"]}
        assert [claim["metadata"]["name"] for claim in one["spec"]["volumeClaimTemplates"]] == ["data"]


def test_topics_and_users_are_those_of_the_flow() -> None:
    """As the code knows them: partitions, retention, rights."""
    topics = {one["metadata"]["name"]: one["spec"] for one in of_kind("whole", "KafkaTopic")}
    assert set(topics) == {spec.name for spec in TOPICS}
    for spec in TOPICS:
        assert topics[spec.name]["partitions"] == (spec.partitions or DEFAULT_PARTITIONS)
        assert topics[spec.name]["replicas"] == 3
        assert topics[spec.name]["config"] == spec.configs()
    users = {one["metadata"]["name"]: one["spec"]["authorization"]["acls"] for one in of_kind("whole", "KafkaUser")}
    assert set(users) == {f"concord-{party.name}" for party in PARTIES}
    for party in PARTIES:
        wanted = [(entry.resource, list(entry.operations)) for entry in entries_of(party)]
        assert [(one["resource"]["type"], one["operations"]) for one in users[f"concord-{party.name}"]] == wanted
    hooks = {name: of_kind(name, "Job")[0]["metadata"]["annotations"]["helm.sh/hook"] for name in ("least", "whole")}
    assert hooks == {"least": "pre-install,pre-upgrade", "whole": "post-install,post-upgrade"}
    assert "concord-topics" in pods("least")


def test_scaling_never_asks_for_more_workers_than_partitions() -> None:
    """By lag or by CPU; a scaled workload says no number of its own."""
    for variant, kind, field in (
        ("whole", "ScaledObject", "maxReplicaCount"), ("certificates", "HorizontalPodAutoscaler", "maxReplicas")
    ):  # fmt: skip
        scaled = of_kind(variant, kind)
        assert len(scaled) == 4
        assert all(one["spec"][field] <= DEFAULT_PARTITIONS for one in scaled)
        names = {one["spec"]["scaleTargetRef"]["name"] for one in scaled}
        kept = {
            one["metadata"]["name"]
            for one in of_kind(variant, "StatefulSet", "Deployment")
            if "replicas" in one["spec"]
        }
        assert not names & kept


@EACH
def test_nothing_has_the_name_of_another(variant: str) -> None:
    """Kubernetes would take the second for a change of the first."""
    names = Counter(
        (one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in rendered(variant)
    )
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("profiles", [("dev",), ("prod",), ("dev", "prod")])
def test_compose_loads_the_file(profiles: Iterable[str], tmp_path: Path) -> None:
    """By Compose's own loader, in a copy of the folder in which both env files are filled in."""
    path = tool("cmd", "docker-compose.yml is only read as YAML")
    shutil.copy(ROOT / "docker-compose.yml", tmp_path)
    (tmp_path / "deploy").mkdir()
    for name in ("simulators.env", "production.env.example", "postgres.env.example"):
        shutil.copy(ROOT / "deploy" / name, tmp_path / "deploy" / name.removesuffix(".example"))
    environ = {**os.environ, "COMPOSE_PROFILES": ",".join(profiles)}
    done = subprocess.run(
        [path, str(tmp_path / "docker-compose.yml")], capture_output=True, text=True, check=False, env=environ,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "kafka" in yaml.safe_load(done.stdout)["services"]


def test_the_dockerfile_passes_hadolint() -> None:
    """Its rules, but for the one that wants apt's versions pinned: none is installed."""
    path = tool("hadolint", "the Dockerfile is not linted")
    done = subprocess.run([path, str(ROOT / "deploy" / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_its_configuration_and_rules() -> None:
    """By promtool; targets files are JSON that it reads later."""
    path = tool("promtool", "rules are not checked by Prometheus itself")
    folder = ROOT / "deploy" / "prometheus"
    done = subprocess.run(
        [path, "check", "rules", str(folder / "rules.yml")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    for profile in ("dev", "prod"):
        assert json.loads((ROOT / "deploy" / "compose" / profile / "concord.json").read_text(encoding="utf-8"))
