"""Items that a source read but cannot put into our words."""

from __future__ import annotations

from concord.guard import Lane
from schemas.topics import SYNC_QUARANTINE


def send_unreadable(lane: Lane, stage: str, item_id: str, native: str, reason: str) -> None:
    """An item that cannot be put into our words goes to quarantine as it was read."""
    headers = [
        ("__connect.errors.connector.name", stage.encode()),
        ("__connect.errors.stage", b"VALUE_CONVERTER"),
        ("__connect.errors.exception.message", reason.encode()),
    ]
    lane.send(SYNC_QUARANTINE, item_id.encode(), native.encode(), headers=headers)
