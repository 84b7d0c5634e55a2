"""Change notifications on their way: late, twice, out of order, retried with back-off, dropped for slow endpoints."""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal

from simulators.graph.world import ChangeType, World
from simulators.http import Delivery, Response

if TYPE_CHECKING:
    from simulators.graph.subscriptions import Subscription

LifecycleEvent = Literal["missed", "reauthorizationRequired", "subscriptionRemoved"]
Entry = tuple[float, int, dict[str, Any]]
"""Due time (POSIX seconds), a running number, and one POST: url, items, first and attempt."""


class Notifications:
    """The queue of webhook calls. `find` gives the subscription of an id while it is active."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.find: Callable[[str], Subscription | None] = lambda subscription_id: None
        self._waiting: list[Entry] = []
        self._number = 0
        self._sent: dict[str, dict[str, Any]] = {}
        self._health: dict[str, list[tuple[float, bool]]] = {}
        self._missed: list[str] = []

    # --- in ---------------------------------------------------------------------------------------------------

    def note(self, subscription: Subscription, change: ChangeType, item_id: str, change_key: str) -> None:
        """Queue what a change of an event causes for one subscription."""
        behaviour = self._world.behaviour.notifications
        if change in subscription.change_types:
            self._queue(subscription, change, item_id, change_key)
            if self._world.chance(behaviour.duplicate, "duplicate"):
                self._queue(subscription, change, item_id, change_key)
        is_followed = change == "created" and "updated" in subscription.change_types
        if is_followed and self._world.chance(behaviour.created_then_updated, "created_then_updated"):
            self._queue(subscription, "updated", item_id, change_key)

    def _queue(self, subscription: Subscription, change: ChangeType, item_id: str, change_key: str) -> None:
        behaviour = self._world.behaviour.notifications
        if self._world.chance(behaviour.lost, "lost"):
            self._miss(subscription)
            return
        rng = self._world.rng
        delay_s = rng.uniform(behaviour.delay_s_min, behaviour.delay_s_max)
        if self._world.chance(behaviour.late, "late"):
            delay_s = rng.uniform(behaviour.delay_s_max, behaviour.late_s_max)
        resource = f"Users/{subscription.mailbox}/Events/{item_id}"
        item = {
            **self._envelope(subscription),
            "changeType": change,
            "resource": resource,
            "resourceData": {
                "@odata.type": "#Microsoft.Graph.Event",
                "@odata.id": resource,
                "@odata.etag": f'W/"{change_key}"',
                "id": item_id,
            },
        }
        self._wait(delay_s, subscription.notification_url, [item])

    def tell(self, subscription: Subscription, event: LifecycleEvent) -> None:
        """Queue a lifecycle event; nothing happens when the subscription has no lifecycle URL."""
        if subscription.lifecycle_url is not None:
            item = {**self._envelope(subscription), "lifecycleEvent": event}
            self._wait(0.0, subscription.lifecycle_url, [item])

    def _envelope(self, subscription: Subscription) -> dict[str, Any]:
        return {
            "subscriptionId": subscription.id,
            "subscriptionExpirationDateTime": subscription.expires,
            "clientState": subscription.client_state,
            "tenantId": self._world.tenant.id,
        }

    def _wait(
        self, delay_s: float, url: str, items: list[dict[str, Any]], first: float | None = None, attempt: int = 0
    ) -> None:
        self._number += 1
        due = self._world.now().timestamp() + delay_s
        post = {"url": url, "items": items, "first": due if first is None else first, "attempt": attempt}
        heapq.heappush(self._waiting, (due, self._number, post))

    def _miss(self, subscription: Subscription) -> None:
        """Notifications were lost: say so once, until it is said."""
        if subscription.id not in self._missed:
            self._missed.append(subscription.id)

    # --- out --------------------------------------------------------------------------------------------------

    def due(self) -> list[Delivery]:
        """The POSTs that are due and not handed out yet; fresh notifications to one address share a POST."""
        now = self._world.clock.now().timestamp()
        self._tell_missed()
        fresh: dict[str, list[dict[str, Any]]] = {}
        result: list[Delivery] = []
        while self._waiting and self._waiting[0][0] <= now:
            _, _, post = heapq.heappop(self._waiting)
            items = [item for item in post["items"] if self._is_wanted(item)]
            if not items:
                continue
            if post["attempt"]:
                result.append(self._hand_out(post["url"], items, post["first"], post["attempt"]))
            elif self._is_held_back(post, items):
                continue
            else:
                fresh.setdefault(post["url"], []).extend(items)
        size = self._world.behaviour.notifications.items_per_post_max
        for url, items in fresh.items():
            starts = range(0, len(items), size)
            result.extend(self._hand_out(url, items[start : start + size], now, 0) for start in starts)
        return result

    def _is_wanted(self, item: dict[str, Any]) -> bool:
        return item.get("lifecycleEvent") == "subscriptionRemoved" or self.find(item["subscriptionId"]) is not None

    def _is_held_back(self, post: dict[str, Any], items: list[dict[str, Any]]) -> bool:
        """Whether a slow endpoint's notifications are delayed once more, or dropped."""
        if "lifecycleEvent" in items[0] or post.get("delayed"):
            return False
        behaviour = self._world.behaviour.notifications
        share = self.slow_share(post["url"])
        if share > behaviour.drop_share:
            self._drop(items)
            return True
        if share > behaviour.slow_share:
            self._number += 1
            due = self._world.clock.now().timestamp() + behaviour.slow_delay_s
            heapq.heappush(self._waiting, (due, self._number, {**post, "items": items, "delayed": True}))
            return True
        return False

    def _drop(self, items: list[dict[str, Any]]) -> None:
        for item in items:
            subscription = self.find(item["subscriptionId"])
            if subscription is not None and "lifecycleEvent" not in item:
                self._miss(subscription)

    def _tell_missed(self) -> None:
        missed, self._missed = self._missed, []
        for subscription_id in missed:
            subscription = self.find(subscription_id)
            if subscription is None:
                continue
            if self.slow_share(subscription.notification_url) > self._world.behaviour.notifications.drop_share:
                # Still dropping: one word at the end of it, not one for each loss.
                self._missed.append(subscription_id)
            else:
                self.tell(subscription, "missed")

    def _hand_out(self, url: str, items: list[dict[str, Any]], first: float, attempt: int) -> Delivery:
        delivery_id = self._world.mint_guid()
        now = self._world.clock.now().timestamp()
        self._sent[delivery_id] = {"url": url, "items": items, "first": first, "attempt": attempt, "at": now}
        body = json.dumps({"value": items}, ensure_ascii=False, separators=(",", ":")).encode()
        headers = {"content-type": "application/json; charset=utf-8", "user-agent": "MicrosoftGraph"}
        timeout_s = self._world.behaviour.notifications.ack_timeout_s
        return Delivery(delivery_id, url, headers=headers, body=body, timeout_s=timeout_s)

    def delivered(self, delivery_id: str, response: Response | None) -> None:
        """Note the answer to a POST; anything but a 2xx is tried again, for hours, with growing pauses."""
        post = self._sent.pop(delivery_id, None)
        if post is None:
            return
        behaviour = self._world.behaviour.notifications
        now = self._world.clock.now().timestamp()
        recent = [entry for entry in self._health.get(post["url"], []) if entry[0] > now - behaviour.health_window_s]
        self._health[post["url"]] = [*recent, (now, now - post["at"] > behaviour.slow_answer_s)]
        if response is not None and 200 <= response.status < 300:
            return
        pause_s = behaviour.retry_first_s * 2 ** post["attempt"]
        if now + pause_s - post["first"] > behaviour.retry_for_s:
            self._drop(post["items"])
        else:
            self._wait(pause_s, post["url"], post["items"], post["first"], post["attempt"] + 1)

    def slow_share(self, url: str) -> float:
        """The share of slow answers of an endpoint in the window; 0 while there are too few to tell."""
        behaviour = self._world.behaviour.notifications
        since = self._world.clock.now().timestamp() - behaviour.health_window_s
        recent = [slow for at, slow in self._health.get(url, []) if at > since]
        return sum(recent) / len(recent) if len(recent) >= behaviour.health_answers_min else 0.0

    # --- saving -----------------------------------------------------------------------------------------------

    def clear(self) -> None:
        """Forget everything that waits."""
        self.from_json({"waiting": [], "number": 0, "health": {}, "missed": []})

    def to_json(self) -> dict[str, Any]:
        """The queue as JSON values. What is under way counts as waiting: its answer will not come after a restart."""
        again = [
            [post["at"], -n, {name: post[name] for name in ("url", "items", "first", "attempt")}]
            for n, post in enumerate(self._sent.values(), 1)
        ]
        return {
            "waiting": [*again, *(list(entry) for entry in self._waiting)],
            "number": self._number,
            "health": {url: [list(entry) for entry in entries] for url, entries in self._health.items()},
            "missed": list(self._missed),
        }

    def from_json(self, value: dict[str, Any]) -> None:
        """The inverse of `to_json`."""
        self._waiting = [(due, number, post) for due, number, post in value["waiting"]]
        heapq.heapify(self._waiting)
        self._number = value["number"]
        self._sent = {}
        self._health = {url: [(at, slow) for at, slow in entries] for url, entries in value["health"].items()}
        self._missed = list(value["missed"])
