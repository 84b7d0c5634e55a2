"""Rooms that cannot be matched, told in the org's integration log once."""

from __future__ import annotations

import asyncio
import hashlib
from datetime import UTC, datetime
from typing import Final

from concord.guard import Lane
from concord.preflight_checks import Level, rooms
from concord.roles.integration_log import IntegrationLog
from connectors.salesforce.integration_log import LogRow
from projections.directory import Directory
from schemas.changes import Side

TOLD_ROW: Final = b"rooms-told"


async def tell_of_rooms(directory: Directory, lane: Lane, log: IntegrationLog) -> None:
    """Write a warning for each name that is missing or not unique, when that differs from what was told last."""
    if len(directory.complete_sides) < len(Side):
        return
    texts = [finding.text for finding in rooms(directory) if finding.level is Level.WARNING]
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest().encode()
    if lane.get(TOLD_ROW) == digest:
        return
    now = datetime.now(UTC)
    await asyncio.gather(*(log.tell(LogRow(now, f"Rooms: {text}.", is_error=False)) for text in texts))
    lane.set(TOLD_ROW, digest)
