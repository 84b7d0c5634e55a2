"""The official Apache Kafka image as development broker, driven through the `docker` command."""

from __future__ import annotations

import hashlib
import logging
import os
import shutil
import subprocess
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

from concord.broker_settings import (
    KAFKA_VERSION,
    BrokerError,
    environment_of,
    free_port,
    process_started,
    server_properties,
    wait_until_ready,
)

log = logging.getLogger(__name__)

IMAGE = f"apache/kafka:{KAFKA_VERSION}"

# Folder inside the image that belongs to the image's own user and is a declared volume.
DATA_IN_IMAGE = "/var/lib/kafka/data"

# Says which process started a container, as "pid:start mark", so that a later run can remove an orphan.
OWNER_LABEL = "concord.development-broker.owner"

# Longest wait for `docker version`, in seconds: a daemon that needs longer is of no use to a test.
DAEMON_DEADLINE_S = 10.0

# Longest wait for `docker run`, in seconds: the first one pulls the image (about 200 MB).
RUN_DEADLINE_S = 600.0


def docker_answers() -> bool:
    """Whether there is a `docker` command and a daemon behind it."""
    if shutil.which("docker") is None:
        return False
    try:
        done = subprocess.run(
            ["docker", "version", "--format", "{{.Server.Version}}"],  # noqa: S607
            capture_output=True,
            timeout=DAEMON_DEADLINE_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (subprocess.TimeoutExpired, OSError):
        return False
    return done.returncode == 0


def docker_run_command(name: str, port: int, settings: Mapping[str, str], owner: str, volume: str | None) -> list[str]:
    """The command that starts the broker. Pure.

    `settings` are environment variables of the image; `volume` names a Docker volume that keeps the data, or None.
    """
    command = ["docker", "run", "--detach", "--name", name, "--label", f"{OWNER_LABEL}={owner}"]
    command += ["--publish", f"127.0.0.1:{port}:{port}"]
    if volume is not None:
        command += ["--volume", f"{volume}:{DATA_IN_IMAGE}"]
    for variable, value in sorted(settings.items()):
        command += ["--env", f"{variable}={value}"]
    command += ["--env", "KAFKA_HEAP_OPTS=-Xmx512m"]
    return [*command, IMAGE]


def volume_name(data_dir: Path) -> str:
    """The Docker volume that stands for `data_dir`: the image's user could not write into a folder of ours. Pure."""
    return "concord-kafka-" + hashlib.sha256(str(data_dir).encode()).hexdigest()[:12]


class DockerBroker:
    """One Kafka node in a container. `data_dir` None means that its data vanish with it."""

    kind = "docker"

    def __init__(self, data_dir: Path | None = None, port: int | None = None) -> None:
        self.port = port or free_port()
        self.data_dir = data_dir.resolve() if data_dir is not None else None
        self.name = f"concord-kafka-{uuid.uuid4().hex[:12]}"

    @property
    def address(self) -> str:
        """host:port for bootstrap."""
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Run the container and return once the broker answers. Raises BrokerError."""
        remove_orphans()
        # Inside the container the listener must be open to the port that Docker forwards.
        properties = server_properties(self.port, _other_port(self.port), DATA_IN_IMAGE, listen_host="0.0.0.0")  # noqa: S104
        owner = f"{os.getpid()}:{process_started(os.getpid())}"
        volume = volume_name(self.data_dir) if self.data_dir is not None else None
        command = docker_run_command(self.name, self.port, environment_of(properties), owner, volume)
        try:
            _docker(command[1:], timeout_s=RUN_DEADLINE_S)
            self._await_ready()
        except BaseException:  # also when interrupted: no container is left behind
            self.stop()
            raise

    def pause(self) -> None:
        """Freeze the container: connections stay open, nothing answers."""
        _docker(["pause", self.name])

    def resume(self) -> None:
        """Let a paused container go on."""
        _docker(["unpause", self.name])

    def kill(self) -> None:
        """End the broker at once; its data stay for `restart`."""
        _docker(["kill", self.name])

    def restart(self) -> None:
        """Stop if it runs, then start on the same port and data; returns once it answers."""
        _docker(["restart", "--time", "15", self.name])
        self._await_ready()

    def stop(self) -> None:
        """End and remove the container; a named volume stays. Harmless when called again."""
        for arguments in (["stop", "--time", "15", self.name], ["rm", "--force", "--volumes", self.name]):
            try:
                _docker(arguments)
            except BrokerError as problem:
                log.debug("docker %s: %s", arguments[0], problem)

    def _await_ready(self) -> None:
        if not wait_until_ready(self.port, self._exit_code):
            said = _docker(["logs", "--tail", "30", self.name])
            raise BrokerError("The Kafka container did not answer in time.", f"The end of its log:\n{said}")

    def _exit_code(self) -> int | None:
        state = _docker(["inspect", "--format", "{{.State.Running}} {{.State.ExitCode}}", self.name]).split()
        return None if state[:1] == ["true"] else int(state[1])


def remove_orphans() -> None:
    """Remove containers whose starting process has died (kill -9 leaves no time to stop them)."""
    listing = _docker(
        ["ps", "--all", "--filter", f"label={OWNER_LABEL}", "--format", f'{{{{.ID}}}} {{{{.Label "{OWNER_LABEL}"}}}}']
    )
    for line in listing.splitlines():
        container, _, owner = line.partition(" ")
        pid, _, started = owner.partition(":")
        if pid.isdigit() and process_started(int(pid)) != started:
            log.warning("removing a Kafka container that an earlier run left behind: %s", container)
            _docker(["rm", "--force", "--volumes", container])


def _other_port(port: int) -> int:
    """A port for the controller inside the container, where only `port` is taken."""
    return 9093 if port != 9093 else 9094


def _docker(arguments: Sequence[str], timeout_s: float = 60.0) -> str:
    """Run one docker command and return what it printed. Raises BrokerError with docker's own words."""
    try:
        # Arguments are built here from fixed words, our own names and numbers.
        done = subprocess.run(  # noqa: S603
            ["docker", *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (subprocess.TimeoutExpired, OSError) as problem:
        raise BrokerError(f"docker {arguments[0]} failed: {problem}.") from problem
    if done.returncode != 0:
        raise BrokerError(f"docker {arguments[0]} failed: {done.stderr.strip()[-500:]}")
    return done.stdout + (done.stderr if arguments[0] == "logs" else "")
