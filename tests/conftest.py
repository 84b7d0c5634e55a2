"""What holds for every test folder."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator

import pytest
from support.long_tests import LongTests
from support.scheduling import Scheduling


def pytest_configure(config: pytest.Config) -> None:
    """Excuse kafka-python 3.0 for reading its message schemas through functions that Python 3.11 deprecates."""
    config.addinivalue_line("filterwarnings", "ignore:(read|open)_text is deprecated:DeprecationWarning")
    config.pluginmanager.register(Scheduling())
    config.pluginmanager.register(LongTests())
    os.environ.pop("COLUMNS", None)  # what is printed must not depend on the terminal of who runs the tests


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is loaded and collected stays to the end: the garbage collector leaves it alone, meanwhile and after."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()
