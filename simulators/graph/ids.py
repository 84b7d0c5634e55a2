"""Item ids: the regular REST form, the immutable form and the ids of occurrences, and how to read them back.

An id names the mailbox it belongs to, so an id of another mailbox is malformed rather than not found.
"""

from __future__ import annotations

import base64
import hashlib
import random
import re
from dataclasses import dataclass
from datetime import date
from typing import Final

from simulators.graph.errors import id_malformed

_REST: Final = "AAMkADQx"
_IMMUTABLE: Final = "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A"
_OCCURRENCE: Final = "FRAAgI3A"
_END: Final = "AAA="
_GLOBAL_ID: Final = "040000008200E00074C5B7101A82E008"
_TAG: Final = 12
_FOLDER: Final = 4
_KEY: Final = 24
_TEXT: Final = re.compile(r"^[A-Za-z0-9_-]+=$")


def _b64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode()


def mint_key(rng: random.Random) -> str:
    """A new item key: 24 characters that stay the same in every form of the item's id."""
    return _b64(rng.getrandbits(_KEY * 6).to_bytes(_KEY * 6 // 8, "big"))


def mint_guid(rng: random.Random) -> str:
    """A random GUID in lower case."""
    text = f"{rng.getrandbits(128):032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-8{text[17:20]}-{text[20:]}"


def mailbox_tag(mailbox_id: str) -> str:
    """The part of every item id that names the mailbox."""
    return _b64(hashlib.sha256(mailbox_id.lower().encode()).digest()[: _TAG * 6 // 8])


def folder_tag(number: int) -> str:
    """The part of a regular id that names the calendar; it changes when an item moves."""
    return _b64((0x010000 + number).to_bytes(_FOLDER * 6 // 8, "big"))


def rest_id(tag: str, folder: str, key: str, day: date | None = None) -> str:
    """The regular id of an event, or of its occurrence on `day`."""
    return f"{_REST}{tag}{folder}{key}{_day_text(day)}{_END}"


def immutable_id(tag: str, key: str, day: date | None = None) -> str:
    """The immutable id of an event, or of its occurrence on `day`."""
    return f"{_IMMUTABLE}{tag}{key}{_day_text(day)}{_END}"


def calendar_id(tag: str, folder: str) -> str:
    """The id of a calendar. It has no immutable form."""
    return f"{_REST}{tag}{folder}{_END}"


def _day_text(day: date | None) -> str:
    return "" if day is None else _OCCURRENCE + _b64(day.toordinal().to_bytes(3, "big"))


@dataclass(frozen=True)
class ItemId:
    """What an event id says: the item's key, the calendar it was in (None in an immutable id), the occurrence's day."""

    key: str
    folder: str | None
    day: date | None


def read_item_id(text: str, tag: str) -> ItemId:
    """Take an event id apart. Raises GraphError ErrorInvalidIdMalformed unless it is an id of the mailbox `tag`."""
    if not _TEXT.match(text) or not text.endswith(_END):
        raise id_malformed()
    if text.startswith(_REST):
        rest, has_folder = text[len(_REST) : -len(_END)], True
    elif text.startswith(_IMMUTABLE):
        rest, has_folder = text[len(_IMMUTABLE) : -len(_END)], False
    else:
        raise id_malformed()
    if not rest.startswith(tag):
        raise id_malformed()
    rest = rest[_TAG:]
    folder = rest[:_FOLDER] if has_folder else None
    rest = rest[_FOLDER:] if has_folder else rest
    key, tail = rest[:_KEY], rest[_KEY:]
    if len(key) != _KEY:
        raise id_malformed()
    return ItemId(key, folder, _read_day(tail))


def _read_day(tail: str) -> date | None:
    if not tail:
        return None
    if not tail.startswith(_OCCURRENCE) or len(tail) != len(_OCCURRENCE) + 4:
        raise id_malformed()
    ordinal = int.from_bytes(base64.urlsafe_b64decode(tail[len(_OCCURRENCE) :]), "big")
    if not 1 <= ordinal <= date.max.toordinal():
        raise id_malformed()
    return date.fromordinal(ordinal)


def ical_uid(rng: random.Random) -> str:
    """A new meeting identity, the same in every mailbox that holds the meeting."""
    created, unique = f"{rng.getrandbits(64):016X}", f"{rng.getrandbits(128):032X}"
    return f"{_GLOBAL_ID}00000000{created}000000000000000010000000{unique}"


def occurrence_ical_uid(series_uid: str, day: date) -> str:
    """The iCalUId of one occurrence: the series' own with the day written into it."""
    if len(series_uid) < 40 or not series_uid.startswith(_GLOBAL_ID):
        return f"{series_uid}_{day:%Y%m%d}"
    return f"{series_uid[:32]}{day.year:04X}{day.month:02X}{day.day:02X}{series_uid[40:]}"
