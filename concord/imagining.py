"""What-if over the recorded journal: which events and mails would be otherwise under other settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from concord.changing import current_settings
from concord.reading import Tail
from projections.overview import mailbox_of
from projections.wording import HIDDEN, span_words
from schemas.calendar import Sensitivity
from schemas.changes import Side
from schemas.codec import decode
from schemas.commands import MailKind
from schemas.errors import ConcordError, UnreadableRecord
from schemas.journal import JournalEntry
from schemas.settings import READERS, Settings, change_settings
from schemas.state import PairState
from schemas.topics import SYNC_JOURNAL
from schemas.values import replace
from streams.other_history import Change, MailChange, Other, TwoHistories, changes, content_of, mail_changes

NOBODY = "(nobody)"


@dataclass(frozen=True)
class Event:
    """One event that one side would hold otherwise. `event` is without text where it is private."""

    pair_key: str
    user: str
    event: str
    side: Side
    change: str
    groups: tuple[str, ...]


@dataclass(frozen=True)
class Mail:
    """Mails that would be sent besides, or would not be sent (`count` below 0)."""

    pair_key: str
    event: str
    kind: MailKind
    address: str
    count: int


@dataclass(frozen=True)
class Imagined:
    """What would be otherwise. `entries` were judged otherwise, `pairs` were looked at."""

    since: datetime
    entries: int
    pairs: int
    events: tuple[Event, ...]
    mails: tuple[Mail, ...]


def other_settings(standing: Settings, updates: dict[str, str], since: datetime) -> Other:
    """`standing` with these settings from a moment on. Raises ConfigError that lists what is wrong. Pure."""
    confirmed = replace(standing, preflight_at=standing.preflight_at or since)  # asked about, not turned on
    first = change_settings(confirmed, updates, by="what-if", now=since)
    return Other(since, replace(first, number=standing.number), {n: READERS[n](t) for n, t in updates.items()})


def imagine(
    broker: str, updates: dict[str, str], since: datetime, progress: Callable[[int, int], None] | None = None
) -> Imagined:
    """Fold the journal twice and compare. Raises ConcordError."""
    other_settings(current_settings(broker), updates, since)  # complains before the work begins
    parts: dict[int, TwoHistories] = {}
    others: dict[int, Other] = {}
    entries = done = 0
    with Tail(broker, SYNC_JOURNAL) as tail:
        total = tail.length
        for record in tail.more():
            done += 1
            if progress is not None and done % 500 == 0:
                progress(done, total)
            try:
                entry = decode(JournalEntry, record.value)
            except UnreadableRecord:
                continue
            part = parts.setdefault(record.partition, TwoHistories(record.partition))
            other = others.get(record.partition)
            if other is None and entry.observed_at >= since:
                other = others[record.partition] = other_settings(part.was.settings, updates, since)
            entries += other is not None
            part.fold(entry, record.offset, other)
    if not entries:
        raise ConcordError("Nothing happened since then.", "Give an earlier time with --since.")
    return Imagined(
        since, entries, sum(len(part.would_be.pairs) for part in parts.values()),
        tuple(_event(part, one) for part in parts.values() for one in changes(part)),
        tuple(_mail(part, one) for part in parts.values() for one in mail_changes(part)),
    )  # fmt: skip


def _event(part: TwoHistories, change: Change) -> Event:
    state = _state(part, change.pair_key)
    settings = part.would_be.settings
    users = {user.mailbox: user.address for user in settings.users}
    return Event(
        change.pair_key, users.get(mailbox_of(state, settings), NOBODY), _words(state), change.side, change.kind,
        change.groups,
    )  # fmt: skip


def _mail(part: TwoHistories, change: MailChange) -> Mail:
    state = _state(part, change.pair_key)
    address = HIDDEN if _is_private(state) else change.address
    return Mail(change.pair_key, _words(state), change.kind, address, change.count)


def _state(part: TwoHistories, key: str) -> PairState:
    """The pair as it was; as it would be where it was nothing."""
    was, would_be = part.was.pairs.get(key), part.would_be.pairs[key]
    return was if was is not None and content_of(was) is not None else would_be


def _is_private(state: PairState) -> bool:
    items = (state.graph.item, state.salesforce.item)
    return any(item is not None and item.content.sensitivity is not Sensitivity.NORMAL for item in items)


def _words(state: PairState) -> str:
    content = content_of(state)
    if content is None:
        return "An event"
    subject = HIDDEN if _is_private(state) else content.subject or "An event without subject"
    return f"{subject}, {span_words(content.span)}"
