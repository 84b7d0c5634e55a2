"""The endpoint that Graph posts to."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette

from connectors.graph.subscriptions import client_state
from connectors.graph.webhook import LIFECYCLE_PATH, NOTIFICATION_PATH, webhook_app
from schemas.changes import Wakeup

NOW = datetime(2026, 3, 1, tzinfo=UTC)
PATHS = pytest.mark.parametrize("path", [NOTIFICATION_PATH, LIFECYCLE_PATH])


def post_of(*mailboxes: str, secret: str = "s", **members: Any) -> bytes:
    """A post about these mailboxes."""
    items = [{"clientState": client_state(mailbox, secret), **members} for mailbox in mailboxes]
    return json.dumps({"value": items}).encode()


class Sink:
    """Collects wake-ups; can hold them up or fail."""

    def __init__(self) -> None:
        self.got: list[Wakeup] = []
        self.open = asyncio.Event()
        self.open.set()
        self.failures = 0

    async def __call__(self, wakeup: Wakeup) -> None:
        """Take one wake-up."""
        await self.open.wait()
        if self.failures:
            self.failures -= 1
            raise RuntimeError("secret text")
        self.got.append(wakeup)


def serve(scene: Callable[[httpx.AsyncClient, Sink, Starlette], Awaitable[None]], **options: Any) -> None:
    """Run a scene against the application, its lifespan included."""

    async def go() -> None:
        sink = Sink()
        app = webhook_app(sink, "s", now=lambda: NOW, **options)
        async with app.router.lifespan_context(app):
            transport = httpx.ASGITransport(app)
            async with httpx.AsyncClient(transport=transport, base_url="https://hook.test") as client:
                await scene(client, sink, app)

    asyncio.run(go())


async def settle() -> None:
    """Let the application pass on what it has."""
    for _ in range(20):
        await asyncio.sleep(0)


@PATHS
def test_the_handshake_returns_the_decoded_token(path: str) -> None:
    """200, text/plain, the token as it was meant, whatever it looks like."""

    async def scene(client: httpx.AsyncClient, sink: Sink, app: Starlette) -> None:
        token = "Validation: Testing <b>\u00fc</b> + 100%"
        answer = await client.post(path, params={"validationToken": token}, headers={"content-type": "text/plain"})
        assert (answer.status_code, answer.text) == (200, token)
        assert answer.headers["content-type"].startswith("text/plain")
        assert (await client.post(path, params={"validationToken": "x" * 4001})).status_code == 400
        await settle()
        assert sink.got == []

    serve(scene)


@PATHS
def test_a_post_wakes_each_mailbox_once(path: str) -> None:
    """202 at once; duplicates that still wait are one wake-up."""

    async def scene(client: httpx.AsyncClient, sink: Sink, app: Starlette) -> None:
        answer = await client.post(path, content=post_of("m1", "m2", "m1"))
        assert answer.status_code == 202
        await settle()
        assert sink.got == [Wakeup("m1", "notification", NOW), Wakeup("m2", "notification", NOW)]

    serve(scene)


def test_lifecycle_events_wake_with_their_reason() -> None:
    """What has to be done with the subscription travels as the reason."""

    async def scene(client: httpx.AsyncClient, sink: Sink, app: Starlette) -> None:
        await client.post(LIFECYCLE_PATH, content=post_of("m1", lifecycleEvent="subscriptionRemoved"))
        await settle()
        assert [w.reason for w in sink.got] == ["subscriptionRemoved"]

    serve(scene)


def test_a_post_without_proof_is_answered_and_ignored() -> None:
    """202, so that nobody learns anything and Graph does not retry; it is counted."""

    async def scene(client: httpx.AsyncClient, sink: Sink, app: Starlette) -> None:
        for body in (post_of("m1", secret="wrong"), b"", b"{", b'{"value": [{}]}'):
            assert (await client.post(NOTIFICATION_PATH, content=body)).status_code == 202
        await settle()
        assert sink.got == []
        assert app.state.inbox.counts["rejected"] == 4

    serve(scene)


def test_a_body_that_is_too_large_is_cut_off() -> None:
    """Also when its length is not announced."""

    async def chunks() -> Any:
        for _ in range(10):
            yield b"x" * 100

    async def scene(client: httpx.AsyncClient, sink: Sink, app: Starlette) -> None:
        assert (await client.post(NOTIFICATION_PATH, content=b"x" * 501)).status_code == 413
        assert (await client.post(NOTIFICATION_PATH, content=chunks())).status_code == 413
        assert (await client.post(NOTIFICATION_PATH, content=post_of("m1"))).status_code == 202
        assert app.state.inbox.counts["too_large"] == 2

    serve(scene, max_body=500)


def test_the_answer_does_not_wait_for_the_work() -> None:
    """While what lies behind stands still, posts are answered; when the queue is full, 503 makes Graph come again."""

    async def scene(client: httpx.AsyncClient, sink: Sink, app: Starlette) -> None:
        sink.open.clear()
        await client.post(NOTIFICATION_PATH, content=post_of("held"))
        await settle()
        assert (await client.post(NOTIFICATION_PATH, content=post_of("m1", "m2"))).status_code == 202
        assert (await client.post(NOTIFICATION_PATH, content=post_of("m1", "m2"))).status_code == 202
        assert (await client.post(NOTIFICATION_PATH, content=post_of("m3"))).status_code == 503
        sink.open.set()
        await settle()
        assert [w.key for w in sink.got] == ["held", "m1", "m2"]
        assert (await client.post(NOTIFICATION_PATH, content=post_of("m3"))).status_code == 202

    serve(scene, queue_size=2)


def test_posts_that_wait_together_name_all_versions_or_none() -> None:
    """One that does not say what it is about makes the whole wake-up silent."""

    def about(event_id: str) -> dict[str, Any]:
        return {"resourceData": {"id": event_id, "@odata.etag": "1"}}

    async def scene(client: httpx.AsyncClient, sink: Sink, app: Starlette) -> None:
        sink.open.clear()
        await client.post(NOTIFICATION_PATH, content=post_of("held"))
        await settle()
        for event_id in ("a", "b", "a"):
            await client.post(NOTIFICATION_PATH, content=post_of("m1", **about(event_id)))
        await client.post(NOTIFICATION_PATH, content=post_of("m2", **about("a")))
        await client.post(NOTIFICATION_PATH, content=post_of("m2"))
        sink.open.set()
        await settle()
        assert [(w.key, w.versions) for w in sink.got] == [("held", ()), ("m1", ("1 a", "1 b")), ("m2", ())]

    serve(scene)


def test_a_wakeup_that_fails_does_not_stop_the_others(caplog: pytest.LogCaptureFixture) -> None:
    """The endpoint lives on; the failure is counted and named, its text is not logged."""

    async def scene(client: httpx.AsyncClient, sink: Sink, app: Starlette) -> None:
        sink.failures = 1
        await client.post(NOTIFICATION_PATH, content=post_of("m1", "m2"))
        await settle()
        assert [w.key for w in sink.got] == ["m2"]
        assert app.state.inbox.counts["failed"] == 1

    serve(scene)
    assert "RuntimeError" in caplog.text
    assert "secret text" not in caplog.text


def test_only_posts_are_taken() -> None:
    """Nothing is served to whoever looks."""

    async def scene(client: httpx.AsyncClient, sink: Sink, app: Starlette) -> None:
        assert (await client.get(NOTIFICATION_PATH)).status_code == 405
        assert (await client.post("/other")).status_code == 404

    serve(scene)
