"""One firm for this folder, on the broker that it shares. The topics have fixed names, so this folder comes first among
those that write to the broker (`support.scheduling`)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from integration.cli.firm import Firm

    from concord.broker import DevelopmentBroker


@pytest.fixture(scope="package")
def firm(broker: DevelopmentBroker) -> Firm:
    """One firm for the folder. Only test_writing and test_written_rows change it, and they run last: modules run in
    the order of their names."""
    from integration.cli.firm import firm_on

    return firm_on(broker.address)
