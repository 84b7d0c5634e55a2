"""Which tests run one after another on the same worker, and which begin first.

What shares a costly environment (a broker, a firm with every role running) stays together, so that each is started
once and ended with its last test; the rest goes by files. The long ones, which mostly wait, come first.
"""

from __future__ import annotations

from typing import Final

import pytest
from xdist.scheduler import LoadScopeScheduling

ROLES: Final = "tests/integration/roles"
BROWSER: Final = "tests/browser/"
# Those that kill roles and broker or keep a role away: half of the time.
HALTED: Final = tuple(f"{ROLES}/test_{name}.py" for name in ("lag_under_load", "rebuild", "replay", "storm"))
BROKER: Final = (
    "tests/integration/cli", "tests/integration/guard", "tests/integration/test_broker.py",
    "tests/integration/test_schema_registry.py",
)  # fmt: skip
# What takes longest, the longest first. All else follows in the order of names.
FIRST: Final = (
    *HALTED, ROLES, BROWSER, "tests/simulation/", *BROKER, "tests/e2e/", "tests/thirdparty/", "tests/integration/",
)  # fmt: skip


def unit_of(path: str) -> str:
    """What a test file runs together with."""
    if path.startswith(f"{ROLES}/"):
        return f"{ROLES}, halted" if path in HALTED else ROLES
    if path.startswith(BROWSER):
        return BROWSER
    return "tests/integration with a broker" if path.startswith(BROKER) else path


def rank(path: str) -> int:
    """Place of a test file in the order."""
    return next((place for place, start in enumerate(FIRST) if path.startswith(start)), len(FIRST))


class ByEnvironment(LoadScopeScheduling):
    """Hands out whole units, in the order in which they were collected."""

    def _split_scope(self, nodeid: str) -> str:
        return unit_of(nodeid.partition("::")[0])


class Scheduling:
    """The plugin: puts the tests into their order, and gives whole units to the workers of `--dist loadfile`."""

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Sort by rank; within one, the order of collection stays."""
        items.sort(key=lambda item: rank(item.nodeid.partition("::")[0]))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_make_scheduler(self, config: pytest.Config, log: object) -> LoadScopeScheduling | None:
        """Ours in place of the one by file."""
        return ByEnvironment(config, log) if config.getvalue("dist") == "loadfile" else None
