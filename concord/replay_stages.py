"""Which stages can be replayed: by itself, so that the command's help loads nothing of Kafka."""

from __future__ import annotations

from enum import StrEnum


class Stage(StrEnum):
    """What can be replayed."""

    INTAKE = "intake"
    RECONCILE = "reconcile"
    PROJECTIONS = "projections"
