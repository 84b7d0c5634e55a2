"""What is remembered of a record that was told: enough to tell nothing twice, and how its last save came about. Pure.

Polling sees what changed, change events say how. Either may come first, and a mark brings the two together.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final

from connectors.salesforce.wire import instant
from schemas.changes import Notice

DELETED: Final = "deleted"
# Names us in the origin of changes.
CLIENT_NAME: Final = "concord"

_CLIENT: Final = ";client="
_REST: Final = "/rest/"
_ID_LENGTH: Final = 15  # the part of an id that identifies; the rest is a checksum


@dataclass(frozen=True)
class Mark:
    """`stamp` is the moment that was told (Salesforce's text), `digest` what was told (DELETED: a removal), `sent` the
    origin with it.

    Change events account for every save up to `heard` (LastModifiedDate in whole seconds, "" for none) and `commit`.
    `origin` is that of the last save among them that was not ours; ours when they told no other.
    """

    stamp: str = ""
    digest: str = ""
    sent: str = ""
    heard: str = ""
    commit: int = 0
    origin: str = ""
    is_ours: bool = True

    def to_text(self) -> str:
        """As it is kept."""
        text = f"{self.stamp}|{self.digest}"
        rest = [self.sent, self.heard, self.commit, self.origin, self.is_ours]
        return text if rest == ["", "", 0, "", True] else f"{text}|{json.dumps(rest)}"

    def untold(self) -> Mark:
        """The mark of a record that is to be told again; how it was saved is still known."""
        return replace(self, digest="", sent="")

    def accounts_for(self, saved: datetime) -> bool:
        """Whether change events told of the save at this LastModifiedDate, or of a later one."""
        return bool(self.heard) and second_of(saved) <= datetime.fromisoformat(self.heard)

    def hearing(self, notice: Notice, own_user: str) -> Mark:
        """The mark once a change event was heard. A repeated one says nothing new."""
        if self.is_repeat(notice):
            return self
        saved = second_of(notice.saved_at or notice.committed_at)
        heard = self.heard if self.accounts_for(saved) else saved.isoformat()
        stamp = max(self.stamp, instant(notice.committed_at))
        mark = replace(self, stamp=stamp, heard=heard, commit=max(self.commit, notice.commit))
        is_ours = is_own(notice, own_user)
        if is_ours and not self.is_ours:
            return mark  # our write on top of somebody's save: how that came about still counts
        return replace(mark, origin=notice.origin, is_ours=is_ours)

    def is_repeat(self, notice: Notice) -> bool:
        """Whether the event, or a later one, was heard before: Salesforce publishes some of them twice."""
        return notice.commit <= self.commit and self.accounts_for(notice.saved_at or notice.committed_at)


def mark_from(text: str) -> Mark:
    """The inverse of `Mark.to_text`; "" is the mark of a record that nothing is known of."""
    stamp, _, rest = text.partition("|")
    digest, _, more = rest.partition("|")
    return Mark(stamp, digest, *json.loads(more)) if more else Mark(stamp, digest)


def is_own(notice: Notice, own_user: str) -> bool:
    """Whether a change is our own write: by our client name, or by our user over REST without any, because collections
    lose the name."""
    client = notice.origin.partition(_CLIENT)[2].rstrip("/")
    if client:
        return client.lower() == CLIENT_NAME
    is_our_user = bool(own_user) and notice.user[:_ID_LENGTH] == own_user[:_ID_LENGTH]
    return is_our_user and _REST in notice.origin


def second_of(moment: datetime) -> datetime:
    """The moment in whole seconds of UTC: commit times carry no more."""
    return moment.astimezone(UTC).replace(microsecond=0)
