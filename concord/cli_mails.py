"""`concord mails`: how many mails Concord's writes have caused, per day and user."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from concord.cli_output import plural, print_json, print_table, say
from concord.config import load_config
from schemas.commands import MailKind

if TYPE_CHECKING:
    from projections.mail_ledger import MailDay

PANEL: Final = "Look"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("mails", rich_help_panel=PANEL)(mails)


def mails(
    days: Annotated[int, typer.Option(metavar="N", min=1, help="How many days back, today included.")] = 30,
    user: Annotated[str, typer.Option(metavar="ADDRESS", help="Only what belongs to this user.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """The mails that Exchange sent because of Concord's writes, per day (UTC) and user, by kind.

    Told from Concord's own records: what was predicted with each write to Microsoft 365 that was then made. "Open" are
    mails of writes without an answer yet. What waits for an operator is not among them: `concord held`.
    """
    from concord.mailed import read_mail_days

    since = (datetime.now(UTC) - timedelta(days=days - 1)).date()
    rows = read_mail_days(load_config().broker)
    rows = [row for row in rows if row.day >= since and user.casefold() in ("", row.user.casefold())]
    if as_json:
        return print_json([_json(row) for row in rows])
    if not rows:
        return say(f"No write mailed anybody in the last {plural(days, 'day')}.")
    kinds = (MailKind.INVITE, MailKind.UPDATE, MailKind.CANCEL)
    counts = [(row.writes, *(row.sent[kind] for kind in kinds), row.open) for row in rows]
    cells: list[tuple[object, ...]] = []
    cells += [(f"{row.day}", row.user, *count) for row, count in zip(rows, counts, strict=True)]
    cells.append(("total", "", *(sum(column) for column in zip(*counts, strict=True))))
    print_table(("day", "user", "writes", "invitations", "updates", "cancellations", "open"), cells, total=True)
    return None


def _json(row: MailDay) -> dict[str, Any]:
    sent = {kind.value: row.sent[kind] for kind in MailKind}
    return {"day": row.day, "user": row.user, "writes": row.writes, "sent": sent, "open": row.open}
