"""Changes and settings come to the journal through different agents: a change is never decided under older settings
than those it was read under."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
from support.running import Running

from concord.changing import switch_users
from concord.follow import DirectoryFollower, SettingsFollower
from concord.guard import Record
from concord.roles.reading import read_under
from concord.roles.reconcile import Intake
from schemas.changes import Change, Side
from schemas.codec import decode, encode
from schemas.journal import JournalEntry, Seen, SettingsChanged
from schemas.settings import Settings
from schemas.topics import DEFAULT_PARTITIONS, GRAPH_CHANGES

pytestmark = pytest.mark.broker


@dataclass
class Sent:
    """The hands of a step: an empty table, and what is sent."""

    partition: int = 0
    rows: dict[bytes, bytes] = field(default_factory=lambda: {b"an-event": b"m:an-event"})
    entries: list[tuple[int | None, JournalEntry]] = field(default_factory=list)

    def get(self, key: bytes) -> bytes | None:
        """A value of the table."""
        return self.rows.get(key)

    def set(self, key: bytes, value: bytes) -> None:
        """Write to the table."""
        self.rows[key] = value

    def send(self, _: str, __: bytes, value: bytes, *, partition: int | None = None) -> None:
        """Send a journal entry."""
        self.entries.append((partition, decode(JournalEntry, value)))


def removal(offset: int, settings: Settings) -> Record:
    """A change on its topic, read under these settings."""
    change = encode(Change(Side.GRAPH, "an-event", datetime.now(UTC), mailbox="m"))
    return Record(GRAPH_CHANGES, 0, offset, 0, b"m", change, read_under(settings) if settings.number else ())


def test_settings_are_journaled_before_what_was_read_under_them(firm: Running) -> None:
    """The first change that was read under new settings takes them along to every partition, once; a change that says
    nothing of settings waits for none."""

    async def scenario() -> None:
        directory, settings = DirectoryFollower(firm.broker), SettingsFollower(firm.broker)
        async with directory, settings:
            intake: Any = Intake(directory, DEFAULT_PARTITIONS, settings)
            lane = Sent()
            await intake.change(removal(0, Settings()), lane)
            assert [type(entry.what) for _, entry in lane.entries] == [Seen]
            lane.entries.clear()
            await intake.change(removal(1, firm.settings), lane)
            *before, (_, last) = lane.entries
            assert isinstance(last.what, Seen)
            assert [partition for partition, _ in before] == list(range(DEFAULT_PARTITIONS))
            assert {entry.what for _, entry in before} == {SettingsChanged(settings.current, DEFAULT_PARTITIONS)}
            assert settings.current.number >= firm.settings.number
            lane.entries.clear()
            await intake.change(removal(2, firm.settings), lane)
            assert [type(entry.what) for _, entry in lane.entries] == [Seen]

    asyncio.run(scenario())


def test_the_newest_settings_are_known_as_soon_as_they_are_saved(firm: Running) -> None:
    """`latest` answers with what stood on the topic when it was asked, however far behind the follower was."""
    user = firm.users[-1]

    async def scenario() -> None:
        follower = SettingsFollower(firm.broker)
        async with follower:
            for enable in (False, True):
                saved = await asyncio.to_thread(switch_users, firm.broker, [user.address], enable=enable, by="test")
                assert await follower.latest() == saved
                assert follower.current.is_mailbox_enabled(user.mailbox) is enable

    asyncio.run(scenario())


def test_what_is_done_right_after_enabling_is_synced(firm: Running) -> None:
    """A user is enabled while the reconcile worker is away, and works at once in both places: when it comes back it
    decides under the new settings, whichever agent is first."""
    user, day = firm.users[-1], firm.a_free_day()
    switch_users(firm.broker, [user.address], enable=False, by="test")
    firm.settle()
    assert firm.env.roles.halt("reconcile") == 0
    firm.settings = switch_users(firm.broker, [user.address], enable=True, by="test")
    time.sleep(1.1)  # Salesforce stamps whole seconds: a save in the second of enabling counts as before it (rule 7.5)
    made = firm.outlook.create(user.address, firm.meeting("Right after enabling", day))
    record_id = firm.practifi.create(firm.entry("Right after enabling, there", day, user))
    firm.env.roles.resume("reconcile")
    firm.record_of(made["id"], Subject="Right after enabling")
    firm.event_of(user, record_id, subject="Right after enabling, there")
