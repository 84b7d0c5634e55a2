"""The app's settings, and when it ends the process: checked without a broker."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from concord.guard import app as app_module
from concord.guard.agent import guarded_agent
from concord.guard.app import GuardedApp, build_app
from schemas.topics import SETTINGS_CHANGES, SYNC_JOURNAL


@pytest.fixture
def app(tmp_path: Path) -> GuardedApp:
    """An app that never runs."""
    return build_app("concord-test", broker="127.0.0.1:1, 127.0.0.1:2", datadir=tmp_path, version=2, partitions=6)


@pytest.fixture
def reasons(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Reasons for which the process would have ended."""
    given: list[str] = []
    monkeypatch.setattr(app_module, "end_process", given.append)
    return given


def nothing(record: Any, lane: Any) -> None:
    """A step that does nothing."""


def test_the_settings_are_those_that_were_measured(app: GuardedApp) -> None:
    """At least once, earliest, raw bytes, no leader topic, no web server; a version is a group of its own."""
    conf = app.conf
    assert conf.id == "concord-test-v2"
    assert [str(url) for url in conf.broker] == ["kafka://127.0.0.1:1", "kafka://127.0.0.1:2"]
    assert conf.processing_guarantee.value == "at_least_once"
    assert conf.consumer_auto_offset_reset == "earliest"
    assert (conf.key_serializer, conf.value_serializer) == ("raw", "raw")
    assert conf.topic_disable_leader
    assert not conf.web_enabled
    assert conf.table_standby_replicas == 0
    assert conf.broker_session_timeout < conf.broker_rebalance_timeout < conf.broker_request_timeout


def test_tables_are_partitioned_like_their_topics(app: GuardedApp) -> None:
    """The deployment's number for keyed topics, one for the single-partition ones; store options are not shared."""
    journal = guarded_agent(app, SYNC_JOURNAL, nothing, table="one")
    settings = guarded_agent(app, SETTINGS_CHANGES, nothing, table="two")
    other = guarded_agent(app, "not.in.the.table", nothing, table="three")
    assert [agent.partitions for agent in (journal, settings, other)] == [6, 1, 6]
    assert [agent.table.partitions for agent in (journal, settings, other)] == [6, 1, 6]
    assert journal.table.options == settings.table.options
    assert journal.table.options is not settings.table.options
    assert journal.table.options["block_cache_size"] == 16 << 20


def test_membership_is_proven_by_a_commit_or_the_process_ends(
    app: GuardedApp, reasons: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A refused commit is tolerated for a while, an accepted one resets the patience, a long series ends it."""
    answers = [False, True, False, False]

    async def commit(offsets: Any) -> bool:
        return answers.pop(0)

    now = [100.0]
    monkeypatch.setattr(app, "commit", commit)
    monkeypatch.setattr(app_module.time, "monotonic", lambda: now[0])

    async def scenario() -> None:
        assert not await app.is_member({("t", 0): 5})
        now[0] += 50
        assert await app.is_member({("t", 0): 5})
        now[0] += 50
        assert not await app.is_member({("t", 0): 5})
        assert reasons == []
        now[0] += 61
        assert not await app.is_member({("t", 0): 5})
        assert len(reasons) == 1

    asyncio.run(scenario())


def test_unacknowledged_table_changes_end_the_process_at_hand_over(app: GuardedApp, reasons: list[str]) -> None:
    """They would reach the changelog after the next owner's; without them the hand-over goes on."""

    class Owned:
        def __init__(self, unacknowledged: bool) -> None:
            self.has_unacknowledged_writes = unacknowledged

    class Guard:
        def __init__(self, *owned: Owned) -> None:
            self.owned = owned
            self.is_let_go = False

        async def drain(self, limit_s: float) -> None:
            """Nothing in hand."""

        def committable(self) -> dict[tuple[str, int], int]:
            """Nothing to commit."""
            return {}

        def let_go(self) -> None:
            """Noted."""
            self.is_let_go = True

    clean, dirty = Guard(Owned(False)), Guard(Owned(False), Owned(True))
    app.guards = [clean]
    asyncio.run(app._consumer_wait_empty(None, None))
    assert reasons == []
    assert clean.is_let_go
    app.guards = [clean, dirty]
    asyncio.run(app._consumer_wait_empty(None, None))
    assert len(reasons) == 1


def test_a_failed_chore_ends_the_process(reasons: list[str]) -> None:
    """Without its chores the guard would go on without writing positions; a cancelled chore is a stop."""

    async def failing() -> None:
        raise KeyError("text")

    async def scenario() -> None:
        for work in (failing(), asyncio.sleep(60)):
            chore = asyncio.ensure_future(work)
            chore.add_done_callback(app_module._must_not_fail)
            await asyncio.sleep(0)
            chore.cancel()
            await asyncio.wait({chore})
        await asyncio.sleep(0)

    asyncio.run(scenario())
    assert len(reasons) == 1
    assert reasons[0].startswith("KeyError in a chore of the guard")
    assert "text" not in reasons[0]
