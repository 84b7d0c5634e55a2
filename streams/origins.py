"""Whose saves in Practifi may go out: the firm's allow-list against the origin that came with a save (rule 7.4). Pure.

Salesforce says how a change came about in `changeOrigin`: `com/salesforce/api/<api>/<version>[;client=<name>]`, empty
for what it does by itself and for Classic (Salesforce reference §8). A field of the org's own may say it in other
words; both are compared with the list alike, whatever their case.
"""

from __future__ import annotations

from typing import Final

from schemas.settings import ORIGIN_UI, ORIGIN_UNKNOWN, Settings
from schemas.state import OPERATOR

# What a save in Lightning Experience calls its client.
UI_CLIENT: Final = "sfdcinternalapi"
_CLIENT: Final = ";client="


def may_go_out(origin: str, settings: Settings) -> bool:
    """Whether a save of this origin ("" = unknown) may be carried to Microsoft 365."""
    return origin == OPERATOR or any(_is_meant(origin.lower(), entry.lower()) for entry in settings.outbound_origins)


def _is_meant(origin: str, entry: str) -> bool:
    """`ui` means Lightning Experience, `unknown` no origin at all; else an origin, its beginning, or its client."""
    if entry == ORIGIN_UNKNOWN:
        return not origin
    client = origin.partition(_CLIENT)[2].rstrip("/")
    if entry == ORIGIN_UI:
        return origin == ORIGIN_UI or client == UI_CLIENT
    return bool(origin) and (origin.startswith(entry) or client == entry.rstrip("/"))
