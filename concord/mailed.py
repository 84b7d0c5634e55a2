"""Which mails Concord's writes caused, read from the topics: what `concord mails` shows."""

from __future__ import annotations

import contextlib

from concord.reading import JournalFold, read_topics
from projections.mail_ledger import MailDay, MailLedger, by_day
from projections.overview import NOBODY, mailbox_of
from schemas.codec import decode
from schemas.commands import Decision, Outcome
from schemas.errors import UnreadableRecord
from schemas.topics import SYNC_DECISIONS, SYNC_OUTCOMES


def read_ledger(broker: str) -> MailLedger:
    """Every decision and outcome that the topics still have. Raises ConcordError."""
    ledger = MailLedger()
    for record in read_topics(broker, SYNC_DECISIONS, SYNC_OUTCOMES):
        with contextlib.suppress(UnreadableRecord):
            if record.topic == SYNC_DECISIONS:
                ledger.decided(decode(Decision, record.value))
            else:
                ledger.answered(decode(Outcome, record.value))
    return ledger


def read_mail_days(broker: str) -> list[MailDay]:
    """Mails per day and user, newest day first. Raises ConcordError."""
    mailings = read_ledger(broker).mailings
    users: dict[str, str] = {}
    with JournalFold(broker) as fold:
        fold.advance()
        for partition in fold.partitions.values():
            addresses = {user.mailbox: user.address for user in partition.settings.users}
            for key, state in partition.pairs.items():
                users[key] = addresses.get(mailbox_of(state, partition.settings), NOBODY)
    return by_day(mailings, users)
