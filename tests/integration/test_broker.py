"""The development broker: how it is chosen, fetched, started, disturbed and stopped."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from support.broker import admin_of, create_topic, produce, read_all, unique_name

from concord.broker import BrokerError, DevelopmentBroker, choose_kind, start_broker
from concord.broker_cache import is_complete, kafka_jars
from concord.broker_classes import archive_of
from concord.broker_docker import IMAGE, DockerBroker, docker_run_command, remove_orphans, volume_name
from concord.broker_jvm import JvmBroker
from concord.broker_settings import (
    cache_folder,
    environment_of,
    free_port,
    is_ready,
    kafka_files,
    process_started,
    server_properties,
)
from schemas.errors import ConfigError


def write_program(folder: Path, name: str, text: str) -> None:
    """A stand-in for a program on the path."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{text}", encoding="utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


def running_jvm(broker: DevelopmentBroker) -> JvmBroker:
    """The process behind a broker; tests that freeze and kill need it."""
    node = broker._node
    assert isinstance(node, JvmBroker)
    return node


# --- choosing -------------------------------------------------------------------------------------------------


def test_an_address_given_by_the_environment_wins(broker: DevelopmentBroker) -> None:
    """CONCORD_BROKER names a broker: it is used, and left alone at the end."""
    environ = {**os.environ, "CONCORD_BROKER": f"kafka://{broker.address}"}
    assert choose_kind(environ) == "given"
    with start_broker(environ=environ) as given:
        assert given.kind == "given"
        assert given.address == broker.address
        assert not given.is_controllable
        with pytest.raises(BrokerError, match="not ours to control"):
            given.kill()
    assert is_ready(broker.address, 10.0)


def test_a_given_address_without_a_broker_is_one_clear_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong CONCORD_BROKER is named in the error; nothing else is started in its place."""
    monkeypatch.setattr("concord.broker.GIVEN_DEADLINE_S", 1.0)
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(ConfigError, match=rf"No Kafka broker answers at {address} \(from CONCORD_BROKER\)"):
        start_broker(environ={"CONCORD_BROKER": address})


@pytest.mark.parametrize("address", ["localhost", "localhost:", "a:1,b"])
def test_an_address_without_a_port_is_refused_at_once(address: str) -> None:
    """A malformed CONCORD_BROKER is not waited for."""
    with pytest.raises(ConfigError, match="no broker address"):
        start_broker(environ={"CONCORD_BROKER": address})


def test_a_machine_with_nothing_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither Docker nor Java nor Maven: the error names each way out."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(BrokerError) as caught:
        choose_kind({"PATH": str(tmp_path), "HOME": str(tmp_path)})
    text = str(caught.value)
    assert "java and mvn are not installed" in text
    assert "Install Java 17" in text
    assert "CONCORD_BROKER=host:port" in text


def test_docker_is_preferred_only_when_its_daemon_answers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A `docker` command without a daemon does not count; with one it comes before Java."""
    programs = tmp_path / "bin"
    for name in ("java", "mvn"):
        write_program(programs, name, "")
    environ = {"PATH": str(programs), "HOME": str(tmp_path)}
    monkeypatch.setenv("PATH", str(programs))
    write_program(programs, "docker", "raise SystemExit(1)")
    assert choose_kind(environ) == "jvm"
    write_program(programs, "docker", "print('28.0')")
    assert choose_kind(environ) == "docker"


# --- Docker ---------------------------------------------------------------------------------------------------


def test_the_docker_command_carries_every_setting() -> None:
    """The image gets the same settings as server.properties, the port only on this machine, and a volume for data."""
    settings = environment_of(server_properties(19092, 9093, "/var/lib/kafka/data", listen_host="0.0.0.0"))
    command = docker_run_command("concord-kafka-x", 19092, settings, "12:34", volume_name(Path("/data/x")))
    assert command[:3] == ["docker", "run", "--detach"]
    assert command[-1] == IMAGE == "apache/kafka:4.3.1"
    assert "127.0.0.1:19092:19092" in command
    pairs = {command[i + 1] for i, word in enumerate(command) if word == "--env"}
    assert "KAFKA_PROCESS_ROLES=broker,controller" in pairs
    assert "KAFKA_LISTENERS=PLAINTEXT://0.0.0.0:19092,CONTROLLER://127.0.0.1:9093" in pairs
    assert "KAFKA_ADVERTISED_LISTENERS=PLAINTEXT://127.0.0.1:19092" in pairs
    assert "KAFKA_AUTO_CREATE_TOPICS_ENABLE=false" in pairs
    assert "KAFKA_CONTROLLER_QUORUM_VOTERS=1@127.0.0.1:9093" in pairs
    assert "KAFKA_LOG_DIRS=/var/lib/kafka/data" in pairs
    assert [word for word in command if word.endswith(":/var/lib/kafka/data")]
    assert not any("$" in word for word in command)


FAKE_DOCKER = """
import json, os, sys
home = os.environ["FAKE_DOCKER"]
with open(home + "/calls", "a") as calls:
    calls.write(json.dumps(sys.argv[1:]) + "\\n")
if sys.argv[1] == "ps":
    print("dead1 999999999:1")
    print("alive " + os.environ["FAKE_OWNER"])
if sys.argv[1] == "inspect":
    print("false 3")
if sys.argv[1] == "logs":
    print("exit reason: no space left")
"""


@pytest.fixture
def docker_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `docker` that records its arguments; its containers always end at once with code 3."""
    write_program(tmp_path / "bin", "docker", FAKE_DOCKER)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_DOCKER", str(tmp_path))
    monkeypatch.setenv("FAKE_OWNER", f"{os.getpid()}:{process_started(os.getpid())}")
    return tmp_path / "calls"


def test_a_container_that_ends_shows_its_log_and_is_removed(docker_calls: Path) -> None:
    """A failed container start shows the container's own last words and leaves no container behind."""
    node = DockerBroker()
    with pytest.raises(BrokerError, match="no space left"):
        node.start()
    calls = [json.loads(line) for line in docker_calls.read_text().splitlines()]
    assert ["rm", "--force", "--volumes", node.name] in calls


def test_containers_of_dead_runs_are_removed_and_others_left(docker_calls: Path) -> None:
    """Only a container whose starting process is gone is an orphan."""
    remove_orphans()
    calls = [json.loads(line) for line in docker_calls.read_text().splitlines()]
    removed = [call[-1] for call in calls if call[0] == "rm"]
    assert removed == ["dead1"]


# --- the cache ------------------------------------------------------------------------------------------------

FAKE_MAVEN = """
import os, sys, time, zipfile
target = [a for a in sys.argv if a.startswith("-DoutputDirectory=")][0].partition("=")[2]
with open(os.environ["FAKE_MAVEN"], "a") as calls:
    calls.write("run\\n")
if os.environ.get("FAKE_MAVEN_FAILS"):
    print("[ERROR] Could not resolve dependencies: unknown host")
    raise SystemExit(1)
time.sleep(0.2)
with zipfile.ZipFile(target + "/kafka.jar", "w") as jar:
    jar.writestr("a", "b" * 1000)
"""


@pytest.fixture
def maven_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `mvn` that copies one small jar and counts its runs."""
    write_program(tmp_path / "bin", "mvn", FAKE_MAVEN)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_MAVEN", str(tmp_path / "runs"))
    return tmp_path / "runs"


def test_jars_are_fetched_once_and_again_when_broken(tmp_path: Path, maven_runs: Path) -> None:
    """A complete cache is used as it is; a truncated or missing jar makes it be fetched anew."""
    cache = tmp_path / "cache"
    home = kafka_jars(cache)
    assert kafka_jars(cache) == home
    assert maven_runs.read_text().count("run") == 1
    (home / "kafka.jar").write_bytes(b"half")
    kafka_jars(cache)
    assert maven_runs.read_text().count("run") == 2
    assert is_complete(home, kafka_files() / "pom.xml")
    (home / "manifest.json").write_text("{broken")
    kafka_jars(cache)
    assert maven_runs.read_text().count("run") == 3
    assert not list(cache.glob("*partial*"))


def test_two_runs_at_once_fetch_once(tmp_path: Path, maven_runs: Path) -> None:
    """The second run waits for the first one's download instead of writing into it."""
    code = f"from pathlib import Path; from concord.broker_cache import kafka_jars; kafka_jars(Path({str(tmp_path)!r}))"
    runs = [subprocess.Popen([sys.executable, "-c", code]) for _ in range(2)]
    assert [run.wait(60) for run in runs] == [0, 0]
    assert maven_runs.read_text().count("run") == 1


def test_a_failed_download_shows_mavens_words(
    tmp_path: Path, maven_runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Maven's own message reaches the person, and nothing half-made stays."""
    monkeypatch.setenv("FAKE_MAVEN_FAILS", "1")
    with pytest.raises(BrokerError, match="unknown host"):
        kafka_jars(tmp_path / "cache")
    assert not list((tmp_path / "cache").glob("kafka-*/"))


# --- the real thing -------------------------------------------------------------------------------------------


@pytest.mark.broker
def test_a_broker_takes_and_gives_records(broker: DevelopmentBroker) -> None:
    """What is produced is consumed, in order."""
    topic = unique_name("broker-roundtrip")
    create_topic(broker.address, topic)
    values = [b"%d" % n for n in range(50)]
    produce(broker.address, topic, values)
    assert read_all(broker.address, topic, 50) == values


@pytest.mark.broker
def test_topics_are_never_created_by_accident(broker: DevelopmentBroker) -> None:
    """A typo in a topic name must be an error, not a new topic with default settings."""
    topic = unique_name("never-created")
    assert read_all(broker.address, topic, 1, timeout_s=0.5) == []
    with admin_of(broker.address) as admin:
        assert topic not in admin.list_topics()


@pytest.mark.broker
def test_a_paused_broker_answers_nothing_and_loses_nothing(broker: DevelopmentBroker) -> None:
    """SIGSTOP makes a stall: no answer while it lasts, all records there afterwards."""
    if not broker.is_controllable:
        pytest.skip("a broker given by address is not ours to freeze")
    topic = unique_name("paused")
    create_topic(broker.address, topic)
    produce(broker.address, topic, [b"before"])
    broker.pause()
    try:
        assert not is_ready(broker.address, 1.0)
    finally:
        broker.resume()
    produce(broker.address, topic, [b"after"])
    assert read_all(broker.address, topic, 2) == [b"before", b"after"]


@pytest.mark.broker
@pytest.mark.long
def test_a_killed_broker_comes_back_with_its_data_and_stops_in_order(tmp_path: Path) -> None:
    """Kill -9, restart: same address, same records; a later run on the same folder finds them too."""
    folder = tmp_path / "kafka"
    topic = unique_name("killed")
    with start_broker(data_dir=folder, kind="jvm") as running:
        address = running.address
        create_topic(address, topic)
        produce(address, topic, [b"one"])
        running.kill()
        assert not is_ready(address, 0.5)
        with pytest.raises(BrokerError, match="not running"):
            running.pause()
        running.restart()
        assert running.address == address
        assert read_all(address, topic, 1) == [b"one"]
        with pytest.raises(BrokerError, match="already uses the broker folder"):
            start_broker(data_dir=folder, kind="jvm")
        pid = running_jvm(running).pid
        assert pid is not None
    assert process_started(pid) is None
    with start_broker(data_dir=folder, kind="jvm") as again:
        assert read_all(again.address, topic, 1) == [b"one"]


@pytest.mark.broker
@pytest.mark.long
def test_a_broker_left_behind_by_a_killed_run_is_ended(tmp_path: Path) -> None:
    """The owner dies by SIGKILL: the next run on the folder notices its broker and ends it first."""
    folder = tmp_path / "kafka"
    code = (
        "import time; from pathlib import Path; from concord.broker import start_broker\n"
        f"start_broker(data_dir=Path({str(folder)!r}), kind='jvm'); print('up', flush=True); time.sleep(300)"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert owner.stdout is not None
    assert owner.stdout.readline() == b"up\n"
    owner.send_signal(signal.SIGKILL)
    owner.wait()
    owner.stdout.close()
    left = json.loads((folder / "broker.pid").read_text())
    assert process_started(left["pid"]) == left["started"]
    with start_broker(data_dir=folder, kind="jvm") as running:
        assert process_started(left["pid"]) is None
        assert is_ready(running.address, 10.0)


def test_a_broker_that_does_not_start_shows_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Java that ends at once: the end of its log is in the error."""
    write_program(tmp_path / "bin", "java", "print('Invalid maximum heap size'); raise SystemExit(1)")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    node = JvmBroker(tmp_path, tmp_path / "kafka")
    with pytest.raises(BrokerError, match=r"could not format.*\n.*Invalid maximum heap size"):
        node.start()
    (tmp_path / "kafka" / "data").mkdir(exist_ok=True)
    (tmp_path / "kafka" / "data" / "meta.properties").write_text("")
    with pytest.raises(BrokerError, match=r"ended with code 1.*\n.*Invalid maximum heap size"):
        node.start()
    node.stop()


FAKE_JAVA = """
import os, sys
with open(os.environ["FAKE_JAVA"], "a") as calls:
    calls.write(" ".join(sys.argv[1:]) + "\\n")
for flag in sys.argv:
    if flag.startswith("-XX:ArchiveClassesAtExit="):
        open(flag.partition("=")[2], "w").close()
raise SystemExit("kafka.Kafka" in sys.argv)
"""


def test_the_first_format_archives_the_classes_and_every_later_start_uses_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One archive a Java: another one writes its own. Nothing half written is left beside the jars."""
    jars = tmp_path / "jars"
    jars.mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("FAKE_JAVA", str(tmp_path / "calls"))

    def start(number: int) -> list[str]:
        node = JvmBroker(jars, tmp_path / f"kafka-{number}")
        with pytest.raises(BrokerError, match="ended with code 1"):
            node.start()
        node.stop()
        *_, formatted, started = (tmp_path / "calls").read_text().splitlines()
        return [formatted, started]

    for java in ("", "# another one\n"):
        write_program(tmp_path / "bin", "java", java + FAKE_JAVA)
        formatted, started = start(1 + 2 * len(java))
        archive = archive_of(jars)
        assert "-XX:ArchiveClassesAtExit=" in formatted
        assert f"-XX:SharedArchiveFile={archive} " in started
        assert all(f"-XX:SharedArchiveFile={archive} " in call for call in start(2 + 2 * len(java)))
    assert len(list(jars.iterdir())) == 2


@pytest.mark.broker
def test_java_maps_the_archived_classes(broker: DevelopmentBroker) -> None:
    """Java goes without an archive that it cannot use, and says nothing: so look whether it uses it."""
    if broker.kind != "jvm":
        pytest.skip("the broker is not a process of this machine's Java")
    node = running_jvm(broker)
    assert str(archive_of(node._jars)) in Path(f"/proc/{node.pid}/maps").read_text()


def test_the_cache_folder_follows_the_environment(tmp_path: Path) -> None:
    """XDG_CACHE_HOME first, else ~/.cache."""
    assert cache_folder({"XDG_CACHE_HOME": str(tmp_path)}) == tmp_path / "concord"
    assert cache_folder({"HOME": str(tmp_path)}) == tmp_path / ".cache" / "concord"
