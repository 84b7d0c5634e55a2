"""Everything that Concord logs in a run, down to the finest level, for I9; nothing of it reaches the terminal."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

_OF_EVERY_RECORD: Final = frozenset(logging.makeLogRecord({}).__dict__)


class Listener(logging.Handler):
    """Keeps each record with all that it carries."""

    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self._records.append(record)


@contextmanager
def listening(records: list[logging.LogRecord]) -> Iterator[None]:
    """While this is open, `records` takes every line of every logger, and nobody else does."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    root.handlers[:] = [Listener(records)]
    root.setLevel(logging.DEBUG)
    try:
        yield
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)


def told(record: logging.LogRecord) -> str:
    """What a record says: its message, its values, its error."""
    values = [value for name, value in record.__dict__.items() if name not in _OF_EVERY_RECORD]
    return f"{record.getMessage()} {values} {record.exc_info or ''}"
