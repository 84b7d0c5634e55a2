"""Commands against the Graph simulator: whatever answer is lost, one event and one mail per invited person."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.graph_driver import LossyWire, Send, send_to
from support.graph_firm import ANA, BANKSIA, BASE, CLIENT, TOKEN, TOM, build_graph, meeting

from connectors.exchange import run
from connectors.graph import wire
from connectors.graph.compare import is_same
from connectors.graph.sink import apply_command
from connectors.graph.translate import to_item
from schemas.calendar import Attendee, AttendeeKind, CalendarEvent, Sensitivity, ShowAs, TimeSpan
from schemas.changes import Item, Kind, Side
from schemas.commands import Action, Command, Outcome, Result
from schemas.errors import AuthRejected, Throttled, Unavailable
from schemas.groups import ALL, CONTENT
from simulators.graph.behaviour import Behaviour
from simulators.graph.service import GraphSimulator
from streams.mails import predict_mails

NOW = datetime(2026, 3, 2, 8, tzinfo=UTC)
START = datetime(2026, 3, 11, 10, tzinfo=UTC)
PEOPLE = (Attendee(CLIENT, "Ines Park"), Attendee(ANA.mail, "Ana Lim", AttendeeKind.OPTIONAL))
CONTENT_ASKED = CalendarEvent(
    TimeSpan(START, START + timedelta(hours=1)), "Portfolio review", "First line\nsecond < & > line", "Level 4",
    ShowAs.OUT_OF_OFFICE, Sensitivity.NORMAL, 30, PEOPLE,
)  # fmt: skip
KEY = "s:00U000000000001AAA"


def send(sim: GraphSimulator) -> Send:
    """Calls to the simulator; what broke inside it shows as itself."""
    inner = send_to(sim, token=TOKEN, base_url=f"{BASE}/v1.0")

    def checked(call: Any) -> Any:
        reply = inner(call)
        assert sim.last_fault is None, sim.last_fault
        return reply

    return checked


def create(content: CalendarEvent = CONTENT_ASKED, **members: Any) -> Command:
    """A create in Tom's mailbox."""
    usual: dict[str, Any] = {"generation": 1, "mailbox": TOM.id, "fields": ALL, "content": content, "target": content}
    return Command("c#1", KEY, Side.GRAPH, Action.CREATE, NOW, 1, **(usual | members))


def update(item: Item, *fields: str, **members: Any) -> Command:
    """An update of these groups from what the item holds."""
    content = replace(item.content, **members)
    return Command(
        "c#2", KEY, Side.GRAPH, Action.UPDATE, NOW, 2, id=item.id, mailbox=item.mailbox, version=item.version,
        fields=fields, content=content, basis=item.content, target=content,
    )  # fmt: skip


def delete(item: Item) -> Command:
    """The deletion of what the item holds."""
    return Command(
        "c#3", KEY, Side.GRAPH, Action.DELETE, NOW, 3, id=item.id, mailbox=item.mailbox, version=item.version,
        basis=item.content,
    )  # fmt: skip


def carry_out(command: Command, through: Send) -> Outcome:
    """One try."""
    return run(apply_command(command, now=NOW), through)


def events(sim: GraphSimulator) -> list[dict[str, Any]]:
    """What Tom's calendar holds."""
    return sim.events_of(TOM.id)


def read(sim: GraphSimulator, event_id: str) -> Item:
    """The event as the source would read it."""
    return to_item(send(sim)(wire.get_event(TOM.id, event_id)).json(), TOM.id)


def mails(sim: GraphSimulator) -> list[tuple[str, str]]:
    """Mails that Exchange sent to people (rooms take their invitation without one): kind and address."""
    return sorted((str(mail.kind), mail.to.lower()) for mail in sim.mails)


def predicted(*commands: Command) -> list[tuple[str, str]]:
    """Mails that the decisions would have named."""
    return sorted((str(mail.kind), mail.address) for command in commands for mail in predict_mails(command))


def made(sim: GraphSimulator, content: CalendarEvent = CONTENT_ASKED) -> Item:
    """An event made by a create, as applied."""
    outcome = carry_out(create(content), send(sim))
    assert outcome.result is Result.APPLIED
    assert outcome.item is not None
    return outcome.item


def test_a_create_holds_what_was_asked_and_carries_our_tag() -> None:
    """The item of the outcome is the event as the service holds it, and as it reads later."""
    sim = build_graph()
    item = made(sim)
    assert [name for name in CONTENT if not is_same(item.content, CONTENT_ASKED, name)] == []
    assert replace(read(sim, item.id), version=item.version) == item
    assert item.sync_key == KEY
    assert item.content.organizer is not None
    assert item.content.organizer.address == TOM.mail
    assert item.i_cal_uid
    assert item.is_organizer
    assert mails(sim) == predicted(create())


EDITS: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("subject",), {"subject": "Renamed"}),
    (("time",), {"span": TimeSpan(START + timedelta(days=1), START + timedelta(days=1, hours=2))}),
    (("time",), {"span": TimeSpan(datetime(2026, 4, 5, tzinfo=UTC), datetime(2026, 4, 6, tzinfo=UTC), True)}),
    (("body",), {"body": "New text\n\nwith < marks >"}),
    (("location",), {"location": ""}),
    (("show_as",), {"show_as": ShowAs.FREE}),
    (("privacy",), {"sensitivity": Sensitivity.PRIVATE}),
    (("reminder",), {"reminder_minutes": None}),
    (("people",), {"attendees": (*PEOPLE[:1], Attendee("new@client.example", "New"))}),
    (("subject", "people"), {"subject": "Both", "attendees": PEOPLE[1:]}),
    (("marks",), {}),
]


@pytest.mark.parametrize(
    ("fields", "members"), EDITS, ids=lambda value: "-".join(value) if isinstance(value, tuple) else ""
)
def test_an_update_changes_its_groups_and_mails_as_predicted(fields: tuple[str, ...], members: dict[str, Any]) -> None:
    """The asked groups hold what was asked, the others what they held, and no mail leaves that was not foreseen."""
    sim = build_graph()
    item = made(sim)
    command = update(item, *fields, **members)
    outcome = carry_out(command, send(sim))
    assert outcome.result is Result.APPLIED
    assert outcome.item is not None
    assert command.content is not None
    assert [name for name in CONTENT if not is_same(outcome.item.content, command.content, name)] == []
    assert read(sim, item.id).content == outcome.item.content
    assert mails(sim) == predicted(create(), command)


def steps() -> list[tuple[str, int, str]]:
    """Every call of every kind of command, lost in every way."""
    longest = {"create": 1, "update": 1, "body": 2, "delete": 1}
    lost = ("before", "after", "gone")
    return [(kind, number, how) for kind, calls in longest.items() for number, how in product(range(calls), lost)]


def command_for(sim: GraphSimulator, kind: str) -> tuple[Command, list[tuple[str, str]]]:
    """A command of this kind, and the mails that were sent before it and shall be sent because of it."""
    if kind == "create":
        return create(), predicted(create())
    item = made(sim)
    command = {
        "update": lambda: update(item, "subject", "people", subject="New", attendees=PEOPLE[:1]),
        "body": lambda: update(item, "body", body="New"),
        "delete": lambda: delete(item),
    }[kind]()
    return command, predicted(create(), command)


def redo(command: Command, through: Send, tries: int = 6) -> Outcome:
    """What the edge does: the same command again until there is an outcome."""
    for _ in range(tries):
        try:
            return carry_out(command, through)
        except Unavailable:
            continue
    raise AssertionError("no outcome")


def check(sim: GraphSimulator, kind: str, command: Command, outcome: Outcome, expected: list[tuple[str, str]]) -> None:
    """Applied once: one event (or none after a delete) that holds what was asked, and each mail once."""
    assert outcome.result is Result.APPLIED, (outcome.result, outcome.code)
    assert mails(sim) == expected
    if kind == "delete":
        assert events(sim) == []
        return
    (only,) = events(sim)
    item = read(sim, only["id"])
    assert command.content is not None
    assert [name for name in CONTENT if not is_same(item.content, command.content, name)] == []
    assert item.sync_key == KEY


@pytest.mark.parametrize(("kind", "number", "how"), steps())
def test_any_one_lost_answer_leaves_one_effect(kind: str, number: int, how: str) -> None:
    """Before or after the effect, at each step: the outcome is the same, and so is what people get."""
    sim = build_graph()
    command, expected = command_for(sim, kind)
    through = LossyWire(send(sim), {number: how})
    check(sim, kind, command, redo(command, through), expected)


@pytest.mark.parametrize("kind", ["create", "update", "body", "delete"])
@pytest.mark.parametrize("first", range(4))
@pytest.mark.parametrize("second", range(1, 5))
@pytest.mark.parametrize("how", list(product(("before", "after"), repeat=2)))
def test_any_two_lost_answers_leave_one_effect(kind: str, first: int, second: int, how: tuple[str, str]) -> None:
    """Also when the answer to the question what became of it is lost, and the command comes again."""
    sim = build_graph()
    command, expected = command_for(sim, kind)
    through = LossyWire(send(sim), {first: how[0], first + second: how[1]})
    check(sim, kind, command, redo(command, through), expected)


@pytest.mark.parametrize("kind", ["create", "update", "body", "delete"])
def test_a_command_that_comes_again_does_nothing_more(kind: str) -> None:
    """A crash between effect and outcome sends the same command again, any number of times."""
    sim = build_graph()
    command, expected = command_for(sim, kind)
    for _ in range(3):
        outcome = carry_out(command, send(sim))
        sim.clock.advance(60)
        check(sim, kind, command, outcome, expected)


@pytest.mark.parametrize("kind", ["create", "update", "body", "delete"])
@pytest.mark.parametrize("seed", range(12))
def test_a_rough_service_gets_there_once(kind: str, seed: int) -> None:
    """Versions that move by themselves, conflicts out of nowhere, answers lost at random: still one effect."""
    sim = build_graph(replace(Behaviour().rough(), room_answer_s=0.0), seed)
    command, expected = command_for(sim, kind)
    rng = sim.world.rng
    lose = {n: rng.choice(["before", "after", "gone"]) for n in range(30) if rng.random() < 0.25}
    through = LossyWire(send(sim), lose, between=lambda: sim.clock.advance(2))
    check(sim, kind, command, redo(command, through, 30), expected)


def test_a_version_that_the_service_moved_by_itself_is_no_edit() -> None:
    """Answers of attendees and second thoughts of the service bump the version: the update still goes through."""
    sim = build_graph(replace(Behaviour().calm(), second_bump=1.0))
    item = made(sim)
    sim.clock.advance(5)
    assert sim.answer(TOM.id, item.id, CLIENT, "accepted")
    assert read(sim, item.id).version != item.version
    command = update(item, "subject", subject="New")
    check(sim, "update", command, carry_out(command, send(sim)), predicted(create(), command))


@pytest.mark.parametrize("kind", ["update", "body", "delete"])
def test_an_edit_by_a_person_is_never_written_over(kind: str) -> None:
    """Somebody was faster, also in another field: stale, with what Microsoft 365 holds now."""
    sim = build_graph()
    command, _ = command_for(sim, kind)
    sim.edit_event(TOM.id, command.id, {"location": {"displayName": "Elsewhere"}})
    before = mails(sim)
    outcome = carry_out(command, send(sim))
    assert outcome.result is Result.STALE
    assert outcome.item is not None
    assert outcome.item.content.location == "Elsewhere"
    assert mails(sim) == before


@pytest.mark.parametrize("kind", ["update", "body", "delete"])
def test_an_edit_between_a_lost_request_and_the_look_is_seen(kind: str) -> None:
    """The request was lost before its effect, and a person edited before we looked: stale, nothing sent again."""
    sim = build_graph()
    command, _ = command_for(sim, kind)
    number = 1 if kind == "body" else 0
    edit = lambda: sim.edit_event(TOM.id, command.id, {"subject": "By hand"})  # noqa: E731
    outcome = carry_out(command, LossyWire(send(sim), {number: "before"}, between=edit))
    assert outcome.result is Result.STALE
    assert read(sim, command.id).content.subject == "By hand"


def test_write_that_somebody_edited_over_before_a_second_look_leaves_no_trace() -> None:
    """A sink wrote and crashed before it could say so; a person then edited what it had written. Read again, the event
    is what it would be had the write never been made, so nobody can know, though people were mailed."""
    found, mailed = [], []
    for was_made in (True, False):
        sim = build_graph()
        item = made(sim)
        command = update(item, "subject", subject="Ours")
        if was_made:
            assert carry_out(command, send(sim)).result is Result.APPLIED
        sim.clock.advance(5)
        sim.edit_event(TOM.id, item.id, {"subject": "By hand"})
        outcome = carry_out(command, send(sim))
        assert outcome.item is not None
        found.append((outcome.result, outcome.item.content))
        mailed.append(len(mails(sim)))
    assert found[0] == found[1]
    assert found[0][0] is Result.STALE
    assert mailed[0] > mailed[1]


DAILY = {
    "pattern": {"type": "daily", "interval": 1},
    "range": {"type": "numbered", "startDate": f"{START:%F}", "numberOfOccurrences": 5},
}


@pytest.mark.parametrize("kind", ["update", "delete"])
def test_an_event_repeated_by_a_person_is_not_taken_for_the_single_one(kind: str) -> None:
    """Its content reads as before, but a write would reach every date of the series: stale, and nothing is mailed."""
    sim = build_graph()
    command, _ = command_for(sim, kind)
    sim.edit_event(TOM.id, command.id, {"recurrence": DAILY})
    before = mails(sim)
    outcome = carry_out(command, send(sim))
    assert outcome.result is Result.STALE
    assert outcome.item is not None
    assert outcome.item.kind is Kind.SERIES_MASTER
    assert mails(sim) == before


def test_an_event_deleted_by_a_person_is_gone() -> None:
    """An update finds nothing; a delete finds its work done, and no second cancellation leaves."""
    for kind, expected in (("update", Result.GONE), ("delete", Result.APPLIED)):
        sim = build_graph()
        command, _ = command_for(sim, kind)
        sim.remove_event(TOM.id, command.id)
        before = mails(sim)
        assert carry_out(command, send(sim)).result is expected
        assert mails(sim) == before


def test_a_create_edited_or_deleted_before_its_answer_arrived() -> None:
    """The create took effect, its answer was lost, a person acted: the redo finds that event and makes no other."""
    sim = build_graph()
    first = LossyWire(send(sim), {0: "after", 1: "before"})
    with pytest.raises(Unavailable):
        carry_out(create(), first)
    (only,) = events(sim)
    sim.edit_event(TOM.id, only["id"], {"subject": "By hand"}, mails=False)
    outcome = carry_out(create(), send(sim))
    assert outcome.result is Result.APPLIED
    assert outcome.item is not None
    assert (outcome.item.id, outcome.item.content.subject) == (only["id"], "By hand")
    assert len(events(sim)) == 1


def test_an_older_create_under_the_same_key_is_found_not_doubled() -> None:
    """Another content under the same key is refused by Graph with the event it made: that one is ours."""
    sim = build_graph()
    older = made(sim)
    outcome = carry_out(create(replace(CONTENT_ASKED, subject="Newer")), send(sim))
    assert outcome.item is not None
    assert (outcome.result, outcome.item.id) == (Result.APPLIED, older.id)
    assert outcome.item.content.subject == "Portfolio review"
    assert len(events(sim)) == 1
    assert mails(sim) == predicted(create())


def test_a_copy_made_by_a_person_is_not_taken_for_ours() -> None:
    """The copy carries our tag; the create still makes its own event."""
    sim = build_graph()
    tag = wire.with_tag({}, KEY)
    copy = sim.add_event(TOM.id, meeting(subject="Copy") | tag)
    outcome = carry_out(create(), LossyWire(send(sim), {0: "before"}))
    assert outcome.result is Result.APPLIED
    assert outcome.item is not None
    assert outcome.item.id != copy
    assert len(events(sim)) == 2


def test_a_teams_meeting_keeps_its_link_when_its_text_changes() -> None:
    """The join block stays in the body, so the meeting stays online; the text before it is the new one."""
    sim = build_graph()
    online = meeting(CLIENT, isOnlineMeeting=True, onlineMeetingProvider="teamsForBusiness")
    event_id = sim.add_event(TOM.id, online | wire.with_tag({}, KEY))
    item = read(sim, event_id)
    url = events(sim)[0]["onlineMeeting"]["joinUrl"]
    for body in ("Only mine & new", item.content.body.replace("Agenda", "Other agenda")):
        command = update(read(sim, event_id), "body", body=body)
        outcome = carry_out(command, send(sim))
        assert outcome.result is Result.APPLIED
        stored = events(sim)[0]
        assert stored["onlineMeeting"]["joinUrl"] == url
        assert stored["body"]["content"].count(url.replace("&", "&amp;")) == 1
        assert stored["body"]["content"].count("_" * 80) == 2
        assert outcome.item is not None
        assert outcome.item.content.body.startswith(body.split("\n")[0])


def test_refusals_carry_the_services_words() -> None:
    """An end before the start can never be stored: refused, no mail, no event."""
    sim = build_graph()
    backwards = replace(CONTENT_ASKED, span=TimeSpan(START, START - timedelta(hours=1)))
    outcome = carry_out(create(backwards), send(sim))
    assert (outcome.result, outcome.code) == (Result.REFUSED, "ErrorPropertyValidationFailure")
    assert "validation" in outcome.message
    assert events(sim) == []
    assert mails(sim) == []


def test_a_mailbox_out_of_scope_needs_an_administrator() -> None:
    """403 for the whole mailbox is no outcome of one command."""
    sim = build_graph()
    sim.put_out_of_scope(TOM.id)
    with pytest.raises(AuthRejected):
        carry_out(create(), send(sim))


def test_a_throttled_mailbox_says_how_long_to_wait() -> None:
    """429 comes out with its time and has no effect."""
    sim = build_graph()
    sim.throttle_mailbox(TOM.id, sim.clock.now() + timedelta(seconds=30))
    with pytest.raises(Throttled) as caught:
        carry_out(create(), send(sim))
    assert 0 < caught.value.wait_s <= 30
    sim.clock.advance(31)
    assert carry_out(create(), send(sim)).result is Result.APPLIED


def test_a_room_is_booked_like_an_attendee() -> None:
    """A resource keeps its kind through writing and reading, and its answer is no edit."""
    sim = build_graph()
    people = (*PEOPLE, Attendee(BANKSIA.email_address, BANKSIA.display_name, AttendeeKind.RESOURCE))
    item = made(sim, replace(CONTENT_ASKED, attendees=people))
    sim.clock.advance(60)
    later = read(sim, item.id)
    kinds = {a.address: a.kind for a in later.content.attendees}
    assert kinds[BANKSIA.email_address] is AttendeeKind.RESOURCE
    assert is_same(later.content, item.content, "people")


WORDS = st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc")), max_size=40)
LINES = st.lists(WORDS, max_size=4).map("\n".join)
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2080, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001
SPANS = st.builds(
    lambda start, minutes: TimeSpan(start, start + timedelta(minutes=minutes)), MOMENTS, st.integers(1, 9999)
)
DAYS = st.builds(
    lambda start, days: TimeSpan(
        datetime(start.year, start.month, start.day, tzinfo=UTC),
        datetime(start.year, start.month, start.day, tzinfo=UTC) + timedelta(days=days),
        is_all_day=True,
    ),
    MOMENTS,
    st.integers(1, 14),
)
CONTENTS = st.builds(
    CalendarEvent,
    span=SPANS | DAYS,
    subject=WORDS,
    body=LINES,
    location=WORDS,
    show_as=st.sampled_from(ShowAs),
    sensitivity=st.sampled_from(Sensitivity),
    reminder_minutes=st.none() | st.integers(0, 20_160),
    attendees=st.lists(
        st.builds(
            Attendee,
            st.sampled_from([CLIENT, ANA.mail, "x@y.example", "O'Neil+1@z.example"]).map(str.lower),
            WORDS.map(str.strip),
            st.sampled_from((AttendeeKind.REQUIRED, AttendeeKind.OPTIONAL)),
        ),
        max_size=3,
        unique_by=lambda a: a.address,
    ).map(tuple),
)


@given(CONTENTS)
@settings(max_examples=60, deadline=None)
def test_every_group_survives_the_service(content: CalendarEvent) -> None:
    """Content written to the service and read back is the same in every group, and quiet when written again."""
    sim = build_graph()
    outcome = carry_out(create(content), send(sim))
    assert outcome.result is Result.APPLIED, outcome.message
    assert outcome.item is not None
    back = read(sim, outcome.item.id)
    assert [name for name in CONTENT if not is_same(back.content, content, name)] == []
    assert back.content == outcome.item.content
