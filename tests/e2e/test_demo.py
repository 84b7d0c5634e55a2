"""`concord demo` as a person runs it: real Kafka, every role a process, in a home folder of its own."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from concord.broker_settings import cache_folder

ROOT = Path(__file__).parents[2]
# Longest wait for a demo, in seconds, on a machine that others use as well.
DEMO_S = 280.0
# Ctrl-C stops everything within 10 s; a busy machine gets more before this counts as hanging.
STOP_S = 30.0

# `concord demo` that also writes down what its comparison looked at, for the one below.
PLAIN = """
import pickle, sys
from pathlib import Path
from concord import demo
from concord.cli import main
judge = demo.judge
def kept(evidence):
    Path("evidence").write_bytes(pickle.dumps(evidence))
    return judge(evidence)
demo.judge = kept
sys.argv = ["concord", "demo"]
main()
"""
# `concord demo --keep` with one rule of its comparison broken. Everything runs; the day it judges is the other's.
BROKEN = """
import pickle, sys
from pathlib import Path
from concord import comparison, demo
from concord.cli import main
comparison.LABELS = {**comparison.LABELS, "oof": "Busy"}
evidence = pickle.loads(Path(sys.argv[1]).read_bytes())
def perform(env, phases):
    demo._until(lambda: len(demo.read_directory(env.broker.address).complete_sides) == 2, 90, "both directories")
    return evidence
demo.perform = perform
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


@contextmanager
def started(home: Path, *command: str) -> Iterator[Demo]:
    """A demo with a home folder of its own, for a `with` block; only Kafka's jars come from the cache of this
    machine."""
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
    try:
        yield Demo(process, home)
    finally:
        if process.poll() is None:
            process.terminate()
            process.wait(timeout=STOP_S)


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    """A demo under way."""
    with started(tmp_path_factory.mktemp("plain") / "home", "-c", PLAIN) as demo:
        yield demo


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
@pytest.mark.long
def test_a_day_at_the_firm_ends_with_both_sides_agreeing(day: Demo) -> None:
    """Exit code 0; every act was seen, mails are as predicted, nothing doubled, the killed worker came back."""
    demo = day
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
@pytest.mark.long
def test_with_one_comparison_rule_broken_the_demo_fails_and_ctrl_c_ends_it(day: Demo, tmp_path: Path) -> None:
    """The same day with Out of Office expected to be Busy: differences, exit code 1, logs kept where it says.

    With --keep everything runs on until Ctrl-C, which stops all of it.
    """
    assert day.process.wait(timeout=DEMO_S) == 0, f"{day.printed}\n{day.complaints}"
    with started(tmp_path / "home", "-c", BROKEN, str(day.home / "evidence")) as demo:
        demo.wait_for("Ctrl-C ends it.")
        assert demo.process.poll() is None
        demo.process.send_signal(signal.SIGINT)
        code = demo.process.wait(timeout=STOP_S)
        assert code == 1, f"{demo.printed}\n{demo.complaints}"
    assert "show_as is 'Busy' in Microsoft 365 and 'Out of Office' in Practifi" in demo.printed
    assert "Not as it should be" in demo.printed
    assert demo.count("on both sides and equal") < day.count("on both sides and equal")
    kept = Path(re.findall(r"The logs of the roles are kept in (\S+)\.$", demo.printed, re.MULTILINE)[0])
    assert {path.name for path in kept.iterdir()} >= {"reconcile.log", "sink-graph.log", "source-salesforce.log"}
    assert left_behind(demo.home) == [str(kept.parent)]
