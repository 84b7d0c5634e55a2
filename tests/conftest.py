"""Fixtures that every test folder may use."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from concord.broker import DevelopmentBroker


def pytest_configure(config: pytest.Config) -> None:
    """Excuse kafka-python 3.0 for reading its message schemas through functions that Python 3.11 deprecates."""
    config.addinivalue_line("filterwarnings", "ignore:(read|open)_text is deprecated:DeprecationWarning")
    os.environ.pop("COLUMNS", None)  # what is printed must not depend on the terminal of who runs the tests


@pytest.fixture(scope="session")
def broker() -> Iterator[DevelopmentBroker]:
    """One Kafka broker for the whole run. Use topics with names of your own (`support.broker.unique_name`)."""
    # Imported here, when the filter above is in force: importing kafka-python itself warns.
    from concord.broker import start_broker

    with start_broker() as running:
        yield running
