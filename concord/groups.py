"""Consumer groups at rest: what must be stopped before a table or a position is changed under it."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TypeVar

from kafka import TopicPartition
from kafka.errors import GroupIdNotFoundError, NoError, RetriableError
from kafka.structs import OffsetAndMetadata

from concord.guard.app import SESSION_TIMEOUT_S
from schemas.errors import ConcordError

# What runs as each group, by the command that starts it.
COMMANDS: Final[dict[str, str]] = {
    "concord-reconcile": "concord reconcile",
    "concord-source-graph": "concord source graph",
    "concord-source-salesforce": "concord source salesforce",
    "concord-sink-graph": "concord sink graph",
    "concord-sink-salesforce": "concord sink salesforce",
    "concord-project": "concord project",
}
# How often a group that has members is looked at again, in seconds.
LOOK_EVERY_S: Final = 0.5


# How long a broker is asked again that says it is not ready, in seconds: a new one makes the place for groups first.
ASK_AGAIN_S: Final = 20.0

T = TypeVar("T")


class StillRunning(ConcordError):
    """A group has members."""


def silent(_: str) -> None:
    """Nobody wants to know."""


def require_stopped(admin: Any, group: str, say: Callable[[str], None] = silent) -> None:
    """Raises StillRunning, naming the members, unless nobody is in the group.

    A worker has a name in its group, so that it may come back, and counts until its session ends: a group with members
    is looked at for that long. `say` is told once that this goes on.
    """
    deadline = time.monotonic() + SESSION_TIMEOUT_S + 3.0
    is_told = False
    while members := _members(admin, group):
        if time.monotonic() > deadline:
            raise _still_running(group, members)
        if not is_told:
            say(f"Waiting for the sessions of {group} to end: {SESSION_TIMEOUT_S:.0f} s after its workers stopped.")
            is_told = True
        time.sleep(LOOK_EVERY_S)


def _members(admin: Any, group: str) -> list[Any]:
    try:
        described = asked_again(lambda: admin.describe_groups([group]))
    except GroupIdNotFoundError:
        return []  # nobody ever joined it
    return list(described[group]["members"]) if group in described else []


def asked_again(ask: Callable[[], T]) -> T:
    """What the broker answers, asked again while it says that it is not ready. Raises its KafkaError in the end."""
    deadline = time.monotonic() + ASK_AGAIN_S
    while True:
        try:
            return ask()
        except RetriableError:
            if time.monotonic() > deadline:
                raise
        time.sleep(LOOK_EVERY_S)


def set_offsets(admin: Any, group: str, offsets: Mapping[tuple[str, int], int]) -> None:
    """Let a group go on at these offsets, by (topic, partition); it must have no members. Raises a KafkaError."""
    wanted = {TopicPartition(*where): OffsetAndMetadata(offset, "", -1) for where, offset in offsets.items()}

    def ask() -> None:
        for refused in admin.alter_group_offsets(group, wanted).values():
            if refused is not NoError:
                raise refused(f"the offsets of {group} were not taken")

    asked_again(ask)


def _still_running(group: str, members: list[Any]) -> StillRunning:
    names = ", ".join(sorted(f"{_name(member)} at {member['client_host'].lstrip('/')}" for member in members))
    counted = "1 worker" if len(members) == 1 else f"{len(members)} workers"
    command = COMMANDS.get(group, group)
    return StillRunning(f"The group {group} has {counted}: {names}.", f"Stop `{command}` everywhere first.")


def _name(member: Any) -> str:
    return str(member.get("group_instance_id") or member["client_id"])
