"""docker-compose.yml and the image: commands that exist, variables that are known, pinned versions, no secrets."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

from concord.broker_docker import IMAGE
from concord.cli import app
from concord.config import load_config
from simulators import seeding_graph, seeding_salesforce

ROOT = Path(__file__).parents[3]
ROLES = {"reconcile", "source-graph", "source-salesforce", "sink-graph", "sink-salesforce"}
WATCHED = (*ROLES, "project", "exporter")
METRICS_PORT = "9464"


def compose() -> dict[str, Any]:
    """The compose file, its anchors and merges resolved."""
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))
    return loaded


def ours() -> dict[str, dict[str, Any]]:
    """The services that run Concord's image."""
    return {name: one for name, one in compose()["services"].items() if one["image"] == "concord"}


def variables(path: str) -> dict[str, str]:
    """An env file."""
    lines = (ROOT / path).read_text(encoding="utf-8").splitlines()
    return dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))


def test_every_role_is_a_service_of_both_profiles() -> None:
    """Nothing of Concord is missing in either profile; the simulators are in dev alone."""
    services = compose()["services"]
    profiles = {
        profile: {n for n, one in services.items() if profile in one["profiles"]} for profile in ("dev", "prod")
    }
    both = {"kafka", "grafana"}
    assert profiles["prod"] == {*both, "topics", "postgres", "prometheus", *WATCHED}
    assert profiles["dev"] == {*both, "simulators", "dev-topics", "dev-prometheus", *(f"dev-{one}" for one in WATCHED)}


@pytest.mark.parametrize("name", ours())
def test_each_command_exists_on_the_command_line(name: str) -> None:
    """A renamed command or option would only show when the container ends."""
    words = list(ours()[name]["command"])
    command: Any = typer.main.get_command(app)
    while words and hasattr(command, "commands"):
        command = command.commands[words.pop(0)]
    assert not hasattr(command, "commands") or command.invoke_without_command
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


@pytest.mark.parametrize("need", ["broker", "graph", "salesforce"])
def test_the_simulators_variables_are_what_each_role_needs(need: str) -> None:
    """The dev profile starts: no variable is unknown, none that a role needs is missing, all have good values."""
    given = {**variables("deploy/simulators.env"), "CONCORD_CA_FILE": ""}  # the simulators write it when they start
    config = load_config(need, given)
    assert config.graph_tenant == seeding_graph.TENANT_ID
    assert config.graph_client_id == seeding_graph.CLIENT_ID
    assert config.graph_client_secret.get_secret_value() == seeding_graph.CLIENT_SECRET
    assert config.salesforce_client_id == seeding_salesforce.CLIENT_ID
    assert config.salesforce_client_secret.get_secret_value() == seeding_salesforce.CLIENT_SECRET


@pytest.mark.parametrize("need", ["broker", "graph", "salesforce"])
def test_the_production_example_names_every_variable_a_role_needs(need: str) -> None:
    """Filled in, it starts; as it is, it holds no secret."""
    given = variables("deploy/production.env.example")
    assert not [name for name, value in given.items() if name.endswith("SECRET") and value]
    load_config(need, {name: value or ("https://a.example" if "URL" in name else "x") for name, value in given.items()})


def test_secrets_come_from_files_and_no_variable_is_inline() -> None:
    """Each of our services reads one env file, and none that is committed for production; inline stands only where it
    listens."""
    for name, service in ours().items():
        assert set(service.get("environment", ())) <= {"CONCORD_METRICS_PORT", "CONCORD_CONSOLE_LISTEN"}, name
        wanted = "deploy/simulators.env" if "dev" in service["profiles"] else "deploy/production.env"
        assert service.get("env_file", wanted) == wanted, name
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert {"deploy/production.env", "deploy/postgres.env"} <= set(ignored)
    assert variables("deploy/postgres.env.example")["POSTGRES_PASSWORD"] == ""


def test_prometheus_is_told_where_everything_serves_its_metrics() -> None:
    """Every role, the read models and the exporter: under the service's name, or on the port that each has beside the
    simulators."""
    image = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    assert f"CONCORD_METRICS_PORT={METRICS_PORT}" in image
    for profile, prefix in (("prod", ""), ("dev", "dev-")):
        found = json.loads((ROOT / "deploy" / "compose" / profile / "concord.json").read_text(encoding="utf-8"))
        assert {one["labels"]["role"] for one in found} == set(WATCHED)
        for one in found:
            (target,) = one["targets"]
            role = one["labels"]["role"]
            inline = ours()[prefix + role].get("environment", {}).get("CONCORD_METRICS_PORT", METRICS_PORT)
            host = "simulators" if profile == "dev" else role
            assert target == f"{host}:{inline}"
    ports = [
        one.get("environment", {}).get("CONCORD_METRICS_PORT") for one in ours().values() if "dev" in one["profiles"]
    ]
    assert len(set(ports) - {None}) == len(WATCHED)


def test_each_worker_has_a_data_volume_of_its_own() -> None:
    """Two workers on one RocksDB folder destroy each other's state."""
    services = compose()["services"]
    data = {}
    for name in [*ROLES, *(f"dev-{role}" for role in ROLES)]:
        (data[name],) = [v.split(":")[0] for v in services[name]["volumes"] if v.endswith(":/var/lib/concord/data")]
    assert len(set(data.values())) == len(data) == 10
    assert "dev-project:/var/lib/concord/data" in services["dev-project"]["volumes"]  # its SQLite file
    named = {volume.split(":")[0] for one in services.values() for volume in one.get("volumes", ())}
    assert {name for name in named if not name.startswith(".")} == set(compose()["volumes"])


def test_what_is_mounted_from_this_folder_exists() -> None:
    """Docker would make an empty folder instead, and the service would run without."""
    mounts = [volume.split(":")[0] for one in compose()["services"].values() for volume in one.get("volumes", ())]
    assert [path for path in mounts if path.startswith("./") and not (ROOT / path).exists()] == []


def test_roles_wait_for_the_broker_and_the_topics() -> None:
    """A role that starts before its topics exist only ends and starts again."""
    for name in WATCHED:
        needs = ours()[name]["depends_on"]
        assert needs["kafka"]["condition"] == "service_healthy"
        assert needs["topics"]["condition"] == "service_completed_successfully"
        assert ours()[f"dev-{name}"]["depends_on"]["simulators"]["condition"] == "service_healthy"
    services = compose()["services"]
    assert all("test" in services[name]["healthcheck"] for name in ("kafka", "simulators", "postgres"))
    assert ours()["project"]["depends_on"]["postgres"]["condition"] == "service_healthy"


def test_images_are_pinned_and_the_broker_is_the_one_that_is_tested() -> None:
    """The Kafka of docker-compose.yml is the Kafka of the test suite; the base image names its patch release."""
    services = compose()["services"]
    assert services["kafka"]["image"] == IMAGE
    others = {one["image"] for one in services.values()} - {"concord"}
    assert all(re.fullmatch(r"[a-z/]+:v?\d+\.\d+(\.\d+)?(-alpine)?", image) for image in others), others
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    bases = set(re.findall(r"^FROM (\S+)", text, re.MULTILINE))
    assert len(bases) == 1
    assert re.fullmatch(r"python:3\.\d+\.\d+-slim-[a-z]+", bases.pop())


def test_the_image_is_locked_small_and_not_root() -> None:
    """Hashes are required, the last user is not root, there is a health check, and what is copied exists."""
    text = (ROOT / "deploy" / "Dockerfile").read_text(encoding="utf-8")
    assert "--require-hashes" in text
    assert re.findall(r"^USER (\S+)", text, re.MULTILINE) == ["10001:10001"]
    check = re.search(r"^HEALTHCHECK .*CMD (.*)$", text, re.MULTILINE)
    assert check is not None
    assert "CONCORD_METRICS_PORT" in check[1]
    compile(json.loads(check[1])[2], "health check", "exec")
    copied = [word for line in re.findall(r"^COPY (?!--from)(.*) \S+$", text, re.MULTILINE) for word in line.split()]
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert set(copied) == allowed
    assert all((ROOT / name).exists() for name in copied)
