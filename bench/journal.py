"""A journal of any length for the bench: the lives of many events, interleaved, written straight to the topic.

One life is decided by the stage itself; the others are the same bytes under other keys of the same length.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from aiokafka import AIOKafkaProducer

from concord.connecting import admin_of
from concord.groups import set_offsets
from concord.roles.reconcile import APP_NAME
from schemas.calendar import Attendee, CalendarEvent, TimeSpan
from schemas.changes import Item, Side
from schemas.codec import encode
from schemas.commands import Command, Outcome, Result
from schemas.journal import JournalEntry, OutcomeKnown, Position, Seen, SettingsChanged
from schemas.settings import Direction, Settings, UserSetting
from schemas.topics import GRAPH_CHANGES, SALESFORCE_CHANGES, SYNC_JOURNAL, SYNC_OUTCOMES
from streams.intake import SETTINGS_KEY
from streams.stage import Partition

NAME: Final = "ONEEVENT"
"""Stands in the keys and ids of the one life; others have a number of eight digits there."""
NOW: Final = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
MAILBOX: Final = "mailbox-ann"
SETTINGS: Final = Settings(
    number=1, direction=Direction.TWO_WAY, sync_internal_events=True, sync_unmatched_events=True,
    delete_from_microsoft=True, delete_from_practifi=True, commencement_date=NOW.date() - timedelta(days=30),
    users=(UserSetting(MAILBOX, "ann@firm.example", "005ANN", "Ann", True, NOW - timedelta(days=1)),),
)  # fmt: skip
# Of so many events at once something is heard; the last entries of each come when half of all events have begun.
AT_ONCE: Final = 300
LATE: Final = 3
BATCH_BYTES: Final = 512 * 1024


@dataclass
class Life:
    """One event from its first reading on; each act is an entry."""

    entries: list[JournalEntry] = field(default_factory=list)
    partition: Partition = field(default_factory=lambda: Partition(0, SETTINGS))

    def enter(self, topic: str, what: Seen | OutcomeKnown) -> tuple[Command, ...]:
        """Fold one entry; what is to be written."""
        number = len(self.entries)
        entry = JournalEntry(f"m:uid-{NAME}", NOW + timedelta(seconds=number), Position(topic, 0, number), what)
        self.entries.append(entry)
        step = self.partition.fold(entry, number)
        assert step is not None
        return step.commands

    def see(self, item: Item) -> None:
        """A side was read; what that leads to is written, answered and read back."""
        item = replace(item, modified_at=NOW + timedelta(seconds=len(self.entries)))
        topic = GRAPH_CHANGES if item.side is Side.GRAPH else SALESFORCE_CHANGES
        waiting = list(self.enter(topic, Seen(item.side, item.id, item.mailbox, item)))
        while waiting:
            command = waiting.pop(0)
            written = _written(command, NOW + timedelta(seconds=len(self.entries)))
            outcome = Outcome(
                command.command_id, command.pair_key, command.side, command.action, Result.APPLIED,
                NOW + timedelta(seconds=len(self.entries)), written,
            )  # fmt: skip
            waiting += self.enter(SYNC_OUTCOMES, OutcomeKnown(outcome))
            topic = GRAPH_CHANGES if command.side is Side.GRAPH else SALESFORCE_CHANGES
            waiting += self.enter(topic, Seen(written.side, written.id, written.mailbox, written))

    @property
    def graph(self) -> Item:
        """The event as Microsoft 365 has it."""
        item = self.partition.pairs[f"m:uid-{NAME}"].graph.item
        assert item is not None
        return item

    @property
    def salesforce(self) -> Item:
        """The event as Practifi has it."""
        item = self.partition.pairs[f"m:uid-{NAME}"].salesforce.item
        assert item is not None
        return item


def _written(command: Command, at: datetime) -> Item:
    assert command.content is not None
    places: dict[str, Any] = {}
    if command.side is Side.GRAPH:
        places = {"mailbox": MAILBOX, "i_cal_uid": f"uid-{NAME}", "organizer_mailbox": MAILBOX}
    native = command.id or (f"00U{NAME}0000000" if command.side is Side.SALESFORCE else f"AAMkAD{NAME}")
    content = command.content
    if command.side is Side.GRAPH:
        content = replace(content, organizer=Attendee("ann@firm.example", "Ann", record_id="005ANN", is_user=True))
    return Item(command.side, native, f"v{at:%H%M%S}", at, NOW, content, sync_key=command.pair_key, **places)


def one_life() -> list[JournalEntry]:
    """Made in Outlook, edited in Practifi and in Outlook, answered by a guest, moved."""
    people = tuple(Attendee(f"client{n}@out.example", f"Client {n}", record_id=f"003CLIENT{n}") for n in range(3))
    start = NOW + timedelta(days=5)
    content = CalendarEvent(
        TimeSpan(start, start + timedelta(hours=1)), "Annual review", "What we go through. " * 12, "Harbour House",
        attendees=people, organizer=Attendee("ann@firm.example", "Ann", record_id="005ANN", is_user=True),
    )  # fmt: skip
    life = Life()
    life.see(
        Item(
            Side.GRAPH, f"AAMkAD{NAME}", "v0", NOW, NOW, content, mailbox=MAILBOX, i_cal_uid=f"uid-{NAME}",
            organizer_mailbox=MAILBOX,
        )
    )  # fmt: skip
    life.see(replace(life.salesforce, content=replace(life.salesforce.content, subject="Annual review, revised")))
    life.see(replace(life.graph, content=replace(life.graph.content, location="Harbour House, 2nd floor")))
    later = TimeSpan(start + timedelta(hours=2), start + timedelta(hours=3))
    life.see(replace(life.graph, content=replace(life.graph.content, span=later)))
    return life.entries


def lives(count: int, per_life: int) -> Iterator[tuple[int, int]]:
    """(event, number of its entry) in the order of the journal."""
    late = count // 2 + AT_ONCE * per_life
    for moment in range(count + late + AT_ONCE * per_life):
        for number in range(per_life):
            is_late = number >= per_life - LATE
            event = moment - AT_ONCE * number - (late if is_late else 0)
            if 0 <= event < count:
                yield event, number


async def _write(broker: str, count: int, templates: list[bytes], partitions: int) -> list[int]:
    producer = AIOKafkaProducer(bootstrap_servers=broker, acks="all", max_batch_size=BATCH_BYTES)
    written = [0] * partitions
    told = SettingsChanged(SETTINGS, partitions)
    settings = JournalEntry(SETTINGS_KEY, NOW, Position("settings.changes", 0, 0), told)
    await producer.start()
    try:
        batches = [producer.create_batch() for _ in range(partitions)]

        async def add(number: int, key: bytes, value: bytes) -> None:
            if batches[number].append(key=key, value=value, timestamp=None) is None:
                await (await producer.send_batch(batches[number], SYNC_JOURNAL, partition=number))
                batches[number] = producer.create_batch()
                batches[number].append(key=key, value=value, timestamp=None)
            written[number] += 1

        for number in range(partitions):
            await add(number, SETTINGS_KEY.encode(), encode(settings))
        for event, number in lives(count, len(templates)):
            name = b"%08d" % event
            await add(event % partitions, b"m:uid-" + name, templates[number].replace(NAME.encode(), name))
        for number in range(partitions):
            await (await producer.send_batch(batches[number], SYNC_JOURNAL, partition=number))
    finally:
        await producer.stop()
    return written


def fill_journal(broker: str, entries: int, partitions: int) -> list[int]:
    """Write about so many entries to an empty journal; how many each partition has."""
    templates = [encode(entry) for entry in one_life()]
    return asyncio.run(_write(broker, max(1, entries // len(templates)), templates, partitions))


def write_journal(broker: str, entries: int, partitions: int) -> int:
    """Write about so many entries to an empty journal that the reconcile group has all taken; how many they are."""
    written = fill_journal(broker, entries, partitions)
    with admin_of(broker) as admin:
        set_offsets(admin, APP_NAME, {(SYNC_JOURNAL, number): count for number, count in enumerate(written)})
    return sum(written)
