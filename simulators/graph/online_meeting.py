"""Online meetings: offered by the calendar or silently ignored, joined through a block in the body, never unset."""

from __future__ import annotations

import base64
from typing import Any, Final

from simulators.graph.body import has_join_block, preview, with_join_block
from simulators.graph.store import MailboxStore, StoredEvent
from simulators.graph.world import World

TEAMS: Final = "teamsForBusiness"
_OFF: Final = {"isOnlineMeeting": False, "onlineMeetingProvider": "unknown", "onlineMeeting": None}


def offered(world: World, mailbox: str) -> bool:
    """Whether the mailbox's calendar offers Teams meetings."""
    user = world.user(mailbox)
    return user is not None and user.online_meetings


def settle_online(world: World, mailbox: str, given: dict[str, Any], old: dict[str, Any] | None) -> dict[str, Any]:
    """What a write makes of the online-meeting members: changes to apply after the other members.

    `given` are the members the request names (with canonical body), `old` the item's members before, None on create.
    """
    was_on = old is not None and old["isOnlineMeeting"]
    if old is not None and was_on:
        meeting = old["onlineMeeting"]
        is_lost = (
            meeting is not None and "body" in given and not has_join_block(given["body"]["content"], meeting["joinUrl"])
        )
        return dict(_OFF) if is_lost else {name: old[name] for name in _OFF}
    wanted = given.get("isOnlineMeeting", False) and given.get("onlineMeetingProvider", TEAMS) in (TEAMS, "unknown")
    if not wanted or not offered(world, mailbox):
        return dict(_OFF)
    return {"isOnlineMeeting": True, "onlineMeetingProvider": TEAMS, "onlineMeeting": None}


def start_meeting(world: World, store: MailboxStore, event: StoredEvent) -> None:
    """Give a fresh online meeting its join URL, at once or after the service's delay."""
    if not event.props["isOnlineMeeting"] or event.props["onlineMeeting"] is not None:
        return
    delay_s = world.behaviour.join_url_s
    if delay_s > 0:
        world.plan(delay_s, "join_url", {"mailbox": store.id, "key": event.key})
    else:
        event.change(join_members(world, store.id, event.props["body"]["content"]))


def join_members(world: World, mailbox: str, content: str) -> dict[str, Any]:
    """The members that change when a meeting gets its join URL: onlineMeeting, and the body with its block."""
    thread = base64.urlsafe_b64encode(world.rng.getrandbits(144).to_bytes(18, "big")).decode()
    context = f"%7b%22Tid%22%3a%22{world.tenant.id}%22%2c%22Oid%22%3a%22{mailbox}%22%7d"
    url = f"https://teams.microsoft.com/l/meetup-join/19%3ameeting_{thread}%40thread.v2/0?context={context}"
    conference = str(world.rng.randrange(100_000_000, 999_999_999))
    document = with_join_block(content, url, conference)
    return {
        "onlineMeeting": {"joinUrl": url, "conferenceId": conference, "tollNumber": "+61 2 5550 0100"},
        "body": {"contentType": "html", "content": document},
        "bodyPreview": preview(document),
    }
