"""`concord demo` as a person runs it: real Kafka, every role a process, in a home folder of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from concord.broker_settings import cache_folder

ROOT = Path(__file__).parents[2]
# Longest wait for a demo, in seconds: two of them, side by side on a machine that others use as well.
DEMO_S = 280.0
# Ctrl-C stops everything within 10 s; a busy machine gets more before this counts as hanging.
STOP_S = 30.0

# The demo with one rule of its comparison broken, kept running at the end. A smaller firm, to be quick.
BROKEN = """
import sys
from concord import comparison, demo
from concord.cli import main
comparison.LABELS = {**comparison.LABELS, "oof": "Busy"}
demo.EVENTS = 30
sys.argv = ["concord", "demo", "--keep"]
main()
"""


@dataclass
class Demo:
    """One demo in a process of its own; `home` is its home folder and holds its temporary one."""

    process: subprocess.Popen[bytes]
    home: Path

    @property
    def printed(self) -> str:
        """What it has printed so far."""
        return (self.home / "out").read_text(encoding="utf-8")

    @property
    def complaints(self) -> str:
        """What it has written to standard error so far."""
        return (self.home / "err").read_text(encoding="utf-8")

    def wait_for(self, words: str) -> None:
        """Wait until it prints something. Fails when it ends without."""
        deadline = time.monotonic() + DEMO_S
        while words not in self.printed:
            assert self.process.poll() is None, f"{self.printed}\n{self.complaints}"
            assert time.monotonic() < deadline, f"{words!r} was not printed:\n{self.printed}\n{self.complaints}"
            time.sleep(0.2)

    def count(self, name: str) -> int:
        """A number of the summary."""
        found = re.search(rf"^ +{re.escape(name)}(?: \(.*\))? +(\d+) *$", self.printed, re.MULTILINE)
        assert found, f"no row {name!r} in:\n{self.printed}"
        return int(found[1])


def start(home: Path, *command: str) -> Demo:
    """Start a demo with a home folder of its own; only Kafka's jars come from the cache of this machine."""
    (home / "tmp").mkdir(parents=True)
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("CONCORD_", "XDG_"))}
    environ |= {
        "HOME": str(home),
        "TMPDIR": str(home / "tmp"),
        "XDG_CACHE_HOME": str(cache_folder(os.environ).parent),
        "XDG_STATE_HOME": str(home / "state"),
        "PYTHONPATH": str(ROOT),
    }
    with (home / "out").open("wb") as out, (home / "err").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, *command], cwd=home, env=environ, stdin=subprocess.DEVNULL, stdout=out, stderr=err
        )
    return Demo(process, home)


@pytest.fixture(scope="module")
def demos(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Demo, Demo]]:
    """A demo, and beside it one whose comparison has a broken rule."""
    plain = start(tmp_path_factory.mktemp("plain") / "home", "-m", "concord", "demo")
    broken = start(tmp_path_factory.mktemp("broken") / "home", "-c", BROKEN)
    try:
        yield plain, broken
    finally:
        for demo in (plain, broken):
            if demo.process.poll() is None:
                demo.process.terminate()
                demo.process.wait(timeout=STOP_S)


def left_behind(home: Path) -> list[str]:
    """Processes that were started for this home folder and still run, and folders in its temporary one."""
    left = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            about = (folder / "environ").read_bytes() + (folder / "cmdline").read_bytes()
            is_over = (folder / "stat").read_text().rpartition(")")[2].split()[0] == "Z"
        except OSError:
            continue
        if str(home).encode() in about and not is_over:
            left.append((folder / "cmdline").read_bytes().replace(b"\0", b" ").decode())
    brokers = [path for path in (home / "tmp").glob("concord-brokers-*/*") if path.is_dir()]
    return left + [str(path) for path in [*(home / "tmp").glob("concord-demo-*"), *brokers]]


@pytest.mark.broker
def test_a_day_at_the_firm_ends_with_both_sides_agreeing(demos: tuple[Demo, Demo]) -> None:
    """Exit code 0; every act was seen, mails are as predicted, nothing doubled, the killed worker came back."""
    demo, _ = demos
    code = demo.process.wait(timeout=DEMO_S)
    assert code == 0, f"{demo.printed}\n{demo.complaints}"
    assert demo.printed.rstrip().endswith("Both sides agree.")
    assert "\x1b" not in demo.printed
    assert "[bold" not in demo.printed
    acts = re.findall(r" +(Practifi|Microsoft 365|both|concord held) +(\S+) s$", demo.printed, re.MULTILINE)
    assert len(acts) == 20
    assert demo.count("predicted in the decisions") == demo.count("sent by Exchange for these writes") > 0
    assert demo.count("duplicates") == 0
    assert demo.count("workers restarted") >= 1
    assert demo.count("on both sides and equal") == demo.count("events in Microsoft 365") > 90
    assert demo.count("writes to Microsoft 365") >= 5
    why = "conflict: Edited on both sides in the same field: Microsoft 365 wins, the other value is kept here."
    assert demo.count(why) >= 1
    assert demo.count("undone: An operator's undo: what a decision took is written back.") >= 1
    assert left_behind(demo.home) == []


@pytest.mark.broker
def test_with_one_comparison_rule_broken_the_demo_fails_and_ctrl_c_ends_it(demos: tuple[Demo, Demo]) -> None:
    """The same day with Out of Office expected to be Busy: differences, exit code 1, logs kept where it says.

    With --keep everything runs on until Ctrl-C, which stops all of it.
    """
    _, demo = demos
    demo.wait_for("Ctrl-C ends it.")
    assert demo.process.poll() is None
    demo.process.send_signal(signal.SIGINT)
    code = demo.process.wait(timeout=STOP_S)
    assert code == 1, f"{demo.printed}\n{demo.complaints}"
    assert "show_as is 'Busy' in Microsoft 365 and 'Out of Office' in Practifi" in demo.printed
    assert "Not as it should be" in demo.printed
    kept = Path(re.findall(r"The logs of the roles are kept in (\S+)\.$", demo.printed, re.MULTILINE)[0])
    assert {path.name for path in kept.iterdir()} >= {"reconcile.log", "sink-graph.log", "source-salesforce.log"}
    assert left_behind(demo.home) == [str(kept.parent)]
