"""What is logged, as tests read it: one JSON object a line, and logging as it was when they are over."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog


@contextmanager
def restored_logging() -> Iterator[None]:
    """Logging as it was, when the block is over: other tests share the process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    before = structlog.get_config()
    levels = {name: logging.getLogger(name).level for name in ("faust", "httpx", "kafka", "mode", "msal", "aiokafka")}
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)
    for name, held in levels.items():
        logging.getLogger(name).setLevel(held)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    """What was logged, as JSON; nothing may be on standard output."""
    captured = capsys.readouterr()
    assert captured.out == ""
    return [json.loads(line) for line in captured.err.splitlines()]
