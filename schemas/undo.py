"""What an operator asks to have back."""

from __future__ import annotations

from dataclasses import dataclass

from schemas.calendar import CalendarEvent
from schemas.changes import Side
from schemas.commands import PredictedMail


@dataclass(frozen=True)
class Undo:
    """The wish to have back what one decision took.

    `decision` names it: journal partition and offset, with a slash between. `side` is where it wrote, `fields` the
    groups that it overwrote there (none: it deleted the event), `content` what stood there before, and `mailbox` where
    in Microsoft 365. `graph` and `salesforce` are what the two sides held when the operator looked (None: nothing);
    what has changed since is left alone. `mails` is what the operator was told that it causes. `is_forced`: also when
    it was done before. `writes` counts the commands sent for it so far.
    """

    decision: str
    side: Side
    fields: tuple[str, ...] = ()
    content: CalendarEvent | None = None
    mailbox: str = ""
    graph: CalendarEvent | None = None
    salesforce: CalendarEvent | None = None
    mails: tuple[PredictedMail, ...] = ()
    is_forced: bool = False
    writes: int = 0
