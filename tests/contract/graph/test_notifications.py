"""Subscriptions of the Graph simulator and the webhook that it posts to, in one thread."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import httpx
from starlette.applications import Starlette
from support.graph_driver import send_to
from support.graph_firm import APP, BASE, CLIENT, FIRM, START, TOKEN, TOM, meeting

from connectors.exchange import run
from connectors.graph.subscriptions import Endpoint, after_lifecycle, drop_subscription, keep_subscription
from connectors.graph.webhook import LIFECYCLE_PATH, NOTIFICATION_PATH, webhook_app
from schemas.changes import Wakeup
from schemas.cursors import GraphCursor
from simulators.clock import SimulatorClock
from simulators.graph.behaviour import Behaviour
from simulators.graph.service import GraphSimulator
from simulators.http import Delivery, Response

HOOK = "https://hook.example"
ENDPOINT = Endpoint(f"{HOOK}{NOTIFICATION_PATH}", f"{HOOK}{LIFECYCLE_PATH}", "the secret")


class Scene:
    """A simulator whose posts reach a webhook application, and the mailbox's cursor."""

    def __init__(self) -> None:
        self.wakeups: list[Wakeup] = []
        self.loop = asyncio.new_event_loop()
        self.app: Starlette = webhook_app(self._wake, ENDPOINT.secret, now=lambda: self.sim.clock.now())
        self.sim = GraphSimulator(
            FIRM, SimulatorClock(START), random.Random(1), {TOKEN: APP.client_id}, Behaviour().calm(), self.deliver
        )
        self.wire = send_to(self.sim, token=TOKEN, base_url=f"{BASE}/v1.0")
        self.cursor = GraphCursor(TOM.id)

    async def _wake(self, wakeup: Wakeup) -> None:
        self.wakeups.append(wakeup)

    def deliver(self, delivery: Delivery) -> Response | None:
        """Post to the application and let it pass on what it took."""
        return self.loop.run_until_complete(self._post(delivery))

    async def _post(self, delivery: Delivery) -> Response:
        async with (
            self.app.router.lifespan_context(self.app),
            httpx.AsyncClient(transport=httpx.ASGITransport(self.app), base_url=HOOK) as client,
        ):
            answer = await client.request(
                delivery.method, delivery.url, headers=dict(delivery.headers), content=delivery.body
            )
            for _ in range(20):
                await asyncio.sleep(0)
        return Response(answer.status_code, dict(answer.headers), answer.content)

    def pump(self, seconds: float) -> None:
        """Let time pass and deliver what is due."""
        for _ in range(int(seconds)):
            self.sim.clock.advance(1)
            for delivery in self.sim.due_deliveries():
                self.sim.delivered(delivery.delivery_id, self.deliver(delivery))

    def keep(self) -> None:
        """What the source does at each look."""
        self.cursor = run(keep_subscription(self.cursor, ENDPOINT, now=self.sim.clock.now()), self.wire)

    def reasons(self) -> list[str]:
        """Reasons of the wake-ups so far, each for Tom's mailbox."""
        assert {w.key for w in self.wakeups} <= {TOM.id}
        return [w.reason for w in self.wakeups]


def staged(act: Callable[[Scene], None]) -> None:
    """Run a scene and close its loop."""
    scene = Scene()
    try:
        act(scene)
    finally:
        scene.loop.close()


def test_a_change_wakes_its_mailbox() -> None:
    """The handshake succeeds, a change is posted, and the mailbox is named with proof."""

    def act(scene: Scene) -> None:
        scene.keep()
        assert scene.cursor.subscription_id
        scene.sim.add_event(TOM.id, meeting(CLIENT), mails=True)
        scene.pump(10)
        assert "notification" in scene.reasons()
        assert scene.app.state.inbox.counts["rejected"] == 0

    staged(act)


def test_a_subscription_is_kept_alive_and_remade_when_it_is_gone() -> None:
    """At half life it is renewed under the same id; once it is gone, another takes its place."""

    def act(scene: Scene) -> None:
        scene.keep()
        first = scene.cursor
        scene.keep()
        assert scene.cursor == first
        scene.sim.clock.advance(4230 * 60 / 2 + 1)
        scene.keep()
        assert scene.cursor.subscription_id == first.subscription_id
        assert scene.cursor.subscription_expires is not None
        assert scene.cursor.subscription_expires > scene.sim.clock.now() + timedelta(minutes=4200)
        scene.sim.clock.advance(4230 * 60 + 1)
        scene.keep()
        assert scene.cursor.subscription_id not in {"", first.subscription_id}

    staged(act)


def test_a_subscription_that_a_crash_forgot_is_found_again_at_its_end() -> None:
    """Made, but never noted down: the identical one is refused with 409, its posts reach us, and once it has ended
    another takes its place."""

    def act(scene: Scene) -> None:
        calm = Behaviour().calm()
        scene.sim.set_behaviour(replace(calm, notifications=replace(calm.notifications, identical_refused=True)))
        scene.keep()
        scene.cursor = GraphCursor(TOM.id)
        scene.keep()
        assert scene.cursor == GraphCursor(TOM.id)
        assert len(scene.sim.subscriptions) == 1
        scene.sim.add_event(TOM.id, meeting(CLIENT), mails=True)
        scene.pump(10)
        assert "notification" in scene.reasons()
        scene.sim.clock.advance(4230 * 60 + 1)
        scene.keep()
        assert scene.cursor.subscription_id

    staged(act)


def test_reauthorization_is_asked_for_in_time_and_renews() -> None:
    """Near its end Graph asks; the event names its mailbox and leads to a renewal."""

    def act(scene: Scene) -> None:
        scene.keep()
        scene.sim.clock.advance(4230 * 60 - 1200)
        scene.pump(30)
        assert "reauthorizationRequired" in scene.reasons()
        scene.cursor = after_lifecycle(scene.cursor, "reauthorizationRequired")
        before = scene.cursor.subscription_id
        scene.keep()
        assert scene.cursor.subscription_id == before
        assert scene.cursor.subscription_expires is not None

    staged(act)


def test_a_dropped_subscription_posts_no_more() -> None:
    """A user who is disabled is not watched any longer."""

    def act(scene: Scene) -> None:
        scene.keep()
        scene.cursor = run(drop_subscription(scene.cursor), scene.wire)
        scene.sim.add_event(TOM.id, meeting(CLIENT), mails=True)
        scene.pump(10)
        assert scene.wakeups == []

    staged(act)
