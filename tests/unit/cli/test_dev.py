"""`concord dev`: what a shell sources to reach what runs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from concord.dev import halt_role, write_env_file
from concord.processes import RoleProcesses, order
from schemas.errors import ConfigError


def test_the_env_file_gives_a_shell_every_variable_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    """Values arrive as they are, whatever stands in them."""
    path = tmp_path / "env"
    write_env_file(path, {"CONCORD_BROKER": "127.0.0.1:1", "CONCORD_GRAPH_CLIENT_SECRET": "a b'$c"})
    assert path.stat().st_mode & 0o777 == 0o600
    shell = f'. {path}; printf "%s|%s" "$CONCORD_BROKER" "$CONCORD_GRAPH_CLIENT_SECRET"'
    done = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, check=True)
    assert done.stdout == "127.0.0.1:1|a b'$c"


def test_a_role_is_halted_and_resumed_from_another_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It stays away although what ends is started again otherwise; the others go on."""
    sleeper = [sys.executable, "-c", "import time; time.sleep(60)"]
    monkeypatch.setattr(RoleProcesses, "_spawn", lambda *_: subprocess.Popen(sleeper))
    pids, orders = tmp_path / "roles.json", tmp_path / "away"
    roles = RoleProcesses({}, tmp_path, ("reconcile", "sink-graph"), pids, orders=orders)
    roles.start()
    try:
        other = roles.pid("sink-graph")
        assert order(orders, pids, "reconcile", away=True)
        assert not roles.is_running("reconcile")
        assert order(orders, pids, "reconcile", away=False)
        assert roles.is_running("reconcile")
        assert (roles.pid("sink-graph"), roles.restarts) == (other, 0)
    finally:
        roles.stop()


def test_halting_a_role_where_nothing_runs_says_so(tmp_path: Path) -> None:
    """And a role that does not exist is named."""
    with pytest.raises(ConfigError, match="No `concord dev` runs in this folder"):
        halt_role("reconcile", away=True, state_dir=tmp_path)
    with pytest.raises(ConfigError, match="There is no role sink"):
        halt_role("sink", away=True, state_dir=tmp_path)
