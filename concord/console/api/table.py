"""Every operation of the API, its description included."""

from __future__ import annotations

from functools import cache

from concord.console.api import events, held, lists, overview, platform, settings, users
from concord.console.api.document import described
from concord.console.pages import Page

# The modules that have operations.
PARTS = (overview, users, events, held, lists, settings, platform)


@cache
def operations() -> tuple[Page, ...]:
    """The rows of the API."""
    found = tuple(page for part in PARTS for page in part.pages())
    return (*found, described(found))
