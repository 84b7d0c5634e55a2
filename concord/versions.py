"""Which software runs here."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from typing import Final

# What a question about a fault asks for first.
PACKAGES: Final = ("concord", "faust-streaming", "kafka-python", "rocksdict", "fastavro", "SQLAlchemy", "starlette")


def software() -> list[tuple[str, str]]:
    """Name and version of what this process is made of."""
    found = [("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found
