"""The Salesforce source when the day's requests run short: rooms are read, nothing else; and what is told of rooms."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from support.salesforce_client import SalesforceClient
from support.salesforce_driver import NAMES, build_lasting, calls_to

from concord.config import Config
from concord.roles.room_names import tell_of_rooms
from concord.roles.salesforce_source import DIRECTORY_KEY, EVENT_KEY, SalesforceSource
from connectors.salesforce.integration_log import LogRow
from projections.directory import Directory
from schemas.changes import Side, Wakeup
from schemas.codec import decode, encode
from schemas.directory import DirectoryEntry, EntryKind


class FakeLane:
    """A lane that keeps what is sent and written."""

    def __init__(self) -> None:
        self.sent: list[DirectoryEntry] = []
        self.rows: dict[bytes, bytes] = {}

    def send(self, _: str, __: bytes, value: bytes | None, **___: Any) -> None:
        """One record of the directory."""
        if value is not None:
            self.sent.append(decode(DirectoryEntry, value))

    def get(self, row: bytes) -> bytes | None:
        """A row of the table."""
        return self.rows.get(row)

    def set(self, row: bytes, value: bytes) -> None:
        """Write a row."""
        self.rows[row] = value


class Source(SalesforceSource):
    """The source with the simulator behind it, and polls that are only counted."""

    def __init__(self, org: SalesforceClient) -> None:
        async def names() -> Any:
            return NAMES

        async def send(call: Any) -> Any:
            reply = calls_to(org)(call)
            self.salesforce.client.api_usage = reply.headers.get("sforce-limit-info", "")
            return reply

        caught_up = asyncio.Event()
        caught_up.set()
        self.polls = 0
        self._config = Config()
        self._log = SimpleNamespace()  # type: ignore[assignment]
        self.directory = SimpleNamespace(caught_up=caught_up, directory=Directory())  # type: ignore[assignment]
        self.salesforce = SimpleNamespace(  # type: ignore[assignment]
            names=names, client=SimpleNamespace(send_async=send, api_usage="")
        )
        self.timer = SimpleNamespace(looked=lambda _: None)  # type: ignore[assignment]

    async def _poll(self, lane: Any) -> None:
        self.polls += 1


def woken(source: Source, *keys: str) -> FakeLane:
    """These wake-ups, one after another."""
    lane = FakeLane()

    async def play() -> None:
        for key in keys:
            record: Any = SimpleNamespace(value=encode(Wakeup(key, "timer", datetime.now(UTC))))
            await source.look(record, lane)  # type: ignore[arg-type]

    asyncio.run(play())
    return lane


def test_rooms_are_told_before_anybody_else() -> None:
    """The Resource Calendars lead, the mark that all was read is last."""
    kinds = [entry.kind for entry in woken(Source(build_lasting()), DIRECTORY_KEY).sent]
    assert kinds[0] is EntryKind.ROOM
    assert kinds[-1] is EntryKind.COMPLETE
    assert EntryKind.ADDRESS in kinds


def test_when_requests_run_short_only_rooms_are_read_until_there_are_more() -> None:
    """Neither people nor events; the answers about rooms say when it is over."""
    org = build_lasting()
    source = Source(org)
    org.simulator.usage.spent = 96_000
    lane = woken(source, EVENT_KEY, DIRECTORY_KEY, EVENT_KEY, EVENT_KEY)
    assert {entry.kind for entry in lane.sent} == {EntryKind.ROOM}
    assert source.polls == 1, "before the first answer nothing is known"
    org.simulator.usage.spent = 0
    lane = woken(source, DIRECTORY_KEY, EVENT_KEY)
    assert EntryKind.ADDRESS in {entry.kind for entry in lane.sent}
    assert source.polls == 2


class Told:
    """Stands for the integration log."""

    def __init__(self) -> None:
        self.rows: list[LogRow] = []

    async def tell(self, row: LogRow) -> None:
        """One row."""
        self.rows.append(row)


@pytest.mark.parametrize("is_read", [True, False])
def test_names_that_do_not_match_are_told_once(is_read: bool) -> None:
    """As warnings, again only when they change; not before both sides were read."""
    directory, lane, told = Directory(), FakeLane(), Told()
    entries = [DirectoryEntry(EntryKind.ROOM, "023A", name="Banksia")]
    entries += [DirectoryEntry(EntryKind.COMPLETE, side) for side in Side if is_read]
    for entry in entries:
        directory.put(entry.key, entry)

    def look() -> int:
        asyncio.run(tell_of_rooms(directory, lane, told))  # type: ignore[arg-type]
        return len(told.rows)

    assert (look(), look()) == ((1, 1) if is_read else (0, 0))
    assert all(not row.is_error and "Banksia" in row.message for row in told.rows)
    wattle = DirectoryEntry(EntryKind.ROOM, "023W", name="Wattle")
    directory.put(wattle.key, wattle)
    assert look() == (2 if is_read else 0)
