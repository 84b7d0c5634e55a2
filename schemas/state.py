"""The state of one pair, as `projections.sync_state.evolve` folds it from the journal."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final

from schemas.calendar import CalendarEvent
from schemas.changes import Item
from schemas.commands import Command, Hold
from schemas.undo import Undo

# `SideState.origin` of a save of which nobody has said yet how it came about: a sink met it, or a poll saw it first and
# its change event may still come.
UNTOLD: Final = "?"
# `SideState.origin` of what an operator asked for by name: it may go out.
OPERATOR: Final = "!operator"
# `SideState.held_back` of a save whose origin may not go out, and of one whose origin nobody has told yet.
IMPORTED: Final = "imported"
AWAITING_ORIGIN: Final = "awaiting_origin"


class Status(StrEnum):
    """What the pair's Salesforce record shows as Microsoft 365 Sync Status (labels in `streams.mapping`)."""

    NOT_SYNCED = "not_synced"
    PENDING = "pending"
    SYNCED = "synced"
    ERROR = "error"


@dataclass(frozen=True)
class SideState:
    """One side of a pair.

    `item` is what was last seen of the living item; `base` is what this side held when the two last agreed.
    `is_deleted`: the item existed and its deletion is confirmed; `is_cancelled` that it was the organizer's copy, so
    that what others still hold of the meeting is about to go. `is_echo`: `item` came from our own write's answer.
    `pending` is the one command under way. `refused` lists the digests of writes that the service refused, apart by
    spaces, with its own word for the last; they are not tried again until something changes or an operator asks.
    `generation` counts creates, and one more when an item that was deleted has to be made anew.
    `copies` are the same meeting in other mailboxes (Graph only). While a create is under way they hold every item seen
    on this side: which of them is ours, its outcome says. `gone` is when each removed id was found removed: a reading
    of it that began before then is older than the removal, whenever it arrives. `edited_at` is when somebody other than
    us last saved the item, by its own stamp (None: nobody since we made it), `origin` how that save came about, and
    `held_back` why it may not be carried out of Practifi ("" when it may): loosening a setting later sends nothing, the
    next save does. `in_burst`: the item was deleted along with so many others that an operator is to look first.
    """

    item: Item | None = None
    base: CalendarEvent | None = None
    is_deleted: bool = False
    is_cancelled: bool = False
    is_echo: bool = False
    pending: Command | None = None
    refused: str = ""
    refused_code: str = ""
    generation: int = 0
    copies: tuple[Item, ...] = ()
    gone: dict[str, datetime] = field(default_factory=dict)
    edited_at: datetime | None = None
    held_back: str = ""
    in_burst: bool = False
    origin: str = ""


@dataclass(frozen=True)
class PairState:
    """Everything known of one pair.

    `offset` is the last journal offset folded (-1: none); `lanes` the last input offset folded per input lane;
    `revision` counts commands; `strays` are items that carry this pair's mark but are events of their own, with the
    key they went to. A detached pair lost one side under a policy that keeps the other: it stays as it is. `held` is
    the write that waits for an operator, `released` the digest of one that an operator let go and that is not done yet.
    `undo` is what an operator asked to have back and is not over yet; `undone` names the decisions that were undone.
    `shadowed` is the digest of what would be written now, were it not for shadow mode.
    `written` is when which values were written to the Microsoft 365 event within an hour before the last such write.
    """

    pair_key: str
    offset: int = -1
    revision: int = 0
    graph: SideState = SideState()
    salesforce: SideState = SideState()
    status: Status = Status.NOT_SYNCED
    reason: str = ""
    is_detached: bool = False
    lanes: dict[str, int] = field(default_factory=dict)
    strays: dict[str, str] = field(default_factory=dict)
    held: Hold | None = None
    released: str = ""
    undo: Undo | None = None
    undone: tuple[str, ...] = ()
    shadowed: str = ""
    written: tuple[str, ...] = ()


@dataclass(frozen=True)
class Tally:
    """How many people outside the firm the writes ordered in one journal partition mail, by minute (ISO 8601, UTC).

    `partitions` is how many the journal has. `offset` is the entry counted last; it added `last` to `minute`, so that
    the count before it is known when it is folded again. Released writes are not counted.
    """

    partitions: int = 1
    minutes: dict[str, int] = field(default_factory=dict)
    offset: int = -1
    last: int = 0
    minute: str = ""
