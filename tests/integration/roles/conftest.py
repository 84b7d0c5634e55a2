"""One environment for the tests of the running roles that a worker has (`support.scheduling`): it takes 15 s to start,
and nothing in them depends on order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from support.running import Running


@pytest.fixture(scope="package")
def firm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """A firm in which everybody is enabled, in agreement at first. A test gives its events subjects of their own and
    leaves nothing under way."""
    # Imported here, when the filters of the root conftest are in force: importing kafka-python itself warns.
    from support.running import enable, running

    with running(tmp_path_factory.mktemp("concord")) as started:
        enable(started)
        yield started
