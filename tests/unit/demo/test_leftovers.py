"""What a killed `concord dev` leaves is ended later, and nothing else is: process ids are used again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from concord.broker_settings import process_started
from concord.dev import PID_FILE, ROLES_FILE, DevOptions, run_dev, stop_dev
from concord.processes import end_leftovers
from schemas.errors import ConfigError


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that would run for a while."""
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    yield process
    process.kill()
    process.wait()


def test_roles_that_are_left_over_are_ended(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """The process that the file names is ended, and the file goes."""
    pids = tmp_path / ROLES_FILE
    pids.write_text(json.dumps({"reconcile": [sleeper.pid, process_started(sleeper.pid)]}))
    assert end_leftovers(pids) == 1
    assert sleeper.wait(timeout=10) < 0
    assert not pids.exists()


def test_a_process_id_that_somebody_else_has_by_now_is_left_alone(
    sleeper: subprocess.Popen[bytes], tmp_path: Path
) -> None:
    """Same number, another start: not ours, neither as a role nor as the whole environment."""
    (tmp_path / ROLES_FILE).write_text(json.dumps({"reconcile": [sleeper.pid, "1"]}))
    (tmp_path / PID_FILE).write_text(f"{sleeper.pid} 1\n")
    assert stop_dev(tmp_path) == 0
    assert sleeper.poll() is None
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"reconcile": 3}', '{"reconcile": [null, null]}'])
def test_a_damaged_file_ends_nothing(text: str, tmp_path: Path) -> None:
    """A file that was cut short names nobody."""
    (tmp_path / ROLES_FILE).write_text(text)
    assert end_leftovers(tmp_path / ROLES_FILE) == 0


def test_an_environment_that_runs_is_stopped_and_waited_for(
    sleeper: subprocess.Popen[bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`make down` returns once it has ended."""
    (tmp_path / PID_FILE).write_text(f"{sleeper.pid} {process_started(sleeper.pid)}\n")
    assert stop_dev(tmp_path) == 0
    assert f"Stopped process {sleeper.pid}." in capsys.readouterr().out
    assert sleeper.wait(timeout=1) < 0


def test_a_second_environment_in_the_same_folder_is_refused(sleeper: subprocess.Popen[bytes], tmp_path: Path) -> None:
    """Two would share the workers' folders; the first one's file stays."""
    (tmp_path / PID_FILE).write_text(f"{sleeper.pid} {process_started(sleeper.pid)}\n")
    with pytest.raises(ConfigError, match=f"process {sleeper.pid}"):
        run_dev(DevOptions(state_dir=tmp_path))
    assert (tmp_path / PID_FILE).exists()
