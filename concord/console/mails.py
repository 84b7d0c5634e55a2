"""Mail ledger: whom Concord's writes mailed, as predicted with each decision, and whether it was sent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from concord.console.accounts import Role
from concord.console.narrowing import TEXT_MAX, link, narrowing, place_of, place_text
from concord.console.pages import Page, Visit
from concord.read_models.mailbook import Entry, MailFilter, Place
from projections.mail_ledger import Mailing
from schemas.commands import MailKind
from streams.reasons import reason

KINDS: Final = {MailKind.INVITE: "Invitation", MailKind.UPDATE: "Update", MailKind.CANCEL: "Cancellation"}
# People named before the rest is folded away.
NAMED: Final = 8


@dataclass(frozen=True)
class Row:
    """One mailing as it is shown: for which event, from whose mailbox, why, to whom of which kind, and whether it was
    sent."""

    entry: Entry
    event: str
    user: str
    why: str
    people: tuple[str, ...]
    state: str
    to: str


def state_words(mailing: Mailing) -> str:
    """What became of predicted mails."""
    if mailing.is_open:
        return "Not known yet: the write has no answer"
    return "Sent" if mailing.is_sent else "Not sent: the write was not made"


def _row(entry: Entry, names: dict[str, str]) -> Row:
    people = tuple(f"{KINDS[mail.kind]} to {mail.address}" for mail in entry.mailing.mails)
    return Row(
        entry, entry.event or "An event that was never read", names.get(entry.owner, entry.owner),
        reason(entry.reason).text if entry.reason else "", people, state_words(entry.mailing),
        link("/event", pair=entry.mailing.pair_key),
    )  # fmt: skip


def place(text: str) -> Place | None:
    """The place in the ledger that a link holds. Raises ConcordError."""
    parts = place_of(text, int, int, int)
    return None if parts is None else (int(parts[0]), int(parts[1]), int(parts[2]))


def show(visit: Visit) -> Response:
    """A page of the ledger, the newest first; narrowed by sender, recipient and time."""
    narrowed = narrowing(visit)
    recipient = visit.query.one("recipient")[:TEXT_MAX]
    wanted = MailFilter(narrowed.owners, recipient, narrowed.since, narrowed.until)
    page = visit.desk.books.mails.page(
        wanted, before=place(visit.query.one("before")), after=place(visit.query.one("after"))
    )
    query = narrowed.query | {"recipient": recipient}
    first, last = (place_text(*row.place) for row in (page.rows[0], page.rows[-1])) if page.rows else ("", "")
    newer = link("/mails", **query, after=first) if page.has_newer and first else ""
    older = link("/mails", **query, before=last) if page.has_older and last else ""
    return visit.show(
        "mails.html", rows=[_row(entry, narrowed.names) for entry in page.rows], narrowed=narrowed,
        recipient=recipient, named=NAMED, newer=newer, older=older,
        is_narrowed=any(query.values()),
    )  # fmt: skip


def pages() -> tuple[Page, ...]:
    """The pages of this module."""
    return (Page("/mails", show, Role.VIEWER, is_live=True),)
