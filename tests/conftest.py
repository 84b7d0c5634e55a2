"""What holds for every test folder."""

from __future__ import annotations

import os

import pytest
from support.scheduling import Scheduling


def pytest_configure(config: pytest.Config) -> None:
    """Excuse kafka-python 3.0 for reading its message schemas through functions that Python 3.11 deprecates."""
    config.addinivalue_line("filterwarnings", "ignore:(read|open)_text is deprecated:DeprecationWarning")
    config.pluginmanager.register(Scheduling())
    os.environ.pop("COLUMNS", None)  # what is printed must not depend on the terminal of who runs the tests
