"""Change notifications: keeping a mailbox's subscription alive, and reading what Graph posts to us. Pure.

A notification says only "look at this mailbox". Its `clientState` is the mailbox id and a keyed digest of it, so that
a post proves that it comes from a subscription of ours and names its mailbox, lifecycle events included.
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from connectors.exchange import Exchange
from connectors.graph import wire
from connectors.graph.echoes import naming
from schemas.cursors import GraphCursor
from schemas.errors import Gone, Refused, Unavailable

# Minutes. Every version of the documentation allows this much; the live service takes up to 10,070.
LIFETIME_MINUTES: Final = 4230

NOTIFIED: Final = "notification"
MISSED: Final = "missed"
REMOVED: Final = "subscriptionRemoved"
REAUTHORIZE: Final = "reauthorizationRequired"
_LIFECYCLE: Final = {name.lower(): name for name in (MISSED, REMOVED, REAUTHORIZE)}

_DIGEST_LENGTH: Final = 40  # hexadecimal digits; with a GUID before them well below Graph's 128 characters


@dataclass(frozen=True)
class Endpoint:
    """Where Graph shall post, and the secret that its posts must prove. `lifecycle_url` "" = no lifecycle events."""

    notification_url: str
    lifecycle_url: str
    secret: str
    lifetime_minutes: int = LIFETIME_MINUTES

    def __repr__(self) -> str:
        return f"Endpoint({self.notification_url!r}, {self.lifecycle_url!r}, secret=***)"


@dataclass(frozen=True)
class Notified:
    """What one post says: (mailbox, reason) once each, in order. `rejected` items were not ours or not readable.

    `versions` are those that a mailbox's notifications name; a mailbox of which one names none is not there.
    """

    wakeups: tuple[tuple[str, str], ...] = ()
    rejected: int = 0
    versions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


def client_state(mailbox: str, secret: str) -> str:
    """The text that Graph must show with each post about this mailbox."""
    digest = hmac.new(secret.encode(), mailbox.encode("utf-8", "replace"), hashlib.sha256).hexdigest()
    return f"{mailbox}.{digest[:_DIGEST_LENGTH]}"


def is_due(cursor: GraphCursor, endpoint: Endpoint, now: datetime) -> bool:
    """Whether the subscription must be made or renewed: at half its life, or when there is none."""
    if not cursor.subscription_id or cursor.subscription_expires is None:
        return True
    return cursor.subscription_expires - now <= timedelta(minutes=endpoint.lifetime_minutes) / 2


def keep_subscription(cursor: GraphCursor, endpoint: Endpoint, *, now: datetime) -> Exchange[GraphCursor]:
    """Make, renew or remake the mailbox's subscription if it is due, and return the cursor that names it.

    Raises Throttled, Unavailable, AuthRejected, or Refused when Graph does not accept the URLs; reading by timer goes
    on without a subscription.
    """
    if not is_due(cursor, endpoint, now):
        return cursor
    if cursor.subscription_id:
        expires = now + timedelta(minutes=endpoint.lifetime_minutes)
        reply = yield wire.renew_subscription(cursor.subscription_id, expires, cursor.mailbox)
        try:
            return _subscribed(cursor, wire.read(reply))
        except (Gone, Refused) as error:
            if error.status != 404:
                raise
    reply = yield wire.create_subscription(_body(cursor.mailbox, endpoint, now), cursor.mailbox)
    if reply.status == 409:  # an identical one that a crash kept us from noting down; its posts reach us all the same
        return replace(cursor, subscription_id="", subscription_expires=None)
    return _subscribed(cursor, wire.read(reply))


def drop_subscription(cursor: GraphCursor) -> Exchange[GraphCursor]:
    """End the mailbox's subscription, if it has one, and return the cursor without it."""
    if cursor.subscription_id:
        reply = yield wire.delete_subscription(cursor.subscription_id, cursor.mailbox)
        try:
            wire.read(reply)
        except (Gone, Refused) as error:
            if error.status != 404:
                raise
    return replace(cursor, subscription_id="", subscription_expires=None)


def after_lifecycle(cursor: GraphCursor, event: str) -> GraphCursor:
    """The cursor as a lifecycle event leaves it, so that `keep_subscription` makes a new one, or renews it.

    Any other reason, `missed` among them, only asks for a read of the mailbox.
    """
    if event == REMOVED:
        return replace(cursor, subscription_id="", subscription_expires=None)
    if event == REAUTHORIZE and cursor.subscription_id:
        return replace(cursor, subscription_expires=None)
    return cursor


def read_notifications(body: bytes, secret: str) -> Notified:
    """Which mailboxes a post is about. Items whose clientState is not ours are counted and otherwise ignored."""
    try:
        posted = json.loads(body)
    except (ValueError, RecursionError):
        return Notified(rejected=1)
    items = posted.get("value") if isinstance(posted, dict) else None
    if not isinstance(items, list):
        return Notified(rejected=1)
    wakeups: dict[tuple[str, str], None] = {}
    named: dict[str, list[str]] = {}
    rejected = 0
    for item in items:
        mailbox = _proven_mailbox(item, secret) if isinstance(item, dict) else ""
        if mailbox:
            wakeups[mailbox, _reason(item)] = None
            if _reason(item) == NOTIFIED:
                named.setdefault(mailbox, []).append(_version(item))
        else:
            rejected += 1
    versions = {mailbox: tuple(dict.fromkeys(found)) for mailbox, found in named.items() if all(found)}
    return Notified(tuple(wakeups), rejected, versions)


def _version(item: Mapping[str, Any]) -> str:
    """The version of the event that a notification names, "" when it names none for certain."""
    data = item.get("resourceData")
    if not isinstance(data, dict) or str(item.get("changeType")).lower() == "deleted":
        return ""
    event_id, version = data.get("id"), data.get("@odata.etag")
    is_named = isinstance(event_id, str) and isinstance(version, str) and event_id and version
    return naming(str(event_id), str(version)) if is_named else ""


def _proven_mailbox(item: Mapping[str, Any], secret: str) -> str:
    state = item.get("clientState")
    if not isinstance(state, str) or "." not in state:
        return ""
    mailbox = state.rpartition(".")[0]
    expected = client_state(mailbox, secret).encode("utf-8", "replace")
    return mailbox if hmac.compare_digest(state.encode("utf-8", "replace"), expected) else ""


def _reason(item: Mapping[str, Any]) -> str:
    event = item.get("lifecycleEvent")
    return _LIFECYCLE.get(event.lower(), MISSED) if isinstance(event, str) and event else NOTIFIED


def _body(mailbox: str, endpoint: Endpoint, now: datetime) -> dict[str, Any]:
    expires = now + timedelta(minutes=endpoint.lifetime_minutes)
    body = {
        "changeType": "created,updated,deleted",
        "notificationUrl": endpoint.notification_url,
        "resource": f"users/{mailbox}/events",
        "expirationDateTime": expires.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="seconds") + "Z",
        "clientState": client_state(mailbox, endpoint.secret),
    }
    return body | ({"lifecycleNotificationUrl": endpoint.lifecycle_url} if endpoint.lifecycle_url else {})


def _subscribed(cursor: GraphCursor, answer: Any) -> GraphCursor:
    """The cursor with what Graph granted: its end is authoritative, whatever was asked for."""
    subscription_id = answer.get("id") if isinstance(answer, dict) else None
    expires = answer.get("expirationDateTime") if isinstance(answer, dict) else None
    try:
        until = datetime.fromisoformat(str(expires)).astimezone(UTC)
    except (ValueError, OverflowError):
        until = None
    if not isinstance(subscription_id, str) or until is None:
        raise Unavailable("Microsoft Graph answered a subscription without its id or end.")
    return replace(cursor, subscription_id=subscription_id, subscription_expires=until)
