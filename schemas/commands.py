"""What was decided, what a sink is told to write, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from schemas.calendar import CalendarEvent
from schemas.changes import Item, Side


class Action(StrEnum):
    """What a command does to the item."""

    CREATE = "create"
    UPDATE = "update"
    DELETE = "delete"


class MailKind(StrEnum):
    """A mail that Exchange sends on its own because of a write."""

    INVITE = "invite"
    UPDATE = "update"
    CANCEL = "cancel"


@dataclass(frozen=True)
class PredictedMail:
    """One mail that a write will cause: to whom (lower-case address) and of which kind."""

    kind: MailKind
    address: str


@dataclass(frozen=True)
class Command:
    """One write on one side of a pair. The same `command_id` always means the same effect.

    `fields` names the field groups to write (see `schemas.groups`); `content` is what the item shall hold (None for a
    delete); `basis` what it held when this was decided (None for a create), read at `version`. Once applied, the other
    side's base becomes `source`, and this side's base `target` or, without one, what the service then holds; without
    `source` nothing was carried across and no base moves. `generation` counts the creates of this pair on this side.
    """

    command_id: str
    pair_key: str
    side: Side
    action: Action
    decided_at: datetime
    revision: int
    generation: int = 0
    id: str = ""
    mailbox: str = ""
    version: str = ""
    fields: tuple[str, ...] = ()
    content: CalendarEvent | None = None
    basis: CalendarEvent | None = None
    source: CalendarEvent | None = None
    target: CalendarEvent | None = None
    mails: tuple[PredictedMail, ...] = ()
    reason: str = ""


class Result(StrEnum):
    """How a command ended.

    applied: the item now holds what was asked (also when it already did). stale: the item changed meanwhile, `item`
    is what it holds now. gone: the item does not exist any more. refused: can never succeed, `message` is the
    service's own words.
    """

    APPLIED = "applied"
    STALE = "stale"
    GONE = "gone"
    REFUSED = "refused"


@dataclass(frozen=True)
class Outcome:
    """What became of one command. `item` is what the service holds after it (None when nothing is left to hold).

    `warning` names what was left out although the command was applied, e.g. an attendee that Salesforce refused.
    """

    command_id: str
    pair_key: str
    side: Side
    action: Action
    result: Result
    at: datetime
    item: Item | None = None
    code: str = ""
    message: str = ""
    warning: str = ""
    requests: int = 0


class Verdict(StrEnum):
    """What a decision amounts to."""

    NOTHING = "nothing"
    WRITE = "write"
    ADOPT = "adopt"
    DETACH = "detach"
    FORWARD = "forward"
    ERROR = "error"
    HOLD = "hold"


class HoldKind(StrEnum):
    """Why a write is held."""

    INVITATIONS = "invitations"
    DELETIONS = "deletions"


@dataclass(frozen=True)
class Hold:
    """A write that waits for an operator, who releases or drops exactly this one: `digest` names its effect.

    `fields` and `action` say what would be written on `side`, `mails` which mails that would cause, `outside` how many
    of them to people outside the firm. `saved_at` is the save in Practifi that asked for it (None: not a save).
    """

    kind: HoldKind
    digest: str
    since: datetime
    side: Side
    action: Action
    fields: tuple[str, ...] = ()
    mails: tuple[PredictedMail, ...] = ()
    outside: int = 0
    saved_at: datetime | None = None


@dataclass(frozen=True)
class FieldChange:
    """One field group before and after, as readable text (JSON for compound values)."""

    side: Side
    field: str
    before: str
    after: str


@dataclass(frozen=True)
class Decision:
    """What one journal entry led to, and why.

    `changes` is what will be written; `lost` is what a conflict took from Salesforce (`after` = the value that won).
    `rule` is the number of the rule in the product facts that decided. `offset` is the journal entry's own. `held` is
    what was not written but waits for an operator; `mails` are those of `commands` alone. `status` is how the pair
    stands after it (a `schemas.state.Status`), `waits` the digest of the write that waits then, "" for none.
    """

    pair_key: str
    verdict: Verdict
    reason: str
    decided_at: datetime
    partition: int
    offset: int
    settings_number: int
    rule: str = ""
    revision: int = 0
    commands: tuple[str, ...] = ()
    changes: tuple[FieldChange, ...] = ()
    lost: tuple[FieldChange, ...] = ()
    mails: tuple[PredictedMail, ...] = ()
    text: str = ""
    held: Hold | None = None
    is_shadow: bool = False
    status: str = ""
    waits: str = ""
