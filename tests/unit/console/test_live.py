"""Open pages are told of changes: what a stream says, and that it ends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from support.console import Console

from concord.console import live as streams
from concord.console.accounts import Role
from concord.console.live import Live
from schemas.errors import ConcordError


@dataclass
class Log:
    """What a broker would hold; `trouble` is raised in its place. `looks` counts how often it was asked."""

    version: str = "1"
    trouble: ConcordError | None = None
    looks: int = 0
    live: Live = field(init=False)

    def __post_init__(self) -> None:
        self.live = Live(self.look, look_s=0.001, beat_s=0.005)

    def look(self) -> str:
        """One look."""
        self.looks += 1
        if self.trouble is not None:
            raise self.trouble
        return self.version

    def stream(self, since: str = "", token: str = "t", is_in: Callable[[], bool] = lambda: True) -> AsyncIterator[str]:
        """One page listens."""
        return self.live.stream(token, since, is_in)


def run(act: Callable[[], Awaitable[None]]) -> None:
    """Run to the end, and see that nothing is left running."""

    async def whole() -> None:
        async with asyncio.timeout(30):
            await act()
            while len(asyncio.all_tasks()) > 1:  # noqa: ASYNC110  # until all have ended
                await asyncio.sleep(0.001)

    asyncio.run(whole())


async def until(stream: AsyncIterator[str], kind: str) -> str:
    """Listen until an event of this kind; its name."""
    async for text in stream:
        lines = dict(line.split(": ", 1) for line in text.strip().splitlines() if ": " in line)
        if lines["event"] == kind:
            return lines.get("id", "")
    raise AssertionError(f"the stream ended without {kind}")


def test_a_page_is_told_what_changed_after_it_was_shown() -> None:
    """And again a little later, when the read models have followed."""

    async def act() -> None:
        log = Log()
        stream = log.stream()
        first = await until(stream, "beat")
        log.version = "2"
        second = await until(stream, "changed")
        assert first.split(".")[0] != second.split(".")[0]
        third = await until(stream, "changed")
        assert third.split(".")[0] == second.split(".")[0]
        await stream.aclose()
        assert log.live.open == 0

    run(act)


def test_who_comes_back_is_told_only_of_what_is_new() -> None:
    """After a restart of the console too: the same log has the same name."""

    async def act() -> None:
        log = Log()
        stream = log.stream()
        name = await until(stream, "beat")
        back = log.stream(name)
        assert await until(back, "beat") == name
        late = log.stream("what it was before.0")
        assert await until(late, "changed") == name
        log.live.close()
        for one in (stream, back, late):
            assert [text async for text in one] == []

    run(act)


def test_nobody_is_told_that_figures_are_new_while_the_log_cannot_be_read() -> None:
    """And it goes on when it can."""

    async def act() -> None:
        log = Log()
        stream = log.stream()
        await until(stream, "beat")
        log.trouble, looks = ConcordError("The broker is away."), log.looks
        following = asyncio.ensure_future(anext(stream))
        while log.looks < looks + 3:  # noqa: ASYNC110  # it counts in another thread
            await asyncio.sleep(0.001)
        while following.done():  # said before it was seen
            following.result()
            following = asyncio.ensure_future(anext(stream))
            await asyncio.sleep(0.02)
        log.trouble, log.version = None, "2"
        assert "event: changed" in await following
        await stream.aclose()

    run(act)


def test_a_stream_ends_with_its_session() -> None:
    """A stream ends with its session."""

    async def act() -> None:
        log, signed_in = Log(), [True]
        stream = log.stream(is_in=lambda: signed_in[0])
        await until(stream, "beat")
        signed_in[0] = False
        await until(stream, "over")
        assert [text async for text in stream] == []
        assert log.live.open == 0

    run(act)


def test_streams_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of one session and in all; who leaves makes room."""
    monkeypatch.setattr(streams, "OWN_MAX", 2)
    monkeypatch.setattr(streams, "STREAMS_MAX", 3)

    async def act() -> None:
        log = Log()
        mine = [log.stream(), log.stream()]
        for one in mine:
            await until(one, "beat")
        assert (log.live.is_full("t"), log.live.is_full("other")) == (True, False)
        other = log.stream(token="other")
        await until(other, "beat")
        assert log.live.is_full("third")
        await mine[0].aclose()
        assert not log.live.is_full("t")
        log.live.close()
        await mine[1].aclose()
        await other.aclose()

    run(act)


def test_one_stream_too_many_is_refused(console: Console, monkeypatch: pytest.MonkeyPatch) -> None:
    """The page comes again later."""
    browser = console.browser(Role.VIEWER)
    seen = browser.get("/live")
    assert seen.response.headers["content-type"].startswith("text/event-stream")
    monkeypatch.setattr(streams, "STREAMS_MAX", 0)
    seen = browser.get("/live")
    assert (seen.status, seen.response.headers["retry-after"]) == (503, "30")


def test_what_is_renewed_uses_up_no_notice(console: Console) -> None:
    """The sentence after an action is for whoever acted, not for a page that renews itself."""
    browser = console.browser(Role.OPERATOR)
    token = dict(browser.get("/held").form("/sign-out"))["token"]
    browser.post("/held/act", [("token", token), ("verb", "drop"), ("hold", "gone")])
    told = "1 of those is done already"
    assert told not in browser.get("/held", headers={"hx-request": "true"}).text
    assert told in browser.get("/held").text


def test_every_page_says_as_of_when_it_is(console: Console) -> None:
    """Also without scripts."""
    assert "As of 2026-03-02 12:00:00 UTC." in console.browser(Role.VIEWER).get("/held").text
