"""One broker for all tests here that need no running roles."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from concord.broker import DevelopmentBroker


@pytest.fixture(scope="package")
def broker() -> Iterator[DevelopmentBroker]:
    """A Kafka broker. Use topics with names of your own (`support.broker.unique_name`). Whoever freezes it lets it go
    on before the test ends."""
    # Imported here, when the filter of the root conftest is in force: importing kafka-python itself warns.
    from concord.broker import start_broker

    with start_broker() as running:
        yield running
