"""Apache Kafka on this machine's Java, as a child process that tests may pause, kill and restart."""

from __future__ import annotations

import base64
import fcntl
import json
import logging
import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from concord.broker_cache import locked
from concord.broker_classes import using_archive, writing_archive
from concord.broker_settings import (
    BrokerError,
    PortTaken,
    free_port,
    kafka_files,
    last_lines,
    process_started,
    server_properties,
    wait_until_ready,
)

log = logging.getLogger(__name__)

# Small heap, one collector thread, no second compiler tier: up in 1.5 s, 230 MB resident when idle.
JVM_FLAGS = ("-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1")

# Wait after SIGTERM before SIGKILL, in seconds. A controlled shutdown took 0.3 s idle and 3 s under load.
STOP_DEADLINE_S = 15.0


class JvmBroker:
    """One Kafka node in a process of its own, with its own ports, folder and log.

    `data_dir` None means a temporary folder that is removed at `stop`; a given folder is kept and reused.
    """

    kind = "jvm"

    def __init__(self, jars: Path, data_dir: Path | None = None, port: int | None = None) -> None:
        self._jars = jars
        self._wanted_port = port
        self._process: subprocess.Popen[bytes] | None = None
        self._keeps_data = data_dir is not None
        self.data_dir, self._lock = _claim(data_dir) if data_dir is not None else _claim_temporary()
        self._paused = False
        self.port = 0

    @property
    def address(self) -> str:
        """host:port for bootstrap."""
        return f"127.0.0.1:{self.port}"

    @property
    def log_path(self) -> Path:
        """What the broker wrote, over all its starts in this folder."""
        return self.data_dir / "broker.log"

    @property
    def pid(self) -> int | None:
        """The process id while it runs."""
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    def start(self) -> None:
        """Format the folder when it is new, start, and return once the broker answers. Raises BrokerError."""
        for attempt in range(3):
            self.port = self._wanted_port or free_port()
            self._configure()
            try:
                self._launch()
            except PortTaken:
                # Nobody can reserve a port for another process: choose again, unless the caller insisted on it.
                if self._wanted_port or attempt == 2:
                    raise
            else:
                return

    def pause(self) -> None:
        """Freeze the process (SIGSTOP): connections stay open, nothing answers."""
        self._running().send_signal(signal.SIGSTOP)
        self._paused = True

    def resume(self) -> None:
        """Let a paused process go on (SIGCONT)."""
        self._running().send_signal(signal.SIGCONT)
        self._paused = False

    def kill(self) -> None:
        """End the process at once (SIGKILL); its data stay for `restart`."""
        process = self._running()
        process.kill()
        process.wait()
        self._paused = False

    def restart(self) -> None:
        """Stop if it runs, then start on the same port and data; returns once it answers."""
        self._end_process()
        self._launch()

    def stop(self) -> None:
        """End the process and remove a temporary folder. Harmless when called again.

        What is kept is closed in order (SIGTERM, then SIGKILL); what is dropped need not be, and a broker whose
        clients have just left took up to 13 s for it.
        """
        if not self._keeps_data and self._process is not None and self._process.poll() is None:
            self._process.kill()
        self._end_process()
        if not self._keeps_data:
            shutil.rmtree(self.data_dir, ignore_errors=True)
        self._lock.close()

    def _configure(self) -> None:
        text = server_properties(self.port, free_port(), str(self.data_dir / "data"))
        (self.data_dir / "server.properties").write_text(text, encoding="utf-8")
        if not (self.data_dir / "data" / "meta.properties").exists():
            self._format()

    def _format(self) -> None:
        # What is there without meta.properties is a format that was cut short.
        shutil.rmtree(self.data_dir / "data", ignore_errors=True)
        cluster = base64.urlsafe_b64encode(uuid.uuid4().bytes).decode()[:22]
        properties = str(self.data_dir / "server.properties")
        # "=" keeps an id that begins with "-" from being read as an option.
        tool = ("kafka.tools.StorageTool", "format", f"--cluster-id={cluster}", "-c", properties)
        with writing_archive(self._jars) as sharing:
            command = self._java(sharing, *tool)
            done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)  # noqa: S603
            if done.returncode != 0:
                said = "\n".join((done.stdout + done.stderr).strip().splitlines()[-15:])
                raise BrokerError("Kafka could not format its data folder.", f"It said:\n{said}")

    def _java(self, sharing: tuple[str, ...], *arguments: str) -> list[str]:
        logging_file = kafka_files() / "log4j2.properties"
        flags = (*JVM_FLAGS, *sharing, f"-Dlog4j2.configurationFile={logging_file}", "-cp", f"{self._jars}/*")
        return ["java", *flags, *arguments]

    def _launch(self) -> None:
        mark = self.log_path.stat().st_size if self.log_path.exists() else 0
        with self.log_path.open("ab") as output:
            # A session of its own: Ctrl-C in the terminal reaches us, and we stop the broker in order.
            process = subprocess.Popen(  # noqa: S603
                self._java(using_archive(self._jars), "kafka.Kafka", str(self.data_dir / "server.properties")),
                stdout=output,
                stderr=subprocess.STDOUT,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._process = process
        _write_pid_file(self.data_dir, process.pid, self.address)
        try:
            ready = wait_until_ready(self.port, process.poll)
        except BaseException:  # also when interrupted: no JVM is left behind
            self._end_process()
            raise
        if not ready:
            code = process.poll()
            self._end_process()
            self._explain(code, mark)

    def _explain(self, code: int | None, mark: int) -> None:
        with self.log_path.open("rb") as output:
            output.seek(mark)
            new_text = output.read().decode(errors="replace")
        happened = "did not answer in time" if code is None else f"ended with code {code}"
        if "Address already in use" in new_text:
            raise PortTaken(f"Port {self.port} or the controller's port is in use by another process.")
        raise BrokerError(
            f"The development broker {happened}.",
            f"The end of its log:\n{last_lines(self.log_path)}",
        )

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            raise BrokerError("The development broker is not running.")
        return self._process

    def _end_process(self) -> None:
        process, self._process = self._process, None
        if process is not None and process.poll() is None:
            if self._paused:
                process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        self._paused = False
        with suppress(FileNotFoundError):
            (self.data_dir / "broker.pid").unlink()


def _claim(folder: Path) -> tuple[Path, TextIO]:
    """Make `folder` ours for as long as this process lives, and end a broker that a dead owner left in it."""
    folder = folder.resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # Held open on purpose: the kernel drops the lock when this process ends, however it ends.
    lock = (folder / "owner.lock").open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        running = _read_pid_file(folder)
        raise BrokerError(
            f"Another run already uses the broker folder {folder}.",
            f"Its broker is at {running.get('address')}; stop that run, or use another folder." if running else "",
        ) from None
    _end_leftover(folder)
    return folder, lock


def _claim_temporary() -> tuple[Path, TextIO]:
    """A fresh folder under the system's temporary folder; folders of runs that died are emptied on the way."""
    root = Path(tempfile.gettempdir()) / f"concord-brokers-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    with locked(root / ".lock"):
        for folder in [entry for entry in root.iterdir() if entry.is_dir()]:
            with suppress(BrokerError):
                _, lock = _claim(folder)
                shutil.rmtree(folder, ignore_errors=True)
                lock.close()
        return _claim(Path(tempfile.mkdtemp(dir=root)))


def _write_pid_file(folder: Path, pid: int, address: str) -> None:
    entry = {"pid": pid, "started": process_started(pid), "address": address}
    (folder / "broker.pid").write_text(json.dumps(entry), encoding="utf-8")


def _read_pid_file(folder: Path) -> dict[str, object]:
    try:
        entry = json.loads((folder / "broker.pid").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return entry if isinstance(entry, dict) else {}


def _end_leftover(folder: Path) -> None:
    """End the broker named in a stale pid file, if that process still is the one that was started."""
    entry = _read_pid_file(folder)
    pid, started = entry.get("pid"), entry.get("started")
    if isinstance(pid, int) and started is not None and process_started(pid) == started:
        log.warning("ending a development broker that an earlier run left behind: process %d in %s", pid, folder)
        with suppress(ProcessLookupError):
            # Its owner is gone, so nobody waits for an orderly stop; Kafka recovers its log at the next start.
            os.kill(pid, signal.SIGKILL)
        # Until it is gone it holds the folder's files open and may still write.
        deadline = time.monotonic() + STOP_DEADLINE_S
        while process_started(pid) == started and time.monotonic() < deadline:
            time.sleep(0.02)
    with suppress(FileNotFoundError):
        (folder / "broker.pid").unlink()
