"""More than one worker of a role: they share the partitions and give them back however they end. Part of the soak."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.crowd import Crowd
from support.running import Running

from concord.processes import ROLES
from schemas.topics import SYNC_JOURNAL

pytestmark = [pytest.mark.broker, pytest.mark.soak]


@contextmanager
def second_workers(firm: Running) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """Another worker of every role, by role. The second Graph source listens to no notifications: the port is taken."""
    environ = {**os.environ, **firm.env.variables}
    workers: dict[str, subprocess.Popen[bytes]] = {}
    try:
        for role, words in ROLES.items():
            without = {"CONCORD_WEBHOOK_URL", "CONCORD_WEBHOOK_LISTEN"} if role == "source-graph" else set()
            with (firm.env.roles.log_dir / f"{role}-second.log").open("ab") as log:
                workers[role] = subprocess.Popen(
                    [sys.executable, "-m", "concord", *words, "--worker", "second"],
                    env={name: value for name, value in environ.items() if name not in without},
                    stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                )  # fmt: skip
        yield workers
    finally:
        for worker in workers.values():
            if worker.poll() is None:
                worker.kill()
            worker.wait()


def test_workers_join_and_leave_under_load(firm: Running) -> None:
    """A second worker of every role joins while people work: the partitions are shared. Two leave in order, three are
    killed: the first ones take everything back. Both sides end equal, nothing is twice, mails are as predicted."""
    crowd = Crowd(firm, 5, "Scaling")
    with crowd.at_work(3.0), second_workers(firm) as workers:
        log = firm.env.roles.log_dir / "reconcile-second.log"
        firm.until(lambda: f"{SYNC_JOURNAL}/" in log.read_text(), "the second worker's share of the journal")
        time.sleep(8.0)
        assert [role for role, worker in workers.items() if worker.poll() is not None] == []
        for number, (role, worker) in enumerate(workers.items()):
            worker.send_signal(signal.SIGTERM if number < 2 else signal.SIGKILL)
            assert worker.wait(15) == (0 if number < 2 else -signal.SIGKILL), role
        time.sleep(3.0)
    firm.come_to_agreement(180)
    firm.assert_no_duplicates()
    firm.assert_mails_as_predicted()
