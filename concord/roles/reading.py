"""Under which settings something was read: said by the sources, heeded by intake.

Settings and changes reach the journal through different agents, so nothing else keeps their order. A change that was
read after new settings were saved must be journaled after them: decided under the old ones it would stay as it is, a
newly enabled user's events for instance, until somebody edits it.
"""

from __future__ import annotations

from typing import Final

from concord.guard import Record
from schemas.settings import Settings

HEADER: Final = "concord.settings.number"


def read_under(settings: Settings) -> tuple[tuple[str, bytes], ...]:
    """The headers of a change that was read under these settings or later ones."""
    return ((HEADER, b"%d" % settings.number),)


def settings_number(record: Record) -> int:
    """The number of the settings under which a change was read, 0 when it does not say."""
    said = dict(record.headers).get(HEADER, b"")
    return int(said) if said.isdigit() else 0
