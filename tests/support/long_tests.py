"""How many long tests were left out is told in the last lines of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

LEFT_OUT = pytest.StashKey[int]()
# Under which a worker of several tells the one that prints.
OUTPUT = "long tests left out"


class LongTests:
    """The plugin."""

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count the long ones among what is left out; tests that only their own task runs are not meant."""
        for item in items:
            is_meant = item.get_closest_marker("long") is not None and item.get_closest_marker("soak") is None
            item.config.stash[LEFT_OUT] = item.config.stash.get(LEFT_OUT, 0) + is_meant

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """A worker hands its count on."""
        if hasattr(session.config, "workeroutput"):
            session.config.workeroutput[OUTPUT] = session.config.stash.get(LEFT_OUT, 0)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: object) -> None:
        """Every worker collects everything: one count is as good as another."""
        node.config.stash[LEFT_OUT] = getattr(node, "workeroutput", {}).get(OUTPUT, 0)

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: Any, config: pytest.Config) -> None:
        """Say it."""
        count = config.stash.get(LEFT_OUT, 0)
        if count:
            terminalreporter.write_line(
                f"{count} long tests were left out: whole days, killed roles and brokers, the console in a browser. "
                "`make test-long` runs them, and `make check` everything."
            )
