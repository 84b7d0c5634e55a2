"""Finding a pair by whatever name a person has for it, and its whole history."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from concord.reading import JournalFold, read_topics
from projections.overview import mailbox_of
from projections.timeline import Moment, Placed, item_of, restored_item, timeline, was_private
from schemas.calendar import CalendarEvent
from schemas.changes import Item, Side
from schemas.codec import decode
from schemas.commands import Command, Decision
from schemas.errors import ConcordError, UnreadableRecord
from schemas.journal import JournalEntry, Seen
from schemas.settings import Settings
from schemas.state import PairState
from schemas.topics import GRAPH_COMMANDS, SALESFORCE_COMMANDS, SYNC_DECISIONS, SYNC_JOURNAL
from streams.holding import emptied, filled
from streams.intake import SETTINGS_KEY
from streams.stage import Partition, Step

# Salesforce ids come with 15 characters (case-sensitive) or with 3 more that only repeat the case.
SHORT_ID: Final = 15
LONG_ID: Final = 18


@dataclass(frozen=True)
class Found:
    """A pair with its journal entries, and the settings entries of the same partition. `content` is what it held when
    last seen; `is_private`: ever marked so."""

    pair_key: str
    entries: tuple[Placed, ...]
    settings: tuple[Placed, ...]
    content: CalendarEvent | None
    is_private: bool


@dataclass(frozen=True)
class Story:
    """One pair's moments, how it stands, and the firm's settings at its last entry."""

    pair_key: str
    state: PairState
    settings: Settings
    content: CalendarEvent | None
    is_private: bool
    moments: tuple[Moment, ...]


def find_pairs(broker: str, query: str, *, show_private: bool = False) -> list[Found]:
    """The pairs that a query names, by pair key.

    A pair key or id (Graph, Salesforce, iCalUId) that is met exactly wins over text in subjects. The subjects of
    private pairs are searched only with `show_private`. Raises ConcordError.
    """
    query = query.strip()
    if not query:
        return []
    keys, by_subject = _matching_keys(broker, query)
    found = _histories(broker, keys or by_subject)
    if not keys and not show_private:
        found = [pair for pair in found if not pair.is_private]
    return found


def _matching_keys(broker: str, query: str) -> tuple[set[str], set[str]]:
    """Pair keys matched by key or id, and those matched by subject."""
    exact: set[str] = set()
    by_subject: set[str] = set()
    may_match = _prefilter(query)
    for record in read_topics(broker, SYNC_JOURNAL):
        key = (record.key or b"").decode("utf-8", "replace")
        if key == query:
            exact.add(key)
        if key == SETTINGS_KEY or not may_match(record.value or b""):
            continue
        with contextlib.suppress(UnreadableRecord):
            entry = decode(JournalEntry, record.value)
            item = item_of(entry) or restored_item(entry)
            if _is_named(entry, item, query):
                exact.add(entry.pair_key)
            elif item is not None and query.casefold() in item.content.subject.casefold():
                by_subject.add(entry.pair_key)
    return exact, by_subject


def _prefilter(query: str) -> Callable[[bytes], bool]:
    """Whether an encoded entry can hold the query at all: Avro keeps text as it is, so most need no decoding."""
    short = query[:SHORT_ID] if _is_record_id(query) else query
    if not query.isascii():
        return lambda _: True
    wanted = short.lower().encode()
    return lambda raw: wanted in raw.lower()


def _is_record_id(query: str) -> bool:
    return query.isalnum() and query.isascii() and len(query) in (SHORT_ID, LONG_ID)


def _is_named(entry: JournalEntry, item: Item | None, query: str) -> bool:
    names = {entry.pair_key}
    side = None
    if isinstance(entry.what, Seen):
        names.add(entry.what.id)
        side = entry.what.side
    if item is not None:
        names |= {item.id, item.i_cal_uid}
        side = item.side
    if query in names:
        return True
    is_short = side is Side.SALESFORCE and _is_record_id(query)
    return is_short and any(query[:SHORT_ID] == name[:SHORT_ID] for name in names if _is_record_id(name))


def _histories(broker: str, keys: Iterable[str]) -> list[Found]:
    wanted = set(keys)
    if not wanted:
        return []
    rows: dict[str, list[Placed]] = {key: [] for key in (*wanted, SETTINGS_KEY)}
    for record in read_topics(broker, SYNC_JOURNAL):
        key = (record.key or b"").decode("utf-8", "replace")
        if key in rows:
            with contextlib.suppress(UnreadableRecord):
                rows[key].append((record.partition, record.offset, decode(JournalEntry, record.value)))
    return [_found(key, rows[key], rows[SETTINGS_KEY]) for key in sorted(wanted) if rows[key]]


def _found(key: str, entries: list[Placed], settings: list[Placed]) -> Found:
    items = [item for _, _, entry in entries if (item := item_of(entry) or restored_item(entry)) is not None]
    content = items[-1].content if items else None
    beside = tuple(row for row in settings if row[0] == entries[0][0])
    return Found(key, tuple(entries), beside, content, was_private(entry for _, _, entry in entries))


def read_story(broker: str, found: Found, *, show_private: bool = False, at: datetime | None = None) -> Story:
    """What happened to a pair, joined with the decisions and commands on their topics; `at`: as it stood then. Raises
    ConcordError."""
    return next(read_stories(broker, [found], show_private=show_private, at=at))


def read_stories(
    broker: str, pairs: Iterable[Found], *, show_private: bool = False, at: datetime | None = None
) -> Iterator[Story]:
    """The stories of several pairs; the topics are read once. Raises ConcordError."""
    pairs = list(pairs)
    decisions: dict[bytes, list[Decision]] = {pair.pair_key.encode(): [] for pair in pairs}
    commands: dict[bytes, list[Command]] = {pair.pair_key.encode(): [] for pair in pairs}
    for record in read_topics(broker, SYNC_DECISIONS, GRAPH_COMMANDS, SALESFORCE_COMMANDS):
        if record.key in decisions:
            with contextlib.suppress(UnreadableRecord):
                if record.topic == SYNC_DECISIONS:
                    decisions[record.key].append(decode(Decision, record.value))
                else:
                    commands[record.key].append(decode(Command, record.value))
    for pair in pairs:
        row = pair.pair_key.encode()
        told = pair if at is None else as_of(pair, at)
        yield _story(told, decisions[row], commands[row], show_private=show_private)


def _story(found: Found, decisions: list[Decision], commands: list[Command], *, show_private: bool) -> Story:
    partition = folded(found, decisions)
    return Story(
        found.pair_key,
        partition.pairs.get(found.pair_key) or PairState(found.pair_key),
        partition.settings,
        found.content if show_private or not found.is_private else None,
        found.is_private,
        tuple(timeline(found.entries, decisions, commands, show_private=show_private)),
    )


def belongs_to(found: Found, user_id: str, settings: Settings) -> bool:
    """Whether everything that was ever seen of a pair stood in this user's own mailbox (their id in Entra), and in
    Practifi was owned by nobody but them. Pure."""
    if not user_id:
        return False
    user = settings.user_of_mailbox(user_id)
    mailboxes, owners = set(), set()
    for _, _, entry in found.entries:
        item = item_of(entry)
        if item is not None and item.side is Side.GRAPH:
            mailboxes.add(item.mailbox)
        elif item is not None:
            owners.add(item.content.owner_id)
    is_in_practifi = user is not None and bool(user.salesforce_id) and owners == {user.salesforce_id}
    return (mailboxes == {user_id} and (not owners or is_in_practifi)) or (not mailboxes and is_in_practifi)


def as_of(found: Found, at: datetime) -> Found:
    """The pair as it stood at a moment; what was marked private later stays hidden. Raises ConcordError when nothing
    was known of it then. Pure."""
    entries = [row for row in found.entries if row[2].observed_at <= at]
    if not entries:
        first = min(row[2].observed_at for row in found.entries)
        raise ConcordError(f"Nothing was known of this event then; it was first seen at {first:%Y-%m-%d %H:%M:%S} UTC.")
    settings = [row for row in found.settings if row[2].observed_at <= at]
    return replace(_found(found.pair_key, entries, settings), is_private=found.is_private)


def pairs_of(broker: str, address: str) -> list[Found]:
    """The pairs of one user, by the address of one of their mailboxes. Raises ConcordError."""
    with JournalFold(broker) as fold:
        fold.advance()
        keys, is_known = set(), False
        for partition in fold.partitions.values():
            mailboxes = {u.mailbox for u in partition.settings.users if u.address.casefold() == address.casefold()}
            is_known = is_known or bool(mailboxes)
            keys |= {key for key, s in partition.pairs.items() if mailbox_of(s, partition.settings) in mailboxes}
    if not is_known:
        raise ConcordError(f"There is no user {address}.", "`concord users list` lists them.")
    return _histories(broker, keys)


def fold_to(found: Found, decision: Decision) -> Step:
    """What the pair's own entries lead to at the entry of this decision. Raises ConcordError when it is not there."""
    partition = Partition(decision.partition)
    for number, offset, entry in sorted((*found.entries, *found.settings), key=lambda row: row[1]):
        partition.tally = emptied(partition.tally)
        done = partition.fold(entry, offset)
        if (number, offset) == (decision.partition, decision.offset) and done is not None:
            return done
    raise ConcordError(f"The journal entry {decision.partition}/{decision.offset} does not exist any more.")


def folded(found: Found, decisions: list[Decision]) -> Partition:
    """The pair's own entries folded, under the settings that stood between them. Whether the mails of other pairs had
    filled an hour then is told by the decisions."""
    partition = Partition(found.entries[0][0])
    held = {decision.offset for decision in decisions if decision.held is not None}
    for _, offset, entry in sorted((*found.entries, *found.settings), key=lambda row: row[1]):
        partition.tally = filled(partition.tally, entry.observed_at) if offset in held else emptied(partition.tally)
        partition.fold(entry, offset)
    return partition


def one_pair(found: list[Found], query: str) -> Found:
    """The only pair found. Raises ConcordError when there is none, or more than one."""
    if not found:
        raise ConcordError(
            f"No event is known by {query!r}.",
            "Give a pair key, an id of Microsoft 365 or Salesforce, an iCalUId, or a part of the subject.",
        )
    if len(found) > 1:
        raise ConcordError(f"{len(found)} events are known by {query!r}.", "Name one of them by its pair key.")
    return found[0]


def without_text(found: Found) -> Found:
    """The pair as it may be listed when private text stays hidden."""
    return replace(found, content=None) if found.is_private else found
