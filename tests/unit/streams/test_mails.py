"""Which mails Exchange sends because of a write (mail table of the Graph reference §4, product facts 1.6, 1.7)."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.builders import CLIENT, COLLEAGUE, ORGANIZER, ROOM, STRANGER, command, meeting

from schemas.calendar import Attendee
from schemas.changes import Side
from schemas.commands import Action, MailKind, PredictedMail
from schemas.groups import ALL, BODY, LOCATION, MARKS, PEOPLE, PRIVACY, REMINDER, SHOW_AS, SUBJECT, TIME
from streams.mails import predict_mails

INVITE, UPDATE, CANCEL = MailKind.INVITE, MailKind.UPDATE, MailKind.CANCEL


def mails(
    action: Action, fields: tuple[str, ...] = (), before: tuple[Attendee, ...] | None = None,
    after: tuple[Attendee, ...] | None = None, organizer: Attendee | None = ORGANIZER,
) -> list[tuple[MailKind, str]]:  # fmt: skip
    """What is predicted for a write that finds these people and leaves those."""
    basis, content = (
        None if people is None else meeting(attendees=people, organizer=organizer) for people in (before, after)
    )
    told = predict_mails(command(Side.GRAPH, action, fields=fields, basis=basis, content=content))
    return [(mail.kind, mail.address) for mail in told]


def test_create_invites_everybody() -> None:
    """Rooms too: a room is invited like a person."""
    assert mails(Action.CREATE, ALL, after=(CLIENT, ROOM)) == [
        (INVITE, "client@out.example"), (INVITE, "room1@firm.example"),
    ]  # fmt: skip


def test_create_without_attendees_tells_nobody() -> None:
    """An event without people is nobody else's business."""
    assert mails(Action.CREATE, ALL, after=(), organizer=None) == []


def test_delete_cancels_for_everybody() -> None:
    """Whoever was invited is told."""
    assert mails(Action.DELETE, before=(CLIENT, STRANGER)) == [
        (CANCEL, "client@out.example"), (CANCEL, "stranger@out.example"),
    ]  # fmt: skip


@pytest.mark.parametrize("group", [TIME, SUBJECT, BODY, LOCATION])
def test_update_of_what_attendees_see_tells_all(group: str) -> None:
    """A PATCH of a meeting property mails every attendee."""
    assert mails(Action.UPDATE, (group,), (CLIENT,), (CLIENT,)) == [(UPDATE, "client@out.example")]


@pytest.mark.parametrize("group", [SHOW_AS, PRIVACY, REMINDER, MARKS])
def test_update_of_what_is_the_organizers_own_tells_nobody(group: str) -> None:
    """Reminder, show as, sensitivity and our tag are not told (not documented: the simulator's default agrees)."""
    assert mails(Action.UPDATE, (group,), (CLIENT,), (CLIENT,)) == []


def test_update_of_attendees_only_mails_the_changed_ones() -> None:
    """Rule 1.7: added are invited, removed are cancelled, those who stay hear nothing."""
    assert mails(Action.UPDATE, (PEOPLE,), (CLIENT, COLLEAGUE), (CLIENT, STRANGER)) == [
        (CANCEL, "bob@firm.example"), (INVITE, "stranger@out.example"),
    ]  # fmt: skip


def test_update_of_attendees_and_more_tells_those_who_stay_too() -> None:
    """Nobody hears twice: added are invited, removed cancelled, the rest updated."""
    assert mails(Action.UPDATE, (SUBJECT, PEOPLE), (CLIENT, COLLEAGUE), (CLIENT, STRANGER)) == [
        (CANCEL, "bob@firm.example"), (INVITE, "stranger@out.example"), (UPDATE, "client@out.example"),
    ]  # fmt: skip


def test_people_who_are_not_written_get_no_invitation() -> None:
    """Only what the command writes has an effect."""
    assert mails(Action.UPDATE, (SHOW_AS,), (CLIENT,), (CLIENT, STRANGER)) == []


def test_organizer_is_never_mailed_and_nobody_twice() -> None:
    """Addresses compare in lower case; one without address cannot be mailed."""
    people = (replace(CLIENT, address="Client@Out.example"), CLIENT, replace(ORGANIZER, address="ANN@firm.example"))
    assert mails(Action.CREATE, ALL, after=(*people, Attendee("", "Nobody"))) == [(INVITE, "client@out.example")]


def test_prediction_is_in_a_stable_order() -> None:
    """The same write is predicted alike, whatever order its people stand in."""
    people = (CLIENT, STRANGER, COLLEAGUE)
    assert mails(Action.CREATE, ALL, after=people) == mails(Action.CREATE, ALL, after=people[::-1])
    assert predict_mails(command(Side.GRAPH, Action.CREATE)) == ()
    assert PredictedMail(INVITE, "a") != PredictedMail(CANCEL, "a")
