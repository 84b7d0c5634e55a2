"""Laws of mail prediction: writing less tells no more people, and every person hears at most once."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st
from support.builders import ORGANIZER, command, meeting

from schemas.calendar import Attendee
from schemas.changes import Side
from schemas.commands import Action, Command, MailKind
from schemas.groups import CONTENT, MARKS, PEOPLE, ROOMS
from streams.mails import MEETING_GROUPS, predict_mails

PEOPLE_LISTS = st.lists(
    st.builds(Attendee, st.sampled_from(["a@x.example", "B@x.example", "b@x.example", "ann@firm.example", ""])),
    max_size=4,
).map(tuple)
FIELDS = st.lists(st.sampled_from([*CONTENT, MARKS]), unique=True).map(tuple)


@st.composite
def updates(draw: st.DrawFn) -> Command:
    """A write to an event with some people, which leaves others."""
    basis = meeting(attendees=draw(PEOPLE_LISTS), organizer=ORGANIZER)
    content = meeting(attendees=draw(PEOPLE_LISTS), organizer=ORGANIZER)
    return command(Side.GRAPH, Action.UPDATE, fields=draw(FIELDS), basis=basis, content=content)


@given(update=updates(), fewer=st.data())
def test_writing_fewer_groups_reaches_no_more_people(update: Command, fewer: st.DataObject) -> None:
    """A command with a part of the groups mails a part of the addresses: minimal writes are minimal mail."""
    part = tuple(group for group in update.fields if fewer.draw(st.booleans()))
    reached = {mail.address for mail in predict_mails(update)}
    assert {mail.address for mail in predict_mails(replace(update, fields=part))} <= reached


@given(update=updates())
def test_nobody_hears_twice_and_the_organizer_never(update: Command) -> None:
    """One mail a person; only people on one of the two lists; addresses in lower case."""
    addresses = [mail.address for mail in predict_mails(update)]
    assert len(addresses) == len(set(addresses))
    assert ORGANIZER.address not in addresses
    known = {a.address.lower() for c in (update.basis, update.content) if c is not None for a in c.attendees}
    assert set(addresses) <= known - {""}


@given(update=updates())
def test_kinds_follow_from_the_lists(update: Command) -> None:
    """Invited are those who were not there, cancelled those who are not any more, updated those who stay."""
    assert update.basis is not None
    assert update.content is not None
    before = {a.address.lower() for a in update.basis.attendees} - {"", ORGANIZER.address}
    after = {a.address.lower() for a in update.content.attendees} - {"", ORGANIZER.address}
    told = {kind: {m.address for m in predict_mails(update) if m.kind is kind} for kind in MailKind}
    is_people, is_seen = bool({PEOPLE, ROOMS} & set(update.fields)), bool(MEETING_GROUPS & set(update.fields))
    assert told[MailKind.INVITE] == (after - before if is_people else set())
    assert told[MailKind.CANCEL] == (before - after if is_people else set())
    if not is_seen:
        assert told[MailKind.UPDATE] == set()
    elif is_people:
        assert told[MailKind.UPDATE] == after & before
