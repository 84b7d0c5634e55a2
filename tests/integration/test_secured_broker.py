"""Kafka with TLS, passwords and access control: each client library gets in, and does only what its party may do."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from kafka import KafkaAdminClient
from kafka.admin import ScramMechanism, UserScramCredentialUpsertion
from kafka.errors import TopicAuthorizationFailedError
from support.broker import admin_of
from support.secured_broker import Secured, secured_broker
from typer.testing import CliRunner, Result

from concord.acls import create_acls
from concord.broker_access import access_of
from concord.cli import app
from concord.config import load_config
from concord.reading import read_topics
from concord.topics import create_topics
from schemas.topics import GRAPH_COMMANDS, SYNC_JOURNAL

# A refused password leaves a socket of kafka-python to the garbage collector.
pytestmark = [
    pytest.mark.broker,
    pytest.mark.deploy,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

PASSWORD = "open-sesame"
LIMIT_S = 90.0


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secured]:
    """Topics, access control entries, one user a party; reconcile's by SCRAM, the others' in the broker's file."""
    users = {f"concord-{name}": PASSWORD for name in ("project", "operator", "sink-graph")}
    with secured_broker(tmp_path_factory.mktemp("tls"), users) as secured:
        create_topics(secured.plain, partitions=2, replication=1)
        create_acls(secured.plain)
        with admin_of(secured.plain) as admin:
            wanted = UserScramCredentialUpsertion(
                user="concord-reconcile", mechanism=ScramMechanism.SCRAM_SHA_512, iterations=4096, password=PASSWORD
            )
            admin.alter_user_scram_credentials([wanted])
        yield secured


def as_operator(broker: Secured, *words: str, password: str = PASSWORD) -> Result:
    """`concord WORDS` as a person with a user of their own."""
    return CliRunner().invoke(app, list(words), env=broker.variables("concord-operator", password))


def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.2)


def test_people_get_in_with_their_password_only(broker: Secured) -> None:
    """Settings are read and written; a wrong password is one sentence that does not repeat it."""
    assert as_operator(broker, "topics", "list").exit_code == 0
    assert as_operator(broker, "settings", "set", "sync_internal_events=on").exit_code == 0
    refused = as_operator(broker, "topics", "list", password="wrong-sesame")
    assert refused.exit_code == 1
    said = f"{refused.output} {refused.exception}"
    assert "CONCORD_BROKER_USERNAME and its password" in said
    assert "wrong-sesame" not in said


def test_roles_work_under_their_own_users(broker: Secured, tmp_path: Path) -> None:
    """Faust, aiokafka and kafka-python, by SCRAM and by PLAIN: intake journals the settings, the read models take
    them."""
    assert as_operator(broker, "settings", "set", "sync_unmatched_events=on").exit_code == 0
    roles = {"reconcile": "SCRAM-SHA-512", "project": "PLAIN"}
    logs = {name: (tmp_path / f"{name}.log").open("wb") for name in roles}
    running = {
        name: subprocess.Popen(
            [sys.executable, "-m", "concord", name],
            env={
                **os.environ, **broker.variables(f"concord-{name}", PASSWORD, mechanism), "CONCORD_PARTITIONS": "2",
                "CONCORD_DATA_DIR": str(tmp_path / name),
            },
            stderr=logs[name],
        )
        for name, mechanism in roles.items()
    }  # fmt: skip
    try:
        until(lambda: len(list(read_topics(broker.plain, SYNC_JOURNAL))) >= 2, "the settings were not journaled")
        until(lambda: committed(broker, "concord-project") >= 2, "the read models did not take them")
        assert {name: one.poll() for name, one in running.items()} == dict.fromkeys(roles)
    finally:
        for one in running.values():
            one.terminate()
        for one in running.values():
            one.wait(timeout=30)
        for log in logs.values():
            log.close()
    for name in roles:
        assert PASSWORD not in (tmp_path / f"{name}.log").read_text(encoding="utf-8")


def committed(broker: Secured, group: str) -> int:
    """How many records a group has dealt with."""
    with admin_of(broker.plain) as admin:
        return sum(max(0, one.offset) for one in admin.list_group_offsets({group: None})[group].values())


def test_a_sink_may_not_read_the_journal(broker: Secured) -> None:
    """What a party does not need is denied."""
    config = load_config(environ=broker.variables("concord-sink-graph", PASSWORD))
    client = KafkaAdminClient(bootstrap_servers=[broker.address], **access_of(config).settings())
    try:
        codes = {row["name"]: row["error_code"] for row in client.describe_topics([SYNC_JOURNAL, GRAPH_COMMANDS])}
    finally:
        client.close()
    assert codes == {SYNC_JOURNAL: TopicAuthorizationFailedError.errno, GRAPH_COMMANDS: 0}
