"""What bytes of a topic may show of themselves: what they are, never private text.

Fields are shown by name only if they hold ids, times or words of ours. Subject and time of an event are shown when the
record can be read and nothing in it is private; bytes that cannot be read may hold anything: nothing of them is shown.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING, Any, Final

from projections.wording import HIDDEN, quoted, span_words
from schemas.calendar import CalendarEvent, Sensitivity
from schemas.codec import MARKER, RECORDS, decode
from schemas.errors import UnreadableRecord
from schemas.topics import BY_NAME

if TYPE_CHECKING:
    from concord.quarantined import Quarantined

# Members that hold no text of people.
SHOWN: Final = frozenset(
    {
        "action", "at", "by", "cause", "code", "command_id", "decided_at", "fields", "generation", "hold", "i_cal_uid",
        "id", "in_burst", "into", "is_organizer", "item_id", "key", "kind", "mailbox", "modified_at", "number",
        "observed_at", "offset", "pair_key", "partition", "partitions", "reason", "replay_id", "result", "revision",
        "series_master_id", "side", "sync_key", "topic", "verb", "version",
    }
)  # fmt: skip
# Headers whose text is ours; of others only the size is shown.
OURS: Final = ("__connect.errors.", "concord.")
_KINDS: Final = {kind.__name__: kind for kind in RECORDS}


def glimpse(topic: str, value: bytes | None) -> list[tuple[str, str]]:
    """Name and text of what may be shown of a value that was written to a topic ("" for none of ours). Pure."""
    if value is None:
        return [("value", "none")]
    rows = [
        ("value", f"{len(value)} bytes, sha256 {hashlib.sha256(value).hexdigest()[:16]}"),
        ("schema", _schema(value)),
    ]
    kind = _KINDS.get(BY_NAME[topic].record) if topic in BY_NAME else None
    if kind is None:
        return rows
    try:
        record: Any = decode(kind, value)
    except UnreadableRecord as error:
        return [*rows, ("content", f"not shown: {error.what}")]
    is_private = any(event.sensitivity is not Sensitivity.NORMAL for event in _events(record))
    return [*rows, ("record", kind.__name__), *_rows(record, "", is_private=is_private)]


def record_rows(row: Quarantined) -> list[tuple[str, str]]:
    """Name and text of what may be shown of a record in quarantine: its headers, key, time, and its value's glimpse."""
    rows = [(name, _header(name, value)) for name, value in row.read.headers]
    rows.append(("key", (row.read.key or b"").decode("utf-8", "replace")))
    rows.append(("time", datetime.fromtimestamp(row.read.timestamp_ms / 1000, UTC).isoformat()))
    return rows + glimpse(row.topic, row.read.value)


def _header(name: str, value: bytes) -> str:
    return value.decode("utf-8", "replace") if name.startswith(OURS) else f"{len(value)} bytes"


def _schema(value: bytes) -> str:
    if value[:2] != MARKER or len(value) < 10:
        return "none: no Avro single-object header"
    return f"fingerprint {value[2:10].hex()}"


def _events(value: Any) -> Iterator[CalendarEvent]:
    """Every event inside a record."""
    if isinstance(value, CalendarEvent):
        yield value
    elif isinstance(value, (tuple, list)):
        for one in value:
            yield from _events(one)
    elif is_dataclass(value):
        for member in fields(value):
            yield from _events(getattr(value, member.name))


def _rows(value: Any, prefix: str, *, is_private: bool) -> Iterator[tuple[str, str]]:
    for member in fields(value):
        held, name = getattr(value, member.name), prefix + member.name
        if isinstance(held, CalendarEvent):
            if member.name == "content":
                yield name, HIDDEN if is_private else f"{quoted(held.subject)}, {span_words(held.span)}"
        elif is_dataclass(held):
            yield from _rows(held, name + ".", is_private=is_private)
        elif member.name in SHOWN and held not in ("", None, ()):
            yield name, _text(held)


def _text(held: Any) -> str:
    if isinstance(held, datetime):
        return held.isoformat()
    if isinstance(held, tuple):
        return ", ".join(map(_text, held))
    return str(held.value if isinstance(held, Enum) else held)
