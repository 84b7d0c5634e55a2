"""Keeping subscriptions alive, and reading what is posted to us."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.graph_driver import Script, refusal, reply

from connectors.exchange import Reply, run
from connectors.graph.subscriptions import (
    Endpoint,
    Notified,
    after_lifecycle,
    client_state,
    drop_subscription,
    is_due,
    keep_subscription,
    read_notifications,
)
from schemas.cursors import GraphCursor
from schemas.errors import Refused, Throttled, Unavailable

NOW = datetime(2026, 3, 1, tzinfo=UTC)
MAILBOX = "7d1f5b0e-2c44-4e0b-9a51-0c9c3b1f7a10"
ENDPOINT = Endpoint("https://hook.example/graph/notifications", "https://hook.example/graph/lifecycle", "secret", 4000)
GRANTED = {"id": "sub-1", "expirationDateTime": "2026-03-03T18:40:00.0000000Z"}
KNOWN = GraphCursor(MAILBOX, subscription_id="sub-1", subscription_expires=NOW + timedelta(minutes=3000))


def posted(*items: Any) -> bytes:
    """A post with these items."""
    return json.dumps({"value": list(items)}).encode()


def item(mailbox: str = MAILBOX, secret: str = "secret", **members: Any) -> dict[str, Any]:
    """One item of a post, proven by this secret."""
    return {"subscriptionId": "sub-1", "clientState": client_state(mailbox, secret), **members}


def test_a_first_subscription_names_mailbox_urls_and_proof() -> None:
    """Everything Graph needs is in one POST; what it grants is what counts."""
    script = Script([reply(201, GRANTED)])
    cursor = run(keep_subscription(GraphCursor(MAILBOX), ENDPOINT, now=NOW), script)
    body = script.calls[0].body
    assert body == {
        "changeType": "created,updated,deleted",
        "notificationUrl": ENDPOINT.notification_url,
        "lifecycleNotificationUrl": ENDPOINT.lifecycle_url,
        "resource": f"users/{MAILBOX}/events",
        "expirationDateTime": "2026-03-03T18:40:00Z",
        "clientState": client_state(MAILBOX, "secret"),
    }
    assert len(body["clientState"]) <= 128
    assert (cursor.subscription_id, cursor.subscription_expires) == ("sub-1", datetime(2026, 3, 3, 18, 40, tzinfo=UTC))


@pytest.mark.parametrize(
    ("left_minutes", "due"), [(3000, False), (2001, False), (2000, True), (1, True), (-5, True), (None, True)]
)
def test_a_subscription_is_renewed_at_half_its_life(left_minutes: int | None, due: bool) -> None:
    """Early enough to fail for a day and still be in time; one without a known end is due."""
    expires = None if left_minutes is None else NOW + timedelta(minutes=left_minutes)
    assert is_due(replace(KNOWN, subscription_expires=expires), ENDPOINT, NOW) is due
    assert is_due(GraphCursor(MAILBOX), ENDPOINT, NOW)


def test_one_that_is_not_due_costs_nothing() -> None:
    """No request, the same cursor."""
    assert run(keep_subscription(KNOWN, ENDPOINT, now=NOW), Script([])) == KNOWN


def test_renewal_moves_the_end() -> None:
    """PATCH of the end; the granted end is kept."""
    due = replace(KNOWN, subscription_expires=NOW)
    script = Script([reply(200, {"id": "sub-1", "expirationDateTime": "2026-03-02T00:00:00Z"})])
    cursor = run(keep_subscription(due, ENDPOINT, now=NOW), script)
    assert script.methods() == ["PATCH"]
    assert cursor.subscription_expires == datetime(2026, 3, 2, tzinfo=UTC)


def test_one_that_is_gone_is_made_anew() -> None:
    """404 on renewal: it expired or was removed."""
    due = replace(KNOWN, subscription_expires=NOW)
    script = Script([refusal(404, "ResourceNotFound"), reply(201, GRANTED | {"id": "sub-2"})])
    assert run(keep_subscription(due, ENDPOINT, now=NOW), script).subscription_id == "sub-2"
    assert script.methods() == ["PATCH", "POST"]


def test_one_that_a_crash_forgot_is_no_error() -> None:
    """409: an identical one lives and posts to us all the same."""
    cursor = run(keep_subscription(GraphCursor(MAILBOX), ENDPOINT, now=NOW), Script([refusal(409, "Duplicate")]))
    assert cursor == GraphCursor(MAILBOX)


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (refusal(400, "ValidationError"), Refused),
        (refusal(429, "TooManyRequests"), Throttled),
        (refusal(500, "x"), Unavailable),
        (reply(201, {}), Unavailable),
        (reply(201, {"id": "s", "expirationDateTime": "soon"}), Unavailable),
        (reply(201, []), Unavailable),
    ],
)
def test_a_refused_subscription_is_raised(answer: Reply, kind: type[Exception]) -> None:
    """The caller decides; reading by timer goes on."""
    with pytest.raises(kind):
        run(keep_subscription(GraphCursor(MAILBOX), ENDPOINT, now=NOW), Script([answer]))


@pytest.mark.parametrize("answer", [Reply(204), refusal(404, "ResourceNotFound")])
def test_dropping_twice_is_dropping_once(answer: Reply) -> None:
    """One that is gone already is as good as dropped."""
    assert run(drop_subscription(KNOWN), Script([answer])) == GraphCursor(MAILBOX)
    assert run(drop_subscription(GraphCursor(MAILBOX)), Script([])) == GraphCursor(MAILBOX)


def test_lifecycle_events_lead_to_their_action() -> None:
    """Removed: make a new one. Reauthorize: renew. Missed, or anything else: only read."""
    removed = after_lifecycle(KNOWN, "subscriptionRemoved")
    assert removed.subscription_id == ""
    renewed = after_lifecycle(KNOWN, "reauthorizationRequired")
    assert renewed.subscription_id == "sub-1"
    assert is_due(renewed, ENDPOINT, NOW)
    for reason in ("missed", "notification", "timer"):
        assert after_lifecycle(KNOWN, reason) == KNOWN


def test_a_post_names_each_mailbox_once() -> None:
    """Several items about one mailbox are one wake-up; another mailbox or reason is another."""
    body = posted(
        item(changeType="created"), item(changeType="updated"), item("other"), item(lifecycleEvent="missed"),
        item(lifecycleEvent="SubscriptionRemoved"), item(lifecycleEvent="reauthorizationRequired"),
        item(lifecycleEvent="new"),
    )  # fmt: skip
    assert read_notifications(body, "secret") == Notified((
        (MAILBOX, "notification"), ("other", "notification"), (MAILBOX, "missed"), (MAILBOX, "subscriptionRemoved"),
        (MAILBOX, "reauthorizationRequired"),
    ))  # fmt: skip


def named(event_id: object, version: object, change: str = "updated", mailbox: str = MAILBOX) -> dict[str, Any]:
    """An item that names an event and its version."""
    return item(mailbox, changeType=change, resourceData={"id": event_id, "@odata.etag": version})


def test_a_post_names_the_versions_it_is_about() -> None:
    """As long as each item of a mailbox names one: else nobody knows what else is meant."""
    posts = posted(named("a", "1"), named("b", "2"), named("a", "1"), item(lifecycleEvent="missed"))
    assert read_notifications(posts, "secret").versions == {MAILBOX: ("1 a", "2 b")}
    for other in (item(), named("c", "3", "deleted"), named("c", ""), named(7, "3"), named("c", None)):
        posts = posted(named("a", "1"), other, named("x", "9", mailbox="other"))
        assert read_notifications(posts, "secret").versions == {"other": ("9 x",)}


@pytest.mark.parametrize(
    "state", [None, "", "secret", MAILBOX, f"{MAILBOX}.", f"{MAILBOX}.{'0' * 40}", client_state(MAILBOX, "wrong"), 7,
              client_state("other", "secret").replace("other", MAILBOX), "\ud800.x"]
)  # fmt: skip
def test_an_item_that_proves_nothing_is_rejected(state: Any) -> None:
    """Whoever posts without our proof for exactly this mailbox wakes up nobody."""
    assert read_notifications(posted(item() | {"clientState": state}), "secret") == Notified((), 1)


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"[]", b'{"value": {}}', b"\xff", b"[" * 100_000, b'{"value": [1, null]}']
)
def test_a_post_that_is_none_is_rejected(body: bytes) -> None:
    """Garbage is counted, never an error."""
    found = read_notifications(body, "secret")
    assert found.wakeups == ()
    assert found.rejected > 0


@given(st.text(min_size=1, max_size=40), st.text(max_size=20))
def test_proof_holds_for_its_mailbox_and_secret_only(mailbox: str, secret: str) -> None:
    """What we made we accept; under another secret we do not."""
    body = posted(item(mailbox, secret))
    assert read_notifications(body, secret).wakeups == ((mailbox, "notification"),)
    assert read_notifications(body, secret + "x").rejected == 1


def test_the_secret_is_not_shown() -> None:
    """An endpoint in a log line does not give the secret away."""
    assert "secret=***" in repr(ENDPOINT)
    assert "'secret'" not in repr(ENDPOINT)
