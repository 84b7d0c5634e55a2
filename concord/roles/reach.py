"""What is read of each mailbox, from the settings."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime, time, timedelta

from concord.config import Config
from connectors.graph.source import Reach
from schemas.settings import Settings
from streams.policy import inbound_range, months_ahead


def reach_of(settings: Settings, config: Config, now: datetime) -> Reach:
    """What is read of each mailbox under these settings: whole months, so that the end moves once a month."""
    start, end = inbound_range(settings, now)
    end = (end.replace(day=1, hour=0, minute=0, second=0, microsecond=0) + timedelta(days=62)).replace(day=1)
    horizon = datetime.combine(months_ahead(now, settings.series_months).date(), time(), UTC)
    decisive = (
        settings.direction.is_inbound, settings.sync_private_events, settings.sync_internal_events,
        settings.sync_unmatched_events, settings.commencement_date, settings.inbound_years, settings.series_months,
    )  # fmt: skip
    # Once shadow mode ends, everything is read anew: what was only decided is written then.
    shadow = "shadow" if settings.shadow else ""
    wanted = hashlib.sha256(f"{decisive!r}{shadow}".encode()).hexdigest()[:16]
    return Reach(
        start, end, wanted, config.graph_window_days, config.graph_page_size, config.graph_lists_first, horizon
    )  # fmt: skip
