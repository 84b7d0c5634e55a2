"""Roles as processes of this machine: started, restarted with back-off when they end, stopped cleanly."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from concord.broker_settings import process_started

# Name of each role and the command that runs it.
ROLES: Final[dict[str, tuple[str, ...]]] = {
    "reconcile": ("reconcile",),
    "sink-graph": ("sink", "graph"),
    "sink-salesforce": ("sink", "salesforce"),
    "source-graph": ("source", "graph"),
    "source-salesforce": ("source", "salesforce"),
}
# What runs only where it is asked for.
EXPORTER: Final = "exporter"
PROJECT: Final = "project"
CONSOLE: Final = "console"
COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    **ROLES,
    EXPORTER: ("exporter",),
    PROJECT: ("project",),
    CONSOLE: ("console",),
}

# A stopped role has this long before it is killed, in seconds. Ctrl-C ends everything within 10, and a role comes back
# from being killed; in a deployment its own limit, 9.5, holds.
STOP_S: Final = 8.0
# A role that is halted alone may use its own limit to the full, in seconds.
HALT_S: Final = 12.0
# Wait before a restart, in seconds: doubles from the first to the last while a role keeps ending at once.
RESTART_S: Final = (0.2, 10.0)
# A role that ran this long, in seconds, starts again without a wait grown before.
SETTLED_S: Final = 20.0


@dataclass
class _Running:
    process: subprocess.Popen[bytes]
    started: float
    wait_s: float = RESTART_S[0]
    restart_at: float | None = None


@dataclass
class RoleProcesses:
    """All roles as child processes. `environ` is what they get beside this process's own, `own` what each gets alone;
    logs go to `log_dir`.

    `pids` names a file that says which processes run, for `end_leftovers` should this process be killed; `orders` one
    that lists roles which are to be away, by which others halt and resume them.
    """

    environ: Mapping[str, str]
    log_dir: Path
    roles: tuple[str, ...] = tuple(ROLES)
    pids: Path | None = None
    own: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    orders: Path | None = None
    restarts: int = 0
    _running: dict[str, _Running] = field(default_factory=dict)
    _halted: set[str] = field(default_factory=set)
    _ordered: frozenset[str] = frozenset()
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _ending: threading.Event = field(default_factory=threading.Event)
    _watcher: threading.Thread | None = None

    def start(self) -> None:
        """Start every role and watch over them."""
        self.log_dir.mkdir(parents=True, exist_ok=True)
        for role in self.roles:
            self._running[role] = _Running(self._spawn(role), time.monotonic())
        self._note()
        self._watcher = threading.Thread(target=self._watch, name="role watcher", daemon=True)
        self._watcher.start()

    def _spawn(self, role: str) -> subprocess.Popen[bytes]:
        with (self.log_dir / f"{role}.log").open("ab") as log:
            environ = {**os.environ, **self.environ, **self.own.get(role, {})}
            return subprocess.Popen(  # noqa: S603 - our own command line, no shell
                [sys.executable, "-m", "concord", *COMMANDS[role]],
                env=environ, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip

    def _watch(self) -> None:
        while not self._ending.wait(0.1):
            self._obey()
            with self._lock:
                for role, running in self._running.items():
                    if role not in self._halted:
                        self._look_after(role, running)

    def _obey(self) -> None:
        """Halt and resume what the file of orders says."""
        ordered = read_orders(self.orders) & frozenset(self.roles) if self.orders is not None else frozenset()
        before, self._ordered = self._ordered, ordered
        for role in ordered - before:
            self.halt(role)
        for role in before - ordered:
            self.resume(role)

    def _look_after(self, role: str, running: _Running) -> None:
        now = time.monotonic()
        if running.process.poll() is None:
            return
        if running.restart_at is None:
            if now - running.started > SETTLED_S:
                running.wait_s = RESTART_S[0]
            running.restart_at = now + running.wait_s
            running.wait_s = min(2 * running.wait_s, RESTART_S[1])
        elif now >= running.restart_at:
            self.restarts += 1
            running.process, running.started, running.restart_at = self._spawn(role), now, None
            self._note()

    def _note(self) -> None:
        """Write down which processes run."""
        if self.pids is not None:
            found = {role: one.process.pid for role, one in self._running.items()}
            marks = {role: [pid, process_started(pid)] for role, pid in found.items()}
            self.pids.write_text(json.dumps(marks), encoding="utf-8")

    def pid(self, role: str) -> int:
        """The process id of a role as it runs now."""
        with self._lock:
            return self._running[role].process.pid

    def is_running(self, role: str) -> bool:
        """Whether a role's process is there."""
        with self._lock:
            return self._running[role].process.poll() is None

    def kill(self, role: str) -> int:
        """End a role without warning (SIGKILL), as a crash would; it is started again. Returns the process id.

        A role that has ended by itself and waits for its restart is left alone.
        """
        with self._lock:
            process = self._running[role].process
            if process.poll() is None:
                process.kill()
            return process.pid

    def halt(self, role: str) -> int:
        """Stop one role cleanly; it stays away until `resume`. Returns its exit code, negative for a signal."""
        with self._lock:
            self._halted.add(role)
            process = self._running[role].process
        process.terminate()
        try:
            return process.wait(timeout=HALT_S)
        except subprocess.TimeoutExpired:
            process.kill()
            return process.wait()

    def resume(self, role: str) -> None:
        """Start a halted role again."""
        with self._lock:
            self._running[role] = _Running(self._spawn(role), time.monotonic())
            self._halted.discard(role)
            self._note()

    def stop(self) -> None:
        """Stop every role cleanly, the slow ones by force."""
        self._ending.set()
        if self._watcher is not None:
            self._watcher.join(timeout=5)
        with self._lock:
            processes = [running.process for running in self._running.values()]
        for process in processes:
            if process.poll() is None:
                process.terminate()
        deadline = time.monotonic() + STOP_S
        for process in processes:
            try:
                process.wait(timeout=max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if self.pids is not None:
            self.pids.unlink(missing_ok=True)


def read_orders(orders: Path) -> frozenset[str]:
    """The roles that a file says are to be away; none when there is no file."""
    try:
        return frozenset(orders.read_text(encoding="utf-8").split())
    except OSError:
        return frozenset()


def order(orders: Path, pids: Path, role: str, *, away: bool) -> bool:
    """Have another process's role halted, or resumed, and wait for it. Returns whether that happened in time."""
    wanted = read_orders(orders) - {role} | ({role} if away else frozenset())
    scratch = orders.with_suffix(".new")
    scratch.write_text("\n".join(sorted(wanted)), encoding="utf-8")
    scratch.replace(orders)
    deadline = time.monotonic() + HALT_S + SETTLED_S
    while _runs(pids, role) is away:
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return True


def _runs(pids: Path, role: str) -> bool:
    try:
        pid, started = json.loads(pids.read_text(encoding="utf-8"))[role]
        return bool(started) and process_started(int(pid)) == started
    except (OSError, ValueError, TypeError, KeyError):
        return False


def end_leftovers(pids: Path) -> int:
    """End roles that a killed process left running, as its file names them. Returns how many there were."""
    try:
        marks = json.loads(pids.read_text(encoding="utf-8"))
        left = [int(pid) for pid, started in marks.values() if started and process_started(int(pid)) == started]
    except (OSError, ValueError, TypeError, AttributeError):
        return 0
    for pid in left:
        # Nobody waits for an orderly end: they come back from any crash.
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    pids.unlink(missing_ok=True)
    return len(left)
