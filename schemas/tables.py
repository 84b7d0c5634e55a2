"""Versions of a stage's table: which one is in use stands on the log, like everything else."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True)
class TableVersion:
    """From `since` on workers that start use this version of a table. `previous` is kept for going back, 0 for none."""

    table: str
    version: int
    previous: int
    since: datetime
    by: str = ""
