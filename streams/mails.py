"""Which mails Exchange sends because of a write: predicted in the decision, checked against what was sent. Pure.

Source: the mail table of the Graph reference (§4). There is no way to write without them, so a write that nobody
should hear of must not be made.
"""

from __future__ import annotations

from typing import Final

from schemas.calendar import CalendarEvent
from schemas.commands import Action, Command, MailKind, PredictedMail
from schemas.groups import BODY, LOCATION, PEOPLE, ROOMS, SUBJECT, TEAMS, TIME

# Writing one of these tells every attendee. The others (reminder, show as, sensitivity, our mark) tell nobody; the
# documentation is silent on them, the simulator's default says the same and can be switched.
MEETING_GROUPS: Final = frozenset({TIME, SUBJECT, BODY, LOCATION, TEAMS})


def predict_mails(command: Command) -> tuple[PredictedMail, ...]:
    """Each mail that this write to Microsoft 365 will cause, in a stable order."""
    before = _addresses(command.basis)
    after = _addresses(command.content)
    match command.action:
        case Action.CREATE:
            mails = _mails(MailKind.INVITE, after)
        case Action.DELETE:
            mails = _mails(MailKind.CANCEL, before)
        case Action.UPDATE:
            mails = ()
            kept = after
            if {PEOPLE, ROOMS} & set(command.fields):
                mails = (*_mails(MailKind.INVITE, after - before), *_mails(MailKind.CANCEL, before - after))
                kept = after & before
            if MEETING_GROUPS & set(command.fields):
                mails = (*mails, *_mails(MailKind.UPDATE, kept))
    return tuple(sorted(mails, key=lambda mail: (mail.kind, mail.address)))


def _addresses(content: CalendarEvent | None) -> frozenset[str]:
    if content is None:
        return frozenset()
    organizer = content.organizer.address.lower() if content.organizer is not None else ""
    return frozenset(a.address.lower() for a in content.attendees if a.address and a.address.lower() != organizer)


def _mails(kind: MailKind, addresses: frozenset[str]) -> tuple[PredictedMail, ...]:
    return tuple(PredictedMail(kind, address) for address in addresses)
